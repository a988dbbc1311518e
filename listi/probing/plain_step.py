"""A disc by the plain protocol: every strain step to the minimum downhill, and back as a test (Numba)."""

from __future__ import annotations

import numba
import numpy as np

from ..mechanics.disc import apply_affine, descend
from ..mechanics.jit import JIT, PART
from ..mechanics.tolerances import MIN_EVENT_DISPLACEMENT_DISC, REVERSIBILITY_TOLERANCE
from .branch import INSTABILITY, TOO_STRONG, UNCONVERGED
from .cutout import stress_within
from .peak import record

LARGE_MOVE = 0.02  # a reversible step in which an atom moves further [Å] may hide two instabilities, there and back
PARTS = 100  # into which such a step is divided
LONGEST_MOVE = 0.05  # of an atom in one Newton step [Å]: short, so that the minimum is the one downhill
NEWTON_STEPS = 5000  # at most, in the search for one minimum
REVERSIBLE = -1  # a step after which the path goes on; otherwise how it ended, as for `branch.follow`


@numba.njit(**PART)
def _plain_step(disc, x, load, step, tolerance):
    """Shear a disc by one step from its minimum `x` after `step` steps; say whether the step can be undone.

    A step that can be undone may still hold two instabilities, there and back, less than a step apart. Where atoms move
    more than `LARGE_MOVE` it is therefore repeated in `PARTS`, each of which must be reversible. `disc` ends in the
    minimum to which the undivided step led.
    """
    moved, outcome = _step_and_back(disc, x, load, step, step + 1.0, tolerance)
    if outcome != REVERSIBLE or moved <= LARGE_MOVE:
        return outcome
    after, part = disc.r[: len(x)].copy(), x.copy()
    for k in range(PARTS):
        _, outcome = _step_and_back(disc, part, load, step + k / PARTS, step + (k + 1.0) / PARTS, tolerance)
        if outcome != REVERSIBLE:
            break
        part[:] = disc.r[: len(x)]
    apply_affine(disc, after, load, step + 1.0, step + 1.0)
    return outcome


@numba.njit(**PART)
def _step_and_back(disc, x, load, begin, end, tolerance):
    """Largest non-affine displacement component [Å] from the minimum `x` to the next, and whether it can be undone.

    `disc` ends in the next minimum.
    """
    n_free = len(x)
    apply_affine(disc, x, load, begin, end)
    affine = disc.r[:n_free].copy()
    if not descend(disc, tolerance, LONGEST_MOVE, NEWTON_STEPS):
        return np.inf, UNCONVERGED
    after = disc.r[:n_free].copy()
    moved = np.max(np.abs(after - affine))
    if moved < MIN_EVENT_DISPLACEMENT_DISC:
        return moved, REVERSIBLE
    apply_affine(disc, after, load, end, begin)
    if not descend(disc, tolerance, LONGEST_MOVE, NEWTON_STEPS):
        return moved, UNCONVERGED
    returned = np.max(np.abs(disc.r[:n_free] - x)) < REVERSIBILITY_TOLERANCE
    apply_affine(disc, after, load, end, end)
    return moved, REVERSIBLE if returned else INSTABILITY


@numba.njit(**JIT)
def take_plain_steps(disc, load, settings, bracket, curve):
    """Take plain steps with one disc until one that cannot be undone; `disc` ends in the critical state.

    Returns what `branch.follow` does. `bracket` records the stress after every step. Unless it is None, row n of
    `curve` becomes the stress (xx, xy, yy) after n steps, the one after the instability included.
    """
    x = disc.r[: len(disc.forces)].copy()
    area = np.pi * settings.r_free * settings.r_free
    if curve is not None:
        curve[0] = stress_within(disc, settings)
    for step in range(settings.max_steps):
        outcome = _plain_step(disc, x, load, float(step), settings.tolerance)
        stress = stress_within(disc, settings)
        if curve is not None:
            curve[step + 1] = stress
        if outcome != REVERSIBLE:
            apply_affine(disc, x, load, float(step), float(step))
            return step, outcome
        x[:] = disc.r[: len(x)]
        record(bracket, step + 1.0, area * np.sum(disc.weight * stress), x)
    return settings.max_steps, TOO_STRONG
