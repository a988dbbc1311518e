"""The first maximum of a disc's stress along the path of its minimum (Numba).

Stress rises along the path and falls at the instability that ends it, but it may pass a smooth, reversible maximum long
before. The first stress drop of a stress-strain curve, read literally, is whichever comes first. A maximum is detected
where the stress at the ends of increments falls, and then searched for among the whole steps around it. A dip that
begins and ends within one increment is missed; plain steps find it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.disc import MAX_MISFIT, apply_affine, minimise, stress
from ..mechanics.jit import JIT, PART
from ..mechanics.load import increment

MAX_TRIES = 12  # steps evaluated in a search; a parabola usually needs two or three
PRECISION = 1e-4  # gain expected of one more step, of the rise of the stress, below which a search ends


class PeakBracket(NamedTuple):
    """The last three minima at the ends of increments, or those around the first maximum of the stress.

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


@numba.njit(**PART)
def new_bracket(x, virial):
    """Bracket of a path that begins at `x`."""
    bracket = PeakBracket(
        np.full(3, -1.0), np.full(3, -np.inf), np.empty((3, *x.shape)), np.zeros(1, np.bool_), np.full(1, virial)
    )
    _copy(bracket, 2, 0.0, virial, x)
    return bracket


@numba.njit(**JIT)
def record(bracket, step, virial, x):
    """Add the end of an increment, unless the first maximum has been passed."""
    if bracket.around[0]:
        return
    for k in range(2):
        _copy(bracket, k, bracket.step[k + 1], bracket.virial[k + 1], bracket.x[k + 1])
    _copy(bracket, 2, step, virial, x)
    bracket.around[0] = bracket.virial[2] < bracket.virial[1]


@numba.njit(**PART)
def _copy(bracket, k, step, virial, x):
    bracket.step[k], bracket.virial[k] = step, virial
    bracket.x[k] = x


@numba.njit(**JIT)
def virial_of_load(disc):
    """Stress of the load times the area, at a minimum that Newton's method has just reached [energy]."""
    if disc.tether > 0.0:  # only some of the relaxed atoms count
        xx, xy, yy = stress(disc, 1.0)
        return disc.weight[0] * xx + disc.weight[1] * xy + disc.weight[2] * yy
    return disc.virial[0]


@numba.njit(**JIT)
def find_peak(disc, bracket, load, tolerance):
    """First maximum of the virial over whole steps before the last minimum; NaN if there is none.

    `disc` ends somewhere on the path.
    """
    step = bracket.step
    if not bracket.around[0]:  # the last minimum is the highest so far; the step before it may be higher
        if step[1] < 0.0 or step[2] - step[1] < 2.0 or not _go_to(disc, bracket, load, step[2] - 1.0, tolerance):
            return np.nan
        if virial_of_load(disc) <= bracket.virial[2]:
            return np.nan
        _copy(bracket, 0, step[1], bracket.virial[1], bracket.x[1])
        _copy(bracket, 1, step[2] - 1.0, virial_of_load(disc), disc.r[: len(disc.forces)])
    for _ in range(MAX_TRIES):
        new = _next_try(step, bracket.virial, PRECISION * (bracket.virial[1] - bracket.first[0]))
        if new < 0.0 or not _go_to(disc, bracket, load, new, tolerance):
            break
        x, virial = disc.r[: len(disc.forces)], virial_of_load(disc)
        if virial > bracket.virial[1]:
            _copy(bracket, 0 if new > step[1] else 2, step[1], bracket.virial[1], bracket.x[1])
            _copy(bracket, 1, new, virial, x)
        else:
            _copy(bracket, 2 if new > step[1] else 0, new, virial, x)
    return bracket.virial[1]


@numba.njit(**PART)
def _next_try(step, virial, enough):
    """Whole step between the outer ends to evaluate next: the vertex of the parabola; -1 if it gains too little."""
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
    if away == 0.0:  # the vertex is the middle step itself: evaluate a neighbour
        away = 1.0 if vertex >= 0.0 else -1.0
    if away > 0.0 and right < 2.0:
        away = -1.0
    if away < 0.0 and left < 2.0:
        away = 1.0
    return step[1] + min(max(away, 1.0 - left), right - 1.0)


@numba.njit(**PART)
def _go_to(disc, bracket, load, target, tolerance):
    """Go to the minimum at a step between the bracket, guessed from those before and after it; False if that fails."""
    before = 1 if target > bracket.step[1] else 0
    after = before + 1
    share = (target - bracket.step[before]) / (bracket.step[after] - bracket.step[before])
    x, y = bracket.x[before], bracket.x[after]
    bxx, bxy, byx, byy = increment(load, bracket.step[after], bracket.step[before])
    guess = np.empty_like(x)
    for i in range(len(x)):  # both as seen from the end before
        guess[i, 0] = x[i, 0] + share * (bxx * y[i, 0] + bxy * y[i, 1] - x[i, 0])
        guess[i, 1] = x[i, 1] + share * (byx * y[i, 0] + byy * y[i, 1] - x[i, 1])
    apply_affine(disc, guess, load, bracket.step[before], target)
    return minimise(disc, tolerance, MAX_MISFIT, np.inf)
