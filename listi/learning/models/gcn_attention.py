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

from ..layers import AveragePool, Scale, dense, graph_inputs, head, keras, layers, ops
from .gcn import PAPER, inputs, of_training  # noqa: F401  (it reads the same, and is trained as long)


@keras.saving.register_keras_serializable("listi")
class Attention(layers.Layer):
    """One graph convolution of the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.query = layers.Dense(width, use_bias=False, name="query")
        self.key = layers.Dense(width, use_bias=False, name="key")
        self.hidden, self.message = dense(width, "hidden"), dense(width, "message")

    def build(self, nodes_shape, adjacency_shape) -> None:
        for layer in (self.query, self.key):
            layer.build(nodes_shape)
        self.hidden.build((*nodes_shape[:-1], 2 * nodes_shape[-1]))
        self.message.build((*nodes_shape[:-1], self.width))

    def call(self, nodes, adjacency):
        bonded = ops.cast(adjacency, nodes.dtype)
        score = ops.matmul(self.query(nodes), ops.transpose(self.key(nodes), (0, 2, 1))) / self.width**0.5
        weight = ops.softmax(score - 1e9 * (1.0 - bonded), axis=-1) * bonded  # none for an atom without neighbours
        return self.message(self.hidden(ops.concatenate([nodes, ops.matmul(weight, nodes)], axis=-1)))

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


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
    x = Scale(name="scale")(graph["nodes"])
    for block, convolutions in (("block_1", 2), ("block_2", 1)):
        for n in range(1, convolutions + 1):
            x = Attention(width, name=f"{block}_convolution_{n}")(x, graph["adjacency"])
        x = dense(width, f"{block}_dense")(x)
    x = AveragePool(name="average")(x, graph["mask"])
    x = layers.BatchNormalization(momentum=0.9, name="standardise")(x)
    return keras.Model(graph, head(x, metadata), name="gcn_attention")
