"""The paper's graph network, read freely: the bond vectors are the edge tensor of Eq. 2a, and weigh the neighbours.

Blocks, pooling and last layers are those of `gcn`. Chosen here:

- e_ij is the bond vector from i to j with its length, in units of the bond length;
- the features of node i are its coordinates, given to every convolution again, and a perceptron of
  e_ij summed over the neighbours j;
- another perceptron of e_ij gives the weights alpha_ij, one set for each of several heads, in place of the softmax of
  Eq. 2b: they have a sign, and an atom with fewer neighbours collects less. Every head is one convolution
  h_i' = ReLU(sum_j alpha_ij h_j W + h_i V + b) (Spektral's GCSConv), and the outputs of all heads are concatenated;
- the average over the atoms varies little from disc to disc, so it is standardised (batch normalisation) before the
  last dense layers. Without that, their few ReLU units may all become zero for every disc, and the prediction constant.
"""

from __future__ import annotations

from ...network.bonds import BOND
from ..layers import AveragePool, Scale, dense, graph_inputs, head, keras, layers, ops
from ..spektral_layers import GCSConv
from ..structure import NEIGHBOURS
from .gcn import PAPER, inputs, of_training  # noqa: F401  (it reads the same, and is trained as long)


@keras.saving.register_keras_serializable("listi")
class Neighbours(layers.Layer):
    """Turn the adjacency into a selection: the k-th neighbour of every atom, (n, n_max * 3, n_max).

    A row holds a single 1 (the neighbour), or only 0 where an atom has fewer neighbours. The product with node features
    is the features of the neighbours of each atom.
    """

    def call(self, adjacency):
        adjacency = ops.cast(adjacency, self.compute_dtype)
        n_max = ops.shape(adjacency)[1]
        bonded, index = ops.top_k(adjacency, NEIGHBOURS)
        chosen = ops.equal(index[..., None], ops.arange(n_max, dtype=index.dtype))
        chosen = ops.cast(chosen, adjacency.dtype) * bonded[..., None]
        return ops.reshape(chosen, (-1, NEIGHBOURS * n_max, n_max))


def _at_neighbours(selection, features):
    """Features of the neighbours, (n, n_max, 3, width)."""
    shape = (-1, ops.shape(features)[1], NEIGHBOURS, features.shape[-1])
    return ops.reshape(ops.matmul(selection, features), shape)


@keras.saving.register_keras_serializable("listi")
class BondVectors(layers.Layer):
    """Vector to each neighbour, its length less one, 1 if there is one; (n, n_max, 3, 4)."""

    def call(self, nodes, selection):
        bonded = ops.sum(selection, axis=-1)
        bonded = ops.reshape(bonded, (-1, ops.shape(nodes)[1], NEIGHBOURS, 1))
        vector = (_at_neighbours(selection, nodes) - nodes[:, :, None]) * bonded / BOND
        length = ops.sqrt(ops.sum(vector**2, axis=-1, keepdims=True) + keras.config.epsilon())
        return ops.concatenate([vector, length - 1.0, bonded], axis=-1)


@keras.saving.register_keras_serializable("listi")
class GraphConvolution(GCSConv):
    """Spektral's convolution with a skip term, a x W + x V + b, with different initial W and V.

    Spektral draws both with the same initialiser object, which in Keras 3 makes them equal.
    """

    def build(self, input_shape) -> None:
        super().build(input_shape)
        self.kernel_2.assign(keras.initializers.GlorotUniform()(self.kernel_2.shape))


@keras.saving.register_keras_serializable("listi")
class BondFeatures(layers.Layer):
    """Sum over the neighbours j of a perceptron of the bond vector e_ij, (n, n_max, width)."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.hidden = layers.Dense(width, "relu", kernel_initializer="he_normal", name="hidden")

    def build(self, bonds_shape) -> None:
        self.hidden.build(bonds_shape)

    def call(self, bonds):
        return ops.sum(self.hidden(bonds) * bonds[..., -1:], axis=2) / NEIGHBOURS**0.5

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


def _place_in_adjacency(selection):
    """Where the bonds of each atom stand in the flattened adjacency, (n * n_max * 3, 1).

    The places of missing bonds have no meaning. A product with the selection instead took three times as long, half of
    a training step.
    """
    n, n_bonds, n_max = ops.shape(selection)
    row = ops.arange(n * n_bonds, dtype="int32") // NEIGHBOURS
    column = ops.cast(ops.argmax(ops.reshape(selection, (-1, n_max)), axis=-1), "int32")
    return (row * n_max + column)[:, None]


@keras.saving.register_keras_serializable("listi")
class BondWeights(layers.Layer):
    """Weights alpha_ij of the neighbours from e_ij, one matrix (n, n_max, n_max) for each head."""

    def __init__(self, heads: int, hidden: int = 16, **kwargs) -> None:
        super().__init__(**kwargs)
        self.heads, self.hidden = heads, hidden
        self.inner = layers.Dense(hidden, "relu", kernel_initializer="he_normal", name="inner")
        self.outer = layers.Dense(heads, name="outer")

    def build(self, bonds_shape, selection_shape) -> None:
        self.inner.build(bonds_shape)
        self.outer.build((*bonds_shape[:-1], self.hidden))

    def call(self, bonds, selection):
        weight = self.outer(self.inner(bonds)) * bonds[..., -1:] / NEIGHBOURS**0.5
        weight = ops.reshape(weight, (-1, self.heads))
        place = _place_in_adjacency(selection)
        shape = ops.shape(selection)[0], ops.shape(selection)[2], ops.shape(selection)[2]
        size = (shape[0] * shape[1] * shape[2],)
        return [ops.reshape(ops.scatter(place, weight[:, head], size), shape) for head in range(self.heads)]

    def get_config(self) -> dict:
        return super().get_config() | {"heads": self.heads, "hidden": self.hidden}


def build(metadata: dict, width: int = 64, heads: int = 4, bond_features: int = 32) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model.
    width : int
        Features of an atom after each convolution or dense layer; not given in the paper.
    heads : int
        Sets of neighbour weights in a convolution, a divisor of `width`; not given in the paper.
    bond_features : int
        Features of an atom made from its bond vectors; not given in the paper.

    Raises
    ------
    ValueError
        If `heads` does not divide `width`.
    """
    if heads < 1 or width % heads:
        raise ValueError(f"heads: {heads!r} does not divide the width {width!r}")
    graph = graph_inputs()
    selection = Neighbours(name="neighbours")(graph["adjacency"])
    bonds = BondVectors(name="bond_vectors")(graph["nodes"], selection)
    place = Scale(name="scale")(graph["nodes"])
    x = BondFeatures(bond_features, name="bond_features")(bonds)
    for block, convolutions in (("block_1", 2), ("block_2", 1)):
        for n in range(1, convolutions + 1):
            name = f"{block}_convolution_{n}"
            x = layers.Concatenate(name=f"{name}_features")([x, place])
            alpha = BondWeights(heads, name=f"{name}_weights")(bonds, selection)
            x = _convolution(x, alpha, width, name)
        x = dense(width, f"{block}_dense")(x)
    x = AveragePool(name="average")(x, graph["mask"])
    x = layers.BatchNormalization(momentum=0.9, name="standardise")(x)
    return keras.Model(graph, head(x, metadata), name="gcn_bonds")


def _convolution(x, alpha, width: int, name: str):
    """One convolution of `width` features: a Spektral layer for each head, side by side."""
    heads = [
        GraphConvolution(width // len(alpha), "relu", kernel_initializer="he_normal", name=f"{name}_{head}")(
            [x, weights]
        )
        for head, weights in enumerate(alpha, start=1)
    ]
    return layers.Concatenate(name=name)(heads) if len(heads) > 1 else heads[0]
