"""The paper's graph network, read literally: Kipf's graph convolutions on coordinates and bonds.

Paper: nodes with their coordinates and an adjacency matrix of 0 and 1; a first block of two graph convolutions and a
dense layer with ReLU, a second block of one graph convolution and a dense layer; global average pooling; dense layers
of 20, 10 and 5; one output neuron; 1000 epochs. Its reference for graph convolutions is Kipf and Welling (2016),

    h_i' = ReLU(sum_j A_ij / sqrt(d_i d_j) h_j W + b),

the sum with i itself (A_ii = 1), d_i = sum_j A_ij: Spektral's GCNConv. Not in the paper, chosen here: the width, and
coordinates relative to the middle of the disc, standardised. Other readings of its Eq. 2: `gcn_attention`, `gcn_bonds`.
"""

from __future__ import annotations

import numpy as np

from ..cutouts import Cutouts
from ..encodings import Inputs, graphs
from ..layers import AveragePool, Scale, dense, graph_inputs, head, keras, layers, ops
from ..spektral_layers import GCNConv
from ..structure import NEIGHBOURS

PAPER = {"epochs": 1000, "batch_size": 64, "patience": 100}


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads: nodes, adjacency and mask of `encodings.graphs`.

    Raises
    ------
    ValueError
        If a Si has more than three neighbours.
    """
    most = cut.adjacency.sum(axis=2, dtype=int).max(initial=0)
    if most > NEIGHBOURS:
        raise ValueError(f"bonds: a Si has {most} neighbours; graph networks here take at most {NEIGHBOURS}")
    return Inputs(graphs(cut))


def of_training(x: Inputs) -> dict[str, np.ndarray]:
    """Return the values that a `Scale` layer takes its statistics from: the coordinates of all atoms."""
    return {"scale": x.points["nodes"][x.points["mask"] > 0]}


@keras.saving.register_keras_serializable("listi")
class Normalised(layers.Layer):
    """The weights A_ij / sqrt(d_i d_j) of the neighbours and of the atom itself, (n, n_max, n_max); 0 for padding."""

    def call(self, adjacency, mask):
        weight = ops.cast(adjacency, self.compute_dtype)
        mask = ops.cast(mask, self.compute_dtype)
        weight = weight + ops.eye(ops.shape(weight)[1], dtype=weight.dtype) * mask[:, :, None]
        root = ops.sqrt(ops.maximum(ops.sum(weight, axis=2), 1.0))
        return weight / (root[:, :, None] * root[:, None, :])


def build(metadata: dict, width: int = 64) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model.
    width : int
        Features of an atom after each convolution or dense layer; not given in the paper.
    """
    graph = graph_inputs()
    weights = Normalised(name="normalised")(graph["adjacency"], graph["mask"])
    x = Scale(name="scale")(graph["nodes"])
    for block, convolutions in (("block_1", 2), ("block_2", 1)):
        for n in range(1, convolutions + 1):
            convolution = GCNConv(width, "relu", kernel_initializer="he_normal", name=f"{block}_convolution_{n}")
            x = convolution([x, weights])
        x = dense(width, f"{block}_dense")(x)
    x = AveragePool(name="average")(x, graph["mask"])
    return keras.Model(graph, head(x, metadata), name="gcn")
