"""Discs cut from a sample (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import make, stress
from ..mechanics.jit import JIT
from ..mechanics.kernels import CUTOFF, template
from ..mechanics.neighbours import bins


class Atoms(NamedTuple):
    """A sample as arrays: as in `listi.Network`, and the potential's table."""

    positions: np.ndarray
    species: np.ndarray
    cell: np.ndarray
    table: np.ndarray


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
    """

    r_free: float
    tether: float
    max_steps: int
    tolerance: float
    skin: float


class Bins(NamedTuple):
    """Atoms sorted into a grid of bins: members of all bins in turn, where each bin starts, grid shape."""

    order: np.ndarray
    start: np.ndarray
    nx: int
    ny: int


@numba.njit(**JIT)
def sort_into_bins(atoms):
    """Sort the atoms into bins of at least 5 Å."""
    _, start, order, nx, ny = bins(atoms.positions, atoms.cell, 5.0)
    return Bins(order, start, nx, ny)


@numba.njit(**JIT)
def _atoms_within(atoms, grid, centre, reach):
    """Numbers of the atoms closer than `reach` to `centre`, and their vectors from it (m, 2)."""
    positions, cell = atoms.positions, atoms.cell
    found = np.empty(len(positions), np.int64)
    vector = np.empty((len(positions), 2))
    count = 0
    bx = int(np.floor(centre[0] / cell[0] * grid.nx))
    by = int(np.floor(centre[1] / cell[1] * grid.ny))
    half_x = int(np.ceil(reach / cell[0] * grid.nx))
    half_y = int(np.ceil(reach / cell[1] * grid.ny))
    for sx in range(min(2 * half_x + 1, grid.nx)):
        for sy in range(min(2 * half_y + 1, grid.ny)):
            b = ((bx - half_x + sx) % grid.nx) * grid.ny + (by - half_y + sy) % grid.ny
            for k in range(grid.start[b], grid.start[b + 1]):
                dx = positions[grid.order[k], 0] - centre[0]
                dy = positions[grid.order[k], 1] - centre[1]
                dx -= cell[0] * np.floor(dx / cell[0] + 0.5)
                dy -= cell[1] * np.floor(dy / cell[1] + 0.5)
                if dx * dx + dy * dy < reach * reach:
                    found[count] = grid.order[k]
                    vector[count, 0], vector[count, 1] = dx, dy
                    count += 1
    return found[:count], vector[:count]


@template
def disc_around(atoms, grid, centre, settings, load, log):
    """Disc of the atoms within r_free + cutoff of `centre`, undeformed; without free atoms if none is within r_free.

    Atoms that are relaxed come first; each kind is sorted along a direction, which keeps the envelope of the Hessian
    narrow.
    """
    r_free = settings.r_free
    found, vector = _atoms_within(atoms, grid, centre, r_free + CUTOFF)
    tethered = settings.tether > 0.0
    key = np.empty(len(found))
    inside = np.empty(len(found), np.bool_)
    for k in range(len(found)):
        dx, dy = vector[k, 0], vector[k, 1]
        inside[k] = dx * dx + dy * dy < r_free * r_free
        key[k] = 0.8 * dx + 0.6 * dy
        if not (inside[k] or tethered):
            key[k] += 1e6
    rank = np.argsort(key)
    n_inside = np.sum(inside)
    n_free = len(found) if tethered and n_inside else n_inside
    return make(
        vector[rank], atoms.species[found[rank]], atoms.table, inside[rank], n_free, settings.tether,
        load.velocity, load.weight, settings.skin, log,
    )  # fmt: skip


@template
def stress_within(disc, settings):
    """Stress (xx, xy, yy) of the atoms within r_free of the disc's centre."""
    return np.array(stress(disc, np.pi * settings.r_free * settings.r_free))
