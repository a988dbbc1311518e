"""LISTI's own network: it reads the Si graph of the whole sample once, then every disc's Si, for their weakest link.

The Si of the sample exchange messages along their bonds. With e_ij what is known of the bond from i to its neighbour j,

    m_ij = ReLU(W_1 h_i + W_2 h_j + W_3 e_ij + b)
    h_i <- h_i + W_4 [h_i, sum_j m_ij, max_j m_ij] + c

so that after some rounds h_i tells of the surroundings of i, also beyond the disc. Around a point, every Si of the disc
is then looked at with its place in the disc, g_i: position, distance from the middle, and how many of the Si and O on
its bonds lie outside, where a probe holds them fixed, and in which direction. The Si of a disc exchange messages too,

    u_i = ReLU(W_5 h_i + V_5 g_i + b_5)
    u_i <- u_i + W_8 ReLU(W_6 u_i + W_7 sum_j u_j + b_6) + b_8
    z_i = ReLU(W_9 u_i + b_9)

and the disc is judged by the mean, maximum and minimum of z_i over its Si, by its stress, and by its weakest link: a
soft minimum of a scalar, -ln(sum_i exp(-s w.z_i)) / s. A disc gives where its weakest Si gives.

Bonds carry their vector, its length, the place of the O relative to the bond's middle, and both Si-O lengths; Si carry
the local stress. All follow from the structure, and are standardised over the training samples. Pure shear does not
tell x from -x: training shows the four mirror images of a sample, prediction averages over them.
"""

from __future__ import annotations

import numpy as np

from ...analysis.discs import stress_of_discs
from ...mechanics.system import System
from .. import structure
from ..cutouts import Cutouts
from ..encodings import Inputs
from ..layers import Scale, keras, layers, ops, output

PAPER = {  # the paper has no such network; this is how the one that ships is trained
    "epochs": 80,
    "batch_size": 1250,
    "optimizer": "adamw",
    "learning_rate": 3e-3,
    "final_learning_rate": 1e-5,
    "mirror": True,
    "jit_compile": True,
}
SHARPNESS = 3.0  # s, of the soft minimum
MIRRORED = {  # of x and y alike: what changes its sign with x, with y
    "vector": ((1, 0), (0, 1)),
    "length": ((0, 0),),
    "oxygen": ((1, 0), (0, 1), (0, 0), (0, 0)),
    "stress": ((0, 0), (1, 1), (0, 0)),
}


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads: the graph of the sample, and the Si of every disc.

    Raises
    ------
    ValueError
        If the cut-outs are of several samples, a Si has more than three neighbours, or there is no O to be read.
    """
    if cut.network is None:
        raise ValueError("cut: holds cut-outs of several samples; this network reads one sample at a time")
    network, known = cut.network, {"oxygen": True, "stress": True, "beyond": True} | metadata
    to = structure.neighbours(network)
    graph = {"neighbours": to.astype(np.int32), "edges": _edges(network, to, known["oxygen"])}
    atoms = np.where(cut.mask, np.searchsorted(network.silicon, cut.atoms), -1).astype(np.int32)
    points = {"atoms": atoms, "place": (cut.positions / cut.r_free).astype(np.float32), "bonded": cut.adjacency}
    if known["stress"]:
        virial = System(network.positions, network.species, network.cell).virials()
        graph["stress"] = structure.local_stress(network, virial).astype(np.float32)
        of_discs = stress_of_discs(virial, network.positions, network.cell, cut.centers, cut.r_free)
        points["disc_stress"] = of_discs.astype(np.float32)
    signs = np.ones((1, 2), dtype=np.float32)
    if known["beyond"]:
        return Inputs(points, graph | {"signs": signs})
    return Inputs(points | _cut_apart(graph, atoms), {"signs": signs})


def _edges(network, to: np.ndarray, oxygen: bool) -> np.ndarray:
    """Bond vector, length and, with `oxygen`, O off the middle, length to it from both ends, (n_si, 3, 3 or 7) [Å]."""
    vector = structure.bond_vectors(network, to)
    parts = [vector, np.linalg.norm(vector, axis=2, keepdims=True)]
    if oxygen:
        place = structure.oxygen_places(network, to)
        both = (place, vector - place)
        parts += [place - 0.5 * vector, *(np.linalg.norm(arm, axis=2, keepdims=True) for arm in both)]
    return np.concatenate(parts, axis=2).astype(np.float32)


def _cut_apart(graph: dict[str, np.ndarray], atoms: np.ndarray) -> dict[str, np.ndarray]:
    """Give every disc (a row of `atoms`) a graph of its own, without the bonds that leave it."""
    to = graph["neighbours"][atoms]
    row = np.argmax(to[:, :, :, None] == atoms[:, None, None, :], axis=3)
    inside = np.take_along_axis(atoms[:, None], row.reshape(len(atoms), 1, -1), axis=2).reshape(to.shape) == to
    bonded = inside & (to >= 0) & (atoms >= 0)[:, :, None]
    return {name: array[atoms] for name, array in graph.items()} | {
        "neighbours": np.where(bonded, row, -1).astype(np.int32)
    }


def of_training(x: Inputs) -> dict[str, np.ndarray]:
    """Return the values that the `Scale` layers take their statistics from: those of all bonds, of all Si."""
    arrays = x.take(slice(None))
    found = {"scale_edges": arrays["edges"][arrays["neighbours"] >= 0]}
    if "stress" in arrays:
        found |= {f"scale_{name}": arrays[name].reshape(-1, 3) for name in ("stress", "disc_stress")}
    return found


@keras.saving.register_keras_serializable("listi")
class Mirror(layers.Layer):
    """Turn features into those of a mirror image; `odd` says of each whether its sign goes with that of x, of y."""

    def __init__(self, odd, **kwargs) -> None:
        super().__init__(**kwargs)
        self.odd = [list(pair) for pair in odd]

    def call(self, features, signs):
        odd = ops.convert_to_tensor(self.odd, dtype=features.dtype)
        return features * ops.prod(1.0 + odd * (signs - 1.0), axis=1)

    def compute_output_shape(self, features_shape, signs_shape):
        return features_shape

    def get_config(self) -> dict:
        return super().get_config() | {"odd": self.odd}


@keras.saving.register_keras_serializable("listi")
class OneGraph(layers.Layer):
    """Join the graphs of all discs, whose Si are numbered row by row, to one graph."""

    def call(self, atoms, graph):
        n, rows = ops.shape(atoms)[0], ops.shape(atoms)[1]
        first = (ops.arange(n, dtype="int32") * rows)[:, None]
        to = graph["neighbours"]
        joined = graph | {"neighbours": ops.where(to < 0, -1, to + first[:, :, None])}
        numbers = ops.where(atoms < 0, -1, first + ops.arange(rows, dtype="int32"))
        return numbers, {name: ops.reshape(array, (-1, *array.shape[2:])) for name, array in joined.items()}


def _of_neighbours(features, to):
    """Features of the neighbours `to` (n, 3) of every Si, (n, 3, width); of Si 0 where one is missing."""
    return ops.take(features, ops.maximum(to, 0), axis=0)


def _is_there(numbers, dtype):
    """1 where a number is that of a Si, 0 where it stands for none; one more axis for the features."""
    return ops.cast(numbers >= 0, dtype)[..., None]


@keras.saving.register_keras_serializable("listi")
class Bonds(layers.Layer):
    """First features of the Si: sum, maximum and minimum over its bonds of a perceptron, (n_si, 3 width)."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.hidden = layers.Dense(width, "relu", name="hidden")

    def build(self, edges_shape, to_shape) -> None:
        self.hidden.build(edges_shape)

    def call(self, edges, to):
        each = self.hidden(edges) * _is_there(to, edges.dtype)
        return ops.concatenate([ops.sum(each, axis=1), ops.max(each, axis=1), ops.min(each, axis=1)], axis=-1)

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


@keras.saving.register_keras_serializable("listi")
class Round(layers.Layer):
    """One round of messages, as in the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.own = layers.Dense(width, name="own")
        self.neighbour = layers.Dense(width, use_bias=False, name="neighbour")
        self.bond = layers.Dense(width, use_bias=False, name="bond")
        self.update = layers.Dense(width, name="update")

    def build(self, nodes_shape, edges_shape, to_shape) -> None:
        self.own.build(nodes_shape)
        self.neighbour.build(nodes_shape)
        self.bond.build(edges_shape)
        self.update.build((*nodes_shape[:-1], nodes_shape[-1] + 2 * self.width))

    def call(self, nodes, edges, to):
        message = self.own(nodes)[:, None] + _of_neighbours(self.neighbour(nodes), to) + self.bond(edges)
        message = ops.relu(message) * _is_there(to, nodes.dtype)
        return nodes + self.update(
            ops.concatenate([nodes, ops.sum(message, axis=1), ops.max(message, axis=1)], axis=-1)
        )

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


@keras.saving.register_keras_serializable("listi")
class InDisc(layers.Layer):
    """Place of every Si in its disc, in units of R_free, (n, rows, 4 + 3 kinds).

    Position, distance and its square; of each kind of atom on its bonds, the number outside the disc and the sum of the
    vectors to them.
    """

    def call(self, place, atoms, to, arms):
        square = ops.sum(place**2, axis=-1, keepdims=True)
        found = [place, ops.sqrt(square + keras.config.epsilon()), square]
        bonded = ops.take(_is_there(to, place.dtype), ops.maximum(atoms, 0), axis=0)
        for arm in arms:
            vectors = ops.take(arm, ops.maximum(atoms, 0), axis=0)
            reach = ops.sum((place[:, :, None] + vectors) ** 2, axis=-1, keepdims=True)
            outside = ops.cast(reach > 1.0, place.dtype) * bonded
            found += [ops.sum(outside, axis=2), ops.sum(outside * vectors, axis=2)]
        return ops.concatenate(found, axis=-1)


@keras.saving.register_keras_serializable("listi")
class RoundInDisc(layers.Layer):
    """One round of messages between the bonded Si of every disc, as in the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.own = layers.Dense(width, name="own")
        self.neighbour = layers.Dense(width, use_bias=False, name="neighbour")
        self.update = layers.Dense(width, name="update")

    def build(self, features_shape, bonded_shape) -> None:
        for layer in (self.own, self.neighbour, self.update):
            layer.build(features_shape)

    def call(self, features, bonded):
        message = ops.matmul(ops.cast(bonded, features.dtype), self.neighbour(features))
        return features + self.update(ops.relu(self.own(features) + message))

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


@keras.saving.register_keras_serializable("listi")
class AttentionInDisc(layers.Layer):
    """One round of attention between all Si of every disc, then one of messages between the bonded ones.

    a_ij = softmax_j(q_i.k_j / sqrt(d) + b A_ij) in several heads of d features each, with A_ij = 1 for bonded Si; the
    Si are normalised before each of the two.
    """

    def __init__(self, width: int, heads: int = 4, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.before, self.between = layers.LayerNormalization(name="before"), layers.LayerNormalization(name="between")
        self.asked = layers.Dense(3 * width, use_bias=False, name="asked")
        self.heard = layers.Dense(width, kernel_initializer="zeros", name="heard")
        self.own = layers.Dense(2 * width, name="own")
        self.neighbour = layers.Dense(2 * width, use_bias=False, name="neighbour")
        self.update = layers.Dense(width, kernel_initializer="zeros", name="update")

    def build(self, features_shape, bonded_shape, atoms_shape) -> None:
        for layer in (self.before, self.between, self.asked, self.heard, self.own, self.neighbour):
            layer.build(features_shape)
        self.update.build((*features_shape[:-1], 2 * self.width))
        self.bias = self.add_weight(name="bias", shape=(self.heads, 1, 1), initializer="zeros")

    def call(self, features, bonded, atoms):
        rows, bonded = ops.shape(features)[1], ops.cast(bonded, features.dtype)
        query, key, value = (
            self._heads(part, rows) for part in ops.split(self.asked(self.before(features)), 3, axis=-1)
        )
        score = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / (self.width // self.heads) ** 0.5
        score = (
            score + self.bias * bonded[:, None] - 1e4 * (1.0 - _is_there(atoms, features.dtype)[:, None, None, :, 0])
        )
        heard = ops.transpose(ops.matmul(ops.softmax(score), value), (0, 2, 1, 3))
        features = features + self.heard(ops.reshape(heard, (-1, rows, self.width)))
        x = self.between(features)
        return features + self.update(ops.relu(self.own(x) + ops.matmul(bonded, self.neighbour(x))))

    def _heads(self, x, rows):
        return ops.transpose(ops.reshape(x, (-1, rows, self.heads, self.width // self.heads)), (0, 2, 1, 3))

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width, "heads": self.heads}


@keras.saving.register_keras_serializable("listi")
class OfDisc(layers.Layer):
    """Features of the Si of every disc, (n, rows, width): those of the sample's Si at their numbers `atoms`."""

    def call(self, features, atoms):
        return ops.take(features, ops.maximum(atoms, 0), axis=0)


@keras.saving.register_keras_serializable("listi")
class Pool(layers.Layer):
    """Mean, maximum and minimum over the Si of every disc of features >= 0."""

    def call(self, features, atoms):
        there = _is_there(atoms, features.dtype)
        inside = features * there
        most = ops.max(inside, axis=1)
        least = ops.min(inside + (1.0 - there) * most[:, None], axis=1)
        return ops.concatenate([_mean(features, there), most, least], axis=-1)


def _mean(features, there):
    return ops.sum(features * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)


@keras.saving.register_keras_serializable("listi")
class WeakestLink(layers.Layer):
    """Soft minimum over the Si of every disc of a scalar, (n, 1)."""

    def call(self, scalar, atoms):
        absent = 1.0 - _is_there(atoms, scalar.dtype)
        return -ops.logsumexp(-SHARPNESS * scalar - 1e4 * absent, axis=1) / SHARPNESS


def build(
    metadata: dict,
    width: int = 48,
    rounds: int = 4,
    rounds_in_disc: int = 2,
    oxygen: bool = True,
    stress: bool = True,
    weakest_link: bool = True,
    beyond: bool = True,
    *,
    heads: int = 0,
    name: str = "listi",
) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model; `r_free` [Å] is the radius of the discs.
    width : int
        Number of features of a Si.
    rounds : int
        Rounds of messages: over how many bonds a Si collects information.
    rounds_in_disc : int
        Rounds of messages within a disc.
    oxygen, stress : bool
        Read the places of the O, the local stress.
    weakest_link : bool
        Read the soft minimum beside mean, maximum and minimum.
    beyond : bool
        Read what lies beyond the disc. Without it, every disc is a graph of its own.
    heads : int
        Heads of attention between all Si of a disc; 0 for messages between the bonded ones alone.
    name : str
        Name of the model.
    """
    given, lead = _inputs(oxygen, stress, beyond), "" if beyond else "joined_"
    atoms, graph = given["atoms"], {key: given[key] for key in ("neighbours", "edges", "stress") if key in given}
    if not beyond:
        atoms, graph = OneGraph(name="one_graph")(atoms, graph)
    odd = [pair for part in ("vector", "length", *(["oxygen"] if oxygen else [])) for pair in MIRRORED[part]]
    raw = Mirror(odd, name=f"{lead}mirror_edges")(graph["edges"], given["signs"])
    edges, to = Scale(name="scale_edges")(raw), graph["neighbours"]
    x = Bonds(16, name="bonds")(edges, to)
    if stress:
        local = Mirror(MIRRORED["stress"], name="mirror_stress")(graph["stress"], given["signs"])
        local = Scale(name="scale_stress")(local)
        x = layers.Concatenate(name="with_stress")([x, local])
    x = layers.Dense(width, "relu", name="nodes")(x)
    for n in range(rounds):
        x = Round(width, name=f"round_{n + 1}")(x, edges, to)
    place = Mirror(MIRRORED["vector"], name="mirror_place")(given["place"], given["signs"])
    arms = [raw[..., :2], *([0.5 * raw[..., :2] + raw[..., 3:5]] if oxygen else [])]  # to the Si, to the O
    arms = [layers.Rescaling(1.0 / metadata["r_free"], name=f"arms_{n}")(arm) for n, arm in enumerate(arms)]
    place = layers.Dense(width, use_bias=False, name="place_in_disc")(InDisc(name="disc")(place, atoms, to, arms))
    x = OfDisc(name="of_disc")(layers.Dense(width, name="node_in_disc")(x), atoms)
    x = layers.Activation("relu", name="in_disc")(layers.Add(name="sum_in_disc")([x, place]))
    for n in range(rounds_in_disc):
        label = f"round_in_disc_{n + 1}"
        if heads:
            x = AttentionInDisc(width, heads, name=label)(x, given["bonded"], atoms)
        else:
            x = RoundInDisc(width, name=label)(x, given["bonded"])
    if heads:
        x = layers.LayerNormalization(name="normalised")(x)
    x = layers.Dense(width, "relu", name="link_features")(x)
    parts = [Pool(name="pool")(x, atoms)]
    if weakest_link:
        parts.append(WeakestLink(name="weakest_link")(layers.Dense(1, name="strength")(x), atoms))
    if stress:
        whole = Mirror(MIRRORED["stress"], name="mirror_disc_stress")(given["disc_stress"], given["signs"])
        parts.append(Scale(name="scale_disc_stress")(whole))
    x = layers.Concatenate(name="of_the_disc")(parts) if len(parts) > 1 else parts[0]
    x = layers.Dense(width, "relu", name="dense")(x)
    return keras.Model(given, output(x, metadata, "zeros"), name=name)  # starts at the mean threshold


def _inputs(oxygen: bool, stress: bool, beyond: bool) -> dict[str, object]:
    """What the network is given: arrays of the sample and its discs."""
    lead = () if beyond else (None,)  # rows of the disc, where every disc has a graph of its own
    shapes = {"neighbours": (*lead, 3), "edges": (*lead, 3, 7 if oxygen else 3)}
    if stress:
        shapes |= {"stress": (*lead, 3), "disc_stress": (3,)}
    shapes |= {"atoms": (None,), "place": (None, 2), "bonded": (None, None), "signs": (2,)}
    kinds = {"neighbours": "int32", "atoms": "int32", "bonded": "uint8"}
    return {key: keras.Input(shape, dtype=kinds.get(key, "float32"), name=key) for key, shape in shapes.items()}
