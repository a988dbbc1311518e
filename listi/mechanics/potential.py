"""Pair potentials: what two atoms of given species at a given distance do to each other.

A potential is a function of the distance with parameters for every pair of species, shifted so that energy and force
vanish at the cutoff:

    U(r) = V(r) - V(r_c) - V'(r_c) (r - r_c)      for r < r_c, else 0

`listi.mechanics.forms` has the potential of two-dimensional silica, the default everywhere, and others; `Potential`
takes any function. Lengths are in Å and energies in the potential's own reduced unit; no conversion to SI has been
published, so none is made.
"""

from __future__ import annotations

import functools
import math
import pickle
from collections.abc import Callable, Sequence
from types import FunctionType

import cloudpickle
import numpy as np
from numba.core.errors import NumbaError

from ..network.geometry import as_array, is_number
from .content import digest
from .kernels import PairTable, check, compile_loop

PairFunction = Callable[..., tuple[float, float, float]]

ATTRACTION_OF_SILICA = 0.31  # largest U' of silica: between Si and O [energy/Å]


class Potential:
    """A pair potential over any number of species.

    Parameters
    ----------
    function : callable
        ``function(r, inverse, p, q, ..., c, ...)`` returns V, V' and V'' at distance r = 1 / inverse for the parameters
        p, q, ... of the pair and the constants c, ... of all pairs. Numba compiles it; it must not branch on r where
        that can be avoided (a conditional expression is fine), or loops over pairs do not vectorise. Constants that it
        reads elsewhere must not change.
    parameters : ndarray, shape (n_species, n_species, n_parameters)
        Parameters of every pair of species, symmetric in the species.
    cutoff : float
        r_c.
    symbols : sequence of str
        Name of each species: the chemical symbols, where atoms are exchanged with ASE.
    constants : sequence of float
        What the function takes beyond the parameters of a pair, the same for all pairs. Potentials that differ in
        parameters, constants or cutoff alone share what is compiled.

    Attributes
    ----------
    parameters : ndarray, shape (n_species, n_species, n_parameters)
        As given.
    form : str
        The same for potentials that share their compiled loop over pairs: function, numbers of species, parameters and
        constants.

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
        self,
        function: PairFunction,
        parameters: np.ndarray,
        cutoff: float,
        symbols: Sequence[str] = ("Si", "O"),
        constants: Sequence[float] = (),
    ) -> None:
        function = getattr(function, "py_func", function)  # of a function that is compiled already
        if not isinstance(function, FunctionType):
            raise TypeError(f"function: {function!r} is not a Python function; write def function(r, inverse, ...)")
        parameters = as_array("parameters", parameters)
        n = len(symbols)
        if len(set(symbols)) < n or not all(isinstance(symbol, str) and symbol for symbol in symbols):
            raise ValueError(f"symbols: {tuple(symbols)} is not a different name for each species")
        if not (is_number(cutoff) and cutoff > 0):
            raise ValueError(f"cutoff: {cutoff!r} is not > 0 Å")
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
        self.parameters, self.constants = parameters.copy(), tuple(float(constant) for constant in constants)
        self.parameters.flags.writeable = False
        for a in range(n):
            for b in range(n):
                self._check(a, b)
        self.form = self._form()

    def _form(self) -> str:
        return digest((self.function, self.parameters.shape, len(self.constants)))

    def _values(self, r: float, a: int, b: int) -> tuple[float, float, float]:
        """V, V', V'' of one pair."""
        return self.function(r, 1.0 / r, *self.parameters[a, b], *self.constants)

    def _check(self, a: int, b: int) -> None:
        for r in (np.linspace(0.05, 1.0, 96) * self.cutoff).tolist():
            values = self._values(r, a, b)
            if not np.all(np.isfinite(values)):
                pair = f"{self.symbols[a]}-{self.symbols[b]}"
                raise ValueError(f"function: V, V', V'' = {values} of {pair} at r = {r:.4g} Å; all must be finite")

    @functools.cached_property
    def table(self) -> PairTable:
        """The potential as kernels read it, in this process; its loop is compiled and checked when it is first used.

        Raises
        ------
        ValueError
            If the function cannot be compiled or then gives other values, or constants that it reads have changed.
        """
        if self.form != self._form():
            raise ValueError(
                f"function: constants that {self.function.__qualname__} reads have changed since the potential was "
                "made; make another potential"
            )
        n, _, n_parameters = self.parameters.shape
        try:
            loop = compile_loop(self.function, n, n_parameters, len(self.constants), self.form)
        except NumbaError as error:
            name = self.function.__qualname__
            raise ValueError(f"function: Numba cannot compile {name}; the error above says why") from error
        at_cutoff = [[self._values(self.cutoff, a, b)[:2] for b in range(n)] for a in range(n)]
        rows = np.concatenate([self.parameters, np.array(at_cutoff)], axis=2)
        table = PairTable(rows, np.array([self.cutoff, *self.constants]), self.cutoff, loop.address)
        check(self, table)
        return table

    def __reduce__(self) -> tuple:
        function = cloudpickle.dumps(self.function)  # pickle takes no function that was made by another
        return _unpickled, (function, self.parameters, self.cutoff, self.symbols, self.constants)

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
        v_cut, dv_cut = self._values(self.cutoff, a, b)[:2]
        v, dv, ddv = np.array([self._values(x, a, b) for x in r]).T
        inside = r < self.cutoff
        return inside * (v - v_cut - dv_cut * (r - self.cutoff)), inside * (dv - dv_cut), inside * ddv

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
