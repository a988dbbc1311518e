"""Recurrent network: the coordinates of the Si, read in the order of their numbers.

Paper: rows of (x, y) padded to 38 and masked, one LSTM layer of 128, a dense layer of 10, one output neuron; 1500
epochs. Chosen here: coordinates relative to the middle of the disc, standardised; ReLU in the dense layer.
"""

from __future__ import annotations

import numpy as np

from ..cutouts import Cutouts
from ..encodings import PADDING, Inputs, sequences
from . import MOSTLY_PAPER, Model


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads: the sequence, shape (n, n_max, 2) [Å]."""
    return Inputs({"sequence": sequences(cut)})


def normalisation_data(x: Inputs) -> dict[str, np.ndarray]:
    """Return the values that a `Scale` layer takes its statistics from: the coordinates of all atoms."""
    sequence = x.points["sequence"]
    return {"scale": sequence[sequence[:, :, 0] != PADDING]}


def build(metadata: dict, units: int = 128):
    """Build the network, with the metadata stored in it.

    Parameters
    ----------
    units : int
        Width of the LSTM layer; 128 in the paper.
    """
    from ..layers import Scale, dense, keras, layers, output

    sequence = keras.Input((None, 2), name="sequence")
    x = layers.Masking(PADDING, name="masking")(sequence)
    x = Scale(name="scale")(x)
    x = layers.LSTM(units, name="lstm")(x)
    x = dense(10, "dense")(x)
    return keras.Model({"sequence": sequence}, output(x, metadata), name="lstm")


MODEL = Model(
    name="lstm",
    reads="the coordinates of the Si within {r_free:g} Å, in the order of their numbers",
    inputs=inputs,
    build=build,
    paper_scale={"epochs": 1500, "batch_size": 64, "patience": 150, "jit_compile": True},
    settings_chosen=MOSTLY_PAPER,
    normalisation_data=normalisation_data,
    label="LSTM",
    look={"color": "#173f7a", "marker": "o", "linestyle": "--"},
    rank=1,
    in_every_run=True,
)
