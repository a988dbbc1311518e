"""Metropolis over the switches of a dual.

A switch must pass two tests. One is on

    chi = sum_n |p_n - p_n*| / p_n*  +  10 |alpha - alpha*|

with p_n the fraction of n-rings and alpha the Aboav-Weaire parameter, from a fit of

    n m_n = mu² + s² + mu (1 - alpha) (n - mu)

with m_n the mean size of the neighbours of n-rings, mu and s² the mean and variance of the ring
sizes. The other is on the strain energy of the dual, sum (r - r0)² / r0 with r0 = (b/2) [cot(pi/n)
+ cot(pi/m)]: chi alone lets defects pile up until the network tears in its own cell.

Source of the method: Ormrod Morley and Wilson, J. Phys.: Condens. Matter 30, 50LT02 (2018). Lengths
in Å.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..mechanics.jit import JIT
from ..network.geometry import minimum_image
from .dual import BOND, LARGEST_RING, Dual, ring_neighbours, slot, switch

ALPHA_WEIGHT = 10.0  # of the Aboav-Weaire parameter in chi
TEMPERATURE = 1e-4  # of Metropolis on chi
# Of Metropolis on the strain energy of the dual [Å]. Published descriptions leave it open. At 0.1 first events came at
# about 6 % strain; at 0.5 those of thirteen samples of 2400 atoms come from 0.7 to 6 %, sixth ones from 7 % on.
ELASTIC_TEMPERATURE = 0.5
# Distance from the centre of a regular n-ring to its bonds, (b/2) cot(pi/n): two rings that share a
# bond rest at the sum of theirs.
APOTHEM = np.array([0.0, 0.0] + [0.5 * BOND / math.tan(math.pi / n) for n in range(2, LARGEST_RING + 2)])

_SMALLEST_TRIANGLE = 2.5  # degenerate below this area [Å²]; 12 between three hexagons
_SETTLING = 8  # passes over the rings around a switch
_BLOCK = 20  # proposals a bond between two looks at the progress
_PATIENCE = 4  # blocks without progress after which chi counts as low as it gets
_HOT = 20.0  # temperature of Metropolis on chi in an anneal, times the number of rings
_COOL = 0.03  # temperature of Metropolis on the strain energy in a repair [Å]
_HEALED = 12.0  # radius around a misbonded Si in which a sample is repaired [Å]


def switch_bonds(dual: Dual, random: np.random.Generator, target: np.ndarray, alpha: float) -> float:
    """Switch bonds of `dual` in place until chi has stopped falling; return the lowest chi met."""
    best, waited = np.inf, 0
    while waited < _PATIENCE:
        chi = _sweep(dual, random, np.arange(len(dual.owner)), target, alpha, ELASTIC_TEMPERATURE)
        waited = waited + 1 if chi > best - 10 * TEMPERATURE else 0
        best = min(best, chi)
    return best


def _sweep(dual, random, bonds, target, alpha, elastic_temperature, temperature=TEMPERATURE, each=_BLOCK) -> float:
    """Propose each of `bonds` `each` times on average; return chi."""
    chosen = bonds[random.integers(len(bonds), size=max(1, round(each * len(bonds))))]
    chances = random.random((len(chosen), 2))
    return metropolis(dual, chosen, chances, target, alpha, temperature, elastic_temperature)[0]


def heal(
    dual: Dual,
    bad: np.ndarray,
    random: np.random.Generator,
    target: np.ndarray,
    alpha: float,
    chi: float,
) -> None:
    """Anneal the dual around the Si `bad`, then bring the statistics back to `chi`."""
    middle = dual.centres[dual.corners[:, 0]]
    if bad.size:
        away = [minimum_image(middle - middle[si], dual.cell) for si in bad]
        near = np.any(np.linalg.norm(away, axis=2) < _HEALED, axis=0)
        bonds = np.unique(dual.sides[near])
        _sweep(dual, random, bonds, target, alpha, _COOL, _HOT / len(dual.sizes))
    every = np.arange(len(dual.owner))
    for _ in range(200):  # as few switches elsewhere as will do
        reached = _sweep(dual, random, every, target, alpha, ELASTIC_TEMPERATURE, each=0.1)
        if reached <= chi + TEMPERATURE:
            return


def anneal(dual: Dual, random: np.random.Generator, target: np.ndarray, alpha: float) -> float:
    """Leave the place where chi got stuck by a hot sweep, then switch bonds again; return chi."""
    every = np.arange(len(dual.owner))
    _sweep(dual, random, every, target, alpha, ELASTIC_TEMPERATURE, _HOT / len(dual.sizes))
    return switch_bonds(dual, random, target, alpha)


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
def aboav_weaire_of(dual):
    """Aboav-Weaire parameter as in `network.aboav_weaire`; infinite if all rings are alike."""
    mu = 6.0  # by Euler's theorem, each Si having three bonds
    second, product = 0.0, 0.0
    for n in range(len(dual.count)):
        second += n * n * dual.count[n] / len(dual.sizes)  # mu² + s²
        product += n * dual.contacts[n] / len(dual.sizes)
    if second - mu * mu < 1e-9:
        return np.inf
    return 1.0 - (product - mu * second) / (mu * (second - mu * mu))


@numba.njit(**JIT)
def objective(dual, target, alpha):
    """Chi = sum_n |p_n - p_n*| / p_n* + 10 |alpha - alpha*|, the latter at most 10."""
    chi = ALPHA_WEIGHT * min(1.0, abs(aboav_weaire_of(dual) - alpha))
    for n in range(len(target)):
        if target[n] > 0.0:
            chi += abs(dual.count[n] / len(dual.sizes) - target[n]) / target[n]
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
def _strain_energy(dual, moving, n_moving, found):
    """Dual energy, sum of (r - r0)² / r0 [Å], of all sides at the rings `moving`."""
    energy = 0.0
    for i in range(n_moving):
        ring = moving[i]
        for m in range(ring_neighbours(dual, ring, found)):
            share = 1.0
            for j in range(n_moving):
                if moving[j] == found[m]:
                    share = 0.5  # met again from the other end
            dx, dy = _offset(dual, ring, found[m])
            r0 = APOTHEM[dual.sizes[ring]] + APOTHEM[dual.sizes[found[m]]]
            energy += share * (math.sqrt(dx * dx + dy * dy) - r0) ** 2 / r0
    return energy


@numba.njit(**JIT)
def _is_sound(dual, moving, n_moving):
    """Have all triangles at the rings `moving` kept their sense and a reasonable area?"""
    for i in range(n_moving):
        si = start = dual.member[moving[i]]
        while True:
            if _area(dual, dual.corners[si, 0], dual.corners[si, 1], dual.corners[si, 2]) < _SMALLEST_TRIANGLE:
                return False
            si = dual.neighbours[si, (slot(dual.corners[si], moving[i]) + 1) % 3]
            if si == start:
                break
    return True


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


@numba.njit(**JIT)
def metropolis(dual, bonds, chances, target, alpha, temperature, elastic_temperature):
    """Propose to switch each of `bonds` in turn; return chi and the number of switches accepted.

    Parameters
    ----------
    dual : Dual
        Changed in place; the centres around each switch are relaxed.
    bonds : ndarray of int64, shape (n,)
        Bonds to try.
    chances : ndarray, shape (n, 2)
        Random numbers, uniform on [0, 1).
    target : ndarray, shape (12,)
        Wanted fraction of rings of each size; zero where a size is not allowed.
    alpha : float
        Wanted Aboav-Weaire parameter.
    temperature : float
        Of Metropolis on chi.
    elastic_temperature : float
        Of Metropolis on the strain energy of the dual [Å].
    """
    found = np.empty(LARGEST_RING + 2, np.int64)
    moving, four = np.empty(64, np.int64), np.empty(4, np.int64)
    kept = np.empty((64, 2))
    chi, accepted = objective(dual, target, alpha), 0
    for bond, chance in zip(bonds, chances):  # noqa: B905 (numba knows no strict zip)
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
        if after > chi and chance[0] >= math.exp((chi - after) / temperature):
            switch(dual, bond, not sense)
            continue
        switch(dual, bond, not sense)
        n_moving = _surroundings(dual, four, moving, found)
        for i in range(n_moving):
            kept[i] = dual.centres[moving[i]]
        rise = -_strain_energy(dual, moving, n_moving, found)
        switch(dual, bond, sense)
        _settle(dual, moving, n_moving, found)
        rise += _strain_energy(dual, moving, n_moving, found)
        bearable = rise <= 0.0 or chance[1] < math.exp(-rise / elastic_temperature)
        if bearable and _is_sound(dual, moving, n_moving):
            chi = after
            accepted += 1
            continue
        for i in range(n_moving):
            dual.centres[moving[i]] = kept[i]
        switch(dual, bond, not sense)
    return chi, accepted
