"""Statistics over samples give back what made-up data were made with."""

import numpy as np
import pytest
import xarray as xr

from listi.analysis import ensemble
from listi.analysis.sample import Sample


def curve(strain, stress, events=()):
    """A stress-strain curve with events at some strains."""
    number = np.arange(1, len(events) + 1)
    return xr.Dataset(
        {"stress": ("strain", stress), "event_strain": ("event", list(events))},
        coords={"strain": strain, "event": number},
    )


def on_grid(values, spacing=(2.0, 3.0)):
    coords = {n: np.arange(k) * d for n, k, d in zip("xy", values.shape, spacing, strict=True)}
    return xr.DataArray(values, dims=("x", "y"), coords=coords)


def test_table_tells_a_glass_at_rest_from_one_that_is_not(glass, shaken):
    field = on_grid(np.arange(1.0, 7.0).reshape(2, 3))
    probing = xr.Dataset({"threshold": field})
    shear = curve([0.0, 0.05], [0.0, 1.0], events=(0.01, 0.02, 0.03, 0.031, 0.04, 0.05))
    samples = [
        Sample(network, events, probing, None, {"seed": seed})
        for network, events, seed in ((glass, shear, 7), (shaken, shear.isel(event=[0, 1]), 8))
    ]
    table = ensemble.table(samples)
    assert table.seed.values.tolist() == [7, 8]
    assert table.events.values.tolist() == [6, 2]
    np.testing.assert_array_equal(table.first_event, [0.01, 0.01])
    np.testing.assert_array_equal(table.sixth_event, [0.05, np.nan])
    assert (table.threshold == 3.5).all() and (table.softest == 1.0).all()
    assert table.force.values[0] < 1e-8 < 1e-3 < table.force.values[1]
    assert table.ring_deviation.values[0] < 0.02
    assert table.mu2.values[0] == pytest.approx(0.94, abs=0.1)
    assert table.alpha.values[0] == pytest.approx(0.26, abs=0.05)  # of all sizes; 0.3 is asked of 4- and 5-rings


def test_ring_deviation_sees_sizes_that_should_not_occur():
    target = ensemble.TARGET_RING_STATISTICS
    sizes = np.repeat(list(target), np.round(1e5 * np.array(list(target.values()))).astype(int))
    assert ensemble.ring_deviation(sizes) < 1e-3
    assert ensemble.ring_deviation(np.append(sizes, [12] * 10_000)) == pytest.approx(1 / 11, 0.01)


def test_curves_end_where_the_sample_does():
    sheared = [curve([0, 0.1], [0, 2.0]), curve([0, 0.2], [0, 2.0])]
    found = ensemble.curves(sheared, np.array([0.0, 0.05, 0.1, 0.15]))
    np.testing.assert_allclose(found, [[0, 1, 2, np.nan], [0, 0.5, 1, 1.5]])


def test_event_rate_counts_the_strain_that_was_seen():
    # One sample breaks off in the middle of the second interval, with the event that ended it.
    sheared = [curve([0, 0.15], [0, 1], (0.15,)), curve([0, 0.2], [0, 1], (0.1, 0.11))]
    rate = ensemble.event_rate(sheared, np.array([0.0, 0.1, 0.2, 0.3]))
    np.testing.assert_allclose(rate, [1 / 0.2, 2 / 0.15, np.nan])
    np.testing.assert_allclose(rate.strain, [0.05, 0.15, 0.25])


def test_distance_to_earlier_events_is_periodic():
    place = [[1.0, 5.0], [9.0, 5.0], [5.0, 5.0], [9.0, 4.0]]
    shear = xr.Dataset({"event_position": (("event", "xy"), place)}, coords={"event": [1, 2, 3, 4]})
    found = ensemble.distance_to_earlier(shear, np.array([10.0, 10.0]))
    np.testing.assert_allclose(found, [np.inf, 2.0, 4.0, 1.0])


def test_events_of_samples_are_put_together(glass):
    def sample(n):
        values = np.arange(1.0, n + 1)
        shear = xr.Dataset(
            {f"event_{name}": ("event", values) for name in ensemble.OF_EVENTS}
            | {"event_position": (("event", "xy"), np.stack([values, values], axis=1))},
            coords={"event": np.arange(1, n + 1)},
        )
        return Sample(glass, shear, None, None, {})

    found = ensemble.events([sample(3), sample(2)])
    np.testing.assert_array_equal(found.size, [[1, 2, 3], [1, 2, np.nan]])
    assert found.distance.values[0, 1] == pytest.approx(np.sqrt(2))


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


@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_soft_end_of_a_power_law(exponent):
    uniform = np.random.default_rng(0).random(200_000)
    found = ensemble.soft_end(5e-3 * uniform ** (1 / exponent))
    assert found == pytest.approx(exponent, rel=0.06)


def test_indicators_are_low_where_loaded_and_differ():
    shape = ("x", "y", "component")
    component = {"component": ["xx", "xy", "yy"]}
    initial = xr.DataArray(np.zeros((2, 2, 3)), dims=shape, coords=component)
    initial[0, 0] = [3.0, 0.5, 1.0]
    probing = xr.Dataset(
        {
            "threshold": (("x", "y"), [[1.0, 2.0], [3.0, 4.0]]),
            "initial_stress": (("x", "y"), [[1.0, 0.0], [0.0, 0.0]]),
            "critical_stress": (("x", "y"), [[2.0, 2.0], [3.0, 4.0]]),
            "critical_strain": (("x", "y"), [[0.1, 0.2], [0.3, 0.4]]),
            "initial_tensor": initial,
            "critical_tensor": initial + 4.0,
        }
    )
    found = ensemble.indicators(probing)
    assert found.sigma_xx.values.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    assert found.initial_stress.values[0, 0] == -1.0
    assert found.initial_xx.values[0, 0] == -3.0
    assert found.initial_tension.values[0, 0] == -2.0
    assert all(found[name].dims == ("x", "y") for name in found)


def test_bootstrap_interval():
    values = np.append(np.random.default_rng(3).normal(1.0, 0.2, 100), np.nan)
    mean, low, high = ensemble.bootstrap(values)
    assert mean == pytest.approx(np.nanmean(values))
    assert high - low == pytest.approx(2 * 1.96 * 0.2 / 10, rel=0.2)
    np.testing.assert_array_equal(ensemble.bootstrap(values), [mean, low, high])
    narrow = ensemble.bootstrap(values, confidence=0.5)
    assert low < narrow[1] < mean < narrow[2] < high


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_bootstrap_interval_of_what_does_not_vary(values):
    np.testing.assert_array_equal(ensemble.bootstrap(np.array(values)), [0.5, 0.5, 0.5])
