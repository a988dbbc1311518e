"""The fingerprint of code: what it covers, and what does not count."""

import os

import pytest

from listi.compendium import provenance
from listi.mechanics import jit

FILES = {
    "__init__.py": "",
    "potential.py": "CUTOFF = 10.0\n",
    "probing.py": "from .potential import CUTOFF\n\ndef probe():\n    return CUTOFF\n",
    "store.py": "import json\n",
    "models/__init__.py": "from .. import store\n",
    "models/gcn.py": "from ..potential import CUTOFF\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make a package of a few modules and look at it instead of our own."""
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()
    for name, source in FILES.items():
        (tmp_path / name).write_text(source)
    yield tmp_path
    provenance._code.cache_clear()
    provenance._imports_of.cache_clear()


def fingerprints(package, change):
    """Fingerprints of probing, store and models after a file got another content."""
    found = []
    for sources in (FILES, {**FILES, **change}):
        provenance._code.cache_clear()
        provenance._imports_of.cache_clear()
        for name, source in sources.items():
            (package / name).write_text(source)
        found.append([provenance.fingerprint(name) for name in ("probing", "store", "models")])
    return [one == other for one, other in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("name", "source", "same"),
    [
        ("potential.py", "CUTOFF = 9.0\n", [False, True, False]),
        ("potential.py", '"""Says more."""\n\nCUTOFF = 10.0  # angstrom\n', [True, True, True]),
        ("probing.py", FILES["probing.py"].replace("return ", "return -"), [False, True, True]),
        (
            "probing.py",
            FILES["probing.py"].replace("  return", '  """Say."""\n    return'),
            [True] * 3,
        ),
        ("store.py", "import os\n", [True, False, False]),
    ],
)
def test_fingerprint_covers_the_code_of_all_that_is_imported(package, name, source, same):
    assert fingerprints(package, {name: source}) == same


def test_modules_that_a_cell_uses():
    cell = (
        "import listi\nfrom listi.compendium import chain, nothing\nlisti.probe(1)\nimport listi.learning.models.gcn\n"
    )
    used = provenance.modules_used(cell)
    assert {"compendium.chain", "probing.probe", "learning.models.gcn"} <= used


def test_every_module_of_the_package_can_be_fingerprinted():
    for file in provenance.PACKAGE.glob("[!_]*.py"):
        assert len(provenance.fingerprint(file.stem)) == 64


def test_provenance_says_when_what_and_where():
    found = provenance.provenance()
    assert found.keys() == {"created", "commit", "machine", "versions"}
    assert {"python", "numpy", "xarray"} <= found["versions"].keys()


def test_kernels_compiled_before_a_source_changed_are_forgotten(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    for name, time in {"disc.py": 100, "pairs.py": 300, "__pycache__/a.nbi": 200, "__pycache__/b.nbi": 400}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    jit.forget_stale_kernels(tmp_path / "__pycache__", tmp_path)
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == ["b.nbi"]
