"""The Python blocks of the README run as they are printed, and print and draw what it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```(?:[^`]*```text\n(.*?)```)?", README, re.DOTALL)
NUMBER = re.compile(r"-?\d+\.\d*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the blocks leave their files."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize(("code", "printed"), BLOCKS)
def test_a_block_runs_by_itself_and_prints_what_the_readme_says(code, printed, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert printed and NUMBER.sub("#", said).split() == NUMBER.sub("#", printed).split()
    values = [np.array(NUMBER.findall(text), dtype=float) for text in (said, printed)]
    np.testing.assert_allclose(*values, atol=0.015)  # predictions agree within rounding, which may tip a digit


def test_the_picture_is_what_the_first_block_draws(folder):
    shipped, drawn = (Image.open(place / "sample_46.png") for place in (ROOT / "paper_figures", folder))
    assert shipped.size == drawn.size
    difference = np.abs(np.asarray(shipped, dtype=float) - np.asarray(drawn, dtype=float))
    assert difference.mean() < 1.0


def test_the_first_example_is_short():
    assert len(BLOCKS[0][0].splitlines()) <= 12 and "sample_46.png" in README
    assert {path.split(".")[-1] for path in re.findall(r"\]\(((?!http)[^)]+)\)", README)} <= {"png", "webp"}
    for path in re.findall(r"\]\(((?!http)[^)]+)\)|href=\"([^\"]+)\"", README):
        assert (ROOT / "".join(path)).is_file()
