"""How the atoms of all discs of a threshold map move: at first, up to the first instability, and at it."""

from __future__ import annotations

import numba
import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from .. import parallel
from ..mechanics.dense_cholesky import cholesky, solve
from ..mechanics.disc import evaluate_hessian
from ..mechanics.forms import SILICA
from ..mechanics.jit import JIT
from ..mechanics.neighbours import sort_into_bins
from ..mechanics.potential import Potential
from ..network.geometry import wrap
from ..network.network import Network
from ..network.units import LENGTH_UNIT
from .branch import TOO_STRONG
from .curves import probed_again
from .cutout import Atoms, atoms_around, disc_around, with_max_steps
from .many import follow_disc
from .probe import BLOCK
from .protocol import variable

MOVES = {  # what is returned: unit and meaning
    "response": (LENGTH_UNIT, "non-affine velocity per unit strain, undeformed"),
    "displacement": (LENGTH_UNIT, "non-affine displacement in the critical state"),
    "direction": ("1", "direction of the non-affine motion in the critical state"),
}


def motion(
    network: Network,
    probing: xr.Dataset,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Non-affine motion of the atoms in every disc of a map.

    Each disc is followed as in `listi.probe` to its critical state, which takes as long as the map.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    probing : Dataset over (x, y)
        Its map by `listi.probe`, which says how it was probed.
    scheduler, workers
        See `listi.parallel.run`; the result does not depend on them.
    potential : Potential
        As for `listi.probe`.

    Returns
    -------
    xarray.Dataset
        Over (x, y, row, xy): ``response``, the velocity per unit strain in the undeformed state [Å]; ``displacement``
        in the critical state [Å]; ``direction``, in which the atoms move there, of unit length over all atoms of the
        disc. Over (x, y, row): ``atom``, numbers of the atoms that are relaxed, ascending, filled up with -1. NaN in
        rows without an atom, and where a disc has no threshold or could not be followed.

    Raises
    ------
    ValueError
        If the map does not say how it was probed, it was probed in another cell or with another potential, or the
        sample is not at a minimum.
    """
    load, settings, points, last = probed_again(network, probing, potential)
    shape, steps = (probing.sizes["x"], probing.sizes["y"]), np.rint(last)
    tree = cKDTree(wrap(network.positions, network.cell), boxsize=network.cell)
    reach = settings.r_free + (potential.cutoff if settings.tether else 0.0)  # tethered atoms are relaxed, too
    rows = tree.query_ball_point(wrap(points, network.cell), reach, return_length=True).max()
    blocks = [
        (network, points[k : k + BLOCK], steps[k : k + BLOCK], load, settings, potential, rows)
        for k in range(0, len(points), BLOCK)
    ]
    parts = zip(*parallel.run(_move_block, blocks, scheduler, workers, label="motion"), strict=True)
    numbers, moves = (np.concatenate(part).reshape(*shape, rows, -1) for part in parts)
    variables = {
        name: variable(("x", "y", "row", "xy"), moves[..., 2 * k : 2 * k + 2], *about)
        for k, (name, about) in enumerate(MOVES.items())
    }
    variables["atom"] = variable(("x", "y", "row"), numbers[..., 0], "1", "number of the atom")
    return xr.Dataset(variables, coords={"x": probing.x, "y": probing.y, "xy": ["x", "y"]})


def _move_block(block: tuple) -> tuple[np.ndarray, np.ndarray]:
    network, points, steps, load, settings, potential, rows = block
    atoms = Atoms(network.positions, network.species, network.cell, potential.table)
    numbers, moves = np.full((len(points), rows), -1), np.full((len(points), rows, 6), np.nan)
    _move_many(atoms, points, steps, load, settings, numbers, moves)
    return numbers, moves


@numba.njit(**JIT)
def _move_many(atoms, centres, steps, load, settings, numbers, moves):
    """Follow every disc for its number of steps, and write numbers and motion of its atoms, ascending."""
    grid = sort_into_bins(atoms.positions, atoms.cell)
    for p in range(len(centres)):
        chosen, _, _, n_free = atoms_around(atoms, grid, centres[p], settings)
        order = np.argsort(chosen[:n_free])  # all differ
        numbers[p, :n_free] = chosen[order]
        if n_free == 0 or np.isnan(steps[p]):
            continue
        limit = with_max_steps(settings, int(steps[p]))
        disc = disc_around(atoms, grid, centres[p], settings, load)
        _tangent(disc)
        response = disc.rate[order]
        disc, _, status, _, _ = follow_disc(atoms, grid, centres[p], load, limit, None, None)
        if status != TOO_STRONG:
            continue
        moves[p, :n_free, 0:2] = response
        moves[p, :n_free, 2:4] = (disc.r[:n_free] - disc.anchor[:n_free])[order]
        _tangent(disc)
        moves[p, :n_free, 4:6] = disc.rate[order] / np.sqrt(np.sum(disc.rate * disc.rate))


@numba.njit(**JIT)
def _tangent(disc):
    """Write the non-affine velocity per unit strain into `disc.rate`; not a number where the disc is unstable."""
    evaluate_hessian(disc)
    if cholesky(disc.matrix, disc.end):
        solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    else:
        disc.rate[:] = np.nan
