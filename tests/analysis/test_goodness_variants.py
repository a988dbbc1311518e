"""Each reading of the goodness does what its name says, on maps small enough to see it."""

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

from listi.analysis import goodness_variants
from listi.analysis.goodness_variants import Reading
from listi.analysis.prediction_goodness import goodness
from listi.analysis.sample import Sample

CELL = np.array([8.0, 6.0])
RANKS = np.array([[1.0, 5.0, 9.0], [2.0, 6.0, 10.0], [3.0, 7.0, 11.0], [4.0, 8.0, 12.0]])
FIELD = xr.DataArray(RANKS, dims=("x", "y"), coords={"x": np.arange(4) * 2.0, "y": np.arange(3) * 2.0})


def one(evaluate, position, field=FIELD):
    return float(evaluate(field, np.array([position]), CELL)[0])


def test_nearest_is_the_goodness_of_eq_1():
    place = np.array([[7.2, 0.1], [3.9, 2.2]])
    np.testing.assert_array_equal(goodness_variants.at_nearest(FIELD, place, CELL), goodness(FIELD, place, CELL))


def test_lower_or_equal_counts_the_point_itself():
    assert one(goodness_variants.at_nearest, [4.1, 1.9]) == 1 - 2 * 6 / 12
    assert one(goodness_variants.lower_or_equal, [4.1, 1.9]) == 1 - 2 * 7 / 12


@pytest.mark.parametrize(
    ("position", "lower"),
    [
        ([2.0, 2.0], 5),  # on a grid point
        ([3.0, 2.0], 6),  # 6.5: between 6 and 7
        ([7.0, 0.0], 2),  # across the border: between 4 and 1, 2.5
        ([0.0, 5.0], 5),  # between 9 and 1, 5
        ([-1.0, 0.0], 2),  # outside the cell, the same point as [7, 0]
    ],
)
def test_interpolation_is_bilinear_and_periodic(position, lower):
    # 5 itself is not lower than 5: four are.
    expected = 4 if position == [0.0, 5.0] else lower
    assert one(goodness_variants.interpolated, position) == pytest.approx(1 - 2 * expected / 12)


def test_softest_near_an_event_among_points_and_among_neighbourhoods():
    # Around 6: 5, 2, 7, 10 at a distance of 2 Å; the softest is 2, which one point is below.
    assert one(goodness_variants.softest_near(2.1), [2.0, 2.0]) == 1 - 2 * 1 / 12
    least = goodness_variants.softest_within(FIELD, 2.1)
    by_hand = np.min([RANKS] + [np.roll(RANKS, s, a) for s in (1, -1) for a in (0, 1)], axis=0)
    np.testing.assert_array_equal(least, by_hand)
    everywhere = one(goodness_variants.softest_near_everywhere(2.1), [2.0, 2.0])
    assert everywhere == 1 - 2 * np.mean(by_hand < 2)


def sample(n_events=2):
    network = honeycomb(4, 4)
    x, y = (np.arange(4) * edge / 4 for edge in network.cell)
    values = np.random.default_rng(0).permutation(16).reshape(4, 4) + 1.0
    tensor = xr.DataArray(
        np.random.default_rng(1).random((4, 4, 3)),
        dims=("x", "y", "component"),
        coords={"component": ["xx", "xy", "yy"]},
    )
    names = ("threshold", "initial_stress", "critical_stress", "critical_strain")
    probing = xr.Dataset(
        dict.fromkeys(names, (("x", "y"), values)) | {"initial_tensor": tensor, "critical_tensor": 2 * tensor},
        coords={"x": x, "y": y},
    )
    place = np.array([[x[1], y[2]], [x[0], y[3]]])[:n_events]
    places = {"event_position": place, "event_centre": place[::-1]}
    shear = xr.Dataset(
        {name: (("event", "xy"), values) for name, values in places.items()},
        coords={"event": np.arange(1, n_events + 1)},
    )
    return Sample(network, shear, probing, None, {})


def test_positions_and_indicators_are_those_named():
    given = sample()
    read = Reading().of_sample(given)
    assert read.event.values.tolist() == [1, 2]
    turned = Reading(position="event_centre").of_sample(given)
    assert turned.values.tolist() == read.values.tolist()[::-1]
    assert read.values[0] == 1 - 2 * (given.probing.threshold.values[1, 2] - 1) / 16
    other = Reading("initial_stress").of_sample(given)
    np.testing.assert_allclose(other, 2 / 16 - read)  # the order reversed


def test_a_random_place_scores_nothing_except_by_the_generous_readings():
    found = goodness_variants.compare([sample(), sample(1)])
    assert found.goodness.dims == ("reading", "sample", "event")
    assert np.isnan(found.goodness.sel(reading="at the nearest grid point").values[1, 1])
    chance = found.by_chance.to_series()
    assert chance["at the nearest grid point"] == pytest.approx(1 / 16)
    assert chance["F counts lower or equal"] == pytest.approx(-1 / 16)
    assert chance["sigma_xx alone"] == pytest.approx(1 / 16)
    assert chance["softest within 11 Å"] > 0.5
    assert set(chance.index) == set(goodness_variants.READINGS)
