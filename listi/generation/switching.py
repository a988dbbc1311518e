"""Metropolis over the switches of a network, on two lattices at once.

A switch is judged by the ring statistics alone,

    chi = sum_n |p_n - p_n*| / p_n*  +  2 |alpha_4 - alpha*|  +  2 |alpha_5 - alpha*|
    alpha_n = 1 - (n m_n - mu² - s²) / (mu (n - mu))

with p_n the fraction of n-rings, m_n the mean size of their neighbours, mu and s² the mean and variance of the ring
sizes. One that passes, a Wooten-Winer-Weaire move or Stone-Wales flip, is made on both lattices, and undone where the
atoms around it tear (`neighbourhood`).

Sources: Ormrod Morley and Wilson, J. Phys.: Condens. Matter 30, 50LT02 (2018), for the switches on the dual; Bachhav et
al. (2025), Methods, for the two lattices. Lengths in Å.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..mechanics.arithmetic import exp
from ..mechanics.jit import INNER, JIT, PART
from .dual import LARGEST_RING, ring_neighbours, slot, switch
from .glass import centre_ring, offset
from .neighbourhood import relax_neighbourhood

ALPHA_WEIGHT = 2.0  # of each Aboav-Weaire parameter in chi


@numba.njit(**INNER)
def _area(glass, a, b, c):
    """Signed area of the triangle of three ring centres, positive if anticlockwise."""
    ux, uy = offset(glass.centres[a], glass.centres[b], glass.cell)
    vx, vy = offset(glass.centres[a], glass.centres[c], glass.cell)
    return 0.5 * (ux * vy - uy * vx)


@numba.njit(**PART)
def _turns_anticlockwise(glass, a, b, c, d):
    """Which rotation of the bond across side a-b carries its two Si the shorter way?"""
    way = 0.0
    for ring, other, sign in ((b, d, 1.0), (a, c, 1.0), (a, d, -1.0), (b, c, -1.0)):
        dx, dy = offset(glass.centres[ring], glass.centres[other], glass.cell)
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
def order(glass):
    """Bond-orientational order |mean exp(6 i theta)| of the directions theta of the Si-Si bonds: one in a crystal."""
    dual, real, imaginary = glass.dual, 0.0, 0.0
    for si in range(len(dual.corners)):
        for other in dual.neighbours[si]:  # every bond twice
            x, y = offset(glass.positions[si], glass.positions[other], glass.cell)
            squared = x * x + y * y
            cosine, sine = (x * x - y * y) / squared, 2.0 * x * y / squared  # of 2 theta
            real += cosine * (4.0 * cosine * cosine - 3.0)
            imaginary += sine * (3.0 - 4.0 * sine * sine)
    return math.sqrt(real * real + imaginary * imaginary) / dual.corners.size


@numba.njit(**PART)
def _is_possible(glass, four, target, found):
    """Would a switch keep all rings in the wanted sizes, make new neighbours and cross no side?"""
    (a, b, c, d), dual = four, glass.dual
    for ring, change in ((a, -1), (b, -1), (c, 1), (d, 1)):
        n = dual.sizes[ring] + change
        if n >= len(target) or target[n] <= 0.0:
            return False
    if c == d or a == b or np.any(found[: ring_neighbours(dual, c, found)] == d):
        return False
    for ring in four:
        centre_ring(glass, ring, found)
    return _area(glass, a, d, c) > 0.0 and _area(glass, b, c, d) > 0.0


@numba.njit(**JIT)
def metropolis(glass, bonds, chances, target, alpha, temperature, radius, enough):
    """Propose to switch each of `bonds` in turn, until chi is low enough.

    Parameters
    ----------
    glass : Glass
        Changed in place.
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
    enough : float
        Chi at or below which no further bond is tried, once one has been switched.

    Returns
    -------
    int
        Number of switches made.
    """
    dual = glass.dual
    found, four = np.empty(LARGEST_RING + 2, np.int64), np.empty(4, np.int64)
    chi, made = objective(dual, target, alpha), 0
    for n in range(len(bonds)):
        bond = bonds[n]
        t = dual.owner[bond]
        k = slot(dual.sides[t], bond)
        u = dual.neighbours[t, k]
        four[0], four[1] = dual.corners[t, (k + 1) % 3], dual.corners[t, (k + 2) % 3]
        four[2], four[3] = dual.corners[t, k], dual.corners[u, slot(dual.sides[u], bond)]
        if not _is_possible(glass, four, target, found):
            continue
        sense = _turns_anticlockwise(glass, four[0], four[1], four[2], four[3])
        switch(dual, bond, sense)
        after = objective(dual, target, alpha)
        if after <= chi or chances[n] < exp((chi - after) / temperature):
            if relax_neighbourhood(glass, glass.positions[len(dual.corners) + bond].copy(), radius, four):
                chi = after
                made += 1
                if chi <= enough:
                    break
                continue
            glass.tally[1] += 1
        switch(dual, bond, not sense)
    glass.tally[0] += made
    return made
