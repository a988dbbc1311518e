"""Training on sets of samples: kept with what it was made from, resumed; predictions stored."""

import shutil

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

from listi import cli, files
from listi.analysis.sample import Sample
from listi.compendium import data_set, sample_files
from listi.compendium import trained as kept
from listi.learning import cutouts, models
from listi.learning.predict import predict
from listi.network.geometry import grid_points
from listi.probing.motion import motion
from listi.probing.probe import probe

SETTINGS = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "mirror": True}
R_FREE = 7.0
MADE_UP = {"units": "reduced energy/angstrom^2", "long_name": "made up"}


def save_made_up(path, seed):
    """A crystal with thresholds that are made up: smooth in x, different for every seed."""
    path.parent.mkdir(exist_ok=True)
    seed = int(seed)
    network = honeycomb(6, 6, (0.3 * seed, 0.0))
    shape = (6, 5)
    values = grid_points(network.cell, shape)[:, 0].reshape(shape)
    values = 5e-3 + 1e-3 * np.sin(values / 5 + seed)
    names = ("initial_stress", "critical_stress", "threshold", "critical_strain")
    coords = {name: np.arange(n) * edge / n for name, n, edge in zip("xy", shape, network.cell, strict=True)}
    probing = xr.Dataset(dict.fromkeys(names, (("x", "y"), values, MADE_UP)), coords=coords)
    for name in "xy":
        probing[name].attrs = {"units": "angstrom", "long_name": name}
    sample_files.save_sample(path, network, probing=probing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    for path in paths(folder, 0, 1, 2):
        save_made_up(path, path.stem)
    return folder


def paths(folder, *numbers):
    return [folder.absolute() / "samples" / f"{number}.nc" for number in numbers]


def sets(folder):
    loaded = [sample_files.load_sample(path) for path in paths(folder, 0, 1, 2)]
    return {"train": loaded[:2], "validation": loaded[2:]}


@pytest.fixture(scope="module")
def trained(folder):
    return kept.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS)


def test_what_is_learned_beside_thresholds(folder):
    sample = data_set.of_roles(files.shipped(), "train")[0]
    own, probed = kept._targets(sample, True), sample.probing.isel(x=3, y=7)
    xx, _, yy = probed.critical_tensor.values
    rise = probed.peak_stress - probed.initial_stress
    assert own[3 * 50 + 7].tolist() == [float(v) for v in (probed.threshold, probed.critical_strain, xx, yy, rise)]
    np.testing.assert_array_equal(kept._targets(sample, False), own[:, 0])
    with pytest.raises(ValueError, match=r"beside: 0.nc holds no critical_tensor, peak_stress"):
        kept.train(folder, "lstm", sets(folder), R_FREE, beside=1.0)


def test_motion_is_computed_once_and_kept_of_the_si_of_every_disc(glass, tmp_path, monkeypatch):
    probing = probe(glass, grid=(2, 2), workers=1)
    sample = Sample(glass, None, probing, None, {})
    cut, _ = cutouts.discs_of(sample, 11.0, n_max=40)
    found = motion(glass, probing, workers=1)
    kept_motion = kept.kept_motion(sample, cut, tmp_path)
    assert kept_motion.shape == (4, 40, 6) and np.isnan(kept_motion[~cut.mask]).all()
    for k, row in ((0, 0), (2, 7)):
        own = found.isel(x=k // 2, y=k % 2)
        one = int(np.flatnonzero(own.atom == cut.atoms[k, row])[0])
        np.testing.assert_allclose(kept_motion[k, row, 2:4], own.displacement[one], atol=2e-3)
        np.testing.assert_allclose(kept_motion[k, row, :2], own.response[one], atol=5e-3)
    monkeypatch.setattr(kept, "motion", None)  # whoever calls it fails
    np.testing.assert_array_equal(kept.kept_motion(sample, cut, tmp_path), kept_motion)
    [file] = tmp_path.iterdir()
    for length in (100, 0):  # cut off: made again
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(TypeError):
            kept.kept_motion(sample, cut, tmp_path)


def test_every_sample_is_learned_with_its_own_motion(glass, folder, tmp_path, monkeypatch):
    samples = [Sample(glass, None, probe(glass, grid=grid, workers=1), None, {}) for grid in ((2, 2), (1, 3))]
    given = []

    def remember(model, lessons, *validation, **settings):
        given.extend(lessons)
        raise InterruptedError

    monkeypatch.setattr(kept, "fit", remember)
    asked = {"train": samples, "validation": samples[1:]}
    sizes = {"width": 8, "rounds": 1, "rounds_in_disc": 1, "heads": 2}
    with pytest.raises(InterruptedError):
        kept.train(tmp_path, "listi_large", asked, 11.0, sizes, motion=1.0)
    for sample, (x, y, moves) in zip(samples, given, strict=True):
        cut, threshold = cutouts.discs_of(sample, 11.0, n_max=x.points["atoms"].shape[1])
        np.testing.assert_array_equal(y, threshold)
        np.testing.assert_array_equal(moves, kept.kept_motion(sample, cut, tmp_path / "models" / "motion"))
    monkeypatch.setattr(kept, "kept_motion", None)  # whoever calls it fails
    for name, r_free, weight, message in (
        ("listi_large", 11.0, -1.0, "motion: -1.0 is not a number >= 0"),
        ("listi", 11.0, 1.0, "motion: 1.0, but listi has no features that tell how atoms move"),
        ("listi_large", 9.0, 1.0, "motion: sample was probed with r_free = 11 Å, but cut-outs are of 9 Å"),
    ):
        with pytest.raises(ValueError, match=message):
            kept.train(tmp_path, name, asked, r_free, motion=weight)
    with pytest.raises(ValueError, match="probing: does not say its angle, cell, max_strain, mode, potential"):
        kept.train(tmp_path, "listi_large", sets(folder), R_FREE, motion=1.0)


def test_cutouts_go_with_their_thresholds(folder):
    cut, target = cutouts.cutouts_of(sets(folder)["train"], R_FREE)
    assert len(cut) == len(target) == 60
    second = sets(folder)["train"][1]
    x, y = cut.centers[37]
    assert target[37] == second.probing.threshold.sel(x=x, y=y, method="nearest")


def test_model_and_losses_are_stored(folder, trained):
    path = kept.model_file(folder, "lstm")
    assert trained.sizes == {"epoch": 2}
    assert trained.epoch.values.tolist() == [1, 2]
    xr.testing.assert_identical(kept.history_of(path), trained)
    assert models.metadata(models.load(path))["r_free"] == R_FREE
    assert sorted(p.name for p in path.parent.iterdir()) == ["lstm.json", "lstm.keras"]


def test_the_same_training_is_taken_as_stored(folder, trained, monkeypatch):
    monkeypatch.setattr(kept, "fit", None)  # whoever calls it fails
    again = kept.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS)
    xr.testing.assert_identical(again, trained)
    with pytest.raises(TypeError):
        kept.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=4, **SETTINGS)


def test_predictions_lie_beside_the_samples_and_are_not_made_again(folder, trained):
    before = [path.read_bytes() for path in paths(folder, 0, 1, 2)]
    assert kept.predict_all(folder, "lstm", paths(folder, 0, 1)) == 2
    assert kept.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 1
    written = (folder / "predictions" / "lstm.nc").read_bytes()
    assert kept.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 0
    assert (folder / "predictions" / "lstm.nc").read_bytes() == written
    assert [path.read_bytes() for path in paths(folder, 0, 1, 2)] == before
    sample = sample_files.load_sample(paths(folder, 1)[0])
    direct = predict(sample.network, kept.model_file(folder, "lstm"), grid=(6, 5))
    np.testing.assert_array_equal(sample.predictions.lstm, direct.threshold.astype(np.float32))
    xr.testing.assert_identical(sample.predictions.lstm.x, sample.probing.x)
    # Predicting changes neither structure nor thresholds: the training stays valid.
    assert kept.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS).identical(trained)


def test_a_second_network_leaves_the_predictions_of_the_first(folder, trained):
    kept.predict_all(folder, "lstm", paths(folder, 0, 1, 2))
    first = sample_files.load_sample(paths(folder, 0)[0]).predictions.lstm
    settings = SETTINGS | {"epochs": 1}
    kept.train(folder, "cnn", sets(folder), R_FREE, {"pixels": 36}, seed=3, **settings)
    assert kept.predict_all(folder, "cnn", paths(folder, 0, 1, 2)) == 3
    assert kept.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 0
    predictions = sample_files.load_sample(paths(folder, 0)[0]).predictions
    assert set(predictions) == {"lstm", "cnn"}
    xr.testing.assert_identical(predictions.lstm, first)


def test_predictions_for_another_structure_do_not_count_and_damaged_ones_are_named(folder, trained, tmp_path):
    shutil.copytree(folder / "models", tmp_path / "models")
    shutil.copytree(folder / "samples", tmp_path / "samples")
    both = paths(tmp_path, 0, 1)
    kept.predict_all(tmp_path, "lstm", both)
    save_made_up(both[0], 5)
    assert sample_files.load_sample(both[0]).predictions is None
    assert kept.predict_all(tmp_path, "lstm", both) == 1
    file = tmp_path / "predictions" / "lstm.nc"
    assert sample_files.verify(tmp_path)[file] == ""
    whole = file.read_bytes()
    file.write_bytes(whole[:-200])
    with pytest.raises(files.DataError, match="lstm.nc: altered"):
        sample_files.load_sample(both[0])
    assert "altered" in sample_files.verify(tmp_path)[file]
    assert kept.predict_all(tmp_path, "lstm", both) == 2
    with pytest.raises(ValueError, match="paths: samples of one folder"):
        kept.predict_all(tmp_path, "lstm", [both[0], *paths(folder, 1)])


def test_a_network_in_the_place_of_another_is_refused(folder, trained, tmp_path):
    shutil.copytree(folder / "models", tmp_path / "models")
    other = models.build("lstm", r_free=R_FREE, units=4)
    models.save(other, kept.model_file(tmp_path, "lstm"), made_from="something else")
    path = tmp_path / "samples" / "0.nc"
    save_made_up(path, 0)
    with pytest.raises(files.DataError, match=r"not the network that lstm.json tells of; swapped"):
        kept.predict_all(tmp_path, "lstm", [path])
    assert not (tmp_path / "predictions").exists()


def test_an_interrupted_training_goes_on_and_a_foreign_checkpoint_goes(folder, tmp_path, monkeypatch):
    arguments = ("lstm", sets(folder), R_FREE, {"units": 4})
    settings = SETTINGS | {"epochs": 4}
    whole = kept.train(tmp_path / "whole", *arguments, seed=3, **settings)
    original, seen = kept.fit, []

    def stopped(model, *rest, epochs, checkpoint, **more):
        seen.append(checkpoint)
        original(model, *rest, epochs=2, checkpoint=checkpoint, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        kept.train(tmp_path / "killed", *arguments, seed=3, **settings)
    assert seen[0].is_file()
    foreign = seen[0].with_name("lstm-0123456789abcdef.npz")
    foreign.write_bytes(b"of another training")
    half = seen[0].with_name(f".{seen[0].name}.abc.part")
    half.write_bytes(b"half of it, when it was killed")
    monkeypatch.setattr(kept, "fit", original)
    with pytest.raises(ValueError, match="mirror: 'no' is not true or false"):
        kept.train(tmp_path / "killed", *arguments, seed=3, **settings | {"mirror": "no"})
    assert foreign.is_file() and seen[0].is_file()  # what is refused costs no checkpoint
    resumed = kept.train(tmp_path / "killed", *arguments, seed=3, **settings)
    np.testing.assert_allclose(resumed.loss, whole.loss, rtol=1e-6)
    assert not foreign.exists()
    assert not half.exists()
    assert not seen[0].exists()


def test_the_command_trains_and_stores_a_variant(folder, tmp_path, monkeypatch, capsys):
    roles = {"train": paths(folder, 0, 1), "validation": paths(folder, 2)}
    monkeypatch.setattr(data_set, "read_split", lambda data: roles)
    monkeypatch.setattr(kept, "radius", lambda sample: R_FREE)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    changes = [f"--set={text}" for text in ("units=4", "epochs=2", "patience=1", "mirror=true")]
    places = ["--data", str(folder), "--checkpoints", str(tmp_path), "--label", "small_lstm"]
    assert cli.main(["train", "lstm", *places, *changes]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("epoch 1: loss ") and "small_lstm.keras: epoch" in printed[-1]
    known = models.metadata(models.load(kept.model_file(folder, "small_lstm")))
    assert known["name"] == "lstm" and known["units"] == 4 and known["mirror"] and known["silicon_in_discs"] > 5
    told = files.read_json(folder / "models" / "small_lstm.json")
    assert told["backend"] == "tensorflow" and told["threads"] == 1 and told["seconds"] > 0
    assert not list(tmp_path.iterdir())
    assert cli.main(["train", "lstm", "--data", str(folder), "--set=unit=4", "--label", "small_lstm"]) == 2
    assert "unit: is not a size of lstm; there are units" in capsys.readouterr().err
    record = kept.model_file(folder, "more").with_suffix(".json")
    files.write_json(record, {"made_from": {"samples": {"train": ["a"] * 3}}})
    before = record.read_bytes()
    assert cli.main(["train", "lstm", "--data", str(folder), *changes, "--label", "more"]) == 2
    assert "label: more is a network that learned from 3 samples and would be replaced by one that learns from 2" in (
        capsys.readouterr().err
    )
    assert record.read_bytes() == before
    record.unlink()


def test_a_sample_without_probes_is_refused(folder, tmp_path):
    network = sample_files.load_sample(paths(folder, 0)[0]).network
    sample_files.save_sample(tmp_path / "bare.nc", network)
    samples = {"train": [sample_files.load_sample(tmp_path / "bare.nc")], "validation": sets(folder)["validation"]}
    with pytest.raises(ValueError, match="bare.nc: holds no probes; listi.probe makes them"):
        kept.train(tmp_path, "lstm", samples, R_FREE, {"units": 4}, **SETTINGS)
