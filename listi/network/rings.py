"""Rings of a network, their statistics, and which ring sizes are neighbours.

A ring is a face of the planar network of Si: a closed path of bonds with no bond inside it. Its size is the number of
Si on the path, each counted once, whether they have two bonds or three. A Si with a single bond is on no closed path,
nor is anything else that hangs from a ring by a single bond: such dead ends belong to no ring and leave the size of the
ring that they lie in as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from .geometry import minimum_image
from .network import MINIMUM_DISTANCE, Network


class _Faces(NamedTuple):
    """Walks around all faces.

    Attributes
    ----------
    start : ndarray, shape (2 n_bonds,)
        Si at which each directed bond begins.
    reverse : ndarray, shape (2 n_bonds,)
        The same bond in the other direction.
    walk : ndarray, shape (2 n_bonds,)
        Directed bonds, face by face.
    face : ndarray, shape (2 n_bonds,)
        Number of the ring on the left of each directed bond, -1 where there is none.
    sizes : ndarray, shape (n_rings,)
        Bonds that the walk around each ring passes.
    dead_end : ndarray of bool, shape (n_bonds,)
        Bonds whose removal cuts a piece inside a ring off from it.
    """

    start: np.ndarray
    reverse: np.ndarray
    walk: np.ndarray
    face: np.ndarray
    sizes: np.ndarray
    dead_end: np.ndarray


def rings(network: Network) -> list[np.ndarray]:
    """Return the rings of the Si network: the atom numbers around each, anticlockwise.

    Every directed bond belongs to one face. Following the sharpest right turn at each Si leads around it. The outer
    face of a network with free edges, which runs clockwise, is left out, and so is a path that closes only around the
    periodic cell.

    Returns
    -------
    list of ndarray
        One array of Si numbers per ring, starting with its lowest; the rings are sorted by these.
    """
    faces, _ = _ring_faces(network)
    walk = faces.walk[faces.face[faces.walk] >= 0]
    return np.split(faces.start[walk], np.flatnonzero(np.diff(faces.face[walk])) + 1) if len(walk) else []


def outer_silicon(network: Network) -> np.ndarray:
    """Return the numbers of the Si, ascending, that a ring does not surround on every side: those at a free edge."""
    faces = _faces(network)
    return np.unique(faces.start[faces.face < 0])


def _ring_faces(network: Network) -> tuple[_Faces, np.ndarray]:
    """Return the faces of the network without its dead ends, and flags (n_bonds,) of the bonds that are left."""
    faces, left = _faces(network), np.ones(len(network.bonds), dtype=bool)
    if faces.dead_end.any():
        left = ~faces.dead_end
        faces = _faces(network.replace(bonds=network.bonds[left]))
    return faces, left


def _faces(network: Network) -> _Faces:
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
    face = number[label]
    dead_end = _dead_ends(walk, step, path, face)
    return _Faces(start, reverse, walk, face, np.bincount(label)[is_ring], dead_end)


def _dead_ends(walk: np.ndarray, step: np.ndarray, path: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Return flags (n_bonds,) of the bonds that the walk around one ring passes both ways, back from where it left."""
    place = np.empty_like(walk)
    place[walk] = np.arange(len(walk))
    out, back = np.sort(place.reshape(2, -1), axis=0)
    excursion = path[back] - step[back] - path[out]
    left, right = face.reshape(2, -1)
    return (left >= 0) & (left == right) & (np.sum(excursion**2, axis=1) < MINIMUM_DISTANCE**2)


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
    return _ring_faces(network)[0].sizes


def bond_rings(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return the sizes of the rings to the left and to the right of every bond, (n_bonds,) each.

    Left is seen from the first Si of the bond to the second. The size is 0 where there is no ring, as on both sides of
    a bond in a dead end.
    """
    faces, left = _ring_faces(network)
    sizes = np.zeros((2, len(left)), dtype=np.int64)
    sizes[:, left] = np.append(faces.sizes, 0)[faces.face].reshape(2, -1)
    return sizes[0], sizes[1]


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
    faces, _ = _ring_faces(network)
    left, right = faces.face, faces.face[faces.reverse]
    shared = (left >= 0) & (right >= 0)
    shape = (len(faces.sizes), len(faces.sizes))
    adjacency = csr_array((np.ones(shared.sum()), (left[shared], right[shared])), shape=shape)
    return faces.sizes.astype(float), adjacency
