"""Honeycomb to glass by bond switching, to given ring statistics and Aboav-Weaire parameters.

Bonds of the honeycomb are switched (Wooten-Winer-Weaire moves, or Stone-Wales flips) first at a temperature at which
about one ring may be of a wrong size, until the directions of the crystal are forgotten, then at a low one until the
statistics are as close to the targets as the network allows. Each switch relaxes the atoms around it while the others
stay, and is undone if these atoms tear; its cost does not depend on the size of the sample. The forces that remain at
the frozen surroundings are relaxed in the end, in the whole sample at once. Where the network tears during this
relaxation, a bond close by is switched, and others around until the statistics are as good as before. Lengths in Å.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..mechanics.forms import SILICA
from ..mechanics.system import ConvergenceError, System
from ..network.geometry import is_integer, minimum_image, wrap
from ..network.network import Network
from ..progress import progress
from .dual import LARGEST_RING, SPACING, Dual, bond_ends
from .glass import Glass, crystal, move, torn_silicon
from .switching import aboav_weaire_of_size, metropolis, objective, order
from .zero_pressure import relax_cell

if TYPE_CHECKING:
    from tqdm import tqdm

MINIMUM_CELL = 42.0  # shortest edge [Å]: a probe's disc of radius 11 + 10 must fit
# Log-normal of mean 6.0032 and standard deviation 0.95756 (after Büchner 2016). Its p_10 = 0.00132
# is left out: a switch that makes a ring of a size without a target is refused.
TARGET_RING_STATISTICS = {4: 0.03997, 5: 0.27565, 6: 0.40165, 7: 0.21279, 8: 0.05789, 9: 0.01014}
TARGET_ALPHA = 0.3
BOXES = ("as-generated", "zero-pressure")
# Around a switch [Å] within which atoms are relaxed; a smaller one rejects switches that the network allows.
RADIUS = 14.0

_COLD = 1e-4  # temperature of Metropolis on chi in the end
_COLDER = 0.2  # times the number of rings, in samples larger than the paper's
_WARM = 2.0  # temperature before that, times the number of rings: one 6-ring too many raises chi by 2.5 / n_rings
_MOST_RINGS = 2000  # in that, while a large crystal has few 5-rings: each new one changes alpha_5 by more
_FORGOTTEN = 3.0  # bond-orientational order, times sqrt(n_bonds), at which the crystal's directions count as forgotten
_WARM_PASSES = 100  # proposals per bond, after which the warm switches end even if some order is left
_LOOKS = 2  # at the order in each of these passes
_IDLE = 3  # passes without a switch after which none is expected any more
_PASSES = 6  # proposals per bond without progress, after which chi counts as low as it gets
_TRIES = 5  # of the low temperature, with a pass at the warm one between them
_STUCK = 0.01  # further than so many from a wanted alpha
_NO_PROGRESS = 1e-3  # in chi
_TEARS = 200  # in the relaxation of the whole sample, after which it counts as failed
_NEWTON_STEPS = 500  # of that relaxation
_AROUND = 3.0  # distance from a tear, in radii, within which bonds are switched


def generate(
    nx: int = 40,
    ny: int = 48,
    seed: int = 0,
    ring_statistics: Mapping[int, float] | None = None,
    alpha: float = TARGET_ALPHA,
    box: str = "as-generated",
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
    target = _check(nx, ny, seed, ring_statistics, alpha, box)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    glass = crystal(nx, ny)
    with progress("generating", unit=" rounds") as bar:
        _forget_the_crystal(glass, random, target, alpha, bar)
        _meet_the_targets(glass, random, target, alpha, bar)
        if not _missed(glass, target, alpha):
            _relax(glass, random, target, alpha, bar)
    if missed := _missed(glass, target, alpha):
        raise RuntimeError(f"generate(nx={nx}, ny={ny}, seed={seed}): {missed}")
    positions, cell = glass.positions, glass.cell
    if box == "zero-pressure":
        positions, cell = relax_cell(positions, glass.species, cell)
    return Network(wrap(positions, cell), glass.species, bond_ends(glass.dual), cell)


def _forget_the_crystal(glass: Glass, random: np.random.Generator, target: np.ndarray, alpha: float, bar: tqdm) -> None:
    """Switch bonds at the warm temperature until their directions have little order, or no more switch is made."""
    bonds = np.arange(len(glass.dual.owner))
    idle = 0
    for _ in range(_LOOKS * _WARM_PASSES):
        drawn = _draw(random, bonds, len(bonds) // _LOOKS)
        made = _switch(glass, drawn, target, alpha, warm_temperature(glass.dual, target))
        idle = 0 if made else idle + 1
        bar.update()
        if idle == _IDLE * _LOOKS or order(glass) < _FORGOTTEN / math.sqrt(len(bonds)):
            return


def _meet_the_targets(glass: Glass, random: np.random.Generator, target: np.ndarray, alpha: float, bar: tqdm) -> None:
    """Switch bonds at the low temperature until chi falls no more; again where that ends far from the targets."""
    bonds = np.arange(len(glass.dual.owner))
    for _ in range(_TRIES):
        best, idle = np.inf, 0
        while idle < _PASSES:
            _switch(glass, _draw(random, bonds, len(bonds)), target, alpha, cold_temperature(glass.dual))
            chi = objective(glass.dual, target, alpha)
            best, idle = (chi, 0) if chi < best - _NO_PROGRESS else (best, idle + 1)
            bar.update()
        if not _missed(glass, target, alpha, _STUCK):
            return
        _switch(glass, _draw(random, bonds, len(bonds)), target, alpha, warm_temperature(glass.dual, target))


def _relax(glass: Glass, random: np.random.Generator, target: np.ndarray, alpha: float, bar: tqdm) -> None:
    """Relax the whole sample; where it tears, switch bonds close by and relax again."""
    system, chi = System(glass.positions, glass.species, glass.cell), objective(glass.dual, target, alpha)
    for _ in range(_TEARS):
        torn = relax(glass, system)
        if not torn.size:
            return
        for number, si in enumerate(torn):
            if np.all(_distance(glass, torn[:number], si) > RADIUS):
                _switch_near(si, glass, random, target, alpha, chi)
                bar.update()
    raise RuntimeError(f"the network tears at Si {torn[0]}, also after {_TEARS} rounds of switches around it")


def relax(glass: Glass, system: System) -> np.ndarray:
    """Relax all atoms; return the Si at which the network tears, if any, with the atoms around them a step back."""
    system.positions = glass.positions.copy()
    for _ in range(_NEWTON_STEPS):
        before = system.positions
        try:
            system.relax(steps=1)
            at_minimum = True
        except ConvergenceError:
            at_minimum = False
        move(glass, system.positions)
        torn = torn_silicon(glass)
        if torn.size:
            _put_back(glass, before, torn)
        if torn.size or at_minimum:
            return torn
    forces = np.abs(system.energy_forces()[1][: len(glass.dual.corners)])
    return np.argmax(forces.max(axis=1), keepdims=True)


def _put_back(glass: Glass, before: np.ndarray, torn: np.ndarray) -> None:
    """Put atoms around torn Si back to where they were: as few as restore the network."""
    reach, back = RADIUS, np.zeros(len(before), dtype=bool)
    while torn.size:
        for si in torn:
            back |= _distance(glass, slice(None), si) < reach
        move(glass, np.where(back[:, None], before, glass.positions))
        torn, reach = torn_silicon(glass), 1.5 * reach


def _switch_near(si: int, glass: Glass, random: np.random.Generator, target, alpha: float, chi: float) -> None:
    """Switch a bond near a Si, whatever chi says, then others around at the low temperature until chi is low again."""
    away = _distance(glass, slice(len(glass.dual.corners), None), si)
    for reach, temperature, enough in ((RADIUS, np.inf, np.inf), (_AROUND * RADIUS, cold_temperature(glass.dual), chi)):
        bonds = np.flatnonzero(away < reach)
        _switch(glass, _draw(random, bonds, _PASSES * len(bonds)), target, alpha, temperature, enough)


def _distance(glass: Glass, atoms, si: int) -> np.ndarray:
    """Distance of atoms from a Si."""
    x, y = minimum_image(glass.positions[atoms] - glass.positions[si], glass.cell).T
    return np.sqrt(x * x + y * y)


def _draw(random: np.random.Generator, bonds: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n of the bonds, some of them more than once, and a random number for each."""
    return bonds[random.integers(len(bonds), size=n)], random.random(n)


def _switch(glass: Glass, drawn, target: np.ndarray, alpha: float, temperature: float, enough: float = -np.inf) -> int:
    """Propose to switch the bonds drawn; return how many have been."""
    radius = min(RADIUS, 0.5 * float(glass.cell.min()) - SILICA.cutoff)
    return metropolis(glass, *drawn, target, alpha, temperature, radius, enough)


def warm_temperature(dual: Dual, target: np.ndarray) -> float:
    """Temperature on chi at which about one ring may be of a wrong size; higher while 5-rings are few."""
    rings = dual.count[5] / target[5] if target[5] > 0.0 else 0.0  # that would have so many of them
    return _WARM / min(len(dual.sizes), max(_MOST_RINGS, rings))


def cold_temperature(dual: Dual) -> float:
    """Temperature on chi in the end: lower in samples larger than the paper's, where a ring changes chi by less."""
    return min(_COLD, _COLDER / len(dual.sizes))


def _check(nx, ny, seed, statistics, alpha, box) -> np.ndarray:
    """Refuse impossible parameters; return the wanted fraction of every ring size from 0 on."""
    for name, value, spacing in (("nx", nx, SPACING[0]), ("ny", ny, SPACING[1])):
        least = math.ceil(MINIMUM_CELL / spacing)
        if not is_integer(value) or value < least:
            raise ValueError(f"{name}: {value!r} is not a whole number >= {least} (a cell of {MINIMUM_CELL} Å)")
    if ny % 2:
        raise ValueError(f"ny: {ny} is odd; rows fit a periodic cell only in even number")
    if not is_integer(seed) or seed < 0:
        raise ValueError(f"seed: {seed!r} is not a whole number >= 0")
    if not isinstance(alpha, (int, float, np.number)) or not -1.0 < alpha < 1.0:
        raise ValueError(f"alpha: {alpha!r} is not a number between -1 and 1")
    if box not in BOXES:
        raise ValueError(f"box: {box!r} is not one of {', '.join(BOXES)}")
    return _check_statistics(TARGET_RING_STATISTICS if statistics is None else statistics)


def _check_statistics(statistics: Mapping[int, float]) -> np.ndarray:
    """Refuse impossible ring statistics; return them as an array over all sizes."""
    if not isinstance(statistics, Mapping) or not statistics:
        raise ValueError(f"ring_statistics: {statistics!r} is not a mapping of ring sizes to fractions")
    target = np.zeros(LARGEST_RING + 2)
    for n, fraction in statistics.items():
        if not is_integer(n) or not 4 <= n <= LARGEST_RING:
            raise ValueError(f"ring_statistics: {n!r} is not a ring size from 4 to {LARGEST_RING}")
        if not isinstance(fraction, (int, float, np.number)) or not 0.0 < fraction <= 1.0:
            raise ValueError(f"ring_statistics: fraction {fraction!r} of {n}-rings is not in (0, 1]")
        target[n] = fraction
    total, mean = sum(target.tolist()), sum(n * p for n, p in enumerate(target.tolist()))
    if abs(total - 1.0) > 0.01:
        raise ValueError(f"ring_statistics: fractions add up to {total:.4g}, not to 1 within 0.01")
    if abs(mean / total - 6.0) > 0.01:
        raise ValueError(f"ring_statistics: mean ring size {mean / total:.4g} is not 6 within 0.01 (Euler)")
    return target


def _missed(glass: Glass, target: np.ndarray, alpha: float, within: float = 0.05) -> str:
    """Say which of the wanted statistics has not been reached, and why; empty if all have."""
    dual, n_rings = glass.dual, len(glass.dual.sizes)
    why = f"{glass.tally[1]} switches were undone since they tear the network"
    off = np.abs(dual.count / n_rings - target)
    n = int(np.argmax(off))
    if off[n] > 0.01 + 2.0 / n_rings:
        return f"ring_statistics: p_{n} = {target[n]:.4g} not reached; got {dual.count[n] / n_rings:.4g}; {why}"
    for n in (4, 5):
        reached = aboav_weaire_of_size(dual, n)
        if target[n] > 0.0 and dual.count[n] and abs(reached - alpha) > within + 5.0 / n_rings:
            return f"alpha: {alpha} not reached with these ring statistics; alpha_{n} is {reached:.3g}; {why}"
    return ""
