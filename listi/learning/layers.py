"""The layers that the networks share, and the one place where Keras is imported at the top of a module.

Importing TensorFlow takes seconds and prints messages. This module is therefore imported only where a model is built or
loaded, never by `import listi`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what native code writes to stderr; show it if the block fails.

    TensorFlow writes to stderr before it reads TF_CPP_MIN_LOG_LEVEL, and notebooks would record that as output.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _quiet():
    import keras
    from keras import layers, ops

    ops.zeros(1)  # makes the backend look for its devices
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every second network that is compiled


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
    """Standardise features (..., n): subtract `mean` and divide by `std`, both (n,), of the training samples."""

    def build(self, input_shape) -> None:
        self.mean = self.add_weight(name="mean", shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.std = self.add_weight(name="std", shape=input_shape[-1:], initializer="ones", trainable=False)

    def adapt(self, values) -> None:
        """Take mean and standard deviation from the rows of `values` (m, n)."""
        std = values.std(axis=0)
        self.mean.assign(values.mean(axis=0))
        self.std.assign(std + (std == 0.0))  # what never varies stays 0

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
