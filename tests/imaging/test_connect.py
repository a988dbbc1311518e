"""Bonds between points, and every repair once, on a honeycomb where the right answer is known."""

import numpy as np
import pytest
from handmade import BOND, honeycomb

from listi.imaging.connect import connect


@pytest.fixture
def points():
    crystal = honeycomb(8, 10)
    return crystal.positions[crystal.silicon]


def inner(points):
    """Number of the point nearest to the middle."""
    return int(np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1)))


def bond_set(found):
    return {tuple(np.round(sorted(map(tuple, found.points[bond])), 2).ravel()) for bond in found.bonds}


def test_a_crystal_needs_no_repair(points):
    found = connect(points, BOND)
    assert set(np.bincount(found.bonds.ravel()).tolist()) == {2, 3}
    length = np.linalg.norm(np.diff(found.points[found.bonds], axis=1), axis=2)
    np.testing.assert_allclose(length, BOND)
    assert {k: v for k, v in found.repairs.items() if v and k != "loose Si left out"} == {}


def test_the_unit_does_not_matter(points):
    angstrom, pixels = connect(points, BOND), connect(points * 4.0, BOND * 4.0)
    np.testing.assert_array_equal(angstrom.bonds, pixels.bonds)
    np.testing.assert_allclose(pixels.points, angstrom.points * 4.0)


def test_a_point_in_the_middle_of_a_ring_is_removed(points):
    whole = connect(points, BOND)
    start = points[inner(points)]
    near = points[np.argsort(np.linalg.norm(points - start, axis=1))[1:4]]
    false = start - (near[0] - start)  # opposite to a bond lies the middle of a ring
    found = connect(np.vstack([points, false]), BOND)
    assert found.repairs["points removed"] == 1
    assert bond_set(found) == bond_set(whole)


def test_a_missing_silicon_is_put_back(points):
    whole = connect(points, BOND)
    found = connect(np.delete(points, inner(points), axis=0), BOND)
    assert found.repairs["Si added"] == 1
    assert bond_set(found) == bond_set(whole)


def test_a_bond_too_long_for_a_neighbour_is_closed(points):
    whole = connect(points, BOND)
    start = inner(points)
    neighbour = np.argsort(np.linalg.norm(points - points[start], axis=1))[1]
    apart = points.copy()
    direction = (points[neighbour] - points[start]) / BOND
    apart[start] -= 0.25 * BOND * direction
    apart[neighbour] += 0.2 * BOND * direction
    found = connect(apart, BOND)
    assert found.repairs["bonds added"] == 1
    assert len(found.bonds) == len(whole.bonds)


def test_loose_ends_are_left_out(points):
    whole = connect(points, BOND)
    tail = np.array([points.min(axis=0) - [2.5 * BOND, 0.0]])
    found = connect(np.vstack([points, tail]), BOND)
    assert found.repairs["loose Si left out"] == whole.repairs["loose Si left out"] + 1
    assert bond_set(found) == bond_set(whole)


SQUARE = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2) * BOND


@pytest.mark.parametrize(
    "points",
    [
        SQUARE,
        SQUARE + np.random.default_rng(0).uniform(-0.35, 0.35, SQUARE.shape) * BOND,  # no order at all
        np.stack([np.arange(40.0) * BOND, np.zeros(40)], axis=1),  # a chain
        np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1).reshape(-1, 2) * 3 * BOND,  # too far apart
    ],
)
def test_points_that_are_no_network_are_refused(points):
    with pytest.raises(ValueError, match="the image shows no network"):
        connect(points, BOND)
