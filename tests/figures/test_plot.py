"""A glass, its map and its events in one picture: what is drawn where."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb
from matplotlib.collections import LineCollection, PathCollection, QuadMesh

import listi
from listi import figures
from listi.analysis.sample import Sample
from listi.figures.style import save
from listi.network.units import STRESS_UNIT

CRYSTAL = honeycomb(6, 8)
STRESS = {"units": STRESS_UNIT, "long_name": "stress threshold"}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def grid_map(shape=(6, 4)):
    x, y = (np.arange(n) * edge / n for n, edge in zip(shape, CRYSTAL.cell, strict=True))
    return xr.DataArray(np.arange(24.0).reshape(shape) * 1e-3, {"x": x, "y": y}, ("x", "y"), attrs=STRESS)


def drawn(axes, kind):
    return [part for part in axes.collections if isinstance(part, kind)]


def test_a_map_is_upright_under_bonds_and_numbered_events():
    events = xr.Dataset({"event_position": (("event", "xy"), [[3.0, 4.0], [20.0, 9.0]])})
    for values in (grid_map(), grid_map().to_dataset(name="threshold"), grid_map().transpose("y", "x")):
        axes = listi.plot(CRYSTAL, values, events)
        (mesh,), (bonds,) = drawn(axes, QuadMesh), drawn(axes, LineCollection)
        at_corner = mesh.get_array().reshape(5, 7)  # rows run along y; the first row and column come again at the end
        np.testing.assert_allclose(at_corner[:4, :6], 1e3 * grid_map().values.T)
        assert 0 < len(bonds.get_segments()) <= len(CRYSTAL.bonds)
        assert axes.get_aspect() == 1.0 and axes.get_xlim() == (0.0, CRYSTAL.cell[0])
        assert [text.get_text() for text in axes.texts] == ["1", "2"]
        np.testing.assert_allclose(np.array(axes.lines[-1].get_data()).T, events.event_position)


def test_points_are_drawn_as_dots_and_a_part_of_the_cell_is_not_repeated():
    coords = {"x": ("point", [1.0, 5.0]), "y": ("point", [2.0, 6.0])}
    (dots,) = drawn(listi.plot(CRYSTAL, xr.DataArray([0.1, 0.2], coords, "point")), PathCollection)
    np.testing.assert_allclose(dots.get_offsets(), [[1.0, 2.0], [5.0, 6.0]])
    (mesh,) = drawn(listi.plot(CRYSTAL, grid_map().isel(x=slice(1, 4))), QuadMesh)
    assert mesh.get_array().size == 12


def test_a_sample_brings_its_map_and_events_along_and_axes_may_be_given():
    probing = grid_map().to_dataset(name="threshold")
    shear = xr.Dataset({"event_position": (("event", "xy"), [[3.0, 4.0]])})
    figure, axes = plt.subplots()
    assert listi.plot(Sample(CRYSTAL, shear, probing), axes=axes) is axes
    assert drawn(axes, QuadMesh) and [text.get_text() for text in axes.texts] == ["1"]
    predicted = listi.plot(Sample(CRYSTAL, predictions=xr.Dataset({"listi": grid_map()})))
    assert drawn(predicted, QuadMesh)
    alone = listi.plot(CRYSTAL)
    assert not drawn(alone, QuadMesh) and drawn(alone, LineCollection) and alone.figure is not figure


def test_a_map_of_another_quantity_says_its_unit():
    rate = grid_map().assign_attrs(units="1", long_name="strain to failure")
    axes = listi.plot(CRYSTAL, rate)
    assert axes.figure.axes[1].get_ylabel() == "strain to failure\n(1)"
    assert drawn(axes, QuadMesh)[0].get_array().max() == pytest.approx(0.023)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((grid_map(),), "network: DataArray is not a Network, a Sample, or what listi.imaging reads"),
        ((CRYSTAL, np.zeros((4, 4))), "map: ndarray is not a Dataset of listi.probe or listi.predict, or a DataArray"),
        ((CRYSTAL, xr.Dataset({"stress": 1.0})), "map: the dataset has no threshold, only stress"),
        ((CRYSTAL, grid_map().rename(x="z")), r"map: over \('z', 'y'\), not over \(x, y\) or over point"),
        ((CRYSTAL, grid_map() * np.nan), "map: has no finite value"),
        ((CRYSTAL, None, grid_map().to_dataset(name="threshold")), "events: the dataset has no event_position, only"),
        ((CRYSTAL, None, "six"), r"events: str is not a Dataset of listi.deform, or positions \(n, 2\)"),
        ((CRYSTAL, None, [1.0, 2.0]), "events: list is not a Dataset"),
    ],
)
def test_other_kinds_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        listi.plot(*arguments)
    assert not plt.get_fignums()  # before any drawing


@pytest.mark.parametrize(
    "settings", [{"text.usetex": True}, {"figure.facecolor": "black"}, {"axes.grid": True, "font.size": 20}]
)
def test_figures_do_not_depend_on_the_reader_s_own_settings(tmp_path, settings):
    plain = save(figures.glass(CRYSTAL), tmp_path / "plain", "glass")[0]
    with matplotlib.rc_context(settings):
        mine = save(figures.glass(CRYSTAL), tmp_path / "mine", "glass")[0]
    assert mine.read_bytes() == plain.read_bytes()


def test_a_crack_is_a_line_that_does_not_jump_across_the_cell(glass):
    """Three bonds, the last on the other side of the border; of five events three are marked."""
    middles = glass.cell * [[0.5, 0.1], [0.6, 0.5], [0.55, 0.9]]
    rupture = xr.Dataset(
        {"crack_position": (("crack", "xy"), middles), "event_position": (("event", "xy"), glass.positions[:5])}
    )
    axes = listi.plot(glass, events=rupture)
    [line] = [line for line in axes.lines if line.get_color() == "black"]
    np.testing.assert_allclose(line.get_xydata(), [*middles, [np.nan, np.nan], middles[0]])
    assert [text.get_text() for text in axes.texts if text.get_text().isdigit()] == ["1", "2", "3"]
