"""Yukawa-type pair potential of two-dimensional silica, shifted so that energy and force vanish at the cutoff.

    V(r) = (sigma/r)^12 + (q/r) exp(-kappa r)
    U(r) = V(r) - V(r_c) - V'(r_c) (r - r_c)      for r < r_c, else 0

Source: Roy, Heyde, Heuer, Phys. Chem. Chem. Phys. 20, 14725 (2018). Lengths are in Å, energies in the
potential's own reduced unit; no conversion to SI has been published, so none is made.
"""

from __future__ import annotations

import math

import numba
import numpy as np

KAPPA = 1.0 / 5.649  # inverse screening length [1/Å]
CUTOFF = 10.0  # r_c [Å]

# One row a pair, indexed by the sum of the species: Si-Si = 0, Si-O = 1, O-O = 2.
SIGMA = np.array([2.250, 1.075, 0.900])  # [Å]
CHARGE = np.array([1.500, -1.000, 0.670])  # pair value of q, not a product of charges [energy Å]

# exp(-kappa r) on 0 <= r <= r_c as a polynomial about the middle of the range: the Taylor series of exp on
# |z| <= kappa r_c / 2 = 0.885 is exact to rounding at degree 16. Only additions and multiplications enter, so
# loops over pairs vectorise and every machine computes the same bits.
_MIDDLE = 0.5 * KAPPA * CUTOFF
_C = tuple(math.exp(-_MIDDLE) / math.factorial(n) for n in range(17))


@numba.njit(error_model="numpy")
def _exponential(r):
    """exp(-kappa r) for 0 <= r <= r_c."""
    z = _MIDDLE - KAPPA * r
    high = (((_C[16] * z + _C[15]) * z + _C[14]) * z + _C[13]) * z + _C[12]
    high = (((high * z + _C[11]) * z + _C[10]) * z + _C[9]) * z + _C[8]
    high = (((high * z + _C[7]) * z + _C[6]) * z + _C[5]) * z + _C[4]
    return (((high * z + _C[3]) * z + _C[2]) * z + _C[1]) * z + _C[0]


@numba.njit(error_model="numpy")
def _bare(r, inverse, sigma12, charge):
    """V, V' and V'' at distance r = 1 / inverse; sigma12 is sigma^12."""
    i4 = (inverse * inverse) * (inverse * inverse)
    repulsion = sigma12 * (i4 * i4 * i4)
    yukawa = charge * inverse * _exponential(r)
    decay = inverse + KAPPA  # -d(ln yukawa)/dr
    first = -12.0 * repulsion * inverse - yukawa * decay
    second = 156.0 * repulsion * inverse * inverse + yukawa * (decay * decay + inverse * inverse)
    return repulsion + yukawa, first, second


SIGMA12 = SIGMA**12
_AT_CUTOFF = [_bare(CUTOFF, 1.0 / CUTOFF, s, q) for s, q in zip(SIGMA12, CHARGE, strict=True)]
V_CUT = np.array([v for v, _, _ in _AT_CUTOFF])  # V(r_c) of each pair
DV_CUT = np.array([dv for _, dv, _ in _AT_CUTOFF])  # V'(r_c) of each pair


@numba.njit(error_model="numpy")
def _shifted(r, inverse, sigma12, charge, v_cut, dv_cut):
    """U, U', U'' from one pair's constants; a factor instead of a branch keeps loops vectorisable."""
    v, dv, ddv = _bare(r, inverse, sigma12, charge)
    inside = 1.0 if r < CUTOFF else 0.0
    return inside * (v - v_cut - dv_cut * (r - CUTOFF)), inside * (dv - dv_cut), inside * ddv


@numba.njit(error_model="numpy")
def pair(r, kind):
    """Energy U, its first derivative U' and second derivative U'' of one pair.

    Parameters
    ----------
    r : float
        Distance [Å], greater than zero.
    kind : int
        Sum of the two species numbers: 0 Si-Si, 1 Si-O, 2 O-O.

    Returns
    -------
    tuple of float
        U [energy], U' [energy/Å], U'' [energy/Å²]; zero from the cutoff on.
    """
    return _shifted(r, 1.0 / r, SIGMA12[kind], CHARGE[kind], V_CUT[kind], DV_CUT[kind])


@numba.njit(error_model="numpy", forceinline=True)
def pairs_of_atom(tension, energy, stiffness, species, count):
    """Evaluate the pairs of one atom with `count` partners, several lanes at a time.

    Parameters
    ----------
    tension : ndarray
        In: squared distances to the partners [Å²]. Out: U'/r [energy/Å²].
    energy : ndarray
        In: 1.0 where the partner is O, else 0.0. Out: U [energy].
    stiffness : ndarray, optional
        Out: U'' [energy/Å²]. None leaves its evaluation out of what is compiled.
    species : int
        Species of the atom itself.
    """
    a_si, a_o = SIGMA12[species], SIGMA12[species + 1]
    q_si, q_o = CHARGE[species], CHARGE[species + 1]
    v_si, v_o = V_CUT[species], V_CUT[species + 1]
    d_si, d_o = DV_CUT[species], DV_CUT[species + 1]
    for k in range(count):
        r = np.sqrt(tension[k])
        is_o = energy[k] > 0.5
        inverse = 1.0 / r
        u, du, ddu = _shifted(
            r,
            inverse,
            a_o if is_o else a_si,
            q_o if is_o else q_si,
            v_o if is_o else v_si,
            d_o if is_o else d_si,
        )
        energy[k] = u
        tension[k] = du * inverse
        if stiffness is not None:
            stiffness[k] = ddu
