"""The numbers that the paper publishes, asked of the data that ship.

Each stands with its source and a tolerance. A number on which the data disagree with the paper is a
strict expected failure with its reason: should they ever agree, by accident or by improvement, that
is noticed too.
"""

import functools
from pathlib import Path

import numpy as np
import pytest

from listi import redraw, samples, store
from listi.figures import published
from listi.goodness import statistics
from listi.inputs import cutouts, grid_points
from listi.network import oxygen_coordination

DATA = Path(__file__).resolve().parents[2] / "data" / "paper"

# Name of a number below -> why ours is another.
DISAGREEMENTS: dict[str, str] = {}


@functools.cache
def of(*roles):
    return redraw.of_roles(DATA, *roles)


@functools.cache
def probing_mean():
    return statistics(samples.goodness_of(of("train", "validation", "test")))["mean"]


@functools.cache
def compared(*roles):
    return redraw.compared(DATA, *roles).mean("sample")


def imaged_first_event():
    patch = store.load_sample(DATA / redraw.PATCH)
    return redraw.goodness_in_patch(patch.predictions.gcn, patch.shear, patch.network.cell)


def silicon_in_discs():
    sample = of("test")[0]
    points = grid_points(sample.network.cell, (50, 50))
    return cutouts(sample.network, points, 11.0).mask.sum(axis=1)


FIFTY = ("train", "validation", "test")
SEEN, UNSEEN = ("train", "validation"), ("test", "extra_test")
NUMBERS = {  # name: (ours, paper's, tolerance)
    "samples": (lambda: len(of(*FIFTY)), 50, 0),
    "training samples": (lambda: len(of("train")), 40, 0),
    "unseen samples": (lambda: len(of(*UNSEEN)), 15, 0),
    "atoms": (lambda: of("train")[0].network.n_atoms, 9600, 0),
    "width of a sample": (lambda: of("train")[0].network.cell[0], 215, 5),
    "height of a sample": (lambda: of("train")[0].network.cell[1], 215, 5),
    "probes of the fifty samples": (
        lambda: sum(sample.probing.threshold.size for sample in of(*FIFTY)),
        125_000,
        0,
    ),
    "spacing of probes": (lambda: np.diff(of("train")[0].probing.x)[0], 4.3, 0.1),
    "fewest Si in a disc": (lambda: silicon_in_discs().min(), 30, 4),
    "most Si in a disc": (lambda: silicon_in_discs().max(), 38, 2),
    "Fig. 3, event 1": (lambda: probing_mean().sel(event=1), published.PROBING_MEAN[1], 0.1),
    "Fig. 3, event 6": (lambda: probing_mean().sel(event=6), published.PROBING_MEAN[6], 0.1),
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
        lambda: samples.correlation(samples.points_of(of("train"), "gcn")),
        published.CORRELATION["gcn"],
        0.03,
    ),
    "Fig. 10, first event": (imaged_first_event, published.IMAGED_FIRST_EVENT, 0.05),
}


def marked(name):
    reason = DISAGREEMENTS.get(name)
    marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)] if reason else []
    return pytest.param(*NUMBERS[name], id=name, marks=marks)


@pytest.mark.parametrize(("ours", "paper", "tolerance"), [marked(name) for name in NUMBERS])
def test_published_number(ours, paper, tolerance):
    assert float(ours()) == pytest.approx(paper, abs=tolerance)


def test_disagreements_name_numbers_of_the_paper():
    assert set(DISAGREEMENTS) <= set(NUMBERS)


def test_six_events_come_in_every_sample():
    assert all(sample.shear.sizes["event"] >= 6 for sample in of(*FIFTY, "extra_test"))


def test_goodness_falls_from_the_first_event_to_the_sixth():
    assert np.polyfit(np.arange(1, 7), probing_mean().sel(event=slice(1, 6)), 1)[0] < 0


def test_every_sample_is_silica():
    for sample in of(*FIFTY, "extra_test"):
        assert np.all(oxygen_coordination(sample.network) == 3)
