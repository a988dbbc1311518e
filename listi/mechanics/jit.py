"""How Numba compiles all kernels, and when a compiled kernel is too old to be used."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numba

JIT = {"cache": True, "nogil": True, "error_model": "numpy"}
U = numba.uint64  # indices that cannot be negative are not checked for it, and loops over them vectorise
ROOMS = ("network", "mechanics", "generation", "probing")  # whose sources kernels of other files may be made of


def forget_stale_kernels(cache: Path, sources: Path = Path(__file__).parents[1]) -> None:
    """Remove cached kernels older than any source file in `ROOMS`.

    Numba compiles a kernel again when its own file has changed, but not when only a kernel that it calls has, in
    another file: after an update, old code would run.

    Parameters
    ----------
    cache : Path
        Where Numba keeps the kernels of one folder of the package; those of the others lie beside it.
    sources : Path
        Folder of the package.
    """
    newest = max(source.stat().st_mtime for room in ROOMS for source in (sources / room).glob("*.py"))
    beside = sources.rglob("__pycache__/*.nbi") if cache.name == "__pycache__" else cache.parent.glob("*/*.nbi")
    for index in beside:
        with contextlib.suppress(FileNotFoundError):  # another process forgets them too
            if index.stat().st_mtime < newest:
                index.unlink()


@numba.njit(**JIT)
def _any_kernel() -> None:
    """Tell where kernels are kept."""


forget_stale_kernels(Path(_any_kernel.stats.cache_path))
