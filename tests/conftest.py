"""A small glass and a small chain of notebooks, for every test that needs one."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toy_notebooks import ALONE, DRAW, MAKE, MEASURE, write

import listi
from listi.compendium import notebooks, running


@pytest.fixture(scope="session")
def glass():
    """A glass of 120 rings (600 atoms, 53 x 55 Å) at its energy minimum.

    It is read, so that tests of mechanics and probing do not change with generation. Probes of the tests meet no loop
    narrower than a step on it, where plain shear may miss it; one test in `test_probe` looks at one that does.
    """
    stored = np.load(Path(__file__).with_name("glass.npz"))
    return listi.relax(listi.Network(stored["positions"], stored["species"], stored["bonds"], stored["cell"]))


@pytest.fixture
def shaken(glass):
    """The same glass with every atom moved off its minimum by about 0.03 Å."""
    noise = np.random.default_rng(1).normal(0.0, 0.03, glass.positions.shape)
    return glass.replace(positions=glass.positions + noise)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Make a checkout with four small notebooks and work in it."""
    (tmp_path / "pyproject.toml").write_text('name = "listi"\n')
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # for handmade
    data, figure = "data_dir: str = 'data'  # data", "figure_dir: str = 'figures'  # figures"
    write("01_make", ["seed: int = 0  # seed", data], MAKE, [])
    write("02_measure", ["n_events: int = 6  # events", data], MEASURE, ["01"])
    write("03_draw", [data, figure], DRAW, ["02"])
    write("04_alone", ["alpha: float = 0.3  # alpha"], ALONE, [])
    return tmp_path


@pytest.fixture
def executed(monkeypatch):
    """Execute code cells here instead of in a kernel; note what was executed."""
    log = []

    def execute(template, target, values, on_cell):
        log.append(template.stem)
        places = {name: str(target.parent / values[name]) for name in ("data_dir", "figure_dir") if name in values}
        names, cells = {**values, **places}, []
        for kind, source, tags in notebooks.read_cells(template):
            text = []
            names["print"] = text.append
            if kind == "code" and "parameters" not in tags:
                exec(source, names)
            cells.append(SimpleNamespace(metadata={"tags": tags}, outputs=[{"text": "\n".join(text)}]))
        target.write_text("executed")
        return cells, {}

    monkeypatch.setattr(running, "execute", execute)
    return log
