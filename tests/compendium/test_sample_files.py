"""Files: what is written is what is read; anything else is noticed, named and refused."""

import dataclasses
import errno
import json
import os
import random
import resource
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from handmade import dataset, honeycomb

import listi
from listi import files
from listi.compendium import netcdf, notebooks, predicted, provenance, sample_files
from listi.files import DataError
from listi.probing import protocol

HERE = [str(folder) for folder in Path(__file__).parents[:2]]
PARAMETERS = {"nx": 4, "ny": 4, "seed": 7}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Bytes of a file with all that a sample has."""
    path = tmp_path_factory.mktemp("complete") / "sample_0003.nc"
    network = honeycomb(4, 4)
    sample_files.save_sample(path, network, attrs={"seed": 7, "parameters": PARAMETERS})
    sample_files.add_group(path, "shear", dataset("shear"), {"strain_step": 1e-4})
    sample_files.add_group(path, "probing", dataset("probing", 1), {"grid_x": 5, "r_free": 11.0})
    return path.read_bytes()


@pytest.fixture
def sample(complete, tmp_path):
    """Write that file."""
    path = tmp_path / "sample_0003.nc"
    path.write_bytes(complete)
    return path


def test_what_is_written_is_read(sample):
    read = sample_files.load_sample(sample, expect={"nx": 4, "strain_step": 1e-4, "r_free": 11})
    for field in dataclasses.fields(read.network):
        expected = getattr(honeycomb(4, 4), field.name)
        np.testing.assert_array_equal(getattr(read.network, field.name), expected)
    xr.testing.assert_equal(read.shear, dataset("shear"))
    assert read.shear.stress.attrs == {"units": "1", "long_name": "made up"}
    assert read.shear.attrs["cell"] == [20.0, 24.0]
    assert read.probing.attrs["parameters"] == {"grid_x": 5, "r_free": 11.0}
    assert read.predictions is None
    assert read.attrs["parameters"] == PARAMETERS
    assert {"seed", "versions", "commit", "created", "schema"} <= read.attrs.keys()


def test_what_is_done_to_a_sample_is_not_done_to_the_file_or_to_the_next_reader(sample):
    made = sample_files.load_sample(sample)
    name = next(iter(made.probing.data_vars))
    kept = made.probing[name].values.copy()
    made.probing[name].values[:] = 0
    made.probing.attrs["parameters"]["r_free"] = 0.0
    again = sample_files.load_sample(sample)
    np.testing.assert_array_equal(again.probing[name], kept)
    assert np.any(kept != 0)
    assert again.probing.attrs["parameters"]["r_free"] == 11.0


def test_file_is_plain_netcdf_and_read_as_xarray_reads_it(sample):
    _, groups = netcdf.read(sample)
    with xr.open_datatree(sample, decode_times=False) as tree:
        assert set(tree.children) == {"network", "shear", "probing"}
        assert tree["network/positions"].attrs["units"] == "angstrom"
        for name, child in tree.children.items():
            there = child.to_dataset(inherit=False).load()
            xr.testing.assert_identical(groups[name].drop_attrs(deep=False), there.drop_attrs(deep=False))
            assert set(groups[name].attrs) == set(there.attrs)
            assert all(groups[name][one].dtype == there[one].dtype for one in there.variables)


def test_texts_numbers_and_switches_come_back(tmp_path):
    attrs = {"units": "1", "long_name": "made up"}
    made = xr.Dataset(
        {
            "threshold_gcn": (("x", "y"), np.full((2, 2), np.nan, "f4"), attrs),
            "empty": (("n", "x"), np.empty((0, 2), "i4"), attrs),
            "flag": ("x", np.array([True, False]), attrs),
            "model": ("x", ["lstm", "gcn"], attrs),
            "grey": ("x", np.array([0, 255], "u1"), attrs),
            "one": ((), 3.5, attrs),
            "alone": ("k", np.array([7]), attrs | {"range": np.array([0.0, 1.0])}),
        },
        {"x": ("x", [0.0, 1.5], {"units": "angstrom"}), "place": ("x", ["a", "b"])},  # y, n and k have no coordinate
    )
    path = tmp_path / "a.nc"
    sample_files.save_sample(path, honeycomb(2, 2), predictions=made, attrs={"seed": 1})
    read = sample_files.load_sample(path).predictions
    xr.testing.assert_equal(read, made)
    assert all(read[name].dtype == made[name].dtype for name in made.variables)
    np.testing.assert_array_equal(read.alone.attrs["range"], [0.0, 1.0])


def test_checksums_cover_data_not_time_and_parameters(sample, tmp_path):
    sums = sample_files.variable_checksums(sample)
    other = tmp_path / "again" / sample.name
    sample_files.save_sample(other, honeycomb(4, 4), attrs={"seed": 7, "created": "yesterday"})
    sample_files.add_group(other, "probing", dataset("probing", 1), {"workers": 2})
    changed, renamed = dataset("shear"), dataset("shear")
    changed.stress[0, 0] = np.nextafter(changed.stress[0, 0], 2)
    renamed.stress.attrs["units"] = "2"
    for shear, differing in ((dataset("shear"), set()), (changed, {"shear/stress"}), (renamed, {"shear/stress"})):
        sample_files.add_group(other, "shear", shear, {})
        assert {name for name, _ in sample_files.variable_checksums(other).items() ^ sums.items()} == differing


def test_a_file_that_other_programs_edited_is_read_and_damage_to_it_is_found(sample, tmp_path):
    with h5py.File(sample, "r+") as file:  # in place
        file["shear/stress"][0, 0] = 7.0
        file["shear"].attrs["note"] = "edited"
    edited = sample_files.load_sample(sample)
    assert edited.shear.stress[0, 0] == 7.0
    assert edited.shear.attrs["note"] == "edited"
    assert sample_files.verify(sample) == {sample: ""}
    rewritten = tmp_path / "rewritten.nc"
    with xr.open_datatree(sample) as tree:
        tree.to_netcdf(rewritten, engine="h5netcdf")
    again = sample_files.load_sample(rewritten)
    xr.testing.assert_identical(again.shear, edited.shear)
    xr.testing.assert_identical(again.probing, edited.probing)
    assert again.attrs == {**edited.attrs, "name": "rewritten.nc"}
    whole = rewritten.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole + b"x"):
        rewritten.write_bytes(damaged)
        refused(rewritten, "altered since it was written, cut off, or not NetCDF")


def test_has_group_means_these_parameters_and_this_code(sample, monkeypatch):
    assert sample_files.has_group(sample, "network", PARAMETERS)
    assert sample_files.has_group(sample, "shear", {"strain_step": 1e-4})
    assert not sample_files.has_group(sample, "shear", {"strain_step": 2e-4})
    assert not sample_files.has_group(sample, "predictions", {})
    assert not sample_files.has_group(sample.with_name("none.nc"), "network", PARAMETERS)
    monkeypatch.setitem(sample_files.ALGORITHMS, "shear", 99)
    assert not sample_files.has_group(sample, "shear", {"strain_step": 1e-4})


def test_each_group_keeps_its_own_record(sample, monkeypatch):
    """Adding a group leaves what the others recorded when they were made."""
    before = sample_files.load_sample(sample)
    monkeypatch.setattr(provenance, "provenance", lambda: {"commit": "later", "created": "later"})
    sample_files.add_group(sample, "probing", dataset("probing", 2), {"r_free": 11.0})
    after = sample_files.load_sample(sample)
    assert after.probing.attrs["commit"] == "later"
    assert after.probing.attrs["parameters"] == {"r_free": 11.0}
    for key in ("commit", "created", "versions", "parameters", "algorithm"):
        assert after.shear.attrs[key] == before.shear.attrs[key] != "later"
        assert after.attrs[key] == before.attrs[key] != "later"


def test_a_map_that_was_stored_before_its_protocol_was_recorded_has_that_of_the_chain(sample, glass):
    probing = listi.probe(glass, grid=(2, 1), r_free=7.0, workers=1)
    for name in ("tether", "max_strain", "tolerance", "every_step", "potential"):
        del probing.attrs[name]
    path = sample.with_name("old.nc")
    sample_files.save_sample(path, glass, probing=probing)
    with pytest.raises(ValueError, match="^probing: does not say its max_strain"):
        protocol.read_protocol(sample_files.load_sample(path).probing, glass.cell)
    sample_files.add_group(path, "probing", probing, {"grid_x": 2, "grid_y": 1, "r_free": 7.0})
    settings = protocol.read_protocol(sample_files.load_sample(path).probing, glass.cell)[1]
    assert (settings.r_free, settings.tether, settings.tolerance) == (7.0, 0.0, 1e-10)
    soft = listi.probe(glass, grid=(2, 1), r_free=6.0, tether=3.0, workers=1)
    sample_files.save_sample(path, glass, probing=soft)
    assert protocol.read_protocol(sample_files.load_sample(path).probing, glass.cell)[1].tether == 3.0


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({"nx": 6}, "made from nx = 4; 6 is wanted"),
        ({"strain_step": 2e-4}, "made from strain_step = 0.0001; 0.0002 is wanted"),
        ({"gcn_epochs": 30}, "does not record gcn_epochs; 30 is wanted"),
    ],
)
def test_sample_of_other_parameters_is_refused(sample, expect, message):
    with pytest.raises(DataError, match=message):
        sample_files.load_sample(sample, expect=expect)


def refused(path, message=None):
    """Assert that reading and verifying both find the file wrong, and that it is not used."""
    with pytest.raises(DataError, match=message) as refusal:
        sample_files.load_sample(path)
    assert str(path) in str(refusal.value)
    assert sample_files.verify(path.parent)[path] == str(refusal.value)
    assert not sample_files.has_group(path, "network", PARAMETERS)


@pytest.mark.parametrize("kind", ["flipped byte", "cut off", "longer", "other block"])
def test_damage_is_found_wherever_it_is(sample, kind):
    whole = sample.read_bytes()
    for seed in range(40):
        numbers = random.Random(f"{kind} {seed}")
        place = numbers.randrange(len(whole))
        if kind == "flipped byte":
            damaged = bytearray(whole)
            damaged[place] ^= 1 << numbers.randrange(8)
        elif kind == "cut off":
            damaged = whole[:place]
        elif kind == "longer":
            damaged = whole + numbers.randbytes(1 + place % 99)
        else:
            damaged = bytearray(whole)
            damaged[place : place + 64] = bytes(len(damaged[place : place + 64]))
            if damaged == whole:
                continue
        sample.write_bytes(damaged)
        refused(sample)


@pytest.mark.parametrize(
    ("group", "variable"),
    [(g, v) for g in ("network", "shear", "probing") for v in sample_files.GROUPS[g]],
)
def test_missing_variable_is_named(sample, group, variable):
    attrs, groups = netcdf.read(sample)
    netcdf.write(sample, {**groups, group: groups[group].drop_vars(variable)}, attrs)
    refused(sample, f"variable {variable} of group {group} is missing")


def test_other_schema_missing_units_and_foreign_data_are_named(sample):
    attrs, groups = netcdf.read(sample)
    netcdf.write(sample, groups, {**attrs, "schema": 3})
    refused(sample, "schema 3; this version reads schema 2")
    netcdf.write(sample, {**groups, "notes": groups["shear"]}, attrs)
    refused(sample, "group notes is unknown")
    netcdf.write(sample, {"shear": groups["shear"]}, attrs)
    refused(sample, "group network is missing")
    del groups["shear"].stress.attrs["units"]
    netcdf.write(sample, groups, attrs)
    refused(sample, "variable stress of group shear has no units")
    xr.Dataset({"a": 1}).to_netcdf(sample, engine="h5netcdf")
    refused(sample, "schema None; this version reads schema 2")
    sample.write_bytes(b"no NetCDF at all")
    refused(sample, "cut off, or not NetCDF")


def test_saving_what_cannot_be_read_back_is_refused(tmp_path):
    bare = dataset("probing").drop_vars("threshold")
    with pytest.raises(DataError, match="variable threshold of group probing is missing"):
        sample_files.save_sample(tmp_path / "a.nc", honeycomb(2, 2), probing=bare)
    with pytest.raises(DataError, match="cannot be stored"):
        odd = dataset("probing").assign_attrs(model=object())
        sample_files.save_sample(tmp_path / "a.nc", honeycomb(2, 2), probing=odd)
    assert not list(tmp_path.iterdir())


def test_json_is_read_back_and_any_changed_value_is_found(tmp_path):
    path, values = tmp_path / "a.json", {"goodness": 0.1, "grid": [0, 1, 2], "of": {"x": None}}
    files.write_json(path, {"goodness": np.float64(0.1), "grid": np.arange(3), "of": {"x": np.nan}})
    assert files.read_json(path) == values
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if whole[place : place + 1].isspace() or values.items() <= _read_anyway(path).items():
            continue  # only the layout, or the word "checksum"
        with pytest.raises(DataError, match=str(path)):
            files.read_json(path)
        path.write_bytes(whole[:place])
        if place < len(whole) - 1:  # the last line may end without its newline
            assert sample_files.verify(tmp_path)[path]


def _read_anyway(path):
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return {}


def test_json_has_no_nan_and_one_written_by_hand_is_read(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"rows": [{"r": float("nan")}, {"r": np.float64("inf")}, {"r": 1.5}]})
    assert "NaN" not in path.read_text() and "Infinity" not in path.read_text()
    assert files.read_json(path) == {"rows": [{"r": None}, {"r": None}, {"r": 1.5}]}
    path.write_text('{"train": ["a.nc"]}')
    assert files.read_json(path) == {"train": ["a.nc"]}
    path.write_text("[1, 2]")
    with pytest.raises(DataError, match="not a JSON mapping"):
        files.read_json(path)


def test_checksums_of_a_folder_that_ships(sample):
    folder = sample.parent
    (folder / "figure.png").write_bytes(b"picture")
    (folder / "README.md").write_text("what this is")
    files.write_checksums(folder)
    subprocess.run(["sha256sum", "--check", "--quiet", files.SUMS], cwd=folder, check=True)
    assert not any(sample_files.verify(folder).values())
    (folder / "figure.png").write_bytes(b"pictures")
    (folder / "README.md").unlink()
    (folder / "new.txt").write_text("new")
    wrong = {path.name: problem for path, problem in sample_files.verify(folder).items() if problem}
    assert wrong.keys() == {"figure.png", "README.md", "new.txt"}
    assert "altered" in wrong["figure.png"] and "missing" in wrong["README.md"]
    assert {path.name for path, problem in sample_files.verify(folder).items() if problem} == wrong.keys()  # still
    files.update_checksums(folder, [folder / "new.txt"])
    wrong = {path.name: problem for path, problem in sample_files.verify(folder).items() if problem}
    assert wrong.keys() == {"figure.png", "README.md"}  # not listed anew
    sums = folder / files.SUMS
    sums.write_text(sums.read_text()[:-3] + "\n1")
    assert any(sample_files.verify(folder).values())
    with pytest.raises(DataError, match=f"{sums}: cannot be read"):
        files.update_checksums(folder, [folder / "new.txt"])


def test_a_folder_with_nothing_to_check_is_an_error(tmp_path):
    for prepare in (lambda: None, lambda: (tmp_path / "figure.png").write_bytes(b"picture")):
        prepare()
        with pytest.raises(DataError, match=f"{tmp_path}: nothing to check"):
            sample_files.verify(tmp_path)


def test_writing_follows_links_and_keeps_permissions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("target").write_text("old")
    Path("target").chmod(0o640)
    Path("link").symlink_to("target")
    files.write_bytes("link", b"new")
    assert Path("link").is_symlink() and Path("target").read_text() == "new"
    assert stat.S_IMODE(Path("target").stat().st_mode) == 0o640
    Path("dangling").symlink_to("later")
    files.write_bytes("dangling", b"new")
    assert Path("later").read_text() == "new"
    for mask in (0o077, 0o002):
        before = os.umask(mask)
        try:
            files.write_bytes(f"{mask}", b"new")
        finally:
            os.umask(before)
        assert stat.S_IMODE(Path(f"{mask}").stat().st_mode) == 0o666 & ~mask
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    files.write_bytes("~/mine/glass", b"new")
    assert (tmp_path / "home" / "mine" / "glass").is_file() and not Path("~").exists()
    for name in ("n" * 255, "é" * 127):
        files.write_bytes(name, b"new")
        assert Path(name).read_bytes() == b"new"
    assert not list(tmp_path.rglob("*.part"))


def test_pipes_devices_and_folders_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/null")):
        before = path.stat().st_mode
        with pytest.raises(DataError, match=f"{path}: cannot be written: it is a folder, pipe or device"):
            files.write_bytes(path, b"new")
        assert path.stat().st_mode == before
    (tmp_path / "mine").write_bytes(b"old")
    (tmp_path / "mine").chmod(0o444)
    if os.geteuid():  # root may write it
        with pytest.raises(DataError, match="it is read-only"):
            files.write_bytes(tmp_path / "mine", b"new")
        assert (tmp_path / "mine").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("module", "function", "number"),
    [(Path, "mkdir", errno.EROFS), (os, "fsync", errno.ENOSPC), (os, "replace", errno.EIO)],
)
def test_read_only_folder_and_full_disk(sample, monkeypatch, module, function, number):
    before = sample.read_bytes()

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, function, fail)
    with pytest.raises(DataError, match=f"{sample}: cannot be written: {os.strerror(number)}"):
        sample_files.add_group(sample, "shear", dataset("shear", 5), {})
    assert sample.read_bytes() == before and list(sample.parent.iterdir()) == [sample]


def test_write_that_really_fails_midway(sample):
    before = sample.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limit[1]))
    try:
        with pytest.raises(DataError, match="cannot be written: File too large; what was there is"):
            sample_files.add_group(sample, "shear", dataset("shear", 5), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert sample.read_bytes() == before and list(sample.parent.iterdir()) == [sample]


def test_predictions_for_another_grid_are_left_out(tmp_path, monkeypatch):
    path, network = tmp_path / "samples" / "a.nc", honeycomb(4, 4)
    structure = predicted.structure_of(network)
    predicted.write(predicted.file_of(path, "gcn"), {"a.nc": (structure, np.ones((3, 2)))}, {}, "made up")
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    for shape in ((3, 2), (2, 3), (4, 5)):
        coords = {name: (name, np.arange(float(n)), {"units": "angstrom"}) for name, n in zip("xy", shape, strict=True)}
        sample_files.save_sample(path, network, probing=dataset("probing", 1, shape).assign_coords(coords))
        for same in (path, path.name):
            predictions = sample_files.load_sample(same).predictions
            assert (predictions is not None) == (shape == (3, 2))


def test_a_checkout_is_found_from_below_and_folders_of_the_same_names_are_not_taken_for_one(tmp_path, monkeypatch):
    own, checkout = tmp_path / "mine", tmp_path / "checkout"
    for folder in (own, checkout):
        (folder / "data" / "paper").mkdir(parents=True)
        (folder / "notebooks" / "results").mkdir(parents=True)
        (folder / "notebooks" / "01_explore.ipynb").write_text("{}")
    (own / "pyproject.toml").write_text('[project]\nname = "my_analysis"\ndependencies = ["listi"]\n')
    (checkout / "pyproject.toml").write_text('[project]\nname = "listi"\n')
    for elsewhere in (own, own / "notebooks"):
        monkeypatch.chdir(elsewhere)
        assert files.repository() == files.PACKAGE.parent
    monkeypatch.setattr(files, "PACKAGE", own / "listi")  # installed
    with pytest.raises(DataError, match="not in a clone of the repository of listi, which"):
        files.shipped()
    monkeypatch.chdir(checkout / "notebooks" / "results")
    assert files.shipped() == checkout / "data" / "paper"
    assert notebooks.root() == checkout


def test_second_holder_of_a_folder_is_told_who_has_it(tmp_path):
    with files.locked(tmp_path):
        assert files.is_locked(tmp_path)
        refusal = pytest.raises(DataError, match=f"in use by process {os.getpid()} on")
        with refusal, files.locked(tmp_path):
            pass
    assert not files.is_locked(tmp_path)


WATCH = "import sys; from listi import files\nprint(flush=True)\nwhile True: files.is_locked(sys.argv[1])"


def test_a_folder_can_be_held_while_others_ask_whether_it_is(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WATCH, str(tmp_path)], stdout=subprocess.PIPE) as watcher:
        watcher.stdout.readline()
        try:
            for _ in range(200):
                with files.locked(tmp_path):
                    assert files.is_locked(tmp_path)
        finally:
            watcher.kill()


KILLED = """
    import os, random, signal, sys, time
    sys.path[:0] = sys.argv[2:]
    from pathlib import Path
    from test_sample_files import make_samples
    from listi import files
    from listi.compendium import sample_files
    folder = sys.argv[1]
    kills, numbers = 0, random.Random(1)
    while True:
        child = os.fork()
        if child == 0:
            make_samples(folder)
            os._exit(0)
        if kills < 20:
            time.sleep(numbers.uniform(0.0, 0.1))
            os.kill(child, signal.SIGKILL)
            kills += 1
        status = os.waitpid(child, 0)[1]
        found = sample_files.verify(folder) if any(Path(folder).glob("*.nc")) else {}
        assert not any(found.values()), found
        if kills == 20 and status == 0:
            break
    files.remove_unfinished(folder)
"""


def make_samples(folder):
    """Make samples as a run does: only what is not there yet."""
    for number in range(8):
        path = files.Path(folder) / f"sample_{number:04d}.nc"
        if not sample_files.has_group(path, "network", {"number": number}):
            network = honeycomb(4, 4, (0.01 * number, 0))
            sample_files.save_sample(path, network, attrs={"parameters": {"number": number}})
        if not sample_files.has_group(path, "shear", {}):
            sample_files.add_group(path, "shear", dataset("shear", number, (60, 40)), {})


def test_killed_at_twenty_moments_ends_as_if_it_had_not_been(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(killed), *HERE]
    subprocess.run(script, check=True, timeout=100)
    make_samples(whole)
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in killed.iterdir()) == names
    for name in names:
        one, other = (sample_files.variable_checksums(folder / name) for folder in (killed, whole))
        assert one == other
