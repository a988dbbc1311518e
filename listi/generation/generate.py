"""Honeycomb to glass by dual bond switching, to given ring statistics and Aboav-Weaire parameter.

Bonds of the honeycomb are switched until the statistics are met (`listi.montecarlo`); the dual
becomes atoms at a minimum of the full potential (`listi.assembly`); where a Si has lost its three
O, the switches around it are replaced. Lengths in Å.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..mechanics.forms import SILICA
from ..network.network import OXYGEN, SILICON, Network
from .dual import LARGEST_RING, SPACING, Dual, bond_ends, honeycomb
from .dual_to_atoms import approach, atoms, minimise, misbonded, release
from .switching import aboav_weaire_of, anneal, heal, switch_bonds

MINIMUM_CELL = 42.0  # shortest edge [Å]: a probe's disc of radius 11 + 10 must fit
# Log-normal of mean 6.0032 and standard deviation 0.95756 (after Büchner 2016). Its p_10 = 0.00132
# is left out: a switch that makes a ring of a size without a target is refused.
TARGET_RING_STATISTICS = {4: 0.03997, 5: 0.27565, 6: 0.40165, 7: 0.21279, 8: 0.05789, 9: 0.01014}
TARGET_ALPHA = 0.3
BOXES = ("as-generated", "zero-pressure")

_ANNEALS = 5  # of a sample whose statistics got stuck
_TRIES = 20  # repairs of a sample with a misbonded Si; one more for every hundred rings


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
        Wanted Aboav-Weaire parameter.
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
        If the statistics cannot be reached (within 0.01 in p_n, 0.02 in alpha, and two rings), or
        no sample could be made in which every Si has exactly its three O within 1.8 Å.
    """
    target = _check(nx, ny, seed, ring_statistics, alpha, box)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    dual = honeycomb(nx, ny)
    chi = switch_bonds(dual, random, target, alpha)
    for _ in range(_ANNEALS):
        if not _missed(dual, target, alpha):
            break
        chi = anneal(dual, random, target, alpha)
    if missed := _missed(dual, target, alpha):
        raise RuntimeError(missed)
    tries = _TRIES + len(dual.sizes) // 100
    for _ in range(tries):
        network, bad = _relax(dual, box)
        if network is not None and not _missed(dual, target, alpha):
            return network
        heal(dual, bad, random, target, alpha, chi)
    failed = f"Si {bad[0]} still misbonded" if bad.size else missed
    raise RuntimeError(f"generate(nx={nx}, ny={ny}, seed={seed}): {failed} after {tries} repairs")


def _check(nx, ny, seed, statistics, alpha, box) -> np.ndarray:
    """Refuse impossible parameters; return the wanted fraction of every ring size from 0 on."""
    for name, value, spacing in (("nx", nx, SPACING[0]), ("ny", ny, SPACING[1])):
        least = math.ceil(MINIMUM_CELL / spacing)
        if not _is_whole(value) or value < least:
            raise ValueError(f"{name}: {value!r} is not a whole number >= {least} (a cell of {MINIMUM_CELL} Å)")
    if ny % 2:
        raise ValueError(f"ny: {ny} is odd; rows fit a periodic cell only in even number")
    if not _is_whole(seed) or seed < 0:
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
        if not _is_whole(n) or not 4 <= n <= LARGEST_RING:
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


def _missed(dual: Dual, target: np.ndarray, alpha: float) -> str:
    """Say which of the wanted statistics has not been reached; empty if all have."""
    n_rings = len(dual.sizes)
    off = np.abs(dual.count / n_rings - target)
    n = int(np.argmax(off))
    if off[n] > 0.01 + 2.0 / n_rings:
        found = dual.count[n] / n_rings
        return f"ring_statistics: p_{n} = {target[n]:.4g} not reached; got {found:.4g}"
    reached = aboav_weaire_of(dual)
    if np.isfinite(reached) and abs(reached - alpha) > 0.02 + 2.0 / n_rings:
        return f"alpha: {alpha} not reached with these ring statistics; got {reached:.3g}"
    return ""


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _relax(dual: Dual, box: str) -> tuple[Network | None, np.ndarray]:
    """Return the network at a minimum of the full potential, or none and its misbonded Si."""
    ends, cell = bond_ends(dual), dual.cell
    species = np.repeat([SILICON, OXYGEN], [len(dual.corners), len(ends)]).astype(np.int8)
    positions = atoms(dual, ends)
    approach.compiled(SILICA)(positions, species, SILICA.table, cell, ends, 1e-4, 20000)
    bad = misbonded(positions, dual, cell)
    if not bad.size:
        positions = minimise(positions, species, cell, ends)
        if box == "zero-pressure":
            positions, cell = release(positions, species, cell)
        bad = misbonded(positions, dual, cell)
    if bad.size:
        return None, bad
    return Network(np.mod(positions, cell), species, ends, cell), bad
