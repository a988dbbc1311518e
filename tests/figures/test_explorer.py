"""The explorer's page holds the sample's own values and nothing else; what cannot be explored is refused."""

import base64
import dataclasses
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import listi
from listi.analysis.sample import Sample
from listi.compendium import sample_files
from listi.figures import explorer
from listi.probing.motion import motion

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ROOT / "paper_figures" / "explorer.html"
DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)
PICTURE = re.compile(r"(data:image/png;base64,)([^\"]*)")


def embedded(page):
    return json.loads(DATA.search(page).group(2))


def numbers(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), kind)


def positions(text, cell):
    return numbers(text, "<u2").reshape(-1, 2) / 65536 * cell


def assert_holds(data, sample):
    """What the page shows is what the sample holds."""
    network, shear, probing = sample.network, sample.shear, sample.probing
    at = positions(data["states"][0], network.cell)
    away = np.mod(network.positions[network.silicon] - at, network.cell)
    assert np.all((away < 0.004) | (away > network.cell - 1e-9))
    np.testing.assert_array_equal(network.silicon[numbers(data["bonds"], "<u2").reshape(-1, 2)], network.bonds)
    threshold, scale = probing.threshold.values.ravel(), 1e3
    np.testing.assert_allclose(numbers(data["maps"][0]["values"]), threshold * scale, rtol=1e-6)
    for name, text in data["probes"].items():
        unit = 1.0 if name == "critical_strain" else scale
        np.testing.assert_allclose(numbers(text), probing[name].values.ravel() * unit, rtol=1e-6)
    np.testing.assert_allclose([event["strain"] for event in data["events"]], shear.event_strain, atol=1e-6)
    places = np.array([event["position"] for event in data["events"]])
    np.testing.assert_allclose(places, np.mod(shear.event_position.values, network.cell), atol=1e-3)
    np.testing.assert_allclose(data["stress"], shear.stress.values * scale, atol=1e-5)
    assert data["grid"] == list(probing.threshold.shape)


@pytest.fixture(scope="module")
def sample(glass):
    shear = listi.deform(glass, n_events=2)
    probing = listi.probe(glass, grid=(5, 4), workers=1)
    predictions = xr.Dataset({"listi": 2 * probing.threshold.transpose("y", "x")})
    return Sample(glass, shear, probing, predictions, {"name": "</script><b>.nc"})


@pytest.fixture(scope="module")
def shown(sample):
    return listi.explore(sample)


def test_the_page_holds_the_values_of_the_sample(sample, shown):
    page = shown.page
    data = embedded(page)
    assert_holds(data, sample)
    assert [m["kind"] for m in data["maps"]] == ["probed", "predicted", "strain"]
    assert data["maps"][1]["name"] == "whole-sample network"
    threshold = sample.probing.threshold
    np.testing.assert_allclose(numbers(data["maps"][1]["values"]), 2e3 * threshold.values.ravel(), rtol=1e-6)
    strain = listi.strain_to_failure(threshold, listi.stress_rate(sample.network, (5, 4)))
    np.testing.assert_allclose(numbers(data["maps"][2]["values"]), strain.values.ravel(), rtol=1e-6)
    for text, event in zip(data["states"][1:], sample.shear.event.values, strict=True):
        then = listi.state_after(sample.network, sample.shear, event)
        away = np.mod(then.positions[then.silicon] - positions(text, then.cell), then.cell)
        assert np.all((away < 0.004) | (away > then.cell - 1e-9))
    assert data["name"] == "</script><b>.nc" and page.count("</script>") == 2
    assert not {"live", "curves", "motion"} & set(data) and data["load"] == [[1.0, 0.0], [0.0, -1.0]]


@pytest.fixture(scope="module")
def in_full(sample):
    return embedded(listi.explore(sample, full=True).page)


def test_in_full_it_holds_curves_motion_and_the_map_after_each_event(sample, in_full):
    curves = numbers(in_full["curves"]["stress"]).reshape(-1, in_full["curves"]["parts"])
    np.testing.assert_array_equal(curves[:, 0], numbers(in_full["probes"]["initial_stress"]))
    np.testing.assert_array_equal(curves[:, -1], numbers(in_full["probes"]["critical_stress"]))
    assert np.isfinite(curves).all()
    live = [numbers(text) for text in in_full["live"]]
    assert len(live) == len(in_full["states"]) == 3
    np.testing.assert_allclose(live[0], numbers(in_full["maps"][0]["values"]), rtol=1e-5)
    assert np.abs(live[2] - live[0]).max() > 0.1
    moved = motion(sample.network, sample.probing)
    displacement = np.nan_to_num(moved.displacement.values.reshape(20, -1, 2))  # by atom number, as the page has them
    rows, largest = in_full["motion"]["rows"], numbers(in_full["motion"]["largest"]).reshape(20, 1, 1)
    shown = numbers(in_full["motion"]["values"], "i1").reshape(20, rows, 2) / 127 * largest
    displacement = np.pad(displacement, ((0, 0), (0, rows - displacement.shape[1]), (0, 0)))
    same = np.all(np.abs(shown - displacement) < largest / 200, axis=(1, 2))
    assert same.mean() > 0.8 and largest.min() > 0.01  # others have an atom on the border by rounded positions
    first = (moved.response * moved.displacement).sum(("row", "xy")) / (moved.displacement**2).sum(("row", "xy"))
    begin = (first * sample.probing.critical_strain).values.ravel()
    np.testing.assert_allclose(numbers(in_full["motion"]["begin"]), begin, rtol=1e-5)


def test_states_that_are_not_stored_are_made_again_in_full_only(sample, in_full):
    bare = dataclasses.replace(sample, shear=sample.shear.drop_vars(["configuration", "non_affine", "event_cell"]))
    assert len(embedded(listi.explore(bare).page)["states"]) == 1
    again = embedded(listi.explore(bare, full=True).page)
    different = {name for name in in_full if again[name] != in_full[name]}
    assert different <= {"strain", "stress"}  # points of the same curve at other strains
    other = dataclasses.replace(bare, shear=bare.shear.isel(strain=slice(2)))  # up to a strain without events
    with pytest.raises(ValueError, match="sample: its events are not those that listi.deform finds"):
        listi.explore(other, full=True)


def test_file_and_tree_give_the_same_page(sample, shown, tmp_path):
    path = tmp_path / "sample_0000.nc"
    attrs = {"units": "1", "long_name": "made up"}
    predictions = sample.predictions.assign(listi=sample.predictions.listi.assign_attrs(attrs))
    sample_files.save_sample(path, sample.network, sample.shear, sample.probing, predictions)
    named = {"name": path.name}
    assert embedded(listi.explore(str(path)).page) == embedded(shown.page) | named
    with xr.open_datatree(path) as tree:
        assert embedded(listi.explore(tree).page) | named == embedded(shown.page) | named


def test_jupyter_gets_a_frame_and_a_picture_and_the_file_the_same_page(shown, tmp_path):
    bundle = shown._repr_mimebundle_()
    source = re.search(r'srcdoc="([^"]*)"', bundle["text/html"]).group(1)
    under = PICTURE.search(bundle["text/html"]).group(2)
    assert base64.b64decode(under) == bundle["image/png"] == shown.picture
    assert html.unescape(source) == shown.page == shown.save(tmp_path / "page.html").read_text("utf-8")
    assert bundle["image/png"].startswith(b"\x89PNG") and PICTURE.search(shown.page).group(2)
    assert re.findall(r"https?:|//cdn|<link|<script src|@import|url\(", shown.page) == []


def test_what_cannot_be_explored_is_refused(sample):
    network, shear, probing = sample.network, sample.shear, sample.probing
    bare = network.replace(bonds=np.empty((0, 2), dtype=int))
    for message, refused, arguments in (
        ("sample: has no events", Sample(network, None, probing), {"full": True}),
        ("sample: has no events", Sample(network, shear.isel(event=slice(0)), probing), {"full": True}),
        ("sample: has no map of probed thresholds", Sample(network, shear), {"full": True, "map": probing.threshold}),
        ("sample: its network has no bonds", Sample(bare, shear, probing), {}),
        ("sample: has no group network, only none", xr.DataTree(), {}),
        ("network: Dataset is not a Network, a Sample, or", probing, {}),
        ("events: Dataset is not a Dataset of listi.deform", network, {"events": probing}),
        ("map: int is not a Dataset of listi.probe", network, {"map": 3}),
        ("map: the dataset has no threshold, only .*event_strain", network, {"map": shear}),
    ):
        with pytest.raises(ValueError, match=message):
            listi.explore(refused, **arguments)


def test_a_network_is_explored_with_or_without_events_and_maps(sample, monkeypatch):
    network, shear, probing = sample.network, sample.shear, sample.probing
    data = embedded(listi.explore(network, map=probing, events=shear).page)
    assert_holds(data, sample)
    data = embedded(listi.explore(network, map=probing.threshold).page)
    assert [m["kind"] for m in data["maps"]] == ["map"] and data["probes"] == {} and data["events"] == []
    np.testing.assert_allclose(numbers(data["maps"][0]["values"]), 1e3 * probing.threshold.values.ravel(), rtol=1e-6)
    monkeypatch.setattr("listi.learning.predict.predict", lambda network: probing)
    for alone in (network, Sample(network, shear)):
        data = embedded(listi.explore(alone).page)
        assert [(m["kind"], m["name"]) for m in data["maps"]] == [("predicted", "whole-sample network")]
        assert len(data["events"]) == (0 if alone is network else 2)


def test_a_map_at_points_is_shown_where_points_are(sample):
    network, lines = sample.network, np.arange(2) * 6.0
    points = np.array([[x, y] for x in lines + 20.0 for y in lines + 30.0])
    coords = {name: ("point", points[:, k]) for k, name in enumerate("xy")}
    data = embedded(listi.explore(network, map=xr.DataArray([1.0, 2.0, 3.0, 4.0], coords, "point")).page)
    values = numbers(data["maps"][0]["values"]).reshape(data["grid"])
    assert data["grid"] == np.round(network.cell / 6.0).tolist()
    assert set(values[np.isfinite(values)].tolist()) == {1e3, 2e3, 3e3, 4e3}
    x, y = np.argwhere(values == 2e3).mean(axis=0) * network.cell / data["grid"]
    np.testing.assert_allclose([x, y], points[1], atol=3.0)


def test_the_page_that_ships_is_what_the_command_makes_of_an_unseen_sample():
    page = SHOWN.read_text("utf-8")
    assert SHOWN.stat().st_size < 5e6
    empty = PICTURE.sub(r"\1{{picture}}", DATA.sub(r"\1{{data}}\3", page)).replace(explorer.ALT, "{{alt}}")
    again = "make it again: see paper_figures/README.md"
    assert empty == explorer.TEMPLATE.read_text("utf-8"), again
    data, paper = embedded(page), ROOT / "data" / "paper"
    split = json.loads((paper / "split.json").read_text("utf-8"))
    assert data["name"] in split["test"] + split["extra_test"]
    sample = sample_files.load_sample(paper / "samples" / data["name"])
    assert_holds(data, sample)
    now = embedded(listi.explore(sample).page)
    assert [m["name"] for m in data["maps"]] == [m["name"] for m in now["maps"]], again
    assert data["maps"][1]["name"] == "whole-sample network"
    for shipped, made in zip(data["maps"], now["maps"], strict=True):
        np.testing.assert_allclose(numbers(shipped["values"]), numbers(made["values"]), rtol=1e-5, err_msg=again)
    assert len(data["live"]) == len(data["states"]) == 1 + len(data["events"]) and data["curves"]["parts"] == 13
    assert len(numbers(data["motion"]["values"], "i1")) == 2 * 2500 * data["motion"]["rows"]
    assert all(len(numbers(event["moved"])) > 0 for event in data["events"])
