"""Layers of the graph networks: Spektral's convolutions in Keras 3, and those of the paper's Eq. 2; imports Keras.

Spektral 1.3 does not know that Keras 3 gives layers with several inputs a list of masks; `_without_empty_masks` repairs
that where Spektral wraps the calls of all its convolutions. As to names, see `layers`.
"""

from __future__ import annotations

import functools

from ..network.bonds import BOND
from .layers import WideLayer, dense, keras, layers, ops
from .structure import NEIGHBOURS

if keras.backend.backend() != "tensorflow":
    raise ValueError(
        f"KERAS_BACKEND: gcn and gcn_bonds use Spektral, which needs 'tensorflow', not {keras.backend.backend()!r}"
    )

# isort: split
import spektral.layers.convolutional.conv as spektral_conv
from spektral.layers import GCNConv, GCSConv

keras.saving.register_keras_serializable("listi")(GCNConv)


def _without_empty_masks(wrap):
    """Make Spektral's wrapper of `call` read [None, None], with which Keras 3 says "no mask", as None."""

    @functools.wraps(wrap)
    def wrapper(call):
        inner = wrap(call)

        @functools.wraps(inner)
        def masked(inputs, mask=None, **kwargs):
            has_mask = mask is not None and any(entry is not None for entry in mask)
            return inner(inputs, mask=mask if has_mask else None, **kwargs)

        return masked

    return wrapper


spektral_conv.check_dtypes_decorator = _without_empty_masks(spektral_conv.check_dtypes_decorator)


@keras.saving.register_keras_serializable("listi")
class Normalised(layers.Layer):
    """The weights A_ij / sqrt(d_i d_j) of the neighbours and of the atom itself, (n, n_max, n_max); 0 for padding."""

    def call(self, adjacency, mask):
        weight = ops.cast(adjacency, self.compute_dtype)
        mask = ops.cast(mask, self.compute_dtype)
        weight = weight + ops.eye(ops.shape(weight)[1], dtype=weight.dtype) * mask[:, :, None]
        root = ops.sqrt(ops.maximum(ops.sum(weight, axis=2), 1.0))
        return weight / (root[:, :, None] * root[:, None, :])


@keras.saving.register_keras_serializable("listi")
class Attention(WideLayer):
    """One graph convolution of the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(width, **kwargs)
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
class BondFeatures(WideLayer):
    """Sum over the neighbours j of a perceptron of the bond vector e_ij, (n, n_max, width)."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(width, **kwargs)
        self.hidden = layers.Dense(width, "relu", kernel_initializer="he_normal", name="hidden")

    def build(self, bonds_shape) -> None:
        self.hidden.build(bonds_shape)

    def call(self, bonds):
        return ops.sum(self.hidden(bonds) * bonds[..., -1:], axis=2) / NEIGHBOURS**0.5


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
