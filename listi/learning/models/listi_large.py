"""LISTI's own network with attention between all Si of a disc, taught how the atoms of every disc move.

Where a disc gives, and at which stress, depends on how all of its atoms move. In training the features of the Si must
therefore also tell how each of them moves (`listi.probing.motion`): those after the first round in the disc its
response in the undeformed state, the last ones its displacement in the critical state and its direction there. What
reads this off them is left out of the network afterwards. It is slower than `listi`, and agrees better with probing.
"""

from __future__ import annotations

from ..layers import keras
from . import listi
from .listi import inputs, of_training  # noqa: F401  (it reads the same)

PAPER = {  # how the one that ships is trained, on what `notebooks/studies/networks.py` makes: the paper has none
    "epochs": 20,
    "batch_size": 450,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "final_learning_rate": 1e-5,
    "mirror": True,
    "beside": 1.5,
    "motion": 1.0,
    "jit_compile": True,
}
MOVES_FROM = {"round_in_disc_1": 2, "normalised": 4}  # off which layer how many components of the motion are read


def build(metadata: dict, width: int = 64, rounds: int = 4, rounds_in_disc: int = 4, heads: int = 4) -> keras.Model:
    """Build the network; sizes as for `listi.build`, and `width` is a multiple of `heads`.

    Raises
    ------
    ValueError
        If it is not, or there is no round in the disc.
    """
    if heads < 1 or width % heads:
        raise ValueError(f"heads: {heads} is not a whole number > 0 that divides width = {width}")
    if rounds_in_disc < 1:
        raise ValueError(f"rounds_in_disc: {rounds_in_disc} is not > 0")
    return listi.build(metadata, width, rounds, rounds_in_disc, heads=heads, name="listi_large")
