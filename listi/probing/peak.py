"""The first maximum of a disc's stress along the path of its minimum (Numba).

Stress rises along the path and falls at the instability that ends it; but it may pass a smooth, reversible maximum
long before. The first stress drop of a stress-strain curve, read literally, is whichever comes first. A maximum is
noticed where the stress at the ends of stretches falls, and then searched for among the whole steps around it. A dip
that begins and ends within one stretch is not noticed; walking every step finds it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import minimise, stress
from ..mechanics.jit import JIT
from ..mechanics.load import increment
from .path import REACH, place

MOST_TRIES = 12  # steps looked at in a search: a maximum is flat, and a parabola finds it in two or three
PRECISION = 1e-4  # gain expected of one more step, of the rise of the stress, that ends a search


class Ends(NamedTuple):
    """The last three minima at the ends of stretches, or those around the first maximum of the stress.

    Attributes
    ----------
    step : ndarray, shape (3,)
        Steps, ascending; -1 where there is none yet.
    virial : ndarray, shape (3,)
        Stress of the load times the area [energy].
    x : ndarray, shape (3, n_free, 2)
        Positions of the free atoms [Å].
    around : ndarray of bool, shape (1,)
        Whether the second lies above both others: the maximum is between them.
    first : ndarray, shape (1,)
        Virial of the undeformed disc.
    """

    step: np.ndarray
    virial: np.ndarray
    x: np.ndarray
    around: np.ndarray
    first: np.ndarray


@numba.njit(**JIT)
def begin_ends(x, virial):
    """Ends of a path that begins at `x`."""
    ends = Ends(
        np.full(3, -1.0), np.full(3, -np.inf), np.empty((3, *x.shape)), np.zeros(1, np.bool_), np.full(1, virial)
    )
    _copy(ends, 2, 0.0, virial, x)
    return ends


@numba.njit(**JIT)
def note_end(ends, step, virial, x):
    """Take down the end of a stretch, unless the first maximum has been passed."""
    if ends.around[0]:
        return
    for k in range(2):
        _copy(ends, k, ends.step[k + 1], ends.virial[k + 1], ends.x[k + 1])
    _copy(ends, 2, step, virial, x)
    ends.around[0] = ends.virial[2] < ends.virial[1]


@numba.njit(**JIT)
def _copy(ends, k, step, virial, x):
    ends.step[k], ends.virial[k] = step, virial
    ends.x[k] = x


@numba.njit(**JIT)
def virial_of_load(disc):
    """Stress of the load times the area, at a minimum that Newton's method has just reached [energy]."""
    if disc.tether > 0.0:  # only some of the relaxed atoms count
        xx, xy, yy = stress(disc, 1.0)
        return disc.weight[0] * xx + disc.weight[1] * xy + disc.weight[2] * yy
    return disc.virial[0]


@numba.njit(**JIT)
def find_peak(disc, ends, load, tolerance):
    """First maximum of the virial over whole steps before the last end; NaN if there is none.

    `disc` ends somewhere on the path.
    """
    step = ends.step
    if not ends.around[0]:  # the last end is the highest so far; the step before it may be higher
        if step[1] < 0.0 or step[2] - step[1] < 2.0 or not _go_to(disc, ends, load, step[2] - 1.0, tolerance):
            return np.nan
        if virial_of_load(disc) <= ends.virial[2]:
            return np.nan
        _copy(ends, 0, step[1], ends.virial[1], ends.x[1])
        _copy(ends, 1, step[2] - 1.0, virial_of_load(disc), disc.r[: len(disc.forces)])
    for _ in range(MOST_TRIES):
        new = _next_try(step, ends.virial, PRECISION * (ends.virial[1] - ends.first[0]))
        if new < 0.0 or not _go_to(disc, ends, load, new, tolerance):
            break
        x, virial = disc.r[: len(disc.forces)], virial_of_load(disc)
        if virial > ends.virial[1]:
            _copy(ends, 0 if new > step[1] else 2, step[1], ends.virial[1], ends.x[1])
            _copy(ends, 1, new, virial, x)
        else:
            _copy(ends, 2 if new > step[1] else 0, new, virial, x)
    return ends.virial[1]


@numba.njit(**JIT)
def _next_try(step, virial, enough):
    """Whole step between the outer ends to look at next: the vertex of the parabola; -1 if it gains too little."""
    left, right = step[1] - step[0], step[2] - step[1]
    if left < 2.0 and right < 2.0:
        return -1.0
    low, high = virial[1] - virial[0], virial[1] - virial[2]
    vertex = 0.0
    if left > 0.0 and np.isfinite(low) and low * right + high * left > 0.0:
        vertex = 0.5 * (low * right * right - high * left * left) / (low * right + high * left)
        if vertex * vertex * (low * right + high * left) < enough * left * right * (left + right):
            return -1.0
    away = np.rint(vertex)
    if away == 0.0:  # the parabola says here: look beside
        away = 1.0 if vertex >= 0.0 else -1.0
    if away > 0.0 and right < 2.0:
        away = -1.0
    if away < 0.0 and left < 2.0:
        away = 1.0
    return step[1] + min(max(away, 1.0 - left), right - 1.0)


@numba.njit(**JIT)
def _go_to(disc, ends, load, target, tolerance):
    """Go to the minimum at a step between the ends, guessed from those before and after it; False if that fails."""
    before = 1 if target > ends.step[1] else 0
    after = before + 1
    share = (target - ends.step[before]) / (ends.step[after] - ends.step[before])
    x, y = ends.x[before], ends.x[after]
    bxx, bxy, byx, byy = increment(load, ends.step[after], ends.step[before])
    guess = np.empty_like(x)
    for i in range(len(x)):  # both as seen from the end before
        guess[i, 0] = x[i, 0] + share * (bxx * y[i, 0] + bxy * y[i, 1] - x[i, 0])
        guess[i, 1] = x[i, 1] + share * (byx * y[i, 0] + byy * y[i, 1] - x[i, 1])
    place(disc, guess, load, ends.step[before], target)
    return minimise(disc, tolerance, REACH, np.inf)
