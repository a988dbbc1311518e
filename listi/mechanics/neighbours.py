"""Neighbour lists of a periodic cell, and the atoms within a circle, through a grid of bins (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from .jit import INNER, JIT


@numba.njit(**INNER)
def bins(positions, cell, reach):
    """Sort atoms into a grid of bins at least `reach` wide: bin of each atom, starts, members, grid shape."""
    n = len(positions)
    nx, ny = max(1, int(cell[0] / reach)), max(1, int(cell[1] / reach))
    bin_of = np.empty(n, np.int64)
    start = np.zeros(nx * ny + 1, np.int64)
    for i in range(n):
        fx = positions[i, 0] / cell[0]
        fy = positions[i, 1] / cell[1]
        bx = min(int((fx - np.floor(fx)) * nx), nx - 1)
        by = min(int((fy - np.floor(fy)) * ny), ny - 1)
        bin_of[i] = bx * ny + by
        start[bin_of[i] + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    member = np.empty(n, np.int64)
    for i in range(n):
        member[fill[bin_of[i]]] = i
        fill[bin_of[i]] += 1
    return bin_of, start, member, nx, ny


def upright(positions: np.ndarray, box: np.ndarray, reach: float) -> tuple[np.ndarray, float]:
    """Return the atoms of a tilted cell sheared back into a rectangle, and the reach that covers `reach` there.

    Atoms closer than `reach` in the tilted cell are closer than that along both edges of the rectangle.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å].
    box : ndarray, shape (3,)
        As in `listi.mechanics.pair_sums.PairList`.
    reach : float
        A distance [Å].
    """
    slope = box[2] / box[1]
    if slope == 0.0:
        return positions, reach
    places = np.column_stack([positions[:, 0] - slope * positions[:, 1], positions[:, 1]])
    return places, reach * np.sqrt(1.0 + slope * slope)


def neighbour_list(positions: np.ndarray, box: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Half neighbour list: pairs closer than `reach` under the minimum image, found through a grid of bins.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å]; need not lie inside the cell.
    box : ndarray, shape (3,)
        As in `listi.mechanics.pair_sums.PairList`; its width and its height are at least twice `reach` [Å].
    reach : float
        Largest distance listed [Å].

    Returns
    -------
    first : ndarray of int64, shape (n_atoms + 1,)
        Partners of atom i stand in ``partner[first[i]:first[i + 1]]``.
    partner : ndarray of uint32, shape (n_pairs,)
        Atom numbers, each larger than i; every pair is listed once.
    """
    return _pairs_in_bins(positions, box, reach, *upright(positions, box, reach))


@numba.njit(**JIT)
def _pairs_in_bins(positions, box, reach, sorted_by, bin_width):
    """Do the work of `neighbour_list`, with bins of the places `sorted_by`."""
    n = len(positions)
    bin_of, start, member, nx, ny = bins(sorted_by, box, bin_width)
    limit = reach * reach
    width, height, tilt = box[0], box[1], box[2]
    first = np.zeros(n + 1, np.int64)
    partner = np.empty(64 * n, np.uint32)
    total = 0
    for i in range(n):
        bx, by = bin_of[i] // ny, bin_of[i] % ny
        for sx in range(-1, 2) if nx > 2 else range(nx):
            cx = (bx + sx) % nx if nx > 2 else sx
            for sy in range(-1, 2) if ny > 2 else range(ny):
                b = cx * ny + ((by + sy) % ny if ny > 2 else sy)
                if total + start[b + 1] - start[b] > len(partner):
                    larger = np.empty(2 * len(partner) + n, np.uint32)
                    larger[:total] = partner[:total]
                    partner = larger
                for m in range(start[b], start[b + 1]):
                    j = member[m]
                    dx = positions[j, 0] - positions[i, 0]
                    dy = positions[j, 1] - positions[i, 1]
                    rows = np.floor(dy / height + 0.5)
                    dy -= height * rows
                    dx -= tilt * rows
                    dx -= width * np.floor(dx / width + 0.5)
                    if j > i and dx * dx + dy * dy < limit:
                        partner[total] = j
                        total += 1
        first[i + 1] = total
    return first, partner[:total].copy()


class Bins(NamedTuple):
    """Atoms sorted into a grid of bins: members of all bins in turn, where each bin starts, grid shape."""

    order: np.ndarray
    start: np.ndarray
    nx: int
    ny: int


@numba.njit(**INNER)
def sort_into_bins(positions, cell):
    """Sort the atoms into bins of at least 5 Å."""
    _, start, order, nx, ny = bins(positions, cell, 5.0)
    return Bins(order, start, nx, ny)


@numba.njit(**INNER)
def atoms_within(positions, cell, grid, centre, reach):
    """Numbers of the atoms closer than `reach` to `centre`, and their vectors from it (m, 2)."""
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


@numba.njit(**INNER)
def order_of_disc(vectors, radius, all_free):
    """Order in which a disc holds its atoms: first those that are relaxed, either kind sorted along a direction.

    Sorted atoms have narrow envelopes of the Hessian. Atoms within `radius` are relaxed, or all.

    Parameters
    ----------
    vectors : ndarray, shape (m, 2)
        From the centre of the disc to its atoms [Å].
    radius : float
        Of the disc [Å].
    all_free : bool
        Whether the atoms around it are relaxed too, unless there are none within it.

    Returns
    -------
    order : ndarray of int64, shape (m,)
        Places of the atoms in `vectors`.
    inside : ndarray of bool, shape (m,)
        Which of the ordered atoms lie within the radius.
    n_free : int
        How many are relaxed.
    """
    key = np.empty(len(vectors))
    inside = np.empty(len(vectors), np.bool_)
    for k in range(len(vectors)):
        dx, dy = vectors[k, 0], vectors[k, 1]
        inside[k] = dx * dx + dy * dy < radius * radius
        key[k] = 0.8 * dx + 0.6 * dy
        if not (inside[k] or all_free):
            key[k] += 1e6
    order = np.argsort(key, kind="mergesort")  # equal keys in the order of the atoms
    n_inside = np.sum(inside)
    return order, inside[order], len(vectors) if all_free and n_inside else n_inside
