"""The lines of the README run on a glass as they stand."""

import re
from pathlib import Path

import numpy as np

import listi
from listi import generate

README = Path(__file__).resolve().parents[1] / "README.md"


def code_of(heading):
    section = README.read_text("utf-8").split(f"## {heading}\n")[1].split("##")[0]
    return "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))


def test_other_programs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    glass = generate(10, 10, seed=1)
    names = {"listi": listi, "silicon": glass.positions[glass.silicon], "cell": glass.cell}
    exec(compile(code_of("With other programs"), "README.md", "exec"), names | {"mine": lambda network: np.eye(4)})
    assert {path.name for path in tmp_path.iterdir()} == {"sample.xyz", "glass.data", "glass.table", "glass.in"}


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    code = code_of("On your own glass")
    assert len(code.splitlines()) <= 10
    glass = generate(10, 10, seed=1)
    edges = re.search(r"np\.array\((\[[^]]+\])\)", code).group(1)
    code = code.replace(edges, str(glass.cell.tolist()))
    code = code.replace("grid=(50, 50)", "grid=(3, 3)").replace("n_events=6", "n_events=1")
    monkeypatch.chdir(tmp_path)
    names = {name: getattr(glass, name) for name in ("positions", "species", "bonds")}
    exec(compile(code, "README.md", "exec"), names)
    assert names["probed"].threshold.shape == (3, 3)
    assert np.isfinite(names["predicted"].threshold).all()
    assert "event" in capsys.readouterr().out
