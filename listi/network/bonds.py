"""Bonds of silica, read from the positions of its atoms."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from .geometry import minimum_image, wrap
from .network import OXYGEN, SILICON, Network

COORDINATION_RADIUS = 1.8  # an O within this distance of a Si [Å] is bonded to it


def oxygen_coordination(network: Network, radius: float = COORDINATION_RADIUS) -> np.ndarray:
    """Return the number of O within `radius` [Å] of every Si, shape (n_silicon,)."""
    wrapped = wrap(network.positions, network.cell)
    oxygen = cKDTree(wrapped[network.species == OXYGEN], boxsize=network.cell)
    return oxygen.query_ball_point(wrapped[network.silicon], radius, return_length=True)


def bonds_through_oxygen(
    positions: np.ndarray,
    species: np.ndarray,
    cell: np.ndarray,
    radius: float = COORDINATION_RADIUS,
) -> np.ndarray:
    """Return the Si-Si bonds of a periodic network: the two Si within `radius` of each O, in the order of the O.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å].
    species : ndarray, shape (n_atoms,)
        0 = Si, 1 = O.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    radius : float
        Largest Si-O distance of bonded atoms [Å].

    Returns
    -------
    ndarray of int64, shape (n_bonds, 2)
        Lower atom number first. An O with a single Si, at a free edge, makes no bond.

    Raises
    ------
    ValueError
        If an O has more than two Si within `radius`.
    """
    wrapped = wrap(positions, cell)
    silicon, oxygen = np.flatnonzero(species == SILICON), np.flatnonzero(species == OXYGEN)
    near = cKDTree(wrapped[silicon], boxsize=cell).query_ball_point(wrapped[oxygen], radius, return_sorted=True)
    for atom, found in zip(oxygen, near, strict=True):
        if len(found) > 2:
            raise ValueError(f"positions: O {atom} has {len(found)} Si within {radius} Å; at most 2 are allowed")
    pairs = [silicon[found] for found in near if len(found) == 2]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def bond_orientational_order(positions: np.ndarray, bonds: np.ndarray, cell: np.ndarray) -> float:
    """Return |mean exp(6 i theta)| over the directions theta of the bonds.

    One in a honeycomb, however it lies; about 1 / sqrt(n_bonds) where bonds have no preferred direction.

    Parameters
    ----------
    positions, bonds, cell
        As in `listi.Network`.
    """
    along = minimum_image(positions[bonds[:, 1]] - positions[bonds[:, 0]], cell)
    return float(np.abs(np.mean(np.exp(6j * np.arctan2(along[:, 1], along[:, 0])))))
