"""Where a disc's minimum is expected along its path (Numba)."""

from __future__ import annotations

import numba

from ..mechanics.jit import JIT
from ..mechanics.load import gradient, increment
from ..mechanics.tolerances import PREDICTOR_TOLERANCE_DISC

REACH = 3.0 * PREDICTOR_TOLERANCE_DISC  # how far a minimum may be from where it is expected [Å]


@numba.njit(**JIT)
def place(disc, x, load, at, target):
    """Deform the positions `x` after `at` steps affinely to the state after `target` steps, and the atoms around."""
    r, anchor, reference = disc.r, disc.anchor, disc.reference
    axx, axy, ayx, ayy = increment(load, at, target)
    for i in range(len(x)):
        px, py = x[i, 0], x[i, 1]
        r[i, 0] = axx * px + axy * py
        r[i, 1] = ayx * px + ayy * py
    fxx, fxy, fyx, fyy = gradient(load, target)
    now = disc.gradient[0]
    now[0], now[1], now[2], now[3] = fxx, fxy, fyx, fyy
    for j in range(len(r)):
        anchor[j, 0] = fxx * reference[j, 0] + fxy * reference[j, 1]
        anchor[j, 1] = fyx * reference[j, 0] + fyy * reference[j, 1]
    r[len(x) :] = anchor[len(x) :]
