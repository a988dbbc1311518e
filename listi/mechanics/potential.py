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
import hashlib
import math
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType

import numba
import numpy as np

PairFunction = Callable[..., tuple[float, float, float]]

ATTRACTION_OF_SILICA = 0.31  # largest U' of silica: between Si and O [energy/Å]


class Potential:
    """A pair potential over any number of species.

    Parameters
    ----------
    function : callable
        ``function(r, inverse, p, q, ...)`` returns V, V' and V'' at distance r = 1 / inverse for the parameters p, q,
        ... of the pair. Numba compiles it; it must not branch on r where that can be avoided (a conditional
        expression is fine), or loops over pairs do not vectorise.
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
        self.form = _digest((function, self.cutoff, parameters.shape))
        self.table = np.zeros((n, n, parameters.shape[2] + 2))
        self.table[..., :-2] = parameters
        for a in range(n):
            for b in range(n):
                self._check(a, b)
                self.table[a, b, -2:] = function(self.cutoff, 1.0 / self.cutoff, *parameters[a, b])[:2]
        self.table.flags.writeable = False
        self.pairs_of_atom = _pairs_of_atom(function, self.cutoff, *parameters.shape[1:])

    def _check(self, a: int, b: int) -> None:
        for r in (np.linspace(0.05, 1.0, 96) * self.cutoff).tolist():
            found = self.function(r, 1.0 / r, *self.table[a, b, :-2])
            if not np.all(np.isfinite(found)):
                pair = f"{self.symbols[a]}-{self.symbols[b]}"
                raise ValueError(f"function: V, V', V'' = {found} of {pair} at r = {r:.4g} Å; all must be finite")

    def __reduce__(self) -> tuple:
        return Potential, (self.function, self.table[..., :-2], self.cutoff, self.symbols)

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
    """Return a name for a function and all that it is made of: the same in every process."""
    if isinstance(value, FunctionType):
        inner = [cell.cell_contents for cell in value.__closure__ or ()]
        named = [value.__globals__[n] for n in value.__code__.co_names if n in value.__globals__]
        defaults = (value.__defaults__ or (), tuple(sorted((value.__kwdefaults__ or {}).items())))
        return _digest((value.__code__, defaults, *inner, *[n for n in named if not isinstance(n, type(np))]))
    if isinstance(value, CodeType):
        return _digest((value.co_code, value.co_names, *value.co_consts))
    if hasattr(value, "py_func"):
        return _digest(value.py_func)
    if isinstance(value, tuple):
        return _digest("(" + " ".join(_digest(v) for v in value) + ")")
    if isinstance(value, np.ndarray):
        return _digest((value.shape, value.tobytes()))
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
