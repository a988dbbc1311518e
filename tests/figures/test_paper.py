"""Figures from stored data alone: what is there is drawn, what is missing is named."""

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

from listi import files
from listi.analysis import prediction_goodness
from listi.compendium import data_set, predicted, sample_files
from listi.figures import paper

STRESS = {"units": "reduced energy/angstrom^2", "long_name": "made up"}
LENGTH = {"units": "angstrom", "long_name": "made up"}


def save_made_up(path, seed):
    """A crystal with made-up events and thresholds."""
    network = honeycomb(6, 6)
    random = np.random.default_rng(seed)
    coords = {name: np.arange(4) * edge / 4 for name, edge in zip("xy", network.cell, strict=True)}
    names = ("initial_stress", "critical_stress", "threshold", "critical_strain")
    probing = xr.Dataset({name: (("x", "y"), random.random((4, 4)), STRESS) for name in names}, coords=coords)
    shear = xr.Dataset(
        {
            "stress": ("strain", [0.0, 1e-3, 5e-4], STRESS),
            "event_strain": ("event", [0.02], {"units": "1", "long_name": "made up"}),
            "event_position": (("event", "xy"), random.random((1, 2)) * network.cell, LENGTH),
            "event_atom": ("event", [3], {"units": "1", "long_name": "made up"}),
        },
        coords={"strain": [0.0, 0.01, 0.02], "event": [1], "xy": ["x", "y"]},
    )
    sample_files.save_sample(path, network, shear, probing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    sets = data_set.split(folder, train=1, validation=1, test=1, extra_test=1)
    data_set.write_split(folder, sets)
    paths = [path for role in sets.values() for path in role]
    for seed, path in enumerate(paths):
        save_made_up(path, seed)
    structure = predicted.structure_of(sample_files.load_sample(paths[0]).network)
    random = np.random.default_rng(9)
    for name in data_set.NETWORKS:
        maps = {path.name: (structure, random.random((4, 4))) for path in paths}
        predicted.write(predicted.file_of(paths[0], name), maps, {}, "made up")
    return folder


def test_what_is_stored_is_drawn_and_what_is_missing_is_named(folder, tmp_path, capsys):
    found = paper.regenerate(folder, tmp_path)
    assert {name for name, why in found.items() if not why} == {"fig3", "fig7", "fig8", "fig9"}
    assert set(found) == {"fig1", "fig2", "fig3", "fig7", "fig8", "fig9"}
    assert "trace.json" in found["fig1"]
    assert "non_affine" in found["fig2"]
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{name}.{kind}" for name, why in found.items() if not why for kind in ("png", "pdf")
    }
    said = capsys.readouterr().out.splitlines()
    assert "fig3: drawn" in said
    assert "fig4: needs models/lstm.keras, not made in stored0" in said
    assert "fig10: needs patch.nc, not made in stored0" in said
    assert len(said) == 10


def test_every_paper_figure_can_be_redrawn():
    assert list(paper.FIGURES) == [f"fig{n}" for n in range(1, 11)]


def test_a_damaged_sample_is_named_not_drawn(folder, tmp_path):
    copy = tmp_path / "data"
    for path in folder.rglob("*.*"):
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    path = data_set.read_split(copy)["test"][0]
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(data)
    found = paper.regenerate(copy, tmp_path / "figures")
    assert not found["fig7"]
    assert path.name in found["fig8"]
    assert path.name in found["fig9"]


def test_comparison_takes_the_samples_of_the_roles(folder):
    both = data_set.compared(folder, *data_set.UNSEEN)
    assert both.sizes == {"model": 5, "sample": 2, "event": 1}
    one = data_set.goodness_of(data_set.of_roles(folder, "extra_test"), "cnn")
    np.testing.assert_array_equal(both.sel(model="cnn").isel(sample=1), one.isel(sample=0))


def test_trace_is_kept_as_it_was(tmp_path):
    trace = xr.Dataset(
        {"stress": ("strain", [0.0, 2e-3, 1e-3]), "critical_strain": 0.01},
        coords={"strain": [0.0, 0.01, 0.0101]},
    )
    data_set.write_trace(tmp_path, trace, np.array([3.0, 4.0]), 11.0)
    kept = files.read_json(tmp_path / data_set.TRACE)
    assert kept == {
        "strain": [0.0, 0.01, 0.0101],
        "stress": [0.0, 2e-3, 1e-3],
        "critical_strain": 0.01,
        "point": [3.0, 4.0],
        "r_free": 11.0,
    }


def test_goodness_in_a_patch_counts_points_inside_the_circle_only():
    coords = {"x": [0.0, 5.0, 10.0], "y": [0.0, 5.0]}
    values = [[0.1, np.nan], [0.2, 0.3], [np.nan, 0.4]]
    threshold = xr.DataArray(values, dims=("x", "y"), coords=coords)
    shear = xr.Dataset({"event_position": (("event", "xy"), [[5.5, 4.0], [0.0, 0.0]])})
    value = float(prediction_goodness.goodness(threshold, shear.event_position[:1], np.array([40.0, 40.0]))[0])
    assert value == pytest.approx(1 - 2 * 2 / 4)  # 0.3 at (5, 5): two of the four are lower
