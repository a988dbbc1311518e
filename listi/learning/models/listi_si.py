"""LISTI's own network without O and stress: Si and their bonds, all that the paper's networks and an image show."""

from __future__ import annotations

from dataclasses import replace

from ..cutouts import Cutouts
from ..encodings import Inputs
from . import listi

SI_ALONE = {"oxygen": False, "stress": False}


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads, as `listi.inputs`."""
    return listi.inputs(cut, metadata | SI_ALONE)


def build(
    metadata: dict,
    width: int = 48,
    rounds: int = 4,
    rounds_in_disc: int = 2,
    weakest_link: bool = True,
    beyond: bool = True,
):
    """Build the network; sizes as for `listi.build`."""
    parts = {"weakest_link": weakest_link, "beyond": beyond, **SI_ALONE}
    return listi.build(metadata, width, rounds, rounds_in_disc, name="listi_si", **parts)


MODEL = replace(
    listi.MODEL,
    name="listi_si",
    reads="Si and bonds of the whole sample, then every disc of {r_free:g} Å",
    inputs=inputs,
    build=build,
    label="",
    look={},
    rank=None,
    in_every_run=False,
)
