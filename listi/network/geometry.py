"""Geometry of a periodic rectangular cell: nearest images, wrapping, the points of a grid and the nearest of them."""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeGuard

import numpy as np
import numpy.typing as npt


def minimum_image(difference: np.ndarray, cell: np.ndarray, tilt: float = 0.0) -> np.ndarray:
    """Return difference vectors (..., 2) [Å] between nearest periodic images; `tilt` shifts the upper edge [Å]."""
    if tilt:
        difference = difference - np.multiply.outer(np.round(difference[..., 1] / cell[1]), np.array([tilt, cell[1]]))
    return difference - cell * np.round(difference / cell)


def wrap(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return positions (..., 2) [Å] moved into the cell, 0 <= x < L."""
    wrapped = np.mod(positions, cell)
    return np.where(wrapped < cell, wrapped, 0.0)  # np.mod rounds a tiny negative number up to the edge itself


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether a value is of an integer type, and no bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is one finite real number, and no bool."""
    number = np.asarray(value, dtype=object)
    if number.ndim:
        return False
    return isinstance(number[()], Real) and not isinstance(number[()], bool) and math.isfinite(number[()])


def as_array(name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = float) -> np.ndarray:
    """Return a copy of an array-like argument in C order and native byte order.

    Raises
    ------
    ValueError
        Beginning with the name of the argument, if values are masked, complex, dates or no numbers.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked values; all must be known")
    try:
        given = np.asarray(values)
        if given.dtype.kind in "cmM":
            raise ValueError(f"{given.dtype} values are not real numbers")
        return np.array(given, dtype=dtype, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: cannot be read as an array of {np.dtype(dtype)}: {error}") from error


def grid_lines(cell: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates [Å] of the grid lines along x and y: i L / n for i = 0..n-1.

    Raises
    ------
    ValueError
        If `grid` is not two whole numbers > 0.
    """
    if np.shape(grid) != (2,) or not all(is_integer(n) and n >= 1 for n in grid):
        raise ValueError(f"grid: {grid!r} is not two whole numbers > 0")
    return np.arange(grid[0]) * (cell[0] / grid[0]), np.arange(grid[1]) * (cell[1] / grid[1])


def grid_points(cell: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Return the points of a grid, shape (n_x * n_y, 2) [Å]; y runs fastest.

    Raises
    ------
    ValueError
        If `grid` is not two whole numbers > 0.
    """
    return grid_product(*grid_lines(cell, grid))


def grid_product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return all points (x, y) of coordinates along both axes, shape (len(x) * len(y), 2); y runs fastest."""
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)


def nearest_point(points: np.ndarray, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return which of the points (n, 2) is nearest to each position (m, 2) across the periodic borders, shape (m,).

    Of equally near points, the first.
    """
    offset = minimum_image(points[None] - positions[:, None], cell)
    return np.argmin(np.sum(offset**2, axis=2), axis=1)
