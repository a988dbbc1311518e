"""The glass as a network: atoms, bonds and the periodic cell."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from .geometry import as_array, minimum_image, wrap
from .units import LENGTH_UNIT, dataset

SILICON, OXYGEN = 0, 1  # species
MINIMUM_DISTANCE = 0.5  # two atoms closer than this [Å] overlap: the closest pair of the glass is Si-O at 1.5 Å
DRAWN_BONDS = 6000  # in notebooks; larger networks have no picture there, as its size grows with the bonds
MAXIMUM_BOND = 5.0  # a Si-Si bond longer than this [Å] does not belong to the positions; 3.05 Å is normal


@dataclass(frozen=True)
class Network:
    """A two-dimensional glass in a periodic rectangular cell with a corner at the origin.

    In silica, species 0 is Si, species 1 is O, and a bond joins two Si that share an O. Other materials count their
    species from 0 too; `bonds` may be empty, where only forces matter. The arrays are read-only; `replace` makes a
    changed copy.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å].
    species : ndarray of int8, shape (n_atoms,)
        Species of each atom, 0, 1, ...
    bonds : ndarray of int64, shape (n_bonds, 2)
        Pairs of atom numbers, each pair once; None stands for no bonds.
    cell : ndarray, shape (2,)
        Edge lengths along x and y [Å].

    Raises
    ------
    ValueError
        If an array has a wrong shape or values that are not finite, if two atoms overlap, or if a bond is longer than
        5 Å, occurs twice or joins anything but two atoms of species 0.

    Examples
    --------
    >>> import listi
    >>> pair = listi.Network([[5.0, 5.0], [8.0, 5.0], [6.5, 5.0]], [0, 0, 1], [[0, 1]], [40.0, 40.0])
    >>> pair.n_atoms, pair.silicon.tolist()
    (3, [0, 1])
    >>> pair.replace(cell=[40.0, 0.0])
    Traceback (most recent call last):
    ValueError: cell: [40.0, 0.0] is not two finite edge lengths > 0 Å
    """

    positions: np.ndarray
    species: np.ndarray
    bonds: np.ndarray
    cell: np.ndarray

    def __post_init__(self) -> None:
        if self.bonds is None:
            object.__setattr__(self, "bonds", np.empty((0, 2), dtype=np.int64))
        for name, dtype in {"positions": float, "species": np.int8, "bonds": np.int64, "cell": float}.items():
            given = getattr(self, name)
            value = as_array(name, given, dtype)
            if dtype is not float and not np.array_equal(value, given):
                given = np.asarray(given)
                raise ValueError(f"{name}: {given.dtype} values are not all whole numbers within {np.dtype(dtype)}")
            if name == "bonds" and not value.size:
                value = value.reshape(0, 2)
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        _check(self)

    def __eq__(self, other: object) -> bool:
        """Whether two networks have the same atoms, bonds and cell, to the last bit and in the same order."""
        return self._bytes() == other._bytes() if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._bytes())

    def _bytes(self) -> tuple[bytes, ...]:
        return tuple(getattr(self, field.name).tobytes() for field in fields(self))

    def __reduce__(self) -> tuple:
        return Network, (self.positions, self.species, self.bonds, self.cell)  # copies and pickles are read-only too

    def __repr__(self) -> str:
        counts = np.bincount(self.species)
        is_silica = len(self.bonds) > 0 and len(counts) <= 2
        names = ("Si", "O") if is_silica else [f"of species {number}" for number in range(len(counts))]
        atoms = ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=False))
        return f"Network: {atoms}, {len(self.bonds)} bonds, {self.cell[0]:.1f} x {self.cell[1]:.1f} Å"

    def _repr_html_(self) -> str:
        """The same line over a small picture of the bonds, for notebooks."""
        if not 0 < len(self.bonds) <= DRAWN_BONDS:
            return f"<p>{self!r}</p>"
        start = wrap(self.positions[self.bonds[:, 0]], self.cell)
        step = minimum_image(self.positions[self.bonds[:, 1]] - start, self.cell)
        lines = "".join(f"M{x:.1f} {y:.1f}l{dx:.1f} {dy:.1f}" for x, y, dx, dy in np.hstack([start, step]).tolist())
        width, height = self.cell.tolist()
        return (
            f'<p>{self!r}</p><svg role="img" aria-label="bonds" width="240" viewBox="0 0 {width:g} {height:g}"'
            f' style="background: white"><path transform="matrix(1 0 0 -1 0 {height:g})" d="{lines}" fill="none"'
            ' stroke="#333" stroke-width="0.5"/></svg>'
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.positions)

    @property
    def silicon(self) -> np.ndarray:
        """Atom numbers of the Si, ascending."""
        return np.flatnonzero(self.species == SILICON)

    def replace(self, **changes) -> Network:
        """Return a copy with some fields replaced (and checked again)."""
        return replace(self, **changes)

    def to_xarray(self) -> xr.Dataset:
        """Return the network as a dataset over (atom, xy) and (bond, end)."""
        return dataset(
            {
                "positions": (("atom", "xy"), self.positions, LENGTH_UNIT, "atom position"),
                "species": ("atom", self.species, "1", "species: 0 = Si, 1 = O"),
                "bonds": (("bond", "end"), self.bonds, "1", "atom numbers of bonded Si"),
                "cell": ("xy", self.cell, LENGTH_UNIT, "edge lengths of the periodic cell"),
            },
            coords={"xy": ["x", "y"]},
        )

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> Network:
        """Build a network from the dataset that `to_xarray` makes."""
        return cls(*(dataset[name].values for name in ("positions", "species", "bonds", "cell")))


def check_network(network: object) -> None:
    """Refuse, by a ValueError, what is not a `Network`, such as a path, a `Sample` or `ase.Atoms`."""
    if not isinstance(network, Network):
        raise ValueError(
            f"network: {type(network).__name__} is not a listi.Network; "
            "listi.from_ase and listi.network_of make one, listi.load(file).network is one"
        )


def _check(network: Network) -> None:
    """Refuse arrays that are not a network."""
    positions, species, bonds, cell = network.positions, network.species, network.bonds, network.cell
    if cell.shape != (2,) or not np.all(np.isfinite(cell)) or np.any(cell <= 0):
        raise ValueError(f"cell: {cell.tolist()} is not two finite edge lengths > 0 Å")
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) == 0:
        raise ValueError(f"positions: shape {positions.shape} is not (n_atoms, 2) with n_atoms > 0")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if bad.size:
        raise ValueError(f"positions: atom {bad[0]} is at {positions[bad[0]].tolist()}; all must be finite")
    if species.shape != (len(positions),):
        raise ValueError(f"species: shape {species.shape} is not ({len(positions)},), one entry per atom")
    bad = np.flatnonzero(species < 0)
    if bad.size:
        raise ValueError(
            f"species: atom {bad[0]} has {species[bad[0]]}; allowed are 0, 1, ...; in silica 0 = Si, 1 = O"
        )
    _check_overlap(positions, cell)
    _check_bonds(positions, species, bonds, cell)


def _check_overlap(positions: np.ndarray, cell: np.ndarray) -> None:
    pairs = cKDTree(wrap(positions, cell), boxsize=cell).query_pairs(MINIMUM_DISTANCE, output_type="ndarray")
    if len(pairs):
        i, j = pairs[0]
        distance = np.linalg.norm(minimum_image(positions[i] - positions[j], cell))
        raise ValueError(f"positions: atoms {i} and {j} overlap, {distance:.3g} Å apart; at least {MINIMUM_DISTANCE} Å")


def _check_bonds(positions: np.ndarray, species: np.ndarray, bonds: np.ndarray, cell: np.ndarray) -> None:
    if bonds.ndim != 2 or bonds.shape[1] != 2:
        raise ValueError(f"bonds: shape {bonds.shape} is not (n_bonds, 2)")
    bad = np.flatnonzero(((bonds < 0) | (bonds >= len(positions))).any(axis=1))
    if bad.size:
        raise ValueError(f"bonds: entry {bad[0]} is {bonds[bad[0]].tolist()}; atom numbers are 0..{len(positions) - 1}")
    bad = np.flatnonzero((species[bonds] != SILICON).any(axis=1) | (bonds[:, 0] == bonds[:, 1]))
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} is {bonds[bad[0]].tolist()}; a bond joins two different atoms of species 0 (Si)"
        )
    pairs, times = np.unique(np.sort(bonds, axis=1), axis=0, return_counts=True)
    if np.any(times > 1):
        raise ValueError(f"bonds: {pairs[times > 1][0].tolist()} is listed twice; each bond occurs once")
    length = np.linalg.norm(minimum_image(positions[bonds[:, 0]] - positions[bonds[:, 1]], cell), axis=1)
    bad = np.flatnonzero(length > MAXIMUM_BOND)
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} {bonds[bad[0]].tolist()} is {length[bad[0]]:.3g} Å long"
            f" in these positions; at most {MAXIMUM_BOND} Å"
        )
