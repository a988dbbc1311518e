"""Correlation of maps and means over samples, on values that are known."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis.comparison import correlation, intervals, paired_differences
from listi.analysis.ensemble import bootstrap


@pytest.fixture
def field():
    return xr.DataArray([[1.0, 5.0], [9.0, 2.0]], {"x": [0.0, 1.0], "y": [0.0, 2.0]}, ("x", "y"))


def test_correlation_takes_arrays_and_maps_in_any_order_of_their_dimensions(field):
    other = field**2
    r = np.corrcoef(field.values.ravel(), other.values.ravel())[0, 1]
    for first, second in ((field, other), (field, other.transpose("y", "x")), (field.values, other.values)):
        assert correlation(first, second) == pytest.approx(r)
    assert correlation(field, -field) == pytest.approx(-1.0)


def test_points_without_a_value_are_left_out_of_the_correlation_and_a_constant_map_says_nothing(field):
    values, other = field.values.ravel(), np.array([3.0, np.nan, 7.0, 1.0])
    chosen = [0, 2, 3]
    assert correlation(values, other) == pytest.approx(np.corrcoef(values[chosen], other[chosen])[0, 1])
    assert correlation(values, np.array([3.0, np.nan, 3.0, 3.0])) == 0.0  # constant where it has a value
    assert np.isnan(correlation(values, np.array([3.0, np.nan, np.nan, np.nan])))


def test_maps_of_other_points_are_not_correlated(field):
    for other, message in (
        (field.isel(x=[0]), r"second: shape \(1, 2\) is not"),
        (field.assign_coords(y=[0.0, 3.0]), "second: y is not that of the first"),
        (field.rename(x="point"), "second: dimensions"),
        (field.values[0], r"second: shape \(2,\) is not"),
    ):
        with pytest.raises(ValueError, match=message):
            correlation(field, other)


def test_intervals_are_those_of_the_bootstrap_and_leave_out_what_is_missing():
    values = np.random.default_rng(0).normal(size=(3, 9))
    values[1, 4] = np.nan
    values[2] = np.nan
    found = intervals(xr.DataArray(values, dims=("event", "sample")))
    assert found.bound.values.tolist() == ["mean", "low", "high"]
    np.testing.assert_array_equal(found[:2], [bootstrap(row) for row in values[:2]])
    assert np.isnan(found[2]).all()


def test_paired_differences_are_those_of_each_sample():
    probing = np.array([[0.9, 0.5], [0.7, np.nan], [0.8, 0.6]])
    values = xr.DataArray([probing, probing + 0.1, probing + [[0.3], [-0.3], [0.0]]], dims=("model", "sample", "event"))
    found = paired_differences(values.assign_coords(model=["probing", "better", "mixed"]))
    assert found.model.values.tolist() == ["better", "mixed"]
    np.testing.assert_allclose(found.sel(model="better").to_array(), 0.1)
    mixed = found.sel(model="mixed")
    assert mixed.difference == pytest.approx(0.0) and mixed.low < -0.1 < 0.1 < mixed.high
