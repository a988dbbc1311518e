"""The minimum of a disc under load, followed to its first instability (Numba).

The minimum that began as the undeformed disc is followed by Newton's method with exact Hessians, in stretches of many
steps. A stretch counts only if

* every Hessian on the way is positive definite (its Cholesky factor exists), and
* the displacement over the stretch agrees with what the tangents at its two ends say,

so that neither noise nor a jump to another minimum can pass for, or hide, an instability. A stretch that fails is
shortened. Near an instability the tangent grows as the inverse square root of the distance to it; where tangents
grow, stretches are predicted, judged and chosen by that law. The path has ended where even a quarter of one step leads
to no minimum, provided that the law held over the stretch before and puts the instability inside this quarter and not
right at its beginning. Otherwise the minimum may only be soft for a moment and go on, and stretches are shortened
further.

`listi.probing.plain_walk` is the plain protocol that this must agree with.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..mechanics.dense_cholesky import cholesky, solve
from ..mechanics.disc import evaluate_hessian, minimise
from ..mechanics.jit import JIT
from ..mechanics.load import increment
from ..mechanics.tolerances import PREDICTOR_TOLERANCE_DISC as SMOOTH
from .path import REACH, place
from .peak import note_end, virial_of_load

SMOOTH_STEP = 0.005  # as SMOOTH, over stretches of at most one step [Å]
FIRST_STRETCH = 100.0  # [steps]
LONGEST_STRETCH = 200.0  # [steps]
SHORTEST_STRETCH = 1 / 1024  # [steps]
ROUGH_STRETCH = 4.0  # minima after longer stretches [steps] need ...
ROUGH_TOLERANCE = 1e-7  # ... forces only this small [force_scale]
LAW_MISFIT = 0.25  # allowed misfit of the law over the last stretch, if an instability is to be taken for sure
LAW_REACH = 4.0  # a stretch that is the end is shorter than this many times the way to the instability by the law
INSTABILITY, WALKED, EMPTY, TOO_STRONG, UNCONVERGED = range(5)  # how a probe ended; WALKED: by the plain walk


class Path(NamedTuple):
    """Where the minimum is and how it moves; all arrays have the shape (n_free, 2) and are changed in place.

    Attributes
    ----------
    x, rate
        The minimum [Å], and its non-affine velocity per unit strain (the tangent).
    last_rate
        The tangent one stretch before.
    whole
        The minimum at the last whole step.
    base
        Where the affine deformation alone takes `x` in the stretch that is tried.
    """

    x: np.ndarray
    rate: np.ndarray
    last_rate: np.ndarray
    whole: np.ndarray
    base: np.ndarray


class Law(NamedTuple):
    """How the tangent grows, and where the instability is if it grows as the inverse square root of the distance.

    Attributes
    ----------
    softness, last_softness : float
        Squared lengths of the tangent now and one stretch before.
    last_strain : float
        Strain one stretch before.
    left : float
        Strain from here to the instability.
    sure : bool
        Whether it came closer by as much as strain grew over the last stretch.
    """

    softness: float
    last_softness: float
    last_strain: float
    left: float
    sure: bool


@numba.njit(**JIT)
def _share(last, now, apart, ahead):
    """Displacement ahead beyond `ahead` times the tangent of now, per difference of the last two tangents.

    The tangents, `apart` in strain, have the squared lengths `last` and `now`. Where they grow, they are taken to
    grow as the inverse square root of the distance to an instability, else linearly.
    """
    if now > last * 1.001:
        left = apart / (now / last - 1.0)  # distance from here to the instability
        if left > ahead:
            slow, fast = 0.5 / np.sqrt(left + apart), 0.5 / np.sqrt(left)
            return (np.sqrt(left) - np.sqrt(left - ahead) - fast * ahead) / (fast - slow)
    return 0.5 * ahead * ahead / apart


@numba.njit(**JIT)
def _predict(disc, path, law, load, at, target):
    """Put the disc where the tangents say that the minimum will be after `target` steps."""
    here = at * load.strain_step
    strain = target * load.strain_step - here
    share = _share(law.last_softness, law.softness, here - law.last_strain, strain)
    axx, axy, ayx, ayy = increment(load, at, target)
    for i in range(len(path.x)):
        path.base[i, 0] = axx * path.x[i, 0] + axy * path.x[i, 1]
        path.base[i, 1] = ayx * path.x[i, 0] + ayy * path.x[i, 1]
    place(disc, path.x + (strain * path.rate + share * (path.rate - path.last_rate)), load, at, target)


@numba.njit(**JIT)
def _reach_minimum(disc, law, load, stretch, strain, tolerance, rough_tolerance):
    """Go to a minimum close by and write its tangent into `disc.rate`; False if there is none."""
    rough = stretch > ROUGH_STRETCH
    if not minimise(disc, rough_tolerance if rough else tolerance, REACH, 0.5 * SMOOTH):
        return False
    solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    softness = np.sum(disc.rate * disc.rate)
    if rough and strain < load.strain_step * (softness / law.softness - 1.0):  # forces nearly vanish beyond the end too
        if not minimise(disc, tolerance, REACH, 0.5 * SMOOTH):
            return False
        solve(disc.matrix, disc.end, disc.rate.reshape(disc.rate.size))
    return True


@numba.njit(**JIT)
def _judge(disc, path, law, load, at, target):
    """Whether the minimum moved as the tangents at both ends of the stretch say."""
    stretch, strain = target - at, target * load.strain_step - at * load.strain_step
    rate, new_rate = path.rate, disc.rate
    share = _share(law.softness, np.sum(new_rate * new_rate), strain, -strain)
    axx, axy, ayx, ayy = increment(load, at, target)
    worst = 0.0
    for i in range(len(rate)):
        tx = axx * rate[i, 0] + axy * rate[i, 1]
        ty = ayx * rate[i, 0] + ayy * rate[i, 1]
        dx = disc.r[i, 0] - path.base[i, 0] - strain * new_rate[i, 0] + share * (new_rate[i, 0] - tx)
        dy = disc.r[i, 1] - path.base[i, 1] - strain * new_rate[i, 1] + share * (new_rate[i, 1] - ty)
        worst = max(worst, abs(dx), abs(dy))
    return worst < (SMOOTH if stretch > 1.0 else SMOOTH_STEP)


@numba.njit(**JIT)
def _accept(disc, path, law, load, at, target):
    """Take the minimum as the next on the path; return the law over the stretch that led to it."""
    here = at * load.strain_step
    strain = target * load.strain_step - here
    path.x[:] = disc.r[: len(path.x)]
    path.last_rate[:] = path.rate
    path.rate[:] = disc.rate
    if target == np.floor(target):
        path.whole[:] = path.x
    softness = np.sum(disc.rate * disc.rate)
    left = strain / max(softness / law.softness - 1.0, 1e-9)
    sure = abs((law.left - left) / strain - 1.0) < LAW_MISFIT
    return Law(softness, law.softness, here, left, sure)


@numba.njit(**JIT)
def _next_stretch(law, load, at, stretch):
    """Length of the stretch after one of length `stretch` that was accepted and ended at `at` [steps]."""
    ahead = 0.6 * law.left / load.strain_step
    if at == np.floor(at):
        return np.floor(max(1.0, min(2.0 * stretch, ahead, LONGEST_STRETCH)))
    return min(2.0 * stretch, max(0.25, ahead), np.floor(at) + 1.0 - at)


@numba.njit(**JIT)
def _shorter_stretch(law, stretch, strain, met):
    """Length of the stretch to try in place of one that failed [steps]; 0 if it was the end."""
    if stretch > 1.0:
        return np.floor(max(1.0, 0.25 * stretch))
    ended = not met and law.sure and law.left < strain < LAW_REACH * law.left
    if stretch > 0.25 or (stretch > SHORTEST_STRETCH and not ended):
        return 0.25 * stretch
    return 0.0


@numba.njit(**JIT)
def follow(disc, load, settings, rough_tolerance, ends):
    """Follow the minimum of one disc to its first instability, in stretches; `disc` ends in the critical state.

    Minima after long stretches need forces below `rough_tolerance` only. Just beyond an instability forces can be as
    small as that where there is no minimum any more: the end of the path is then UNCONVERGED. `ends` takes down the
    stress at the ends of stretches.

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
    softness = np.sum(path.rate * path.rate)
    law = Law(softness, softness, -1.0, np.inf, False)
    at, stretch = 0.0, FIRST_STRETCH  # steps taken; whole except while a single step is cut into parts
    while at < max_steps and stretch > 0.0:
        target = min(at + stretch, float(max_steps))
        if stretch >= 1.0:
            target = np.floor(target)
        strain = target * load.strain_step - at * load.strain_step
        _predict(disc, path, law, load, at, target)
        met = _reach_minimum(disc, law, load, stretch, strain, tolerance, rough_tolerance)
        if met and _judge(disc, path, law, load, at, target):
            law = _accept(disc, path, law, load, at, target)
            at = target
            if at == np.floor(at):
                note_end(ends, at, virial_of_load(disc), path.x)
            stretch = _next_stretch(law, load, at, stretch)
        else:
            stretch = _shorter_stretch(law, stretch, strain, met)
    step = np.floor(at)  # the critical state is that of the last whole step
    place(disc, path.whole, load, step, step)
    if not minimise(disc, tolerance, REACH, np.inf):
        return int(at), UNCONVERGED
    return int(at), TOO_STRONG if at >= max_steps else INSTABILITY
