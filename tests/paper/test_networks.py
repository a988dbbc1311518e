"""The numbers that the paper publishes of its networks, compared with the predictions that ship.

Each stands with its source and a tolerance. A number on which the data disagree with the paper is a
strict expected failure with its reason: should they ever agree, by accident or by improvement, that
is noticed too.
"""

import functools
from pathlib import Path

import numpy as np
import pytest
from numbers_of_the_paper import cases, check_row

import listi
from listi.analysis import predictors
from listi.analysis.ensemble import bootstrap
from listi.compendium import data_set, studies
from listi.figures import published

DATA = Path(__file__).resolve().parents[2] / "data" / "paper"

# Name of a number below -> why ours is another.
CNN = "reads 64 x 64 pixels and finds first events better than the paper's, which reads 220 x 220; why is not known"
DISAGREEMENTS: dict[str, str] = {
    "Fig. 8, lstm": "finds unseen first events better than the paper's, with a correlation of 0.45; its weights are"
    " those of the lowest validation loss, at epoch 86 of 236; from there on it overfits",
    "Fig. 7, cnn": CNN,
    "Fig. 8, cnn": CNN,
    "Fig. 6, correlation": "Kipf's convolution, the plainest reading of Eq. 2, has 0.81 where its validation loss is"
    " lowest, at epoch 505",
    "Fig. 6, correlation, attention": "0.91 where its validation loss is lowest, at epoch 204; from there on its"
    " training loss alone falls",
    "Fig. 8, gcn, bond vectors": "finds unseen first events better than the paper's, nearly as well as probing does",
}


@functools.cache
def compared(*roles):
    return data_set.compared(DATA, *roles).mean("sample")


SEEN, UNSEEN = ("train", "validation"), ("test", "extra_test")
VARIANTS = {", attention": "gcn_attention", ", bond vectors": "gcn_bonds"}  # of Eq. 2, other than Kipf's convolution
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
    **{
        f"Fig. 6, correlation{reading}": (
            lambda name=name: data_set.correlation(data_set.points_of(data_set.of_roles(DATA, "train"), name)),
            published.CORRELATION["gcn"],
            0.03,
        )
        for reading, name in {"": "gcn", **VARIANTS}.items()
    },
    **{
        f"Fig. {figure}, gcn{reading}": (
            lambda name=name, roles=roles: compared(*roles).sel(model=name, event=1),
            values["gcn"],
            0.05,
        )
        for reading, name in VARIANTS.items()
        for figure, roles, values in (
            (7, SEEN, published.SEEN_FIRST_EVENT),
            (8, UNSEEN, published.UNSEEN_FIRST_EVENT),
        )
    },
}


@pytest.mark.parametrize(("ours", "paper", "tolerance"), cases(NUMBERS, DISAGREEMENTS))
def test_published_number(ours, paper, tolerance):
    assert float(ours()) == pytest.approx(paper, abs=tolerance)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_readme_says_so(name):
    check_row(name, NUMBERS, DISAGREEMENTS)


def test_the_order_of_the_networks_is_the_papers_if_the_gcn_reads_bond_vectors():
    order = ["lstm", "cnn", "gcn_bonds"]
    first = compared(*UNSEEN).sel(model=order, event=1).values
    assert first.tolist() == sorted(first)
    unseen = data_set.of_roles(DATA, *UNSEEN)
    r = [data_set.correlation(data_set.points_of(unseen, name)) for name in order]
    assert r == sorted(r)


def test_the_gcn_with_bond_vectors_is_close_to_probing_at_all_events():
    both = compared(*UNSEEN).sel(model=["gcn_bonds", "probing"])
    assert float(abs(both.sel(model="gcn_bonds") - both.sel(model="probing")).max()) < 0.02


def test_listi_finds_first_events_of_unseen_samples():
    assert float(compared(*UNSEEN).sel(model="listi", event=1)) >= 0.99


@functools.cache
def scored():
    """Scores on all sixty samples; `listi_folds` predicts each by a network that did not see it."""
    every = data_set.of_roles(DATA, *data_set.ROLES)
    return listi.score(predictors.stretched_bond, every, ("probing", "listi_folds"))


def test_at_equal_resolution_listi_predicts_events_as_well_as_the_probing_that_taught_it():
    """As the maps are, the network is ahead, since it is smooth and the probed map is not."""
    change = scored().mean_goodness_difference.sel(model="listi_folds")
    assert change.sizes["bound"] == 3 and scored().sizes["sample"] == 60
    assert change.sel(resolution="point", bound="low") > 0.0
    assert change.sel(resolution="event", bound="low") < 0.0 < change.sel(resolution="event", bound="high")


def test_the_probed_map_gains_from_being_read_at_the_resolution_of_an_event():
    means = scored().goodness.sel(model="probing", event=slice(1, 6)).mean("sample")
    as_it_is, blurred = [0.992, 0.961, 0.963, 0.897, 0.805, 0.742], [0.996, 0.982, 0.974, 0.930, 0.861, 0.822]
    np.testing.assert_allclose(means, [as_it_is, blurred], atol=1e-3)


def test_one_line_of_arithmetic_predicts_events_no_worse_than_the_network():
    change = (
        scored().mean_goodness.sel(model="stretched_bond") - scored().mean_goodness.sel(model="listi_folds")
    ).mean("sample")
    assert change.sel(resolution="point") == pytest.approx(0.004, abs=1e-3)
    assert change.sel(resolution="event") == pytest.approx(0.016, abs=1e-3)
    first = (scored().goodness.sel(model="stretched_bond") - scored().goodness.sel(model="listi_folds")).sel(event=1)
    assert first.sel(resolution="point").mean() == pytest.approx(-0.007, abs=1e-3)


def test_hits_tell_predictors_apart_where_goodness_saturates():
    """The first event at the softest spot of the maps as they are, in the fifteen unseen samples."""
    unseen = data_set.of_roles(DATA, *UNSEEN)
    hits = listi.score({}, unseen, ("probing", "listi", "cnn", "gcn")).hit_first.sel(resolution="point", k=1)
    np.testing.assert_allclose(hits.mean("sample"), [0.87, 0.80, 0.40, 0.27], atol=0.01)


SMALL = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="0.94, and 0.95 from four times the probes; listi_large, which takes longer to predict, has 0.97",
)


@pytest.mark.parametrize(
    "name", ["listi_large", pytest.param("listi", marks=SMALL), pytest.param("listi_dense", marks=SMALL)]
)
def test_predicted_and_probed_thresholds_of_unseen_samples(name):
    assert data_set.correlation(data_set.points_of(data_set.of_roles(DATA, *UNSEEN), name)) >= 0.97


@pytest.mark.parametrize(("one", "better"), [("listi", "listi_dense"), ("listi_dense", "listi_large")])
def test_networks_that_learn_more_predict_better(one, better):
    unseen = data_set.of_roles(DATA, *UNSEEN)
    less, more = (
        np.array([data_set.correlation(data_set.points_of([sample], name)) for sample in unseen])
        for name in (one, better)
    )
    assert bootstrap(more - less)[1] > 0.0


def test_networks_agree_better_with_the_mean_of_five_probes_than_with_one():
    """They smooth what is chance in one probe; what they miss above is no more than one probe tells of the next."""
    moved = studies.read(DATA, "moved").pivot(index="sample", columns=["quantity", "case"], values="value")
    assert len(moved) == 60
    # Each sample was predicted by a network that did not see it.
    gain = moved["network, mean of five", "listi_folds"] - moved["network", "listi_folds"]
    assert bootstrap(gain.to_numpy())[1] > 0.0
    assert bootstrap(moved["correlation", "0.2"].to_numpy())[2] < 0.975
