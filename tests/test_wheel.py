"""The wheel by itself: what can be imported without TensorFlow, Jupyter and a checkout, and the network in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy

import listi

ROOT = Path(__file__).resolve().parents[1]
MODEL = "data/paper/models/listi.keras"
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('.')"
ALONE = """
import sys

class Forbid:
    def find_spec(self, name, path=None, target=None):
        forbidden = ("tensorflow", "keras", "spektral", "jupyterlab", "ipykernel", "IPython", "papermill", "nbformat",
                     "nbclient", "traitlets", "distributed")
        if name.partition(".")[0] in forbidden:
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, Forbid())
import numpy as np, xarray as xr
import listi
from listi import cli, figures, files
from listi.compendium import chain, data_set, making, profiles, provenance, sample_files
for module in (listi, figures):
    for name in module.__all__:
        getattr(module, name)

x, y = np.arange(10.0), np.arange(12.0)
threshold = xr.DataArray(np.outer(x + 1, y + 1), coords={"x": x, "y": y}, attrs={"units": "1", "long_name": "made up"})
events = xr.Dataset({"event_position": (("event", "xy"), [[0.0, 0.0]])})
assert listi.goodness(threshold, events.event_position, np.array([10.0, 12.0])).values == [1.0]
sample = listi.Network(np.array([[1.0, 1.0], [3.0, 1.0], [2.0, 1.0]]), [0, 0, 1], [[0, 1]], [40.0, 40.0])
sample_files.save_sample("sample.nc", sample)
assert listi.open_sample("sample.nc").network.n_atoms == 3
assert profiles.profile("paper")["nx"] == 40
assert files.pretrained() == {"listi": files.PACKAGE / "pretrained" / "listi.keras"}
assert provenance.commit() == "unknown"
try:
    listi.open_sample(0)
except files.DataError as error:
    assert "not in a clone of the repository" in str(error)
else:
    raise AssertionError
assert cli.main(["verify"]) == 1
print(listi.__file__)
"""


def test_the_wheel_works_without_networks_notebooks_and_checkout(tmp_path):
    source, unpacked, user = (tmp_path / name for name in ("source", "unpacked", "user"))
    user.mkdir()
    shutil.copytree(ROOT / "listi", source / "listi", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (source / MODEL).parent.mkdir(parents=True)
    for name in (MODEL, "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(source / f"listi-{listi.__version__}-py3-none-any.whl") as wheel:
        assert wheel.read("listi/pretrained/listi.keras") == (ROOT / MODEL).read_bytes()
        assert not [name for name in wheel.namelist() if not name.startswith("listi")]
        wheel.extractall(unpacked)
    libraries = Path(numpy.__file__).parents[1]  # `-S` leaves out the editable installation of this checkout
    path = os.pathsep.join([str(unpacked), str(libraries)])
    environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-S", "-c", ALONE]
    done = subprocess.run(command, cwd=user, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(unpacked)
