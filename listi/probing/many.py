"""Discs of a map, probed one after the other (Numba)."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.jit import JIT
from ..mechanics.neighbours import sort_into_bins
from .branch import EMPTY, ROUGH_TOLERANCE, UNCONVERGED, follow
from .cutout import disc_around, stress_within
from .peak import find_peak, new_bracket
from .plain_step import take_plain_steps


class ProbeResults(NamedTuple):
    """Results of n probes; filled in place.

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


def empty_results(n: int) -> ProbeResults:
    """Return arrays for n probes."""
    tensors = np.full((2, n, 3), np.nan)
    return ProbeResults(tensors[0], tensors[1], np.full(n, np.nan), np.full(n, np.nan), np.full(n, EMPTY))


@numba.njit(**JIT)
def follow_disc(atoms, grid, centre, load, settings, every_step, curve):
    """Take the disc around a centre to its critical state, by plain steps only if `every_step` is True.

    Otherwise it is None: with False, Numba would compile both.

    Returns
    -------
    disc, steps, status, bracket
        As `branch.follow` and `plain_step.take_plain_steps`, to which `curve` belongs, leave and return them.
    initial : ndarray, shape (3,)
        Stress (xx, xy, yy) of the undeformed disc.
    """
    tolerance, area = settings.tolerance, np.pi * settings.r_free * settings.r_free
    for rough_tolerance in (max(ROUGH_TOLERANCE * settings.force_scale, tolerance), tolerance):
        disc = disc_around(atoms, grid, centre, settings, load)
        initial = stress_within(disc, settings)
        bracket = new_bracket(disc.r[: len(disc.forces)], area * np.sum(load.weight * initial))
        if len(disc.forces) == 0:
            return disc, 0, EMPTY, bracket, initial
        if every_step is None:
            steps, status = follow(disc, load, settings, rough_tolerance, bracket)
        else:
            steps, status = take_plain_steps(disc, load, settings, bracket, curve)
        if status != UNCONVERGED:  # otherwise a rough minimum may have been none
            break
    return disc, steps, status, bracket, initial


@numba.njit(**JIT)
def probe_many(atoms, centres, load, settings, every_step, results):
    """Probe the disc around every centre; `every_step` as for `follow_disc`."""
    grid, area = sort_into_bins(atoms.positions, atoms.cell), np.pi * settings.r_free * settings.r_free
    for p in range(len(centres)):
        disc, steps, status, bracket, initial = follow_disc(atoms, grid, centres[p], load, settings, every_step, None)
        results.status[p] = status
        if status != EMPTY:
            critical = stress_within(disc, settings)
            results.initial[p], results.critical[p], results.steps[p] = initial, critical, steps
            peak = find_peak(disc, bracket, load, settings.tolerance) / area
            results.peak[p] = np.sum(load.weight * critical) if np.isnan(peak) else peak


@numba.njit(**JIT)
def follow_one(atoms, centre, load, settings, every_step):
    """Return one disc in its critical state, its stress (xx, xy, yy) after every plain step, and how it ended."""
    curve, grid = np.empty((settings.max_steps + 2, 3)), sort_into_bins(atoms.positions, atoms.cell)
    disc, steps, status, _, _ = follow_disc(atoms, grid, centre, load, settings, every_step, curve)
    return disc, curve[: steps + 2], status
