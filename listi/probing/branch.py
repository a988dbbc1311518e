"""The minimum of a disc under load, followed to its first instability (Numba).

The minimum that began as the undeformed disc is followed by Newton's method with exact Hessians, in increments of many
strain steps. An increment counts only if

* every Hessian on the way is positive definite (its Cholesky factor exists), and
* the displacement agrees with what the tangents at the two ends of the increment say,

so that neither noise nor a jump to another minimum can pass for, or hide, an instability. An increment that fails is
shortened. The instability is a saddle-node (fold) bifurcation, before which the tangent grows as the inverse square
root of the strain that is left; where tangents grow, increments are predicted, judged and chosen by that law. The path
has ended where even a quarter of one step leads to no minimum, provided that the law held over the increment before and
puts the fold inside this quarter and not right at its beginning. Otherwise the minimum may only be soft for a moment,
and increments are shortened further.

`listi.probing.plain_step` is the plain protocol that this must agree with.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.dense_cholesky import cholesky, solve
from ..mechanics.disc import MAX_MISFIT, apply_affine, evaluate_hessian, minimise
from ..mechanics.jit import JIT, PART
from ..mechanics.load import increment
from ..mechanics.tolerances import PREDICTOR_TOLERANCE_DISC
from .peak import record, virial_of_load

SMOOTH_STEP = 0.005  # as PREDICTOR_TOLERANCE_DISC, over increments of at most one step [Å]
FIRST_INCREMENT = 100.0  # [steps]
LONGEST_INCREMENT = 200.0  # [steps]
SHORTEST_INCREMENT = 1 / 1024  # [steps]
ROUGH_INCREMENT = 4.0  # minima after longer increments [steps] need ...
ROUGH_TOLERANCE = 1e-7  # ... forces only this small [force_scale]
MAX_LAW_MISFIT = 0.25  # relative change of the expected strain of the fold over one increment, if it is reliable
MAX_OVERSHOOT = 4.0  # an increment that is the end is shorter than this many times the strain left by the law
INSTABILITY, WALKED, EMPTY, TOO_STRONG, UNCONVERGED = range(5)  # how a probe ended; WALKED: by plain steps


class Path(NamedTuple):
    """Where the minimum is and how it moves; all arrays have the shape (n_free, 2) and are changed in place.

    Attributes
    ----------
    x, tangent
        The minimum [Å], and its non-affine velocity per unit strain.
    last_tangent
        The tangent one increment before.
    whole
        The minimum at the last whole step.
    base
        Where the affine deformation alone takes `x` in the increment that is tried.
    """

    x: np.ndarray
    tangent: np.ndarray
    last_tangent: np.ndarray
    whole: np.ndarray
    base: np.ndarray


class FoldEstimate(NamedTuple):
    """How the tangent grows, and where the fold is if it grows as the inverse square root of the distance.

    Attributes
    ----------
    tangent_norm_squared, last_tangent_norm_squared : float
        Of the present tangent and of the one an increment before.
    last_strain : float
        Strain one increment before.
    strain_to_fold : float
        Strain that is left.
    reliable : bool
        Whether it became less by as much as strain grew over the last increment.
    """

    tangent_norm_squared: float
    last_tangent_norm_squared: float
    last_strain: float
    strain_to_fold: float
    reliable: bool


@numba.njit(**PART)
def _tangent_weight(last, present, apart, ahead):
    """Displacement ahead beyond `ahead` times the present tangent, per difference of the last two tangents.

    The tangents, `apart` in strain, have the squared norms `last` and `present`. Where they grow, they are taken to
    grow as the inverse square root of the distance to a fold, else linearly.
    """
    if present > last * 1.001:
        left = apart / (present / last - 1.0)  # strain from here to the fold
        if left > ahead:
            slow, fast = 0.5 / np.sqrt(left + apart), 0.5 / np.sqrt(left)
            return (np.sqrt(left) - np.sqrt(left - ahead) - fast * ahead) / (fast - slow)
    return 0.5 * ahead * ahead / apart


@numba.njit(**PART)
def _predict(disc, path, fold, load, at, target):
    """Put the disc where the tangents say that the minimum will be after `target` steps."""
    here = at * load.strain_step
    strain = target * load.strain_step - here
    weight = _tangent_weight(fold.last_tangent_norm_squared, fold.tangent_norm_squared, here - fold.last_strain, strain)
    axx, axy, ayx, ayy = increment(load, at, target)
    for i in range(len(path.x)):
        path.base[i, 0] = axx * path.x[i, 0] + axy * path.x[i, 1]
        path.base[i, 1] = ayx * path.x[i, 0] + ayy * path.x[i, 1]
    x = path.x + (strain * path.tangent + weight * (path.tangent - path.last_tangent))
    apply_affine(disc, x, load, at, target)


@numba.njit(**PART)
def _reach_minimum(disc, fold, load, steps, strain, tolerance, rough_tolerance):
    """Go to a minimum close by and write its tangent into `disc.rate`; False if there is none."""
    rough, close = steps > ROUGH_INCREMENT, 0.5 * PREDICTOR_TOLERANCE_DISC
    if not minimise(disc, rough_tolerance if rough else tolerance, MAX_MISFIT, close):
        return False
    solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    growth = np.sum(disc.rate * disc.rate) / fold.tangent_norm_squared - 1.0
    if rough and strain < load.strain_step * growth:  # forces nearly vanish beyond the fold, too
        if not minimise(disc, tolerance, MAX_MISFIT, close):
            return False
        solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    return True


@numba.njit(**PART)
def _is_smooth(disc, path, fold, load, at, target):
    """Whether the minimum moved as the tangents at both ends of the increment say."""
    strain = target * load.strain_step - at * load.strain_step
    tangent, new = path.tangent, disc.rate
    weight = _tangent_weight(fold.tangent_norm_squared, np.sum(new * new), strain, -strain)
    axx, axy, ayx, ayy = increment(load, at, target)
    worst = 0.0
    for i in range(len(tangent)):
        tx = axx * tangent[i, 0] + axy * tangent[i, 1]
        ty = ayx * tangent[i, 0] + ayy * tangent[i, 1]
        dx = disc.r[i, 0] - path.base[i, 0] - strain * new[i, 0] + weight * (new[i, 0] - tx)
        dy = disc.r[i, 1] - path.base[i, 1] - strain * new[i, 1] + weight * (new[i, 1] - ty)
        worst = max(worst, abs(dx), abs(dy))
    return worst < (PREDICTOR_TOLERANCE_DISC if target - at > 1.0 else SMOOTH_STEP)


@numba.njit(**PART)
def _accept(disc, path, fold, load, at, target):
    """Take the minimum as the next on the path; return the estimate of the fold from the increment that led to it."""
    here = at * load.strain_step
    strain = target * load.strain_step - here
    path.x[:] = disc.r[: len(path.x)]
    path.last_tangent[:] = path.tangent
    path.tangent[:] = disc.rate
    if target == np.floor(target):
        path.whole[:] = path.x
    norm_squared = np.sum(disc.rate * disc.rate)
    left = strain / max(norm_squared / fold.tangent_norm_squared - 1.0, 1e-9)
    reliable = abs((fold.strain_to_fold - left) / strain - 1.0) < MAX_LAW_MISFIT
    return FoldEstimate(norm_squared, fold.tangent_norm_squared, here, left, reliable)


@numba.njit(**PART)
def _next_increment(fold, load, at, steps):
    """Length of the increment after one of `steps` steps that was accepted and ended at `at` [steps]."""
    ahead = 0.6 * fold.strain_to_fold / load.strain_step
    if at == np.floor(at):
        return np.floor(max(1.0, min(2.0 * steps, ahead, LONGEST_INCREMENT)))
    return min(2.0 * steps, max(0.25, ahead), np.floor(at) + 1.0 - at)


@numba.njit(**PART)
def _shorter_increment(fold, steps, strain, met):
    """Length of the increment to try in place of one that failed [steps]; 0 if it was the end."""
    if steps > 1.0:
        return np.floor(max(1.0, 0.25 * steps))
    left = fold.strain_to_fold
    ended = not met and fold.reliable and left < strain < MAX_OVERSHOOT * left
    if steps > 0.25 or (steps > SHORTEST_INCREMENT and not ended):
        return 0.25 * steps
    return 0.0


@numba.njit(**JIT)
def follow(disc, load, settings, rough_tolerance, bracket):
    """Follow the minimum of one disc to its first instability; `disc` ends in the critical state.

    Minima after long increments need forces below `rough_tolerance` only. Just beyond an instability forces can be as
    small as that where there is no minimum any more: the end of the path is then UNCONVERGED. `bracket` records the
    stress at the ends of increments.

    Returns
    -------
    steps : int
        Last step at which the minimum exists.
    status : int
        INSTABILITY, TOO_STRONG if none came within `max_steps`, or UNCONVERGED if the forces did not vanish.
    """
    max_steps, tolerance = settings.max_steps, settings.tolerance
    x = disc.r[: len(disc.forces)].copy()
    evaluate_hessian(disc)
    if not cholesky(disc.matrix, disc.end):
        return 0, INSTABILITY
    solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    path = Path(x, disc.rate.copy(), disc.rate.copy(), x.copy(), np.empty_like(x))
    norm_squared = np.sum(path.tangent * path.tangent)
    fold = FoldEstimate(norm_squared, norm_squared, -1.0, np.inf, False)
    at, steps = 0.0, FIRST_INCREMENT  # whole except while a single step is divided
    while at < max_steps and steps > 0.0:
        target = min(at + steps, float(max_steps))
        if steps >= 1.0:
            target = np.floor(target)
        strain = target * load.strain_step - at * load.strain_step
        _predict(disc, path, fold, load, at, target)
        met = _reach_minimum(disc, fold, load, steps, strain, tolerance, rough_tolerance)
        if met and _is_smooth(disc, path, fold, load, at, target):
            fold = _accept(disc, path, fold, load, at, target)
            at = target
            if at == np.floor(at):
                record(bracket, at, virial_of_load(disc), path.x)
            steps = _next_increment(fold, load, at, steps)
        else:
            steps = _shorter_increment(fold, steps, strain, met)
    step = np.floor(at)  # the critical state is that of the last whole step
    apply_affine(disc, path.whole, load, step, step)
    if not minimise(disc, tolerance, MAX_MISFIT, np.inf):
        return int(at), UNCONVERGED
    return int(at), TOO_STRONG if at >= max_steps else INSTABILITY
