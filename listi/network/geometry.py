"""Geometry of a periodic rectangular cell: nearest images, wrapping, and the points of a grid."""

from __future__ import annotations

import numpy as np


def minimum_image(difference: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Wrap difference vectors (..., 2) [Å] to the nearest periodic image."""
    return difference - cell * np.round(difference / cell)


def grid_lines(cell: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [Å] of the grid lines along x and y: i L / n for i = 0..n-1."""
    return np.arange(grid[0]) * (cell[0] / grid[0]), np.arange(grid[1]) * (cell[1] / grid[1])


def grid_points(cell: np.ndarray, grid: tuple[int, int] = (50, 50)) -> np.ndarray:
    """Return the points of a grid, x = i L_x / n_x and y = j L_y / n_y, (n_x * n_y, 2) [Å].

    y runs fastest.

    Raises
    ------
    ValueError
        If `grid` is not two whole numbers > 0.
    """
    if len(grid) != 2 or any(n != int(n) or n < 1 for n in grid):
        raise ValueError(f"grid: {grid!r} is not two whole numbers > 0")
    x, y = (np.arange(n) * length / n for n, length in zip(grid, cell, strict=True))
    return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
