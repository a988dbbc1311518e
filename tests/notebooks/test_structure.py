"""What every notebook has in common: place in the chain, cells, outputs fit to be committed.

That their outputs are what the code prints is tested by nbval, which `make test` runs over the
folder.
"""

import json
import re
from pathlib import Path

import pytest

from listi.compendium import notebooks, parameters
from listi.compendium.profiles import profile
from listi.figures.paper import FIGURES

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
EVERY = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
PLACE = re.compile(r"(?<![\w.])/(home|root|tmp|work|Users|mnt|opt|usr|var|scratch)/|[A-Z]:\\\\")


def read(path):
    return json.loads(path.read_text("utf-8"))


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def printed(cell):
    """All text that a cell shows, pictures left out."""
    texts = []
    for output in cell["outputs"]:
        texts.append("".join(output.get("text", "")))
        for kind, data in output.get("data", {}).items():
            if kind.startswith("text/"):
                texts.append("".join(data))
    return "\n".join(texts)


def test_every_notebook_is_run_by_the_chain_and_by_make_test():
    assert [step.path for step in notebooks.steps(ROOT / "notebooks")] == PATHS
    assert [int(path.stem[:2]) for path in PATHS] == list(range(len(PATHS)))
    recipe = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"pytest\b.*--nbval-lax.*\bnotebooks\b", recipe)


@EVERY
def test_parameters_come_first_one_typed_line_each_with_the_papers_value(path):
    cell = code_cells(path)[0]
    assert tags(cell) == ["parameters"]
    values = parameters.read_cell(source(cell))
    lines = [parameters.line(name, value) for name, value in values.items()]
    assert source(cell).splitlines() == lines
    assert [line for line in lines if line.count("=") != 1] == []  # papermill does not read others


@EVERY
def test_defaults_are_the_demo_profile(path):
    values = parameters.read_cell(source(code_cells(path)[0]))
    demo = profile("demo")
    assert {k: v for k, v in values.items() if k in demo} == {k: demo[k] for k in values if k in demo}
    assert all(values[name].startswith("../results/") for name in parameters.PLACES if name in values)


@EVERY
def test_parameters_are_checked_and_all_are_used(path):
    rest = "\n".join(source(cell) for cell in code_cells(path)[1:])
    assert "parameters.check_notebook(globals())" in rest
    if path.stem != "00_index":  # which lists them all
        names = parameters.read_cell(source(code_cells(path)[0]))
        assert [name for name in names if not re.search(rf"\b{name}\b", rest)] == []


@EVERY
def test_the_last_cell_gives_the_verdict(path):
    cells = read(path)["cells"]
    assert [tags(cell) for cell in cells].count(["nbval-check-output"]) == 1
    assert tags(cells[-1]) == ["nbval-check-output"]
    assert printed(cells[-1]).startswith("verdict: ")


@EVERY
def test_it_says_what_it_takes_makes_and_shows(path):
    first = read(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert source(first).startswith("# ")
    wanted = ["**Takes**", "**Makes**", "**Shows**"]
    if path != PATHS[-1]:
        wanted.append("**Next:**")
        assert f"]({PATHS[PATHS.index(path) + 1].name})" in source(first)
    assert all(word in source(first) for word in wanted)


@EVERY
def test_it_is_thin(path):
    lines = [line for cell in code_cells(path) for line in source(cell).splitlines() if line.strip()]
    assert len(lines) <= 100


@EVERY
def test_committed_outputs_are_whole_and_quiet(path):
    for number, cell in enumerate(code_cells(path), start=1):
        assert cell["execution_count"] == number
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr"


@EVERY
def test_no_place_of_a_machine_in_it(path):
    notebook = read(path)
    texts = [source(cell) for cell in notebook["cells"]] + [printed(c) for c in code_cells(path)]
    assert [text for text in texts if PLACE.search(text)] == []
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "listi"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@EVERY
def test_the_figures_it_promises_are_saved(path):
    about = read(path)["metadata"]["listi"]
    text = "\n".join(source(cell) for cell in code_cells(path))
    saved = re.findall(r'figures\.save\(\w+, figure_dir, "(\w+)"\)', text)
    assert set(about["figures"]) == {name for name in saved if name.startswith("fig")}
    assert len(set(saved)) == len(saved) and {name for name in saved if name.startswith("fig")} <= set(FIGURES)


def test_every_figure_of_the_paper_has_its_notebook():
    promised = [name for path in PATHS for name in read(path)["metadata"]["listi"]["figures"]]
    assert sorted(promised) == sorted(f"fig{n}" for n in range(1, 11))
