"""Graph convolutional network on the Si and their bonds, with Spektral's graph convolutions.

Paper: nodes with their coordinates and an adjacency matrix of 0 and 1; a first block of two graph convolutions and a
dense layer with ReLU, a second block of one graph convolution and a dense layer; global average pooling; dense layers
of 20, 10 and 5; one output neuron. Its Eq. 2 adds an edge tensor e_ij (2a), weights alpha_ij of the neighbours in the
aggregation (2b, 2c) and a multi-layer perceptron for the messages (2d). It gives neither e_ij nor the widths. The
simplest reading, alpha_ij = A_ij, hardly learns. Chosen here:

- e_ij is the bond vector from i to j with its length, in units of the bond length;
- the features of node i are its coordinates (in units of R_free), given to every convolution again, and a perceptron of
  e_ij summed over the neighbours j;
- another perceptron of e_ij gives the weights alpha_ij, one set for each of several heads, in place of the softmax of
  Eq. 2b: they have a sign, and an atom with fewer neighbours collects less. Every head is one convolution
  h_i' = ReLU(sum_j alpha_ij h_j W + h_i V + b) (Spektral's GCSConv), and the outputs of all heads are concatenated;
- the average over the atoms varies little from disc to disc, so it is standardised (batch normalisation) before the
  last dense layers. Without that, their few ReLU units may all become zero for every disc, and the prediction constant.

Spektral 1.3 does not know that Keras 3 gives layers with several inputs a list of masks; `_without_empty_masks` repairs
that where Spektral wraps the calls of all its convolutions. Nothing outside this module imports Spektral.
"""

from __future__ import annotations

import functools

import numpy as np

from ..cutouts import Cutouts
from ..layers import AveragePool, dense, graph_inputs, keras, layers, ops, output
from . import mpnn
from .mpnn import NEIGHBOURS, BondVectors, Neighbours

# isort: split
import spektral.layers.convolutional.conv as spektral_conv
from spektral.layers import GCSConv


def _without_empty_masks(wrap):
    """Make Spektral's wrapper of `call` read [None, None], with which Keras 3 says "no mask", as None."""

    @functools.wraps(wrap)
    def wrapper(call):
        inner = wrap(call)

        @functools.wraps(inner)
        def masked(inputs, mask=None, **kwargs):
            given = mask is not None and any(entry is not None for entry in mask)
            return inner(inputs, mask=mask if given else None, **kwargs)

        return masked

    return wrapper


spektral_conv.check_dtypes_decorator = _without_empty_masks(spektral_conv.check_dtypes_decorator)


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


def inputs(cut: Cutouts, metadata: dict) -> dict[str, np.ndarray]:
    """Return what the network reads: nodes, adjacency and mask of `encodings.graphs`.

    Raises
    ------
    ValueError
        If a Si has more than three neighbours.
    """
    return mpnn.inputs(cut, metadata)


def build(metadata: dict, width: int = 64, heads: int = 4, bond_features: int = 32) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model; `r_free` [Å] scales the coordinates.
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
    place = layers.Rescaling(1.0 / metadata["r_free"], name="place")(graph["nodes"])
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
    for units in (20, 10, 5):
        x = dense(units, f"dense_{units}")(x)
    return keras.Model(graph, output(x, metadata), name="gcn")


def _convolution(x, alpha, width: int, name: str):
    """One convolution of `width` features: a Spektral layer for each head, side by side."""
    heads = [
        GraphConvolution(width // len(alpha), "relu", kernel_initializer="he_normal", name=f"{name}_{head}")(
            [x, weights]
        )
        for head, weights in enumerate(alpha, start=1)
    ]
    return layers.Concatenate(name=name)(heads) if len(heads) > 1 else heads[0]
