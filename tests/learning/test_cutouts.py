"""Cut-outs against a network of six atoms drawn by hand."""

import numpy as np
import pytest

from listi.learning import cutouts
from listi.network.network import Network


def test_cutout_by_hand(cut):
    assert cut.atoms.tolist() == [[0, 2, 4, -1], [3, -1, -1, -1]]
    np.testing.assert_allclose(cut.positions[0], [[-1, 0], [1, 0], [1, 3], [0, 0]])
    np.testing.assert_allclose(cut.positions[1], 0)
    assert cut.adjacency[0].tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert not cut.adjacency[1].any()
    assert cut.mask.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_positions_along_and_across_the_load(network, cut):
    upwards = cutouts.cutouts(network, cut.centers, r_free=4.0, n_max=4, angle=90.0)
    np.testing.assert_array_equal(upwards.positions[0], [[0, 1], [0, -1], [3, -1], [0, 0]])
    np.testing.assert_array_equal(upwards.adjacency, cut.adjacency)
    steep = cutouts.cutouts(network, cut.centers, r_free=4.0, n_max=4, angle=np.degrees(np.arctan2(4.0, 3.0)))
    np.testing.assert_allclose(steep.positions[0, 2], [3.0, 1.0], atol=1e-12)  # 0.6 + 2.4 along, 1.8 - 0.8 across


def test_point_outside_the_cell_sees_the_same(network, cut):
    again = cutouts.cutouts(network, [[20.0, -8.0], [-10.0, 17.0]], r_free=4.0, n_max=4)
    assert np.array_equal(again.atoms, cut.atoms)
    np.testing.assert_allclose(again.positions, cut.positions, atol=1e-12)


def test_positions_outside_the_cell_are_wrapped(network, cut):
    moved = network.replace(positions=network.positions + [[40.0, -16.0]])
    again = cutouts.cutouts(moved, cut.centers, r_free=4.0, n_max=4)
    assert np.array_equal(again.atoms, cut.atoms)
    np.testing.assert_allclose(again.positions, cut.positions, atol=1e-12)


def test_position_that_rounds_up_to_the_border_is_found(network):
    positions = network.positions.copy()
    positions[0, 0] = -1e-20  # np.mod(-1e-20, 20) is 20.0 itself
    cut = cutouts.cutouts(network.replace(positions=positions), [[0.0, 8.0]], r_free=0.5)
    assert cut.atoms[0, 0] == 0


def test_concatenated_cutouts_are_padded_to_the_longest(network, cut):
    longer = cutouts.cutouts(network, [[10.0, 1.0]], r_free=4.0, n_max=6)
    joined = cutouts.concatenate([cut, longer])
    assert joined.atoms.shape == (3, 6) and joined.adjacency.shape == (3, 6, 6)
    assert joined.atoms[0].tolist() == [0, 2, 4, -1, -1, -1]
    assert joined.adjacency.sum() == cut.adjacency.sum()
    assert len(joined[np.array([True, False, True])]) == 2
    assert joined.padded(3).atoms.tolist() == [[0, 2, 4], [3, -1, -1], [3, -1, -1]]


def test_rows_grow_with_a_fuller_disc(network):
    assert cutouts.cutouts(network, [[0.0, 8.0]], r_free=8.0).n_max == cutouts.N_MAX
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(10)), axis=-1).reshape(-1, 2) * 2.0
    crowd = Network(grid + rng.uniform(0, 0.1, grid.shape), np.zeros(100), np.empty((0, 2)), [20.0, 20.0])
    cut = cutouts.cutouts(crowd, [[10.0, 10.0]], r_free=9.0)
    assert cut.n_max == cut.mask.sum() > cutouts.N_MAX


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": [[0.0, np.nan]]}, "points: number 0"),
        ({"points": [0.0, 1.0]}, "points: shape"),
        ({"points": np.empty((0, 2))}, "points: shape"),
        ({"r_free": 0.0}, r"r_free: 0.0 Å is not in \(0, 8\] Å"),
        ({"r_free": 8.1}, "r_free: 8.1 Å"),
        ({"r_free": np.nan}, "r_free: nan Å"),
        ({"n_max": 0}, "n_max: 0"),
        ({"angle": np.inf}, "angle: inf is not a finite number of degrees"),
        ({"n_max": 2}, "n_max: 2 rows, but the disc of 4.0 Å at .* holds 3 Si"),
    ],
)
def test_bad_cutouts_are_refused(network, change, message):
    with pytest.raises(ValueError, match=message):
        cutouts.cutouts(network, **{"points": [[0.0, 8.0]], "r_free": 4.0} | change)


def test_other_bad_input_is_refused(cut, network):
    with pytest.raises(ValueError, match="n_max: 2 rows do not hold the 3 Si"):
        cut.padded(2)
    with pytest.raises(ValueError, match="parts: "):
        cutouts.concatenate([cut, cutouts.cutouts(network, [[0.0, 8.0]], r_free=5.0)])
    with pytest.raises(
        ValueError, match=r"parts: cut-outs for one load are needed, got .* \[\(0.0, 0.0\), \(5.0, 0.0\)\]"
    ):
        cutouts.concatenate([cut, cutouts.cutouts(network, [[0.0, 8.0]], r_free=4.0, angle=5.0)])
