"""Training on sets of samples: kept with what it was made from, resumed; predictions stored."""

import shutil
import sys

import numpy as np
import pytest
import xarray as xr
from handmade import save_made_up

from listi import cli, figures, files
from listi.analysis.sample import Sample
from listi.compendium import data_set, model_card, sample_files, trained
from listi.learning import cutouts, models
from listi.learning.predict import predict
from listi.probing.motion import motion
from listi.probing.probe import probe

SETTINGS = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "mirror": True}
R_FREE = 7.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    for path in paths(folder, 0, 1, 2):
        save_made_up(path, int(path.stem))
    return folder


def paths(folder, *numbers):
    return [folder.absolute() / "samples" / f"{number}.nc" for number in numbers]


def sets(folder):
    loaded = [sample_files.load_sample(path) for path in paths(folder, 0, 1, 2)]
    return {"train": loaded[:2], "validation": loaded[2:]}


@pytest.fixture(scope="module")
def lstm(folder):
    return trained.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS)


def test_what_is_learned_beside_thresholds(folder):
    sample = data_set.of_roles(files.shipped(), "train")[0]
    own, probed = trained._targets(sample, True), sample.probing.isel(x=3, y=7)
    xx, _, yy = probed.critical_tensor.values
    rise = probed.peak_stress - probed.initial_stress
    assert own[3 * 50 + 7].tolist() == [float(v) for v in (probed.threshold, probed.critical_strain, xx, yy, rise)]
    np.testing.assert_array_equal(trained._targets(sample, False), own[:, 0])
    with pytest.raises(ValueError, match=r"auxiliary_weight: 0.nc holds no critical_tensor, peak_stress"):
        trained.train(folder, "lstm", sets(folder), R_FREE, auxiliary_weight=1.0)


def test_networks_learn_from_loads_along_x(folder, lstm):
    assert models.metadata_of(trained.model_file(folder, "lstm"))["modes"] == ["pure shear"]
    samples = sets(folder)
    samples["train"][1].probing.attrs["angle"] = 30.0
    with pytest.raises(ValueError, match="samples: 1.nc was probed at angle = 30 degrees; networks learn from 0"):
        trained.train(folder, "lstm", samples, R_FREE, {"units": 4}, seed=3, **SETTINGS)


def test_one_network_learns_several_modes_if_it_reads_the_load(folder, tmp_path):
    samples = sets(folder)
    samples["train"][1].probing.attrs["mode"] = "uniaxial tension"
    with pytest.raises(
        ValueError, match="^samples: were probed under pure shear, uniaxial tension, which only `listi`"
    ):
        trained.train(tmp_path, "listi", samples, R_FREE, {"width": 4}, **SETTINGS)
    trained.train(tmp_path, "listi", samples, R_FREE, {"width": 4, "rounds": 1, "load": True}, **SETTINGS)
    model, network = models.load(trained.model_file(tmp_path, "listi")), samples["train"][0].network
    assert models.metadata(model)["modes"] == ["pure shear", "uniaxial tension"]
    shear, tension = (
        trained.predict(network, model, (3, 3), mode=mode).threshold for mode in ("pure shear", "uniaxial tension")
    )  # in the same direction: only the share of dilation tells them apart
    assert np.isfinite(tension).all() and not np.allclose(shear, tension, rtol=1e-4)
    with pytest.raises(ValueError, match="^mode: 'biaxial tension' is not one that"):
        trained.predict(network, model, (3, 3), mode="biaxial tension")


def test_motion_is_computed_once_and_kept_of_the_si_of_every_disc(glass, tmp_path, monkeypatch):
    probing = probe(glass, grid=(2, 2), workers=1)
    sample = Sample(glass, None, probing, None, {})
    cut, _ = cutouts.discs_of(sample, 11.0, n_max=40)
    found = motion(glass, probing, workers=1)
    cached = trained.cached_motion(sample, cut, tmp_path)
    assert cached.shape == (4, 40, 6) and np.isnan(cached[~cut.mask]).all()
    for k, row in ((0, 0), (2, 7)):
        own = found.isel(x=k // 2, y=k % 2)
        one = int(np.flatnonzero(own.atom == cut.atoms[k, row])[0])
        np.testing.assert_allclose(cached[k, row, 2:4], own.displacement[one], atol=2e-3)
        np.testing.assert_allclose(cached[k, row, :2], own.response[one], atol=5e-3)
    monkeypatch.setattr(trained, "motion", None)  # whoever calls it fails
    np.testing.assert_array_equal(trained.cached_motion(sample, cut, tmp_path), cached)
    [file] = tmp_path.iterdir()
    for length in (100, 0):  # cut off: made again
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(TypeError):
            trained.cached_motion(sample, cut, tmp_path)


def test_every_sample_is_learned_with_its_own_motion(glass, folder, tmp_path, monkeypatch):
    samples = [Sample(glass, None, probe(glass, grid=grid, workers=1), None, {}) for grid in ((2, 2), (1, 3))]
    given = []

    def remember(model, training, *validation, **settings):
        given.extend(training)
        raise InterruptedError

    monkeypatch.setattr(trained, "fit", remember)
    asked = {"train": samples, "validation": samples[1:]}
    sizes = {"width": 8, "rounds": 1, "rounds_in_disc": 1, "heads": 2}
    with pytest.raises(InterruptedError):
        trained.train(tmp_path, "listi_large", asked, 11.0, sizes, motion_weight=1.0)
    for sample, (x, y, moves) in zip(samples, given, strict=True):
        cut, threshold = cutouts.discs_of(sample, 11.0, n_max=x.points["atoms"].shape[1])
        np.testing.assert_array_equal(y, threshold)
        np.testing.assert_array_equal(moves, trained.cached_motion(sample, cut, tmp_path / "models" / "motion"))
    monkeypatch.setattr(trained, "cached_motion", None)  # whoever calls it fails
    for name, r_free, weight, message in (
        ("listi_large", 11.0, -1.0, "motion_weight: -1.0 is not a number >= 0"),
        ("listi", 11.0, 1.0, "motion_weight: 1.0, but listi has no features of single Si"),
        ("listi_large", 9.0, 1.0, "motion_weight: sample was probed with r_free = 11 Å, but cut-outs are of 9"),
    ):
        with pytest.raises(ValueError, match=message):
            trained.train(tmp_path, name, asked, r_free, motion_weight=weight)
    with pytest.raises(ValueError, match="probing: does not say its angle, cell, max_strain, mode, potential"):
        trained.train(tmp_path, "listi_large", sets(folder), R_FREE, motion_weight=1.0)


def test_cutouts_go_with_their_thresholds(folder):
    cut, target = cutouts.cutouts_of(sets(folder)["train"], R_FREE)
    assert len(cut) == len(target) == 60
    second = sets(folder)["train"][1]
    x, y = cut.centers[37]
    assert target[37] == second.probing.threshold.sel(x=x, y=y, method="nearest")


def test_model_and_losses_are_stored(folder, lstm):
    path = trained.model_file(folder, "lstm")
    assert lstm.sizes == {"epoch": 2}
    assert lstm.epoch.values.tolist() == [1, 2]
    xr.testing.assert_identical(trained.history_of(path), lstm)
    assert models.metadata(models.load(path))["r_free"] == R_FREE
    assert sorted(p.name for p in path.parent.iterdir()) == ["lstm.json", "lstm.keras"]


def test_the_same_training_is_taken_as_stored(folder, lstm, monkeypatch):
    monkeypatch.setattr(trained, "fit", None)  # whoever calls it fails
    again = trained.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS)
    xr.testing.assert_identical(again, lstm)
    with pytest.raises(TypeError):
        trained.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=4, **SETTINGS)


def test_predictions_lie_beside_the_samples_and_are_not_made_again(folder, lstm):
    before = [path.read_bytes() for path in paths(folder, 0, 1, 2)]
    assert trained.predict_all(folder, "lstm", paths(folder, 0, 1)) == 2
    assert trained.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 1
    written = (folder / "predictions" / "lstm.nc").read_bytes()
    assert trained.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 0
    assert (folder / "predictions" / "lstm.nc").read_bytes() == written
    assert [path.read_bytes() for path in paths(folder, 0, 1, 2)] == before
    sample = sample_files.load_sample(paths(folder, 1)[0])
    direct = predict(sample.network, trained.model_file(folder, "lstm"), grid=(6, 5))
    np.testing.assert_array_equal(sample.predictions.lstm, direct.threshold.astype(np.float32))
    xr.testing.assert_identical(sample.predictions.lstm.x, sample.probing.x)
    # Predicting changes neither structure nor thresholds: the training stays valid.
    assert trained.train(folder, "lstm", sets(folder), R_FREE, {"units": 4}, seed=3, **SETTINGS).identical(lstm)


def test_a_second_network_leaves_the_predictions_of_the_first(folder, lstm):
    trained.predict_all(folder, "lstm", paths(folder, 0, 1, 2))
    first = sample_files.load_sample(paths(folder, 0)[0]).predictions.lstm
    settings = SETTINGS | {"epochs": 1}
    trained.train(folder, "cnn", sets(folder), R_FREE, {"pixels": 36}, seed=3, **settings)
    assert trained.predict_all(folder, "cnn", paths(folder, 0, 1, 2)) == 3
    assert trained.predict_all(folder, "lstm", paths(folder, 0, 1, 2)) == 0
    predictions = sample_files.load_sample(paths(folder, 0)[0]).predictions
    assert set(predictions) == {"lstm", "cnn"}
    xr.testing.assert_identical(predictions.lstm, first)


def test_predictions_for_another_structure_do_not_count_and_damaged_ones_are_named(folder, lstm, tmp_path):
    shutil.copytree(folder / "models", tmp_path / "models")
    shutil.copytree(folder / "samples", tmp_path / "samples")
    both = paths(tmp_path, 0, 1)
    trained.predict_all(tmp_path, "lstm", both)
    save_made_up(both[0], 5)
    assert sample_files.load_sample(both[0]).predictions is None
    assert trained.predict_all(tmp_path, "lstm", both) == 1
    file = tmp_path / "predictions" / "lstm.nc"
    assert sample_files.verify(tmp_path)[file] == ""
    whole = file.read_bytes()
    file.write_bytes(whole[:-200])
    with pytest.raises(files.DataError, match="lstm.nc: altered"):
        sample_files.load_sample(both[0])
    assert "altered" in sample_files.verify(tmp_path)[file]
    assert trained.predict_all(tmp_path, "lstm", both) == 2
    with pytest.raises(ValueError, match="paths: samples of one folder"):
        trained.predict_all(tmp_path, "lstm", [both[0], *paths(folder, 1)])


def test_a_network_in_the_place_of_another_is_refused(folder, lstm, tmp_path):
    shutil.copytree(folder / "models", tmp_path / "models")
    other = models.build("lstm", r_free=R_FREE, units=4)
    models.save(other, trained.model_file(tmp_path, "lstm"), made_from="something else")
    path = tmp_path / "samples" / "0.nc"
    save_made_up(path, 0)
    with pytest.raises(files.DataError, match=r"is not the network of lstm.json; swapped"):
        trained.predict_all(tmp_path, "lstm", [path])
    assert not (tmp_path / "predictions").exists()


def test_an_interrupted_training_goes_on_and_a_foreign_checkpoint_goes(folder, tmp_path, monkeypatch):
    arguments = ("lstm", sets(folder), R_FREE, {"units": 4})
    settings = SETTINGS | {"epochs": 4}
    whole = trained.train(tmp_path / "whole", *arguments, seed=3, **settings)
    original, seen = trained.fit, []

    def stopped(model, *rest, epochs, checkpoint, **more):
        seen.append(checkpoint)
        original(model, *rest, epochs=2, checkpoint=checkpoint, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(trained, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        trained.train(tmp_path / "killed", *arguments, seed=3, **settings)
    assert seen[0].is_file()
    foreign = seen[0].with_name("lstm-0123456789abcdef.npz")
    foreign.write_bytes(b"of another training")
    half = seen[0].with_name(f".{seen[0].name}.abc.part")
    half.write_bytes(b"half of it, when it was killed")
    monkeypatch.setattr(trained, "fit", original)
    with pytest.raises(ValueError, match="mirror: 'no' is not true or false"):
        trained.train(tmp_path / "killed", *arguments, seed=3, **settings | {"mirror": "no"})
    assert foreign.is_file() and seen[0].is_file()  # what is refused costs no checkpoint
    resumed = trained.train(tmp_path / "killed", *arguments, seed=3, **settings)
    np.testing.assert_allclose(resumed.loss, whole.loss, rtol=1e-6)
    assert not foreign.exists()
    assert not half.exists()
    assert not seen[0].exists()


def test_the_command_trains_and_stores_a_variant(folder, tmp_path, monkeypatch, capsys):
    roles = {"train": paths(folder, 0, 1), "validation": paths(folder, 2)}
    monkeypatch.setattr(data_set, "read_split", lambda data: roles)
    monkeypatch.setattr(trained, "radius", lambda sample: R_FREE)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    changes = [f"--set={text}" for text in ("units=4", "epochs=2", "patience=1", "mirror=true")]
    places = ["--data", str(folder), "--checkpoints", str(tmp_path), "--label", "small_lstm"]
    assert cli.main(["train", "lstm", *places, *changes]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("epoch 1: loss ") and "small_lstm.keras: epoch" in printed[-1]
    known = models.metadata(models.load(trained.model_file(folder, "small_lstm")))
    assert known["name"] == "lstm" and known["units"] == 4 and known["mirror"] and known["silicon_in_discs"] > 5
    told = files.read_json(folder / "models" / "small_lstm.json")
    assert told["backend"] == "tensorflow" and told["threads"] == 1 and told["seconds"] > 0
    assert not list(tmp_path.iterdir())
    assert cli.main(["train", "lstm", "--data", str(folder), "--set=unit=4", "--label", "small_lstm"]) == 2
    assert "unit: is not a size of lstm; there are units" in capsys.readouterr().err
    record = trained.model_file(folder, "more").with_suffix(".json")
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
        trained.train(tmp_path, "lstm", samples, R_FREE, {"units": 4}, **SETTINGS)


def test_samples_to_validate_on_are_needed_before_any_work(folder, tmp_path):
    for role in ("train", "validation"):
        with pytest.raises(ValueError, match=f"samples: there are none under '{role}'"):
            trained.train(tmp_path, "lstm", sets(folder) | {role: []}, R_FREE, {"units": 4}, **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_another_network_of_the_same_label_is_trained(folder, tmp_path):
    for name in ("gcn", "gcn_attention"):
        trained.train(tmp_path, name, sets(folder), R_FREE, {"width": 4}, label="mine", **SETTINGS)
        assert models.metadata_of(trained.model_file(tmp_path, "mine"))["name"] == name
        assert trained.read_record(trained.model_file(tmp_path, "mine"))["made_from"]["name"] == name


def test_a_training_that_diverges_stores_nothing(folder, tmp_path):
    with pytest.raises(ValueError, match="training: it diverged in epoch"):
        trained.train(tmp_path, "lstm", sets(folder), R_FREE, {"units": 4}, **SETTINGS | {"learning_rate": 1e38})
    assert not list(tmp_path.rglob("*.keras")) and not list(tmp_path.rglob("*.json"))


def test_records_of_earlier_versions_are_read(folder, lstm, tmp_path):
    path = trained.model_file(tmp_path, "lstm")
    made = trained.read_record(trained.model_file(folder, "lstm"))["made_from"] | {"beside": 0.0}
    made.pop("name")
    model = models.load(trained.model_file(folder, "lstm"))
    models.save(model, path, made_from=files.checksum(made))
    files.write_json(path.with_suffix(".json"), {"made_from": made})
    found = trained.read_record(path)["made_from"]
    assert found["name"] == "lstm" and found["auxiliary_weight"] == 0.0 and "beside" not in found


TOY = """
from listi.learning.encodings import Inputs
from listi.learning.models import Model

def inputs(cut, metadata):
    return Inputs({"count": cut.mask.sum(axis=1, keepdims=True).astype("float32")})

def build(metadata, width: int = 3):
    from listi.learning.layers import dense, keras, output

    count = keras.Input((1,), name="count")
    return keras.Model({"count": count}, output(dense(width, "hidden")(count), metadata), name="toy")

MODEL = Model(
    name="toy", reads="the number of Si within {r_free:g} Å", inputs=inputs, build=build,
    paper_scale={"epochs": 3, "batch_size": 10, "learning_rate": 0.1, "mirror": True, "keep_last": True}, rank=9,
    settings_chosen="arbitrary",
)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A network that a stranger adds in one file, and a folder of data to train it on."""
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "toy.py").write_text(TOY)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "networks")])
    monkeypatch.delitem(sys.modules, "listi.learning.models.toy", raising=False)
    roles = data_set.split(tmp_path, train=2, validation=1, test=1, extra_test=1)
    for number, path in enumerate(path for each in roles.values() for path in each):
        save_made_up(path, number)
    data_set.write_split(tmp_path, roles)
    return tmp_path


def test_a_network_in_one_file_is_trained_stored_predicted_and_has_its_card(toy, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert "lstm, toy" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(trained, "radius", lambda sample: R_FREE)
    assert cli.main(["train", "toy", "--data", str(toy), "--checkpoints", str(toy)]) == 0
    record, last = (files.read_json(toy / "models" / f"{name}.json") for name in ("toy", "toy_last"))
    losses = record["validation_loss"]
    assert (record["weights"], record["epoch"]) == ("lowest validation loss", int(np.argmin(losses)) + 1)
    assert (last["weights"], last["epoch"]) == ("last epoch", 3) and last["loss"] == record["loss"]
    for name in ("toy", "toy_last"):
        assert cli.main(["predict", name, "--data", str(toy)]) == 0
        assert "5 samples, 5 predicted now" in capsys.readouterr().out
    card, other = ((toy / "models" / f"{name}.md").read_text("utf-8") for name in ("toy", "toy_last"))
    assert "It reads\nthe number of Si within 7 Å; `listi/learning/models/toy.py`" in card
    assert "The epoch of the weights was chosen on 1 validation samples. Settings: arbitrary." in card
    assert "Of the 2 unseen samples none took part in this. 0 other networks and 0 trainings of studies here" in card
    assert "The epoch of the weights is the last one, without a choice." in other
    assert "1 other networks and 0 trainings of studies" in other
    assert f"are those of the last epoch, epoch 3, validation loss {losses[2]:.3f}" in other
    rows = "curves,a,sample_0003.nc\ncurves,a,sample_0003.nc\ncurves,b,x.nc\ncurves,b,\n"
    files.write_bytes(toy / "studies" / "networks.csv", f"study,label,sample\n{rows}".encode())
    assert model_card.unseen_predicted(toy) == ({"toy", "toy_last"}, 1)
    monkeypatch.setattr(data_set, "NETWORKS", ())
    assert data_set.compared(toy, "test").model.values.tolist() == ["probing", "toy"]
    learned = data_set.load_training(toy, "toy")
    monkeypatch.setattr(data_set.studies, "radius_of", lambda sample: R_FREE)  # made-up maps do not say theirs
    figures.learning("toy", data_set.example(toy), learned).draw_without_rendering()


def test_what_was_swapped_is_refused_and_no_command_signs_it(folder, toy, capsys):
    for name in ("lstm", "cnn"):
        trained.train(toy, name, sets(folder), R_FREE, {"units": 4} if name == "lstm" else {"pixels": 36}, **SETTINGS)
        assert cli.main(["predict", name, "--data", str(toy)]) == 0
    files.write_checksums(toy)
    (toy / "models" / "cnn.md").write_text("altered")
    assert cli.main(["predict", "lstm", "--data", str(toy)]) == 0
    bad = {path.name for path, problem in sample_files.verify(toy).items() if problem}
    assert bad == {"cnn.md"}  # what the command has not written stays as it was found
    shutil.copy(toy / "models" / "cnn.keras", toy / "models" / "lstm.keras")
    before = (toy / files.SUMS).read_bytes()
    assert cli.main(["predict", "lstm", "--data", str(toy)]) == 1
    assert "lstm.keras: is not the network of lstm.json; swapped" in capsys.readouterr().err
    assert (toy / files.SUMS).read_bytes() == before
