"""The glass as a network: atoms, bonds and the periodic cell; its rings and their statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from .potential import LENGTH_UNIT, OXYGEN, SILICON

MINIMUM_DISTANCE = 0.5  # two atoms closer than this [Å] overlap: the closest pair of the glass is Si-O at 1.5 Å
MAXIMUM_BOND = 5.0  # a Si-Si bond longer than this [Å] does not belong to the positions; 3.05 Å is normal
COORDINATION_RADIUS = 1.8  # an O within this distance of a Si [Å] is bonded to it


@dataclass(frozen=True)
class Network:
    """A two-dimensional silica network in a periodic rectangular cell with its corner at the origin.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å].
    species : ndarray of int8, shape (n_atoms,)
        0 = Si, 1 = O.
    bonds : ndarray of int64, shape (n_bonds, 2)
        Pairs of atom numbers: Si-Si connections (each stands for Si-O-Si).
    cell : ndarray, shape (2,)
        Edge lengths along x and y [Å].

    Raises
    ------
    ValueError
        If a shape, a value or a bond makes no sense; the message names it.
    """

    positions: np.ndarray
    species: np.ndarray
    bonds: np.ndarray
    cell: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("positions", float), ("species", np.int8), ("bonds", np.int64), ("cell", float)):
            given = np.asarray(getattr(self, name))
            try:
                value = np.array(given, dtype=dtype)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {given.dtype} cannot be read as {np.dtype(dtype)}") from error
            if dtype is not float and not np.array_equal(value, given):
                raise ValueError(f"{name}: values must be whole numbers, got {given.dtype} that are not")
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        _check(self)

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
        return xr.Dataset(
            {
                "positions": (("atom", "xy"), self.positions, _attrs(LENGTH_UNIT, "atom position")),
                "species": ("atom", self.species, _attrs("1", "species: 0 = Si, 1 = O")),
                "bonds": (("bond", "end"), self.bonds, _attrs("1", "atom numbers of bonded Si")),
                "cell": ("xy", self.cell, _attrs(LENGTH_UNIT, "edge lengths of the periodic cell")),
            },
            coords={"xy": ["x", "y"]},
        )

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset) -> Network:
        """Build a network from the dataset that `to_xarray` makes."""
        return cls(*(dataset[name].values for name in ("positions", "species", "bonds", "cell")))


def _attrs(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def _check(network: Network) -> None:
    """Refuse arrays that are not a network; called once, when one is made."""
    positions, species, bonds, cell = network.positions, network.species, network.bonds, network.cell
    if cell.shape != (2,) or not np.all(np.isfinite(cell)) or np.any(cell <= 0):
        raise ValueError(f"cell: {cell.tolist()} is not two finite edge lengths > 0 Å")
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) == 0:
        raise ValueError(f"positions: shape {positions.shape} is not (n_atoms, 2) with n_atoms > 0")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if bad.size:
        raise ValueError(f"positions: atom {bad[0]} is at {positions[bad[0]].tolist()}; all must be finite")
    if species.shape != (len(positions),):
        raise ValueError(f"species: shape {species.shape} is not ({len(positions)},), one entry an atom")
    bad = np.flatnonzero((species != SILICON) & (species != OXYGEN))
    if bad.size:
        raise ValueError(f"species: atom {bad[0]} has {species[bad[0]]}; allowed are 0 (Si) and 1 (O)")
    _check_overlap(positions, cell)
    _check_bonds(positions, species, bonds, cell)


def _check_overlap(positions: np.ndarray, cell: np.ndarray) -> None:
    wrapped = np.mod(positions, cell)
    wrapped[wrapped >= cell] = 0.0  # np.mod rounds a tiny negative number up to the edge itself
    pairs = cKDTree(wrapped, boxsize=cell).query_pairs(MINIMUM_DISTANCE, output_type="ndarray")
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
        raise ValueError(f"bonds: entry {bad[0]} is {bonds[bad[0]].tolist()}; a bond joins two different Si")
    if len(np.unique(np.sort(bonds, axis=1), axis=0)) != len(bonds):
        raise ValueError("bonds: a pair of Si is listed twice; each bond stands once")
    length = np.linalg.norm(minimum_image(positions[bonds[:, 0]] - positions[bonds[:, 1]], cell), axis=1)
    bad = np.flatnonzero(length > MAXIMUM_BOND)
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} {bonds[bad[0]].tolist()} is {length[bad[0]]:.3g} Å long in these positions;"
            f" at most {MAXIMUM_BOND} Å"
        )


def minimum_image(difference: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Wrap difference vectors (..., 2) [Å] to the nearest periodic image."""
    return difference - cell * np.round(difference / cell)


def oxygen_coordination(network: Network, radius: float = COORDINATION_RADIUS) -> np.ndarray:
    """Return the number of O within `radius` [Å] of every Si, shape (n_silicon,)."""
    wrapped = np.mod(network.positions, network.cell)
    wrapped[wrapped >= network.cell] = 0.0
    oxygen = cKDTree(wrapped[network.species == OXYGEN], boxsize=network.cell)
    return oxygen.query_ball_point(wrapped[network.silicon], radius, return_length=True)


def rings(network: Network) -> list[np.ndarray]:
    """Faces of the Si network: the atom numbers around each ring, anticlockwise.

    Every directed bond belongs to one face; walking on by the sharpest right turn at each Si closes it. For
    networks with free edges the outer face, which runs clockwise, is left out.

    Returns
    -------
    list of ndarray
        One array of Si numbers a ring.
    """
    follow = _next_in_face(network)
    todo = set(follow)
    found = []
    while todo:
        start = min(todo) if not found else next(iter(todo))
        face, edge = [], start
        while edge in todo:
            todo.discard(edge)
            face.append(edge)
            edge = follow[edge]
        corners = np.array([i for i, _ in face])
        steps = np.array([_bond_vector(network, i, j) for i, j in face])
        path = np.cumsum(steps, axis=0)
        x, y = path.T
        if np.sum(np.roll(x, 1) * y - x * np.roll(y, 1)) > 0:
            found.append(corners)
    return sorted(found, key=lambda ring: tuple(ring))


def _bond_vector(network: Network, i: int, j: int) -> np.ndarray:
    return minimum_image(network.positions[j] - network.positions[i], network.cell)


def _next_in_face(network: Network) -> dict[tuple[int, int], tuple[int, int]]:
    """Map each directed bond (i, j) to the next one (j, k) around the face on its left."""
    neighbours: dict[int, list[int]] = {}
    for i, j in network.bonds.tolist():
        neighbours.setdefault(i, []).append(j)
        neighbours.setdefault(j, []).append(i)
    follow = {}
    for j, around in neighbours.items():
        vectors = minimum_image(network.positions[around] - network.positions[j], network.cell)
        order = np.argsort(np.arctan2(vectors[:, 1], vectors[:, 0]))
        ordered = [around[k] for k in order]
        for n, i in enumerate(ordered):  # arriving from i, leave by the neighbour just clockwise of i
            follow[(i, j)] = (j, ordered[n - 1])
    return follow


def ring_sizes(network: Network) -> np.ndarray:
    """Return the number of Si around every ring, shape (n_rings,), in the order of `rings`."""
    return np.array([len(ring) for ring in rings(network)], dtype=int)


def ring_statistics(sizes: np.ndarray) -> dict[int, float]:
    """Return the fraction p_n of n-membered rings for every n that occurs, ascending in n."""
    values, counts = np.unique(sizes, return_counts=True)
    return {int(n): float(c / len(sizes)) for n, c in zip(values, counts, strict=True)}


def ring_neighbour_sizes(network: Network) -> dict[int, float]:
    """Mean size m_n of the neighbours of n-membered rings (a neighbour shares a bond), ascending in n."""
    sizes, adjacency = _ring_adjacency(network)
    total = adjacency @ sizes
    shared = np.asarray(adjacency.sum(axis=1)).ravel()
    return {int(n): float(total[sizes == n].sum() / shared[sizes == n].sum()) for n in np.unique(sizes)}


def aboav_weaire(network: Network) -> float:
    """Aboav-Weaire parameter alpha: how strongly small rings neighbour large ones.

    Fits n m_n = mu² + s² + mu (1 - alpha)(n - mu) over all rings (least squares weighted with p_n), with mu and
    s² the mean and variance of the ring sizes.

    Raises
    ------
    ValueError
        If all rings have the same size, where alpha is undefined.
    """
    sizes, _ = _ring_adjacency(network)
    mu, variance = sizes.mean(), sizes.var()
    if variance == 0:
        raise ValueError(f"network: all rings have size {sizes[0]}; alpha needs rings of different sizes")
    p, m = ring_statistics(sizes), ring_neighbour_sizes(network)
    x = np.array([n - mu for n in m])
    y = np.array([n * m[n] - mu**2 - variance for n in m])
    w = np.array([p[n] for n in m])
    return float(1.0 - np.sum(w * x * y) / (mu * np.sum(w * x * x)))


def _ring_adjacency(network: Network) -> tuple[np.ndarray, csr_array]:
    """Ring sizes and the (n_rings, n_rings) count of shared bonds."""
    faces = rings(network)
    left = {(int(i), int(j)): f for f, ring in enumerate(faces) for i, j in zip(ring, np.roll(ring, -1), strict=True)}
    pairs = [(f, left[(j, i)]) for (i, j), f in left.items() if (j, i) in left]
    row, column = np.array(pairs).T if pairs else np.empty((2, 0), dtype=int)
    shape = (len(faces), len(faces))
    adjacency = csr_array((np.ones(len(row)), (row, column)), shape=shape)
    return np.array([len(ring) for ring in faces], dtype=float), adjacency
