"""A digest of a function and of all that it reads: what compiled code depends on, and nothing else.

Two functions have the same digest if Numba compiles them to the same code: their bytecode, the constants and the
modules' attributes that they read, and the functions that they call agree. Names of files, line numbers, comments and
docstrings do not enter, and every process computes the same digest.
"""

from __future__ import annotations

import dis
import hashlib
import pickle
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

import numba
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

LIBRARIES = ("numba", "numpy")  # their functions enter by name; Numba compares their versions itself
_KERNELS: dict[FunctionType, str] = {}  # digests of this package's kernels, whose constants do not change


def digest(value: object) -> str:
    """Return the digest of a function, or of any other value."""
    return hashlib.sha256(repr(_content(value, (), [])).encode()).hexdigest()[:16]


def digest_of_kernel(function: FunctionType) -> str:
    """Return the digest of a kernel of this package; it is computed once in a process."""
    if function not in _KERNELS:
        _KERNELS[function] = digest(function)
    return _KERNELS[function]


def _content(value: object, attributes: tuple[str, ...], within: list[tuple]) -> object:
    """Return what compiled code may depend on in a value, as tuples and bytes.

    Of a module, these are the given attributes. Functions and modules that the value is `within` are not entered again.
    """
    if any(value is outer and attributes == read for outer, read in within):
        return "recursion"
    if isinstance(value, FunctionType | ModuleType | Dispatcher):
        within = [*within, (value, attributes)]
    if isinstance(value, Dispatcher):
        return repr(sorted(value.targetoptions.items())), _content_of_callee(value.py_func, within)
    if isinstance(value, _Intrinsic):
        return _content(value._defn, (), within)
    if isinstance(value, FunctionType):
        return _content_of_function(value, within)
    if isinstance(value, ModuleType):
        read = [(name, getattr(value, name)) for name in attributes if hasattr(value, name)]
        return tuple((name, _content(attribute, attributes, within)) for name, attribute in read)
    if isinstance(value, tuple):
        return getattr(value, "_fields", ()), *(_content(item, attributes, within) for item in value)
    if isinstance(value, numba.types.Type):
        return repr(value)
    if isinstance(value, type):
        return value.__module__, value.__qualname__, getattr(value, "_fields", ())
    try:
        return pickle.dumps(value)
    except Exception:  # whatever pickle does not take, such as a pointer to a C function: equal to nothing but itself
        return repr(value)


def _content_of_callee(function: FunctionType, within: list[tuple]) -> object:
    if (function.__module__ or "").startswith("listi."):
        return digest_of_kernel(function)
    return _content(function, (), within)


def _content_of_function(function: FunctionType, within: list[tuple]) -> object:
    if (function.__module__ or "").split(".")[0] in LIBRARIES:
        return function.__module__, function.__qualname__
    codes = list(_codes(function.__code__))
    attributes = tuple(sorted({name for code in codes for name in code.co_names}))
    loaded = {step.argval for code in codes for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    read = {name: function.__globals__[name] for name in sorted(loaded & function.__globals__.keys())}
    inner = tuple(cell.cell_contents for cell in function.__closure__ or ())
    values = (tuple(read.items()), inner, function.__defaults__, tuple((function.__kwdefaults__ or {}).items()))
    return repr([_instructions(code, function.__doc__) for code in codes]), _content(values, attributes, within)


def _instructions(code: CodeType, docstring: str | None) -> tuple:
    constants = [None if c == docstring else c for c in code.co_consts if not isinstance(c, CodeType)]
    return code.co_code, code.co_names, constants


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of those defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
