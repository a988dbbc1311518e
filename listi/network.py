"""The glass as a network: atoms, bonds and the periodic cell; its rings and their statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from .potential import LENGTH_UNIT, OXYGEN, SILICON

MINIMUM_DISTANCE = (
    0.5  # two atoms closer than this [Å] overlap: the closest pair of the glass is Si-O at 1.5 Å
)
MAXIMUM_BOND = (
    5.0  # a Si-Si bond longer than this [Å] does not belong to the positions; 3.05 Å is normal
)
COORDINATION_RADIUS = 1.8  # an O within this distance of a Si [Å] is bonded to it


@dataclass(frozen=True)
class Network:
    """A two-dimensional silica network in a periodic rectangular cell, a corner at the origin.

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
        for name, dtype in (
            ("positions", float),
            ("species", np.int8),
            ("bonds", np.int64),
            ("cell", float),
        ):
            given = np.asarray(getattr(self, name))
            try:
                value = np.array(given, dtype=dtype)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{name}: {given.dtype} cannot be read as {np.dtype(dtype)}"
                ) from error
            if dtype is not float and not np.array_equal(value, given):
                raise ValueError(
                    f"{name}: values must be whole numbers, got {given.dtype} that are not"
                )
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
    positions, species, bonds, cell = (
        network.positions,
        network.species,
        network.bonds,
        network.cell,
    )
    if cell.shape != (2,) or not np.all(np.isfinite(cell)) or np.any(cell <= 0):
        raise ValueError(f"cell: {cell.tolist()} is not two finite edge lengths > 0 Å")
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) == 0:
        raise ValueError(f"positions: shape {positions.shape} is not (n_atoms, 2) with n_atoms > 0")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if bad.size:
        raise ValueError(
            f"positions: atom {bad[0]} is at {positions[bad[0]].tolist()}; all must be finite"
        )
    if species.shape != (len(positions),):
        raise ValueError(
            f"species: shape {species.shape} is not ({len(positions)},), one entry an atom"
        )
    bad = np.flatnonzero((species != SILICON) & (species != OXYGEN))
    if bad.size:
        raise ValueError(
            f"species: atom {bad[0]} has {species[bad[0]]}; allowed are 0 (Si) and 1 (O)"
        )
    _check_overlap(positions, cell)
    _check_bonds(positions, species, bonds, cell)


def _check_overlap(positions: np.ndarray, cell: np.ndarray) -> None:
    wrapped = np.mod(positions, cell)
    wrapped[wrapped >= cell] = 0.0  # np.mod rounds a tiny negative number up to the edge itself
    pairs = cKDTree(wrapped, boxsize=cell).query_pairs(MINIMUM_DISTANCE, output_type="ndarray")
    if len(pairs):
        i, j = pairs[0]
        distance = np.linalg.norm(minimum_image(positions[i] - positions[j], cell))
        raise ValueError(
            f"positions: atoms {i} and {j} overlap, {distance:.3g} Å apart;"
            f" at least {MINIMUM_DISTANCE} Å"
        )


def _check_bonds(
    positions: np.ndarray, species: np.ndarray, bonds: np.ndarray, cell: np.ndarray
) -> None:
    if bonds.ndim != 2 or bonds.shape[1] != 2:
        raise ValueError(f"bonds: shape {bonds.shape} is not (n_bonds, 2)")
    bad = np.flatnonzero(((bonds < 0) | (bonds >= len(positions))).any(axis=1))
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} is {bonds[bad[0]].tolist()};"
            f" atom numbers are 0..{len(positions) - 1}"
        )
    bad = np.flatnonzero((species[bonds] != SILICON).any(axis=1) | (bonds[:, 0] == bonds[:, 1]))
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} is {bonds[bad[0]].tolist()}; a bond joins two different Si"
        )
    if len(np.unique(np.sort(bonds, axis=1), axis=0)) != len(bonds):
        raise ValueError("bonds: a pair of Si is listed twice; each bond stands once")
    length = np.linalg.norm(
        minimum_image(positions[bonds[:, 0]] - positions[bonds[:, 1]], cell), axis=1
    )
    bad = np.flatnonzero(length > MAXIMUM_BOND)
    if bad.size:
        raise ValueError(
            f"bonds: entry {bad[0]} {bonds[bad[0]].tolist()} is {length[bad[0]]:.3g} Å long"
            f" in these positions; at most {MAXIMUM_BOND} Å"
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

    Every directed bond belongs to one face; walking on by the sharpest right turn at each Si closes
    it. For networks with free edges the outer face, which runs clockwise, is left out, as is a walk
    that closes only around the periodic cell.

    Returns
    -------
    list of ndarray
        One array of Si numbers a ring, from its lowest number on; ordered by these.
    """
    start, _, walk, face, _ = _faces(network)
    walk = walk[face[walk] >= 0]
    return np.split(start[walk], np.flatnonzero(np.diff(face[walk])) + 1) if len(walk) else []


def _faces(network: Network) -> tuple[np.ndarray, ...]:
    """Walk around all faces.

    Returns
    -------
    start : ndarray, shape (2 n_bonds,)
        Si at which each directed bond begins.
    reverse : ndarray, shape (2 n_bonds,)
        The same bond in the other direction.
    walk : ndarray, shape (2 n_bonds,)
        Directed bonds, face by face.
    face : ndarray, shape (2 n_bonds,)
        Number of the ring on the left of each directed bond, -1 where it is none.
    sizes : ndarray, shape (n_rings,)
        Bonds around each ring.
    """
    start, end = network.bonds.T.ravel(), network.bonds[:, ::-1].T.ravel()
    n_bonds = len(network.bonds)
    reverse = np.roll(np.arange(2 * n_bonds), n_bonds)
    vector = minimum_image(network.positions[end] - network.positions[start], network.cell)
    follow = _clockwise_next(start, vector)[reverse]
    walk, label = _cycles(follow, np.lexsort((end, start)))
    step, owner = vector[walk], label[walk]
    path = np.cumsum(step, axis=0)
    twice_area = np.bincount(owner, path[:, 0] * step[:, 1] - path[:, 1] * step[:, 0])
    gap = np.hypot(np.bincount(owner, step[:, 0]), np.bincount(owner, step[:, 1]))
    is_ring = (twice_area > 0.0) & (gap < MINIMUM_DISTANCE)
    number = np.where(is_ring, np.cumsum(is_ring) - 1, -1)
    return start, reverse, walk, number[label], np.bincount(label)[is_ring]


def _clockwise_next(start: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Directed bond of the same Si that comes next clockwise, for each directed bond."""
    order = np.lexsort((np.arctan2(vector[:, 1], vector[:, 0]), start))
    first = np.searchsorted(start[order], start[order], side="left")
    last = np.searchsorted(start[order], start[order], side="right") - 1
    place = np.arange(len(order))
    following = np.empty(len(order), dtype=np.int64)
    following[order] = order[np.where(place == first, last, place - 1)]
    return following


def _cycles(follow: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Concatenated cycles of a permutation, met in `order`, and the cycle of each element."""
    following, label, walk, n_cycles = follow.tolist(), [-1] * len(follow), [], 0
    for element in order.tolist():
        if label[element] >= 0:
            continue
        while label[element] < 0:
            label[element] = n_cycles
            walk.append(element)
            element = following[element]
        n_cycles += 1
    return np.array(walk, dtype=np.int64), np.array(label, dtype=np.int64)


def ring_sizes(network: Network) -> np.ndarray:
    """Return the number of Si around every ring, shape (n_rings,), in the order of `rings`."""
    return _faces(network)[4]


def ring_statistics(sizes: np.ndarray) -> dict[int, float]:
    """Return the fraction p_n of n-membered rings for every n that occurs, ascending in n."""
    values, counts = np.unique(sizes, return_counts=True)
    return {int(n): float(c / len(sizes)) for n, c in zip(values, counts, strict=True)}


def ring_neighbour_sizes(network: Network) -> dict[int, float]:
    """Mean size m_n of the neighbours (sharing a bond) of n-membered rings, ascending in n."""
    sizes, adjacency = _ring_adjacency(network)
    total = adjacency @ sizes
    shared = np.asarray(adjacency.sum(axis=1)).ravel()
    return {
        int(n): float(total[sizes == n].sum() / shared[sizes == n].sum()) for n in np.unique(sizes)
    }


def aboav_weaire(network: Network) -> float:
    """Aboav-Weaire parameter alpha: how strongly small rings neighbour large ones.

    Fits n m_n = mu² + s² + mu (1 - alpha)(n - mu) over all rings (least squares weighted with p_n),
    with mu and s² the mean and variance of the ring sizes.

    Raises
    ------
    ValueError
        If all rings have the same size, where alpha is undefined.
    """
    sizes, _ = _ring_adjacency(network)
    mu, variance = sizes.mean(), sizes.var()
    if variance == 0:
        raise ValueError(
            f"network: all rings have size {sizes[0]}; alpha needs rings of different sizes"
        )
    p, m = ring_statistics(sizes), ring_neighbour_sizes(network)
    x = np.array([n - mu for n in m])
    y = np.array([n * m[n] - mu**2 - variance for n in m])
    w = np.array([p[n] for n in m])
    return float(1.0 - np.sum(w * x * y) / (mu * np.sum(w * x * x)))


def _ring_adjacency(network: Network) -> tuple[np.ndarray, csr_array]:
    """Ring sizes and the (n_rings, n_rings) count of shared bonds."""
    _, reverse, _, face, sizes = _faces(network)
    shared = (face >= 0) & (face[reverse] >= 0)
    shape = (len(sizes), len(sizes))
    adjacency = csr_array(
        (np.ones(shared.sum()), (face[shared], face[reverse][shared])), shape=shape
    )
    return sizes.astype(float), adjacency
