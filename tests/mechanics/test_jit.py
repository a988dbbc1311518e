"""Where compiled kernels are kept, in processes of their own on a small package: two rooms with a kernel each."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from listi.mechanics import content, jit, kernels

ROOMS = ("mechanics", "probing")
INNER = """import numba
from .jit import JIT
STEP = 1
def used_nowhere():
    return 1
@numba.njit(**JIT)
def inner(x):
    return x + STEP
"""
OUTER = """import numba
from ..mechanics.inner import inner
from ..mechanics.jit import JIT
@numba.njit(**JIT)
def outer(x):
    return inner(x)
"""
CALL = """
from listi.probing.outer import outer
print(int(outer(1)), sum(outer.stats.cache_hits.values()))
"""
OTHERS = """
import numba
@numba.njit(cache=True)
def f(x):
    return x + 1
f(1)
print(sum(f.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A package with the rules of ours, whose kernel `outer` is made of `inner` of another room."""
    for room in ROOMS:
        (tmp_path / "listi" / room).mkdir(parents=True)
    for module in (jit, content):
        shutil.copy(module.__file__, tmp_path / "listi" / "mechanics")
    (tmp_path / "listi" / "mechanics" / "inner.py").write_text(INNER)
    (tmp_path / "listi" / "probing" / "outer.py").write_text(OUTER)
    return tmp_path


def python(package, script, **environment):
    """Run a script where the small package is found; return the numbers that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(package), "NUMBA_CACHE_DIR": "", **environment}
    command = [sys.executable, "-B", "-c", script]
    done = subprocess.run(command, env=environment, cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()], done.stderr


def test_kernels_follow_their_content_and_not_the_dates_of_files(package):
    """Also where a constant of a kernel that is called in another file has changed, in a file dated before."""
    inner = package / "listi" / "mechanics" / "inner.py"
    assert python(package, CALL)[0] == [2, 0]
    os.utime(inner, (time.time() + 1e7,) * 2)  # a wrong clock
    assert python(package, CALL)[0] == [2, 1]
    inner.write_text(INNER.replace("STEP = 1", "STEP = 5"))
    os.utime(inner, (1.6e9,) * 2)
    assert python(package, CALL)[0] == [6, 0]


def test_what_is_no_part_of_a_kernel_compiles_nothing(package):
    """Comments, docstrings, other functions of its file, and the place where it stands."""
    assert python(package, CALL)[0] == [2, 0]
    for name, old, new in (
        ("inner.py", "    return x +", '    """Return more than `x`."""\n    return x +'),
        ("inner.py", "STEP = 1", "# a line more\n\nSTEP = 1"),
        ("inner.py", "    return 1", "    return 2"),
        ("jit.py", "MONTH = 30", "MONTH = 31"),
    ):
        file = package / "listi" / "mechanics" / name
        file.write_text(file.read_text().replace(old, new))
        assert python(package, CALL)[0] == [2, 1], new


def test_old_kernels_are_removed_and_those_of_others_are_not(package):
    """In one cache folder for all packages; here all kernels are older than all sources."""
    cache, other = package / "cache", package / "other.py"
    other.write_text(OTHERS)
    shared = {"NUMBA_CACHE_DIR": str(cache)}
    assert python(package, "import other" + CALL, **shared)[0] == [0, 2, 0]
    index = next(cache.rglob("outer*.nbi"))
    old = index.with_name("old-0.nbi")
    shutil.copy(index, old)
    os.utime(old, (time.time() - 2 * jit.MONTH,) * 2)
    for path in cache.rglob("other*.nb?"):
        os.utime(path, (1.6e9,) * 2)
    os.utime(index, (time.time() - 0.9 * jit.MONTH,) * 2)
    assert python(package, "import other" + CALL, **shared)[0] == [1, 2, 1]
    assert not old.exists() and index.stat().st_mtime > time.time() - 3600


def test_kernels_where_nothing_can_be_written(package):
    """A read-only installation, a user without a home: they are compiled anew, and a line says how to keep them."""
    for room in ROOMS:
        (package / "listi" / room / "__pycache__").write_text("not a folder")
    nowhere = {"HOME": "/proc/none", "XDG_CACHE_HOME": "", "TMPDIR": str(package)}
    before = set(package.iterdir())
    numbers, message = python(package, CALL, **nowhere)
    assert numbers == [2, 0] and "set NUMBA_CACHE_DIR to keep them" in message
    assert set(package.iterdir()) == before
    numbers, message = python(package, CALL, **{**nowhere, "XDG_CACHE_HOME": str(package / "home")})
    assert not message and list(package.glob("home/numba/*/listi-kernels/outer*.nbc"))


SIDE_BY_SIDE = """
import os, time
from numba.core import caching
from listi.probing.outer import outer
load = caching.IndexDataCacheFile._load_index
def load_slowly(self):
    found = load(self)
    time.sleep(0.5)
    return found
caching.IndexDataCacheFile._load_index = load_slowly
children = []
for value in (1, 1.0, True):
    children.append(os.fork())
    if not children[-1]:
        outer(value)
        os._exit(0)
print(sum(os.waitpid(child, 0)[1] for child in children))
"""
ALL = """
from listi.probing.outer import outer
print(*[int(outer(value)) for value in (1, 1.0, True)], sum(outer.stats.cache_hits.values()))
"""


def test_processes_that_compile_at_once_do_not_mix_up_their_kernels(package):
    assert python(package, SIDE_BY_SIDE)[0] == [0]
    assert python(package, ALL)[0] == [2, 2, 2, 3]


def test_kernels_that_are_not_to_be_compiled_are_refused(monkeypatch):
    monkeypatch.setattr(kernels.numba.config, "DISABLE_JIT", 1)
    with pytest.raises(ValueError, match="^NUMBA_DISABLE_JIT: is set, but kernels run compiled only"):
        kernels.compile_loop(min, 1, 1, 0, "some form")
