"""Convolutional network: a grey image of the cut-out.

Paper: 220 x 220 grey values in 0..1; three 5 x 5 convolutions (32, 64, 32 filters, stride 1), each with ReLU and 2 x 2
max-pooling; dropout; three dense layers of 10 with ReLU; one output neuron; 300 epochs. Chosen here: no padding at the
image's edge (Keras's default), dropout once before the dense layers.
"""

from __future__ import annotations

from ..cutouts import Cutouts
from ..encodings import PIXELS, Inputs, images
from . import MOSTLY_PAPER, Model

SMALLEST = 36  # the third convolution needs a 5 x 5 image: fewer pixels leave nothing to pool


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads: the image, uint8 of shape (n, pixels, pixels, 1)."""
    return Inputs({"image": images(cut, metadata.get("pixels", PIXELS))})


def build(metadata: dict, pixels: int = PIXELS, dropout: float = 0.2):
    """Build the network, with the metadata stored in it.

    Parameters
    ----------
    pixels : int
        Edge of the images; 220 in the paper.
    dropout : float
        Fraction of the features left out at random in each training step; not given in the paper.

    Raises
    ------
    ValueError
        If the image is too small for three convolutions or `dropout` is not in [0, 1).
    """
    if pixels < SMALLEST:
        raise ValueError(f"pixels: {pixels!r} is not a whole number >= {SMALLEST}, which three convolutions need")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: {dropout!r} is not in [0, 1)")
    from ..layers import dense, keras, layers, output

    image = keras.Input((pixels, pixels, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1.0 / 255.0, name="scale")(image)
    for n, filters in enumerate((32, 64, 32), start=1):
        x = layers.Conv2D(filters, 5, activation="relu", name=f"convolution_{n}")(x)
        x = layers.MaxPooling2D(2, name=f"pooling_{n}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(dropout, seed=metadata["seed"], name="dropout")(x)
    for n in (1, 2, 3):
        x = dense(10, f"dense_{n}")(x)
    return keras.Model({"image": image}, output(x, metadata), name="cnn")


MODEL = Model(
    name="cnn",
    reads="a grey picture of the Si within {r_free:g} Å and their bonds",
    inputs=inputs,
    build=build,
    paper_scale={"epochs": 300, "batch_size": 64, "patience": 30, "half_precision": True},
    settings_chosen=MOSTLY_PAPER,
    label="CNN",
    look={"color": "#c8553d", "marker": "s", "linestyle": "-."},
    rank=2,
    in_every_run=True,
)
