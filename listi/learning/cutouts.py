"""What the networks see: cut-outs of Si around a point as sequences, images and graphs.

A cut-out holds the Si within R_free of a point, each at its position relative to that point
(minimum image) and in the order of the atom numbers, which run row by row from left to right as in
the crystal the glass was made from. Only bonds with both ends inside the disc belong to it, so that
sequence, image and graph are three views of the same information. The paper's discs of R_free = 11
Å hold up to 38 Si; all are padded to the same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
from scipy.spatial import cKDTree

from ..analysis.sample import Sample
from ..network.geometry import grid_points
from ..network.network import Network

R_FREE = 11.0  # radius of the disc whose Si are seen [Å]
N_MAX = 38  # rows a cut-out is padded to [paper: "about 30-38" Si]
PADDING = 99.0  # coordinate of the padded rows of a sequence [Å]: outside every disc
PIXELS = 64  # edge of an image; 220 in the paper
SILICON_RADIUS = 0.6  # drawn radius of a Si [Å]; the paper gives none
BOND_WIDTH = 0.4  # drawn width of a bond [Å]; the paper gives none
SILICON_GREY, BOND_GREY = 255, 128  # on black


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
        Rows to pad to. Without it 38 as in the paper, or as many as the fullest disc holds if that
        is more.

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
    relative = network.positions[atoms] - points[:, None]
    relative -= network.cell * np.round(relative / network.cell)
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

    def wrap(positions):
        wrapped = np.mod(positions, network.cell)
        return np.where(wrapped >= network.cell, 0.0, wrapped)  # np.mod can round up to the edge itself

    tree = cKDTree(wrap(network.positions[network.silicon]), boxsize=network.cell)
    return tree.query_ball_point(wrap(points), r_free)


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
    fields = ("centers", "atoms", "positions", "adjacency")
    return Cutouts(*(np.concatenate([getattr(part, f) for part in parts]) for f in fields), radii.pop())


def sequences(cut: Cutouts) -> np.ndarray:
    """Return the positions in the order of the atoms, padded with `PADDING`, (n, n_max, 2) [Å]."""
    return np.where(cut.mask[:, :, None], cut.positions, PADDING).astype(np.float32)


def graphs(cut: Cutouts) -> dict[str, np.ndarray]:
    """Return nodes (n, n_max, 2) [Å], adjacency (n, n_max, n_max), mask (n, n_max), 1 for atoms."""
    return {
        "nodes": cut.positions.astype(np.float32),
        "adjacency": cut.adjacency,
        "mask": cut.mask.astype(np.uint8),
    }


def images(cut: Cutouts, pixels: int = PIXELS) -> np.ndarray:
    """Draw the cut-outs: Si as discs joined by lines, grey on black, edges blended over one pixel.

    The image shows the square that just holds the disc of R_free, x to the right and y upwards.
    Bonds that leave the disc are not drawn, as they are not in the graph either.

    Parameters
    ----------
    cut : Cutouts
        What to draw.
    pixels : int
        Edge of the image; the paper's is 220.

    Returns
    -------
    ndarray of uint8, shape (n, pixels, pixels, 1)

    Raises
    ------
    ValueError
        If `pixels` is not a whole number > 0.
    """
    if pixels != int(pixels) or pixels < 1:
        raise ValueError(f"pixels: {pixels!r} is not a whole number > 0")
    canvas = np.zeros((len(cut), pixels, pixels), dtype=np.uint8)
    _draw(canvas, cut.positions, cut.adjacency, cut.mask, cut.r_free)
    return canvas[..., None]


@numba.njit(nogil=True)
def _draw(canvas, positions, adjacency, mask, r_free):
    for n in range(len(canvas)):
        for i in range(mask.shape[1]):
            if not mask[n, i]:
                continue
            _capsule(canvas[n], positions[n, i], positions[n, i], SILICON_RADIUS, SILICON_GREY, r_free)
            for j in range(i):
                if adjacency[n, i, j]:
                    _capsule(
                        canvas[n],
                        positions[n, i],
                        positions[n, j],
                        0.5 * BOND_WIDTH,
                        BOND_GREY,
                        r_free,
                    )


@numba.njit(nogil=True)
def _capsule(image, a, b, radius, grey, r_free):
    """Draw all points within `radius` of the segment a-b; of what overlaps, the brightest shows."""
    n = len(image)
    size = 2.0 * r_free / n  # of a pixel [Å]
    reach = radius + size
    columns = (
        _clip((min(a[0], b[0]) - reach + r_free) / size, n),
        _clip((max(a[0], b[0]) + reach + r_free) / size, n),
    )
    rows = (
        _clip((r_free - max(a[1], b[1]) - reach) / size, n),
        _clip((r_free - min(a[1], b[1]) + reach) / size, n),
    )
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    for row in range(rows[0], rows[1] + 1):
        y = r_free - (row + 0.5) * size - a[1]
        for column in range(columns[0], columns[1] + 1):
            x = (column + 0.5) * size - r_free - a[0]
            along = 0.0 if length2 == 0.0 else min(max((x * dx + y * dy) / length2, 0.0), 1.0)
            distance = np.hypot(x - along * dx, y - along * dy)
            cover = min(max((radius - distance) / size + 0.5, 0.0), 1.0)
            image[row, column] = max(image[row, column], np.uint8(cover * grey + 0.5))


@numba.njit(nogil=True)
def _clip(index, n):
    return min(max(int(np.floor(index)), 0), n - 1)


# The four mirror images of a cut-out: pure shear along the axes cannot tell x from -x or y from -y.
SIGNS = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]], dtype=np.float32)


def mirrored(x: np.ndarray | dict[str, np.ndarray], signs: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
    """Mirror every cut-out of an input array, which leaves its threshold unchanged.

    Atoms keep their numbers, hence their place in the sequence.

    Parameters
    ----------
    x : ndarray or dict
        What `sequences`, `images` or `graphs` return.
    signs : ndarray, shape (n, 2)
        Factors of x and y, +1 or -1 (rows of `SIGNS`).
    """
    if isinstance(x, dict):
        return x | {"nodes": x["nodes"] * signs[:, None]}
    if x.ndim == 3:
        return np.where(x == PADDING, x, x * signs[:, None])
    turned = x.copy()
    for axis in (0, 1):
        chosen = signs[:, axis] < 0
        turned[chosen] = np.flip(turned[chosen], axis=2 - axis)
    return turned


def cutouts_of(samples: Sequence[Sample], r_free: float) -> tuple[Cutouts, np.ndarray]:
    """Cut-outs around all probes of the samples, and their thresholds, shape (n,)."""
    parts, targets = [], []
    for sample in samples:
        threshold = sample.probing.threshold.transpose("x", "y")
        points = grid_points(sample.network.cell, threshold.shape)
        parts.append(cutouts(sample.network, points, r_free))
        targets.append(threshold.values.ravel())
    return concatenate(parts), np.concatenate(targets)
