"""A disc walked by the plain protocol, every step to the minimum downhill (Numba): what following must agree with."""

from __future__ import annotations

import numba
import numpy as np

from ..mechanics.disc import descend
from ..mechanics.jit import JIT
from ..mechanics.tolerances import MIN_EVENT_DISPLACEMENT_DISC as STILL
from ..mechanics.tolerances import REVERSIBILITY_TOLERANCE
from .branch import INSTABILITY, TOO_STRONG, UNCONVERGED
from .cutout import stress_within
from .path import place

LOOK_CLOSELY = 0.02  # a reversible step in which an atom moves further [Å] may hold two instabilities: there and back
PARTS = 100  # in which it is taken again
LONGEST_MOVE = 0.05  # of an atom in one Newton step [Å]: short, for the minimum to be the one downhill
NEWTON_STEPS = 5000  # at most, in the search for one minimum


@numba.njit(**JIT)
def _plain_step(disc, x, load, begin, end, tolerance):
    """One plain step from the minimum `x` to the minimum downhill after the affine deformation.

    Returns
    -------
    moved : float
        Largest non-affine displacement component [Å]; infinite if no minimum was found.
    returned : bool
        Whether undoing the step leads back to `x`. `disc` ends where the step led.
    """
    n_free = len(x)
    place(disc, x, load, begin, end)
    affine = disc.r[:n_free].copy()
    if not descend(disc, tolerance, LONGEST_MOVE, NEWTON_STEPS):
        return np.inf, False
    found = disc.r[:n_free].copy()
    moved = np.max(np.abs(found - affine))
    if moved < STILL:
        return moved, True
    place(disc, found, load, end, begin)
    if not descend(disc, tolerance, LONGEST_MOVE, NEWTON_STEPS):
        return np.inf, False
    returned = np.max(np.abs(disc.r[:n_free] - x)) < REVERSIBILITY_TOLERANCE
    place(disc, found, load, end, end)
    return moved, returned


@numba.njit(**JIT)
def walk(disc, load, settings, curve):
    """Walk one disc step by step until a step that undoing does not undo; `disc` ends in the critical state.

    A step that can be undone may still hold two instabilities, there and back, less than a step apart: where atoms
    move more than `LOOK_CLOSELY` it is taken again in `PARTS`. Results are those of `branch.follow`, and the stress at
    its first maximum (NaN if it does not fall). Unless it is None, row n of `curve` becomes the stress (xx, xy, yy)
    after n steps, that after the instability included.
    """
    max_steps, tolerance = settings.max_steps, settings.tolerance
    n_free = len(disc.forces)
    x = disc.r[:n_free].copy()
    last, peak = np.sum(disc.weight * stress_within(disc, settings)), np.nan
    if curve is not None:
        curve[0] = stress_within(disc, settings)
    for step in range(max_steps):
        moved, returned = _plain_step(disc, x, load, float(step), step + 1.0, tolerance)
        next_x = disc.r[:n_free].copy()
        tensor = stress_within(disc, settings)
        now = np.sum(disc.weight * tensor)
        if np.isnan(peak) and now < last:
            peak = last
        last = now
        if curve is not None:
            curve[step + 1] = tensor
        if returned and moved > LOOK_CLOSELY:
            part = x.copy()
            for k in range(PARTS):
                begin, end = step + k / PARTS, step + (k + 1.0) / PARTS
                moved, returned = _plain_step(disc, part, load, begin, end, tolerance)
                part[:] = disc.r[:n_free]
                if not returned:
                    break
        if not returned:
            place(disc, x, load, float(step), float(step))
            return step, INSTABILITY if np.isfinite(moved) else UNCONVERGED, peak
        x[:] = next_x
    return max_steps, TOO_STRONG, peak
