"""Training: it learns, it can be interrupted, and it refuses what it cannot use."""

from dataclasses import replace

import numpy as np
import pytest

from listi.learning import cutouts, fit, models
from listi.learning.predict import thresholds
from listi.network.network import Network

SMALL = {
    "lstm": {"units": 8},
    "cnn": {"pixels": 36},
    "gcn": {"width": 16},
    "gcn_attention": {"width": 16},
    "gcn_bonds": {"width": 16, "heads": 2, "bond_features": 8},
    "listi": {"width": 8, "rounds": 1},
    "listi_large": {"width": 8, "rounds": 1, "rounds_in_disc": 1, "heads": 2},
}
LEARNS = {"listi": 5e-2, "listi_large": 5e-2}  # learning rate, where 2e-2 is not enough


@pytest.fixture(scope="module")
def lesson():
    """Cut-outs of sixty chains of five Si and thresholds that their heights decide, in a small unit."""
    rng = np.random.default_rng(0)
    centres = 40.0 * np.stack(np.divmod(np.arange(60), 8), axis=1)
    height = rng.uniform(-5, 5, (60, 1)) + rng.uniform(-1.5, 1.5, (60, 5))
    chains = np.stack([np.broadcast_to(np.linspace(-5, 5, 5), (60, 5)), height], axis=2)
    silicon = (centres[:, None] + chains).reshape(-1, 2)
    bonds = (5 * np.arange(60)[:, None, None] + [[0, 1], [1, 2], [2, 3], [3, 4]]).reshape(-1, 2)
    positions = np.concatenate([silicon, silicon[bonds].mean(axis=1)])
    network = Network(positions, np.repeat([0, 1], [300, 240]), bonds, [320.0, 320.0])
    return cutouts.cutouts(network, centres, n_max=6), 5e-3 + 1e-3 * np.abs(height).mean(axis=1)


def built(name, lesson, **sizes):
    model = models.build(name, seed=1, **SMALL.get(name, {}) | sizes)
    return model, [(models.inputs(model, lesson[0]), lesson[1])]


def some(lessons, index):
    """Return a part of the points of each sample."""
    return [(replace(x, points={name: array[index] for name, array in x.points.items()}), y[index]) for x, y in lessons]


def with_more(lessons):
    """Add two more targets to the thresholds; one of them never varies."""
    return [(x, np.stack([y, np.sin(1e4 * y), np.ones(len(y))], axis=1)) for x, y in lessons]


@pytest.mark.parametrize("name", SMALL)  # listi_si is listi with less to read
def test_loss_falls(name, lesson):
    model, lessons = built(name, lesson)
    history = fit.fit(model, lessons, epochs=40, batch_size=20, learning_rate=LEARNS.get(name, 2e-2))
    assert float(history.loss[-1]) < 0.7
    [(x, y)] = lessons
    answers = thresholds(model, x)
    assert np.mean((answers - y) ** 2) < 0.8 * y.var()  # in the unit of the targets


def test_more_than_thresholds_can_be_learned_and_leaves_no_trace_in_the_model(lesson):
    settings = {"epochs": 3, "batch_size": 60, "learning_rate": 2e-2}
    plain, lessons = built("listi", lesson)
    expected = fit.fit(plain, lessons, lessons, **settings)
    found = {}
    for weight in (1e-9, 1.0):
        model, _ = built("listi", lesson)
        history = fit.fit(model, with_more(lessons), with_more(lessons), beside=weight, **settings)
        assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
        assert models.metadata(model)["mean"] == models.metadata(plain)["mean"]
        found[weight] = [history.loss.values, history.validation_loss.values, thresholds(model, lessons[0][0])]
    for values, same in zip(found[1e-9], (expected.loss, expected.validation_loss), strict=False):
        np.testing.assert_allclose(values, same, rtol=1e-4)
    np.testing.assert_allclose(found[1.0][0][0], expected.loss[0], rtol=1e-6)  # before the first step: thresholds alone
    assert not np.allclose(found[1.0][2], found[1e-9][2], rtol=1e-3)


def with_motion(lessons):
    """Add motions: the places of the Si in their discs decide those of the first and last kind, the other is noise."""
    moves = []
    for x, _ in lessons:
        place, there = x.points["place"], x.points["atoms"] >= 0
        noise = np.random.default_rng(0).normal(size=(*place.shape[:2], 2))
        each = np.concatenate([3.0 * place, 1e-3 * noise, [0.1, -0.2] * place], axis=2)
        moves.append(np.where(there[..., None], each, np.nan))
    return [(x, y, motion) for (x, y), motion in zip(lessons, moves, strict=True)]


def test_motion_can_be_learned_and_leaves_no_trace_in_the_model(lesson):
    settings = {"epochs": 40, "batch_size": 20, "learning_rate": 2e-2, "mirror": True}
    model, lessons = built("listi_large", lesson)
    plain = [layer.name for layer in model.layers]
    job = fit._Training(model, with_motion(lessons), (), 20, 0, True, np.full(40, 2e-2))
    job.compile("adamw", False, False, 0.0, 1.0)
    [moves] = job.moves
    assert moves.dtype == np.float16 and np.nanmean(moves[..., :2].astype(float) ** 2) == pytest.approx(1.0, rel=1e-3)
    assert np.nanmean(moves[..., 2:4].astype(float) ** 2) == pytest.approx(1.0, rel=1e-3)
    x, _ = job.lessons[0]
    first, last = [], []
    for number in range(40):
        job.epoch(number)
        if number in (0, 39):
            found = np.asarray(job.learner.predict_on_batch(x.take(slice(None)))[1])
            (first if number == 0 else last).append(np.nanmean((found - moves) ** 2, axis=(0, 1)))
    assert np.all(last[0][[0, 1, 4, 5]] < 0.1)  # in any mirror image
    assert np.all(last[0][2:4] > 0.5)  # noise cannot be learned
    assert [layer.name for layer in model.layers] == plain
    with pytest.raises(ValueError, match=r"motion: 1.0, but lstm has no features that tell how atoms move"):
        fit.fit(*built("lstm", lesson), motion=1.0)
    with pytest.raises(ValueError, match=r"motion: 0.0, but sample 0 tells how its atoms move; > 0 if it does"):
        fit.fit(model, with_motion(lessons), **settings)
    with pytest.raises(ValueError, match=r"motion: 1.0, but sample 0 does not tell how its atoms move"):
        fit.fit(model, lessons, motion=1.0, **settings)
    with pytest.raises(ValueError, match=r"lessons: motion of shape \(60, 6, 4\) in sample 0, not \(60, 6, 6\)"):
        fit.fit(model, [(x, y, m[..., :4]) for x, y, m in with_motion(lessons)], motion=1.0, **settings)
    with pytest.raises(ValueError, match=r"motion: -1.0 is not a number >= 0"):
        fit.fit(model, with_motion(lessons), motion=-1.0, **settings)


def test_convolutions_in_16_bits_end_as_a_network_of_32(lesson, tmp_path):
    losses = []
    for half in (False, True):
        model, lessons = built("cnn", lesson, dropout=0.0)
        losses.append(fit.fit(model, lessons, epochs=3, batch_size=20, half_precision=half).loss.values)
    assert 0 < np.abs(losses[1] - losses[0]).max() < 0.05
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    models.save(model, tmp_path / "cnn.keras")
    [(x, _)] = lessons
    np.testing.assert_array_equal(thresholds(models.load(tmp_path / "cnn.keras"), x), thresholds(model, x))


def test_the_unit_of_the_targets_does_not_matter(lesson):
    answers = []
    for unit in (1.0, 1e6):
        model, [(x, y)] = built("listi", lesson)
        fit.fit(model, [(x, y * unit)], epochs=2, batch_size=20)
        answers.append(thresholds(model, x) / unit)
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4)


def test_statistics_are_those_of_the_training_samples(lesson):
    model, lessons = built("listi", lesson)
    fit.fit(model, some(lessons, np.arange(30)), some(lessons, np.arange(30, 60)), epochs=1, optimizer="adamw")
    x = lessons[0][0].sample
    bonded = x["edges"][x["neighbours"] >= 0]
    np.testing.assert_allclose(model.get_layer("scale_edges").mean, bonded.mean(axis=0), rtol=1e-4, atol=1e-6)
    lstm, lessons = built("lstm", lesson)
    fit.fit(lstm, some(lessons, np.arange(30)), epochs=1)
    atoms = lesson[0].positions[:30][lesson[0].mask[:30]]
    np.testing.assert_allclose(lstm.get_layer("scale").std, atoms.std(axis=0), rtol=1e-5)
    assert float(lstm.get_layer("threshold").mean) == pytest.approx(lesson[1][:30].mean())


def test_weights_of_the_best_epoch_are_kept(lesson):
    model, lessons = built("gcn_bonds", lesson)
    train, validation = some(lessons, np.arange(40)), some(lessons, np.arange(40, 60))
    history = fit.fit(model, train, validation, 12, 20, learning_rate=3e-2)
    [(x, y)] = validation
    error = np.mean((thresholds(model, x) - y) ** 2) / train[0][1].var()
    assert history.validation_loss.dims == ("epoch",) and history.epoch.values.tolist() == list(range(1, 13))
    assert error == pytest.approx(float(history.validation_loss.min()), rel=1e-4)


def test_a_flat_validation_loss_ends_the_training(lesson):
    model, lessons = built("lstm", lesson)
    wrong = [(x, y[::-1].copy()) for x, y in lessons]  # what is learned makes this worse
    history = fit.fit(model, lessons, wrong, epochs=60, batch_size=20, learning_rate=5e-2, patience=3)
    assert history.attrs["stopped"] and history.sizes["epoch"] < 60
    assert int(history.validation_loss.values.argmin()) == history.sizes["epoch"] - 4
    assert not fit.fit(*built("lstm", lesson), lessons, epochs=2, patience=3).attrs["stopped"]


def test_a_batch_is_of_one_sample_where_the_whole_sample_is_read(lesson):
    model, lessons = built("listi", lesson)
    two = [*some(lessons, np.arange(40)), *some(lessons, np.arange(20))]
    job = fit._Training(model, two, (), 20, 0, False, np.full(1, 1e-3))
    batches = job._batches(np.random.default_rng(0))
    visited = {group: np.concatenate([batch for g, batch in batches if g == group]) for group in (0, 1)}
    assert [len(batch) for _, batch in batches] == [20, 20, 20]
    assert sorted(visited[0]) == list(range(40)) and sorted(visited[1]) == list(range(20))


@pytest.mark.parametrize("name", ["cnn", "gcn_bonds", "listi_large"])  # every kind of state that a network has
def test_interrupted_training_ends_like_an_uninterrupted_one(name, lesson, tmp_path, monkeypatch):
    settings = {"epochs": 4, "batch_size": 20, "mirror": True, "final_learning_rate": 1e-4}
    settings["optimizer"] = "adamw" if name == "listi_large" else "adamax"
    whole, lessons = built(name, lesson)
    validation = lessons
    if name == "listi_large":  # which also learns more than thresholds, and has weights for that
        moves = [motion for _, _, motion in with_motion(lessons)]
        validation = with_more(lessons)
        lessons = [(x, y, motion) for (x, y), motion in zip(validation, moves, strict=True)]
        settings |= {"beside": 0.5, "motion": 0.5}
    expected = fit.fit(whole, lessons, validation, **settings)

    epoch = fit._Training.epoch

    def until_the_fourth(job, number):
        if number == 3:
            raise KeyboardInterrupt
        epoch(job, number)

    settings |= {"checkpoint": tmp_path / "state.npz"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fit._Training, "epoch", until_the_fourth)
        fit.fit(built(name, lesson)[0], lessons, validation, **settings)
    again = built(name, lesson)[0]
    history = fit.fit(again, lessons, validation, **settings)
    assert np.array_equal(history.loss, expected.loss)
    assert np.array_equal(history.validation_loss, expected.validation_loss)
    [(x, *_)] = lessons
    assert np.array_equal(thresholds(again, x), thresholds(whole, x))
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


def test_finished_training_is_not_repeated(lesson, tmp_path, monkeypatch):
    settings = {"epochs": 2, "batch_size": 20, "checkpoint": tmp_path / "state.npz"}
    model, lessons = built("lstm", lesson)
    first = fit.fit(model, lessons, **settings)
    again = built("lstm", lesson)[0]
    monkeypatch.setattr(fit._Training, "epoch", None)
    repeated = fit.fit(again, lessons, **settings)
    assert np.array_equal(repeated.loss, first.loss) and repeated.seconds == first.seconds > 0
    assert np.array_equal(thresholds(again, lessons[0][0]), thresholds(model, lessons[0][0]))


def test_checkpoint_of_another_training_is_refused(lesson, tmp_path):
    path = tmp_path / "state.npz"
    model, [(x, y)] = built("lstm", lesson)
    fit.fit(model, [(x, y)], epochs=2, batch_size=20, checkpoint=path)
    for change in (
        {"epochs": 1},
        {"batch_size": 30},
        {"seed": 1},
        {"mirror": True},
        {"learning_rate": 1e-2},
        {"optimizer": "adamw"},
    ):
        with pytest.raises(ValueError, match="belongs to another training"):
            fit.fit(model, [(x, y)], checkpoint=path, **{"epochs": 2, "batch_size": 20} | change)
    with pytest.raises(ValueError, match="belongs to another training"):
        fit.fit(model, [(x, y[::-1])], epochs=2, batch_size=20, checkpoint=path)
    fit.fit(model, [(x, y[::-1])], epochs=1, batch_size=20, checkpoint=path, resume=False)
    whole = path.read_bytes()
    at = whole.index(b"variable_1.npy") + 160  # among its numbers
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        fit.fit(model, [(x, y)], epochs=2, batch_size=20, checkpoint=path)
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        fit.fit(model, [(x, y)], epochs=2, batch_size=20, checkpoint=path)


def test_learning_rate_falls_along_half_a_cosine():
    assert fit._rates(1e-3, None, 3).tolist() == [1e-3] * 3
    np.testing.assert_allclose(fit._rates(1e-3, 1e-4, 3), [1e-3, 5.5e-4, 1e-4])


@pytest.fixture(scope="module")
def untrained(lesson):
    return built("lstm", lesson)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: 0"),
        ({"batch_size": 1.5}, "batch_size: 1.5"),
        ({"optimizer": "sgd"}, "optimizer: 'sgd' is not one of adamax, adamw"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0"),
        ({"final_learning_rate": -1.0}, "final_learning_rate: -1.0"),
        ({"beside": 0.5}, r"beside: 0.5 is not allowed for 1 target\(s\)"),
        ({"beside": -1.0, "y": np.ones((60, 2))}, r"beside: -1.0 is not allowed for 2 target\(s\)"),
        ({"y": np.ones((60, 2))}, r"beside: 0.0 is not allowed for 2 target\(s\)"),
        ({"patience": 0}, "patience: 0"),
        ({"patience": 5}, "patience: 5, but there are no samples to validate on"),
        ({"lessons": []}, "lessons: there are no samples"),
        ({"y": np.ones(60)}, "lessons: all 60 thresholds are 1"),
        ({"y": np.arange(59.0)}, r"lessons: thresholds of shape \(59,\) for 60 points in sample 0"),
        ({"y": np.r_[np.nan, np.arange(59.0)]}, "lessons: threshold 0 of sample 0 is not finite"),
    ],
)
def test_bad_input_is_refused_before_any_work(untrained, tmp_path, change, message):
    model, [(x, y)] = untrained
    before = model.get_weights()
    change = dict(change)
    lessons = [(x, change.pop("y", y))]
    with pytest.raises(ValueError, match=message):
        fit.fit(**{"model": model, "lessons": lessons, "checkpoint": tmp_path / "state.npz"} | change)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not list(tmp_path.iterdir())
