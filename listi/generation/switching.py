"""Metropolis over the switches of a network, on two lattices at once.

A switch is judged by the ring statistics alone,

    chi = sum_n |p_n - p_n*| / p_n*  +  2 |alpha_4 - alpha*|  +  2 |alpha_5 - alpha*|
    alpha_n = 1 - (n m_n - mu² - s²) / (mu (n - mu))

with p_n the fraction of n-rings, m_n the mean size of their neighbours, mu and s² the mean and variance of the ring
sizes. One that passes is made on both lattices around it: the dual is relaxed in its harmonic potential, sum (r - r0)²
/ r0 with r0 = (b/2) [cot(pi/n) + cot(pi/m)], and the atoms, put where it says, in the full one. Where they tear, it is
undone. Ring centres follow the relaxed atoms.

Sources: Ormrod Morley and Wilson, J. Phys.: Condens. Matter 30, 50LT02 (2018), for the switches on the dual; Bachhav et
al. (2025), Methods, for the two lattices. Lengths in Å.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..mechanics.jit import JIT
from ..mechanics.kernels import template
from ..mechanics.neighbours import sort_into_bins
from ..network.bonds import BOND
from .dual import LARGEST_RING, ring_neighbours, slot, switch
from .neighbourhood import relax_neighbourhood

ALPHA_WEIGHT = 2.0  # of each Aboav-Weaire parameter in chi
# Distance from the centre of a regular n-ring to its bonds, (b/2) cot(pi/n): two rings that share a
# bond rest at the sum of theirs.
APOTHEM = np.array([0.0, 0.0] + [0.5 * BOND / math.tan(math.pi / n) for n in range(2, LARGEST_RING + 2)])

_SETTLING = 8  # passes over the rings around a switch


@numba.njit(**JIT)
def _offset(dual, ring, other):
    """Vector from one ring centre to the nearest image of another."""
    width, height = dual.cell
    dx = dual.centres[other, 0] - dual.centres[ring, 0]
    dy = dual.centres[other, 1] - dual.centres[ring, 1]
    return dx - width * np.rint(dx / width), dy - height * np.rint(dy / height)


@numba.njit(**JIT)
def _area(dual, a, b, c):
    """Signed area of the triangle of three ring centres, positive if anticlockwise."""
    ux, uy = _offset(dual, a, b)
    vx, vy = _offset(dual, a, c)
    return 0.5 * (ux * vy - uy * vx)


@numba.njit(**JIT)
def _turns_anticlockwise(dual, a, b, c, d):
    """Which rotation of the bond across side a-b carries its two Si the shorter way?"""
    way = 0.0
    for ring, other, sign in ((b, d, 1.0), (a, c, 1.0), (a, d, -1.0), (b, c, -1.0)):
        dx, dy = _offset(dual, ring, other)
        way += sign * (dx * dx + dy * dy)
    return way <= 0.0


@numba.njit(**JIT)
def aboav_weaire_of_size(dual, n):
    """Aboav-Weaire parameter alpha_n of the n-rings, of which there must be some."""
    mu, second = 6.0, 0.0  # by Euler's theorem, each Si having three bonds; mu² + s²
    for k in range(len(dual.count)):
        second += k * k * dual.count[k] / len(dual.sizes)
    return 1.0 - (dual.contacts[n] / dual.count[n] - second) / (mu * (n - mu))


@numba.njit(**JIT)
def objective(dual, target, alpha):
    """Chi of the module's first lines; an alpha_n of a wanted size that does not occur counts as one off."""
    chi = 0.0
    for n in range(len(target)):
        if target[n] > 0.0:
            chi += abs(dual.count[n] / len(dual.sizes) - target[n]) / target[n]
    for n in (4, 5):
        if target[n] > 0.0:
            chi += ALPHA_WEIGHT * (abs(aboav_weaire_of_size(dual, n) - alpha) if dual.count[n] else 1.0)
    return chi


@numba.njit(**JIT)
def _settle(dual, moving, n_moving, found):
    """Relax the centres `moving` in the dual potential (r - r0)² / r0, one ring after the other."""
    for _ in range(_SETTLING):
        for i in range(n_moving):
            ring = moving[i]
            fx, fy, stiffness = 0.0, 0.0, 0.0
            for m in range(ring_neighbours(dual, ring, found)):
                dx, dy = _offset(dual, ring, found[m])
                r = math.sqrt(dx * dx + dy * dy)
                r0 = APOTHEM[dual.sizes[ring]] + APOTHEM[dual.sizes[found[m]]]
                fx += (r - r0) / (r0 * r) * dx
                fy += (r - r0) / (r0 * r) * dy
                stiffness += 0.5 / r0  # bonds in all directions: half of each stiffness along x, half along y
            dual.centres[ring, 0] += fx / stiffness
            dual.centres[ring, 1] += fy / stiffness


@numba.njit(**JIT)
def _surroundings(dual, four, moving, found):
    """Write the four rings of a switch and their neighbours, each once; return how many."""
    n_moving = 4
    moving[:4] = four
    for ring in four:
        for m in range(ring_neighbours(dual, ring, found)):
            known = False
            for i in range(n_moving):
                known = known or moving[i] == found[m]
            if not known:
                moving[n_moving] = found[m]
                n_moving += 1
    return n_moving


@numba.njit(**JIT)
def _is_possible(dual, four, target, found):
    """Would a switch keep all rings in the wanted sizes, make new neighbours and cross no side?"""
    a, b, c, d = four
    for ring, change in ((a, -1), (b, -1), (c, 1), (d, 1)):
        n = dual.sizes[ring] + change
        if n >= len(target) or target[n] <= 0.0:
            return False
    if c == d or a == b:
        return False
    for m in range(ring_neighbours(dual, c, found)):
        if found[m] == d:
            return False
    return _area(dual, a, d, c) > 0.0 and _area(dual, b, c, d) > 0.0


@template
def metropolis(dual, atoms, bonds, chances, target, alpha, temperature, radius, most):
    """Propose to switch each of `bonds` in turn, until `most` have been.

    Parameters
    ----------
    dual : Dual
    atoms : neighbourhood.Atoms
        Both lattices, changed in place.
    bonds : ndarray of int64, shape (n,)
        Bonds to try.
    chances : ndarray, shape (n,)
        Random numbers, uniform on [0, 1).
    target : ndarray, shape (12,)
        Wanted fraction of rings of each size; zero where a size is not allowed.
    alpha : float
        Wanted Aboav-Weaire parameter.
    temperature : float
        Of Metropolis on chi.
    radius : float
        Of the neighbourhood that is relaxed after a switch.
    most : int
        Switches after which to stop.

    Returns
    -------
    tuple of int
        Numbers of bonds proposed, of switches made, and of switches undone since the network tore.
    """
    found = np.empty(LARGEST_RING + 2, np.int64)
    moving, four = np.empty(64, np.int64), np.empty(4, np.int64)
    kept, centre = np.empty((64, 2)), np.empty(2)
    chi, made, torn = objective(dual, target, alpha), 0, 0
    grid = sort_into_bins(atoms.positions, atoms.cell)
    for n in range(len(bonds)):
        if made == most:
            return n, made, torn
        bond = bonds[n]
        t = dual.owner[bond]
        k = slot(dual.sides[t], bond)
        u = dual.neighbours[t, k]
        four[0], four[1] = dual.corners[t, (k + 1) % 3], dual.corners[t, (k + 2) % 3]
        four[2], four[3] = dual.corners[t, k], dual.corners[u, slot(dual.sides[u], bond)]
        if not _is_possible(dual, four, target, found):
            continue
        sense = _turns_anticlockwise(dual, four[0], four[1], four[2], four[3])
        switch(dual, bond, sense)
        after = objective(dual, target, alpha)
        if after > chi and chances[n] >= math.exp((chi - after) / temperature):
            switch(dual, bond, not sense)
            continue
        n_moving = _surroundings(dual, four, moving, found)
        for i in range(n_moving):
            kept[i] = dual.centres[moving[i]]
        _settle(dual, moving, n_moving, found)
        oxygen = atoms.positions[len(dual.corners) + bond]
        for c in range(2):
            centre[c] = oxygen[c]
        if relax_neighbourhood(dual, atoms, grid, centre, radius, four):
            chi = after
            made += 1
            grid = sort_into_bins(atoms.positions, atoms.cell)
            continue
        torn += 1
        for i in range(n_moving):
            dual.centres[moving[i]] = kept[i]
        switch(dual, bond, not sense)
    return len(bonds), made, torn
