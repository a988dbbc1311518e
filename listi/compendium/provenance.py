"""Where a result comes from: version of its algorithm, commit, versions of libraries, machine and time."""

from __future__ import annotations

import datetime
import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .. import __version__

ALGORITHMS = {"network": 3, "shear": 3, "probing": 1, "predictions": 2, "training": 2}
"""Version of the algorithm behind each kind of result.

The rule: whoever changes the results of an algorithm by more than rounding raises its number by one here. Stored
results of a lower number are then made again. `tests/compendium/test_provenance.py` compares small results of the first
three with `small_results.json` and fails if they change while the number does not.
"""

_DISTRIBUTIONS = ("numpy", "scipy", "numba", "xarray", "h5netcdf", "keras", "tensorflow", "spektral")


def record(algorithm: str) -> dict[str, object]:
    """Return the record of a result that one of the `ALGORITHMS` has just made."""
    return {"algorithm": ALGORITHMS[algorithm], **provenance()}


def provenance() -> dict[str, object]:
    """Return time (UTC), commit, machine type and versions of libraries."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }


def code_version() -> dict[str, object]:
    """Return the versions of the package and of `ALGORITHMS`, by which steps of the chain are up to date or not."""
    return {"listi": __version__, **ALGORITHMS}


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    used = {"python": platform.python_version(), "listi": __version__}
    for name in _DISTRIBUTIONS:
        try:
            used[name] = version(name)
        except PackageNotFoundError:
            continue
    return used


@functools.cache
def commit() -> str:
    """Return the commit of the package, with "-dirty" if its files differ from the commit, or "unknown"."""
    return commit_of(Path(__file__).parents[1])


def commit_of(package: Path) -> str:
    """Return what `commit` does, of a package in the top folder of its repository.

    The package may also be installed somewhere inside another repository, the commit of which says nothing about it.
    """
    git = ["git", "-C", str(package)]
    try:
        head, top, changed = (
            subprocess.run([*git, *rest], capture_output=True, text=True, timeout=10, check=False).stdout.strip()
            for rest in (
                ["rev-parse", "HEAD"],
                ["rev-parse", "--show-toplevel"],
                ["status", "--porcelain", "--untracked-files=no", "--", "."],
            )
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if not head or Path(top) != package.resolve().parent:
        return "unknown"
    return f"{head}-dirty" if changed else head
