"""Recurrent network: the coordinates of the Si, read in the order of their numbers.

Paper: rows of (x, y) padded to 38 and masked, one LSTM layer of 128, a dense layer of 10, one output neuron. Chosen
here: coordinates in units of R_free, ReLU in the dense layer.
"""

from __future__ import annotations

import numpy as np

from ..cutouts import Cutouts
from ..encodings import PADDING, sequences
from ..layers import dense, keras, layers, output


def inputs(cut: Cutouts, metadata: dict) -> np.ndarray:
    """Return what the network reads, shape (n, n_max, 2) [Å]."""
    return sequences(cut)


def build(metadata: dict, units: int = 128) -> keras.Model:
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model; `r_free` [Å] scales the coordinates.
    units : int
        Width of the LSTM layer; 128 in the paper.
    """
    sequence = keras.Input((None, 2), name="sequence")
    x = layers.Masking(PADDING, name="masking")(sequence)
    x = layers.Rescaling(1.0 / metadata["r_free"], name="scale")(x)
    x = layers.LSTM(units, name="lstm")(x)
    x = dense(10, "dense")(x)
    return keras.Model(sequence, output(x, metadata), name="lstm")
