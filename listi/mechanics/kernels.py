"""Kernels that evaluate pairs, written once and compiled for each form of potential.

A function marked with `template` is plain Python that Numba can compile. It may use `pairs_of_atom` and `CUTOFF`, which
stand for those of the potential, and call other templates by name. `template.compiled(potential)` is the kernel for
that potential. Kernels depend on the potential's form, cutoff and number of species, not on its parameters, and are
kept on disk like all others. What the potential's function gives as a kernel is compared with what it gives in Python
when a potential is first used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numba
import numpy as np
from numba.core.errors import NumbaError

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
        """Return the kernel for potentials of the same form, cutoff and number of species.

        Raises
        ------
        ValueError
            As `check`, when a potential is first used.
        """
        if potential not in _CHECKED:
            check(potential)
            _CHECKED.add(potential)
        return self._kernel(potential)

    def _kernel(self, potential: Potential) -> Callable:
        if potential.form not in self._compiled:
            self._compiled[potential.form] = numba.njit(self._bound(potential), **JIT, **self.options)
        return self._compiled[potential.form]

    def _bound(self, potential: Potential) -> FunctionType:
        """Copy the function with the potential's own loop, cutoff and kernels in place of what stands for them."""
        own = dict(self.function.__globals__)
        for name in self.function.__code__.co_names:
            value = own.get(name)
            if isinstance(value, Template):
                own[name] = value._kernel(potential)
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


_CHECKED: WeakSet[Potential] = WeakSet()  # potentials whose kernels agree with their function


@template
def _pairs(tension, others, energy, stiffness, table, count):
    """Energies and derivatives of pairs: the potential's loop as a kernel of its own."""
    pairs_of_atom(tension, others, energy, stiffness, table, count)


def check(potential: Potential) -> None:
    """Refuse a potential whose kernels give other values than its function.

    Raises
    ------
    ValueError
        If they do at one of eight distances, the function cannot be compiled, or constants that it reads have changed.
    """
    potential.check_unchanged()
    r = np.linspace(0.1, 0.95, 8) * potential.cutoff
    powers = np.stack([r**0, r, r**2])  # make values of one dimension of U, U' and U''
    for a, b in np.ndindex(potential.n_species, potential.n_species):
        expected = np.stack(potential.pair(r, a, b)) * powers
        compiled = _compiled_pairs(potential, r, a, b) * powers
        wrong = ~np.isclose(compiled, expected, rtol=0.0, atol=1e-8 * np.abs(expected).max(axis=0)).all(axis=0)
        for k in np.flatnonzero(wrong)[:1]:
            raise ValueError(
                f"function: {potential.function.__qualname__} gives U, r U', r² U'' = {compiled[:, k].tolist()} of "
                f"{potential.symbols[a]}-{potential.symbols[b]} at r = {r[k]:.4g} Å when it is compiled, and "
                f"{expected[:, k].tolist()} in Python; it must compute the same in both"
            )


def _compiled_pairs(potential: Potential, r: np.ndarray, a: int, b: int) -> np.ndarray:
    """What `Potential.pair` gives, by the kernel."""
    tension, energy, stiffness, others = r * r, np.empty(len(r)), np.empty(len(r)), np.full(len(r), float(b))
    try:
        _pairs._kernel(potential)(tension, others, energy, stiffness, potential.table[a], len(r))
    except NumbaError as error:
        name = potential.function.__qualname__
        raise ValueError(f"function: Numba cannot compile {name}; the error above says why") from error
    return np.stack([energy, tension * r, stiffness])
