"""Message passing along the bonds, with the bond vectors in the messages: a network of our own.

In each round atom i collects messages from its bonded neighbours j. With e_ij the bond vector in units of the bond
length,

    m_ij = ReLU(W_1 h_i + W_2 h_j + W_3 [e_ij, |e_ij|] + b)
    h_i' = ReLU(W_4 [h_i, sum_j m_ij, max_j m_ij] + c)

After the last round the sum, maximum and minimum over the atoms, standardised (batch normalisation), go to a dense
layer. Unlike the paper's graph network it reads the bond vectors in every round, so a message can depend on the
direction it comes from.
"""

from __future__ import annotations

import numpy as np

from ..cutouts import Cutouts
from ..encodings import graphs
from ..layers import dense, graph_inputs, keras, layers, ops, output

BOND_LENGTH = 3.05  # Si-Si [Å], the unit of the bond vectors
NEIGHBOURS = 3  # of a Si in silica
TYPICAL_ATOMS = 32  # mean number of Si in a disc: the unit of the sum over atoms


def inputs(cut: Cutouts, metadata: dict) -> dict[str, np.ndarray]:
    """Return what the network reads: nodes, adjacency and mask of `encodings.graphs`.

    Raises
    ------
    ValueError
        If a Si has more than three neighbours.
    """
    most = cut.adjacency.sum(axis=2, dtype=int).max(initial=0)
    if most > NEIGHBOURS:
        raise ValueError(f"bonds: a Si has {most} neighbours; graph networks here take at most {NEIGHBOURS}")
    return graphs(cut)


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
        vector = (_at_neighbours(selection, nodes) - nodes[:, :, None]) * bonded / BOND_LENGTH
        length = ops.sqrt(ops.sum(vector**2, axis=-1, keepdims=True) + keras.config.epsilon())
        return ops.concatenate([vector, length - 1.0, bonded], axis=-1)


@keras.saving.register_keras_serializable("listi")
class Round(layers.Layer):
    """One round of messages, as in the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.own = layers.Dense(width, name="own")
        self.neighbour = layers.Dense(width, use_bias=False, name="neighbour")
        self.bond = layers.Dense(width, use_bias=False, name="bond")
        self.update = layers.Dense(width, "relu", name="update")

    def build(self, nodes_shape, bonds_shape, selection_shape) -> None:
        self.own.build(nodes_shape)
        self.neighbour.build(nodes_shape)
        self.bond.build(bonds_shape)
        self.update.build((*nodes_shape[:-1], nodes_shape[-1] + 2 * self.width))

    def call(self, nodes, bonds, selection):
        message = self.own(nodes)[:, :, None] + _at_neighbours(selection, self.neighbour(nodes)) + self.bond(bonds)
        message = ops.relu(message) * bonds[..., -1:]
        collected = [nodes, ops.sum(message, axis=2), ops.max(message, axis=2)]
        return self.update(ops.concatenate(collected, axis=-1))

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


@keras.saving.register_keras_serializable("listi")
class Pool(layers.Layer):
    """Sum (in units of a typical disc), maximum and minimum over the atoms of features >= 0."""

    def call(self, nodes, mask):
        atom = ops.cast(mask, nodes.dtype)[..., None]
        most = ops.max(nodes * atom, axis=1)
        least = ops.min(nodes * atom + (1.0 - atom) * ops.max(nodes, axis=1, keepdims=True), axis=1)
        return ops.concatenate([ops.sum(nodes * atom, axis=1) / TYPICAL_ATOMS, most, least], axis=-1)


def build(metadata: dict, width: int = 64, rounds: int = 5) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model; `r_free` [Å] scales the coordinates.
    width : int
        Number of features of an atom.
    rounds : int
        Rounds of messages: over how many bonds an atom collects information.
    """
    graph = graph_inputs()
    selection = Neighbours(name="neighbours")(graph["adjacency"])
    bonds = BondVectors(name="bond_vectors")(graph["nodes"], selection)
    x = layers.Rescaling(1.0 / metadata["r_free"], name="scale")(graph["nodes"])
    for n in range(rounds):
        x = Round(width, name=f"round_{n + 1}")(x, bonds, selection)
    x = Pool(name="pool")(x, graph["mask"])
    x = layers.BatchNormalization(momentum=0.9, name="standardise")(x)
    return keras.Model(graph, output(dense(width, "dense")(x), metadata), name="mpnn")
