"""The weakest spots by few probes: right, with bounds that hold, and more probes where predictions are bad."""

import math

import numpy as np
import pytest
import xarray as xr

import listi
from listi.learning import weakest as module
from listi.learning.weakest import quantile, scores, softest, weakest, write_calibration
from listi.network.geometry import grid_points, minimum_image

CELL = np.array([100.0, 120.0])


@pytest.fixture(scope="module")
def sample():
    return listi.open_sample(46)


@pytest.fixture
def stored(sample, monkeypatch):
    """Probe by looking up the stored map; return it and what is predicted, both to be changed by tests."""
    values = {
        name: sample.probing[name].transpose("x", "y").values.ravel() for name in ("threshold", "critical_strain")
    }
    values["predicted"] = sample.predictions["listi"].transpose("x", "y").values.ravel()
    grid = grid_points(sample.network.cell, (50, 50))

    def look_up(network, points, **load):
        chosen = [int(np.argmin(np.abs(grid - point).sum(axis=1))) for point in points]
        return xr.Dataset({name: ("point", values[name][chosen]) for name in ("threshold", "critical_strain")})

    monkeypatch.setattr(module, "probe", look_up)
    monkeypatch.setattr(module, "predict", lambda *_, **__: xr.Dataset({"threshold": ("point", values["predicted"])}))
    return values


@pytest.mark.parametrize(("n", "apart", "share"), [(1, 0.0, 0.05), (5, 0.0, 0.1), (2, 22.0, 0.15)])
def test_few_probes_find_the_softest_points_of_the_whole_map(sample, stored, n, apart, share):
    spots = weakest(sample.network, n, apart=apart, grid=(50, 50))
    every = weakest(sample.network, n, apart=apart, grid=(50, 50), confidence=1.0)
    assert every.n_probes == 2500
    assert spots.n_probes < share * 2500
    for name in ("threshold", "critical_strain", "position"):
        np.testing.assert_array_equal(spots[name], every[name])
    if apart:
        between = minimum_image(spots.position.values[:, None] - spots.position.values, sample.network.cell)
        assert (np.linalg.norm(between, axis=2)[np.triu_indices(n, 1)] > apart).all()


def test_where_predictions_are_bad_it_says_so_and_probes_more(sample, stored):
    good = weakest(sample.network, 5, grid=(50, 50))
    assert good.deviation < 1.2
    stored["predicted"] = 0.5 * stored["predicted"].mean() + 0.5 * np.random.default_rng(0).permutation(
        stored["predicted"]
    )
    with pytest.warns(UserWarning, match="the confidence is not warranted"):
        bad = weakest(sample.network, 5, grid=(50, 50))
    assert bad.deviation > 2.0
    assert bad.n_probes > 5 * good.n_probes
    np.testing.assert_array_equal(bad.threshold, good.threshold)


def test_predictions_and_probes_are_of_the_same_load(sample, stored, monkeypatch):
    loads = []
    for name in ("probe", "predict"):
        original = getattr(module, name)

        def noted(*args, original=original, mode, angle, **more):
            loads.append((mode, angle))
            return original(*args, **more)

        monkeypatch.setattr(module, name, noted)
    spots = weakest(sample.network, 1, grid=(50, 50), angle=30.0)
    assert len(loads) > 1 and set(loads) == {("pure shear", 30.0)}
    assert (spots.attrs["mode"], spots.attrs["angle"]) == ("pure shear", 30.0)


def test_a_small_glass_is_probed_as_a_whole(glass):
    spots = weakest(glass, 2, workers=1)
    assert (spots.n_probes, spots.n_points, spots.confidence) == (156, 156, 1.0)
    probed = listi.probe(glass, grid=(12, 13)).threshold.values
    np.testing.assert_array_equal(spots.threshold, np.sort(probed.ravel())[:2])


def test_the_margin_covers_as_often_as_it_says(tmp_path):
    """Errors of a known distribution: in the stated share of new samples as large all spots are right."""
    random = np.random.default_rng(1)

    def maps(n):
        for k in range(n):
            threshold = random.gamma(2.0, 1.0, (10, 12))
            predicted = threshold + random.normal(0.0, 0.3, threshold.shape)
            coords = {"x": np.arange(10) * 10.0, "y": np.arange(12) * 10.0}
            yield (
                f"{k:04d}",
                xr.Dataset({"threshold": (("x", "y"), threshold), "predicted": (("x", "y"), predicted)}, coords),
            )

    for name, n in (("few", 100), ("many", 1000)):
        write_calibration(tmp_path / f"{name}.keras", dict(maps(n)), CELL)
    few, many = (module.read_calibration(tmp_path / f"{name}.keras") for name in ("few", "many"))
    for confidence in (0.5, 0.9):
        margin = quantile(scores(few, 3, 0.0, 12000.0), confidence)
        covered = np.mean(scores(many, 3, 0.0, 12000.0) <= margin)
        assert covered == pytest.approx(confidence, abs=0.13)
    wider = quantile(scores(few, 3, 25.0, 12000.0), 0.9)
    assert wider != quantile(scores(few, 3, 0.0, 12000.0), 0.9)
    assert quantile(scores(few, 3, 0.0, 12000.0), 0.999) == math.inf
    assert scores(few, 3, 0.0, 48000.0).shape == scores(few, 3, 0.0, 3000.0).shape == (module.GROUPS,)


def test_softest_across_the_border():
    points = np.array([[1.0, 1.0], [99.0, 1.0], [50.0, 50.0]])
    assert softest(points, np.array([2.0, 1.0, 3.0]), 3, 5.0, CELL).tolist() == [1, 2]
    assert softest(points, np.array([2.0, 1.0, np.inf]), 3, 0.0, CELL).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"n": 0}, "^n: 0 is not a whole number from 1 to 50"),
        ({"n": 51}, "^n: 51 is"),
        ({"confidence": 0.0}, "^confidence: 0.0 is not in 0 < confidence <= 1"),
        ({"apart": -1.0}, "^apart: -1.0 is not a length"),
        ({"angle": math.nan}, "^angle: nan is not a finite number of degrees"),
        ({"mode": "simple shear"}, "^mode: predictions are calibrated for pure shear, not 'simple shear'"),
        ({"model": "cnn"}, "^model: cnn has no calibration"),
        ({"n": 50, "apart": 40.0, "confidence": 1.0, "grid": (4, 4)}, "^n: 50 spots were asked for; there are"),
    ],
)
def test_what_makes_no_sense_is_refused(glass, how, message):
    with pytest.raises(ValueError, match=message):
        weakest(glass, **how)
