"""Cut-outs: the Si around a point and their bonds, which is all that a network sees of the glass.

A cut-out holds the Si within R_free of a point, each at its position relative to that point (minimum image) and in the
order of the atom numbers, which run row by row from left to right as in the crystal the glass was made from. Only bonds
with both ends inside the disc belong to it. The paper's discs of R_free = 11 Å hold up to 38 Si; all are padded to the
same number.

A load in another direction than x acts on a cut-out as a load along x acts on the cut-out rotated back. So positions
are given along and across the load; the glass and its cell stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..analysis.discs import R_FREE, pairs_within
from ..analysis.sample import Sample
from ..mechanics.load import principal_directions
from ..network.geometry import as_array, grid_points, is_number, minimum_image
from ..network.network import Network
from ..probing.protocol import PROTOCOL
from .structure import as_rows, rotate_vectors

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
        Positions relative to the centre, along and across the direction of the load [Å]; 0 in padded rows.
    adjacency : ndarray of uint8, shape (n, n_max, n_max)
        1 where two Si of the cut-out are bonded; 0 in padded rows and columns.
    r_free : float
        Radius of the disc [Å].
    network : Network, optional
        The glass they were cut out of; None for cut-outs of several.
    angle : float
        Direction of the largest extension by the load against x, anticlockwise [degrees].
    dilation : float
        Its share in the load, see `listi.mechanics.load.principal_directions`.
    """

    centers: np.ndarray
    atoms: np.ndarray
    positions: np.ndarray
    adjacency: np.ndarray
    r_free: float
    network: Network | None = None
    angle: float = 0.0
    dilation: float = 0.0

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


def cutouts(
    network: Network,
    points: np.ndarray,
    r_free: float = R_FREE,
    n_max: int | None = None,
    mode: str = "pure shear",
    angle: float = 0.0,
) -> Cutouts:
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
    mode, angle : str, float
        Load, as in `listi.probe`.

    Raises
    ------
    ValueError
        If a parameter makes no sense or a disc holds more than `n_max` Si.
    """
    points = as_array("points", points)
    _check(network, points, r_free, n_max, angle)
    atoms = disc_members(network, points, r_free, n_max)
    relative = minimum_image(network.positions[atoms] - points[:, None], network.cell)
    relative[atoms < 0] = 0.0
    direction, dilation = principal_directions(mode, angle)
    relative = rotate_vectors(relative, -direction)
    return Cutouts(points, atoms, relative, _adjacency(network, atoms), float(r_free), network, direction, dilation)


def _check(network: Network, points: np.ndarray, r_free: float, n_max: int | None, angle: float) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(f"points: shape {points.shape} is not (n, 2) with n > 0")
    if not np.all(np.isfinite(points)):
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))[0]
        raise ValueError(f"points: number {bad} is {points[bad].tolist()}; all must be finite")
    if not (is_number(r_free) and 0 < r_free <= network.cell.min() / 2):
        raise ValueError(
            f"r_free: {r_free!r} Å is not in (0, {network.cell.min() / 2:.6g}] Å, half the shorter edge of the cell"
        )
    if n_max is not None and (n_max != int(n_max) or n_max < 1):
        raise ValueError(f"n_max: {n_max!r} is not a whole number > 0")
    if not is_number(angle):
        raise ValueError(f"angle: {angle!r} is not a finite number of degrees")


def disc_members(network: Network, points: np.ndarray, r_free: float, n_max: int | None) -> np.ndarray:
    """Return the atom numbers of the Si within `r_free` of every point, ascending, padded with -1; as `cutouts`."""
    silicon = network.silicon
    point, atom = pairs_within(points, network.positions[silicon], network.cell, r_free)
    counts = np.bincount(point, minlength=len(points))
    most = counts.max(initial=0)
    if n_max is not None and most > n_max:
        worst = points[counts.argmax()].tolist()
        raise ValueError(f"n_max: {n_max} rows, but the disc of {r_free} Å at {worst} holds {most} Si")
    return as_rows(point, silicon[atom], len(points), n_max or max(N_MAX, most))


def _adjacency(network: Network, atoms: np.ndarray) -> np.ndarray:
    """Return 1 where two atoms of a cut-out (a row of `atoms`) are bonded, (n, n_max, n_max)."""
    ends = np.concatenate([network.bonds, network.bonds[:, ::-1]])
    neighbours = as_rows(ends[:, 0], ends[:, 1], network.n_atoms)
    adjacency = np.zeros((*atoms.shape, atoms.shape[1]), dtype=bool)
    for bonded in np.where(atoms[..., None] >= 0, neighbours[atoms], -2).transpose(2, 0, 1):  # -1 stands for padding
        adjacency |= bonded[:, :, None] == atoms[:, None]
    return (adjacency & (atoms >= 0)[:, None]).astype(np.uint8)


def concatenate(parts: Sequence[Cutouts]) -> Cutouts:
    """Join the cut-outs of several samples, padded to the longest.

    Raises
    ------
    ValueError
        If there are none, or their radii or loads differ.
    """
    radii = {part.r_free for part in parts}
    if len(radii) != 1:
        raise ValueError(f"parts: cut-outs of one radius are needed, got radii {sorted(radii)} Å")
    loads = {(part.angle, part.dilation) for part in parts}
    if len(loads) != 1:
        raise ValueError(f"parts: cut-outs for one load are needed, got (angle, dilation) of {sorted(loads)}")
    n_max = max(part.n_max for part in parts)
    parts = [part.padded(n_max) for part in parts]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    arrays = joined("centers"), joined("atoms"), joined("positions"), joined("adjacency")
    return Cutouts(*arrays, radii.pop(), None, *loads.pop())


def probed_map(sample: Sample) -> xr.DataArray:
    """Return the thresholds over (x, y) that a sample was probed for.

    Raises
    ------
    ValueError
        If the sample was not probed.
    """
    if sample.probing is None or "threshold" not in sample.probing:
        raise ValueError(f"{sample.attrs.get('name', 'sample')}: holds no probes; listi.probe makes them")
    return sample.probing.threshold.transpose("x", "y")


def discs_of(sample: Sample, r_free: float, n_max: int | None = None) -> tuple[Cutouts, np.ndarray]:
    """Return the cut-outs around all probes of a sample, and their thresholds, shape (n,)."""
    threshold = probed_map(sample)
    n_x, n_y = threshold.shape
    points = grid_points(sample.network.cell, (n_x, n_y))
    mode = sample.probing.attrs.get("mode", PROTOCOL["mode"])
    return cutouts(sample.network, points, r_free, n_max, mode), threshold.values.ravel()


def cutouts_of(samples: Sequence[Sample], r_free: float) -> tuple[Cutouts, np.ndarray]:
    """Return the cut-outs around all probes of the samples, and their thresholds, shape (n,)."""
    parts, targets = zip(*(discs_of(sample, r_free) for sample in samples), strict=True)
    return concatenate(parts), np.concatenate(targets)
