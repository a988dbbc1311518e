"""Cholesky factor of a dense symmetric matrix within its envelope, two rows at a time (Numba)."""

from __future__ import annotations

import numba
import numpy as np

from .arithmetic import fma
from .jit import JIT, uint64


@numba.njit(**JIT)
def cholesky(matrix, end):
    """Replace the upper triangle by U with U^T U = matrix, within its envelope; False if not positive definite.

    The two rows of an atom, whose envelopes end alike, are computed together, from those of two atoms at a time.
    """
    flat, n = matrix.reshape(-1), uint64(len(end))
    begin = uint64(0)
    for k in range(uint64(0), n, uint64(2)):
        while end[begin] <= k:
            begin += uint64(2)
        x = k * n  # where a row begins
        y = x + n
        i = begin
        while i + uint64(4) <= k:
            p = i * n
            q = p + n
            s = q + n
            t = s + n
            px, qx, sx, tx = flat[p + k], flat[q + k], flat[s + k], flat[t + k]
            py, qy, sy, ty = flat[p + k + 1], flat[q + k + 1], flat[s + k + 1], flat[t + k + 1]
            for j in range(k, uint64(end[i + 3])):
                fp, fq, fs, ft = flat[p + j], flat[q + j], flat[s + j], flat[t + j]
                flat[x + j] = fma(-tx, ft, fma(-sx, fs, fma(-qx, fq, fma(-px, fp, flat[x + j]))))
                flat[y + j] = fma(-ty, ft, fma(-sy, fs, fma(-qy, fq, fma(-py, fp, flat[y + j]))))
            i += uint64(4)
        if i < k:
            p = i * n
            q = p + n
            px, qx, py, qy = flat[p + k], flat[q + k], flat[p + k + 1], flat[q + k + 1]
            for j in range(k, uint64(end[i])):
                fp, fq = flat[p + j], flat[q + j]
                flat[x + j] = fma(-qx, fq, fma(-px, fp, flat[x + j]))
                flat[y + j] = fma(-qy, fq, fma(-py, fp, flat[y + j]))
        if not flat[x + k] > 0.0:
            return False
        scale_x = 1.0 / np.sqrt(flat[x + k])
        u = flat[x + k + 1] * scale_x
        rest = fma(-u, u, flat[y + k + 1])
        if not rest > 0.0:
            return False
        scale_y = 1.0 / np.sqrt(rest)
        for j in range(k, uint64(end[k])):  # the entry of row y left of its diagonal is never read
            v = flat[x + j] * scale_x
            flat[x + j] = v
            flat[y + j] = fma(-u, v, flat[y + j]) * scale_y
    return True


@numba.njit(**JIT)
def solve(upper, end, x):
    """Solve U^T U x = right in place; `x` holds the right-hand side, flat. Two rows at a time, as in `cholesky`."""
    n = uint64(len(end))
    for a in range(uint64(0), n, uint64(2)):
        b = a + uint64(1)
        x[a] /= upper[a, a]
        x[b] = (x[b] - x[a] * upper[a, b]) / upper[b, b]
        xa, xb = x[a], x[b]
        for j in range(a + uint64(2), uint64(end[a])):
            x[j] -= xa * upper[a, j] + xb * upper[b, j]
    for behind in range(uint64(2), n + uint64(2), uint64(2)):
        a = n - behind
        b = a + uint64(1)
        s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = 0.0  # separate sums need not wait for each other
        j, stop = a + uint64(2), uint64(end[a])
        while j + uint64(4) <= stop:
            s0 += upper[a, j] * x[j]
            t0 += upper[b, j] * x[j]
            s1 += upper[a, j + uint64(1)] * x[j + uint64(1)]
            t1 += upper[b, j + uint64(1)] * x[j + uint64(1)]
            s2 += upper[a, j + uint64(2)] * x[j + uint64(2)]
            t2 += upper[b, j + uint64(2)] * x[j + uint64(2)]
            s3 += upper[a, j + uint64(3)] * x[j + uint64(3)]
            t3 += upper[b, j + uint64(3)] * x[j + uint64(3)]
            j += uint64(4)
        while j < stop:
            s0 += upper[a, j] * x[j]
            t0 += upper[b, j] * x[j]
            j += uint64(1)
        x[b] = (x[b] - ((t0 + t1) + (t2 + t3))) / upper[b, b]
        x[a] = (x[a] - ((s0 + s1) + (s2 + s3)) - upper[a, b] * x[b]) / upper[a, a]
