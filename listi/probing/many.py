"""Probes of many discs one after the other (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..mechanics.kernels import template
from .branch import EMPTY, ROUGH_TOLERANCE, UNCONVERGED, follow
from .cutout import disc_around, sort_into_bins, stress_within
from .plain_walk import walk


class Found(NamedTuple):
    """What n probes found; filled in place.

    Attributes
    ----------
    initial, critical : ndarray, shape (n, 3)
        Stress (xx, xy, yy) of the undeformed disc and of the critical state [energy/Å²].
    steps : ndarray, shape (n,)
        Steps to the critical state.
    status : ndarray of int64, shape (n,)
        As `branch.follow` says, or EMPTY.
    """

    initial: np.ndarray
    critical: np.ndarray
    steps: np.ndarray
    status: np.ndarray


def nothing_found(n: int) -> Found:
    """Return room for n probes."""
    return Found(np.full((n, 3), np.nan), np.full((n, 3), np.nan), np.full(n, np.nan), np.full(n, EMPTY))


@template
def probe_many(atoms, centres, load, settings, walked, found):
    """Probe the disc around every centre: followed if `walked` is None, walked if it is True.

    None rather than False, as Numba then leaves `walk` out of what it compiles. Returns the numbers of Hessians and of
    force evaluations.
    """
    grid = sort_into_bins(atoms)
    log = np.zeros(2, np.int64)
    for p in range(len(centres)):
        disc = disc_around(atoms, grid, centres[p], settings, load.velocity, log)
        if len(disc.forces) == 0:
            continue
        found.initial[p] = stress_within(disc, settings)
        if walked is None:
            tolerance = settings.tolerance
            steps, status = follow(disc, load, settings.max_steps, tolerance, max(ROUGH_TOLERANCE, tolerance))
            if status == UNCONVERGED:  # a rough minimum was none
                disc = disc_around(atoms, grid, centres[p], settings, load.velocity, log)
                steps, status = follow(disc, load, settings.max_steps, tolerance, tolerance)
        else:
            steps, status = walk(disc, load, settings, None)
        found.critical[p] = stress_within(disc, settings)
        found.steps[p], found.status[p] = steps, status
    return log


@template
def trace_one(atoms, centre, load, settings):
    """Walk one disc: the undeformed disc, its stress (xx, xy, yy) at every step, and how it ended."""
    log = np.zeros(2, np.int64)
    disc = disc_around(atoms, sort_into_bins(atoms), centre, settings, load.velocity, log)
    curve = np.empty((settings.max_steps + 2, 3))
    if len(disc.forces) == 0:
        return disc, curve[:0], EMPTY
    steps, status = walk(disc, load, settings, curve)
    return disc, curve[: steps + 2], status
