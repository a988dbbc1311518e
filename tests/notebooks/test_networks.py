"""Studies of networks: which samples they learn from and predict, their table, that they go on."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import save_made_up

from listi import cli
from listi.analysis.comparison import correlation
from listi.compendium import data_set, model_card, sample_files, trained

SCRIPT = Path(__file__).resolve().parents[2] / "notebooks" / "studies" / "networks.py"
spec = importlib.util.spec_from_file_location("networks", SCRIPT)
network_studies = importlib.util.module_from_spec(spec)
sys.modules["networks"] = network_studies  # dataclasses look it up
spec.loader.exec_module(network_studies)

SHORT = {"epochs": 1, "batch_size": 16, "width": 4, "rounds": 1, "rounds_in_disc": 0, "jit_compile": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    sets = data_set.split(folder, train=4, validation=1, test=2, extra_test=3)
    for number, path in enumerate(path for paths in sets.values() for path in paths):
        save_made_up(path, number)
    data_set.write_split(folder, sets)
    return folder


def test_every_sample_is_unseen_once_and_never_learned_from_then(folder):
    every = {path for paths in data_set.read_split(folder).values() for path in paths}
    plan = network_studies.folds(folder)
    assert sorted(path for one in plan for path in one.unseen) == sorted(every)
    for one in plan:
        parts = [set(one.train), set(one.validation), set(one.unseen)]
        assert set.union(*parts) == every and sum(map(len, parts)) == len(every)


def test_curves_and_ablations_never_learn_from_test_samples(folder):
    sets = data_set.read_split(folder)
    unseen = {path for role in data_set.UNSEEN for path in sets[role]}
    plan = [*network_studies.curves(folder), *network_studies.ablations(folder)]
    assert [len(one.train) for one in plan][:2] == [2, 4]
    for one in plan:
        assert set(one.unseen) == unseen
        assert not unseen & {*one.train, *one.validation}


def test_training_samples_are_probed_more_densely(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(network_studies.making, "probe_all", lambda paths, how: asked.append((paths, how)))
    monkeypatch.setattr(network_studies, "DENSER", {1: 8, 2: 5})
    sets = data_set.read_split(folder)
    few, one = network_studies.denser(folder, tmp_path)
    assert asked == [([path], {"grid_x": 12, "grid_y": 10, "r_free": 7.0}) for path in one.train]
    assert few.train == one.train[:1] and (few.label, few.changes) == ("listi_1_denser", {"epochs": 8})
    for own, path in zip(one.train, sets["train"][:2], strict=True):
        same, there = (sample_files.load_sample(file).network.positions for file in (own, path))
        np.testing.assert_array_equal(same, there)
    assert one.validation == sets["validation"] and set(one.unseen) == {*sets["test"], *sets["extra_test"]}


def test_the_network_that_knows_loads_learns_from_samples_probed_under_each(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(network_studies.making, "probe_all", lambda paths, how: asked.append((*paths, how["mode"])))
    monkeypatch.setattr(network_studies, "N_MODES", 3)
    [one] = network_studies.modes(folder, tmp_path, folder)
    sets = data_set.read_split(folder)
    for role, paths, n in (("train", one.train, 3), ("validation", one.validation, 1)):
        every, more = paths[: len(sets[role])], paths[len(sets[role]) :]
        assert every == sets[role] and [path.name for path in more] == 2 * [path.name for path in every[:n]]
        assert set(asked) >= {(path, network_studies.MODES[k // n]) for k, path in enumerate(more)}
    assert one.label == "listi_loads" and one.changes["load"] and not {*one.unseen} & {*one.train}


def test_the_network_of_a_study_is_stored(folder, tmp_path):
    trained.train_at_paper_scale(tmp_path, "listi", data_set.read_split(folder), SHORT, label="listi_4_denser")
    network_studies._store(folder, tmp_path, "listi_4_denser", "listi_dense")
    assert "sample_0007.nc" in [path.name for path in data_set.read_split(folder)["extra_test"]]
    sample = sample_files.load_sample(folder / "samples" / "sample_0007.nc")
    own = network_studies.predict(sample.network, trained.model_file(folder, "listi_dense"), grid=(6, 5)).threshold
    np.testing.assert_allclose(sample.predictions.listi_dense, own, rtol=1e-6)  # in single precision
    card = (folder / "models" / "listi_dense.md").read_text("utf-8")
    assert 'listi.predict(network, model="models/listi_dense.keras")' in card and "every disc of 7 Å" in card
    learned = f"120 probes in 4 training samples of `{folder.name}`."
    assert f"{learned}\nThe epoch of the weights was chosen on 1 validation samples" in card


def test_many_glasses_are_learned_from_as_they_are_and_rotated(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(network_studies.making, "probe_all", lambda paths, how: asked.append((paths, how)))
    monkeypatch.setattr(network_studies, "QUARTER", {"nx": 10, "ny": 12})
    sets = data_set.read_split(folder)
    few, one, beside = network_studies.many(folder, tmp_path, 2)
    [large] = network_studies.large(folder, tmp_path, 2)
    assert (large.name, large.train, large.validation, large.unseen) == (
        "listi_large",
        one.train,
        one.validation,
        one.unseen,
    )
    assert beside.train == sets["train"] and beside.changes == {"auxiliary_weight": 1.5}
    assert few.train == sets["train"] and few.changes == one.changes | {"epochs": 80}
    assert asked == 2 * [(one.train[4:], {"grid_x": 30, "grid_y": 30, "r_free": 7.0})]
    assert one.train[:4] == sets["train"] and one.validation == sets["validation"]
    assert set(one.unseen) == {*sets["test"], *sets["extra_test"]} and not set(one.unseen) & set(one.train)
    first, second, rotated, _ = (sample_files.load_sample(path).network for path in one.train[4:])
    assert not np.array_equal(first.positions, second.positions)
    assert rotated.cell.tolist() == first.cell[::-1].tolist()
    x, y = first.positions.T
    np.testing.assert_allclose(rotated.positions, np.stack([first.cell[1] - y, x], axis=1))  # +x has become +y


def test_variants_are_compared_on_validation_samples(folder):
    sets = data_set.read_split(folder)
    for one in network_studies.variants(folder):
        assert (one.train, one.validation, one.unseen) == (sets["train"], sets["validation"], sets["validation"])
        assert one.changes == {"epochs": 20}


def table_of(folder, study):
    table = pd.read_csv(folder / network_studies.TABLE, keep_default_na=False)
    return table[table.study == study]


def test_a_study_is_stored_and_goes_on(folder, tmp_path, monkeypatch):
    folds = network_studies.folds

    def short(folder):
        return [network_studies.Training(**{**vars(one), "changes": SHORT}) for one in folds(folder)]

    monkeypatch.setattr(network_studies, "folds", short)
    network_studies.update(folder, ["folds"], tmp_path)
    table = table_of(folder, "folds")
    assert sorted(set(table.label)) == [f"listi_fold_{number}" for number in range(5)]
    assert set(table[table.quantity == "epochs"].value) == {1.0}
    scores = table[table["sample"] != ""].groupby(["quantity", "sample"]).value.count().unstack(0)
    assert len(scores) == 10 and set(scores.correlation) == {1} and set(scores.goodness) == {2}
    assert table[table.quantity == "goodness"].value.between(-1, 1).all()
    sample = sample_files.load_sample(folder / "samples" / "sample_0003.nc")
    assert sample.predictions.listi_folds.shape == (6, 5)
    r = correlation(sample.predictions.listi_folds, sample.probing.threshold)
    stored = table[(table["sample"] == "sample_0003.nc") & (table.quantity == "correlation")].value.item()
    assert stored == pytest.approx(r, abs=1e-5)

    monkeypatch.setattr(network_studies.trained, "fit", None)  # whoever trains again fails
    network_studies.update(folder, ["folds"], tmp_path)
    again = table_of(folder, "folds")
    pd.testing.assert_frame_equal(again.reset_index(drop=True), table.reset_index(drop=True))


def test_the_command_predicts_all_samples_and_writes_the_card(folder, capsys):
    trained.train_at_paper_scale(folder, "listi", data_set.read_split(folder), SHORT, label="short")
    assert cli.main(["predict", "short", "--data", str(folder)]) == 0
    assert "10 samples, 10 predicted now" in capsys.readouterr().out
    card = (folder / "models" / "short.md").read_text("utf-8")
    r = data_set.correlation(data_set.points_of(data_set.of_roles(folder, *data_set.UNSEEN), "short"))
    probing = data_set.goodness_of(data_set.of_roles(folder, "validation")).values[0]
    assert f"| unseen (5) | short | {r:.3f} |" in card
    assert f"|  | probing |  | {probing[0]:.3f} | {probing[1]:.3f} |" in card
    assert "thresholds, 1 epochs; the weights" in card
    other = dict(data_set.read_split(folder), train=data_set.read_split(folder)["train"][:3])
    other["train"].append(other["validation"][0])
    trained.train_at_paper_scale(folder, "listi", other, SHORT, label="short")
    assert cli.main(["predict", "short", "--data", str(folder)]) == 0
    told = f"120 probes in 3 training samples of `{folder.name}` and 1 samples that `notebooks/studies/networks.py`"
    assert told in (folder / "models" / "short.md").read_text("utf-8")


def test_the_card_quotes_the_samples_that_were_opened_last(folder):
    rows = [
        (model, "point", sample, measure, key, value, "0123", opened)
        for opened, shift in (("2026-01-01", 0.5), ("2026-02-01", 0.0))
        for model, first in (("short", 0.25), ("probing", 0.75))
        for sample in ("a.nc", "b.nc")
        for measure, key, value in (("goodness", "1", first + shift), ("goodness", "2", 0.5), ("correlation", "", 0.9))
    ]
    (folder / "studies").mkdir(exist_ok=True)
    columns = ["model", "resolution", "sample", "measure", "key", "value", "commit", "opened"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / model_card.SEALED, index=False)
    assert model_card._sealed_rows(folder, "short") == [
        "| sealed (2, opened on 2026-02-01) | short | 0.900 | 0.250 | 0.500 |  |  |  |  |",
        "|  | probing |  | 0.750 | 0.500 |  |  |  |  |",
    ]
    assert model_card._sealed_rows(folder, "other") == []
    (folder / model_card.SEALED).unlink()


def test_an_unknown_study_is_refused(folder):
    with pytest.raises(ValueError, match="names: 'fold' is not one of folds, curves, denser, many, large, modes, "):
        network_studies.update(folder, ["fold"], folder)


def test_ring_statistics_of_another_spread():
    given = {5: 0.25, 6: 0.5, 7: 0.25}
    found = network_studies.spread(given, 0.6)
    assert sum(found.values()) == pytest.approx(1) and found[5] == pytest.approx(found[7])
    assert found[5] + found[7] == pytest.approx(0.36 * 0.5)  # the variance
    with pytest.raises(ValueError, match=r"factor: 2.0: no such ring statistics"):
        network_studies.spread(given, 2.0)


def test_glasses_unlike_those_of_the_training_are_evaluated(folder, monkeypatch):
    trained.train_at_paper_scale(folder, "listi", data_set.read_split(folder), SHORT)
    kinds = network_studies.beyond(folder)
    assert {"unseen", "zero pressure", "narrow rings", "wide rings", "four times the size", "after event 3"} < set(
        kinds
    )
    monkeypatch.setattr(network_studies, "beyond", lambda folder: {"unseen": kinds["unseen"]})
    network_studies.update(folder, ["beyond"], folder)
    table = table_of(folder, "beyond")
    numbers = table[table.quantity.isin(["correlation", "mean_ratio"])].astype({"value": float})
    assert numbers[numbers.quantity == "correlation"].value.between(-1, 1).sum() == network_studies.EACH
    sample = data_set.of_roles(folder, "test")[0]
    own = network_studies.predict(sample.network, trained.model_file(folder, "listi"), grid=(6, 5)).threshold
    ratio = numbers[numbers.quantity == "mean_ratio"].value.iloc[0]
    assert ratio == pytest.approx(float(own.mean() / sample.probing.threshold.mean()), abs=1e-4)
