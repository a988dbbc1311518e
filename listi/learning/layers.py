"""The layers that the networks share. This module imports Keras: import it only where a network is built or loaded.

The names "listi>..." under which layers are registered, the names of classes and attributes with weights, and the names
of layers stand in the files of networks; they must stay.
"""

from __future__ import annotations

import json

from .session import load_keras

load_keras()  # before the imports below, which would not hold back what TensorFlow prints

# isort: split
import keras  # noqa: E402
from keras import layers, ops  # noqa: E402


@keras.saving.register_keras_serializable("listi")
class Threshold(layers.Layer):
    """Turn the standardised output z of a network into a stress, mean + std z.

    `mean` and `std` are those of the training targets. They are stored with the model, and so is `metadata`, a JSON
    text with what must be known to use it.
    """

    def __init__(self, metadata: str = "{}", **kwargs) -> None:
        super().__init__(trainable=False, **kwargs)
        self.metadata = metadata

    def build(self, input_shape) -> None:
        self.mean = self.add_weight(name="mean", shape=(), initializer="zeros", trainable=False)
        self.std = self.add_weight(name="std", shape=(), initializer="ones", trainable=False)

    def call(self, z):
        return self.mean + self.std * z

    def get_config(self) -> dict:
        config = super().get_config() | {"metadata": self.metadata}
        config.pop("trainable")
        return config


@keras.saving.register_keras_serializable("listi")
class Scale(layers.Layer):
    """Standardise features (..., n): subtract `mean` and divide by `std`, both (n,), of the training samples.

    Keras's `Normalization` does not hand on the mask that the LSTM needs.
    """

    def build(self, input_shape) -> None:
        self.mean = self.add_weight(name="mean", shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.std = self.add_weight(name="std", shape=input_shape[-1:], initializer="ones", trainable=False)

    def adapt(self, values) -> None:
        """Take mean and standard deviation from the rows of `values` (m, n)."""
        std = values.std(axis=0)
        self.mean.assign(values.mean(axis=0))
        self.std.assign(std + (std == 0.0))  # a constant feature becomes 0

    def call(self, values):
        return (values - self.mean) / self.std

    def compute_mask(self, values, previous_mask=None):
        return previous_mask


@keras.saving.register_keras_serializable("listi")
class AveragePool(layers.Layer):
    """Average node features (n, n_max, width) over the atoms of each graph, not the padding."""

    def call(self, nodes, mask):
        weight = ops.cast(mask, nodes.dtype)[..., None]
        return ops.sum(nodes * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


class WideLayer(layers.Layer):
    """A layer of `width` features, which is part of its configuration."""

    def __init__(self, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.width = width

    def get_config(self) -> dict:
        return super().get_config() | {"width": self.width}


def dense(width: int, name: str) -> layers.Layer:
    """Return a dense layer with ReLU; its biases start slightly positive, so that no unit is dead."""
    bias = keras.initializers.Constant(0.1)
    return layers.Dense(width, "relu", kernel_initializer="he_normal", bias_initializer=bias, name=name)


def output(x, metadata: dict, initial: str = "glorot_uniform"):
    """Add the last neuron (standardised threshold), its weights drawn as `initial` says, and what makes it a stress."""
    x = layers.Dense(1, kernel_initializer=initial, name="standardised")(x)
    return Threshold(metadata=json.dumps(metadata), name="threshold")(x)


def graph_inputs() -> dict[str, object]:
    """Return the inputs nodes (n_max, 2) [Å], adjacency (n_max, n_max) and mask (n_max)."""
    return {
        "nodes": keras.Input((None, 2), name="nodes"),
        "adjacency": keras.Input((None, None), dtype="uint8", name="adjacency"),
        "mask": keras.Input((None,), dtype="uint8", name="mask"),
    }


def head(x, metadata: dict):
    """Add the paper's head of a graph network: dense layers of 20, 10 and 5 with ReLU, and the output."""
    for units in (20, 10, 5):
        x = dense(units, f"dense_{units}")(x)
    return output(x, metadata)
