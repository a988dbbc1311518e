"""Figures show the numbers they are given, in the right place, with units, in grey and in print."""

import re
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from handmade import honeycomb
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text
from skimage.color import rgb2lab

from listi import figures
from listi.analysis import load
from listi.compendium.data_set import TrainingResult
from listi.figures import panels, prediction, published, style
from listi.figures.mechanics import drop_of_event
from listi.imaging.circle import Circle
from listi.imaging.picture import Imaged
from listi.imaging.statistics import compare
from listi.learning.architecture import Layer
from listi.learning.cutouts import cutouts
from listi.network.patch import free_patch

EVENTS = np.arange(1, 7)
LAYERS = [
    Layer("image", "InputLayer", (32, 32, 1), ()),
    Layer("bonds", "InputLayer", (None, None), ()),
    Layer("weights", "Normalised", (None, None), ("bonds",)),
    Layer("convolution_1", "Conv2D", (28, 28, 4), ("image", "weights")),
    Layer("threshold", "Threshold", (1,), ("convolution_1",)),
]


def lightness(colors):
    """CIE L* of colours, (n, 3) -> (n,)."""
    return rgb2lab(np.asarray(colors)[None])[0, :, 0]


def threshold_map(network, shape):
    """A map whose every value is different, and its coordinates."""
    x, y = (np.arange(n) * edge / n for n, edge in zip(shape, network.cell, strict=True))
    values = 1e-3 + 1e-4 * np.random.default_rng(0).permutation(x.size * y.size).reshape(shape)
    return xr.DataArray(values, dims=("x", "y"), coords={"x": x, "y": y})


def deformation(network):
    """A curve of slope one that falls at steps 10, 20, ..., 60, and a made-up displacement."""
    strain = np.arange(71) * 1e-3
    stress = strain - 0.004 * np.floor(np.arange(71) / 10)
    stretch = np.stack([1 + strain[EVENTS * 10], 1 / (1 + strain[EVENTS * 10])], axis=-1)
    moved = np.zeros((6, network.n_atoms, 2))
    moved[:, 3] = 2.0
    return xr.Dataset(
        {
            "stress": ("strain", stress),
            "event_strain": ("event", strain[EVENTS * 10]),
            "event_position": (("event", "xy"), network.positions[[3, 9, 4, 7, 1, 0]]),
            "non_affine": (("event", "atom", "xy"), moved),
            "configuration": (
                ("event", "atom", "xy"),
                network.positions * stretch[:, None] + moved,
            ),
            "event_cell": (("event", "xy"), network.cell * stretch),
        },
        coords={"strain": strain, "event": EVENTS},
    )


def rows_of_events():
    """Columns of the studies of events: 6 events of each of 8 samples."""
    numbers = np.random.default_rng(7)
    columns = ("goodness_threshold", "goodness_strain", "stale", "carried", "fresh", "probed")
    made_up = {name: numbers.uniform(0.5, 1.0, 48) for name in columns}
    made_up |= {"sample": np.repeat(np.arange(8), 6), "event": np.tile(np.arange(1, 7), 8)}
    made_up |= {
        name: 0.01 * made_up["event"] * numbers.uniform(0.8, 1.2, 48) for name in ("actual", "at_site", "strain")
    }
    distance = [None if n == 1 else d for n, d in zip(made_up["event"], numbers.uniform(0, 60, 48), strict=True)]
    return made_up | {"distance": distance, "stress": numbers.random(48), "peak": np.ones(48)}


def scores_table():
    """Made-up scores of two predictors on three samples."""
    rows = [
        (model, resolution, sample, measure, key, level - 0.1 * sample - 0.05 * (resolution == "point"))
        for model, level in (("probing", 0.9), ("worse", 0.5))
        for resolution in ("point", "event")
        for sample in range(3)
        for measure, key, _ in prediction.BENCHMARK
    ]
    return pd.DataFrame(rows, columns=["model", "resolution", "sample", "measure", "key", "value"])


@pytest.fixture(scope="module")
def network():
    return honeycomb(9, 10)


@pytest.fixture(scope="module")
def goodness():
    values = 1 - 0.05 * EVENTS * np.random.default_rng(2).random((9, 1))
    values[4, 5] = np.nan
    return xr.DataArray(values, dims=("sample", "event"), coords={"event": EVENTS})


@pytest.fixture(scope="module")
def drawn(network, goodness):
    """Every figure, drawn once from data made up here."""
    shear, threshold = deformation(network), threshold_map(network, (6, 5))
    probing = xr.Dataset({"threshold": threshold})
    trace = xr.Dataset(
        {"stress": ("strain", np.array([1.0, 2.0, 3.0, 2.5]) * 1e-3), "critical_strain": 0.02},
        coords={"strain": [0.0, 0.01, 0.02, 0.03]},
    )
    one = cutouts(network, network.cell[None] / 2)
    history = xr.Dataset(
        {"loss": ("epoch", [1.0, 0.5]), "validation_loss": ("epoch", [1.1, 0.7])},
        coords={"epoch": [1, 2]},
    )
    target = threshold.values.ravel()
    points = xr.Dataset({"target": ("point", target), "predicted": ("point", target[::-1])})
    models = goodness.expand_dims(model=["probing", "lstm", "cnn", "gcn", "ours"])
    patch = free_patch(network, 36.0)
    imaged = Imaged(patch, 4.0 * patch.positions[patch.silicon], 0.25, np.zeros(2), {})
    pixels = np.random.default_rng(6).random((224, 224))
    inside = threshold_map(patch, (7, 7))
    inside[0, 0] = np.nan
    circle = Circle(patch.cell / 2, 15.0)
    switched = network.replace(bonds=network.bonds[1:])
    structure = compare({"one": [switched], "two": [switched, switched]})
    studied = {"patch": ["a", "a", "b"], "reading": ["free", "held", "free"]}
    studied |= {"event_strain": [0.1, 0.05, 0.08], "goodness": [0.8, 0.9, -0.2]}
    dosed = {name: ("dose", [0.5, 0.9, 1.0]) for name in ("atoms", "bonds", "correlation")}
    learned = TrainingResult(LAYERS, history, points, points, points)
    made_up = rows_of_events()
    return {
        "glass": figures.glass(network),
        "curves": figures.curves([shear, shear]),
        "rings": figures.rings([{5: 0.3, 6: 0.7}, {5: 0.4, 7: 0.6}], {6: 1.0}, [0.29, 0.33], 0.3),
        "inputs": figures.inputs(one, 32),
        "reach": figures.reach(
            {"a curve": {2: [0.5, 0.6], 40: [0.9, 0.95]}, "another": {10: [0.92, 0.96]}},
            {"gcn": 0.7},
            {"unseen": [{"correlation": 0.9, "distance": 0.01}], "another": [{"correlation": 0.5, "distance": 1.0}]},
            0.3,
        ),
        "forecast": figures.forecast(
            5 * threshold, load.forecast(threshold, network.cell, 6, 6.0), shear, network.cell
        ),
        "strains": figures.strains(made_up),
        "fresh": figures.fresh(made_up),
        "late": figures.late(made_up),
        "benchmark": figures.benchmark(scores_table()),
        "fig1": figures.fig1(network, shear, probing, trace, network.cell / 2, 11.0),
        "fig2": figures.fig2(network, shear, probing),
        "fig3": figures.fig3(goodness),
        "fig4": figures.learning("lstm", one, learned),
        "fig5": figures.learning("cnn", one, learned),
        "fig6": figures.learning("gcn", one, learned),
        "fig7": figures.fig7(models),
        "fig8": figures.fig8(models),
        "fig9": figures.fig9(network, shear, threshold, 2 * threshold, "gcn"),
        "fig10": figures.fig10(pixels, imaged, patch, inside, deformation(patch), 0.9, circle, "made up"),
        "overlay": figures.overlay(pixels, imaged, patch, {"probed": inside, "predicted": 2 * inside}),
        "structure_beside": figures.structure_beside(structure),
        "first_events": figures.first_events(studied, ["a"]),
        "noise": figures.noise({"made up": xr.Dataset(dosed, coords={"dose": [20.0, 50.0, 200.0]})}),
    }


OURS = ["glass", "curves", "rings", "inputs"]
IMAGED = ["overlay", "structure_beside", "first_events", "noise"]
BEYOND = ["reach", "forecast", "strains", "fresh", "late", "benchmark"]
NAMES = [*OURS, *IMAGED, *BEYOND, *(f"fig{n}" for n in range(1, 11))]


@pytest.mark.parametrize("name", NAMES)
def test_everything_fits_on_the_page(drawn, name):
    with matplotlib.rc_context(style.STYLE), warnings.catch_warnings():
        warnings.simplefilter("error")  # constrained layout only warns of what does not fit
        drawn[name].draw_without_rendering()
    page = drawn[name].bbox
    around_all = drawn[name].get_tightbbox().transformed(drawn[name].dpi_scale_trans)
    assert around_all.width <= 1.01 * page.width
    assert around_all.height <= 1.01 * page.height


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", NAMES)
def test_axes_say_what_they_show_and_in_which_unit(drawn, name):
    for axes in drawn[name].findobj(matplotlib.axes.Axes):
        for label in (axes.get_xlabel(), axes.get_ylabel()):
            if re.search(r"\\tau\$", label) and "$C_" not in label:
                assert "reduced energy/Å" in label
            if re.match(r"\$?[xy]\b", label):
                assert "(Å)" in label
    words = " ".join(texts(drawn[name]))
    assert not re.search(r"\beV\b|GPa|LJ", words)


@pytest.mark.parametrize("name", ["fig7", "fig9"])
def test_files_are_the_same_bytes_each_time(drawn, name, tmp_path):
    first = [path.read_bytes() for path in figures.save(drawn[name], tmp_path / "a", name)]
    second = figures.save(drawn[name], tmp_path / "b", name)
    assert [path.name for path in second] == [f"{name}.png", f"{name}.pdf"]
    assert first == [path.read_bytes() for path in second]
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")


def test_drawing_leaves_the_readers_settings_alone(goodness):
    before = dict(matplotlib.rcParams)
    assert isinstance(figures.fig3(goodness), Figure)
    assert dict(matplotlib.rcParams) == before


def test_soft_is_dark_and_hard_is_light_without_colour():
    steps = lightness(style.THRESHOLD_MAP(np.linspace(0, 1, 64))[:, :3])
    assert np.all(np.diff(steps) > 0)
    assert np.ptp(steps) > 70


def test_networks_differ_in_grey_and_in_more_than_colour():
    looks = list(style.NETWORKS.values())
    grey = np.sort(lightness([to_rgb(entry["color"]) for entry in looks]))
    assert np.diff(grey).min() > 10
    assert len({entry["marker"] for entry in looks}) == len(looks)


def test_a_map_puts_each_value_at_its_place(network):
    threshold = threshold_map(network, (6, 5))
    axes = Figure().subplots()
    mesh = panels.draw_map(axes, threshold, network.cell)
    values = np.asarray(mesh.get_array()).reshape(6, 7)  # y by x, both with the far border again
    np.testing.assert_allclose(values[:5, :6], 1e3 * threshold.values.T)
    np.testing.assert_allclose(values[5], values[0])
    np.testing.assert_allclose(values[:, 6], values[:, 0])
    corners = mesh.get_coordinates()
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    np.testing.assert_allclose(centres[0, :6, 0], threshold.x, atol=1e-9)
    np.testing.assert_allclose(centres[:5, 0, 1], threshold.y, atol=1e-9)
    assert axes.get_xlim() == (0, network.cell[0])


def test_bonds_across_the_border_and_broken_ones_are_not_drawn():
    positions = np.array([[1.0, 1.0], [4.0, 1.0], [19.0, 1.0], [4.0, 6.0]])
    bonds = np.array([[0, 1], [0, 2], [1, 3]])  # whole; across the border of a cell of 20 Å; torn
    axes = Figure().subplots()
    panels.draw_bonds(axes, positions, bonds, np.array([20.0, 20.0]))
    (lines,) = axes.findobj(LineCollection)
    np.testing.assert_array_equal(lines.get_segments(), [positions[[0, 1]]])


def test_rings_across_the_border_are_drawn_on_both_sides(drawn, network):
    (rings,) = drawn["glass"].findobj(PolyCollection)
    centres = np.array([path.vertices[:-1].mean(axis=0) for path in rings.get_paths()])
    inside = np.all((centres >= 0) & (centres < network.cell), axis=1)
    assert inside.sum() == 90  # 9 x 10 rings, each once, and images of those that cross the border
    assert len(centres) > 90


def test_event_marks_are_wrapped_into_the_cell():
    axes = Figure().subplots()
    panels.mark_events(axes, [[-1.0, 3.0], [9.0, 12.0]], [1, 2], np.array([10.0, 10.0]))
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[9.0, 3.0], [9.0, 2.0]])
    assert [text.get_text() for text in axes.texts] == ["1", "2"]


def test_around_a_point_at_the_corner(network):
    number, position, bonds = panels.around(network, np.zeros(2), 3.5)
    assert np.all(np.linalg.norm(position, axis=1) <= 3.5)
    # An Si sits in the corner; its three neighbours lie 3 Å away, with an O on each bond.
    assert (network.species[number] == 0).sum() == 4
    assert (network.species[number] == 1).sum() == 3
    assert len(bonds) == 3


def test_the_drop_of_each_event_is_found(network):
    shear = deformation(network)
    assert [drop_of_event(shear, n).start for n in EVENTS] == [9, 19, 29, 39, 49, 59]
    late = shear.assign(event_strain=shear.event_strain - 0.001)  # told by the step before the drop
    assert [drop_of_event(late, n).start for n in EVENTS] == [9, 19, 29, 39, 49, 59]


def test_fig3_draws_every_value_the_means_and_the_papers_values(drawn, goodness):
    (axes,) = drawn["fig3"].axes
    lines = [line.get_ydata() for line in axes.lines]
    means = goodness.mean("sample").values
    assert any(len(y) == 6 and np.allclose(y, 1 - means) for y in lines)
    assert any(len(y) == 2 and np.allclose(y, [5e-4, 0.2]) for y in lines)  # 1 and 0.8; 0 has no logarithm
    points = [line for line in axes.lines if line.get_marker() in (".", "o")]
    assert sum(len(line.get_ydata()) for line in points) == int(goodness.count())
    assert axes.get_yscale() == "log"


def test_fig3_tells_late_events_apart(goodness):
    strain = 0.01 * goodness.event + 0.0 * goodness
    (axes,) = figures.fig3(goodness, strain).axes
    late = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_ydata()) for line in late) == int((goodness.notnull() & (strain > 0.04)).sum())


@pytest.mark.parametrize(
    ("name", "paper"),
    [("fig7", published.SEEN_FIRST_EVENT), ("fig8", published.UNSEEN_FIRST_EVENT)],
)
def test_figs_7_and_8_have_a_panel_per_network_with_the_papers_first_event_and_differences(drawn, name, paper):
    above = [axes for axes in drawn[name].axes if axes.get_title("center")]
    assert [axes.get_title("center") for axes in above] == ["LSTM", "CNN", "GCN, Kipf", "ours"]
    stars = [y for axes in above for line in axes.lines if line.get_marker() == "*" for y in line.get_ydata()]
    assert sorted(stars) == sorted(paper.values())
    below = drawn[name].axes[len(above) :]
    for axes in below:  # all are the same values here
        assert any(len(line.get_ydata()) == 6 and np.allclose(line.get_ydata(), 0.0) for line in axes.lines)


def test_correlations_stand_beside_the_papers(drawn):
    assert any(re.fullmatch(r"training, r = -?\d\.\d\d \(paper 0\.96\)", text) for text in texts(drawn["fig6"]))
    assert not any("(paper 0" in text for text in texts(drawn["fig5"]))
    assert any("paper 0.96" in text for text in texts(drawn["fig10"]))
    assert any("r = 1.00" in text for text in texts(drawn["fig9"]))


def test_fig1_tells_the_threshold_of_the_trace(drawn):
    assert any("2.00" in text for text in texts(drawn["fig1"]))


def test_every_layer_has_its_box_and_an_arrow_for_each_that_it_reads(drawn):
    words = texts(drawn["fig5"])
    assert {"weights\nN x N", "image (InputLayer)", "32 x 32 x 1", "convolution 1 (Conv2D)", "28 x 28 x 4"} <= set(
        words
    )
    axes = next(axes for axes in drawn["fig5"].findobj(matplotlib.axes.Axes) if "layers" in axes.get_title("left"))
    assert sum(isinstance(patch, Rectangle) for patch in axes.patches) == len(LAYERS)
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == sum(len(layer.sources) for layer in LAYERS)


def test_images_and_epochs_stand_beside_the_papers(drawn):
    words = texts(drawn["fig5"])
    assert "32 x 32 pixels (paper 220 x 220)" in words
    assert "Epoch (paper: 300 epochs)" in words


def test_training_and_validation_points_are_told_apart(drawn):
    axes = next(axes for axes in drawn["fig6"].findobj(matplotlib.axes.Axes) if "validation" in axes.get_title("left"))
    (line, dots) = axes.lines
    assert len(line.get_xdata()) == 2
    assert len(dots.get_xdata()) == 30  # all of them: only more than 2500 are thinned out
    legend = [handle.get_facecolor() for handle in axes.get_legend().get_patches()]
    assert to_rgb(dots.get_color()) == legend[1][:3] != legend[0][:3]


def test_several_cutouts_at_once_are_refused(network):
    with pytest.raises(ValueError, match="cutout: 2 cut-outs"):
        figures.inputs(cutouts(network, np.zeros((2, 2))), 32)


def test_strains_are_drawn_in_per_cent_first_events_apart(drawn):
    rows = rows_of_events()
    (first,) = [line for line in drawn["strains"].axes[1].lines if line.get_label() == "first events"]
    chosen = rows["event"] == 1
    np.testing.assert_allclose(first.get_xdata(), 100 * rows["at_site"][chosen])
    np.testing.assert_allclose(first.get_ydata(), 100 * rows["actual"][chosen])


def test_the_benchmark_is_ordered_and_draws_the_mean_of_every_score(drawn):
    table, columns = scores_table(), drawn["benchmark"].axes
    assert [text.get_text() for text in columns[0].get_yticklabels()] == ["worse", "probing"]
    for axes, (measure, key, _) in zip(columns, prediction.BENCHMARK, strict=True):
        lines = [line for line in axes.lines if line.get_marker() in ("o", "s")]
        for line, resolution in zip(lines, ("point", "event"), strict=True):
            rows = table[(table.measure == measure) & (table.key == key) & (table.resolution == resolution)]
            means = rows.groupby("model").value.mean()
            np.testing.assert_allclose(line.get_xdata(), [means["worse"], means["probing"]])
