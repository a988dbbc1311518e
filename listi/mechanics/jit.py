"""How Numba compiles all kernels, and where it keeps them.

A compiled kernel contains the kernels that it calls, also those of other files, but Numba compares only its own file.
So kernels lie in a folder named after the content of all files that they can be made of: another content, another
folder. Nothing in it is ever out of date, whatever the files' dates, and a folder that nobody has used for a month is
removed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
from filelock import FileLock
from numba.core import caching
from numba.misc.appdirs import AppDirs

JIT = {"cache": True, "nogil": True, "error_model": "numpy"}
U = numba.uint64  # indices that cannot be negative are not checked for it, and loops over them vectorise
ROOMS = ("network", "mechanics", "generation", "probing")  # whose sources kernels of other files may be made of
PACKAGE = Path(__file__).parents[1]
MONTH = 30 * 86400.0  # s


def _sha256(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


# Read when the package is: kernels that are compiled later are made of what was imported, not of what was edited since.
_SOURCES = {source: _sha256(source) for room in ROOMS for source in (PACKAGE / room).glob("*.py")}


class KernelFolder(caching._CacheLocator):
    """Where Numba keeps the kernels of a file of this package: in a folder of their own, where it would keep others.

    That is in `NUMBA_CACHE_DIR` if it is set, else beside the file, else in the user's cache; if none of them can be
    written, in a temporary folder.
    """

    def __init__(self, function: Callable, file: str, parent: str) -> None:
        self._py_file, self._lineno = file, function.__code__.co_firstlineno
        sources = _SOURCES if Path(file) in _SOURCES else {**_SOURCES, Path(file): _sha256(Path(file))}
        made_of = sorted((str(path.relative_to(PACKAGE)), content) for path, content in sources.items())
        self._stamp = hashlib.sha256(repr((numba.__version__, made_of)).encode()).hexdigest()[:16]
        self._folder = Path(parent, f"listi-{self._stamp}")
        _use(self._folder)

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str) -> KernelFolder | None:
        if not Path(py_file).is_relative_to(PACKAGE):
            return None
        places = [caching.UserProvidedCacheLocator, caching.InTreeCacheLocator]
        if os.path.isabs(AppDirs("numba").user_cache_dir):  # not so without a home
            places.append(caching.UserWideCacheLocator)
        for place in places:
            found = place.from_function(py_func, py_file)
            if found is not None:
                return cls(py_func, py_file, found.get_cache_path())
        return cls(py_func, py_file, os.path.join(_temporary_folder().name, Path(py_file).parent.name))

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._lineno)


@functools.cache
def _use(folder: Path) -> None:
    """Make a folder of kernels, and remove those beside it that nobody has used for a month."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # of another user, or another process removes it too
        os.utime(folder)
        for other in folder.parent.glob("listi-*"):
            if other.stat().st_mtime < time.time() - MONTH:
                shutil.rmtree(other, ignore_errors=True)


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    """Make a folder that is removed when this process ends."""
    warnings.warn("no folder for compiled kernels can be written; set NUMBA_CACHE_DIR to keep them", stacklevel=2)
    return tempfile.TemporaryDirectory(prefix="listi-kernels-")


def _save_alone(cache: caching.FunctionCache, sig, data) -> None:
    """Save a kernel while no other process saves one in the same folder.

    Numba reads the list of a function's kernels, adds a line and writes it: of two processes at once, one would lose
    its line, and lists would name the other's kernel. A kernel that cannot be saved is compiled again next time.
    """
    save = caching.Cache._save_overload
    if not isinstance(cache._impl.locator, KernelFolder):
        return save(cache, sig, data)
    with contextlib.suppress(OSError), FileLock(os.path.join(cache.cache_path, "lock"), timeout=60):
        save(cache, sig, data)


caching.FunctionCache._save_overload = _save_alone
caching.CacheImpl._locator_classes.insert(0, KernelFolder)
