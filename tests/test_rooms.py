"""The rooms of the package: imports run downwards only; the order of the rooms is in pyproject.toml."""

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]


def test_imports_run_downwards_only():
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0
