"""Patches with free edges cut out of honeycombs, where every count can be done on paper."""

import numpy as np
import pytest
from handmade import BOND, honeycomb

from listi.network.geometry import minimum_image
from listi.network.patch import VACUUM, edge_silicon, free_patch, patch_of_silicon
from listi.network.rings import ring_sizes


@pytest.fixture
def crystal():
    return honeycomb(8, 8)


def test_one_ring_cut_out_by_hand(crystal):
    # A ring centre at (a, 2 + 1/2 bond lengths); the ring reaches 3 Å up and down and 2.6 Å
    # sideways, the next Si lie 5.2 Å or more away along an axis. A square of 8 Å around it holds
    # the ring and nothing with two bonds.
    centre = [np.sqrt(3) * BOND, BOND]
    patch = free_patch(crystal, 8.0, centre)
    assert (patch.species == 0).sum() == 6
    assert (patch.species == 1).sum() == 6
    assert len(patch.bonds) == 6
    assert ring_sizes(patch).tolist() == [6]
    np.testing.assert_allclose(patch.cell, 8.0 + VACUUM)
    np.testing.assert_allclose(patch.positions[patch.silicon].mean(axis=0), patch.cell / 2, atol=1e-9)


def test_every_silicon_has_two_or_three_bonds_and_every_bond_its_oxygen(crystal):
    patch = free_patch(crystal, 27.0)
    count = np.bincount(patch.bonds.ravel(), minlength=len(patch.silicon))
    assert set(count.tolist()) == {2, 3}
    middle = patch.positions[patch.bonds].mean(axis=1)
    oxygen = patch.positions[patch.species == 1]
    assert len(oxygen) == len(patch.bonds)
    np.testing.assert_allclose(oxygen, middle, atol=1e-9)


def test_nothing_reaches_across_the_vacuum(crystal):
    patch = free_patch(crystal, 27.0)
    extent = np.ptp(patch.positions, axis=0)
    assert np.all(extent <= 27.0)
    assert np.all(patch.cell - extent >= VACUUM)


def test_a_patch_across_the_border_is_the_same_as_one_in_the_middle():
    shift = np.array([20.0, 15.0])
    middle = free_patch(honeycomb(8, 8), 20.0, [20.0, 18.0])
    moved = free_patch(honeycomb(8, 8, shift), 20.0, np.array([20.0, 18.0]) + shift)
    np.testing.assert_allclose(moved.positions, middle.positions, atol=1e-9)
    np.testing.assert_array_equal(moved.bonds, middle.bonds)


def test_a_loose_piece_is_dropped(crystal):
    # Cutting all bonds of one ring's Si but those in the ring leaves a loose ring, smaller than the
    # rest.
    centre = np.array([4 * np.sqrt(3) * BOND, 7 * BOND])
    distance = np.linalg.norm(minimum_image(crystal.positions - centre, crystal.cell), axis=1)
    ring = np.argsort(distance[: len(crystal.silicon)])[:6]
    loose = np.isin(crystal.bonds, ring).sum(axis=1) == 1
    cut = crystal.replace(bonds=crystal.bonds[~loose])
    assert np.isin(crystal.bonds, ring).all(axis=1).sum() == 6
    whole, patch = free_patch(crystal, 30.0, centre), free_patch(cut, 30.0, centre)
    distance = [np.linalg.norm(p.positions[p.silicon] - p.cell / 2, axis=1).min() for p in (whole, patch)]
    np.testing.assert_allclose(distance, [BOND, 2 * BOND])


def test_the_sample_is_left_as_it_was(crystal):
    before = crystal.positions.copy()
    free_patch(crystal, 20.0)
    np.testing.assert_array_equal(crystal.positions, before)


@pytest.mark.parametrize(
    ("size", "centre", "message"),
    [
        (0.0, None, r"size: 0.0 Å is not in \(0, 31"),
        (-3.0, None, "size: -3.0"),
        (np.nan, None, "size: nan"),
        (33.0, None, "size: 33.0 Å is not in"),
        (3.0, None, "size: a square of 3.0 Å around"),
        (20.0, [np.inf, 0.0], r"centre: \[inf, 0.0\]"),
        (20.0, [1.0], r"centre: \[1.0\]"),
    ],
)
def test_bad_input_is_named(crystal, size, centre, message):
    with pytest.raises(ValueError, match=message):
        free_patch(crystal, size, centre)


def test_patch_of_silicon_is_scaled_with_oxygen_on_its_bonds(crystal):
    cut = free_patch(crystal, 27.0)
    silicon = cut.positions[cut.silicon] * 7.0 - 100.0  # pixels, somewhere
    number = np.cumsum(cut.species == 0) - 1
    patch = patch_of_silicon(silicon, number[cut.bonds])
    first, second = patch.positions[patch.bonds.T]
    np.testing.assert_allclose(np.linalg.norm(first - second, axis=1), 3.05)
    np.testing.assert_allclose(patch.positions[len(silicon) :], (first + second) / 2)
    np.testing.assert_allclose(patch.cell, np.ptp(patch.positions, axis=0) + VACUUM)
    np.testing.assert_allclose(patch.positions.min(axis=0), VACUUM / 2)


def test_edges_are_where_a_ring_is_missing(crystal):
    patch = free_patch(crystal, 27.0)
    edge = np.zeros(patch.n_atoms, dtype=bool)
    edge[edge_silicon(patch)] = True
    count = np.bincount(patch.bonds.ravel(), minlength=patch.n_atoms)
    assert edge[patch.silicon][count[patch.silicon] == 2].all()
    middle = np.linalg.norm(patch.positions - patch.cell / 2, axis=1) < 6.0
    assert not edge[middle].any()
    assert edge.sum() > (count[patch.silicon] == 2).sum()  # Si with three bonds where two rings meet the outside
    assert edge_silicon(crystal).size == 0


@pytest.mark.parametrize(
    ("bonds", "length", "why"),
    [([], 3.05, "bonds: there are none"), ([[0, 1]], 0.0, "bond_length: 0.0 is not > 0 Å")],
)
def test_patch_of_silicon_refuses_nonsense(bonds, length, why):
    with pytest.raises(ValueError, match=why):
        patch_of_silicon([[0.0, 0.0], [3.0, 0.0]], bonds, length)
