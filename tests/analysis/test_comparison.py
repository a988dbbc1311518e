"""What a map adds to another, on samples made so that it is known."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis import comparison
from listi.network.geometry import crossings


@pytest.fixture(scope="module")
def cases():
    """Samples whose events sit where a sum is lowest that `threshold` and `other` know in part and `noise` not."""
    numbers, n = np.random.default_rng(1), 20
    coords = {name: 4.0 * np.arange(n) for name in "xy"}
    points = crossings(coords["x"], coords["y"])
    made = []
    for _ in range(12):
        values = dict(zip(("threshold", "other", "noise"), numbers.random((3, n, n)), strict=True))
        maps = xr.Dataset({name: (("x", "y"), value) for name, value in values.items()}, coords)
        softest = np.argsort((values["threshold"] + 0.4 * values["other"]).ravel())[:3]
        events = xr.DataArray(points[softest], dims=("event", "xy"))
        made.append(comparison.Case(maps, events, np.array([80.0, 80.0])))
    return made


def test_what_adds_to_the_threshold_is_told_from_what_does_not(cases):
    found = comparison.contributions(cases, fitted=[True] * 6 + [False] * 6)
    assert found.low.sel(map="other") > 0.01
    assert found.weight.sel(map="other") == 0.4
    assert found.low.sel(map="noise") <= 0.01
    with pytest.raises(ValueError, match="^fitted: 12 of 12"):
        comparison.contributions(cases, fitted=[True] * 12)


def test_goodness_and_rank_correlation_by_name(cases):
    scores = comparison.goodness_of_maps(cases)
    assert scores.dims == ("map", "sample", "event")
    assert scores.sel(map="threshold").mean() > 0.9 > scores.sel(map="noise").mean()
    alike = comparison.rank_correlations(cases[0])
    assert alike.sel(map="threshold") == pytest.approx(1.0)
    assert abs(alike.sel(map="noise")) < 0.2


def test_ranks_are_combined():
    base, other = (xr.DataArray(v, dims=("x", "y")) for v in ([[1.0, 5.0], [9.0, 2.0]], [[4.0, 3.0], [2.0, 1.0]]))
    np.testing.assert_allclose(comparison.combined(base, other, 0.5), [[0.75, 1.125], [1.25, 0.625]])


def test_paired_differences_are_those_of_each_sample():
    probing = np.array([[0.9, 0.5], [0.7, np.nan], [0.8, 0.6]])
    values = xr.DataArray([probing, probing + 0.1, probing + [[0.3], [-0.3], [0.0]]], dims=("model", "sample", "event"))
    found = comparison.paired_differences(values.assign_coords(model=["probing", "better", "mixed"]))
    assert found.model.values.tolist() == ["better", "mixed"]
    np.testing.assert_allclose(found.sel(model="better").to_array(), 0.1)
    mixed = found.sel(model="mixed")
    assert mixed.difference == pytest.approx(0.0) and mixed.low < -0.1 < 0.1 < mixed.high
