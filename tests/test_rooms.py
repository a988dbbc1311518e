"""The rooms: imports of the package run downwards only, in the order of pyproject.toml; no test imports another."""

import ast
from pathlib import Path

from importlinter.cli import lint_imports

TESTS = Path(__file__).parent


def test_imports_run_downwards_only():
    assert lint_imports(str(TESTS.parent / "pyproject.toml"), no_cache=True) == 0


def test_no_test_imports_another():
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names.append(getattr(node, "module", None) or "")
            assert not any(name.startswith("test_") for name in names), f"{path.name} imports {names}"
