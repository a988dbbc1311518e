"""Sequences, images and graphs, against a network of six atoms drawn by hand."""

from dataclasses import replace

import numpy as np
import pytest

from listi.learning import cutouts, encodings


def test_sequence_by_hand(cut):
    sequence = encodings.sequences(cut)
    pad = [encodings.PADDING] * 2
    assert sequence.tolist() == [[[-1, 0], [1, 0], [1, 3], pad], [[0, 0], pad, pad, pad]]


def test_graph_by_hand(cut):
    graph = encodings.graphs(cut)
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
    image = encodings.images(cut[:1], pixels=8)
    assert image.shape == (1, 8, 8, 1) and image.dtype == np.uint8
    expected = np.zeros((8, 8), dtype=int)
    expected[0, 4:6] = expected[1, 4:6] = 100
    expected[2, 4:6] = 26
    expected[3, 2:6] = expected[4, 2:6] = 100
    assert image[0, :, :, 0].tolist() == expected.tolist()


def test_image_keeps_its_grey_when_refined(network):
    cut = cutouts.cutouts(network, [[0.0, 8.0]], r_free=4.0)
    coarse, fine = (encodings.images(cut, pixels).mean() for pixels in (40, 160))
    assert coarse == pytest.approx(fine, rel=0.02)
    assert encodings.images(cut, 160).max() == encodings.SILICON_GREY


@pytest.mark.parametrize("signs", encodings.SIGNS)
def test_mirrored_inputs_are_inputs_of_the_mirrored_cutout(cut, signs):
    turned = replace(cut, positions=cut.positions * signs)
    both = np.tile(signs, (2, 1))

    def mirrored(name, array):
        return encodings.mirrored({name: array}, both)[name]

    assert np.array_equal(mirrored("sequence", encodings.sequences(cut)), encodings.sequences(turned))
    assert np.array_equal(mirrored("image", encodings.images(cut, 16)), encodings.images(turned, 16))
    assert np.array_equal(encodings.mirrored(encodings.graphs(cut), both)["nodes"], encodings.graphs(turned)["nodes"])
    assert np.array_equal(mirrored("signs", np.ones((1, 2))), signs[None])


def test_only_the_chosen_samples_are_mirrored(cut):
    image = encodings.images(cut, 16)
    turned = encodings.mirrored({"image": image}, np.array([[1.0, 1.0], [-1.0, 1.0]]))["image"]
    assert np.array_equal(turned[0], image[0])
    assert np.array_equal(turned[1], image[1, :, ::-1])


def test_an_image_without_pixels_is_refused(cut):
    with pytest.raises(ValueError, match="pixels: 0"):
        encodings.images(cut, 0)
