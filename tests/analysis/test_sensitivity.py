"""Studies: sampled goodness against the whole map, differences, the sizes of the cost study."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis import sensitivity
from listi.analysis.prediction_goodness import goodness
from listi.compendium import bench
from listi.mechanics.system import System
from listi.network.rings import ring_sizes, ring_statistics
from listi.probing.probe import probe

R_FREE = 6.0


def test_sampled_at_every_grid_point_it_is_the_goodness_of_the_map(glass):
    events = np.array([[3.0, 50.0], [31.0, 8.0]])
    whole = probe(glass, grid=(5, 4), r_free=R_FREE)
    sampled = sensitivity.sampled_goodness(glass, events, 20, grid=(5, 4), r_free=R_FREE)
    np.testing.assert_allclose(sampled, goodness(whole.threshold, events, glass.cell))


def test_the_grid_can_be_shifted(glass):
    """A shift by half a spacing brings the nearest point onto the event."""
    spacing = glass.cell / [5, 4]
    at_point = probe(glass, points=[spacing / 2], r_free=R_FREE).threshold.item()
    others = probe(glass, points=spacing * ([[i + 0.5, j + 0.5] for i in range(5) for j in range(4)]), r_free=R_FREE)
    sampled = sensitivity.sampled_goodness(glass, [spacing / 2], 20, grid=(5, 4), shift=(0.5, 0.5), r_free=R_FREE)
    assert sampled[0] == pytest.approx(1 - 2 * np.mean(others.threshold.values < at_point))


def test_differences_tell_how_much_and_how_often():
    reference = xr.DataArray([1.0, 2.0, 4.0, 8.0], dims="point")
    found = sensitivity.differences(reference, reference * [1.0, 1.0, 1.01, 0.9])
    assert found["largest"] == pytest.approx(0.1)
    assert found["median"] == pytest.approx(0.005)
    assert found["share beyond 0.5 %"] == 0.5


def test_settings_are_varied_one_at_a_time(glass):
    points = sensitivity.random_points(glass, 3, seed=0)
    varied = sensitivity.vary(glass, points, {"other radius": {"r_free": 5.0}, "same": {}}, r_free=R_FREE)
    np.testing.assert_array_equal(varied.threshold.sel(setting="same"), varied.reference)
    assert not np.allclose(varied.threshold.sel(setting="other radius"), varied.reference)
    np.testing.assert_array_equal(points, sensitivity.random_points(glass, 3, seed=0))


def test_no_probes_are_refused(glass):
    with pytest.raises(ValueError, match="^n_probes: 0 "):
        sensitivity.sampled_goodness(glass, np.zeros((1, 2)), 0)


def test_sizes_are_measured():
    found = bench.measure_sizes([(1, 1), (2, 1)], 1, rings=(10, 12))
    assert list(found) == [600, 1200]
    assert all(value > 0 for row in found.values() for value in row.values())


def test_a_glass_repeated_is_the_same_glass(glass):
    twice = bench.repeat(glass, 2, 3)
    assert ring_statistics(ring_sizes(twice)) == ring_statistics(ring_sizes(glass))
    energies = [System(n.positions, n.species, n.cell).energy_forces()[0] for n in (glass, twice)]
    assert energies[1] == pytest.approx(6 * energies[0], rel=1e-12)
    point = glass.cell[None] / 2
    assert probe(twice, points=point).threshold.item() == pytest.approx(
        probe(glass, points=point).threshold.item(), rel=1e-8
    )
