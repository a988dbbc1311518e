"""Potentials that are ready to use: two-dimensional silica, and binary Lennard-Jones glasses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..network.geometry import is_number
from .arithmetic import exponential
from .potential import PairFunction, Potential


def yukawa(kappa: float, cutoff: float) -> tuple[PairFunction, tuple[float, ...]]:
    """Return V = (sigma/r)^12 + (q/r) exp(-kappa r) as a function of r, 1/r, sigma^12, q and constants, and these.

    exp(-kappa r) is a polynomial about the middle of 0 <= r <= r_c, squared a few times if kappa r_c is large: the
    Taylor series of exp on |z| <= 0.9 is exact to rounding at degree 16. Only additions and multiplications enter, so
    loops over pairs vectorise and every machine computes the same bits.

    The function depends on the number of squarings, which is zero for kappa r_c < 1.8; all else is in the constants.

    Source of the form: Roy, Heyde, Heuer, Phys. Chem. Chem. Phys. 20, 14725 (2018).

    Parameters
    ----------
    kappa : float
        Inverse screening length [1/Å].
    cutoff : float
        r_c [Å].
    """
    if not (is_number(kappa) and kappa > 0):
        raise ValueError(f"kappa: {kappa!r} is not > 0 1/Å")
    squarings = max(0, math.frexp(0.5 * kappa * cutoff / 0.9)[1])
    scale = kappa / 2**squarings
    middle = 0.5 * scale * cutoff
    series = tuple(exponential(-middle) / math.factorial(n) for n in range(17))

    def function(r, inverse, sigma12, charge, kappa, scale, middle, *c):
        z = middle - scale * r
        high = (((c[16] * z + c[15]) * z + c[14]) * z + c[13]) * z + c[12]
        high = (((high * z + c[11]) * z + c[10]) * z + c[9]) * z + c[8]
        high = (((high * z + c[7]) * z + c[6]) * z + c[5]) * z + c[4]
        exponential = (((high * z + c[3]) * z + c[2]) * z + c[1]) * z + c[0]
        for _ in range(squarings):
            exponential = exponential * exponential
        i4 = (inverse * inverse) * (inverse * inverse)
        repulsion = sigma12 * (i4 * i4 * i4)
        attraction = charge * inverse * exponential
        decay = inverse + kappa  # -d(ln attraction)/dr
        first = -12.0 * repulsion * inverse - attraction * decay
        second = 156.0 * repulsion * inverse * inverse + attraction * (decay * decay + inverse * inverse)
        return repulsion + attraction, first, second

    return function, (kappa, scale, middle, *series)


def silica(
    sigma: Sequence[float] = (2.250, 1.075, 0.900),
    charge: Sequence[float] = (1.500, -1.000, 0.670),
    kappa: float = 1.0 / 5.649,
    cutoff: float = 10.0,
) -> Potential:
    """Return the Yukawa-type potential of two-dimensional silica.

    Parameters
    ----------
    sigma : (float, float, float)
        Of Si-Si, Si-O and O-O [Å].
    charge : (float, float, float)
        q of the same pairs, not products of charges [energy Å].
    kappa : float
        Inverse screening length [1/Å].
    cutoff : float
        r_c [Å].

    Raises
    ------
    ValueError
        If there are not three of each, or as `Potential`.

    Examples
    --------
    >>> import listi
    >>> longer = listi.silica(cutoff=12.0)
    >>> glass = listi.relax(listi.generate(nx=10, ny=12), potential=longer)
    """
    for name, given in (("sigma", sigma), ("charge", charge)):
        if len(given) != 3:
            raise ValueError(f"{name}: {tuple(given)} is not three numbers, of Si-Si, Si-O and O-O")
    of_pair = np.stack([np.asarray(sigma, dtype=float) ** 12, np.asarray(charge, dtype=float)], axis=1)
    function, constants = yukawa(kappa, cutoff)
    return Potential(function, of_pair[[[0, 1], [1, 2]]], cutoff, constants=constants)


SILICA = silica()  # the paper's


def lennard_jones(
    sigma: np.ndarray,
    epsilon: np.ndarray,
    inner: float = 2.0,
    outer: float = 2.5,
    symbols: Sequence[str] = ("A", "B"),
) -> Potential:
    """Return a Lennard-Jones potential that ends smoothly.

    V = 4 epsilon [(sigma/r)^12 - (sigma/r)^6] + constant up to r = inner sigma; from there to outer sigma, a polynomial
    of fourth order that continues V' and V'' and vanishes with both at its end (LAMMPS: pair_style lj/smooth).

    Parameters
    ----------
    sigma, epsilon : ndarray, shape (n_species, n_species)
        Length [Å, or the unit of the sample] and energy of each pair, symmetric.
    inner, outer : float
        Where the polynomial begins and ends, in units of each pair's sigma.
    symbols : sequence of str
        Name of each species.

    Raises
    ------
    ValueError
        If `inner` and `outer` are not 0 < inner < outer, or as `Potential`.

    Examples
    --------
    >>> import listi
    >>> potential = listi.lennard_jones([[1.18, 1.0], [1.0, 0.62]], [[0.5, 1.0], [1.0, 0.5]])
    >>> energy, slope, curvature = potential.pair(2.0 ** (1 / 6), 0, 1)
    >>> bool(abs(slope[0]) < 1e-12)
    True
    """
    if not 0.0 < inner < outer < np.inf:
        raise ValueError(f"inner, outer: {inner}, {outer} are not 0 < inner < outer")
    sigma, epsilon = np.asarray(sigma, dtype=float), np.asarray(epsilon, dtype=float)
    a12, a6 = 4.0 * epsilon * sigma**12, 4.0 * epsilon * sigma**6
    begin, width = inner * sigma, (outer - inner) * sigma
    force = 12.0 * a12 / begin**13 - 6.0 * a6 / begin**7
    slope = -156.0 * a12 / begin**14 + 42.0 * a6 / begin**8
    square = -(3.0 * force + 2.0 * slope * width) / width**2
    cube = (2.0 * force + slope * width) / width**3
    area = width * (force + width * (slope / 2 + width * (square / 3 + width * cube / 4)))
    shift = area - (a12 / begin**12 - a6 / begin**6)
    parameters = np.stack([a12, a6, shift, begin, begin + width, force, slope, square, cube, area], axis=-1)
    return Potential(_smooth_lennard_jones, parameters, float(np.max(begin + width)), symbols)


def _smooth_lennard_jones(r, inverse, a12, a6, shift, begin, end, force, slope, square, cube, area):
    """V, V', V'': the force beyond `begin` is force + slope x + square x² + cube x³ at x = r - begin."""
    i6 = (inverse * inverse) * (inverse * inverse) * (inverse * inverse)
    x = r - begin
    near, between = 1.0 if x < 0.0 else 0.0, 1.0 if (x >= 0.0 and r < end) else 0.0
    v = near * ((a12 * i6 - a6) * i6 + shift)
    dv = near * (-12.0 * a12 * i6 + 6.0 * a6) * i6 * inverse
    ddv = near * (156.0 * a12 * i6 - 42.0 * a6) * i6 * inverse * inverse
    v += between * (area - x * (force + x * (slope / 2 + x * (square / 3 + x * cube / 4))))
    dv -= between * (force + x * (slope + x * (square + x * cube)))
    ddv -= between * (slope + x * (2.0 * square + x * 3.0 * cube))
    return v, dv, ddv
