"""The ten lines of the README run on a glass as they stand."""

import re
from pathlib import Path

import numpy as np

from listi import generate
from listi.learning import models

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    text = README.read_text("utf-8")
    section = text.split("## On your own glass")[1].split("##")[0]
    code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    assert len(code.splitlines()) <= 10
    glass = generate(10, 10, seed=1)
    edges = re.search(r"np\.array\((\[[^]]+\])\)", code).group(1)
    code = code.replace(edges, str(glass.cell.tolist()))
    code = code.replace("grid=(50, 50)", "grid=(3, 3)").replace("n_events=6", "n_events=1")
    monkeypatch.chdir(tmp_path)
    model = Path(re.search(r'model="(.+?)"', code).group(1))
    model.parent.mkdir(parents=True)
    models.save(models.build("lstm", units=2), model)
    names = {name: getattr(glass, name) for name in ("positions", "species", "bonds")}
    exec(compile(code, "README.md", "exec"), names)
    assert names["probed"].threshold.shape == (3, 3)
    assert np.isfinite(names["predicted"].threshold).all()
    assert "event" in capsys.readouterr().out
