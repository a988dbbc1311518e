"""How Numba compiles all kernels, and where it keeps them.

A compiled kernel contains the kernels that it calls, also those of other files, but Numba compares only the date of its
own file. So the names of a kernel's files contain a digest of all that it is made of (`listi.mechanics.content`).
Nothing is ever out of date, whatever the dates of files, and only a change of a kernel itself, of a constant that it
reads or of a kernel that it calls leads to a new compilation. Files that nobody has used for a month are removed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
from filelock import FileLock
from numba.core import caching
from numba.misc.appdirs import AppDirs

from .content import digest_of_kernel

# No kernel is passed on as a C function, except the loops over pairs (`listi.mechanics.kernels`).
JIT = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
INNER = JIT | {"no_cpython_wrapper": True}  # of kernels that only kernels call: a fifth less to compile
# Of kernels that one other calls: a part of it. Numba compiles a kernel on its own, and again in every caller of it.
PART = JIT | {"inline": "always"}
uint64 = numba.uint64  # indices that cannot be negative are not checked for it, and loops over them vectorise
PACKAGE = Path(__file__).parents[1]
MONTH = 30 * 86400.0  # s


class KernelFolder(caching._CacheLocator):
    """Where Numba keeps the kernels of a file of this package: in a folder of their own, where it would keep others.

    That is in `NUMBA_CACHE_DIR` if it is set, else beside the file, else in the user's cache; if none of them can be
    written, in a temporary folder.
    """

    def __init__(self, function: Callable, file: str, parent: str) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        self._folder = Path(parent, "listi-kernels")
        _prepare(self._folder)

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str) -> KernelFolder | None:
        if not Path(py_file).is_relative_to(PACKAGE):
            return None
        places = [caching.UserProvidedCacheLocator, caching.InTreeCacheLocator]
        if os.path.isabs(AppDirs("numba").user_cache_dir):  # not so without a home
            places.append(caching.UserWideCacheLocator)
        for place in places:
            locator = place.from_function(py_func, py_file)
            if locator is not None:
                return cls(py_func, py_file, locator.get_cache_path())
        return cls(py_func, py_file, os.path.join(_temporary_folder().name, Path(py_file).parent.name))

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return ""  # the names of files tell contents apart

    def get_disambiguator(self) -> str:
        return Path(self._py_file).parent.name


@functools.cache
def _prepare(folder: Path) -> None:
    """Make a folder of kernels, and remove those that nobody has used for a month."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.nb?"):
        with contextlib.suppress(OSError):  # of another user, or another process removes it too
            if file.stat().st_mtime < time.time() - MONTH:
                file.unlink()


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    """Make a folder that is removed when this process ends."""
    warnings.warn("no folder for compiled kernels can be written; set NUMBA_CACHE_DIR to keep them", stacklevel=2)
    return tempfile.TemporaryDirectory(prefix="listi-kernels-")


def _name_files(cache: caching.FunctionCache) -> None:
    """Name the files of a kernel after its content, as it is when the kernel is first used.

    Not before, since a kernel may call others that are defined after it.
    """
    base = f"{cache._impl.filename_base}.{digest_of_kernel(cache._py_func)}"
    if cache._cache_file._index_name.startswith(base):
        return
    cache._cache_file = caching.IndexDataCacheFile(cache.cache_path, base, "")
    for file in Path(cache.cache_path).glob(f"{base}*"):
        with contextlib.suppress(OSError):  # of another user
            os.utime(file)


def _load(cache: caching.FunctionCache, sig, target_context):
    if isinstance(cache._impl.locator, KernelFolder):
        _name_files(cache)
    return caching.Cache.load_overload(cache, sig, target_context)


def _save_alone(cache: caching.FunctionCache, sig, data) -> None:
    """Save a kernel while no other process saves one in the same folder.

    Numba reads the list of a function's kernels, adds a line and writes it: of two processes at once, one would lose
    its line, and lists would name the other's kernel. A kernel that cannot be saved is compiled again next time.
    """
    save = caching.Cache._save_overload
    if not isinstance(cache._impl.locator, KernelFolder):
        return save(cache, sig, data)
    _name_files(cache)
    with contextlib.suppress(OSError), FileLock(os.path.join(cache.cache_path, "lock"), timeout=60):
        save(cache, sig, data)


caching.FunctionCache.load_overload = _load
caching.FunctionCache._save_overload = _save_alone
caching.CacheImpl._locator_classes.insert(0, KernelFolder)
