"""Tables of studies: completed item by item, computed again when what they were made from has changed."""

import multiprocessing
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from listi import files
from listi.compendium import data_set, sample_files, studies
from listi.compendium.studies import Study, complete, read

computed = []


def rows_of(seed, factor=0.1):
    computed.append(seed)
    if len(computed) == rows_of.stop:
        raise KeyboardInterrupt
    return [{"event": 1, "strain": factor * seed}, {"event": 2, "strain": np.nan}]


rows_of.stop = None


@pytest.fixture(autouse=True)
def nothing_computed():
    computed.clear()


def seeds(*numbers):
    return lambda folder: numbers


def test_a_study_that_was_stopped_goes_on(tmp_path, monkeypatch):
    study = Study(rows_of, seeds(3, 1, 2), key="seed")
    monkeypatch.setattr(rows_of, "stop", 3)
    with pytest.raises(KeyboardInterrupt):
        complete(tmp_path, "late", study, workers=1)
    assert len(read(tmp_path, "late")) == 4  # of the two that were done
    monkeypatch.setattr(rows_of, "stop", None)
    complete(tmp_path, "late", study, workers=1)
    assert sorted(computed) == sorted([1, 2, 3, computed[2]])
    expected = pd.DataFrame({"seed": [1, 1, 2, 2, 3, 3], "event": [1, 2] * 3})
    expected["strain"] = [0.1, np.nan, 0.2, np.nan, 0.1 * 3, np.nan]
    pd.testing.assert_frame_equal(read(tmp_path, "late"), expected)
    before = (tmp_path / "studies/late.csv").read_bytes()
    complete(tmp_path, "late", study, workers=1)
    assert len(computed) == 4 and (tmp_path / "studies/late.csv").read_bytes() == before


@pytest.mark.parametrize("changed", ["argument", "script", "version", "file"])
def test_rows_are_computed_again_when_what_they_were_made_from_has_changed(changed, tmp_path, monkeypatch):
    (tmp_path / "network.keras").write_text("weights")
    study = Study(partial(rows_of, factor=0.1), seeds(1, 2), "seed", ("*.keras",))
    complete(tmp_path, "late", study, workers=1)
    if changed == "argument":
        study = study._replace(rows_of=partial(rows_of, factor=0.2))
    elif changed == "script":
        monkeypatch.setattr(studies.inspect, "getsource", lambda module: "N = 2")
    elif changed == "version":
        monkeypatch.setattr(studies, "code_version", lambda: {"shear": 99})
    else:
        (tmp_path / "network.keras").write_text("other weights")
    complete(tmp_path, "late", study, workers=1)
    assert sorted(computed) == [1, 1, 2, 2]
    table = read(tmp_path, "late")
    assert table.seed.tolist() == [1, 1, 2, 2]  # new rows take the place of old ones
    assert table.strain[0] == (0.2 if changed == "argument" else 0.1)


def test_comments_in_a_script_change_nothing(monkeypatch):
    monkeypatch.setattr(studies.inspect, "getsource", lambda module: "N = 1  # probes\n")
    before = studies._program(rows_of)
    monkeypatch.setattr(studies.inspect, "getsource", lambda module: "# of every sample\nN = 1\n")
    assert studies._program(rows_of) == before


def _write(folder, numbers):
    complete(folder, "late", Study(rows_of, seeds(*numbers), "seed"), workers=1)


def test_two_writers_lose_no_rows_of_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, range(first, 20, 2))) for first in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    table = read(tmp_path, "late")
    assert table.seed.tolist() == np.repeat(np.arange(20), 2).tolist()


@pytest.fixture
def folder(tmp_path):
    """A sample of the demo with a seventh event and a record that its discs had 8 Å, and checksums."""
    sample = data_set.of_roles(files.repository() / "data" / "demo", "test")[0]
    shear = sample.shear.isel(event=[0, 1, 2, 3, 4, 5, 5]).assign_coords(event=np.arange(1, 8))
    sets = data_set.split(tmp_path, train=0, validation=0, test=1, extra_test=0)
    data_set.write_split(tmp_path, sets)
    probing = sample.probing.assign_attrs(r_free=8.0)
    sample_files.save_sample(sets["test"][0], sample.network, shear, probing, attrs={"seed": 0, "parameters": {}})
    files.write_checksums(tmp_path)
    return tmp_path


def sample_rows(sample):
    assert studies.radius_of(sample) == 8.0
    return studies.rows(sample.shear[["event_strain"]])


def test_a_sample_is_loaded_with_six_events_and_the_table_is_checked(folder):
    study = Study(sample_rows, lambda folder: data_set.read_split(folder)["test"])
    complete(folder, "events", study, workers=1)
    table = read(folder, "events")
    assert table["sample"].tolist() == [0] * 6 and table.event.tolist() == [1, 2, 3, 4, 5, 6]
    assert not any(sample_files.verify(folder).values())
    before = (folder / "studies/events.csv").read_bytes()
    sample = data_set.of_roles(folder, "test")[0]
    later = sample.shear.assign(event_strain=2.0 * sample.shear.event_strain)
    path = data_set.read_split(folder)["test"][0]
    sample_files.save_sample(path, sample.network, later, sample.probing, attrs={"seed": 0, "parameters": {}})
    complete(folder, "events", study, workers=1)
    assert len(read(folder, "events")) == 6 and (folder / "studies/events.csv").read_bytes() != before


def test_the_cutout_of_the_figures_is_as_large_as_the_discs(folder):
    assert data_set.example(folder).r_free == 8.0


def test_rows_are_plain_and_short():
    values = {"goodness": ("event", [1 / 3, np.nan]), "foreseen": ("event", [True, False])}
    first, second = studies.rows(xr.Dataset(values, coords={"event": [1, 2]}))
    assert first == {"event": 1, "goodness": 0.333333, "foreseen": True}
    assert np.isnan(second["goodness"])


def test_a_study_that_is_not_there_is_named(tmp_path):
    complete(tmp_path, "late", Study(rows_of, seeds(1), "seed"), workers=1)
    with pytest.raises(files.DataError, match=r"loads\.csv: no such study; there are: late"):
        read(tmp_path, "loads")
