"""Blurred maps and softest spots where they can be worked out by hand."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis.spots import blurred, softest_spots

CELL = np.array([40.0, 30.0])


def map_of(values):
    n_x, n_y = np.shape(values)
    coords = {"x": np.arange(n_x) * CELL[0] / n_x, "y": np.arange(n_y) * CELL[1] / n_y}
    return xr.DataArray(np.asarray(values, dtype=float), coords, ("x", "y"))


def test_a_blurred_point_is_a_periodic_gaussian_of_the_width_in_angstrom():
    values = np.zeros((40, 60))
    values[0, 0] = 1.0
    found = blurred(map_of(values), CELL, 2.0)
    assert float(found.sum()) == pytest.approx(1.0)
    assert found[2, 0] == pytest.approx(float(found[-2, 0]))  # across the border
    assert found[0, 4] == pytest.approx(float(found[2, 0]))  # 2 Å along y are four points, along x two
    assert float(found[2, 0] / found[0, 0]) == pytest.approx(np.exp(-0.5), rel=1e-3)
    xr.testing.assert_allclose(blurred(map_of(values).transpose("y", "x"), CELL, 2.0).transpose("x", "y"), found)
    xr.testing.assert_equal(blurred(map_of(values), CELL, 0.0), map_of(values))


def test_points_without_a_value_have_no_weight_and_stay_without_one():
    values = np.full((8, 6), 3.0)
    values[2, 3] = np.nan
    found = blurred(map_of(values), CELL)
    assert np.isnan(found[2, 3]) and found.isnull().sum() == 1
    np.testing.assert_allclose(found.values[~np.isnan(found.values)], 3.0)


@pytest.mark.parametrize("width", [-1.0, np.nan, np.inf])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match=f"^width: {width} Å"):
        blurred(map_of(np.ones((4, 3))), CELL, width)


def test_distinct_spots_are_taken_from_the_softest_on_across_the_border():
    values = np.full((8, 6), 9.0)
    values[0, 0], values[7, 0], values[4, 3], values[4, 0], values[0, 1] = 1.0, 2.0, 3.0, np.nan, 1.5
    values[2:7, 1:] = np.where(values[2:7, 1:] == 3.0, 3.0, np.nan)
    found = softest_spots(map_of(values), CELL, apart=11.0)
    assert [next(found), next(found)] == [(0, 0), (4, 3)]  # 2.0 adjoins the first
    assert list(softest_spots(map_of(np.full((8, 6), np.nan)), CELL)) == []
    assert len(list(softest_spots(map_of(np.random.default_rng(0).random((8, 6))), CELL, apart=0.0))) == 48
