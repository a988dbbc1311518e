"""The numbers that the paper publishes of its networks, asked of the predictions that ship.

Each stands with its source and a tolerance. A number on which the data disagree with the paper is a
strict expected failure with its reason: should they ever agree, by accident or by improvement, that
is noticed too.
"""

import functools
from pathlib import Path

import pytest
from numbers_of_the_paper import cases

from listi.compendium import data_set
from listi.figures import published

DATA = Path(__file__).resolve().parents[2] / "data" / "paper"

# Name of a number below -> why ours is another.
DISAGREEMENTS: dict[str, str] = {}


@functools.cache
def compared(*roles):
    return data_set.compared(DATA, *roles).mean("sample")


SEEN, UNSEEN = ("train", "validation"), ("test", "extra_test")
NUMBERS = {  # name: (ours, paper's, tolerance)
    **{
        f"Fig. 7, {name}": (
            lambda name=name: compared(*SEEN).sel(model=name, event=1),
            value,
            0.05,
        )
        for name, value in published.SEEN_FIRST_EVENT.items()
    },
    **{
        f"Fig. 8, {name}": (
            lambda name=name: compared(*UNSEEN).sel(model=name, event=1),
            value,
            0.05,
        )
        for name, value in published.UNSEEN_FIRST_EVENT.items()
    },
    "Fig. 6, correlation": (
        lambda: data_set.correlation(data_set.points_of(data_set.of_roles(DATA, "train"), "gcn")),
        published.CORRELATION["gcn"],
        0.03,
    ),
}


@pytest.mark.parametrize(("ours", "paper", "tolerance"), cases(NUMBERS, DISAGREEMENTS))
def test_published_number(ours, paper, tolerance):
    assert float(ours()) == pytest.approx(paper, abs=tolerance)
