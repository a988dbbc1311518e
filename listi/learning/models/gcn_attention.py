"""The paper's graph network with the attention of its Eq. 2b and the message perceptron of its Eq. 2d.

Blocks, pooling and last layers are those of `gcn`; a graph convolution is here

    alpha_ij = softmax_j((W_a h_i)^T (W_b h_j) / sqrt(d))                          (2b)
    h_i'     = MLP[h_i, sum_j alpha_ij h_j]                                        (2c, 2d)

with the softmax over the neighbours that i is bonded to, and d the width of W h. Not in the paper, chosen here: one
head; a perceptron of one hidden layer; widths; coordinates relative to the middle of the disc, standardised; batch
normalisation of the average over the atoms, as in `gcn_bonds`. Without it all ten units of a last layer became zero for
every disc within the first epochs, and the prediction a constant (20 epochs on the 40 training samples).
"""

from __future__ import annotations

from dataclasses import replace

from . import gcn


def build(metadata: dict, width: int = 64):
    """Build the network, with the metadata stored in it.

    Parameters
    ----------
    width : int
        Features of an atom after each convolution or dense layer; not given in the paper.
    """
    from ..graph_layers import Attention
    from ..layers import AveragePool, Scale, graph_inputs, head, keras, layers

    graph = graph_inputs()
    x = Scale(name="scale")(graph["nodes"])
    x = gcn.blocks(x, width, lambda x, name: Attention(width, name=name)(x, graph["adjacency"]))
    x = AveragePool(name="average")(x, graph["mask"])
    x = layers.BatchNormalization(momentum=0.9, name="standardise")(x)
    return keras.Model(graph, head(x, metadata), name="gcn_attention")


MODEL = replace(
    gcn.MODEL,
    name="gcn_attention",
    reads="coordinates and bonds of the Si within {r_free:g} Å (attention as in the paper's Eqs. 2b and 2d)",
    build=build,
    label="GCN, attention",
    look={"color": "#3a2208", "marker": "X", "linestyle": "--"},
    rank=3.1,
    in_every_run=False,
)
