"""Pair potentials: what two atoms of given species at a given distance do to each other.

A potential is a function of the distance with parameters for every pair of species, shifted so that energy and force
vanish at the cutoff:

    U(r) = V(r) - V(r_c) - V'(r_c) (r - r_c)      for r < r_c, else 0

`listi.mechanics.forms` has the potential of two-dimensional silica, the default everywhere, and others; `Potential`
takes any function. Lengths are in Å and energies in the potential's own reduced unit; no conversion to SI has been
published, so none is made.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import math
import pickle
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType

import cloudpickle
import numba
import numpy as np
from numba.core.dispatcher import Dispatcher

PairFunction = Callable[..., tuple[float, float, float]]

ATTRACTION_OF_SILICA = 0.31  # largest U' of silica: between Si and O [energy/Å]


class Potential:
    """A pair potential over any number of species.

    Parameters
    ----------
    function : callable
        ``function(r, inverse, p, q, ...)`` returns V, V' and V'' at distance r = 1 / inverse for the parameters p, q,
        ... of the pair. Numba compiles it; it must not branch on r where that can be avoided (a conditional
        expression is fine), or loops over pairs do not vectorise. Constants that it reads elsewhere must not change.
    parameters : ndarray, shape (n_species, n_species, n_parameters)
        Parameters of every pair of species, symmetric in the species.
    cutoff : float
        r_c.
    symbols : sequence of str
        Name of each species.

    Attributes
    ----------
    table : ndarray, shape (n_species, n_species, n_parameters + 2)
        The parameters, V(r_c) and V'(r_c) of each pair.
    form : str
        The same for potentials that compiled kernels cannot tell apart: function, cutoff, numbers of species and
        parameters.
    pairs_of_atom : callable
        Compiled loop over the pairs of one atom; kernels call it.

    Raises
    ------
    ValueError
        If the table has another shape, is not symmetric or lacks a pair (NaN), the cutoff is not positive, or the
        function or one of its derivatives is not finite where atoms can meet (from a twentieth of the cutoff on).
    TypeError
        If the function is not a Python function (or one that Numba has compiled).

    Examples
    --------
    >>> import listi
    >>> def inverse_power(r, inverse, strength):
    ...     i12 = strength * inverse**12
    ...     return i12, -12.0 * i12 * inverse, 156.0 * i12 * inverse**2
    >>> soft = listi.Potential(inverse_power, [[[1.0]]], cutoff=3.0, symbols=["A"])
    >>> energy, slope, curvature = soft.pair(1.0, 0, 0)
    >>> energy.round(3), soft.pair(3.0, 0, 0)[0]
    (array([1.]), array([0.]))
    """

    def __init__(
        self, function: PairFunction, parameters: np.ndarray, cutoff: float, symbols: Sequence[str] = ("Si", "O")
    ) -> None:
        function = getattr(function, "py_func", function)  # of a function that is compiled already
        if not isinstance(function, FunctionType):
            raise TypeError(f"function: {function!r} is not a Python function; write def function(r, inverse, ...)")
        parameters = np.asarray(parameters, dtype=float)
        n = len(symbols)
        if not (np.isfinite(cutoff) and cutoff > 0):
            raise ValueError(f"cutoff: {cutoff} is not > 0 Å")
        if n < 1 or parameters.ndim != 3 or parameters.shape[:2] != (n, n):
            raise ValueError(
                f"parameters: shape {parameters.shape} is not ({n}, {n}, n_parameters) for the species "
                f"{', '.join(symbols)}"
            )
        for a, b in np.argwhere(~np.isfinite(parameters).all(axis=2))[:1]:
            raise ValueError(f"parameters: the pair {symbols[a]}-{symbols[b]} has {parameters[a, b].tolist()}")
        for a, b in np.argwhere((parameters != parameters.transpose(1, 0, 2)).any(axis=2))[:1]:
            raise ValueError(f"parameters: {symbols[a]}-{symbols[b]} and {symbols[b]}-{symbols[a]} differ")
        self.function, self.cutoff, self.symbols = function, float(cutoff), tuple(symbols)
        self.table = np.zeros((n, n, parameters.shape[2] + 2))
        self.form = self._form()
        self.table[..., :-2] = parameters
        for a in range(n):
            for b in range(n):
                self._check(a, b)
                self.table[a, b, -2:] = function(self.cutoff, 1.0 / self.cutoff, *parameters[a, b])[:2]
        self.table.flags.writeable = False
        self.pairs_of_atom = _pairs_of_atom(function, self.cutoff, *parameters.shape[1:])

    def _form(self) -> str:
        return _digest((self.function, self.cutoff, self.table.shape))

    def _check(self, a: int, b: int) -> None:
        for r in (np.linspace(0.05, 1.0, 96) * self.cutoff).tolist():
            found = self.function(r, 1.0 / r, *self.table[a, b, :-2])
            if not np.all(np.isfinite(found)):
                pair = f"{self.symbols[a]}-{self.symbols[b]}"
                raise ValueError(f"function: V, V', V'' = {found} of {pair} at r = {r:.4g} Å; all must be finite")

    def __reduce__(self) -> tuple:
        function = cloudpickle.dumps(self.function)  # pickle takes no function that was made by another
        return _unpickled, (function, self.table[..., :-2], self.cutoff, self.symbols)

    def __repr__(self) -> str:
        return f"<Potential of {', '.join(self.symbols)}; cutoff {self.cutoff:g} Å>"

    @property
    def n_species(self) -> int:
        """Number of species."""
        return len(self.symbols)

    @functools.cached_property
    def force_scale(self) -> float:
        """How large forces are, those of silica being 1: the largest attraction, rounded to a power of two.

        Of a potential that only repels, the largest repulsion at half the cutoff. Tolerances of forces are multiples of
        it: whatever the unit of energy, a minimum is found equally well.

        Raises
        ------
        ValueError
            If the function exerts no such force.
        """
        pairs = [(a, b) for a in range(self.n_species) for b in range(a, self.n_species)]
        slopes = np.array([self.pair(np.linspace(0.05, 1.0, 96) * self.cutoff, *pair)[1] for pair in pairs])
        largest = slopes.max()
        if largest <= 0.0:
            largest = max(-self.pair(0.5 * self.cutoff, *pair)[1].item() for pair in pairs)
        if largest <= 0.0:
            raise ValueError(f"function: no pair of {', '.join(self.symbols)} attracts, or repels at half the cutoff")
        return 2.0 ** round(math.log2(largest / ATTRACTION_OF_SILICA))

    def pair(self, r: np.ndarray | float, a: int, b: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy U and its derivatives U' and U'' of one pair.

        Parameters
        ----------
        r : float or ndarray, shape (n,)
            Distances [Å], greater than zero.
        a, b : int
            The two species.

        Returns
        -------
        tuple of ndarray, each of shape (n,)
            U [energy], U' [energy/Å], U'' [energy/Å²]; zero from the cutoff on.
        """
        r = np.atleast_1d(np.asarray(r, dtype=float))
        v_cut, dv_cut = self.table[a, b, -2:]
        v, dv, ddv = np.array([self.function(x, 1.0 / x, *self.table[a, b, :-2]) for x in r]).T
        inside = r < self.cutoff
        return inside * (v - v_cut - dv_cut * (r - self.cutoff)), inside * (dv - dv_cut), inside * ddv

    def check_unchanged(self) -> None:
        """Refuse a function that reads other values than when the potential was made.

        Raises
        ------
        ValueError
            If it does.
        """
        if self.form != self._form():
            raise ValueError(
                f"function: constants that {self.function.__qualname__} reads have changed since the potential was "
                "made; make another potential"
            )

    def check_species(self, species: np.ndarray) -> None:
        """Refuse species without a row.

        Raises
        ------
        ValueError
            Naming the first atom of such a species.
        """
        for atom in np.flatnonzero(species >= self.n_species)[:1]:
            raise ValueError(
                f"species: atom {atom} has {species[atom]}; the potential has {self.n_species} species "
                f"({', '.join(self.symbols)})"
            )


def _unpickled(function: bytes, *arguments) -> Potential:
    return Potential(pickle.loads(function), *arguments)


def _pairs_of_atom(function: Callable, cutoff: float, n_species: int, n_parameters: int) -> Callable:
    """Loop over the pairs of one atom, with a local name for every parameter of every species.

    Compilers vectorise it, as they do not when parameters are looked up pair by pair. The loop takes

        tension     in: squared distances to the partners [Å²]; out: U'/r [energy/Å²]
        others      species of the partners, as float
        energy      out: U [energy]; None leaves its evaluation out of what is compiled
        stiffness   out: U'' [energy/Å²], or None
        table       the rows of the atom's own species, shape (n_species, n_parameters + 2)
        count       number of partners
    """
    columns = range(n_parameters + 2)
    names = [[f"p{s}_{c}" for c in columns] for s in range(n_species)]

    def chosen(c: int) -> str:
        return (
            " ".join(f"{names[s][c]} if other > {s - 0.5} else" for s in range(n_species - 1, 0, -1))
            + f" {names[0][c]}"
        )

    rows = [f"    {names[s][c]} = table[{s}, {c}]" for s in range(n_species) for c in columns]
    source = "\n".join(
        [
            "def pairs_of_atom(tension, others, energy, stiffness, table, count):",
            *rows,
            "    for k in range(count):",
            "        r = sqrt(tension[k])",
            "        other = others[k]",
            "        inverse = 1.0 / r",
            f"        v, dv, ddv = function(r, inverse, {', '.join(chosen(c) for c in columns[:-2])})",
            f"        v_cut = {chosen(columns[-2])}",
            f"        dv_cut = {chosen(columns[-1])}",
            "        inside = 1.0 if r < cutoff else 0.0",  # a factor instead of a branch
            "        if energy is not None:",
            "            energy[k] = inside * (v - v_cut - dv_cut * (r - cutoff))",
            "        tension[k] = inside * (dv - dv_cut) * inverse",
            "        if stiffness is not None:",
            "            stiffness[k] = inside * ddv",
        ]
    )
    scope = {"function": numba.njit(function, error_model="numpy"), "cutoff": cutoff, "sqrt": np.sqrt}
    exec(source, scope)
    return numba.njit(scope["pairs_of_atom"], error_model="numpy", forceinline=True)


def _digest(value: object) -> str:
    """Return a name for a function and all that it reads: the same in every process."""
    return hashlib.sha256(repr(_content(value, (), [])).encode()).hexdigest()[:16]


def _content(value: object, attributes: tuple[str, ...], within: list[tuple]) -> object:
    """Return what compiled code may depend on in a value, as tuples and bytes.

    Of a module, these are the given attributes. Functions and modules that the value is `within` are not entered again.
    """
    if any(value is outer and attributes == read for outer, read in within):
        return "recursion"
    if isinstance(value, FunctionType | ModuleType | Dispatcher):
        within = [*within, (value, attributes)]
    if isinstance(value, Dispatcher):
        return repr(sorted(value.targetoptions.items())), _content(value.py_func, (), within)
    if isinstance(value, FunctionType):
        return _content_of_function(value, within)
    if isinstance(value, ModuleType):
        found = [(name, getattr(value, name)) for name in attributes if hasattr(value, name)]
        return tuple((name, _content(attribute, attributes, within)) for name, attribute in found)
    if isinstance(value, tuple):
        return getattr(value, "_fields", ()), *(_content(item, attributes, within) for item in value)
    try:
        return pickle.dumps(value)
    except Exception:  # whatever pickle does not take, such as a pointer to a C function: equal to nothing but itself
        return repr(value)


def _content_of_function(function: FunctionType, within: list[tuple]) -> object:
    codes = list(_codes(function.__code__))
    attributes = tuple(sorted({name for code in codes for name in code.co_names}))
    loaded = {step.argval for code in codes for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    read = {name: function.__globals__[name] for name in sorted(loaded & function.__globals__.keys())}
    inner = tuple(cell.cell_contents for cell in function.__closure__ or ())
    values = (tuple(read.items()), inner, function.__defaults__, tuple((function.__kwdefaults__ or {}).items()))
    instructions = [
        (code.co_code, code.co_names, [c for c in code.co_consts if not isinstance(c, CodeType)]) for code in codes
    ]
    return repr(instructions), _content(values, attributes, within)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of those defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
