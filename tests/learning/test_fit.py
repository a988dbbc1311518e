"""Training: it learns, it can be interrupted, and it refuses what it cannot use."""

from dataclasses import replace

import numpy as np
import pytest

from listi.learning import cutouts, fit, models, training
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


@pytest.mark.parametrize("name", [name for name in models.names() if name != "listi_si"])  # listi with less to read
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
        history = fit.fit(model, with_more(lessons), with_more(lessons), auxiliary_weight=weight, **settings)
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
    settings = {"epochs": 40, "batch_size": 20, "learning_rate": 2e-2, "mirror": True, "optimizer": "adamw"}
    model, lessons = built("listi_large", lesson)
    plain = [layer.name for layer in model.layers]
    job = training.Training(model, with_motion(lessons), (), fit.Settings(**settings, motion_weight=1.0))
    [(x, targets)] = job.monitor.batches.groups
    moves = targets["motion"]
    assert moves.dtype == np.float16 and np.nanmean(moves[..., :2].astype(float) ** 2) == pytest.approx(1.0, rel=1e-3)
    assert np.nanmean(moves[..., 2:4].astype(float) ** 2) == pytest.approx(1.0, rel=1e-3)
    job.train(None, None)
    error = np.nanmean((job.learner.predict_on_batch(x.take(slice(None)))["motion"] - moves) ** 2, axis=(0, 1))
    assert np.all(error[[0, 1, 4, 5]] < 0.1)  # in any mirror image
    assert np.all(error[2:4] > 0.5)  # noise cannot be learned
    assert [layer.name for layer in model.layers] == plain
    with pytest.raises(ValueError, match=r"motion_weight: 1.0, but lstm has no features of single Si; it is 0"):
        fit.fit(*built("lstm", lesson), motion_weight=1.0)
    with pytest.raises(
        ValueError, match=r"motion_weight: 0.0, but sample 0 has the motion of its atoms; > 0 if it has"
    ):
        fit.fit(model, with_motion(lessons), **settings)
    with pytest.raises(ValueError, match=r"motion_weight: 1.0, but sample 0 lacks the motion of its atoms"):
        fit.fit(model, lessons, motion_weight=1.0, **settings)
    with pytest.raises(ValueError, match=r"training: motion of shape \(60, 6, 4\) in sample 0, not \(60, 6, 6\)"):
        fit.fit(model, [(x, y, m[..., :4]) for x, y, m in with_motion(lessons)], motion_weight=1.0, **settings)
    with pytest.raises(ValueError, match=r"motion_weight: -1.0 is not a number >= 0"):
        fit.fit(model, with_motion(lessons), motion_weight=-1.0, **settings)


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


def test_weights_of_the_best_and_of_the_last_epoch_can_both_be_kept(lesson):
    model, lessons = built("gcn_bonds", lesson)
    last, alone = built("gcn_bonds", lesson)[0], built("gcn_bonds", lesson)[0]
    train, validation = some(lessons, np.arange(40)), some(lessons, np.arange(40, 60))
    settings = {"epochs": 12, "batch_size": 20, "learning_rate": 3e-2}
    history = fit.fit(model, train, validation, last=last, **settings)
    [(x, y)] = validation
    error, at_end = (np.mean((thresholds(m, x) - y) ** 2) / train[0][1].var() for m in (model, last))
    assert history.validation_loss.dims == ("epoch",) and history.epoch.values.tolist() == list(range(1, 13))
    assert error == pytest.approx(float(history.validation_loss.min()), rel=1e-4)
    assert at_end == pytest.approx(float(history.validation_loss[-1]), rel=1e-4) and at_end > error
    assert models.metadata(last)["epoch"] == 12 > models.metadata(model)["epoch"] == history.attrs["epoch"]
    fit.fit(alone, train, **settings)  # without validation the last ones are taken
    np.testing.assert_array_equal(thresholds(alone, x), thresholds(last, x))


def test_a_training_that_diverges_is_refused(lesson, tmp_path):
    settings = {"epochs": 4, "batch_size": 20, "checkpoint": tmp_path / "state.npz"}
    model, lessons = built("lstm", lesson)
    with pytest.raises(ValueError, match=r"training: it diverged in epoch \d .*; a smaller learning_rate may help"):
        fit.fit(model, lessons, lessons, learning_rate=1e38, **settings)
    bad, _ = built("lstm", lesson)
    bad.get_layer("standardised").bias.assign([np.nan])
    with pytest.raises(ValueError, match="model: its weights are not finite"):
        models.save(bad, tmp_path / "bad.keras")
    assert not (tmp_path / "bad.keras").exists()


def test_a_flat_validation_loss_ends_the_training(lesson, tmp_path):
    model, lessons = built("lstm", lesson)
    wrong = [(x, y[::-1].copy()) for x, y in lessons]  # what is learned makes this worse
    history = fit.fit(model, lessons, wrong, epochs=60, batch_size=20, learning_rate=5e-2, patience=3)
    assert history.attrs["stopped"] and history.sizes["epoch"] < 60
    assert int(history.validation_loss.values.argmin()) == history.sizes["epoch"] - 4
    assert not fit.fit(*built("lstm", lesson), lessons, epochs=2, patience=3).attrs["stopped"]

    def killed(epoch, loss, validation_loss):
        if epoch == history.sizes["epoch"] - 1:
            raise KeyboardInterrupt

    settings = {"epochs": 60, "batch_size": 20, "learning_rate": 5e-2, "patience": 3, "checkpoint": tmp_path / "state"}
    with pytest.raises(KeyboardInterrupt):
        fit.fit(built("lstm", lesson)[0], lessons, wrong, report=killed, **settings)
    for _ in range(2):  # resumed, and when it has stopped
        again = fit.fit(built("lstm", lesson)[0], lessons, wrong, **settings)
        np.testing.assert_array_equal(again.validation_loss, history.validation_loss)


def test_a_batch_is_of_one_sample_where_the_whole_sample_is_read(lesson):
    model, lessons = built("listi", lesson)
    samples = [sample for n in (40, 20, 9) for sample in some(lessons, np.arange(n))]
    batches = training.Training(model, samples, (), fit.Settings(batch_size=20, mirror=True)).monitor.batches
    batches.draw(0)
    visited = {n: np.concatenate([batch for group, batch in batches.batches if group == n]) for n in range(3)}
    assert sorted(len(batch) for _, batch in batches.batches) == [9, 20, 20, 20]  # a small sample changes only its own
    assert [sorted(visited[n]) for n in range(3)] == [list(range(40)), list(range(20)), list(range(9))]
    first, again = batches[0][0]["place"], batches[batches.steps][0]["place"]  # of the next epoch
    assert len(batches.batches) == batches.steps == 4 and not np.array_equal(first, again)


@pytest.mark.parametrize("name", ["cnn", "gcn_attention", "listi_large"])  # every kind of state that a network has
def test_interrupted_training_ends_like_an_uninterrupted_one(name, lesson, tmp_path):
    settings = {"epochs": 4, "batch_size": 20, "mirror": True, "final_learning_rate": 1e-4}
    settings["optimizer"] = "adamw" if name == "listi_large" else "adamax"
    whole, lessons = built(name, lesson)
    validation = lessons
    if name == "listi_large":  # which also learns more than thresholds, and has weights for that
        moves = [motion for _, _, motion in with_motion(lessons)]
        validation = with_more(lessons)
        lessons = [(x, y, motion) for (x, y), motion in zip(validation, moves, strict=True)]
        settings |= {"auxiliary_weight": 0.5, "motion_weight": 0.5}
    expected = fit.fit(whole, lessons, validation, **settings)

    def killed(epoch, loss, validation_loss):
        if epoch == 3:
            raise KeyboardInterrupt

    settings |= {"checkpoint": tmp_path / "state.npz"}
    with pytest.raises(KeyboardInterrupt):
        fit.fit(built(name, lesson)[0], lessons, validation, report=killed, **settings)
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
    monkeypatch.setattr(training.keras.Model, "fit", None)
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
    assert fit.Settings(epochs=3).rates().tolist() == [1e-3] * 3
    np.testing.assert_allclose(fit.Settings(epochs=3, final_learning_rate=1e-4).rates(), [1e-3, 5.5e-4, 1e-4])


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
        ({"auxiliary_weight": 0.5}, r"auxiliary_weight: 0.5 is not allowed for 1 target\(s\)"),
        ({"auxiliary_weight": -1.0, "y": np.ones((60, 2))}, "auxiliary_weight: -1.0 is not a number >= 0"),
        ({"y": np.ones((60, 2))}, r"auxiliary_weight: 0.0 is not allowed for 2 target\(s\)"),
        ({"patience": 0}, "patience: 0"),
        ({"patience": 5}, "patience: 5, but there are no samples to validate on"),
        ({"training": []}, "training: there are no samples"),
        ({"y": np.ones(60)}, "training: all 60 thresholds are 1"),
        ({"y": np.arange(59.0)}, r"training: thresholds of shape \(59,\) for 60 points in sample 0"),
        ({"y": np.r_[np.nan, np.arange(59.0)]}, "training: threshold 0 of sample 0 is not finite"),
    ],
)
def test_bad_input_is_refused_before_any_work(untrained, tmp_path, change, message):
    model, [(x, y)] = untrained
    before = model.get_weights()
    change = dict(change)
    lessons = [(x, change.pop("y", y))]
    with pytest.raises(ValueError, match=message):
        fit.fit(**{"model": model, "training": lessons, "checkpoint": tmp_path / "state.npz"} | change)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not list(tmp_path.iterdir())
