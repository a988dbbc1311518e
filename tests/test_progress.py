"""Bars: on a terminal at once, in a notebook for long work only, and nowhere else; what takes long has them."""

import io
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import listi
from listi import progress
from listi.compendium import notebooks, sample_files
from listi.learning import predict


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    """What `sys.stderr` is in a notebook."""

    __module__ = "ipykernel.iostream"


@pytest.mark.parametrize(
    ("stream", "pause", "shown"),
    [(Terminal, 0, True), (Notebook, 0, False), (Notebook, 0.2, True), (io.StringIO, 0.2, False)],
)
def test_a_bar_is_shown_on_a_terminal_at_once_and_in_a_notebook_after_a_time(stream, pause, shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr(progress, "DELAY", 0.1)
    with progress.progress("probing", 3) as bar:
        time.sleep(pause)
        bar.update()
        assert ("probing" in sys.stderr.getvalue()) == shown
    assert sys.stderr.getvalue().rpartition("\r")[2].strip() == ""  # it is removed


def test_other_threads_show_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    thread = threading.Thread(target=lambda: progress.progress("probing", 3).close())
    thread.start()
    thread.join()
    assert sys.stderr.getvalue() == ""


def test_notebooks_that_the_chain_executes_have_no_bars():
    code = (
        "import io, sys\nfrom listi import progress\nprogress.DELAY = 0.0\n"
        "sys.stderr = type('OutStream', (io.StringIO,), {'__module__': 'ipykernel.iostream'})()\n"
        "progress.progress('probing', 3).close()\nprint(len(sys.stderr.getvalue()))"
    )
    for environment, is_shown in ((notebooks._environment(), False), (dict(os.environ), True)):
        environment["PYTHONPATH"] = notebooks._environment()["PYTHONPATH"]
        printed = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert (int(printed.stdout) > 0) == is_shown


def outputs(model, x, signs, bar):
    bar.update(len(x))
    return np.zeros(len(x))


@pytest.mark.parametrize("label", ["generating", "deforming", "predicting", "verifying"])
def test_what_takes_long_shows_a_bar(label, glass, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "outputs", outputs)
    (tmp_path / "any.json").write_text("{}")
    work = {
        "generating": lambda: listi.generate(8, 10),
        "deforming": lambda: listi.deform(glass, strain_step=1e-3, max_strain=2e-3),
        "predicting": lambda: predict.thresholds(None, np.zeros(5), mirror=True),
        "verifying": lambda: sample_files.verify(tmp_path),
    }
    monkeypatch.setattr(sys, "stderr", Terminal())  # not in a fixture: pytest sets it anew before the test
    work[label]()
    assert label in sys.stderr.getvalue()
