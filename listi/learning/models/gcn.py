"""The paper's graph network, read literally: Kipf's graph convolutions on coordinates and bonds.

Paper: nodes with their coordinates and an adjacency matrix of 0 and 1; a first block of two graph convolutions and a
dense layer with ReLU, a second block of one graph convolution and a dense layer; global average pooling; dense layers
of 20, 10 and 5; one output neuron; 1000 epochs. Its reference for graph convolutions is Kipf and Welling (2016),

    h_i' = ReLU(sum_j A_ij / sqrt(d_i d_j) h_j W + b),

the sum with i itself (A_ii = 1), d_i = sum_j A_ij: Spektral's GCNConv. Not in the paper, chosen here: the width, and
coordinates relative to the middle of the disc, standardised. Other readings of its Eq. 2: `gcn_attention`, `gcn_bonds`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..cutouts import Cutouts
from ..encodings import Inputs, graphs
from ..structure import NEIGHBOURS
from . import MOSTLY_PAPER, Model

BLOCKS = (("block_1", 2), ("block_2", 1))  # and the number of graph convolutions in each


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


def normalisation_data(x: Inputs) -> dict[str, np.ndarray]:
    """Return the values that a `Scale` layer takes its statistics from: the coordinates of all atoms."""
    return {"scale": x.points["nodes"][x.points["mask"] > 0]}


def blocks(x, width: int, convolve: Callable):
    """Return the features of the atoms after both blocks; `convolve` is a function of features and a layer's name."""
    from ..layers import dense

    for block, convolutions in BLOCKS:
        for n in range(1, convolutions + 1):
            x = convolve(x, f"{block}_convolution_{n}")
        x = dense(width, f"{block}_dense")(x)
    return x


def build(metadata: dict, width: int = 64):
    """Build the network, with the metadata stored in it.

    Parameters
    ----------
    width : int
        Features of an atom after each convolution or dense layer; not given in the paper.
    """
    from ..graph_layers import GCNConv, Normalised
    from ..layers import AveragePool, Scale, graph_inputs, head, keras

    graph = graph_inputs()
    weights = Normalised(name="normalised")(graph["adjacency"], graph["mask"])
    x = Scale(name="scale")(graph["nodes"])

    def convolve(x, name):
        return GCNConv(width, "relu", kernel_initializer="he_normal", name=name)([x, weights])

    x = blocks(x, width, convolve)
    x = AveragePool(name="average")(x, graph["mask"])
    return keras.Model(graph, head(x, metadata), name="gcn")


MODEL = Model(
    name="gcn",
    reads="coordinates and bonds of the Si within {r_free:g} Å (convolutions of Kipf and Welling)",
    inputs=inputs,
    build=build,
    paper_scale={"epochs": 1000, "batch_size": 64, "patience": 100},
    settings_chosen=MOSTLY_PAPER,
    normalisation_data=normalisation_data,
    label="GCN, Kipf",
    look={"color": "#5bb98b", "marker": "^", "linestyle": "-"},
    rank=3,
    in_every_run=True,
)
