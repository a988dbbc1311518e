"""Probes of many discs one after the other (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import descend
from ..mechanics.jit import JIT
from ..mechanics.neighbours import sort_into_bins
from .branch import EMPTY, ROUGH_TOLERANCE, TOO_STRONG, UNCONVERGED, follow
from .cutout import disc_around, stress_within
from .path import place
from .peak import begin_ends, find_peak
from .plain_walk import LONGEST_MOVE, NEWTON_STEPS, walk


class Found(NamedTuple):
    """What n probes found; filled in place.

    Attributes
    ----------
    initial, critical : ndarray, shape (n, 3)
        Stress (xx, xy, yy) of the undeformed disc and of the critical state [energy/Å²].
    peak : ndarray, shape (n,)
        Stress of the load at its first maximum [energy/Å²].
    steps : ndarray, shape (n,)
        Steps to the critical state.
    status : ndarray of int64, shape (n,)
        As `branch.follow` says, or EMPTY.
    """

    initial: np.ndarray
    critical: np.ndarray
    peak: np.ndarray
    steps: np.ndarray
    status: np.ndarray


def nothing_found(n: int) -> Found:
    """Return room for n probes."""
    tensors = np.full((2, n, 3), np.nan)
    return Found(tensors[0], tensors[1], np.full(n, np.nan), np.full(n, np.nan), np.full(n, EMPTY))


@numba.njit(**JIT)
def probe_many(atoms, centres, load, settings, walked, found):
    """Probe the disc around every centre: followed if `walked` is None, walked if it is True.

    None rather than False, as Numba then leaves `walk` out of what it compiles. Returns the numbers of Hessians and of
    force evaluations.
    """
    grid, area = sort_into_bins(atoms.positions, atoms.cell), np.pi * settings.r_free * settings.r_free
    log = np.zeros(2, np.int64)
    for p in range(len(centres)):
        disc = disc_around(atoms, grid, centres[p], settings, load, log)
        if len(disc.forces) == 0:
            continue
        found.initial[p] = stress_within(disc, settings)
        if walked is None:
            tolerance = settings.tolerance
            for rough_tolerance in (max(ROUGH_TOLERANCE * settings.force_scale, tolerance), tolerance):
                ends = begin_ends(disc.r[: len(disc.forces)], area * np.sum(load.weight * found.initial[p]))
                steps, status = follow(disc, load, settings, rough_tolerance, ends)
                if status != UNCONVERGED:
                    break
                disc = disc_around(atoms, grid, centres[p], settings, load, log)  # a rough minimum was none: again
            found.critical[p] = stress_within(disc, settings)
            found.peak[p] = find_peak(disc, ends, load, tolerance) / area
        else:
            steps, status, found.peak[p] = walk(disc, load, settings, None)
            found.critical[p] = stress_within(disc, settings)
        if np.isnan(found.peak[p]):
            found.peak[p] = np.sum(load.weight * found.critical[p])
        found.steps[p], found.status[p] = steps, status
    return log


@numba.njit(**JIT)
def trace_one(atoms, centre, load, settings):
    """Walk one disc: the undeformed disc, its stress (xx, xy, yy) at every step, and how it ended."""
    log = np.zeros(2, np.int64)
    disc = disc_around(atoms, sort_into_bins(atoms.positions, atoms.cell), centre, settings, load, log)
    curve = np.empty((settings.max_steps + 2, 3))
    if len(disc.forces) == 0:
        return disc, curve[:0], EMPTY
    steps, status, _ = walk(disc, load, settings, curve)
    return disc, curve[: steps + 2], status


@numba.njit(**JIT)
def step_in_parts(atoms, centre, load, settings, parts):
    """Follow one disc for `settings.max_steps` steps, and take the next one in parts, forth and back.

    Returns
    -------
    curve : ndarray, shape (2 parts + 1, 3)
        Stress (xx, xy, yy) after every part; NaN where no minimum was found.
    away : float
        How far an atom ends from where it began, at most [Å].
    status : int
        TOO_STRONG, or why the step could not be taken.
    """
    grid, log = sort_into_bins(atoms.positions, atoms.cell), np.zeros(2, np.int64)
    disc = disc_around(atoms, grid, centre, settings, load, log)
    curve, n_free = np.empty((2 * parts + 1, 3)), len(disc.forces)
    if n_free == 0:
        return curve, np.inf, EMPTY
    steps, status = follow(disc, load, settings, settings.tolerance, begin_ends(disc.r[:n_free], 0.0))
    if status == UNCONVERGED:
        disc = disc_around(atoms, grid, centre, settings, load, log)
        steps, status, _ = walk(disc, load, settings, None)
    if status != TOO_STRONG:
        return curve, np.inf, status
    first = disc.r[:n_free].copy()
    x = first.copy()
    curve[0] = stress_within(disc, settings)
    for k in range(2 * parts):
        begin, end = min(k, 2 * parts - k) / parts, min(k + 1, 2 * parts - k - 1) / parts
        place(disc, x, load, steps + begin, steps + end)
        found = descend(disc, settings.tolerance, LONGEST_MOVE, NEWTON_STEPS)
        x[:] = disc.r[:n_free]
        curve[k + 1] = stress_within(disc, settings) if found else np.full(3, np.nan)
    return curve, np.max(np.abs(x - first)), status
