"""Statistics over samples give back what made-up data were made with."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis import ensemble


def on_grid(values, spacing=(2.0, 3.0)):
    coords = {n: np.arange(k) * d for n, k, d in zip("xy", values.shape, spacing, strict=True)}
    return xr.DataArray(values, dims=("x", "y"), coords=coords)


def test_ring_deviation_sees_sizes_that_should_not_occur():
    target = ensemble.TARGET_RING_STATISTICS
    sizes = np.repeat(list(target), np.round(1e5 * np.array(list(target.values()))).astype(int))
    assert ensemble.ring_deviation(sizes) < 1e-3
    assert ensemble.ring_deviation(np.append(sizes, [12] * 10_000)) == pytest.approx(1 / 11, 0.01)


def test_distance_to_earlier_events_is_periodic():
    place = [[1.0, 5.0], [9.0, 5.0], [5.0, 5.0], [9.0, 4.0]]
    shear = xr.Dataset({"event_position": (("event", "xy"), place)}, coords={"event": [1, 2, 3, 4]})
    found = ensemble.distance_to_earlier(shear, np.array([10.0, 10.0]))
    np.testing.assert_allclose(found, [np.inf, 2.0, 4.0, 1.0])


def test_autocorrelation_of_a_wave():
    x, y = np.meshgrid(np.arange(16), np.arange(12), indexing="ij")
    correlation = ensemble.autocorrelation(on_grid(3 + np.cos(2 * np.pi * x / 8) + 0 * y))
    np.testing.assert_allclose(correlation[:, 5], np.cos(2 * np.pi * np.arange(16) / 8), atol=1e-12)
    noise = on_grid(np.random.default_rng(0).random((60, 60)))
    rest = ensemble.autocorrelation(noise).values.ravel()
    assert rest[0] == pytest.approx(1.0)
    assert np.abs(rest[1:]).max() < 0.1


def test_autocorrelation_is_the_mean_over_shifts():
    field = on_grid(np.random.default_rng(1).random((5, 4)))
    d = field.values - field.values.mean()
    by_hand = np.mean(d * np.roll(d, (-2, -1), (0, 1))) / np.mean(d**2)
    assert float(ensemble.autocorrelation(field)[2, 1]) == pytest.approx(by_hand)


def test_correlation_length_of_known_decay():
    size, spacing, length = 64, 2.0, 7.0
    at = np.minimum(np.arange(size), size - np.arange(size)) * spacing
    decay = np.exp(-np.hypot(at[:, None], at[None]) / length)
    correlation = ensemble.radial(on_grid(decay, (spacing, spacing)))
    assert correlation.distance.values[0] == 0.0 and correlation.values[0] == 1.0
    assert float(correlation.distance.max()) <= size * spacing / 2 + spacing
    assert ensemble.correlation_length(correlation) == pytest.approx(length, rel=0.03)
    with pytest.raises(ValueError, match="must fall to 1/e"):
        ensemble.correlation_length(correlation[:2])


def test_bootstrap_interval():
    values = np.append(np.random.default_rng(3).normal(1.0, 0.2, 100), np.nan)
    mean, low, high = ensemble.bootstrap(values)
    assert mean == pytest.approx(np.nanmean(values))
    assert high - low == pytest.approx(2 * 1.96 * 0.2 / 10, rel=0.2)
    np.testing.assert_array_equal(ensemble.bootstrap(values), [mean, low, high])
    with pytest.raises(ValueError, match="values: none of them is a number"):
        ensemble.bootstrap(np.array([np.nan]))
    narrow = ensemble.bootstrap(values, confidence=0.5)
    assert low < narrow[1] < mean < narrow[2] < high


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_bootstrap_interval_of_what_does_not_vary(values):
    np.testing.assert_array_equal(ensemble.bootstrap(np.array(values)), [0.5, 0.5, 0.5])
