"""Glasses without bonds: an instantaneous quench from random positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..mechanics.potential import Potential
from ..mechanics.system import System
from ..network.geometry import as_array, is_number, wrap
from ..network.network import Network


def quench(
    potential: Potential, diameters: np.ndarray, numbers: Sequence[int], density: float, seed: int = 0
) -> Network:
    """Quench a liquid at infinite temperature to the energy minimum downhill, in a periodic square.

    Random positions overlap, where a hard potential has forces that no minimiser survives: a potential with a soft
    core separates the atoms first.

    Parameters
    ----------
    potential : Potential
        What atoms do to each other.
    diameters : ndarray, shape (n_species, n_species)
        Distance at which each pair begins to overlap [Å, or the unit of the potential].
    numbers : sequence of int
        Atoms of each species.
    density : float
        Atoms per area.
    seed : int
        Of the random positions.

    Returns
    -------
    Network
        Without bonds; atoms of species 0 come first.

    Raises
    ------
    ValueError
        If the numbers do not fit the potential's species, or the density is not positive.
    ConvergenceError
        If the minimisation does not reach its tolerance.

    Examples
    --------
    >>> import listi
    >>> sigma, epsilon = [[1.18, 1.0], [1.0, 0.62]], [[0.5, 1.0], [1.0, 0.5]]
    >>> potential = listi.lennard_jones(sigma, epsilon)
    >>> glass = listi.quench(potential, diameters=sigma, numbers=(60, 60), density=1.02)
    >>> glass.n_atoms, bool(abs(listi.forces(glass, potential)).max() < 1e-8)
    (120, True)
    """
    if len(numbers) != potential.n_species or min(numbers) < 0 or sum(numbers) < 2:
        raise ValueError(f"numbers: {tuple(numbers)} is not a number of atoms for each of {potential.symbols}")
    if not (is_number(density) and density > 0):
        raise ValueError(f"density: {density!r} is not > 0")
    random = np.random.default_rng(np.random.SeedSequence(seed))
    cell = np.full(2, np.sqrt(sum(numbers) / density))
    species = np.repeat(np.arange(len(numbers)), numbers)
    diameters = as_array("diameters", diameters)
    soft = Potential(
        _soft_core, np.stack([diameters**12, 0.5 * diameters**2], axis=-1), potential.cutoff, potential.symbols
    )
    apart = System(random.uniform(size=(len(species), 2)) * cell, species, cell, potential=soft)
    apart.relax(tolerance=1e-6)
    system = System(apart.positions, species, cell, potential=potential)
    system.relax()
    return Network(wrap(system.positions, cell), species, None, cell)


def _soft_core(r, inverse, strength, core):
    """V = strength / (r² + core)^6 and its derivatives: finite where atoms lie on each other."""
    i = 1.0 / (r * r + core)
    i6 = (i * i) * (i * i) * (i * i)
    return strength * i6, -12.0 * strength * r * i6 * i, strength * i6 * i * (168.0 * r * r * i - 12.0)
