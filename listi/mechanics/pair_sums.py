"""Sums over pairs in a periodic cell: neighbour list, energy, forces, virial and stiffness (Numba).

Sums run over a half neighbour list in a fixed order, without `fastmath`: the same input gives the same bits on
every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from .jit import INNER, JIT, uint64
from .kernels import PairTable, pairs_of_atom


class PairList(NamedTuple):
    """Atoms in a periodic cell and which of them may interact.

    Attributes
    ----------
    positions, species
        As in `listi.Network`.
    box : ndarray, shape (3,)
        The cell: its width, its height, and how far its upper edge is shifted along x against the lower [Å].
    table
        The potential's.
    first, partner
        From `neighbour_list`.
    """

    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    table: PairTable
    first: np.ndarray
    partner: np.ndarray


class PairHessian(NamedTuple):
    """The Hessian of the energy, pair by pair.

    Attributes
    ----------
    first, partner
        From `neighbour_list`.
    blocks : ndarray, shape (n_pairs, 3)
        From `pair_stiffness`: the Hessian has minus these off its diagonal and their sums on it.
    frozen : ndarray of bool, shape (n_atoms,)
        Atoms that may not move: their rows are left out.
    """

    first: np.ndarray
    partner: np.ndarray
    blocks: np.ndarray
    frozen: np.ndarray


class PairWorkspace(NamedTuple):
    """Work arrays for the pairs of one atom: distance vectors, U'/r, species of the partners, U or U''."""

    dx: np.ndarray
    dy: np.ndarray
    tension: np.ndarray
    others: np.ndarray
    more: np.ndarray


@numba.njit(**INNER)
def _workspace(pairs):
    """Workspace for the pairs of any atom, filled up to eight lanes."""
    n = np.max(pairs.first[1:] - pairs.first[:-1]) + 8
    return PairWorkspace(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n))


@numba.njit(**INNER, forceinline=True)
def _evaluate(pairs, i, begin, count, work, energy, second):
    """Minimum-image distance vectors, U'/r, and U and U'' unless None, of the pairs of atom i listed from `begin`."""
    positions, species, box, partner = pairs.positions, pairs.species, pairs.box, pairs.partner
    dx, dy, tension, others = work.dx, work.dy, work.tension, work.others
    xi, yi = positions[i, 0], positions[i, 1]
    for k in range(count):
        j = uint64(partner[begin + k])
        dx[k] = positions[j, 0] - xi
        dy[k] = positions[j, 1] - yi
        others[k] = species[j]
    lanes = uint64(8) * ((count + uint64(7)) // uint64(8))
    for k in range(count, lanes):  # padding, so that all lanes of a vector are full
        dx[k] = dy[k] = 1.0
        others[k] = 0.0
    for k in range(lanes):
        rows = np.floor(dy[k] / box[1] + 0.5)
        dy[k] -= box[1] * rows
        dx[k] -= box[2] * rows
        dx[k] -= box[0] * np.floor(dx[k] / box[0] + 0.5)
        tension[k] = dx[k] * dx[k] + dy[k] * dy[k]
    pairs_of_atom(tension, others, energy, second, pairs.table, species[i], lanes)


@numba.njit(**JIT)
def energy_forces(pairs, forces):
    """Energy and virial; the forces are written into `forces`.

    Parameters
    ----------
    pairs : PairList
        The atoms.
    forces : ndarray, shape (n_atoms, 2)
        Output [energy/Å].

    Returns
    -------
    energy : float
        Sum of U over pairs [energy].
    virial : tuple of float
        Sums of U'(r) d_a d_b / r over pairs for ab = xx, xy, yy [energy]; the stress is virial / area.
    """
    work = _workspace(pairs)
    first, partner, dx, dy, tension = pairs.first, pairs.partner, work.dx, work.dy, work.tension
    forces[:] = 0.0
    total = vxx = vxy = vyy = 0.0
    for i in range(uint64(len(first) - 1)):
        begin = uint64(first[i])
        count = uint64(first[i + uint64(1)]) - begin
        _evaluate(pairs, i, begin, count, work, work.more, None)
        fx = fy = own = sxx = sxy = syy = 0.0  # sums an atom first: less rounding than one long sum
        for k in range(count):
            j = uint64(partner[begin + k])
            gx, gy = tension[k] * dx[k], tension[k] * dy[k]
            fx += gx
            fy += gy
            forces[j, 0] -= gx
            forces[j, 1] -= gy
            own += work.more[k]
            sxx += gx * dx[k]
            sxy += gx * dy[k]
            syy += gy * dy[k]
        forces[i, 0] += fx
        forces[i, 1] += fy
        total += own
        vxx += sxx
        vxy += sxy
        vyy += syy
    return total, (vxx, vxy, vyy)


@numba.njit(**JIT)
def atom_virials(pairs, virials):
    """Sums of U'(r) d_a d_b / (2 r) over the pairs of every atom for ab = xx, xy, yy, in `virials` (n_atoms, 3).

    Half of a pair's virial belongs to either atom; all add up to that of `energy_forces`.
    """
    work = _workspace(pairs)
    first, partner, dx, dy, tension = pairs.first, pairs.partner, work.dx, work.dy, work.tension
    virials[:] = 0.0
    for i in range(uint64(len(first) - 1)):
        begin = uint64(first[i])
        count = uint64(first[i + uint64(1)]) - begin
        _evaluate(pairs, i, begin, count, work, None, None)
        for k in range(count):
            half = 0.5 * tension[k]
            for atom in (i, uint64(partner[begin + k])):
                virials[atom, 0] += half * dx[k] * dx[k]
                virials[atom, 1] += half * dx[k] * dy[k]
                virials[atom, 2] += half * dy[k] * dy[k]


@numba.njit(**JIT)
def pair_stiffness(pairs, blocks, convex):
    """Hessian of every pair energy with respect to the distance vector, as (xx, xy, yy) in `blocks` (n_pairs, 3).

    The Hessian of the system has minus these blocks off its diagonal and their sums on it. With `convex`, negative
    curvatures U'' and U'/r are set to zero, which makes the Hessian positive semidefinite.
    """
    work = _workspace(pairs)
    first, dx, dy, tension = pairs.first, work.dx, work.dy, work.tension
    for i in range(uint64(len(first) - 1)):
        begin = uint64(first[i])
        count = uint64(first[i + uint64(1)]) - begin
        _evaluate(pairs, i, begin, count, work, None, work.more)
        for k in range(count):
            t, s = tension[k], work.more[k]
            if convex:
                t, s = max(t, 0.0), max(s, 0.0)
            x, y = dx[k], dy[k]
            c = (s - t) / (x * x + y * y)
            blocks[begin + k, 0] = c * x * x + t
            blocks[begin + k, 1] = c * x * y
            blocks[begin + k, 2] = c * y * y + t


@numba.njit(**JIT)
def hessian_product(hessian, vector, out):
    """Product of a `PairHessian` with `vector` (n_atoms, 2) [Å], written into `out` [energy/Å]."""
    first, partner, blocks = hessian.first, hessian.partner, hessian.blocks
    out[:] = 0.0
    for i in range(uint64(len(vector))):
        vx, vy = vector[i, 0], vector[i, 1]
        sx = sy = 0.0
        for p in range(uint64(first[i]), uint64(first[i + uint64(1)])):
            j = uint64(partner[p])
            dx, dy = vx - vector[j, 0], vy - vector[j, 1]
            gx = blocks[p, 0] * dx + blocks[p, 1] * dy
            gy = blocks[p, 1] * dx + blocks[p, 2] * dy
            sx += gx
            sy += gy
            out[j, 0] -= gx
            out[j, 1] -= gy
        out[i, 0] += sx
        out[i, 1] += sy
    for i in range(uint64(len(vector))):
        if hessian.frozen[i]:
            out[i] = 0.0


@numba.njit(**JIT)
def affine_force_rate(pairs, blocks, gradient, out):
    """Change of the forces per unit of homogeneous strain at frozen scaled coordinates, written into `out`.

    Every distance vector d changes by ``gradient @ d``, `gradient` of shape (2, 2).
    """
    positions, box, first, partner = pairs.positions, pairs.box, pairs.first, pairs.partner
    out[:] = 0.0
    for i in range(uint64(len(positions))):
        for p in range(uint64(first[i]), uint64(first[i + uint64(1)])):
            j = uint64(partner[p])
            dx = positions[j, 0] - positions[i, 0]
            dy = positions[j, 1] - positions[i, 1]
            rows = np.floor(dy / box[1] + 0.5)
            dy -= box[1] * rows
            dx -= box[2] * rows
            dx -= box[0] * np.floor(dx / box[0] + 0.5)
            ax = gradient[0, 0] * dx + gradient[0, 1] * dy
            ay = gradient[1, 0] * dx + gradient[1, 1] * dy
            gx = blocks[p, 0] * ax + blocks[p, 1] * ay
            gy = blocks[p, 1] * ax + blocks[p, 2] * ay
            out[i, 0] += gx
            out[i, 1] += gy
            out[j, 0] -= gx
            out[j, 1] -= gy
