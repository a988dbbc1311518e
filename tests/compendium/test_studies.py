"""Studies over a folder of small samples: rows of plain values, kept beside what is there."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import listi
from listi import files
from listi.analysis import sensitivity
from listi.compendium import data_set, sample_files, studies

R_FREE, GRID = 11.0, (5, 6)


@pytest.fixture(scope="module")
def folder(glass, tmp_path_factory):
    """Two samples of the same glass, seen and unseen, the first with its states."""
    folder = tmp_path_factory.mktemp("data")
    shear = listi.deform(glass, n_events=2, max_strain=0.2).assign_attrs(parameters={"max_strain": 0.2})
    probing = listi.probe(glass, GRID, r_free=R_FREE)
    sets = data_set.split(folder, train=1, validation=0, test=1, extra_test=0)
    data_set.write_split(folder, sets)
    for path, kept in ((sets["train"][0], shear), (sets["test"][0], shear.drop_vars(["configuration", "non_affine"]))):
        sample_files.save_sample(path, glass, kept, probing, attrs={"seed": 0, "parameters": {}})
    files.write_json(folder / studies.FILE, {"other": 1})
    files.write_checksums(folder)
    return folder


def test_studies_are_kept_beside_what_is_there_and_checked(folder):
    studies.update(folder, ("load", "fresh_maps", "rules"), workers=1)
    kept = files.read_json(folder / studies.FILE)
    assert set(kept) == {"other", "load", "fresh_maps", "rules"}
    assert not any(sample_files.verify(folder).values())
    assert kept["load"]["sample"] == [0, 0, 1, 1]
    assert kept["load"]["event"] == [1, 2, 1, 2]
    assert kept["load"]["distance"][0] is None
    fresh = kept["fresh_maps"]
    assert fresh["sample"] == [0, 0, 1, 1]  # the same glass; of the second the states are not kept
    assert fresh["fresh"] == fresh["fresh"][:2] * 2
    assert fresh["fresh"][0] == fresh["stale"][0]
    assert [value is None for value in fresh["whole"]] == [False, False, True, True]
    assert kept["rules"]["irreversible"][:2] == kept["load"]["goodness_threshold"][:2]


def test_a_sample_whose_events_are_others_now_is_told(folder):
    sample = data_set.of_roles(folder, "test")[0]
    strange = sample.shear.assign(event_atom=sample.shear.event_atom + 1)
    as_kept, other = (studies.fresh_rows(replace(sample, shear=shear)) for shear in (sample.shear, strange))
    assert [row["same_events"] for row in as_kept + other] == [True, True, False, False]
    assert [row["fresh"] for row in as_kept] == [row["fresh"] for row in other]


def test_probes_and_events_are_walked_and_radius_and_boundary_varied(folder, monkeypatch):
    sample = data_set.of_roles(folder, "train")[0]
    monkeypatch.setattr(studies, "N_RANKED", 8)
    monkeypatch.setattr(studies, "RADII", (8.0, 11.0))  # of those that fit
    assert set(studies.radius_rows(sample)[0]) == {"8", "11"}
    found = studies.boundary_rows(sample)[0]
    expected = sensitivity.first_event_goodness([sample], studies.BOUNDARIES, 8, grid=GRID, workers=1)
    assert found["tether 1"] == float(expected.sel(variant="tether 1")[0])
    (row,) = studies.probe_rows(sample, 3)
    assert row.pop("largest") < 1e-6
    assert row == {"sample": 0, "probes": 3, "differ": 0, "wrong": 0, "wrong_walked": 0, "loops": []}
    monkeypatch.setattr(studies, "APART", -1.0)  # all are walked again, and agree
    (row,) = studies.probe_rows(sample, 2)
    assert row == {"sample": 0, "probes": 2, "differ": 2, "wrong": 0, "wrong_walked": 0, "largest": 0, "loops": []}

    def early(*of, **how):
        found = listi.probe(*of, **how)
        return found if how.get("every_step") else found.assign(critical_strain=found.critical_strain - 0.001)

    monkeypatch.setattr(studies, "probe", early)
    (row,) = studies.probe_rows(sample, 2)
    assert (row["wrong"], row["wrong_walked"]) == (2, 0)
    loop = studies._loop(sample.network, np.array([20.0, 20.0]), 0.001)  # a smooth step leads back, too
    assert loop == {"x": 20.0, "y": 20.0, "strain": 0.001, "open": 0.0}
    walked = sample.shear.assign(event_strain=2 * sample.shear.event_strain)  # tests of the shear walk in earnest
    monkeypatch.setattr(studies, "deform", lambda network, n_events, every_step: walked if every_step else sample.shear)
    event = studies.event_rows(sample, 2)[1]
    assert event["strain_walked"] == 2 * event["strain"] == 2 * float(sample.shear.event_strain[1])
    assert event["atom"] == event["atom_walked"] == int(sample.shear.event_atom[1]) and event["event"] == 2


def test_maps_of_moved_points_agree_the_less_the_further(folder, monkeypatch):
    sample = data_set.of_roles(folder, "train")[0]
    monkeypatch.setattr(studies, "DISTANCES", (1e-9, 4.0))
    monkeypatch.setattr(studies, "AROUND", 1e-9)
    predicted = sample.probing[["threshold"]].rename(threshold="own") ** 2
    (row,) = studies.moved_rows(replace(sample, predictions=predicted))
    assert row["correlation"]["1e-09"] == pytest.approx(1.0, abs=1e-6)
    assert row["correlation"]["4"] < 0.99
    told = listi.goodness(sample.probing.threshold, sample.shear.event_position).values
    assert row["mean"] == row["goodness"] == pytest.approx(told, abs=1e-5)
    assert 0.5 < row["own"][0] < 1.0
    assert row["own"][1] == pytest.approx(row["own"][0], abs=1e-5)
    map_ = sample.probing.threshold.transpose("x", "y")
    told = sensitivity.moved_probes(sample.network, map_, (4.0,), 4.0)
    a, b = 4.0 * np.cos(np.pi / 6), 4.0 * np.sin(np.pi / 6)
    points = np.stack(np.meshgrid(map_.x, map_.y, indexing="ij"), -1).reshape(-1, 2)
    five = [map_.values] + [
        listi.probe(sample.network, points=points + shift).threshold.values.reshape(map_.shape)
        for shift in ((a, b), (-b, a), (-a, -b), (b, -a))
    ]
    assert told.moved.values[0] == pytest.approx(five[1], rel=1e-9)
    assert told["mean"].values == pytest.approx(np.mean(five, axis=0), rel=1e-9)
    with pytest.raises(ValueError, match="around: 0.3 Å is not one of the distances 0.1, 0.2"):
        sensitivity.moved_probes(sample.network, sample.probing.threshold, (0.1, 0.2), 0.3)


def test_a_study_that_was_stopped_goes_on(folder, tmp_path, monkeypatch):
    """What was done is not done again, unless by other code; nothing is left of it when the study is whole."""
    done, stops = [], [3001]

    def rows(seed):
        if seed in stops:
            raise KeyboardInterrupt
        done.append(seed)
        return [{"sample": seed, "strain": 0.1 * seed}, {"sample": seed, "strain": None}]

    monkeypatch.setattr(studies, "late_rows", rows)
    monkeypatch.setattr(studies, "LATE_SEEDS", (3000, 3001, 3002))
    before = files.read_json(folder / studies.FILE)
    with pytest.raises(KeyboardInterrupt):
        studies.update(folder, ("late",), workers=1, work=tmp_path)
    assert files.read_json(folder / studies.FILE) == before
    stops.clear()
    studies.update(folder, ("late",), workers=1, work=tmp_path)
    assert sorted(done) == [3000, 3001, 3002]
    assert files.read_json(folder / studies.FILE)["late"] == {
        "sample": [3000, 3000, 3001, 3001, 3002, 3002],
        "strain": [300.0, None, 0.1 * 3001, None, 0.1 * 3002, None],
    }
    assert list(tmp_path.iterdir()) == []
    stops.append(3001)
    with pytest.raises(KeyboardInterrupt):
        studies.update(folder, ("late",), workers=1, work=tmp_path)
    monkeypatch.setattr(studies, "code_version", lambda: {"listi": "another"})
    stops.clear()
    studies.update(folder, ("late",), workers=1, work=tmp_path)
    assert sorted(done[-3:]) == [3000, 3001, 3002]


def test_rows_of_another_file_or_by_another_model_are_made_again(tmp_path):
    done = []

    def rows(item):
        done.append(item)
        return [{"n": len(done)}]

    one, other = (tmp_path / name / "sample_0000.nc" for name in ("a", "b"))
    for path in (one, other):
        files.write_bytes(path, path.parent.name.encode())
    for path, model, expected in ((one, None, 1), (one, None, 1), (one, "listi", 2), (other, "listi", 3)):
        assert studies._once(rows, tmp_path / "work", model, path) == [{"n": expected}]


def test_benchmarks_and_scaling_are_kept(folder, monkeypatch):
    def part(amounts):
        return [("probes", amounts.probes, ""), ("of LAMMPS", amounts.reference_probes, "")]

    monkeypatch.setattr(studies.bench, "PARTS", {"quick": part})
    monkeypatch.setattr(studies, "N_TIMED", 2)
    monkeypatch.setattr(studies, "N_LAMMPS", 1)
    monkeypatch.setattr(studies.bench, "RINGS", ((10, 12),))
    studies.update(folder, ("bench", "scaling"), workers=1)
    kept = files.read_json(folder / studies.FILE)
    assert kept["bench"]["parts"] == {"quick": [["probes", 2, ""], ["of LAMMPS", 1, ""]]}
    assert kept["bench"]["cores"] > 0
    row = kept["scaling"]["600"]
    assert row["atoms"] == 600 and row["generate"] > 0 and row["shear"] > 0 and row["memory"] > 1e8
    assert 0.01 < row["strain"] < 0.2 and row["order"] < 0.16 and 0.003 < row["tension"] < 0.008


def test_glasses_are_compared_with_those_compared_before(folder, monkeypatch):
    monkeypatch.setattr(studies, "IMAGED", {})  # its coordinates are not everywhere
    former = studies.compare_glasses(folder, {"radius": [1]})
    renamed = {
        name: xr.Dataset.from_dict(former[name]).isel(glass=[0]).assign_coords(glass=["former"]).to_dict()
        for name in ("mechanics", "structure")
    }
    found = studies.compare_glasses(folder, former | renamed)
    assert found["radius"] == [1]
    mechanics, structure = (xr.Dataset.from_dict(found[name]) for name in ("mechanics", "structure"))
    assert mechanics.glass.values.tolist() == ["both lattices", "former"]
    assert structure.glass.values.tolist() == ["both lattices", "former"]
    xr.testing.assert_allclose(mechanics.isel(glass=0, drop=True), mechanics.isel(glass=1, drop=True))
    assert structure.n_rings.sel(glass="former") == 240


def test_bad_input_is_refused(folder):
    with pytest.raises(ValueError, match="^names: 'loads'"):
        studies.update(folder, ("loads",))
    sample = data_set.of_roles(folder, "train")[0]
    old = type(sample)(sample.network, sample.shear, sample.probing.drop_vars("peak_stress"), None, sample.attrs)
    with pytest.raises(ValueError, match="^probing: holds no peak_stress"):
        studies.rules_rows(old)
