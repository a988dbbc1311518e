"""Training: it learns, it can be interrupted, and it refuses what it cannot use."""

import numpy as np
import pytest

from listi.learning import cutouts, encodings, fit, models
from listi.learning.predict import thresholds

SMALL = {
    "lstm": {"units": 8},
    "cnn": {"pixels": 36},
    "gcn": {"width": 16, "heads": 2, "bond_features": 8},
    "mpnn": {"width": 16, "rounds": 1},
}


@pytest.fixture(scope="module")
def lesson():
    """Cut-outs of a few atoms and thresholds that their heights decide, in a small unit."""
    rng = np.random.default_rng(0)
    positions = rng.uniform(-7, 7, (60, 6, 2))
    positions[:, 5] = 0.0
    atoms = np.tile([0, 1, 2, 3, 4, -1], (60, 1))
    adjacency = np.zeros((60, 6, 6), dtype=np.uint8)
    adjacency[:, [0, 1, 2, 3], [1, 2, 3, 4]] = adjacency[:, [1, 2, 3, 4], [0, 1, 2, 3]] = 1
    cut = cutouts.Cutouts(np.zeros((60, 2)), atoms, positions, adjacency, 11.0)
    return cut, 5e-3 + 1e-3 * np.abs(positions[:, :5, 1]).mean(axis=1)


def built(name, lesson, **sizes):
    model = models.build(name, seed=1, **SMALL.get(name, {}) | sizes)
    return model, models.inputs(model, lesson[0]), lesson[1]


@pytest.mark.parametrize("name", models.NAMES)
def test_loss_falls(name, lesson):
    model, x, y = built(name, lesson)
    history = fit.fit(model, x, y, epochs=40, batch_size=20, learning_rate=2e-2)
    assert float(history.loss[-1]) < 0.7
    answers = thresholds(model, x)
    assert np.mean((answers - y) ** 2) < 0.8 * y.var()  # in the unit of the targets


def test_the_unit_of_the_targets_does_not_matter(lesson):
    answers = []
    for unit in (1.0, 1e6):
        model, x, y = built("mpnn", lesson)
        fit.fit(model, x, y * unit, epochs=2, batch_size=20)
        answers.append(thresholds(model, x) / unit)
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4)


def test_weights_of_the_best_epoch_are_kept(lesson):
    model, x, y = built("gcn", lesson)
    some, rest = np.arange(40), np.arange(40, 60)
    validation = (encodings.take(x, rest), y[rest])
    history = fit.fit(model, encodings.take(x, some), y[some], validation, 12, 20, learning_rate=3e-2)
    error = np.mean((thresholds(model, validation[0]) - y[rest]) ** 2) / y[some].var()
    assert history.validation_loss.dims == ("epoch",) and history.epoch.values.tolist() == list(range(1, 13))
    assert error == pytest.approx(float(history.validation_loss.min()), rel=1e-4)


@pytest.mark.parametrize("name", models.NAMES)
def test_interrupted_training_ends_like_an_uninterrupted_one(name, lesson, tmp_path, monkeypatch):
    settings = {"epochs": 4, "batch_size": 20, "mirror": True, "final_learning_rate": 1e-4}
    whole, x, y = built(name, lesson)
    expected = fit.fit(whole, x, y, (x, y), **settings)

    epoch = fit._Training.epoch

    def until_the_fourth(job, number):
        if number == 3:
            raise KeyboardInterrupt
        epoch(job, number)

    settings |= {"checkpoint": tmp_path / "state.npz", "checkpoint_every": 2}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fit._Training, "epoch", until_the_fourth)
        fit.fit(built(name, lesson)[0], x, y, (x, y), **settings)
    again = built(name, lesson)[0]
    history = fit.fit(again, x, y, (x, y), **settings)
    assert np.array_equal(history.loss, expected.loss)
    assert np.array_equal(history.validation_loss, expected.validation_loss)
    assert np.array_equal(thresholds(again, x), thresholds(whole, x))
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


def test_finished_training_is_not_repeated(lesson, tmp_path, monkeypatch):
    settings = {"epochs": 2, "batch_size": 20, "checkpoint": tmp_path / "state.npz"}
    model, x, y = built("lstm", lesson)
    first = fit.fit(model, x, y, **settings)
    again = built("lstm", lesson)[0]
    monkeypatch.setattr(fit._Training, "epoch", None)
    assert np.array_equal(fit.fit(again, x, y, **settings).loss, first.loss)
    assert np.array_equal(thresholds(again, x), thresholds(model, x))


def test_checkpoint_of_another_training_is_refused(lesson, tmp_path):
    path = tmp_path / "state.npz"
    model, x, y = built("lstm", lesson)
    fit.fit(model, x, y, epochs=2, batch_size=20, checkpoint=path)
    for change in (
        {"epochs": 1},
        {"batch_size": 30},
        {"seed": 1},
        {"mirror": True},
        {"learning_rate": 1e-2},
    ):
        with pytest.raises(ValueError, match="belongs to another training"):
            fit.fit(model, x, y, checkpoint=path, **{"epochs": 2, "batch_size": 20} | change)
    with pytest.raises(ValueError, match="belongs to another training"):
        fit.fit(model, x, y[::-1], epochs=2, batch_size=20, checkpoint=path)
    fit.fit(model, x, y[::-1], epochs=1, batch_size=20, checkpoint=path, resume=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:700] + bytes([whole[700] ^ 1]) + whole[701:])
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        fit.fit(model, x, y, epochs=2, batch_size=20, checkpoint=path)
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        fit.fit(model, x, y, epochs=2, batch_size=20, checkpoint=path)


def test_learning_rate_falls_along_half_a_cosine():
    assert fit._rates(1e-3, None, 3).tolist() == [1e-3] * 3
    np.testing.assert_allclose(fit._rates(1e-3, 1e-4, 3), [1e-3, 5.5e-4, 1e-4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: 0"),
        ({"batch_size": 1.5}, "batch_size: 1.5"),
        ({"checkpoint_every": 0}, "checkpoint_every: 0"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0"),
        ({"final_learning_rate": -1.0}, "final_learning_rate: -1.0"),
        ({"y": np.ones(60)}, "y: all 60 thresholds are 1"),
        ({"y": np.arange(59.0)}, r"y: shape \(59,\) does not fit \[60\] inputs"),
        ({"y": np.r_[np.nan, np.arange(59.0)]}, "y: number 0 is not finite"),
        (
            {"validation": (np.ones((2, 6, 2)), np.array([1.0, np.inf]))},
            "validation y: number 1 is not finite",
        ),
    ],
)
def test_bad_input_is_refused_before_any_work(lesson, tmp_path, change, message):
    model, x, y = built("lstm", lesson)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        fit.fit(**{"model": model, "x": x, "y": y, "checkpoint": tmp_path / "state.npz"} | change)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not list(tmp_path.iterdir())
