"""LISTI's own network with attention between all Si of a disc, and trained on the motion of the atoms of every disc.

Where a disc yields, and at which stress, depends on how all of its atoms move. In training the features of the Si must
therefore also predict how each of them moves (`listi.probing.motion`): those after the first round in the disc its
response in the undeformed state, the last ones its displacement in the critical state and its direction there. The
layers that read this off them are left out of the network afterwards. It is slower than `listi`, and agrees better with
probing.
"""

from __future__ import annotations

from dataclasses import replace

from . import listi


def build(metadata: dict, width: int = 64, rounds: int = 4, rounds_in_disc: int = 4, heads: int = 4):
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


MODEL = replace(
    listi.MODEL,
    name="listi_large",
    reads="what `listi` reads (Si, bonds, places of the O and local stress of the whole sample), then all pairs of Si"
    " in every disc of {r_free:g} Å",
    build=build,
    paper_scale={  # on the glasses that `notebooks/studies/networks.py` makes
        "epochs": 20,
        "batch_size": 450,
        "optimizer": "adamw",
        "learning_rate": 2e-3,
        "final_learning_rate": 1e-5,
        "mirror": True,
        "auxiliary_weight": 1.5,
        "motion_weight": 1.0,
        "jit_compile": True,
    },
    auxiliary_heads={"round_in_disc_1": 2, "normalised": 4},
    label="",
    look={},
    rank=None,
    in_every_run=False,
)
