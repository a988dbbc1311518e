"""The fall after an instability: overdamped motion, dx/dt = F(x) at fixed cell, to the minimum where it ends.

This is the limit of slow loading and strong damping. It needs no minimiser's name: minimisers take long steps, and
rounding then decides which of several minima they end in.

The motion is followed by an exponential Rosenbrock method. With the forces F and the Hessian H at x, a step of length h
is

    y = x + h phi_1(-h H) F                        exact if forces are linear
    x' = y + 2 h phi_3(-h H) [F(y) - F(x) + H (y - x)]

with phi_1(z) = (e^z - 1) / z and phi_3(z) = (e^z - 1 - z - z²/2) / z³. It is of third order, and the second line, the
difference to the first of second order, is its error (Hochbruck, Ostermann, Schweitzer, SIAM J. Numer. Anal. 47, 786
(2009), method exprb32). Soft, stiff and unstable modes are all followed as they move: explicit methods must take short
steps for the stiff ones, and implicit ones damp those that are unstable, so that they miss the way down from a ridge.
Functions of H are taken in the space spanned by F, H F, H² F, ... (Lanczos).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from .arithmetic import cube_root, dot, exp, fma
from .jit import JIT, uint64
from .pair_sums import PairHessian, hessian_product
from .system import ConvergenceError, System
from .tolerances import TOLERANCE

# Of the position after a step, at most [Å]. With 0.02 sequences of events are the same, with 0.2 some are not.
ERROR = 0.002
LONGEST_MOVE = 0.3  # of an atom in one step [Å]
LARGEST_SPACE = 80  # vectors that Lanczos' method keeps
# Of the linear equation of motion at the end of a step, over the force there and the allowed error [1/Å].
RESIDUAL = 5.0
NEAR_MINIMUM = 0.1  # distance to the minimum at which Newton's method is tried [Å]
WAIT = 4  # steps until it is tried again
MOST_STEPS = 2000  # thirty to sixty are usual
SHORTEST = 1e-9  # step, over the first one, that is not shortened any more: there is none of the allowed error


def fall(system: System, tolerance: float = TOLERANCE, error: float = ERROR) -> float:
    """Move along dx/dt = F to the minimum where that ends.

    Newton's method takes over where its corrections contract as they do in a convex surrounding (`System.correct`).

    Parameters
    ----------
    system : System
        Moved in place.
    tolerance : float
        Largest force component at the minimum [the potential's force_scale].
    error : float
        Allowed error of the positions in one step [Å].

    Returns
    -------
    float
        Time that it took until Newton's method took over [Å²/energy].

    Raises
    ------
    ConvergenceError
        If the motion has not ended after `MOST_STEPS` steps, with the residual and where it is, or no step is short
        enough for the allowed error.
    """
    motion = _Motion(system, error)
    if not np.any(motion.forces):
        return 0.0
    for _ in range(MOST_STEPS):
        motion.step()
        if motion.ends_by_newton(tolerance):
            return motion.time
    atom, component = np.unravel_index(np.argmax(np.abs(motion.forces)), motion.forces.shape)
    raise ConvergenceError(
        f"overdamped motion has not ended after {MOST_STEPS} steps, at time {motion.time:.3g}: force "
        f"{motion.forces[atom, component]:.3g} on atom {atom} at {system.positions[atom].tolist()} Å"
    )


class _Motion:
    """The state of the motion: time, forces, and the length of the next step."""

    def __init__(self, system: System, error: float) -> None:
        self.system, self.error = system, error
        self.time, self.length = 0.0, 1.0 / system.potential.force_scale  # [Å²/energy]
        self.distance = self._last_distance = 0.0  # to the minimum, as the space of the step sees it [Å]
        self._wait = 0
        self._residual = min(0.3, RESIDUAL * error)
        self.forces = system.energy_forces()[1]
        shape = system.positions.shape
        self._main, self._small = _Space(shape, LARGEST_SPACE), _Space(shape, LARGEST_SPACE // 2)

    def step(self) -> None:
        """Take one step."""
        system, start = self.system, self.system.positions
        hessian, main, small = system.linearise(), self._main, self._small
        length = main.span(hessian, self.forces, self.length, _phi_1, self._residual)
        while True:
            if not length > SHORTEST / system.potential.force_scale:
                raise ConvergenceError(f"overdamped motion has no step of the allowed error at time {self.time:.3g}")
            move = main.function(_phi_1, length)
            furthest = np.max(np.abs(move))
            if furthest > LONGEST_MOVE:
                length *= max(0.2, 0.8 * LONGEST_MOVE / furthest)
                continue
            system.positions = start + move
            beyond = system.energy_forces()[1] - self.forces + system.hessian_product(move)  # what is not linear
            correction = 0.0 * move
            if np.any(beyond):
                small.span(hessian, beyond, length, _phi_3, 2.0 * self._residual)
                correction = 2.0 * small.function(_phi_3, length)
            wrong = np.max(np.abs(correction))
            change = 0.85 * cube_root(self.error / max(wrong, 1e-12))
            if wrong <= self.error:
                break
            length *= max(0.2, change)
        system.positions = start + move + correction
        self.forces = system.energy_forces()[1]
        self.time, self.length = self.time + length, length * min(4.0, max(0.3, change))
        self._last_distance, self.distance = self.distance, main.distance(move)

    def ends_by_newton(self, tolerance: float) -> bool:
        """Go to the minimum by Newton's method; False, without having moved, if its corrections do not contract.

        It is tried where the minimum is near and comes nearer.
        """
        self._wait -= 1
        if not self.distance < min(NEAR_MINIMUM, self._last_distance) or self._wait > 0:
            return False
        start = self.system.positions
        self.system.linearise()
        self.system.refactor()
        if self.system.correct(tolerance, 2.0 * NEAR_MINIMUM):
            return True
        self.system.positions, self._wait = start, WAIT
        return False


class _Space:
    """Orthonormal vectors that span b, H b, H² b, ..., in which functions of H are taken (Lanczos)."""

    def __init__(self, shape: tuple[int, int], most: int) -> None:
        self._basis = np.empty((most + 1, *shape))
        self._diagonal, self._side = np.empty(most), np.empty(most)

    def span(self, hessian: PairHessian, b: np.ndarray, length: float, function, residual: float) -> float:
        """Add vectors until the residual of `function` at this length is small; return it, or a shorter length.

        The residual of the linear equation of motion is compared with the force that is left (phi_1), or with a
        constant right-hand side (phi_3).
        """
        size, most = 0, len(self._diagonal)
        self._norm = math.sqrt(dot(b, b))
        np.divide(b, self._norm, out=self._basis[0])
        while True:
            wanted = min(size + 4, most)
            size = _extend(hessian, self._basis, self._diagonal, self._side, size, wanted)
            self._values, self._vectors = eigen(self._diagonal[:size], self._side[: size - 1])
            self._next = self._side[size - 1]
            if self._residual(function, length) <= residual:
                return length
            if size < wanted or size == most:
                break
        while length > 0.0 and self._residual(function, length) > residual:
            length *= 0.7
        return length

    def _residual(self, function, length: float) -> float:
        last = length * abs(self._coefficients(function, length)[-1]) * self._next
        if function is _phi_3:
            return 6.0 * last
        left = _each(_growth, -length * self._values) * self._vectors[:, 0]
        return last / max(math.sqrt(dot(left, left)), 1e-300)

    def _coefficients(self, function, length: float) -> np.ndarray:
        return combine(_each(function, -length * self._values) * self._vectors[:, 0], self._vectors)

    def function(self, function, length: float) -> np.ndarray:
        """Return length * function(-length H) b."""
        return combine(length * self._norm * self._coefficients(function, length), self._basis)

    def distance(self, move: np.ndarray) -> float:
        """Distance [Å] that is left after a move if b is a force and the minimum lies in the space; else infinite."""
        if np.min(self._values) <= 0.0:
            return np.inf
        coefficients = combine(self._vectors[:, 0] / self._values, self._vectors)
        return float(np.max(np.abs(combine(self._norm * coefficients, self._basis) - move)))


def _each(function, values: np.ndarray) -> np.ndarray:
    return np.array([function(value) for value in values.tolist()])


@numba.njit(**JIT)
def _growth(z):
    """e^z; beyond z = 50 no step is accepted."""
    return exp(min(z, 50.0))


@numba.njit(**JIT)
def _phi_1(z):
    """(e^z - 1) / z."""
    if abs(z) > 0.5:
        return (_growth(z) - 1.0) / z
    total = 1.0
    for n in range(14, 1, -1):
        total = 1.0 + total * z / n
    return total


@numba.njit(**JIT)
def _phi_3(z):
    """(e^z - 1 - z - z²/2) / z³."""
    if abs(z) > 1.0:
        return (((_growth(z) - 1.0) / z - 1.0) / z - 0.5) / z
    total = 1.0
    for n in range(18, 3, -1):
        total = 1.0 + total * z / n
    return total / 6.0


@numba.njit(**JIT)
def combine(coefficients, vectors):
    """Sum of the first vectors, each times its coefficient."""
    total = np.zeros(vectors.shape[1:])
    flat = total.reshape(-1)
    for k in range(uint64(len(coefficients))):
        vector, c = vectors[k].reshape(-1), coefficients[k]
        for i in range(uint64(len(flat))):
            flat[i] = fma(c, vector[i], flat[i])
    return total


@numba.njit(**JIT)
def _extend(hessian, basis, diagonal, side, size, wanted):
    """Add vectors to the basis, from `size` to `wanted` of them, unless H maps them on themselves; return how many.

    In the basis the Hessian is tridiagonal, with `diagonal` and, next to it, `side`, whose last entry leads out of it.
    """
    for k in range(size, wanted):
        new = basis[k + 1]
        hessian_product(hessian, basis[k], new)
        diagonal[k] = dot(basis[k], new)
        flat, last = new.reshape(-1), basis[k].reshape(-1)
        for i in range(uint64(len(flat))):
            flat[i] = fma(-diagonal[k], last[i], flat[i])
        if k > 0:
            before = basis[k - 1].reshape(-1)
            for i in range(uint64(len(flat))):
                flat[i] = fma(-side[k - 1], before[i], flat[i])
        side[k] = np.sqrt(dot(new, new))
        if side[k] <= 1e-12 * abs(diagonal[0]):
            return k + 1
        for i in range(uint64(len(flat))):
            flat[i] /= side[k]
    return wanted


@numba.njit(**JIT)
def eigen(diagonal, side):
    """Eigenvalues (n,) and eigenvectors (n, n), one a row, of a symmetric tridiagonal matrix.

    QR iterations with Wilkinson's shift (Golub and Van Loan, Matrix Computations, section 8.3). LAPACK's would do, but
    for the last bit.
    """
    n = len(diagonal)
    d, e, vectors = diagonal.copy(), side.copy(), np.eye(n)
    high = n - 1
    while high > 0:
        if abs(e[high - 1]) <= 1e-16 * (abs(d[high - 1]) + abs(d[high])):
            high -= 1
            continue
        low = high - 1
        while low > 0 and abs(e[low - 1]) > 1e-16 * (abs(d[low - 1]) + abs(d[low])):
            low -= 1
        half = 0.5 * (d[high - 1] - d[high])
        root = np.sqrt(half * half + e[high - 1] * e[high - 1])
        x = d[low] - d[high] + e[high - 1] * e[high - 1] / (half + root if half >= 0.0 else half - root)
        z = e[low]
        for k in range(low, high):
            r = np.sqrt(x * x + z * z)
            c, s = (x / r, z / r) if r > 0.0 else (1.0, 0.0)
            if k > low:
                e[k - 1] = r
            a, b, g = d[k], d[k + 1], e[k]
            d[k], d[k + 1] = c * c * a + 2.0 * c * s * g + s * s * b, s * s * a - 2.0 * c * s * g + c * c * b
            e[k] = c * s * (b - a) + (c * c - s * s) * g
            if k < high - 1:
                x, z = e[k], s * e[k + 1]
                e[k + 1] *= c
            for i in range(n):
                p, q = vectors[k, i], vectors[k + 1, i]
                vectors[k, i], vectors[k + 1, i] = c * p + s * q, c * q - s * p
    return d, vectors
