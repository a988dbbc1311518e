"""Sums and elementary functions whose last bit is the same on every processor.

BLAS, the mathematical library and compilers choose instructions by the processor, and with them the order of sums and
the rounding of functions. What decides a result is computed by the functions below instead: only additions,
multiplications, divisions and square roots in a fixed order, and products that are rounded together with their sum
where `fma` says so.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numba
from numba.extending import intrinsic

from .jit import JIT


@intrinsic
def fma(typing_context, a, b, c):
    """Return a b + c, rounded once (in compiled code only)."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


@numba.njit(**JIT)
def dot(a, b):
    """Sum of the products of two arrays of the same shape, in eight partial sums."""
    x, y = a.reshape(-1), b.reshape(-1)
    whole = len(x) - len(x) % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for k in range(0, whole, 8):
        s0 += x[k] * y[k]
        s1 += x[k + 1] * y[k + 1]
        s2 += x[k + 2] * y[k + 2]
        s3 += x[k + 3] * y[k + 3]
        s4 += x[k + 4] * y[k + 4]
        s5 += x[k + 5] * y[k + 5]
        s6 += x[k + 6] * y[k + 6]
        s7 += x[k + 7] * y[k + 7]
    for k in range(whole, len(x)):
        s0 += x[k] * y[k]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@numba.njit(**JIT)
def exp(x):
    """Exponential function: its Taylor series on |x| < 1/2, squared as often as that takes."""
    if x < -700.0:
        return 0.0
    squarings = 0
    while abs(x) >= 0.5:
        x *= 0.5
        squarings += 1
    total = 1.0
    for n in range(14, 0, -1):
        total = 1.0 + total * x / n
    for _ in range(squarings):
        total *= total
    return total


def exponential(x: float) -> float:
    """Exponential function of a constant, rounded correctly."""
    return float(Decimal(x).exp())


def logarithm(x: float) -> float:
    """Natural logarithm of a constant, rounded correctly."""
    return float(Decimal(x).ln())


def cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Cosine and sine of an angle in degrees, exact at multiples of 90."""
    beyond = math.remainder(degrees, 90.0)  # exact, as is all that follows but the series
    x = math.radians(beyond)
    cosine = sine = 1.0
    for n in range(20, 1, -2):
        cosine = 1.0 - cosine * x * x / (n * (n - 1))
        sine = 1.0 - sine * x * x / (n * (n + 1))
    sine *= x
    for _ in range(round((math.fmod(degrees, 360.0) - beyond) / 90.0) % 4):
        cosine, sine = -sine, cosine
    return cosine + 0.0, sine + 0.0
