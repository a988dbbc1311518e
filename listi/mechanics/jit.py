"""How Numba compiles all kernels."""

from __future__ import annotations

from pathlib import Path

JIT = {"cache": True, "nogil": True, "error_model": "numpy"}


def forget_stale_kernels(cache: Path, sources: Path = Path(__file__).parents[1]) -> None:
    """Remove cached kernels older than any source file of the package.

    Numba compiles a kernel again when its own file has changed, but not when only a kernel that it calls has, in
    another file: after an update, old code would run.
    """
    newest = max(source.stat().st_mtime for source in sources.rglob("*.py"))
    for index in cache.glob("*.nbi"):
        if index.stat().st_mtime < newest:
            index.unlink(missing_ok=True)
