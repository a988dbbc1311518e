"""Kernels that evaluate pairs, written once and compiled for each form of potential.

A function marked with `template` is plain Python that Numba can compile. It may use `pairs_of_atom` and `CUTOFF`, which
stand for those of the potential, and call other templates by name. `template.compiled(potential)` is the kernel for
that potential. What numbers stand in the potential's table does not matter: only another form, cutoff, or number of
species means another compilation, and compiled kernels are kept on disk like all others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numba

from .jit import JIT

if TYPE_CHECKING:
    from .potential import Potential


def pairs_of_atom(tension, others, energy, stiffness, table, count):
    """Stand for the potential's loop over the pairs of one atom (`potential.Potential.pairs_of_atom`)."""
    raise NotImplementedError("compile the kernel for a potential")


CUTOFF = object()  # stands for the potential's cutoff [Å]


class Template:
    """A function to be compiled for potentials."""

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        self.function, self.options = function, options
        self.__doc__, self.__name__ = function.__doc__, function.__name__
        self._compiled: dict[str, Callable] = {}

    def compiled(self, potential: Potential) -> Callable:
        """Return the kernel for potentials of the same form, cutoff and number of species."""
        if potential.form not in self._compiled:
            self._compiled[potential.form] = numba.njit(self._bound(potential), **JIT, **self.options)
        return self._compiled[potential.form]

    def _bound(self, potential: Potential) -> FunctionType:
        """Copy the function with the potential's own loop, cutoff and kernels in place of what stands for them."""
        own = dict(self.function.__globals__)
        for name in self.function.__code__.co_names:
            value = own.get(name)
            if isinstance(value, Template):
                own[name] = value.compiled(potential)
            elif value is pairs_of_atom:
                own[name] = potential.pairs_of_atom
            elif value is CUTOFF:
                own[name] = potential.cutoff
        copy = FunctionType(self.function.__code__, own, self.function.__name__, self.function.__defaults__)
        copy.__qualname__ = f"{self.function.__qualname__}_{potential.form}"  # names its file in the cache
        copy.__module__ = self.function.__module__
        return copy


def template(function: Any = None, **options) -> Any:
    """Mark a function as a template; options are those of `numba.njit` beyond `jit.JIT`."""
    if function is None:
        return functools.partial(template, **options)
    return Template(function, options)
