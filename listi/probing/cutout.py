"""Discs cut from a sample (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import make, stress
from ..mechanics.jit import JIT, PART
from ..mechanics.kernels import PairTable
from ..mechanics.neighbours import atoms_within, order_of_disc


class Atoms(NamedTuple):
    """A sample as arrays: as in `listi.Network`, and the potential's table."""

    positions: np.ndarray
    species: np.ndarray
    cell: np.ndarray
    table: PairTable


class Settings(NamedTuple):
    """How every disc of a map is probed.

    Attributes
    ----------
    r_free : float
        Radius of the disc that is relaxed [Å].
    tether : float
        Stiffness of the springs on the atoms around it [energy/Å²]; 0 if they are frozen.
    max_steps : int
        Steps by which an instability must have come.
    tolerance : float
        Largest force component at a minimum [energy/Å].
    skin : float
        Extra reach of the pair lists [Å].
    force_scale : float
        The potential's.
    """

    r_free: float
    tether: float
    max_steps: int
    tolerance: float
    skin: float
    force_scale: float


@numba.njit(**PART)
def with_max_steps(settings, max_steps):
    """Return settings with another number of steps: Numba knows no `_replace`."""
    r_free, tether, _, tolerance, skin, force_scale = settings
    return Settings(r_free, tether, max_steps, tolerance, skin, force_scale)


@numba.njit(**PART)
def disc_around(atoms, grid, centre, settings, load):
    """Disc of the atoms within r_free + cutoff of `centre`, undeformed; without free atoms if none is within r_free.

    Atoms that are relaxed come first; each kind is sorted along a direction, which keeps the envelope of the Hessian
    narrow.
    """
    numbers, vector, inside, n_free = atoms_around(atoms, grid, centre, settings)
    return make(
        vector, atoms.species[numbers], atoms.table, inside, n_free, settings.tether,
        load.velocity, load.weight, settings.skin, settings.force_scale,
    )  # fmt: skip


@numba.njit(**JIT)
def atoms_around(atoms, grid, centre, settings):
    """Atoms of a disc in its order: numbers, vectors from the centre, which are inside r_free, how many are relaxed."""
    r_free = settings.r_free
    found, vector = atoms_within(atoms.positions, atoms.cell, grid, centre, r_free + atoms.table.cutoff)
    order, inside, n_free = order_of_disc(vector, r_free, settings.tether > 0.0)
    return found[order], vector[order], inside, n_free


@numba.njit(**JIT)
def stress_within(disc, settings):
    """Stress (xx, xy, yy) of the atoms within r_free of the disc's centre."""
    return np.array(stress(disc, np.pi * settings.r_free * settings.r_free))
