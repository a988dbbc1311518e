"""A small real run killed at twenty seeded moments, started again till done: the same data."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask
import numpy as np

import listi
from listi import files
from listi.compendium import data_set, making, sample_files, trained
from listi.learning import models

HERE = Path(__file__).parent
STRUCTURE = {"nx": 8, "ny": 10, "alpha": 0.3, "box": "as-generated", "seed": 5}
SHEAR = {"strain_step": 1e-3, "max_strain": 0.005, "n_events": 1}
PROBES = {"grid_x": 3, "grid_y": 2, "r_free": 6.0}
LSTM = {"epochs": 20, "batch_size": 4, "learning_rate": 1e-3, "mirror": True}


def paths_in(folder):
    return [Path(folder) / "samples" / f"sample_{number:04d}.nc" for number in range(4)]


def make_samples(folder):
    """Make, shear and probe samples by two worker processes."""
    with dask.config.set({"multiprocessing.context": "fork"}):  # starts at once
        for step, parameters in (
            (making.generate_all, STRUCTURE),
            (making.deform_all, SHEAR),
            (making.probe_all, PROBES),
        ):
            step(paths_in(folder), parameters, workers=2)


def load_kernels():
    """Let processes that are forked from this one spend their short lives on work."""
    listi.deform(listi.generate(STRUCTURE["nx"], STRUCTURE["ny"], seed=0), strain_step=1e-3, max_strain=1e-3)


def train(folder):
    """Train a network on the samples of a folder; it keeps its state every ten epochs."""
    whole = data_set.load(paths_in(folder))
    roles = {"train": whole[:3], "validation": whole[3:]}
    trained.train(folder, "lstm", roles, 6.0, {"units": 2}, seed=3, **LSTM)


def kill_and_start_again(work, folder, kills, longest, seed):
    """Fork a process that works in a session of its own; kill it so many times; let it finish."""
    numbers = random.Random(seed)
    for attempt in range(kills + 1):
        child = os.fork()
        if child == 0:
            os.setsid()
            work(folder)
            os._exit(0)
        if attempt == kills:
            return os.waitpid(child, 0)[1]
        while os.getpgid(child) != child:
            time.sleep(0.001)
        time.sleep(numbers.uniform(0, longest))
        if attempt % 2:
            os.kill(child, signal.SIGKILL)  # its workers find out by themselves
        else:
            os.killpg(child, signal.SIGKILL)
        print("killed at work" if os.waitpid(child, 0)[1] else "too late", flush=True)
        found = sample_files.verify(folder) if any(Path(folder).rglob("*.nc")) else {}
        assert not any(found.values()), found


SCRIPT = """
import sys
sys.path[:0] = sys.argv[3:]
import keras
import test_killed as t
killed, whole = sys.argv[1:3]
t.load_kernels()
assert t.kill_and_start_again(t.make_samples, killed, 17, 0.3, 1) == 0
assert t.kill_and_start_again(t.train, killed, 3, 2.0, 2) == 0
t.make_samples(whole)
t.train(whole)
"""


def test_killed_at_twenty_moments_ends_as_if_it_had_not_been(tmp_path):
    """In a process of its own, so that nothing of pytest is forked."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(killed), str(whole), str(HERE), str(HERE.parent)]
    subprocess.run(command, timeout=500, check=True)
    for one, other in zip(paths_in(killed), paths_in(whole), strict=True):
        assert sample_files.variable_checksums(one) == sample_files.variable_checksums(other)
    one, other = (models.load(trained.model_file(f, "lstm")).get_weights() for f in (killed, whole))
    assert len(one) == len(other) > 4
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    losses = [files.read_json(f / "models" / "lstm.json") for f in (killed, whole)]
    for key in ("made_from", "loss", "validation_loss"):
        assert losses[0][key] == losses[1][key]
    assert len(losses[0]["loss"]) == LSTM["epochs"]
    names = {path.name for path in (whole / "models").iterdir()}
    assert {path.name for path in (killed / "models").iterdir()} == names
