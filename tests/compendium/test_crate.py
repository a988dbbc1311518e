"""What archives and those who cite read: RO-Crate, Zenodo, citation file; containers for those who only look."""

import importlib.util
import json
import os
from datetime import date
from pathlib import Path

import pytest
import yaml
from rocrate.rocrate import ROCrate

import listi
from listi import files
from listi.compendium import chain

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("crate", ROOT / "notebooks" / "site" / "crate.py")
crate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(crate)


def test_the_crate_that_ships_names_every_file_of_the_data():
    shipped = ROOT / "data" / "paper"
    read = ROCrate(str(shipped))
    names = {path.relative_to(shipped).as_posix() for path in files.files_in(shipped)} - {crate.CRATE}
    assert {one.id for one in read.get_by_type("File")} - {crate.CRATE} == names
    assert read.root_dataset["license"] == crate.LICENCE
    assert read.root_dataset["version"] == listi.__version__


def test_a_crate_is_the_same_each_time_and_verified(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "gcn.md").write_text("# gcn\n")
    crate.write_crate(tmp_path, date(2026, 1, 2))
    first = (tmp_path / crate.CRATE).read_bytes()
    crate.write_crate(tmp_path, date(2026, 1, 2))
    assert (tmp_path / crate.CRATE).read_bytes() == first
    assert set(chain.verify(tmp_path).values()) == {""}
    (tmp_path / crate.CRATE).write_bytes(first.replace(b"2026", b"2027"))
    assert "differs" in chain.verify(tmp_path)[tmp_path / crate.CRATE]


def test_a_file_of_no_known_kind_is_refused(tmp_path):
    (tmp_path / "notes.docx").write_text("?")
    with pytest.raises(files.DataError, match="notes.docx: no pattern"):
        crate.write_crate(tmp_path, date(2026, 1, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.docx"]


def test_one_title_version_and_licence_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    archived = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    assert cited["version"] == archived["version"] == listi.__version__
    assert cited["title"] == archived["title"]
    assert cited["license"] == archived["license"] == "MIT"
    assert cited["preferred-citation"]["doi"] == archived["related_identifiers"][0]["identifier"]
    assert cited["preferred-citation"]["doi"] in crate.PAPER


def test_containers_make_the_environment_of_the_lock():
    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert made["postCreateCommand"] == "make env"
    lines = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    for line in lines:
        assert (ROOT / ".binder" / line.removeprefix("-r ")).resolve() == ROOT / "requirements.lock"
    assert (ROOT / ".binder" / "runtime.txt").read_text("utf-8").startswith("python-3.1")
    assert os.access(ROOT / ".binder" / "postBuild", os.X_OK)
