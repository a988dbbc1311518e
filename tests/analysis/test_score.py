"""Predictors of the reader's own are judged as ours are."""

import numpy as np
import pytest
import xarray as xr

import listi
from listi import figures
from listi.compendium.data_set import goodness_of
from listi.files import DataError


@pytest.fixture(scope="module")
def samples(glass):
    """Two made-up samples: the softest point is where the first event comes, the second event is anywhere."""
    made = []
    for number in range(2):
        values = np.random.default_rng(number).random((8, 9)) + 1.0
        place = np.array([[0.0, 0.0], [3.0 * glass.cell[0] / 8, 0.0]])[: 2 - number]
        values[0, 0] = 0.5
        x, y = (np.arange(n) * edge / n for n, edge in zip((8, 9), glass.cell, strict=True))
        threshold = xr.DataArray(values, {"x": x, "y": y}, ("x", "y"))
        shear = xr.Dataset(
            {"event_position": (("event", "xy"), place)}, {"event": np.arange(1, 3 - number), "xy": ["x", "y"]}
        )
        made.append(listi.Sample(glass, shear, xr.Dataset({"threshold": threshold})))
    return made


def constant(network):
    return np.ones((8, 9))


@pytest.mark.parametrize(
    "of_map",
    [
        lambda field: field.values,
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
    np.testing.assert_array_equal(scores.goodness[0], goodness_of(samples))
    assert scores.goodness.values[0, :, 0].tolist() == [1.0, 1.0] and np.isnan(scores.goodness[0, 1, 1])


def test_correlation_with_the_probed_map(samples):
    scores = listi.score({"constant": constant, "coarse": lambda network: np.eye(4)}, samples)
    assert scores.correlation.sel(model="probing").values == pytest.approx([1.0, 1.0])
    assert scores.correlation.sel(model="constant").values.tolist() == [0.0, 0.0]
    assert np.isnan(scores.correlation.sel(model="coarse")).all()


def test_the_figure_has_a_box_for_every_predictor_and_no_value_of_the_paper(samples):
    scores = listi.score({"one": constant, "other": constant}, samples)
    axes = figures.scores(scores).axes[1]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["one", "other", "mechanical probing"]
    colours = {tuple(line.get_color()) for line in axes.lines if line.get_label() in labels}
    assert len(colours) == 3


def broken(network):
    return "soft"


@pytest.mark.parametrize(
    ("predictor", "changes", "beside", "message"),
    [
        ("listi", {}, (), "predictor: str is str, not a function of a network"),
        (broken, {}, (), "predictor: broken on sample number 0: returned str, not a map"),
        (lambda network: np.full((3, 3), np.inf), {}, (), "predictor: predictor on sample number 0: .* infinite"),
        (constant, {"probing": None}, ("probing",), "beside: 'probing', but sample number 0 has no such map"),
        (constant, {"shear": None}, (), "samples: number 0 holds no events"),
        ({"probing": constant}, {}, ("probing",), "'probing' is also in `beside`"),
        ({}, {}, (), "samples, predictor: 1 and 0"),
    ],
)
def test_bad_input_is_named(samples, predictor, changes, beside, message):
    one = listi.Sample(**{"network": samples[0].network, "shear": samples[0].shear, **changes})
    with pytest.raises(ValueError, match=message):
        listi.score(predictor, [one], beside)


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
