"""Honeycomb to glass by bond switching on two lattices, to given ring statistics and Aboav-Weaire parameters.

Bonds of the honeycomb are switched first at a temperature at which about one ring may be of a wrong size, until the
directions of the crystal are forgotten, then at a low one until the statistics are met as well as the network bears.
Lengths in Å.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..mechanics.system import minimise
from ..network.geometry import is_whole
from ..network.network import Network
from .dual import LARGEST_RING, SPACING, Dual, bond_ends
from .lattices import Lattices, Proposals, largest_radius, misbonded
from .switching import aboav_weaire_of_size, objective
from .zero_pressure import release

MINIMUM_CELL = 42.0  # shortest edge [Å]: a probe's disc of radius 11 + 10 must fit
# Log-normal of mean 6.0032 and standard deviation 0.95756 (after Büchner 2016). Its p_10 = 0.00132
# is left out: a switch that makes a ring of a size without a target is refused.
TARGET_RING_STATISTICS = {4: 0.03997, 5: 0.27565, 6: 0.40165, 7: 0.21279, 8: 0.05789, 9: 0.01014}
TARGET_ALPHA = 0.3
BOXES = ("as-generated", "zero-pressure")
RADIUS = 14.0  # around a switch [Å] within which atoms are relaxed at once
SMALLEST_RADIUS = 8.0  # [Å]: the four rings of a switch must have room to relax

TEMPERATURE = 1e-4  # of Metropolis on chi; lower in samples larger than the paper's, where one ring changes chi by less
_COLD = 0.2  # the lower one, times the number of rings
_WARM = 2.0  # the temperature before both, times the number of rings: one 6-ring too many raises chi by 2.5 / n_rings
_MOST_RINGS = 2000  # in that, while a large crystal has few 5-rings: each new one changes alpha_5 by more
_FORGOTTEN = 3.0  # bond-orientational order, times sqrt(n_bonds), at which the crystal's directions count as forgotten
_WARM_PASSES = 100  # proposals per bond, after which the warm switches end even if some order is left
_IDLE = 2  # passes without a switch, all torn, that the warm switches survive: other bonds may not tear
_BATCH = 0.1  # switches per ring between two relaxations of the whole sample
_PASSES = 4  # proposals per bond without progress, after which chi counts as low as it gets


def generate(
    nx: int = 40,
    ny: int = 48,
    seed: int = 0,
    ring_statistics: Mapping[int, float] | None = None,
    alpha: float = TARGET_ALPHA,
    box: str = "as-generated",
    radius: float | None = None,
) -> Network:
    """Generate a network glass of `nx` x `ny` rings at a minimum of the full potential.

    Parameters
    ----------
    nx, ny : int
        Rings along x and rows of rings along y (even, for the rows to fit the periodic cell): 5 nx
        ny atoms in a cell of nx sqrt(3) 3.05 Å by ny 1.5 x 3.05 Å.
    seed : int
        Same seed, same sample.
    ring_statistics : mapping, optional
        Wanted fraction of rings of each size; sizes without one do not occur.
        `TARGET_RING_STATISTICS` by default, 4 to 9 members.
    alpha : float
        Wanted Aboav-Weaire parameter of the 4- and of the 5-rings.
    box : str
        "as-generated" keeps the cell of the honeycomb with Si-Si 3.05 Å (a slight biaxial tension,
        as in the paper); "zero-pressure" relaxes both edges until neither normal stress is left.
    radius : float
        Distance from a switch [Å] within which atoms are relaxed at once; the others follow with the whole sample. By
        default 14 Å, or what fits a smaller cell. Below 14 Å the frozen surroundings forbid switches that the network
        bears.

    Returns
    -------
    Network
        Si first, numbered in the honeycomb row by row from the top, left to right (numbers survive
        switches); the O on `bonds[k]` is atom ``n_si + k``.

    Raises
    ------
    ValueError
        If a parameter makes no sense, before any work.
    RuntimeError
        If the statistics cannot be reached (within 0.01 in p_n, 0.05 in alpha_4 and alpha_5, and a few rings).

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> glass.n_atoms, glass.cell.round(1).tolist()
    (600, [52.8, 54.9])
    """
    target = _check(nx, ny, seed, ring_statistics, alpha, box, radius)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    lattices = Lattices(nx, ny, min(RADIUS, largest_radius(nx, ny)) if radius is None else radius)
    order = _FORGOTTEN / math.sqrt(len(lattices.dual.owner))
    _switch(lattices, random, target, alpha, None, _WARM_PASSES, order)
    best = np.inf
    while (chi := objective(lattices.dual, target, alpha)) < best - 10 * TEMPERATURE:
        best = chi
        _switch(lattices, random, target, alpha, min(TEMPERATURE, _COLD / len(lattices.dual.sizes)), _PASSES)
    if missed := _missed(lattices, target, alpha):
        raise RuntimeError(f"generate(nx={nx}, ny={ny}, seed={seed}): {missed}")
    return _finished(lattices, box)


def warm_temperature(dual: Dual, target: np.ndarray) -> float:
    """Temperature on chi at which about one ring may be of a wrong size; higher while 5-rings are few."""
    rings = dual.count[5] / target[5] if target[5] > 0.0 else 0.0  # that would have so many of them
    return _WARM / min(len(dual.sizes), max(_MOST_RINGS, rings))


def _switch(
    lattices: Lattices, random, target, alpha: float, temperature: float | None, passes: int, order: float = 0.0
) -> None:
    """Propose `passes` switches per bond, until bonds have as little order as wanted or no switch is possible.

    Without a temperature, at the warm one.
    """
    idle = 0
    for _ in range(passes):
        before, left = lattices.made, len(lattices.dual.owner)
        proposals: list[Proposals] = []
        while left > 0:
            if lattices.in_parts or not proposals:  # other parts in each turn
                proposals = _propose(lattices, random)
            now = warm_temperature(lattices.dual, target) if temperature is None else temperature
            done = lattices.switch(proposals, target, alpha, now)
            if lattices.order() < order:
                return
            left -= sum(done)
            proposals = [
                one._replace(bonds=one.bonds[n:], chances=one.chances[n:])
                for one, n in zip(proposals, done, strict=True)
            ]
        idle = idle + 1 if lattices.made == before else 0
        if idle > (_IDLE if order else 0):
            return


def _propose(lattices: Lattices, random: np.random.Generator) -> list[Proposals]:
    """Draw as many bonds as the sample has, the same number in each part."""
    found, parts = [], lattices.parts(random)
    each = len(lattices.dual.owner) // len(parts)
    for part in parts:
        inside = lattices.bonds_in(part)
        bonds = inside[random.integers(len(inside), size=each)]
        most = max(20, round(_BATCH * len(inside) / 3))  # a ring has three bonds of its own
        found.append(Proposals(part, bonds, random.random(each), most))
    return found


def _finished(lattices: Lattices, box: str) -> Network:
    """Return the network at a minimum of the full potential in its box."""
    positions = minimise(lattices.atoms.positions, lattices.atoms.species, lattices.dual.cell)
    cell = lattices.dual.cell
    if box == "zero-pressure":
        positions, cell = release(positions, lattices.atoms.species, cell)
    if (bad := misbonded(positions, lattices.dual, cell)).size:
        raise RuntimeError(f"Si {bad[0]} is misbonded in the finished sample")
    return Network(np.mod(positions, cell), lattices.atoms.species, bond_ends(lattices.dual), cell)


def _check(nx, ny, seed, statistics, alpha, box, radius) -> np.ndarray:
    """Refuse impossible parameters; return the wanted fraction of every ring size from 0 on."""
    for name, value, spacing in (("nx", nx, SPACING[0]), ("ny", ny, SPACING[1])):
        least = math.ceil(MINIMUM_CELL / spacing)
        if not is_whole(value) or value < least:
            raise ValueError(f"{name}: {value!r} is not a whole number >= {least} (a cell of {MINIMUM_CELL} Å)")
    if ny % 2:
        raise ValueError(f"ny: {ny} is odd; rows fit a periodic cell only in even number")
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed: {seed!r} is not a whole number >= 0")
    if not isinstance(alpha, (int, float, np.number)) or not -1.0 < alpha < 1.0:
        raise ValueError(f"alpha: {alpha!r} is not a number between -1 and 1")
    if box not in BOXES:
        raise ValueError(f"box: {box!r} is not one of {', '.join(BOXES)}")
    largest = largest_radius(nx, ny)
    fits = isinstance(radius, (int, float, np.number)) and SMALLEST_RADIUS <= radius <= largest
    if not (radius is None or fits):
        raise ValueError(f"radius: {radius!r} is not a number from {SMALLEST_RADIUS} to {largest:.3g} Å in this cell")
    return _check_statistics(TARGET_RING_STATISTICS if statistics is None else statistics)


def _check_statistics(statistics: Mapping[int, float]) -> np.ndarray:
    """Refuse impossible ring statistics; return them as an array over all sizes."""
    if not isinstance(statistics, Mapping) or not statistics:
        raise ValueError(f"ring_statistics: {statistics!r} is not a mapping of ring sizes to fractions")
    target = np.zeros(LARGEST_RING + 2)
    for n, fraction in statistics.items():
        if not is_whole(n) or not 4 <= n <= LARGEST_RING:
            raise ValueError(f"ring_statistics: {n!r} is not a ring size from 4 to {LARGEST_RING}")
        if not isinstance(fraction, (int, float, np.number)) or not 0.0 < fraction <= 1.0:
            raise ValueError(f"ring_statistics: fraction {fraction!r} of {n}-rings is not in (0, 1]")
        target[n] = fraction
    total, mean = target.sum(), target @ np.arange(len(target))
    if abs(total - 1.0) > 0.01:
        raise ValueError(f"ring_statistics: fractions add up to {total:.4g}, not to 1 within 0.01")
    if abs(mean / total - 6.0) > 0.01:
        raise ValueError(f"ring_statistics: mean ring size {mean / total:.4g} is not 6 within 0.01 (Euler)")
    return target


def _missed(lattices: Lattices, target: np.ndarray, alpha: float) -> str:
    """Say which of the wanted statistics has not been reached, and why; empty if all have."""
    dual, n_rings = lattices.dual, len(lattices.dual.sizes)
    why = f"{lattices.torn} switches were undone since they tear the network"
    off = np.abs(dual.count / n_rings - target)
    n = int(np.argmax(off))
    if off[n] > 0.01 + 2.0 / n_rings:
        return f"ring_statistics: p_{n} = {target[n]:.4g} not reached; got {dual.count[n] / n_rings:.4g}; {why}"
    for n in (4, 5):
        reached = aboav_weaire_of_size(dual, n)
        if target[n] > 0.0 and dual.count[n] and abs(reached - alpha) > 0.05 + 5.0 / n_rings:
            return f"alpha: {alpha} not reached with these ring statistics; alpha_{n} is {reached:.3g}; {why}"
    return ""
