"""The network of the Si that were detected in an image: every Si has three bonds, to near neighbours.

Detection misses some Si and takes other points for Si. Errors that the geometry reveals are repaired, and every repair
is counted: points in the middle of rings, missing Si, missing bonds, and dangling Si.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..network.bonds import BOND, LONGEST, near_bonds
from ..network.network import SILICON, Network
from ..network.patch import VACUUM, edge_silicon, largest_cluster_without_dangling_bonds
from ..network.rings import rings

# In Si-Si distances:
AROUND = ((5, 1.25), (4, 0.85))  # with so many neighbours so near, a point lies in the middle of a ring
STRETCHED = 1.6  # of a bond that closes a ring in which two Si have a bond too few
NO_SILICON = (0.7, 1.4)  # a missing Si is so far from the three that lack a bond

UNEVEN = 0.12  # largest standard deviation of the bonds of a network, in Si-Si distances
UNLIKE = 0.25  # largest share of Si inside it that have not just three neighbours within the first of `AROUND`


@dataclass(frozen=True)
class Connected:
    """Points and bonds of a network, and what was repaired.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        Positions of the Si, in the unit of the input.
    bonds : ndarray, shape (m, 2)
        Pairs of Si.
    repairs : dict
        How many "points removed" from the middle of rings, "Si added", "bonds added" and "loose Si left out".
    """

    points: np.ndarray
    bonds: np.ndarray
    repairs: dict[str, int]


def connect(points: np.ndarray, spacing: float) -> Connected:
    """Bond the Si of an image to a network.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Positions of the detected points.
    spacing : float
        Si-Si distance in the same unit, within some 10 %.

    Raises
    ------
    ValueError
        If the points make no three-coordinated network.
    """
    scaled = np.asarray(points, dtype=float) * (BOND / spacing)
    repairs = dict.fromkeys(("points removed", "Si added", "bonds added", "loose Si left out"), 0)
    crowded = _in_rings(scaled)
    repairs["points removed"] = int(crowded.sum())
    scaled = scaled[~crowded]
    bonds = near_bonds(scaled, LONGEST * BOND)
    missing = _missing_silicon(scaled, bonds)
    if len(missing):
        scaled = np.vstack([scaled, missing])
        bonds = near_bonds(scaled, LONGEST * BOND)
    closing = _missing_bonds(scaled, bonds)
    bonds = np.vstack([bonds, closing])
    repairs["Si added"], repairs["bonds added"] = len(missing), len(closing)
    kept, bonds = largest_cluster_without_dangling_bonds(_network(scaled, bonds), np.ones(len(scaled), dtype=bool))
    repairs["loose Si left out"] = int(np.sum(~kept))
    bonds = (np.cumsum(kept) - 1)[bonds]
    _check(scaled[kept], bonds)
    return Connected(scaled[kept] * (spacing / BOND), bonds, repairs)


def _network(points: np.ndarray, bonds: np.ndarray) -> Network:
    """Return Si without O, whose rings and edges can be computed."""
    corner = points.min(axis=0) - VACUUM / 2
    return Network(points - corner, np.full(len(points), SILICON), bonds, np.ptp(points, axis=0) + VACUUM)


def _in_rings(points: np.ndarray) -> np.ndarray:
    """Return flags (n,) of the points that lie in the middle of a ring."""
    tree = cKDTree(points)
    counts = [tree.query_ball_point(points, radius * BOND, return_length=True) - 1 for _, radius in AROUND]
    return np.any([count >= many for count, (many, _) in zip(counts, AROUND, strict=True)], axis=0)


def _lacking(points: np.ndarray, bonds: np.ndarray) -> list[np.ndarray]:
    """Return the Si of each ring that have fewer than three bonds and are not at a free edge."""
    network = _network(points, bonds)
    lacks_bond = np.bincount(bonds.ravel(), minlength=len(points)) < 3
    lacks_bond[edge_silicon(network)] = False
    return [ring[lacks_bond[ring]] for ring in rings(network)]


def _missing_silicon(points: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Return positions (n, 2) of missing Si: the middle of three Si of a ring that lack a bond each."""
    missing = []
    for lacking in _lacking(points, bonds):
        if len(lacking) == 3:
            middle = points[lacking].mean(axis=0)
            distance = np.linalg.norm(points - middle, axis=1)
            if distance.min() > NO_SILICON[0] * BOND and distance[lacking].max() < NO_SILICON[1] * BOND:
                missing.append(middle)
    return np.array(missing).reshape(-1, 2)


def _missing_bonds(points: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Return bonds (n, 2) that are missing: across a ring in which two Si lack one each, not too far apart."""
    present = {tuple(bond) for bond in np.sort(bonds, axis=1).tolist()}
    closing = {
        tuple(sorted(lacking.tolist()))
        for lacking in _lacking(points, bonds)
        if len(lacking) == 2 and np.linalg.norm(np.diff(points[lacking], axis=0)) < STRETCHED * BOND
    }
    return np.array(sorted(closing - present), dtype=np.int64).reshape(-1, 2)


def _check(points: np.ndarray, bonds: np.ndarray) -> None:
    """Refuse points that make no network of three-coordinated Si."""
    if not len(bonds):
        raise ValueError("points: no two of them are neighbours; the image shows no network")
    inside = np.ones(len(points), dtype=bool)
    inside[edge_silicon(_network(points, bonds))] = False
    if not inside.any():
        raise ValueError("points: too few of them join to rings; the image shows no network")
    near = cKDTree(points).query_ball_point(points, AROUND[0][1] * BOND, return_length=True) - 1
    unlike = np.mean(near[inside] != 3)
    length = np.linalg.norm(points[bonds[:, 0]] - points[bonds[:, 1]], axis=1)
    spread = length.std() / length.mean()
    if unlike > UNLIKE or spread > UNEVEN:
        raise ValueError(
            f"points: {unlike:.0%} of those inside have not just three near neighbours (at most {UNLIKE:.0%}), and "
            f"bonds vary by {spread:.0%} (at most {UNEVEN:.0%}); the image shows no network of silica"
        )
