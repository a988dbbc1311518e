"""Cut-outs, sequences, images and graphs, against a network of six atoms drawn by hand."""

import numpy as np
import pytest

from listi.learning import cutouts
from listi.network import geometry
from listi.network.network import Network

# Cell 20 x 16 Å. In the disc of 4 Å around (0, 8): Si 0 from across the border, Si 2, Si 4.
#
#        5 (1, 15.5)  outside, bonded to 4
#        4 (1, 11)
#        |
#    0 - 2            0 at (19, 8), 2 at (1, 8): bonded across the border
#
#    3 (10, 1) far away; 1 is an O in the disc, which no network sees
POSITIONS = np.array([[19.0, 8.0], [0.0, 7.0], [1.0, 8.0], [10.0, 1.0], [1.0, 11.0], [1.0, 15.5]])
SPECIES = np.array([0, 1, 0, 0, 0, 0])
BONDS = np.array([[4, 2], [0, 2], [5, 4]])


@pytest.fixture
def network():
    return Network(POSITIONS, SPECIES, BONDS, np.array([20.0, 16.0]))


@pytest.fixture
def cut(network):
    return cutouts.cutouts(network, [[0.0, 8.0], [10.0, 1.0]], r_free=4.0, n_max=4)


def test_cutout_by_hand(cut):
    assert cut.atoms.tolist() == [[0, 2, 4, -1], [3, -1, -1, -1]]
    np.testing.assert_allclose(cut.positions[0], [[-1, 0], [1, 0], [1, 3], [0, 0]])
    np.testing.assert_allclose(cut.positions[1], 0)
    assert cut.adjacency[0].tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert not cut.adjacency[1].any()
    assert cut.mask.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_point_outside_the_cell_sees_the_same(network, cut):
    again = cutouts.cutouts(network, [[20.0, -8.0], [-10.0, 17.0]], r_free=4.0, n_max=4)
    assert np.array_equal(again.atoms, cut.atoms)
    np.testing.assert_allclose(again.positions, cut.positions, atol=1e-12)


def test_positions_outside_the_cell_are_wrapped(network, cut):
    moved = network.replace(positions=POSITIONS + [[40.0, -16.0]])
    again = cutouts.cutouts(moved, cut.centers, r_free=4.0, n_max=4)
    assert np.array_equal(again.atoms, cut.atoms)
    np.testing.assert_allclose(again.positions, cut.positions, atol=1e-12)


def test_position_that_rounds_up_to_the_border_is_found(network):
    positions = POSITIONS.copy()
    positions[0, 0] = -1e-20  # np.mod(-1e-20, 20) is 20.0 itself
    cut = cutouts.cutouts(network.replace(positions=positions), [[0.0, 8.0]], r_free=0.5)
    assert cut.atoms[0, 0] == 0


def test_sequence_by_hand(cut):
    sequence = cutouts.sequences(cut)
    pad = [cutouts.PADDING] * 2
    assert sequence.tolist() == [[[-1, 0], [1, 0], [1, 3], pad], [[0, 0], pad, pad, pad]]


def test_graph_by_hand(cut):
    graph = cutouts.graphs(cut)
    assert graph["nodes"][0].tolist() == [[-1, 0], [1, 0], [1, 3], [0, 0]]
    assert graph["adjacency"][0].tolist() == [
        [0, 1, 0, 0],
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
    ]
    assert graph["mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]


def test_image_by_hand(cut):
    # Pixels of 1 Å. A Si at the corner of four pixels is 0.7071 Å from their centres:
    # (0.6 - 0.7071 + 0.5) 255 = 100. The bond from (1, 0) to (1, 3) is 0.5 Å from two columns of
    # pixels: (0.2 - 0.5 + 0.5) 128 = 26.
    image = cutouts.images(cut[:1], pixels=8)
    assert image.shape == (1, 8, 8, 1) and image.dtype == np.uint8
    expected = np.zeros((8, 8), dtype=int)
    expected[0, 4:6] = expected[1, 4:6] = 100
    expected[2, 4:6] = 26
    expected[3, 2:6] = expected[4, 2:6] = 100
    assert image[0, :, :, 0].tolist() == expected.tolist()


def test_image_keeps_its_grey_when_refined(network):
    cut = cutouts.cutouts(network, [[0.0, 8.0]], r_free=4.0)
    coarse, fine = (cutouts.images(cut, pixels).mean() for pixels in (40, 160))
    assert coarse == pytest.approx(fine, rel=0.02)
    assert cutouts.images(cut, 160).max() == cutouts.SILICON_GREY


@pytest.mark.parametrize("signs", cutouts.SIGNS)
def test_mirrored_inputs_are_inputs_of_the_mirrored_cutout(cut, signs):
    turned = cutouts.Cutouts(cut.centers, cut.atoms, cut.positions * signs, cut.adjacency, cut.r_free)
    both = np.tile(signs, (2, 1))
    assert np.array_equal(cutouts.mirrored(cutouts.sequences(cut), both), cutouts.sequences(turned))
    assert np.array_equal(cutouts.mirrored(cutouts.images(cut, 16), both), cutouts.images(turned, 16))
    assert np.array_equal(cutouts.mirrored(cutouts.graphs(cut), both)["nodes"], cutouts.graphs(turned)["nodes"])


def test_only_the_chosen_samples_are_mirrored(cut):
    image = cutouts.images(cut, 16)
    turned = cutouts.mirrored(image, np.array([[1.0, 1.0], [-1.0, 1.0]]))
    assert np.array_equal(turned[0], image[0])
    assert np.array_equal(turned[1], image[1, :, ::-1])


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


def test_grid_starts_at_zero_with_y_fastest():
    points = geometry.grid_points(np.array([20.0, 16.0]), (2, 4))
    assert points[:5].tolist() == [[0, 0], [0, 4], [0, 8], [0, 12], [10, 0]]


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
        ({"n_max": 2}, "n_max: 2 rows, but the disc of 4.0 Å at .* holds 3 Si"),
    ],
)
def test_bad_cutouts_are_refused(network, change, message):
    with pytest.raises(ValueError, match=message):
        cutouts.cutouts(network, **{"points": [[0.0, 8.0]], "r_free": 4.0} | change)


def test_other_bad_input_is_refused(cut, network):
    with pytest.raises(ValueError, match="pixels: 0"):
        cutouts.images(cut, 0)
    with pytest.raises(ValueError, match="grid:"):
        geometry.grid_points(network.cell, (0, 4))
    with pytest.raises(ValueError, match="n_max: 2 rows do not hold the 3 Si"):
        cut.padded(2)
    with pytest.raises(ValueError, match="parts: "):
        cutouts.concatenate([cut, cutouts.cutouts(network, [[0.0, 8.0]], r_free=5.0)])
