"""Sums and elementary functions whose last bit is the same on every processor.

BLAS, the mathematical library and compilers choose instructions by the processor, and with them the order of sums and
the rounding of functions. What decides a result is computed by the functions below instead: only additions,
multiplications, divisions and square roots in a fixed order, and products that are rounded together with their sum
where `fma` stands.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import JIT, uint64

LANES = 16  # partial sums of a product of vectors


@intrinsic
def fma(typing_context, a, b, c):
    """Return a b + c, rounded once (in compiled code only)."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


@intrinsic
def _lane_sums(typing_context, a, begin, b, start, count):
    """Sum of a[begin + k] b[start + k] over `count` elements, a multiple of `LANES`.

    Lane l sums the elements l, l + `LANES`, ... by `fma`; then the upper half of the lanes is added to the lower, until
    one is left. Written as instructions on vectors, since compilers may not choose this order by themselves.
    """

    def generate(context, builder, signature, arguments):
        one, _, other, _, _ = signature.args
        x, y = (
            context.make_array(one)(context, builder, arguments[0]),
            context.make_array(other)(context, builder, arguments[2]),
        )
        vector = ir.VectorType(context.get_value_type(other.dtype), LANES)
        name = f"llvm.fma.v{LANES}f{other.dtype.bitwidth}"
        multiply_add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        sums = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        lanes = ir.Constant(arguments[4].type, LANES)

        def load(array, kind, begin):
            of_lanes = ir.VectorType(context.get_value_type(kind.dtype), LANES).as_pointer()
            start = builder.bitcast(builder.gep(array.data, [begin]), of_lanes)
            return builder.load(start, align=kind.dtype.bitwidth // 8)

        with cgutils.for_range(builder, builder.udiv(arguments[4], lanes)) as loop:
            at = builder.mul(loop.index, lanes)
            left = load(x, one, builder.add(arguments[1], at))
            right = load(y, other, builder.add(arguments[3], at))
            if isinstance(one.dtype, numba.types.Integer):
                left = builder.sitofp(left, vector)
            builder.store(builder.call(multiply_add, [left, right, builder.load(sums)]), sums)
        total, width = builder.load(sums), LANES
        while width > 1:
            width //= 2
            lower, upper = (
                builder.shuffle_vector(total, total, ir.Constant(ir.VectorType(ir.IntType(32), width), list(lanes)))
                for lanes in (range(width), range(width, 2 * width))
            )
            total = builder.fadd(lower, upper)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return b.dtype(a, begin, b, start, count), generate


@numba.njit(**JIT)
def lane_dot(a, begin, b, start, count):
    """Sum of a[begin + k] b[start + k] over `count` elements of flat arrays; `a` may be of integers."""
    whole = count // uint64(LANES) * uint64(LANES)
    total = _lane_sums(a, begin, b, start, whole)
    for k in range(whole, count):
        total = fma(b.dtype.type(a[begin + k]), b[start + k], total)
    return total


@numba.njit(**JIT)
def dot(a, b):
    """Sum of the products of two arrays of the same shape."""
    x, y = a.reshape(-1), b.reshape(-1)
    return lane_dot(x, uint64(0), y, uint64(0), uint64(len(x)))


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


def cube_root(x: float) -> float:
    """Cube root of a positive number."""
    return float(Decimal(x) ** (1 / Decimal(3)))


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
