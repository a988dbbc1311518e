"""Eq. 1 on maps small enough to work out by hand, and the statistics over samples."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis.prediction_goodness import goodness, statistics

# Five points on a line of a cell 10 x 4 Å, spacing 2 Å; two of them tie at 3.
#   x        0  2  4  6  8
#   value    5  1  3  3  9
# Strictly lower: 5 -> 3 of 5, 1 -> 0, 3 -> 1, 9 -> 4.
VALUES = [5.0, 1.0, 3.0, 3.0, 9.0]
CELL = [10.0, 4.0]
EXPECTED_AT_POINT = [1 - 2 * 3 / 5, 1.0, 1 - 2 * 1 / 5, 1 - 2 * 1 / 5, 1 - 2 * 4 / 5]


@pytest.fixture
def line():
    return xr.DataArray([[v] for v in VALUES], dims=("x", "y"), coords={"x": [0.0, 2, 4, 6, 8], "y": [0.0]})


def test_each_of_the_five_points_has_the_goodness_worked_out_by_hand(line):
    events = [[x, 0.0] for x in line.x.values]
    np.testing.assert_allclose(goodness(line, events, CELL), EXPECTED_AT_POINT, atol=1e-15)


@pytest.mark.parametrize(
    ("x", "nearest"),
    [
        (0.9, 0),
        (1.1, 1),
        (4.8, 2),
        (8.9, 4),
        (9.1, 0),
        (9.999, 0),
        (-0.5, 0),
        (-1.5, 4),
        (12.4, 1),
        (3.0, 1),
        (9.0, 0),
    ],
)
def test_the_periodically_nearest_point_counts_and_the_first_of_two_equally_near(line, x, nearest):
    assert goodness(line, [[x, 3.9]], CELL).item() == pytest.approx(EXPECTED_AT_POINT[nearest])


def test_a_constant_map_says_nothing(line):
    """Nothing is lower than its values, but an event at any place would be as well predicted."""
    flat = xr.full_like(line, 7.0)
    np.testing.assert_array_equal(goodness(flat, [[0, 0], [5, 1]], CELL), [0.0, 0.0])


def test_both_axes_and_the_cell_that_the_grid_fills():
    # 2 x 3 points, spacing 5 and 4: the cell is 10 x 12. Nearest to (9, 11) is (0, 0) across both
    # borders.
    grid = xr.DataArray(
        [[6.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        dims=("x", "y"),
        coords={"x": [0.0, 5.0], "y": [0.0, 4.0, 8.0]},
    )
    result = goodness(grid, [[9.0, 11.0], [4.0, 11.0], [0.0, 3.0], [6.0, 8.0]])
    np.testing.assert_allclose(result, [1 - 2 * 5 / 6, 1 - 2 * 2 / 6, 1.0, 1 - 2 * 4 / 6])
    xr.testing.assert_identical(result, goodness(grid.transpose("y", "x"), [[9, 11], [4, 11], [0, 3], [6, 8]]))


def test_a_list_of_points_gives_the_same_as_the_grid(line):
    points = xr.DataArray(VALUES, dims="point", coords={"x": ("point", line.x.values), "y": ("point", np.zeros(5))})
    events = np.array([[9.3, 1.0], [4.9, 0.0]])
    xr.testing.assert_identical(goodness(points, events, CELL), goodness(line, events, CELL))


def test_only_the_order_of_the_values_matters(line):
    events = [[0, 0], [7.5, 0]]
    np.testing.assert_array_equal(goodness(np.exp(line) - 4, events, CELL), goodness(line, events, CELL))


def test_result_is_labelled(line):
    events = xr.DataArray([[0.0, 0.0], [2.0, 0.0]], dims=("event", "xy"), coords={"event": [1, 2], "xy": ["x", "y"]})
    result = goodness(line, events.transpose("xy", "event"), CELL)
    assert result.dims == ("event",)
    assert result.event.values.tolist() == [1, 2]
    assert result.attrs["units"] == "1"
    assert goodness(line, np.empty((0, 2)), CELL).shape == (0,)


@pytest.mark.parametrize(
    ("change", "events", "cell", "message"),
    [
        (lambda m: m.where(m > 1, np.inf), [[0, 0]], CELL, "threshold_map: 1 of 5 values are infinite"),
        (lambda m: m.where(m < 0), [[0, 0]], CELL, "threshold_map: .* has no values"),
        (lambda m: m.values, [[0, 0]], CELL, "threshold_map: ndarray is not a DataArray"),
        (lambda m: m.isel(y=0), [[0, 0]], CELL, r"threshold_map: dimensions \('x',\)"),
        (
            lambda m: m.isel(x=slice(0)),
            [[0, 0]],
            CELL,
            r"threshold_map: shape \(0, 1\) has no values",
        ),
        (lambda m: m, [[0, 0], [np.nan, 1]], CELL, r"event_position: event 2 is at \[nan, 1.0\]"),
        (lambda m: m, [0, 0], CELL, r"event_position: shape \(2,\) is not"),
        (lambda m: m, [[0, 0]], [10, -4], r"cell: \[10.0, -4.0\] is not two finite edge lengths"),
        (lambda m: m, [[0, 0]], None, "cell: must be given, since y"),
        (
            lambda m: m.assign_coords(x=[0, 2, 4, 6, 9]),
            [[0, 0]],
            None,
            "cell: must be given, since x",
        ),
    ],
)
def test_bad_input_is_named(line, change, events, cell, message):
    with pytest.raises(ValueError, match=message):
        goodness(change(line), events, cell)


@pytest.fixture
def three_samples():
    return xr.DataArray([[1.0, 0.5], [0.8, np.nan], [0.0, 0.1]], dims=("sample", "event"), coords={"event": [1, 2]})


def test_statistics_by_hand_leaving_out_events_that_did_not_come(three_samples):
    result = statistics(three_samples, n_bootstrap=200)
    np.testing.assert_allclose(result["mean"], [0.6, 0.3])
    np.testing.assert_allclose(result["median"], [0.8, 0.3])
    np.testing.assert_allclose(result["minimum"], [0.0, 0.1])
    np.testing.assert_allclose(result["quartile_1"], [0.4, 0.2])
    np.testing.assert_allclose(result["quartile_3"], [0.9, 0.4])
    np.testing.assert_allclose(result["maximum"], [1.0, 0.5])
    assert result["n_samples"].values.tolist() == [3, 2]
    assert all(result[name].attrs["long_name"] for name in result)


def test_bootstrap_interval_of_a_known_distribution_and_its_seed():
    values = np.random.default_rng(5).normal(0.3, 0.2, 400)
    sample = xr.DataArray(values[:, None], dims=("sample", "event"), coords={"event": [1]})
    result = statistics(sample, seed=3)
    # Standard error 0.2 / sqrt(400) = 0.01: the 95 % interval reaches 1.96 of it to both sides of
    # the mean.
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose(
        [result["mean_low"].item(), result["mean_high"].item()],
        [values.mean() - half, values.mean() + half],
        atol=0.001,
    )
    xr.testing.assert_identical(result, statistics(sample, seed=3))
    assert statistics(sample, seed=4)["mean_low"].item() != result["mean_low"].item()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_bootstrap": 0}, "n_bootstrap: 0"),
        ({"confidence": 1.0}, "confidence: 1.0"),
    ],
)
def test_bad_settings_are_named(three_samples, arguments, message):
    with pytest.raises(ValueError, match=message):
        statistics(three_samples, **arguments)


def test_wrong_dimensions_and_empty_events_are_named(three_samples):
    with pytest.raises(ValueError, match="goodness: dimensions"):
        statistics(three_samples.rename(sample="model"))
    with pytest.raises(ValueError, match="goodness: event 2 has no value"):
        statistics(three_samples.where(three_samples.event == 1))


def test_points_without_a_value_do_not_count(line):
    """Without the softest point, its event belongs to the next one: 3, of which none of 5, 3, 3, 9 is lower."""
    left = line.where(line > 1)
    np.testing.assert_allclose(goodness(left, [[2.1, 0.0], [0.0, 0.0]], CELL), [1.0, 1 - 2 * 2 / 4])
