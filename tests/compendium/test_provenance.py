"""Where a result comes from, and results that change only when the number of their algorithm does."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import listi
from listi.compendium import provenance

STORED = json.loads(Path(__file__).with_name("small_results.json").read_text("utf-8"))


def small_results():
    """A few numbers of each algorithm on a glass of 600 atoms."""
    glass = listi.generate(nx=10, ny=12, seed=3)
    shear = listi.deform(glass, n_events=1)
    probed = listi.probe(glass, points=glass.cell * [[0.2, 0.3], [0.7, 0.6], [0.5, 0.9]])
    return {
        "network": glass.positions[[0, 100, 500]].ravel().tolist(),
        "shear": [float(shear.event_strain[0]), float(shear.event_stress_drop[0]), float(shear.event_atom[0])],
        "probing": [*probed.threshold.values.tolist(), *probed.critical_strain.values.tolist()],
    }


def test_results_change_only_with_the_number_of_their_algorithm():
    """If this fails: raise the number in `provenance.ALGORITHMS`, and store the new results under it."""
    for name, values in small_results().items():
        number = str(provenance.ALGORITHMS[name])
        assert number in STORED[name], f"{name} has algorithm {number}; store its results: {values}"
        np.testing.assert_allclose(values, STORED[name][number], rtol=1e-7, atol=1e-9, err_msg=name)


def test_provenance_says_when_what_and_where():
    found = provenance.provenance()
    assert found.keys() == {"created", "commit", "machine", "versions"}
    assert {"python", "listi", "numpy", "xarray"} <= found["versions"].keys()
    assert provenance.record("shear")["algorithm"] == provenance.ALGORITHMS["shear"]
    with pytest.raises(KeyError):
        provenance.record("alchemy")


def test_a_commit_is_dirty_if_the_package_has_changed_and_not_if_data_have(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    code, data = tmp_path / "listi" / "code.py", tmp_path / "data.txt"
    code.parent.mkdir()
    for file in (code, data):
        file.write_text("1")
    assert provenance.commit_of(code.parent) == "unknown"
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = provenance.commit_of(code.parent)
    assert len(clean) == 40
    data.write_text("2")
    assert provenance.commit_of(code.parent) == clean
    code.write_text("2")
    assert provenance.commit_of(code.parent) == f"{clean}-dirty"
    installed = tmp_path / ".venv" / "lib" / "site-packages" / "listi"  # in somebody's repository
    installed.mkdir(parents=True)
    assert provenance.commit_of(installed) == "unknown"
