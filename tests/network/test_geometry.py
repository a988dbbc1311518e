"""Geometry of the periodic cell, worked out by hand."""

import numpy as np
import pytest

from listi.network.geometry import grid_lines, grid_points, grid_product, minimum_image, nearest_point, wrap

CELL = np.array([10.0, 20.0])


def test_minimum_image_across_both_borders():
    difference = np.array([[9.0, -19.0], [-5.1, 10.1], [4.9, -9.9]])
    np.testing.assert_allclose(minimum_image(difference, CELL), [[-1.0, 1.0], [4.9, -9.9], [4.9, -9.9]])


def test_wrapped_positions_lie_inside_the_cell():
    positions = np.array([[0.0, 20.0], [-1.0, 41.0], [-1e-20, 19.5]])  # np.mod(-1e-20, 10) is 10.0 itself
    np.testing.assert_array_equal(wrap(positions, CELL), [[0.0, 0.0], [9.0, 1.0], [0.0, 19.5]])
    np.testing.assert_array_equal(wrap(positions[1], CELL), [9.0, 1.0])


def test_grid_starts_at_zero_with_y_fastest():
    points = grid_points(CELL, (2, 4))
    assert points[:5].tolist() == [[0, 0], [0, 5], [0, 10], [0, 15], [5, 0]]
    np.testing.assert_array_equal(points, grid_product(*grid_lines(CELL, (2, 4))))


def test_nearest_point_across_the_border_and_the_first_of_equals():
    points = grid_points(CELL, (2, 2))  # (0, 0), (0, 10), (5, 0), (5, 10)
    positions = np.array([[9.0, 19.0], [4.0, 12.0], [2.5, 10.0], [-5.1, 0.1]])
    assert nearest_point(points, positions, CELL).tolist() == [0, 3, 1, 2]


@pytest.mark.parametrize("grid", [(0, 4), (3,), (2.5, 2), (2.0, 2.0), (np.nan, 2), 3, (-1, 1)])
def test_a_grid_is_two_whole_numbers(grid):
    with pytest.raises(ValueError, match="grid: .* is not two whole numbers > 0"):
        grid_points(CELL, grid)
