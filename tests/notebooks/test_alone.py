"""Every notebook runs by itself, on the small data set that ships."""

import json
from pathlib import Path

import nbformat
import papermill
import pytest

from listi.compendium import data_set, making, notebooks, trained
from listi.compendium.profiles import profile

ROOT = Path(__file__).resolve().parents[2]
STEPS = notebooks.steps(ROOT / "notebooks")


@pytest.fixture(scope="module")
def provided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "data"
    data_set.copy_demo_data(folder)
    return folder


def verdict(cells):
    return "".join(output["text"] for output in cells[-1]["outputs"])


@pytest.mark.parametrize("number", ["04", "09"])  # `make test-notebooks` runs all, after those that they need
def test_it_runs_without_those_that_it_needs(number, tmp_path):
    path = next(step.path for step in STEPS if step.number == number)
    where = {"data_dir": str(tmp_path / "made" / "data"), "figure_dir": str(tmp_path / "figures")}
    ran = papermill.execute_notebook(path, None, where, cwd=path.parent, kernel_name="python3", progress_bar=False)
    assert verdict(ran["cells"]) == verdict(nbformat.read(path, 4)["cells"])


def test_all_that_need_data_take_what_ships():
    for step in STEPS:
        code = "".join(source for kind, source, _ in notebooks.read_cells(step.path) if kind == "code")
        assert ("data_set.copy_demo_data(data_dir)" in code) == bool(step.needs), step.name


def test_what_ships_is_what_the_notebooks_would_make(provided):
    demo = profile("demo")
    counts = {role: demo[f"n_{role}"] for role in data_set.ROLES}
    sets = data_set.read_split(provided)
    assert sets == data_set.split(provided, **counts)
    assert not (
        provided / data_set.PATCH
    ).exists()  # made from imaged coordinates, which are no part of this repository
    paths = [path for role in sets.values() for path in role]

    def settings(*names):
        return {name: demo[name] for name in names}

    assert making.generate_all(paths, settings("nx", "ny", "seed", "alpha", "box")) == 0
    assert making.deform_all(paths, settings("strain_step", "max_strain", "n_events", "min_strain"), paths[:5]) == 0
    assert making.probe_all(paths, settings("grid_x", "grid_y", "r_free")) == 0
    for name in data_set.NETWORKS:
        before = trained.model_file(provided, name).read_bytes()
        assert trained.predict_all(provided, name, paths) == 0
        assert trained.model_file(provided, name).read_bytes() == before
        told = json.loads(trained.model_file(provided, name).with_suffix(".json").read_text("utf-8"))
        assert told["made_from"]["epochs"] == demo[f"{name}_epochs"]


def test_data_that_are_there_stay(tmp_path):
    (tmp_path / "data").mkdir()
    data_set.copy_demo_data(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
