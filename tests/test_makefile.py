"""`make lab` serves the whole repository, for whoever runs it; `make demo` and `make all` run the notebooks."""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from listi.compendium import kernels

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def server(tmp_path):
    """Address and token of the server that the command of `make lab` starts."""
    shown = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    _, *arguments = shlex.split(shown.splitlines()[-1])
    command = [sys.executable, "-m", "jupyter", *arguments, "--no-browser", "--ServerApp.port=0"]
    runtime = tmp_path / "runtime"
    settings = {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while not (found := list(runtime.glob("jpserver-*.json"))):
            assert process.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
            time.sleep(0.2)
        yield json.loads(found[0].read_text())
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(("target", "command"), [("demo", "listi run --only 00-11"), ("all", "listi run")])
def test_notebooks_are_run(target, command):
    shown = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1].endswith(f"python -m {command}")


def test_kernels_are_compiled_with_the_environment(monkeypatch):
    shown = subprocess.run(["make", "-n", ".venv"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "python -m listi.compendium.kernels" in shown
    called = []
    for name in ("generate", "probe", "trace", "deform"):
        monkeypatch.setattr(kernels, name, lambda *_, name=name, **settings: called.append(name))
    kernels.compile_probing()
    kernels.compile_generation()
    assert sorted(called) == ["deform", "generate", "probe", "trace"]


def test_lab_serves_notebooks_and_data(server):
    for path in ("notebooks/00_index.ipynb", "data/paper/samples", "paper_figures/explorer.html"):
        address = f"{server['url']}api/contents/{path}?content=0&token={server['token']}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert json.load(answer)["path"] == path
