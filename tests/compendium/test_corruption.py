"""200 seeded corruptions of stored files of every kind: found by verify, refused by readers."""

import io
import json
import random
import zipfile
from types import SimpleNamespace

import pytest
from handmade import dataset, honeycomb

from listi import files
from listi.compendium import chain, data_set, netcdf, sample_files, trained
from listi.learning import models

LOSSES = {"loss": [1.0, 0.5], "validation_loss": [1.0, 0.7], "made_from": {"seed": 3}}


def read_chain(path):
    """What the chain does with the record of a step: without a whole one it runs the step."""
    if not chain.record_of(path.parents[1], SimpleNamespace(number=path.stem)):
        raise files.DataError(f"{path}: not taken")


READERS = {
    "data/samples/sample_0000.nc": sample_files.load_sample,
    "data/samples/sample_0001.nc": sample_files.load_sample,
    f"data/{data_set.PATCH}": sample_files.load_sample,
    f"data/{data_set.SPLIT}": lambda path: data_set.read_split(path.parent),
    f"data/{data_set.TRACE}": files.read_json,
    "data/models/lstm.keras": models.load,
    "data/models/lstm.json": lambda path: trained.history_of(path.with_suffix(".keras")),
    "parameters.json": files.read_json,
    "chain/01.json": read_chain,
    "chain/02.json": read_chain,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One file of every kind that a run of the chain leaves."""
    folder = tmp_path_factory.mktemp("results")
    for number, name in enumerate(list(READERS)[:3]):
        path, network = folder / name, honeycomb(4, 4, (0.1 * number, 0))
        sample_files.save_sample(path, network, dataset("shear"), dataset("probing", number))
    sets = data_set.split(folder / "data", train=1, validation=1, test=0, extra_test=0)
    data_set.write_split(folder / "data", sets)
    files.write_json(folder / "data" / data_set.TRACE, {"stress": [0.1, 0.2], "r_free": 11.0})
    models.save(models.build("lstm", units=2), folder / "data/models/lstm.keras")
    files.write_json(folder / "data/models/lstm.json", LOSSES)
    files.write_json(folder / "parameters.json", {"profile": "demo", "parameters": {"nx": 20}})
    for number in ("01", "02"):
        files.write_json(folder / "chain" / f"{number}.json", {"state": "running", "made": {}})
    return folder


def flip(path, numbers):
    data = bytearray(path.read_bytes())
    data[numbers.randrange(len(data))] ^= 1 << numbers.randrange(8)
    path.write_bytes(data)


def cut_off(path, numbers):
    path.write_bytes(path.read_bytes()[: numbers.randrange(path.stat().st_size)])


def lose_block(path, numbers):
    data = path.read_bytes()
    place = numbers.randrange(len(data) - 16)
    path.write_bytes(data[:place] + data[place + 16 :])


def lose_variable(path, numbers):
    attrs, groups = netcdf.read(path)
    group = numbers.choice(["network", "shear", "probing"])
    without = groups[group].drop_vars(numbers.choice(sample_files.GROUPS[group]))
    netcdf.write(path, {**groups, group: without}, attrs)


def other_schema(path, numbers):
    attrs, groups = netcdf.read(path)
    netcdf.write(path, groups, {**attrs, "schema": numbers.choice([0, 3, "2"])})


def unharmed(path, whole):
    """Whether a damaged file has the same content: only the layout of JSON, or dates in a zip file are others."""
    if path.suffix == ".json":
        try:
            values = json.loads(whole)
            del values["checksum"]
            return values.items() <= json.loads(path.read_text("utf-8")).items()
        except (ValueError, AttributeError):
            return False
    return path.suffix == ".keras" and members(path.read_bytes()) == members(whole)


def members(data):
    """Contents of a zip file by name; None if it is not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return {name: file.read(name) for name in file.namelist()}
    except Exception:  # whatever zipfile finds wrong
        return None


def test_200_corruptions_are_found_and_refused(results):
    paths = [results / name for name in READERS]
    for path, read in zip(paths, READERS.values(), strict=True):
        assert sample_files.verify(path) == {path: ""}
        read(path)
    for seed in range(200):
        numbers = random.Random(seed)
        path = paths[seed % len(paths)]
        kinds = [flip, cut_off, lose_block]
        kinds += [lose_variable, other_schema] if path.suffix == ".nc" else []
        damage, whole = numbers.choice(kinds), path.read_bytes()
        damage(path, numbers)
        if path.read_bytes() == whole or unharmed(path, whole):
            path.write_bytes(whole)
            continue
        assert sample_files.verify(path)[path], (seed, damage.__name__)
        with pytest.raises(files.DataError, match=path.name):
            READERS[path.relative_to(results).as_posix()](path)
        if seed % 20 == 0:
            assert [p for p, problem in chain.verify(results).items() if problem] == [path]
        path.write_bytes(whole)
    assert not any(chain.verify(results).values())
