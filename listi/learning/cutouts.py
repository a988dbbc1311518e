"""Cut-outs: the Si around a point and their bonds, which is all that a network sees of the glass.

A cut-out holds the Si within R_free of a point, each at its position relative to that point (minimum image) and in the
order of the atom numbers, which run row by row from left to right as in the crystal the glass was made from. Only bonds
with both ends inside the disc belong to it. The paper's discs of R_free = 11 Å hold up to 38 Si; all are padded to the
same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..analysis.sample import Sample
from ..network.geometry import grid_points, minimum_image, wrap
from ..network.network import Network

R_FREE = 11.0  # radius of the disc whose Si are seen [Å]
N_MAX = 38  # rows a cut-out is padded to [paper: "about 30-38" Si]


@dataclass(frozen=True)
class Cutouts:
    """The Si around `n` points, padded to `n_max` rows each.

    Attributes
    ----------
    centers : ndarray, shape (n, 2)
        The points [Å].
    atoms : ndarray of int64, shape (n, n_max)
        Atom numbers, ascending; -1 in padded rows.
    positions : ndarray, shape (n, n_max, 2)
        Positions relative to the centre [Å]; 0 in padded rows.
    adjacency : ndarray of uint8, shape (n, n_max, n_max)
        1 where two Si of the cut-out are bonded; 0 in padded rows and columns.
    r_free : float
        Radius of the disc [Å].
    """

    centers: np.ndarray
    atoms: np.ndarray
    positions: np.ndarray
    adjacency: np.ndarray
    r_free: float

    @property
    def mask(self) -> np.ndarray:
        """True where a row is an atom, False where it is padding, shape (n, n_max)."""
        return self.atoms >= 0

    @property
    def n_max(self) -> int:
        """Number of rows, atoms and padding together."""
        return self.atoms.shape[1]

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, index: slice | np.ndarray) -> Cutouts:
        """Return some of the cut-outs (a slice, an index array or a boolean array)."""
        fields = ("centers", "atoms", "positions", "adjacency")
        return replace(self, **{name: getattr(self, name)[index] for name in fields})

    def padded(self, n_max: int) -> Cutouts:
        """Return the same cut-outs with `n_max` rows.

        Raises
        ------
        ValueError
            If `n_max` is less than the number of Si in one of them.
        """
        more = n_max - self.n_max
        if more < 0 and self.atoms[:, n_max:].max(initial=-1) >= 0:
            raise ValueError(f"n_max: {n_max} rows do not hold the {self.mask.sum(1).max()} Si of a cut-out")
        rows = (0, max(more, 0))
        return replace(
            self,
            atoms=np.pad(self.atoms, ((0, 0), rows), constant_values=-1)[:, :n_max],
            positions=np.pad(self.positions, ((0, 0), rows, (0, 0)))[:, :n_max],
            adjacency=np.pad(self.adjacency, ((0, 0), rows, rows))[:, :n_max, :n_max],
        )


def cutouts(network: Network, points: np.ndarray, r_free: float = R_FREE, n_max: int | None = None) -> Cutouts:
    """Cut the Si within `r_free` of every point out of a network.

    Parameters
    ----------
    network : Network
        The undeformed glass.
    points : array_like, shape (n, 2)
        Centres of the discs [Å]; may lie outside the cell.
    r_free : float
        Radius [Å], at most half the shorter edge of the cell.
    n_max : int, optional
        Rows to pad to. Without it 38 as in the paper, or as many as the fullest disc holds if that is more.

    Raises
    ------
    ValueError
        If a parameter makes no sense or a disc holds more than `n_max` Si.
    """
    points = np.asarray(points, dtype=float)
    _check(network, points, r_free, n_max)
    silicon = network.silicon
    inside = _silicon_in_discs(network, points, r_free)
    counts = np.array([len(found) for found in inside], dtype=int)
    most = counts.max(initial=0)
    if n_max is not None and most > n_max:
        worst = points[counts.argmax()].tolist()
        raise ValueError(f"n_max: {n_max} rows, but the disc of {r_free} Å at {worst} holds {most} Si")
    atoms = np.full((len(points), n_max or max(N_MAX, most)), -1, dtype=np.int64)
    for row, found in zip(atoms, inside, strict=True):
        row[: len(found)] = silicon[np.sort(np.array(found, dtype=int))]
    relative = minimum_image(network.positions[atoms] - points[:, None], network.cell)
    relative[atoms < 0] = 0.0
    return Cutouts(points, atoms, relative, _adjacency(network, atoms), float(r_free))


def _check(network: Network, points: np.ndarray, r_free: float, n_max: int | None) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"points: shape {points.shape} is not (n, 2) with n > 0")
    if not np.all(np.isfinite(points)):
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))[0]
        raise ValueError(f"points: number {bad} is {points[bad].tolist()}; all must be finite")
    if not 0 < r_free <= network.cell.min() / 2:
        raise ValueError(
            f"r_free: {r_free} Å is not in (0, {network.cell.min() / 2:.6g}] Å, half the shorter edge of the cell"
        )
    if n_max is not None and (n_max != int(n_max) or n_max < 1):
        raise ValueError(f"n_max: {n_max!r} is not a whole number > 0")


def _silicon_in_discs(network: Network, points: np.ndarray, r_free: float) -> list[list[int]]:
    """Indices into `network.silicon` of the Si within `r_free` of every point."""
    tree = cKDTree(wrap(network.positions[network.silicon], network.cell), boxsize=network.cell)
    return tree.query_ball_point(wrap(points, network.cell), r_free)


def _adjacency(network: Network, atoms: np.ndarray) -> np.ndarray:
    """Bonds among the atoms (n, n_max) of every cut-out, shape (n, n_max, n_max)."""
    ends = np.concatenate([network.bonds, network.bonds[:, ::-1]])
    ends = ends[np.argsort(ends[:, 0], kind="stable")]
    degree = np.bincount(ends[:, 0], minlength=network.n_atoms)
    slot = np.arange(len(ends)) - np.repeat(np.cumsum(degree) - degree, degree)
    neighbours = np.full((network.n_atoms + 1, degree.max(initial=1)), -2, dtype=np.int64)
    neighbours[ends[:, 0], slot] = ends[:, 1]  # the last row stays empty: atom -1 is padding
    adjacency = np.zeros((*atoms.shape, atoms.shape[1]), dtype=np.uint8)
    for k in range(neighbours.shape[1]):
        adjacency |= neighbours[atoms, k][:, :, None] == atoms[:, None, :]
    return adjacency


def concatenate(parts: Sequence[Cutouts]) -> Cutouts:
    """Join the cut-outs of several samples, padded to the longest.

    Raises
    ------
    ValueError
        If there are none or their radii differ.
    """
    radii = {part.r_free for part in parts}
    if len(radii) != 1:
        raise ValueError(f"parts: cut-outs of one radius are needed, got radii {sorted(radii)} Å")
    n_max = max(part.n_max for part in parts)
    parts = [part.padded(n_max) for part in parts]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return Cutouts(joined("centers"), joined("atoms"), joined("positions"), joined("adjacency"), radii.pop())


def cutouts_of(samples: Sequence[Sample], r_free: float) -> tuple[Cutouts, np.ndarray]:
    """Return the cut-outs around all probes of the samples, and their thresholds, shape (n,)."""
    parts, targets = [], []
    for sample in samples:
        threshold = sample.probing.threshold.transpose("x", "y")
        points = grid_points(sample.network.cell, threshold.shape)
        parts.append(cutouts(sample.network, points, r_free))
        targets.append(threshold.values.ravel())
    return concatenate(parts), np.concatenate(targets)
