"""Rings of a network, their statistics, and which ring sizes are neighbours."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .geometry import minimum_image
from .network import MINIMUM_DISTANCE, Network


def rings(network: Network) -> list[np.ndarray]:
    """Return the rings of the Si network, which are its faces: the atom numbers around each, anticlockwise.

    Every directed bond belongs to one face. Following the sharpest right turn at each Si leads around it. The outer
    face of a network with free edges, which runs clockwise, is left out, and so is a path that closes only around the
    periodic cell.

    Returns
    -------
    list of ndarray
        One array of Si numbers per ring, starting with its lowest; the rings are sorted by these.
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
    squared_gap = np.bincount(owner, step[:, 0]) ** 2 + np.bincount(owner, step[:, 1]) ** 2
    is_ring = (twice_area > 0.0) & (squared_gap < MINIMUM_DISTANCE**2)
    number = np.where(is_ring, np.cumsum(is_ring) - 1, -1)
    return start, reverse, walk, number[label], np.bincount(label)[is_ring]


def _clockwise_next(start: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return for each directed bond the one of the same Si that comes next clockwise."""
    x, y = vector.T
    part = y / (np.abs(x) + np.abs(y))  # grows with the angle where x > 0, falls where x < 0; arctan2 may round
    order = np.lexsort((np.where(x >= 0.0, part, 2.0 - part), start))  # otherwise on another processor
    first = np.searchsorted(start[order], start[order], side="left")
    last = np.searchsorted(start[order], start[order], side="right") - 1
    place = np.arange(len(order))
    following = np.empty(len(order), dtype=np.int64)
    following[order] = order[np.where(place == first, last, place - 1)]
    return following


def _cycles(follow: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cycles of a permutation one after another, as met in `order`, and the cycle of each element."""
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


def bond_rings(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes of the rings to the left and to the right of every bond, (n_bonds,) each; 0 where is none.

    Left is seen from the first Si of the bond to the second.
    """
    _, _, _, face, sizes = _faces(network)
    left, right = np.append(sizes, 0)[face].reshape(2, -1)
    return left, right


def ring_statistics(sizes: np.ndarray) -> dict[int, float]:
    """Return the fraction p_n of n-membered rings for every n that occurs, ascending in n."""
    values, counts = np.unique(sizes, return_counts=True)
    return {int(n): float(c / len(sizes)) for n, c in zip(values, counts, strict=True)}


def ring_neighbour_sizes(network: Network) -> dict[int, float]:
    """Return the mean size m_n of the neighbours (sharing a bond) of n-membered rings, ascending in n."""
    sizes, adjacency = ring_adjacency(network)
    total = adjacency @ sizes
    shared = np.asarray(adjacency.sum(axis=1)).ravel()
    return {int(n): float(total[sizes == n].sum() / shared[sizes == n].sum()) for n in np.unique(sizes)}


def aboav_weaire(network: Network) -> float:
    """Return the Aboav-Weaire parameter alpha: how strongly small rings are neighbours of large ones.

    Fits n m_n = mu² + s² + mu (1 - alpha)(n - mu) over all rings (least squares weighted with p_n), with mu and s² the
    mean and variance of the ring sizes.

    Raises
    ------
    ValueError
        If all rings have the same size, where alpha is undefined.
    """
    sizes, _ = ring_adjacency(network)
    mu, variance = sizes.mean(), sizes.var()
    if variance == 0:
        raise ValueError(f"network: all rings have size {sizes[0]}; alpha needs rings of different sizes")
    p, m = ring_statistics(sizes), ring_neighbour_sizes(network)
    x = np.array([n - mu for n in m])
    y = np.array([n * m[n] - mu**2 - variance for n in m])
    w = np.array([p[n] for n in m])
    return float(1.0 - np.sum(w * x * y) / (mu * np.sum(w * x * x)))


def ring_adjacency(network: Network) -> tuple[np.ndarray, csr_array]:
    """Return the ring sizes and the number of bonds that two rings share, shape (n_rings, n_rings)."""
    _, reverse, _, face, sizes = _faces(network)
    shared = (face >= 0) & (face[reverse] >= 0)
    shape = (len(sizes), len(sizes))
    adjacency = csr_array((np.ones(shared.sum()), (face[shared], face[reverse][shared])), shape=shape)
    return sizes.astype(float), adjacency
