"""How kernels evaluate a potential: through the address of its compiled loop over pairs.

All kernels are compiled once, for any potential. What differs between potentials is a `PairTable`: numbers, and the
address of a C function that evaluates many pairs of one atom. Kernels call it as C calls a function pointer, once for
each atom, so that another potential compiles this loop alone (about a second), and other parameters or another cutoff
compile nothing.

The loop is written for the number of species and of parameters, since compilers vectorise it only if every parameter of
every species has a name of its own. For two species and one parameter k, its source is

    def pair_loop(tension_at, others_at, more_at, rows_at, constants_at, count, wanted):
        ...
        k_0, k_1 = rows[0, 0], rows[1, 0]                            # and U, U' at the cutoff likewise
        for i in range(count):
            r = sqrt(tension[i])
            v, dv, ddv = function(r, 1 / r, k_1 if others[i] > 0.5 else k_0)
            inside = 1 if r < cutoff else 0
            tension[i] = inside * (dv - dv_cut) / r
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from .jit import JIT

if TYPE_CHECKING:
    from .potential import Potential

FORCES, ENERGIES, STIFFNESSES = range(3)  # what a loop computes in addition to U'/r
_DOUBLES = numba.types.CPointer(numba.float64)
_LOOPS: dict[str, Any] = {}  # loops of this process, by the form of their potential
_SIGNATURE = numba.void(*[_DOUBLES] * 5, numba.uint64, numba.int64)


class PairTable(NamedTuple):
    """A potential as kernels read it.

    Attributes
    ----------
    rows : ndarray, shape (n_species, n_species, n_parameters + 2)
        The parameters, V(r_c) and V'(r_c) of each pair.
    constants : ndarray, shape (1 + n_constants,)
        The cutoff, and the constants that the function takes beyond the pair's parameters.
    cutoff : float
        r_c [Å].
    loop : int
        Address of the compiled loop, valid in this process only.
    """

    rows: np.ndarray
    constants: np.ndarray
    cutoff: float
    loop: int


@intrinsic
def _call(typing_context, loop, tension, others, more, rows, constants, count, wanted):
    """Call a loop over pairs at its address, in compiled code."""

    def generate(context, builder, signature, arguments):
        double, integer = ir.DoubleType(), ir.IntType(64)
        function = ir.FunctionType(ir.VoidType(), [double.as_pointer()] * 5 + [integer] * 2)
        data = [
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[1:6], arguments[1:6], strict=True)
        ]
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), [*data, *arguments[6:]])
        return context.get_dummy_value()

    return numba.void(numba.int64, tension, others, more, rows, constants, numba.uint64, numba.int64), generate


@numba.njit(**JIT, forceinline=True)
def pairs_of_atom(tension, others, energy, stiffness, table, species, count):
    """Evaluate pairs of one atom.

    Parameters
    ----------
    tension : ndarray
        In: squared distances to the partners [Å²]; out: U'/r [energy/Å²].
    others : ndarray
        Species of the partners, as float.
    energy, stiffness : ndarray or None
        Out: U [energy] or U'' [energy/Å²]; one of them at most.
    table : PairTable
        The potential.
    species : int
        Of the atom.
    count : int
        Number of partners.
    """
    rows = table.rows[species]
    if energy is not None:
        _call(table.loop, tension, others, energy, rows, table.constants, count, 1)
    elif stiffness is not None:
        _call(table.loop, tension, others, stiffness, rows, table.constants, count, 2)
    else:
        _call(table.loop, tension, others, tension, rows, table.constants, count, 0)


def compile_loop(function: Callable, n_species: int, n_parameters: int, n_constants: int, form: str) -> Any:
    """Return the compiled loop over pairs of a potential's function, with its `address` in this process.

    `form` names it, also in the cache: potentials of one form share it.

    Raises
    ------
    ValueError
        If Numba is told not to compile.
    """
    if numba.config.DISABLE_JIT:
        raise ValueError(
            "NUMBA_DISABLE_JIT: is set, but kernels run compiled only: in Python a small glass would take hours; "
            "NUMBA_BOUNDSCHECK=1 checks the indices of compiled kernels"
        )
    if form in _LOOPS:
        return _LOOPS[form]
    source = _source(n_species, n_parameters, n_constants, f"pair_loop_{form}")
    scope = {"function": numba.njit(error_model="numpy")(function), "sqrt": np.sqrt, "carray": numba.carray}
    exec(compile(source, __file__, "exec"), scope)  # __file__: where the cache looks for its folder
    loop = scope[f"pair_loop_{form}"]
    loop.__module__ = __name__
    compiled = numba.cfunc(_SIGNATURE, cache=True, error_model="numpy")(loop)
    return _LOOPS.setdefault(form, compiled)  # of two threads, both get the same loop, which stays


def _source(n_species: int, n_parameters: int, n_constants: int, name: str) -> str:
    """Write the loop of the module's first lines."""
    columns = [*(f"p{c}" for c in range(n_parameters)), "v_cut", "dv_cut"]
    constants = [f"c{c}" for c in range(n_constants)]

    def chosen(column: str) -> str:
        others = "".join(f"{column}_{s} if other > {s - 0.5} else " for s in range(n_species - 1, 0, -1))
        return f"{others}{column}_0"

    arguments = ", ".join(["r", "inverse", *map(chosen, columns[:-2]), *constants])
    lines = [
        f"def {name}(tension_at, others_at, more_at, rows_at, constants_at, count, wanted):",
        "    tension, others, more = carray(tension_at, count), carray(others_at, count), carray(more_at, count)",
        f"    rows = carray(rows_at, ({n_species}, {n_parameters + 2}))",
        f"    constants = carray(constants_at, {n_constants + 1})",
        *(f"    {column}_{s} = rows[{s}, {c}]" for s in range(n_species) for c, column in enumerate(columns)),
        *(f"    {constant} = constants[{n}]" for n, constant in enumerate(["cutoff", *constants])),
    ]
    more = {FORCES: [], ENERGIES: ["more[k] = inside * (v - v_cut - dv_cut * (r - cutoff))"],
            STIFFNESSES: ["more[k] = inside * ddv"]}  # fmt: skip
    for wanted, further in more.items():
        lines += [
            f"    if wanted == {wanted}:",
            "        for k in range(count):",
            "            r = sqrt(tension[k])",
            "            other = others[k]",
            "            inverse = 1.0 / r",
            f"            v, dv, ddv = function({arguments})",
            f"            v_cut, dv_cut = {chosen('v_cut')}, {chosen('dv_cut')}",
            "            inside = 1.0 if r < cutoff else 0.0",  # a factor instead of a branch
            *(f"            {line}" for line in further),
            "            tension[k] = inside * (dv - dv_cut) * inverse",
        ]
    return "\n".join(lines)


def check(potential: Potential, table: PairTable) -> None:
    """Refuse a potential whose compiled loop computes other values than its function.

    Raises
    ------
    ValueError
        If it does at one of eight distances.
    """
    r = np.linspace(0.1, 0.95, 8) * potential.cutoff
    powers = np.stack([r**0, r, r**2])  # make values of one dimension of U, U' and U''
    for a, b in np.ndindex(potential.n_species, potential.n_species):
        expected = np.stack(potential.pair(r, a, b)) * powers
        compiled = _compiled_pairs(table, r, a, b) * powers
        wrong = ~np.isclose(compiled, expected, rtol=0.0, atol=1e-8 * np.abs(expected).max(axis=0)).all(axis=0)
        for k in np.flatnonzero(wrong)[:1]:
            raise ValueError(
                f"function: {potential.function.__qualname__} gives U, r U', r² U'' = {compiled[:, k].tolist()} of "
                f"{potential.symbols[a]}-{potential.symbols[b]} at r = {r[k]:.4g} Å when it is compiled, and "
                f"{expected[:, k].tolist()} in Python; it must compute the same in both"
            )


def _compiled_pairs(table: PairTable, r: np.ndarray, a: int, b: int) -> np.ndarray:
    """What `Potential.pair` gives, by the compiled loop."""
    tension, energy, stiffness, others = r * r, np.empty(len(r)), np.empty(len(r)), np.full(len(r), float(b))
    pointer = ctypes.POINTER(ctypes.c_double)
    loop = ctypes.CFUNCTYPE(None, *[pointer] * 5, ctypes.c_uint64, ctypes.c_int64)(table.loop)
    for more, wanted in ((energy, ENERGIES), (stiffness, STIFFNESSES)):
        tension = r * r
        arrays = tension, others, more, table.rows[a], table.constants
        loop(*(array.ctypes.data_as(pointer) for array in arrays), len(r), wanted)
    return np.stack([energy, tension * r, stiffness])
