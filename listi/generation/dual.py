"""Dual of a network, the triangulation of its ring centres, and the switch of one of its bonds.

One node is a ring, one triangle a Si, one side a Si-Si bond. A switch takes one side out and joins
the two opposite corners instead: two rings lose a member, two gain one. Lengths in Å.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.jit import INNER, JIT
from ..network.bonds import BOND

SPACING = np.array([math.sqrt(3.0) * BOND, 1.5 * BOND])  # distance of ring centres in a row, of rows [Å]
LARGEST_RING = 10


class Dual(NamedTuple):
    """Triangulation of the ring centres of a periodic network, changed in place by switches.

    Corner k of a triangle lies opposite its side k, between corners k + 1 and k + 2 (modulo three).

    Attributes
    ----------
    corners : ndarray of int64, shape (n_si, 3)
        Rings around each Si, anticlockwise.
    neighbours : ndarray of int64, shape (n_si, 3)
        Si across each side.
    sides : ndarray of int64, shape (n_si, 3)
        Number of the bond across each side.
    owner : ndarray of int64, shape (n_bonds,)
        One of the two Si of each bond.
    member : ndarray of int64, shape (n_rings,)
        One of the Si of each ring.
    sizes : ndarray of int64, shape (n_rings,)
        Members of each ring.
    contact : ndarray of int64, shape (n_rings,)
        Sum of the sizes of each ring's neighbours.
    count : ndarray of int64, shape (12,)
        Number of rings of each size.
    contacts : ndarray of int64, shape (12,)
        Sum of `contact` over the rings of each size: n m_n p_n n_rings.
    """

    corners: np.ndarray
    neighbours: np.ndarray
    sides: np.ndarray
    owner: np.ndarray
    member: np.ndarray
    sizes: np.ndarray
    contact: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # a tuple has a method of this name
    contacts: np.ndarray


def honeycomb(nx: int, ny: int) -> tuple[Dual, np.ndarray, np.ndarray]:
    """Return the dual of a honeycomb of `nx` rings in each of `ny` rows, ring centres (n_rings, 2) and cell [Å].

    Si are numbered along the bonded rows, left to right, the top row first.
    """
    row, place = np.divmod(np.arange(2 * nx * ny), 2 * nx)
    ring_above = row % 2 != place % 2  # does a ring of the row of rings above lie over this Si, or one below?

    def ring(lower: np.ndarray, shift: np.ndarray) -> np.ndarray:
        of_row = np.where(lower, row, row - 1) % ny
        return of_row * nx + ((place + shift - of_row % 2) // 2) % nx

    # A Si between one ring above and two below has its corners top, lower left, lower right; else
    # bottom, upper right, upper left.
    side = np.where(ring_above, -1, 1)
    corners = np.stack([ring(~ring_above, 0 * side), ring(ring_above, side), ring(ring_above, -side)], axis=1)
    rings_row, rings_place = np.divmod(np.arange(nx * ny), nx)
    cell = np.array([nx, ny]) * SPACING
    x = (rings_place + 0.5 * (rings_row % 2) + 0.25) * SPACING[0]
    y = cell[1] - (rings_row + 1) * SPACING[1]
    return triangulation(corners, nx * ny), np.stack([x, y], axis=1), cell


def triangulation(corners: np.ndarray, n_rings: int) -> Dual:
    """Return the dual of triangles (n_si, 3) between rings; bonds follow their Si."""
    n_si = len(corners)
    start, end = np.roll(corners, -1, axis=1).ravel(), np.roll(corners, -2, axis=1).ravel()
    forth, back = start * n_rings + end, end * n_rings + start
    order = np.argsort(forth)
    partner = order[np.searchsorted(forth, back, sorter=order)]  # the same side seen from the other triangle
    first = np.flatnonzero(np.arange(3 * n_si) < partner)
    low, high = first // 3, partner[first] // 3
    first = first[np.lexsort((high, low))]
    sides = np.empty(3 * n_si, dtype=np.int64)
    sides[first] = sides[partner[first]] = np.arange(len(first))
    member = np.empty(n_rings, dtype=np.int64)
    member[corners.ravel()] = np.arange(3 * n_si) // 3
    sizes = np.bincount(corners.ravel(), minlength=n_rings)
    contact, count, contacts = (np.empty(n, dtype=np.int64) for n in (n_rings, LARGEST_RING + 2, LARGEST_RING + 2))
    dual = Dual(
        corners.astype(np.int64), (partner // 3).reshape(n_si, 3), sides.reshape(n_si, 3),
        first // 3, member, sizes, contact, count, contacts,
    )  # fmt: skip
    count_contacts(dual)
    return dual


def count_contacts(dual: Dual) -> None:
    """Count the rings of each size, and the sizes of their neighbours, anew."""
    start, end = np.roll(dual.corners, -1, axis=1).ravel(), np.roll(dual.corners, -2, axis=1).ravel()
    dual.contact[:] = np.bincount(start, weights=dual.sizes[end], minlength=len(dual.sizes))
    dual.count[:] = np.bincount(dual.sizes, minlength=LARGEST_RING + 2)
    dual.contacts[:] = np.bincount(dual.sizes, weights=dual.contact, minlength=LARGEST_RING + 2)


def bond_ends(dual: Dual) -> np.ndarray:
    """Return the two Si of every bond, lower number first, shape (n_bonds, 2)."""
    side = np.argmax(dual.sides[dual.owner] == np.arange(len(dual.owner))[:, None], axis=1)
    return np.sort(np.stack([dual.owner, dual.neighbours[dual.owner, side]], axis=1), axis=1)


def ring_pairs(dual: Dual) -> np.ndarray:
    """Return the two rings on either side of every bond, shape (n_bonds, 2)."""
    side = np.argmax(dual.sides[dual.owner] == np.arange(len(dual.owner))[:, None], axis=1)
    corners = dual.corners[dual.owner]
    every = np.arange(len(side))
    return np.stack([corners[every, (side + 1) % 3], corners[every, (side + 2) % 3]], axis=1)


@numba.njit(**INNER)
def slot(row, value):
    """Position of `value` in a row of three."""
    if row[0] == value:
        return 0
    return 1 if row[1] == value else 2


@numba.njit(**INNER)
def ring_neighbours(dual, ring, rings):
    """Write the rings around `ring` into `rings`, in either sense of rotation; return how many."""
    si = start = dual.member[ring]
    n = 0
    while True:
        k = (slot(dual.corners[si], ring) + 1) % 3
        rings[n] = dual.corners[si, k]
        n += 1
        si = dual.neighbours[si, k]
        if si == start:
            return n


@numba.njit(**JIT)
def ring_members(dual, ring, members):
    """Write the Si around `ring` into `members`, anticlockwise; return how many."""
    si = start = dual.member[ring]
    n = 0
    while True:
        members[n] = si
        n += 1
        si = dual.neighbours[si, (slot(dual.corners[si], ring) + 1) % 3]
        if si == start:
            return n


@numba.njit(**INNER)
def _join(dual, a, b, sign):
    """Count rings a and b as neighbours (sign 1) or no longer (sign -1)."""
    for ring, other in ((a, b), (b, a)):
        dual.contact[ring] += sign * dual.sizes[other]
        dual.contacts[dual.sizes[ring]] += sign * dual.sizes[other]


@numba.njit(**INNER)
def _resize(dual, ring, change, rings):
    """Change the size of a ring in the histogram and in the neighbour sums."""
    n = dual.sizes[ring]
    dual.count[n] -= 1
    dual.contacts[n] -= dual.contact[ring]
    n += change
    dual.sizes[ring] = n
    dual.count[n] += 1
    dual.contacts[n] += dual.contact[ring]
    for i in range(ring_neighbours(dual, ring, rings)):
        dual.contact[rings[i]] += change
        dual.contacts[dual.sizes[rings[i]]] += change


@numba.njit(**INNER)
def _hand_over(dual, bond, old, new):
    """Let `bond` end at Si `new` instead of `old`; return the Si at its other end."""
    far = dual.neighbours[old, slot(dual.sides[old], bond)]
    dual.neighbours[far, slot(dual.sides[far], bond)] = new
    dual.owner[bond] = far
    return far


@numba.njit(**JIT)
def switch(dual, bond, anticlockwise):
    """Turn a bond by a quarter: its two rings lose a member, the two rings at its ends gain one.

    The two Si keep their numbers and their common bond, and each hands one other bond over. The
    same switch in the other sense of rotation is the exact inverse.

    Parameters
    ----------
    dual : Dual
        Changed in place.
    bond : int
        Number of the bond.
    anticlockwise : bool
        Sense of the rotation.
    """
    rings = np.empty(LARGEST_RING + 2, np.int64)
    t = dual.owner[bond]
    k = slot(dual.sides[t], bond)
    u = dual.neighbours[t, k]
    j = slot(dual.sides[u], bond)
    k1, k2, j1, j2 = (k + 1) % 3, (k + 2) % 3, (j + 1) % 3, (j + 2) % 3
    c, a, b, d = dual.corners[t, k], dual.corners[t, k1], dual.corners[t, k2], dual.corners[u, j]
    _join(dual, a, b, -1)
    # Anticlockwise, t moves from c's to a's end of the pair and u from d's to b's; clockwise t to
    # b's, u to a's.
    if anticlockwise:
        keep_t, give_t, keep_u, give_u = (
            dual.sides[t, k2],
            dual.sides[t, k1],
            dual.sides[u, j2],
            dual.sides[u, j1],
        )
    else:
        keep_t, give_t, keep_u, give_u = (
            dual.sides[t, k1],
            dual.sides[t, k2],
            dual.sides[u, j1],
            dual.sides[u, j2],
        )
    kept_t, kept_u = (
        dual.neighbours[t, slot(dual.sides[t], keep_t)],
        dual.neighbours[u, slot(dual.sides[u], keep_u)],
    )
    far_t, far_u = _hand_over(dual, give_t, t, u), _hand_over(dual, give_u, u, t)
    if anticlockwise:
        _set_triangle(dual, t, k, a, d, c, keep_t, give_u, kept_t, far_u)
        _set_triangle(dual, u, j, b, c, d, keep_u, give_t, kept_u, far_t)
        dual.member[a], dual.member[b] = t, u
    else:
        _set_triangle(dual, t, k, b, c, d, give_u, keep_t, far_u, kept_t)
        _set_triangle(dual, u, j, a, d, c, give_t, keep_u, far_t, kept_u)
        dual.member[a], dual.member[b] = u, t
    dual.member[c] = dual.member[d] = t
    _join(dual, c, d, 1)
    for ring, change in ((a, -1), (b, -1), (c, 1), (d, 1)):
        _resize(dual, ring, change, rings)


@numba.njit(**INNER)
def _set_triangle(dual, si, k, apex, left, right, side_left, side_right, near_left, near_right):
    """Set a Si's corners from slot k on and what lies opposite corners `left` and `right`."""
    k1, k2 = (k + 1) % 3, (k + 2) % 3
    dual.corners[si, k], dual.corners[si, k1], dual.corners[si, k2] = apex, left, right
    dual.sides[si, k1], dual.sides[si, k2] = side_left, side_right
    dual.neighbours[si, k1], dual.neighbours[si, k2] = near_left, near_right
