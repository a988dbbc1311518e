"""The pair potential against its formula, its published values and finite differences."""

import math

import numpy as np
import pytest

from listi.mechanics.potential import CHARGE, CUTOFF, DV_CUT, KAPPA, SIGMA, SIGMA12, V_CUT, pair, pairs_of_atom

KINDS = {"Si-Si": 0, "Si-O": 1, "O-O": 2}


@pytest.mark.parametrize(
    ("kind", "value", "slope"),
    [(0, 0.025544, -0.0070763), (1, -0.017029, 0.0047175), (2, 0.011410, -0.0031608)],
)
def test_unshifted_potential_at_the_cutoff(kind, value, slope):
    assert V_CUT[kind] == pytest.approx(value, abs=5e-7)
    assert DV_CUT[kind] == pytest.approx(slope, abs=5e-8)


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("r", [0.95, 1.5, 3.05, 6.0, 9.9, 9.9999])
def test_energy_is_the_formula(kind, r):
    def bare(x):
        return (SIGMA[kind] / x) ** 12 + CHARGE[kind] / x * math.exp(-KAPPA * x)

    slope = -12 * SIGMA[kind] ** 12 / CUTOFF**13 - CHARGE[kind] * math.exp(-KAPPA * CUTOFF) / CUTOFF * (
        1 / CUTOFF + KAPPA
    )
    expected = bare(r) - bare(CUTOFF) - slope * (r - CUTOFF)
    assert pair(r, kind)[0] == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("r", [0.95, 1.361, 1.5, 2.61, 3.05, 5.0, 9.0, 9.99, 10.0, 10.01])
def test_derivatives_are_those_of_the_energy(kind, r):
    """Up to and across the cutoff, where energy and force are continuous and the curvature jumps."""
    h = 1e-4
    _, first, second = pair(r, kind)
    energies = [pair(r + k * h, kind)[0] for k in (-2, -1, 1, 2)]
    slopes = [pair(r + k * h, kind)[1] for k in (-2, -1, 1, 2)]
    weights = np.array([1, -8, 8, -1]) / (12 * h)
    assert first == pytest.approx(weights @ energies, rel=1e-8, abs=2e-7)
    if r != CUTOFF:
        assert second == pytest.approx(weights @ slopes, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS.values())
def test_energy_and_force_vanish_at_the_cutoff(kind):
    just_inside = np.nextafter(CUTOFF, 0)
    assert pair(just_inside, kind)[0] == pytest.approx(0.0, abs=1e-16)
    assert pair(just_inside, kind)[1] == pytest.approx(0.0, abs=1e-16)
    assert pair(CUTOFF, kind) == (0.0, 0.0, 0.0)


def test_silicon_oxygen_well():
    r = np.linspace(1.3, 1.45, 1501)
    u = np.array([pair(x, 1)[0] for x in r])
    assert r[np.argmin(u)] == pytest.approx(1.361, abs=5e-4)
    assert u.min() == pytest.approx(-0.4607, abs=5e-5)


def test_loops_over_pairs_agree_with_the_single_pair():
    rng = np.random.default_rng(0)
    r, oxygen = rng.uniform(1.0, 11.0, 50), rng.integers(0, 2, 50).astype(float)
    for species in (0, 1):
        expected = np.array([pair(x, species + int(o)) for x, o in zip(r, oxygen, strict=True)])
        tension, energy, stiffness = r**2, oxygen.copy(), np.empty(50)
        pairs_of_atom(tension, energy, stiffness, species, 50)
        np.testing.assert_allclose(energy, expected[:, 0], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(tension * r, expected[:, 1], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(stiffness, expected[:, 2], rtol=1e-12, atol=1e-15)
    assert np.array_equal(SIGMA12, SIGMA**12)
