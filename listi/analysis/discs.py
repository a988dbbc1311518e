"""Discs around the points of a grid: sums and means over the atoms in them, as maps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from ..network.geometry import grid_lines, grid_points, wrap
from ..network.units import LENGTH_UNIT

R_FREE = 11.0  # radius of the free atoms of a probe [Å]


def membership(positions: np.ndarray, cell: np.ndarray, grid: tuple[int, int] | np.ndarray, radius: float) -> csr_array:
    """Return which positions lie within `radius` [Å] of each grid point: ones, shape (n_points, n_positions).

    Instead of a grid, points (n_points, 2) [Å] may be given.

    Raises
    ------
    ValueError
        If the grid is not two whole numbers > 0, or the radius not above 0 and at most half the smaller edge.
    """
    points = grid if isinstance(grid, np.ndarray) else grid_points(cell, grid)
    largest = float(np.min(cell)) / 2
    if not 0.0 < radius <= largest:
        raise ValueError(f"r_free: {radius} Å is not in 0 < r_free <= {largest:.4g} Å, half the smaller edge")
    point, within = pairs_within(points, positions, cell, radius)
    first = np.concatenate([[0], np.cumsum(np.bincount(point, minlength=len(points)))])
    return csr_array((np.ones(len(within)), within, first), shape=(len(points), len(positions)))


def pairs_within(
    points: np.ndarray, positions: np.ndarray, cell: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a point and a position within `radius` [Å], by their numbers, ascending."""
    tree, others = (cKDTree(wrap(at, cell), boxsize=cell) for at in (points, positions))
    pairs = tree.sparse_distance_matrix(others, radius, output_type="ndarray")
    point, within = np.divmod(np.sort(pairs["i"] * len(positions) + pairs["j"]), len(positions))
    return point, within


def stress_of_discs(
    virials: np.ndarray, positions: np.ndarray, cell: np.ndarray, grid: tuple[int, int] | np.ndarray, radius: float
) -> np.ndarray:
    """Return the stress xx, xy, yy of the atoms within `radius` [Å] of each grid point, (n_points, 3) [energy/Å²].

    `virials` (n_atoms, 3) [energy] are those of `System.virials`. (xx - yy)/2 is the `initial_stress` of `listi.probe`.
    """
    return membership(positions, cell, grid, radius) @ virials / (np.pi * radius**2)


def disc_mean(values: np.ndarray, inside: csr_array) -> np.ndarray:
    """Mean of values (n_positions,) over each disc, shape (n_points,); NaN where none is inside."""
    counts = inside.sum(axis=1)
    return np.divide(inside @ values, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def disc_variance(values: np.ndarray, inside: csr_array) -> np.ndarray:
    """Variance of values (n_positions,) over each disc, shape (n_points,); NaN where none is inside."""
    centred = values - np.mean(values)  # less is lost in the difference of two sums
    return np.maximum(disc_mean(centred**2, inside) - disc_mean(centred, inside) ** 2, 0.0)


def disc_max(values: np.ndarray, inside: csr_array) -> np.ndarray:
    """Largest of the values in each disc, shape (n_points,); NaN where none is inside.

    Parameters
    ----------
    values : ndarray, shape (n_inside,)
        One for every position in every disc, in the order of `inside.indices`.
    """
    there = np.diff(inside.indptr) > 0
    largest = np.full(inside.shape[0], np.nan)
    largest[there] = np.maximum.reduceat(values, inside.indptr[:-1][there])
    return largest


def as_map(
    values: np.ndarray, cell: np.ndarray, grid: tuple[int, int], name: str, units: str, long_name: str
) -> xr.DataArray:
    """Return values (n_x * n_y,) at the points of a grid as a map over (x, y)."""
    coords = {
        axis: (axis, line, {"units": LENGTH_UNIT, "long_name": f"{axis} of the grid point"})
        for axis, line in zip("xy", grid_lines(cell, grid), strict=True)
    }
    attrs = {"units": units, "long_name": long_name}
    return xr.DataArray(np.asarray(values).reshape(grid), coords, ("x", "y"), name=name, attrs=attrs)
