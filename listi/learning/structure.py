"""The Si graph of a whole sample: neighbours, bonds with their O, local stress. Lengths in Å."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..mechanics.arithmetic import cosine_and_sine
from ..mechanics.load import rotated
from ..network.geometry import minimum_image, wrap
from ..network.network import OXYGEN, Network

NEIGHBOURS = 3  # of a Si in silica
MISSING = -1  # stands for a neighbour that is not there


def as_rows(row: np.ndarray, values: np.ndarray, n: int, width: int | None = None) -> np.ndarray:
    """Return an array (n, width) with the values of each row in their order, filled up with -1; as wide as needed."""
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=n)
    rows = np.full((n, counts.max(initial=0) if width is None else width), -1, dtype=np.int64)
    rows[row[order], np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)] = values[order]
    return rows


def rotate_vectors(vectors: np.ndarray, angle: float) -> np.ndarray:
    """Return vectors (..., 2) rotated anticlockwise by an angle [degrees]."""
    c, s = cosine_and_sine(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)


def rotate_tensors(components: np.ndarray, angle: float) -> np.ndarray:
    """Return symmetric tensors, components xx, xy, yy (n, 3), rotated anticlockwise by an angle [degrees]."""
    xx, xy, yy = components.T
    (xx, xy), (_, yy) = rotated(np.array([[xx, xy], [xy, yy]]), angle)
    return np.stack([xx, xy, yy], axis=1)


def without_fourth_bonds(network: Network) -> Network:
    """Return the network as graph networks can read it: a Si with a fourth bond, after an event, loses its longest."""
    bonds, stays = network.bonds, np.ones(len(network.bonds), dtype=bool)
    first, second = network.positions[bonds.T]
    length = np.linalg.norm(minimum_image(second - first, network.cell), axis=1)
    for atom in np.flatnonzero(np.bincount(bonds.ravel()) > NEIGHBOURS):
        own = np.flatnonzero((bonds == atom).any(axis=1) & stays)
        stays[own[np.argsort(length[own])[NEIGHBOURS:]]] = False
    return network if stays.all() else network.replace(bonds=bonds[stays])


def neighbours(network: Network) -> np.ndarray:
    """Return the bonded Si of every Si, shape (n_si, 3), numbered among the Si; `MISSING` where there are fewer.

    Raises
    ------
    ValueError
        If a Si has more than three.
    """
    ends = np.searchsorted(network.silicon, network.bonds)
    ends = np.concatenate([ends, ends[:, ::-1]])
    most = np.bincount(ends[:, 0]).max(initial=0)
    if most > NEIGHBOURS:
        raise ValueError(f"bonds: a Si has {most} neighbours; graph networks here take at most {NEIGHBOURS}")
    return as_rows(ends[:, 0], ends[:, 1], len(network.silicon), NEIGHBOURS)


def bond_vectors(network: Network, to: np.ndarray) -> np.ndarray:
    """Return the vectors from every Si to its neighbours `to` (n_si, 3), shape (n_si, 3, 2) [Å]; 0 where missing."""
    silicon = network.positions[network.silicon]
    vector = minimum_image(silicon[to] - silicon[:, None], network.cell)
    return np.where(to[:, :, None] == MISSING, 0.0, vector)


def oxygen_places(network: Network, to: np.ndarray) -> np.ndarray:
    """Return the vectors from every Si to the O on its bonds, shape (n_si, 3, 2) [Å]; 0 where the bond is missing.

    The O of a bond is the one nearest to its middle.

    Raises
    ------
    ValueError
        If the network has no O.
    """
    oxygen = network.positions[network.species == OXYGEN]
    if len(oxygen) == 0:
        raise ValueError("network: has no O, which this model reads; there is one that reads Si alone")
    silicon = network.positions[network.silicon][:, None]
    middle = silicon + 0.5 * bond_vectors(network, to)
    _, nearest = cKDTree(wrap(oxygen, network.cell), boxsize=network.cell).query(wrap(middle, network.cell))
    vector = minimum_image(oxygen[nearest] - silicon, network.cell)
    return np.where(to[:, :, None] == MISSING, 0.0, vector)


def local_stress(network: Network, virial: np.ndarray) -> np.ndarray:
    """Return the virial of every Si and half of that of the O within its bonds, shape (n_si, 3) [energy]."""
    cell, is_oxygen = network.cell, network.species == OXYGEN
    tree = cKDTree(wrap(network.positions[is_oxygen], cell), boxsize=cell)
    silicon = wrap(network.positions[network.silicon], cell)
    nearest, which = tree.query(silicon, k=NEIGHBOURS, distance_upper_bound=2.4)
    of_oxygen = np.concatenate([virial[is_oxygen], np.zeros((1, 3))])  # the last row stands for an O that is not there
    halves = 0.5 * of_oxygen[np.where(np.isfinite(nearest), which, -1)].sum(axis=1)
    return virial[network.silicon] + halves
