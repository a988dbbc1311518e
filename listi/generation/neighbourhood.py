"""The atoms around a switch: cut out, put where the dual says, relaxed, and looked at (Numba). Lengths in Å.

The neighbourhood is a disc whose inner atoms move while the others stay. It is a minimum of the full potential again
before the next switch is proposed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import descend, make
from ..mechanics.jit import JIT
from ..mechanics.kernels import CUTOFF, template
from ..mechanics.neighbours import atoms_within
from ..network.bonds import BOND, COORDINATION_RADIUS
from .dual import LARGEST_RING, slot

_ROUNDS = 10  # passes over the Si in the harmonic network
_LONGEST_MOVE = 0.3  # of an atom in one Newton step
_NEWTON_STEPS = 60  # after which a neighbourhood counts as torn
_SMALL_FORCE = 1e-6  # largest force component of a relaxed neighbourhood [energy/Å]
_SKIN = 1.0  # extra reach of its pair list


class Atoms(NamedTuple):
    """The physical lattice: Si first, then the O on each bond.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Changed in place.
    species : ndarray of int8, shape (n_atoms,)
    cell : ndarray, shape (2,)
    table : ndarray
        The potential's.
    place : ndarray of int64, shape (n_atoms,)
        Scratch, -1 everywhere between uses.
    """

    positions: np.ndarray
    species: np.ndarray
    cell: np.ndarray
    table: np.ndarray
    place: np.ndarray


class Cut(NamedTuple):
    """A neighbourhood: atom numbers, vectors from its centre (m, 2), how many of the first ones move."""

    numbers: np.ndarray
    vectors: np.ndarray
    n_free: int


@template
def cut_out(atoms, grid, centre, radius):
    """Return the atoms within `radius` of `centre`, sorted along a direction, then those within the cutoff of them."""
    found, vector = atoms_within(atoms.positions, atoms.cell, grid, centre, radius + CUTOFF)
    key = np.empty(len(found))
    n_free = 0
    for k in range(len(found)):
        dx, dy = vector[k, 0], vector[k, 1]
        key[k] = 0.8 * dx + 0.6 * dy  # sorted, the envelope of the Hessian is narrow
        if dx * dx + dy * dy < radius * radius:
            n_free += 1
        else:
            key[k] += 1e6
    rank = np.argsort(key)
    return Cut(found[rank], vector[rank], n_free)


@numba.njit(**JIT)
def _image(x, near, width):
    """Periodic image of a coordinate nearest to `near`."""
    return x - width * np.floor((x - near) / width + 0.5)


@numba.njit(**JIT)
def put_silicon(dual, cut, place, centre, four):
    """Move free Si at the rings `four` to the centroids of their ring centres, and relax the harmonic Si network there.

    Then put O on the middle of their bonds.
    """
    n_si = len(dual.corners)
    moved = np.empty(cut.n_free, np.int64)
    n_moved = 0
    x = cut.vectors
    for k in range(cut.n_free):
        si = cut.numbers[k]
        if si >= n_si:
            continue
        touches = False
        for corner in dual.corners[si]:
            for ring in four:
                touches = touches or corner == ring
        if not touches:
            continue
        moved[n_moved] = k
        n_moved += 1
        for c in range(2):
            total = 0.0
            for corner in dual.corners[si]:
                total += _image(dual.centres[corner, c] - centre[c], x[k, c], dual.cell[c])
            x[k, c] = total / 3.0
    for _ in range(_ROUNDS):
        for m in range(n_moved):
            k = moved[m]
            fx = fy = 0.0
            for other in dual.neighbours[cut.numbers[k]]:
                dx, dy = x[place[other], 0] - x[k, 0], x[place[other], 1] - x[k, 1]
                r = math.sqrt(dx * dx + dy * dy)
                fx += (1.0 - BOND / r) * dx
                fy += (1.0 - BOND / r) * dy
            x[k, 0] += fx / 1.5  # bonds in all directions: half of each stiffness along x, half along y
            x[k, 1] += fy / 1.5
    for m in range(n_moved):
        si = cut.numbers[moved[m]]
        for side in range(3):
            other, oxygen = place[dual.neighbours[si, side]], place[n_si + dual.sides[si, side]]
            x[oxygen] = 0.5 * (x[moved[m]] + x[other])


@numba.njit(**JIT)
def is_whole(dual, cut, place, radius):
    """Has every Si just its own three O within 1.8 Å, and have bonds and rings kept their sense?

    Looks at all Si that an atom which moved can have reached.
    """
    n_si, x = len(dual.corners), cut.vectors
    near = (radius + 2.0 * COORDINATION_RADIUS) ** 2
    for k in range(len(cut.numbers)):
        if cut.numbers[k] >= n_si or x[k, 0] ** 2 + x[k, 1] ** 2 > near:
            continue
        if not (_has_its_oxygen(dual, cut, place, k) and _bonds_turn_left(dual, cut, place, k)):
            return False
        for ring in dual.corners[cut.numbers[k]]:
            if not _winds_once(dual, cut, place, ring):
                return False
    return True


@numba.njit(**JIT)
def _has_its_oxygen(dual, cut, place, k):
    """Are the O within 1.8 Å of a Si those on its bonds?"""
    n_si, x, si = len(dual.corners), cut.vectors, cut.numbers[k]
    limit = COORDINATION_RADIUS * COORDINATION_RADIUS
    count = 0
    for j in range(len(cut.numbers)):
        if cut.numbers[j] >= n_si and (x[j, 0] - x[k, 0]) ** 2 + (x[j, 1] - x[k, 1]) ** 2 < limit:
            count += 1
    for side in dual.sides[si]:
        j = place[n_si + side]
        if (x[j, 0] - x[k, 0]) ** 2 + (x[j, 1] - x[k, 1]) ** 2 >= limit:
            return False
    return count == 3


@numba.njit(**JIT)
def _bonds_turn_left(dual, cut, place, k):
    """Do the bonds of a Si follow one another anticlockwise?"""
    x, si = cut.vectors, cut.numbers[k]
    left = 0
    for side in range(3):
        a, b = x[place[dual.neighbours[si, side - 1]]], x[place[dual.neighbours[si, side]]]
        left += (a[0] - x[k, 0]) * (b[1] - x[k, 1]) > (a[1] - x[k, 1]) * (b[0] - x[k, 0])
    return left >= 2


@numba.njit(**JIT)
def _winds_once(dual, cut, place, ring):
    """Does the path around a ring turn left by 360 degrees? True of rings that reach beyond the cut."""
    x = cut.vectors
    members = np.empty(LARGEST_RING + 2, np.int64)
    n = ring_members(dual, ring, members)
    for i in range(n):
        members[i] = place[members[i]]
        if members[i] < 0:
            return True
    turn = 0.0
    for i in range(n):
        a, b, c = (
            x[members[i - 2]] if i > 1 else x[members[n + i - 2]],
            x[members[i - 1]] if i else x[members[n - 1]],
            x[members[i]],
        )
        ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
        turn += math.atan2(ux * vy - uy * vx, ux * vx + uy * vy)
    return abs(turn - 2.0 * math.pi) < 0.1


@numba.njit(**JIT)
def ring_members(dual, ring, found):
    """Write the Si around `ring` into `found`, anticlockwise; return how many."""
    si = start = dual.member[ring]
    n = 0
    while True:
        found[n] = si
        n += 1
        si = dual.neighbours[si, (slot(dual.corners[si], ring) + 1) % 3]
        if si == start:
            return n


@template
def relax_neighbourhood(dual, atoms, grid, centre, radius, four):
    """Relax the atoms around a switch that has been made in the dual; False, with nothing changed, if they tear.

    Ring centres that atoms of theirs have moved follow as the centroids of their Si.
    """
    cut = cut_out(atoms, grid, centre, radius)
    place, x, n_free = atoms.place, cut.vectors, cut.n_free
    for k in range(len(cut.numbers)):
        place[cut.numbers[k]] = k
    put_silicon(dual, cut, place, centre, four)
    disc = make(
        x, atoms.species[cut.numbers], atoms.table, np.ones(len(x), np.bool_), n_free, 0.0,
        np.zeros((2, 2)), np.zeros(3), _SKIN, np.zeros(2, np.int64),
    )  # fmt: skip
    whole = descend(disc, _SMALL_FORCE, _LONGEST_MOVE, _NEWTON_STEPS)
    x[:n_free] = disc.r[:n_free]
    whole = whole and is_whole(dual, cut, place, radius)
    if whole:
        for k in range(n_free):
            for c in range(2):
                atoms.positions[cut.numbers[k], c] = centre[c] + x[k, c]
        for k in range(n_free):
            if cut.numbers[k] < len(dual.corners):
                for ring in dual.corners[cut.numbers[k]]:
                    centre_ring(dual, atoms.positions, ring)
    for number in cut.numbers:
        place[number] = -1
    return whole


@numba.njit(**JIT)
def centre_ring(dual, positions, ring):
    """Move a ring centre to the centroid of the ring's Si."""
    members = np.empty(LARGEST_RING + 2, np.int64)
    n = ring_members(dual, ring, members)
    for c in range(2):
        near = positions[members[0], c]
        total = 0.0
        for i in range(n):
            total += _image(positions[members[i], c], near, dual.cell[c])
        dual.centres[ring, c] = total / n


@numba.njit(**JIT)
def centre_rings(dual, positions):
    """Move all ring centres to the centroids of their rings' Si."""
    for ring in range(len(dual.sizes)):
        centre_ring(dual, positions, ring)
