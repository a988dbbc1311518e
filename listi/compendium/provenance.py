"""Where a result comes from: time, commit, versions, and the code that made it."""

from __future__ import annotations

import ast
import datetime
import functools
import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
_DISTRIBUTIONS = (
    "listi",
    "numpy",
    "scipy",
    "numba",
    "xarray",
    "h5netcdf",
    "keras",
    "tensorflow",
    "spektral",
)


def provenance() -> dict[str, object]:
    """Return time (UTC), commit, machine type and versions, for the attributes of a file."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def commit() -> str:
    """Return the commit that the package is of, "-dirty" with changes, or "unknown"."""
    command = [
        "git",
        "-C",
        str(PACKAGE),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def fingerprint(*modules: str) -> str:
    """SHA-256 of the code of modules of this package and of all that they import from it.

    Comments, docstrings and layout do not count: what is computed cannot depend on them.

    Parameters
    ----------
    *modules : str
        Names without the package's: "probing", "models.gcn".
    """
    total = hashlib.sha256()
    for name in sorted(_closure(modules)):
        total.update(f"{name} {_code(name)}\n".encode())
    return total.hexdigest()


def modules_used(source: str) -> set[str]:
    """Modules of this package that a script names, as in `listi.deform(...)`."""
    return _imported(ast.parse(source), within="")


def code(source: str) -> str:
    """Return Python source without what does not count: comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, False):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@functools.cache
def _code(module: str) -> str:
    return hashlib.sha256(code(_file(module).read_text("utf-8")).encode()).hexdigest()


def _file(module: str) -> Path | None:
    """Source file of a module of this package; None if there is no such module."""
    stem = PACKAGE.joinpath(*module.split("."))
    for file in (stem.with_suffix(".py"), stem / "__init__.py"):
        if module and file.is_file():
            return file
    return None


def _closure(modules: Iterable[str]) -> set[str]:
    """The modules and all that they import from this package."""
    todo, seen = set(modules), set()
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= _imports_of(name) - seen
    return seen


@functools.cache
def _imports_of(module: str) -> frozenset[str]:
    file = _file(module)
    if file is None:
        raise ValueError(f"module: listi.{module} does not exist")
    package = file.name == "__init__.py"
    within = module if package else module.rpartition(".")[0]
    names = _imported(ast.parse(file.read_text("utf-8")), within)
    return frozenset(names | {f"{module}.{f.stem}" for f in file.parent.glob("[!_]*.py") if package})


def _imported(tree: ast.AST, within: str) -> set[str]:
    """Modules of this package that a piece of code in its subpackage `within` names."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, within)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    inner = {name.removeprefix("listi.") for name in names if name.startswith("listi.")}
    return {_door(name) for name in inner if _file(_door(name))}


def _absolute(node: ast.ImportFrom, within: str) -> str:
    """Full name of the module that an import takes from."""
    if not node.level:
        return node.module or ""
    parents = ["listi", *within.split(".")] if within else ["listi"]
    parents = parents[: len(parents) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _door(name: str) -> str:
    """Module behind a public name of the package: "generation.generate" for "generate"."""
    import listi

    return getattr(listi, name).__module__.removeprefix("listi.") if name in listi.__all__ else name
