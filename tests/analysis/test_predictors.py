"""Structural predictors on crystals, where they are known, and against other ways to compute them."""

import numpy as np
import pytest
from handmade import honeycomb

import listi
from listi.analysis import predictors
from listi.analysis.discs import membership
from listi.mechanics.system import system_of

GRID, R_FREE = (4, 3), 9.0


@pytest.fixture(scope="module")
def crystal():
    return honeycomb(10, 12, shift=(0.7, 0.4))


def test_voronoi_cells_fill_the_cell(glass, crystal):
    for network in (glass, crystal):
        areas = predictors.voronoi_areas(network)
        assert areas.min() > 0
        assert areas.sum() == pytest.approx(np.prod(network.cell), rel=1e-9)
    assert np.ptp(predictors.voronoi_areas(crystal)[crystal.species == 0]) < 1e-9


def test_a_crystal_is_the_same_everywhere(crystal):
    found = predictors.maps(crystal, GRID, R_FREE, {n: predictors.PREDICTORS[n] for n in CRYSTAL})
    for name, value in CRYSTAL.items():
        np.testing.assert_allclose(found[name], value, atol=1e-9)


CRYSTAL = {"ring_size": -6, "ring_variance": 0, "bond_variance": 0, "centrosymmetry": 0}


def test_stretched_bonds_are_aligned(crystal):
    stretch = np.array([1.2, 1 / 1.2])
    stretched = crystal.replace(positions=crystal.positions * stretch, cell=crystal.cell * stretch)
    assert predictors.bond_alignment(stretched, GRID, R_FREE).max() < -0.1
    assert predictors.anisotropy(stretched, GRID, R_FREE).max() < -0.1


def test_one_stretched_bond_is_seen_from_discs_that_hold_it(crystal):
    """Bonds of 3.0 Å, below the unstressed length; one Si moved by 0.2 Å along x stretches one bond, another less."""
    positions = crystal.positions.copy()
    atom = int(np.argmin(np.linalg.norm(positions - crystal.cell / 2, axis=1) + 99 * crystal.species))
    positions[atom, 0] += 0.2
    found = predictors.stretched_bond(crystal.replace(positions=positions), (5, 7), R_FREE)
    middle = found.sel(x=crystal.cell[0] / 2, y=crystal.cell[1] / 2, method="nearest")
    assert -0.2 < middle.item() < -0.1
    assert found.max() == pytest.approx(0.0, abs=1e-9)  # bonds across x, not stretched by the shear
    longest = predictors.longest_bond(crystal.replace(positions=positions), (5, 7), R_FREE)
    assert longest.max() == pytest.approx(-3.0)
    assert longest.min() < -3.1


def test_stress_and_energy_are_those_of_the_mechanics(glass):
    counts = membership(glass.positions, glass.cell, GRID, R_FREE).sum(axis=1).reshape(GRID)
    probed = listi.probe(glass, grid=GRID, r_free=R_FREE).initial_tensor
    xx, yy = probed.sel(component="xx").values, probed.sel(component="yy").values
    for name, stress in (("initial_stress", (xx - yy) / 2), ("initial_tension", (xx + yy) / 2)):
        found = predictors.PREDICTORS[name](glass, GRID, R_FREE).values
        np.testing.assert_allclose(-found * counts / (np.pi * R_FREE**2), stress, rtol=1e-7, atol=1e-10)
    everything = predictors.energy(glass, (1, 1), 26.0).item()
    assert abs(everything) < 0.02  # nearly all atoms: nearly the mean, which is left out


def test_participation_is_that_of_the_hessians_softest_eigenvectors(glass):
    system = system_of(glass)
    system.linearise()
    unit = np.eye(glass.positions.size).reshape(-1, *glass.positions.shape)
    hessian = np.array([system.hessian_product(vector).ravel() for vector in unit])
    values, modes = np.linalg.eigh(hessian)
    assert np.all(np.abs(values[:2]) < 1e-8 * values[-1])  # translations
    softest = modes[:, 2 : 2 + predictors.N_MODES].reshape(*glass.positions.shape, -1)
    participation = np.sum(softest**2, axis=(1, 2))
    inside = membership(glass.positions, glass.cell, GRID, R_FREE)
    wanted = (inside @ participation) / inside.sum(axis=1)
    np.testing.assert_allclose(-predictors.soft_modes(glass, GRID, R_FREE).values.ravel(), wanted, rtol=0.02)


def test_all_predictors_make_whole_maps_that_differ(glass):
    found = predictors.maps(glass, GRID, R_FREE)
    values = np.array([found[name].values.ravel() for name in found])
    assert np.all(np.isfinite(values)) and list(found) == list(predictors.PREDICTORS)
    assert np.all(np.ptp(values, axis=1) > 0)
    assert np.abs(np.corrcoef(values) - np.eye(len(values))).max() < 0.99


def test_without_bonds_those_that_need_them_say_so(glass):
    bare = glass.replace(bonds=None)
    assert predictors.density(bare, GRID, R_FREE).shape == GRID
    for name in ("ring_size", "bond_variance", "centrosymmetry", "anisotropy"):
        with pytest.raises(ValueError, match="^network: has no bonds"):
            predictors.PREDICTORS[name](bare, GRID, R_FREE)
