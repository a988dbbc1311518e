"""The site: what goes into it, what is done to its pages, and that faults are found. `make site` builds all of it."""

import importlib.util
import json
from pathlib import Path

import nbformat
import pytest
from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks" / "site"
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="  # a PNG
CODE = '''"""Where a glass is weak."""


def probe(grid: int) -> int:
    """Probe where |x| is small, see `probe`."""
    return grid
'''


def load(name):
    spec = importlib.util.spec_from_file_location(f"site_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pytestmark = pytest.mark.filterwarnings("ignore:'myst_parser.*deprecated:PendingDeprecationWarning")
build, conf = load("build"), load("conf")


@pytest.fixture
def root(tmp_path):
    """A small repository: a README, one notebook with a picture and two tables, a model card, a package."""
    table = "<table><tbody>" + "<tr><td>1</td></tr>" * 31 + "</tbody></table>"
    shown = [{"image/png": DOT}, {"text/html": table}, {"text/html": table.replace("<tr><td>1</td></tr>", "", 1)}]
    cells = [
        nbformat.v4.new_markdown_cell("# A notebook\n\nSee `listi.probe`, `01_one`, [itself](01_one.ipynb), $x^2$."),
        nbformat.v4.new_code_cell(
            'raise ValueError  # figures.fig3(goodness), "fig3"',
            outputs=[nbformat.v4.new_output("display_data", data) for data in shown],
        ),
        nbformat.v4.new_code_cell("import listi"),
    ]
    for name in ("notebooks", "data/paper/models", "paper_figures", "listi"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "listi/__init__.py").write_text(CODE)
    start = '![a dot](paper_figures/dot.png), `data/README.md`, <a href="paper_figures/explorer.html">a page</a>'
    (tmp_path / "README.md").write_text(f"# Start\n\n{start}\n\n## On your own glass\n\nProbe it.\n")
    (tmp_path / "paper_figures/explorer.html").write_text("<p>a glass</p>")
    for name in ("data/README.md", "paper_figures/README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        (tmp_path / name).write_text("# Page\n")
    (tmp_path / "data/paper/models/gcn.md").write_text("# Model card\n")
    (tmp_path / "paper_figures/dot.png").write_bytes((ROOT / "paper_figures/fig3.png").read_bytes())
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    python["language_info"]["pygments_lexer"] = "ipython3"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), tmp_path / "notebooks/01_one.ipynb")
    maps = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Maps")], metadata=python)
    nbformat.write(maps, tmp_path / "notebooks/10_maps.ipynb")
    return tmp_path


def make(root):
    """Exit status and folder of a build as `make site` does it, of the repository in `root`."""
    build.stage(root / "site/source", root)
    settings = ["-W", "-n", "-q", "-E", "-c", str(FOLDER), "-D", f"autoapi_dirs={root / 'listi'}"]
    return sphinx([*settings, str(root / "site/source"), str(root / "site/html")]), root / "site/html"


def test_a_small_site_is_whole(root):
    code, html = make(root)
    assert code == 0
    assert build.faults(html) == []
    page = (html / "notebooks/01_one.html").read_text()
    assert f'alt="Fig. 3. {conf.FIGURES["fig3"]}"' in page
    assert page.count("<summary>Table of 31 rows</summary>") == 1
    assert page.count('<details class="admonition hide') == 1  # the code that shows nothing; the short one is open
    assert page.count('class="table-wrapper"') == 2
    assert 'href="../api/listi/index.html#listi.probe"' in page
    assert "<math" in page
    assert "01 A notebook" in page and "Network gcn" in page and "Public names of listi" in page  # contents
    start = (html / "index.html").read_text()
    assert 'href="data/README.html"' in start and 'href="paper_figures/explorer.html"' in start
    assert start.index("<h1>") < start.index('class="doors"') < start.index("a dot")
    assert (html / "paper_figures/explorer.html").read_text() == "<p>a glass</p>"
    assert "Probe where |x| is small" in (html / "api/listi/index.html").read_text()
    notebook = root / "notebooks/01_one.ipynb"
    notebook.write_text(notebook.read_text().replace("See `listi.probe`", "A new sentence on `listi.probe`"))
    assert make(root)[0] == 0  # into the same folder
    assert "A new sentence on" in (html / "notebooks/01_one.html").read_text()


def test_what_leads_nowhere_is_an_error(root, capfd):
    (root / "CHANGELOG.md").write_text("# Changes\n\n[a](gone.md), `listi.gone`, ![a picture](gone.png)\n")
    assert make(root)[0] != 0
    errors = capfd.readouterr().err
    assert all(name in errors for name in ("gone.md", "listi.gone", "gone.png"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="b.html">', "no b.html"),
        ('<a href="#far">', "no #far"),
        ('<a href="c/d.html#far">', "no c/d.html#far"),
        ('<img src="x.png" alt="x">', "no x.png"),
        ('<img src="c/d.html" alt=" ">', "no alt text: c/d.html"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js from the network"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "loads //cdn.example/x.css from the network"),
    ],
)
def test_each_fault_is_found(tmp_path, text, fault):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/d.html").write_text('<p id="here"><a href="../a.html#top">')
    sound = '<p id="top"><a href="c/d.html#here"><a href="https://example.org"><img src="c/d.html" alt="a picture">'
    (tmp_path / "a.html").write_text(sound)
    assert build.faults(tmp_path) == []
    (tmp_path / "a.html").write_text(sound + text)
    assert [one.removeprefix("a.html: ") for one in build.faults(tmp_path) if one.startswith("a.html")][:1] == [fault]


def test_styles_load_nothing(tmp_path):
    (tmp_path / "a.css").write_text("p { background: url('https://example.org/a.png') }")
    assert build.faults(tmp_path) == ["a.css: loads something from the network"]


def test_the_contents_hold_every_page():
    text = build.contents()
    for path in ROOT.glob("notebooks/*.ipynb"):
        assert f"<notebooks/{path.stem}>" in text
    for path in ("data/README", "paper_figures/README", "CONTRIBUTING", "CHANGELOG"):
        assert path in text.splitlines()


def test_every_picture_of_the_notebooks_has_a_text():
    for path in ROOT.glob("notebooks/*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
                assert conf.alt_text("".join(cell["source"]), "the heading above"), path.name
    assert conf.alt_text("figure", "Heading") == "Heading"
