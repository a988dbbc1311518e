"""Layers of `listi` and its kin: messages along the bonds of a sample, and between the Si of every disc; imports Keras.

Arrays: features of all Si of the sample (n_si, width), their bonds (n_si, 3, k) to the neighbours `to` (n_si, 3);
`atoms` (n, rows) numbers the Si of every disc among those of the sample. -1 stands for a Si that is not there. As to
names, see `layers`.
"""

from __future__ import annotations

from .layers import WideLayer, keras, layers, ops

SHARPNESS = 3.0  # s, of the soft minimum


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


def _exists(numbers, dtype):
    """1 where a number is that of a Si, 0 where it stands for none; one more axis for the features."""
    return ops.cast(numbers >= 0, dtype)[..., None]


@keras.saving.register_keras_serializable("listi")
class Bonds(WideLayer):
    """First features of the Si: sum, maximum and minimum over its bonds of a perceptron, (n_si, 3 width)."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(width, **kwargs)
        self.hidden = layers.Dense(width, "relu", name="hidden")

    def build(self, edges_shape, to_shape) -> None:
        self.hidden.build(edges_shape)

    def call(self, edges, to):
        features = self.hidden(edges) * _exists(to, edges.dtype)
        return ops.concatenate(
            [ops.sum(features, axis=1), ops.max(features, axis=1), ops.min(features, axis=1)], axis=-1
        )


@keras.saving.register_keras_serializable("listi")
class Round(WideLayer):
    """One round of messages, as in the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(width, **kwargs)
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
        message = ops.relu(message) * _exists(to, nodes.dtype)
        return nodes + self.update(
            ops.concatenate([nodes, ops.sum(message, axis=1), ops.max(message, axis=1)], axis=-1)
        )


@keras.saving.register_keras_serializable("listi", name="InDisc")
class DiscGeometry(layers.Layer):
    """Place of every Si in its disc, in units of R_free, (n, rows, 4 + 3 kinds).

    Position, distance and its square; of each kind of atom on its bonds, the number outside the disc and the sum of the
    vectors to them.
    """

    def call(self, place, atoms, to, arms):
        square = ops.sum(place**2, axis=-1, keepdims=True)
        parts = [place, ops.sqrt(square + keras.config.epsilon()), square]
        bonded = ops.take(_exists(to, place.dtype), ops.maximum(atoms, 0), axis=0)
        for arm in arms:
            vectors = ops.take(arm, ops.maximum(atoms, 0), axis=0)
            square_of_end = ops.sum((place[:, :, None] + vectors) ** 2, axis=-1, keepdims=True)
            outside = ops.cast(square_of_end > 1.0, place.dtype) * bonded
            parts += [ops.sum(outside, axis=2), ops.sum(outside * vectors, axis=2)]
        return ops.concatenate(parts, axis=-1)


@keras.saving.register_keras_serializable("listi")
class RoundInDisc(WideLayer):
    """One round of messages between the bonded Si of every disc, as in the equations above."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(width, **kwargs)
        self.own = layers.Dense(width, name="own")
        self.neighbour = layers.Dense(width, use_bias=False, name="neighbour")
        self.update = layers.Dense(width, name="update")

    def build(self, features_shape, bonded_shape) -> None:
        for layer in (self.own, self.neighbour, self.update):
            layer.build(features_shape)

    def call(self, features, bonded):
        message = ops.matmul(ops.cast(bonded, features.dtype), self.neighbour(features))
        return features + self.update(ops.relu(self.own(features) + message))


@keras.saving.register_keras_serializable("listi")
class AttentionInDisc(WideLayer):
    """One round of attention between all Si of every disc, then one of messages between the bonded ones.

    a_ij = softmax_j(q_i.k_j / sqrt(d) + b A_ij) in several heads of d features each, with A_ij = 1 for bonded Si; the
    Si are normalised before each of the two.
    """

    def __init__(self, width: int, heads: int = 4, **kwargs) -> None:
        super().__init__(width, **kwargs)
        self.heads = heads
        self.before, self.between = layers.LayerNormalization(name="before"), layers.LayerNormalization(name="between")
        self.qkv = layers.Dense(3 * width, use_bias=False, name="qkv")
        self.projection = layers.Dense(width, kernel_initializer="zeros", name="projection")
        self.own = layers.Dense(2 * width, name="own")
        self.neighbour = layers.Dense(2 * width, use_bias=False, name="neighbour")
        self.update = layers.Dense(width, kernel_initializer="zeros", name="update")

    asked = property(lambda self: self.qkv)  # the names of the weights in files
    heard = property(lambda self: self.projection)

    def build(self, features_shape, bonded_shape, atoms_shape) -> None:
        for layer in (self.before, self.between, self.qkv, self.projection, self.own, self.neighbour):
            layer.build(features_shape)
        self.update.build((*features_shape[:-1], 2 * self.width))
        self.bias = self.add_weight(name="bias", shape=(self.heads, 1, 1), initializer="zeros")

    def call(self, features, bonded, atoms):
        rows, bonded = ops.shape(features)[1], ops.cast(bonded, features.dtype)
        query, key, value = (self._heads(part, rows) for part in ops.split(self.qkv(self.before(features)), 3, axis=-1))
        score = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / (self.width // self.heads) ** 0.5
        score = score + self.bias * bonded[:, None] - 1e4 * (1.0 - _exists(atoms, features.dtype)[:, None, None, :, 0])
        attended = ops.transpose(ops.matmul(ops.softmax(score), value), (0, 2, 1, 3))
        features = features + self.projection(ops.reshape(attended, (-1, rows, self.width)))
        x = self.between(features)
        return features + self.update(ops.relu(self.own(x) + ops.matmul(bonded, self.neighbour(x))))

    def _heads(self, x, rows):
        return ops.transpose(ops.reshape(x, (-1, rows, self.heads, self.width // self.heads)), (0, 2, 1, 3))

    def get_config(self) -> dict:
        return super().get_config() | {"heads": self.heads}


@keras.saving.register_keras_serializable("listi", name="OfDisc")
class GatherToDiscs(layers.Layer):
    """Features of the Si of every disc, (n, rows, width): those of the sample's Si at their numbers `atoms`."""

    def call(self, features, atoms):
        return ops.take(features, ops.maximum(atoms, 0), axis=0)


@keras.saving.register_keras_serializable("listi")
class Pool(layers.Layer):
    """Mean, maximum and minimum over the Si of every disc of features >= 0."""

    def call(self, features, atoms):
        inside = _exists(atoms, features.dtype)
        present = features * inside
        most = ops.max(present, axis=1)
        least = ops.min(present + (1.0 - inside) * most[:, None], axis=1)
        mean = ops.sum(present, axis=1) / ops.maximum(ops.sum(inside, axis=1), 1.0)
        return ops.concatenate([mean, most, least], axis=-1)


@keras.saving.register_keras_serializable("listi")
class WeakestLink(layers.Layer):
    """Soft minimum over the Si of every disc of a scalar, (n, 1)."""

    def call(self, scalar, atoms):
        absent = 1.0 - _exists(atoms, scalar.dtype)
        return -ops.logsumexp(-SHARPNESS * scalar - 1e4 * absent, axis=1) / SHARPNESS
