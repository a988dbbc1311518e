"""The two lattices of a network during generation: the dual, and the atoms sorted into bins. Lengths in Å."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.forms import SILICA
from ..mechanics.jit import INNER, JIT
from ..mechanics.kernels import PairTable
from ..network.bonds import COORDINATION_RADIUS
from ..network.geometry import minimum_image
from ..network.network import OXYGEN, SILICON
from .dual import Dual, bond_ends, honeycomb, ring_members

_BIN = 5.0  # least edge of a bin


class Glass(NamedTuple):
    """A network and its atoms, changed in place by switches: Si first, then the O on each bond.

    Attributes
    ----------
    dual : Dual
        Which Si are bonded.
    positions : ndarray, shape (n_atoms, 2)
    species : ndarray of int8, shape (n_atoms,)
    cell : ndarray, shape (2,)
    table : PairTable
        The potential.
    grid : ndarray of int64, shape (2,)
        Numbers of bins along x and y.
    first : ndarray of int64, shape (n_bins,)
        An atom of each bin, or -1.
    following : ndarray of int64, shape (n_atoms,)
        The next atom in the bin, or -1.
    bin : ndarray of int64, shape (n_atoms,)
        Bin of each atom.
    tally : ndarray of int64, shape (2,)
        Numbers of switches made, and of those undone since they tear the network.
    centres : ndarray, shape (n_rings, 2)
        Scratch for ring centres.
    place : ndarray of int64, shape (n_atoms,)
        Scratch.
    """

    dual: Dual
    positions: np.ndarray
    species: np.ndarray
    cell: np.ndarray
    table: PairTable
    grid: np.ndarray
    first: np.ndarray
    following: np.ndarray
    bin: np.ndarray
    tally: np.ndarray
    centres: np.ndarray
    place: np.ndarray


def crystal(nx: int, ny: int) -> Glass:
    """Return the honeycomb of `nx` rings in each of `ny` rows: Si amid three ring centres, O amid two Si."""
    dual, centres, cell = honeycomb(nx, ny)
    corner = centres[dual.corners[:, 0]]
    others = [minimum_image(centres[dual.corners[:, k]] - corner, cell) for k in (1, 2)]
    silicon, ends = corner + (others[0] + others[1]) / 3.0, bond_ends(dual)
    along = minimum_image(silicon[ends[:, 1]] - silicon[ends[:, 0]], cell)
    positions = np.concatenate([silicon, silicon[ends[:, 0]] + 0.5 * along])
    species = np.repeat([SILICON, OXYGEN], [len(silicon), len(ends)]).astype(np.int8)
    grid = (cell / _BIN).astype(np.int64)
    first, following, where, place = (np.empty(n, np.int64) for n in (np.prod(grid), *[len(positions)] * 3))
    tally = np.zeros(2, np.int64)
    glass = Glass(dual, positions, species, cell, SILICA.table, grid, first, following, where, tally, centres, place)
    sort_into_bins(glass)
    return glass


@numba.njit(**INNER)
def _bin_at(glass, atom):
    """Bin in which an atom lies."""
    at = 0
    for c in range(2):
        x = glass.positions[atom, c] / glass.cell[c]
        at = at * glass.grid[c] + min(int((x - np.floor(x)) * glass.grid[c]), glass.grid[c] - 1)
    return at


@numba.njit(**JIT)
def sort_into_bins(glass):
    """Sort all atoms into bins anew."""
    glass.first[:] = -1
    for atom in range(len(glass.positions)):
        b = glass.bin[atom] = _bin_at(glass, atom)
        glass.following[atom], glass.first[b] = glass.first[b], atom


def move(glass: Glass, positions: np.ndarray) -> None:
    """Move all atoms."""
    glass.positions[:] = positions
    sort_into_bins(glass)


@numba.njit(**INNER)
def rebin(glass, atom):
    """Move an atom that has moved into its new bin."""
    old, new = glass.bin[atom], _bin_at(glass, atom)
    if old == new:
        return
    if glass.first[old] == atom:
        glass.first[old] = glass.following[atom]
    else:
        before = glass.first[old]
        while glass.following[before] != atom:
            before = glass.following[before]
        glass.following[before] = glass.following[atom]
    glass.following[atom], glass.first[new], glass.bin[atom] = glass.first[new], atom, new


@numba.njit(**INNER)
def offset(a, b, cell):
    """Vector from `a` to the nearest image of `b`."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    return dx - cell[0] * np.floor(dx / cell[0] + 0.5), dy - cell[1] * np.floor(dy / cell[1] + 0.5)


@numba.njit(**JIT)
def atoms_around(glass, centre, reach, atoms):
    """Write the atoms closer to `centre` than `reach` into `atoms`; return how many."""
    nx, ny = glass.grid
    count = 0
    bx, by = int(np.floor(centre[0] / glass.cell[0] * nx)), int(np.floor(centre[1] / glass.cell[1] * ny))
    half_x, half_y = int(np.ceil(reach / glass.cell[0] * nx)), int(np.ceil(reach / glass.cell[1] * ny))
    for sx in range(min(2 * half_x + 1, nx)):
        for sy in range(min(2 * half_y + 1, ny)):
            atom = glass.first[((bx - half_x + sx) % nx) * ny + (by - half_y + sy) % ny]
            while atom >= 0:
                dx, dy = offset(centre, glass.positions[atom], glass.cell)
                if dx * dx + dy * dy < reach * reach:
                    atoms[count] = atom
                    count += 1
                atom = glass.following[atom]
    return count


@numba.njit(**INNER)
def is_torn(glass, si, members):
    """Return whether an O of another bond lies within 1.8 Å of a Si, or its bonds or one of its rings are inverted."""
    dual, n_si = glass.dual, len(glass.dual.corners)
    own = 0
    for k in range(atoms_around(glass, glass.positions[si], COORDINATION_RADIUS, members)):
        if members[k] >= n_si:
            bond = members[k] - n_si
            if bond != dual.sides[si, 0] and bond != dual.sides[si, 1] and bond != dual.sides[si, 2]:
                return True
            own += 1
    if own < 3:
        return True
    left = 0
    for k in range(3):
        ax, ay = offset(glass.positions[si], glass.positions[dual.neighbours[si, k - 1]], glass.cell)
        bx, by = offset(glass.positions[si], glass.positions[dual.neighbours[si, k]], glass.cell)
        left += ax * by > ay * bx
    if left < 2:
        return True
    a, b, c = dual.corners[si]
    return not (winds_once(glass, a, members) and winds_once(glass, b, members) and winds_once(glass, c, members))


@numba.njit(**JIT)
def winds_once(glass, ring, members):
    """Does the path around a ring turn left by 360 degrees? It does if its sides pass the direction of x once so."""
    n = ring_members(glass.dual, ring, members)
    turns = 0
    ax, ay = offset(glass.positions[members[n - 1]], glass.positions[members[0]], glass.cell)
    for i in range(n):
        bx, by = offset(glass.positions[members[i]], glass.positions[members[(i + 1) % n]], glass.cell)
        if ay < 0.0 <= by and ax * by > ay * bx:
            turns += 1
        elif by < 0.0 <= ay and ax * by < ay * bx:
            turns -= 1
        ax, ay = bx, by
    return turns == 1


@numba.njit(**JIT)
def torn_silicon(glass):
    """Si at which the network is torn."""
    torn = np.zeros(len(glass.dual.corners), np.bool_)
    members = np.empty(len(glass.positions), np.int64)
    for si in range(len(torn)):
        torn[si] = is_torn(glass, si, members)
    return np.flatnonzero(torn)


@numba.njit(**INNER)
def centre_ring(glass, ring, members):
    """Write the centroid of the Si of a ring into `centres`."""
    n = ring_members(glass.dual, ring, members)
    start = glass.positions[members[0]]
    x = y = 0.0
    for i in range(1, n):
        dx, dy = offset(start, glass.positions[members[i]], glass.cell)
        x += dx
        y += dy
    glass.centres[ring, 0], glass.centres[ring, 1] = start[0] + x / n, start[1] + y / n
