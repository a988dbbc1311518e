"""Predictors of the reader's own are scored as ours are: goodness, hits, precision, strains, on samples made up."""

import numpy as np
import pytest
import xarray as xr

import listi
from listi import figures
from listi.analysis.score import average_precision, stored_map
from listi.analysis.spots import blurred
from listi.compendium.data_set import goodness_of
from listi.files import DataError


@pytest.fixture(scope="module")
def samples(glass):
    """Two made-up samples: the first event comes at the softest point of the first; the second has one event only."""
    made = []
    for number in range(2):
        values = np.random.default_rng(number).random((8, 9)) + 1.0
        place = np.array([[0.0, 0.0], [3.0 * glass.cell[0] / 8, 0.0]])[: 2 - number]
        values[0, 0] = 0.5
        x, y = (np.arange(n) * edge / n for n, edge in zip((8, 9), glass.cell, strict=True))
        threshold = xr.DataArray(values, {"x": x, "y": y}, ("x", "y"))
        shear = xr.Dataset(
            {
                "event_position": (("event", "xy"), place),
                "event_strain": ("event", [0.015, 0.035][: 2 - number]),
                "stress": ("strain", [0.0, 1.0]),
            },
            {"event": np.arange(1, 3 - number), "xy": ["x", "y"], "strain": [0.0, 0.04 - 0.01 * number]},
        )
        made.append(listi.Sample(glass, shear, xr.Dataset({"threshold": threshold})))
    return made


def constant(network):
    return np.ones((8, 9))


@pytest.mark.parametrize(
    "of_map",
    [
        lambda field: field.values,
        lambda field: field.values.ravel(),
        lambda field: field,
        lambda field: field.transpose("y", "x"),
        lambda field: field.to_dataset(name="threshold"),
        lambda field: field.stack(point=("x", "y")).reset_index("point"),
    ],
)
def test_maps_come_in_several_forms(samples, of_map):
    fields = iter([sample.probing.threshold for sample in samples])
    scores = listi.score(lambda network: of_map(next(fields)), samples)
    assert scores.model.values.tolist() == ["predictor", "probing"]
    np.testing.assert_array_equal(scores.goodness.sel(resolution="point")[0], goodness_of(samples))
    for name in ("goodness", "hits", "average_precision", "correlation"):
        np.testing.assert_array_equal(scores[name].sel(model="predictor"), scores[name].sel(model="probing"))
    assert scores.goodness.values[0, 0, :, 0].tolist() == [1.0, 1.0] and np.isnan(scores.goodness[0, 0, 1, 1])
    assert scores.goodness_difference.sel(model="predictor", event=1).values.tolist() == [[0.0] * 3] * 2


def test_a_function_of_network_and_points_gets_the_points_of_the_probed_map(samples):
    def distance_from_origin(network, points):
        assert points.shape == (72, 2)
        return np.hypot(*points.T)

    field = samples[0].probing.threshold
    scores = listi.score(distance_from_origin, samples[:1])
    expected = listi.goodness(np.hypot(field.x, field.y), samples[0].shear.event_position, samples[0].network.cell)
    np.testing.assert_array_equal(scores.goodness.sel(resolution="point", model="distance_from_origin")[0], expected)


def test_both_resolutions_are_scored_alike(samples):
    """The map at the resolution of an event is the blurred map, and is compared with the blurred probed map."""
    cell = samples[0].network.cell
    scores = listi.score({"blurred": lambda network: blurred(samples[0].probing.threshold, cell)}, samples[:1])
    for name in ("goodness", "hits", "average_precision"):
        np.testing.assert_array_equal(
            scores[name].sel(model="blurred", resolution="point"), scores[name].sel(model="probing", resolution="event")
        )
    assert scores.correlation.sel(model="probing").values == pytest.approx(1.0)
    assert 0.1 < scores.correlation.sel(model="blurred", resolution="point").item() < 0.99


def test_correlation_of_a_constant_map_is_zero(samples):
    assert listi.score(constant, samples).correlation.sel(model="constant").values.tolist() == [[0.0] * 2] * 2


def test_hits_precision_and_false_alarms_by_hand(samples):
    """Spots 22 Å apart; events at the first spot (strain 0.015) and 20 Å from it (0.035), which no soft spot hits."""
    hard_at_second = samples[0].probing.threshold.copy()
    distance = np.abs(hard_at_second.x - samples[0].shear.event_position[1, 0]) + 0.0 * hard_at_second.y
    scores = listi.score(lambda network: hard_at_second + 10.0 * (distance <= 12.0), samples[:1], ())
    scores = scores.sel(resolution="point", model="predictor").isel(sample=0)
    assert scores.hit_first.values.tolist() == [1.0, 1.0, 1.0]
    assert scores.hits.values[0] == 0.5
    assert np.isnan(scores.average_precision.sel(strain=0.01))  # no event up to there
    assert scores.average_precision.sel(strain=[0.02, 0.03]).values.tolist() == [1.0, 1.0]
    assert 0.5 <= scores.average_precision.sel(strain=0.04) < 1.0
    assert "goodness_difference" not in scores


def test_strains_a_sample_was_not_sheared_to_have_no_precision(samples):
    scores = listi.score(constant, samples).sel(model="probing", resolution="point")
    assert np.isfinite(scores.average_precision.sel(strain=0.03)).all()
    assert np.isfinite(scores.false_alarms.sel(strain=0.04)).values.tolist() == [True, False]


def test_average_precision_of_ranked_spots():
    near = np.array([[1, 0], [0, 0], [0, 1], [1, 0]], dtype=bool)
    assert average_precision(near) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)
    assert average_precision(np.array([[1, 1]], dtype=bool)) == 1.0
    assert average_precision(np.zeros((3, 2), dtype=bool)) == 0.0
    assert average_precision(np.array([[1, 0], [1, 0]], dtype=bool)) == 0.5  # one event is never hit


def test_predicted_strains_are_compared_with_those_of_the_events(samples):
    def with_strains(network, points):
        return xr.Dataset(
            {"threshold": ("point", points[:, 0]), "strain_to_failure": ("point", 0.001 * (points[:, 0] + 1.0))}
        )

    errors = listi.score(with_strains, samples).strain_error.sel(model="with_strains", resolution="point")
    np.testing.assert_allclose(errors[0], [0.001 - 0.015, 0.001 * (3 * samples[0].network.cell[0] / 8 + 1) - 0.035])
    assert np.isnan(listi.score(with_strains, samples).strain_error.sel(model="probing")).all()


def test_the_base_alone_has_no_differences(samples):
    scores = listi.score({}, samples)
    assert scores.model.values.tolist() == ["probing"] and "goodness_difference" not in scores


def test_a_stored_map_is_a_predictor(samples):
    scores = listi.score({"looked_up": stored_map(samples[:1], "probing")}, samples[:1])
    assert (scores.mean_goodness_difference.sel(model="looked_up") == 0.0).all()


def test_the_figure_has_a_panel_for_every_predictor_and_no_value_of_the_paper(samples):
    """More predictors than fit in a row are drawn too."""
    scores = listi.score({f"number_{n}": constant for n in range(8)}, samples)
    axes = [panel for panel in figures.scores(scores).axes if panel.get_visible()]
    assert [panel.get_title("center") for panel in axes if panel.get_title("center")] == [
        f"number {n}" for n in range(8)
    ]
    assert len(axes) == 16 and not any(line.get_marker() == "*" for panel in axes for line in panel.lines)


def broken(network):
    return "soft"


def elsewhere(network):
    return xr.DataArray(np.ones((8, 9)), {"x": np.arange(8.0), "y": np.arange(9.0)}, ("x", "y"))


@pytest.mark.parametrize(
    ("predictor", "changes", "stored", "message"),
    [
        ("listi", {}, (), "predictor: listi|predictor: str is str, not a function of a network"),
        (broken, {}, (), "predictor: broken on sample number 0: returned str, not a map"),
        (
            lambda network: np.full((50, 50), np.inf),
            {},
            (),
            "predictor: predictor on sample number 0: returned 2500 of",
        ),
        (lambda network: np.full((50, 50), np.nan), {}, (), "predictor on sample number 0: returned 2500 of 2500 val"),
        (constant, {}, (), r"constant on sample number 0: returned shape \(8, 9\); \(50, 50\) or \(2500,\) is needed"),
        (elsewhere, {}, (), "elsewhere on sample number 0: returned a map of another grid: x is not"),
        (lambda network: xr.Dataset({"t": 1}), {}, (), r"returned a Dataset of \['t'\]; `threshold`"),
        (constant, {"probing": None}, ("probing",), "stored: 'probing', but sample number 0 has no such map"),
        (constant, {"shear": None}, (), "samples: number 0 holds no events"),
        ({"probing": constant}, {}, ("probing",), "'probing' is also in `stored`|sample number 0 has no such map"),
        ({}, {}, (), "samples, predictor: 1 and 0"),
    ],
)
def test_bad_input_is_named(samples, predictor, changes, stored, message):
    sample = listi.Sample(**{"network": samples[0].network, "shear": samples[0].shear, **changes})
    with pytest.raises(ValueError, match=message):
        listi.score(predictor, [sample], stored)


def test_a_map_that_covers_another_grid_than_the_probed_one_is_named(samples):
    with pytest.raises(ValueError, match=r"elsewhere on sample number 1: returned a map of another grid"):
        maps = iter([samples[0].probing.threshold, elsewhere(None)])
        listi.score({"elsewhere": lambda network: next(maps)}, samples)


def test_a_file_name_is_no_sample():
    with pytest.raises(ValueError, match=r"number 0 is str, not a Sample; see listi.open_sample"):
        listi.score(constant, ["sample_0000.nc"])


def test_samples_that_ship_are_opened_by_number_or_file(tmp_path):
    sample = listi.open_sample(59)
    assert sample.attrs["name"] == "sample_0059.nc"
    assert sample.shear.sizes["event"] >= 6
    for which, message in (
        (60, "which: 60 is not one of the 60 samples"),
        (1.5, "which: 1.5 is not one"),
        (tmp_path / "none.nc", "none.nc"),
    ):
        with pytest.raises(DataError, match=message):
            listi.open_sample(which)
