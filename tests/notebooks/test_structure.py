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
from listi.figures import __all__ as drawn
from listi.figures import published
from listi.figures.paper import FIGURES
from listi.generation.generate import TARGET_RING_STATISTICS

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
    assert len(PATHS) >= 12
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
    assert set(saved) <= {*drawn, *FIGURES}


# Numbers in the text of notebooks that are no results of theirs, with where they come from.
CITED = {
    "01_samples": {44.8, 15.9, 0.32},  # rings of the patch of Lichtenstein et al., as they counted it
    "11_imaged_glass": {3.05},  # Si-Si [Å], to which the paper scales its patch
    "18_glasses": {0.23, 0.25, 3.011, 0.024, 1.508, 0.013, 2.593, 0.180, 0.5, 3.2, 4.3, 6.7, 0.13, 0.2},  # the authors'
    "24_reach": {1.03},  # of the patch of notebook 11
    "19_lennard_jones": {2.5},  # cutoff of Barbot et al. [diameters]
}
KNOWN = {
    95.0,
    *published.CORRELATION.values(),
    *published.SEEN_FIRST_EVENT.values(),
    *published.UNSEEN_FIRST_EVENT.values(),
    *(100 * p for p in TARGET_RING_STATISTICS.values()),
}
MEASURED = re.compile(r"(?<![\w.,-])(\d+\.\d+|\d+(?= %))(?![\w.]*\d)")  # with a decimal point, or in per cent
ANY = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")
NO_PROSE = (r"\$[^$]*\$", r"`[^`]*`", r"\]\([^)]*\)", r"(?m)^    .*$", r"version \d\.\d", r"BY-SA \d\.\d", r"doi \S+")


@EVERY
def test_measured_numbers_in_the_text_are_those_that_the_code_shows(path):
    shown = [source(cell) + printed(cell) for cell in code_cells(path)]
    known = {abs(float(number)) for text in shown for number in ANY.findall(text)} | KNOWN | CITED.get(path.stem, set())
    for cell in read(path)["cells"]:
        text = source(cell) if cell["cell_type"] == "markdown" else ""
        for pattern in NO_PROSE:
            text = re.sub(pattern, "", text)
        for number in MEASURED.findall(text):
            digits = len(number.partition(".")[2])
            found = any(float(number) in (round(one, digits), round(100 * one, digits)) for one in known)
            assert found, f"{number}: in the text, but not in what the code shows"


def test_every_figure_of_the_paper_has_its_notebook():
    promised = [name for path in PATHS for name in read(path)["metadata"]["listi"]["figures"]]
    assert sorted(promised) == sorted(f"fig{n}" for n in range(1, 11))
