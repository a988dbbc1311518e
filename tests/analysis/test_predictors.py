"""Structural predictors on crystals, where they are known, and against other ways to compute them."""

import networkx as nx
import numpy as np
import pytest
from handmade import honeycomb

import listi
from listi.analysis import predictors
from listi.analysis.comparison import correlation
from listi.analysis.discs import as_map, membership
from listi.mechanics.system import system_of
from listi.network.geometry import grid_points, minimum_image

GRID, R_FREE = (4, 3), 9.0


def points_of(network, grid=GRID):
    return grid_points(network.cell, grid)


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
    for name, value in {"ring_size": -6, "bond_variance": 0, "shortest_winding_path": 60.0}.items():
        np.testing.assert_allclose(predictors.PREDICTORS[name](crystal, points_of(crystal), R_FREE), value, atol=1e-9)
    betweenness = predictors.geodesic_betweenness(crystal, points_of(crystal), R_FREE)
    assert np.all(betweenness < 0)


def test_one_stretched_bond_is_seen_from_discs_that_hold_it(crystal):
    """Bonds of 3.0 Å, below the unstressed length; one Si moved by 0.2 Å along x stretches one bond, another less."""
    positions = crystal.positions.copy()
    atom = int(np.argmin(np.linalg.norm(positions - crystal.cell / 2, axis=1) + 99 * crystal.species))
    positions[atom, 0] += 0.2
    moved, points = crystal.replace(positions=positions), points_of(crystal, (5, 7))
    found = predictors.stretched_bond(moved, points, R_FREE)
    middle = np.argmin(np.linalg.norm(points - crystal.cell / 2, axis=1))
    assert -0.2 < found[middle] < -0.1
    assert found.max() == pytest.approx(0.0, abs=1e-9)  # bonds across x, not stretched by the shear
    longest = predictors.longest_bond(moved, points, R_FREE)
    assert longest.max() == pytest.approx(-3.0)
    assert longest.min() < -3.1


def test_initial_stress_is_that_of_the_mechanics(glass):
    counts = membership(glass.positions, glass.cell, GRID, R_FREE).sum(axis=1)
    probed = listi.probe(glass, grid=GRID, r_free=R_FREE).initial_stress.values.ravel()
    found = predictors.initial_stress(glass, points_of(glass), R_FREE)
    np.testing.assert_allclose(-found * counts / (np.pi * R_FREE**2), probed, rtol=1e-7, atol=1e-10)


def graph_of(network, copies=1):
    """The bonds as a networkx graph of so many copies of the cell along x, by another way than the package's."""
    graph = nx.Graph()
    for a, b in network.bonds:
        vector = minimum_image(network.positions[b] - network.positions[a], network.cell)
        image = round((network.positions[a] + vector - network.positions[b])[0] / network.cell[0])
        for copy in range(copies):
            if copies == 1:
                graph.add_edge(a, b, length=np.hypot(*vector))
            elif 0 <= copy + image < copies:
                graph.add_edge((copy, a), (copy + image, b), length=np.hypot(*vector))
    return graph


def test_betweenness_is_that_of_networkx(glass):
    wanted = nx.edge_betweenness_centrality(graph_of(glass), weight="length")
    _, inside = predictors._bonds_in_discs(glass, points_of(glass), R_FREE)
    values = np.array([wanted.get((a, b), wanted.get((b, a))) for a, b in glass.bonds])
    found = predictors.geodesic_betweenness(glass, points_of(glass), R_FREE)
    np.testing.assert_allclose(found, -(inside @ values) / inside.sum(axis=1), rtol=1e-9)


def test_winding_paths_are_those_of_networkx(glass):
    graph, silicon = graph_of(glass, 5), np.unique(glass.bonds)
    around = np.array([nx.dijkstra_path_length(graph, (1, a), (2, a), "length") for a in silicon])
    inside = membership(glass.positions[silicon], glass.cell, GRID, R_FREE).toarray() > 0
    wanted = [around[chosen].min() for chosen in inside]
    np.testing.assert_allclose(predictors.shortest_winding_path(glass, points_of(glass), R_FREE), wanted)


def test_ridge_finds_the_descriptor_that_the_thresholds_are_made_of(glass):
    points, descriptors = points_of(glass), {n: predictors.PREDICTORS[n] for n in ("density", "longest_bond")}
    wanted = predictors.longest_bond(glass, points)
    threshold = as_map(2.0 * wanted + 7.0, glass.cell, GRID, "threshold", "1", "made up")
    predict = predictors.ridge([listi.Sample(glass, probing=threshold.to_dataset())], descriptors)
    assert correlation(predict(glass, points), wanted) > 0.99
    assert predict(glass, points).mean() == pytest.approx(float(threshold.mean()))


def test_over_load_ranks_as_the_strain_to_failure(glass):
    probed = listi.probe(glass, GRID, r_free=R_FREE)
    strain = listi.strain_to_failure(probed, listi.stress_rate(glass, GRID, R_FREE)).values.ravel()
    found = predictors.over_load(lambda network: probed.threshold, R_FREE)(glass, points_of(glass))
    np.testing.assert_allclose(found.strain_to_failure, strain, rtol=1e-9)
    np.testing.assert_allclose(found.threshold, np.where(strain < 1.0, strain, 1.0), rtol=1e-9)
    unloaded = predictors.over_load(lambda network, points: -np.ones(len(points)), R_FREE)(glass, points_of(glass))
    assert (unloaded.threshold < 0).all() and np.isfinite(unloaded.threshold).all()  # no threshold left: softest


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
    np.testing.assert_allclose(-predictors.soft_modes(glass, points_of(glass), R_FREE), wanted, rtol=0.02)


def test_all_predictors_give_values_that_differ(glass):
    values = np.array([predict(glass, points_of(glass), R_FREE) for predict in predictors.PREDICTORS.values()])
    assert values.shape == (len(predictors.PREDICTORS), 12) and np.all(np.isfinite(values))
    assert np.all(np.ptp(values, axis=1) > 0)
    assert np.abs(np.corrcoef(values) - np.eye(len(values))).max() < 0.99


def test_without_bonds_those_that_need_them_say_so(glass):
    bare = glass.replace(bonds=None)
    assert predictors.density(bare, points_of(bare), R_FREE).shape == (12,)
    for name in ("ring_size", "bond_variance", "geodesic_betweenness", "shortest_winding_path"):
        with pytest.raises(ValueError, match="^network: has no bonds"):
            predictors.PREDICTORS[name](bare, points_of(bare), R_FREE)
