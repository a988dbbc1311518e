"""Figures of the networks: their inputs, layers and losses, and their predictions (Figs. 4 to 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle
from matplotlib.transforms import Bbox

from ..analysis.ensemble import bootstrap
from ..compendium.data_set import TrainingResult
from ..learning.architecture import Layer
from ..learning.cutouts import Cutouts
from ..learning.encodings import images, sequences
from . import panels, published
from .style import BLUE, GREY, ORANGE, RED, STRESS_SCALE, look, styled

PADDED = "#e8e8e8"
SHOWN = 2500  # validation points drawn one by one, evenly chosen: more would hide the rest


@styled
def learning(name: str, cutout: Cutouts, learned: TrainingResult) -> Figure:
    """A network as in Figs. 4 to 6: input and layers, losses, predicted against true thresholds.

    Parameters
    ----------
    name : str
        Of the network: "lstm" for Fig. 4, "cnn" for Fig. 5, "gcn" for Fig. 6.
    cutout : Cutouts
        One cut-out as an example.
    learned : TrainingResult
        See `data_set.load_training`.
    """
    figure = Figure(figsize=(6.8, 5.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.1, 1])
    structure, read, layers = top.subplots(1, 3, width_ratios=[1, 1, 1.35])
    losses, seen, unseen = bottom.subplots(1, 3, width_ratios=[0.8, 1, 1])
    _structure(structure, cutout)
    shown = _network_input(read, cutout, learned.layers)
    _layers(layers, learned.layers)
    _losses(losses, learned.history, published.EPOCHS.get(name))
    _predicted_against_true(seen, unseen, learned, published.CORRELATION.get(name))
    titles = (f"{look(name)['label']}: a cut-out", "training", "training and validation", "unseen samples")
    for panel, letter, title in zip((structure, losses, seen, unseen), "abcd", titles, strict=True):
        panels.letter(panel, letter, title)
    read.set_title(f"its {shown}")
    layers.set_title("layers and their output (N Si)")
    return figure


@styled
def inputs(cutout: Cutouts, pixels: int) -> Figure:
    """One cut-out as each network receives it: panels a of Figs. 4 to 6.

    Parameters
    ----------
    cutout : Cutouts
        One cut-out.
    pixels : int
        Edge of the image.
    """
    figure = Figure(figsize=(7.6, 2.9), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1.25, 0.4, 1.25, 1.25])
    _structure(axes[0], cutout)
    _sequence(axes[1], cutout)
    _image(axes[2], cutout, pixels)
    _adjacency(axes[3], cutout)
    for panel, name, title in zip(axes, "abcd", ["Si, numbered", "sequence", "image", "graph"], strict=True):
        panels.letter(panel, name, title)
    return figure


def _rows(cutout: Cutouts) -> int:
    """Number of Si of the single cut-out."""
    if len(cutout) != 1:
        raise ValueError(f"cutout: {len(cutout)} cut-outs, but a single one is drawn")
    return int(cutout.mask[0].sum())


def _network_input(axes: Axes, cutout: Cutouts, layers: Sequence[Layer]) -> str:
    """Draw what the network reads of the cut-out, which its input layers say; return what that is."""
    shapes = {layer.name: layer.shape for layer in layers}
    if "sequence" in shapes:
        _sequence(axes, cutout)
        return "sequence"
    if "image" in shapes:
        _image(axes, cutout, shapes["image"][0])
        return "image"
    _adjacency(axes, cutout)
    return "graph"


def _structure(axes: Axes, cutout: Cutouts) -> None:
    """The Si of a cut-out, numbered in the order in which the networks read them."""
    count = _rows(cutout)
    position, reach = cutout.positions[0, :count], 1.1 * cutout.r_free
    bonds = np.argwhere(np.triu(cutout.adjacency[0]))
    panels.draw_bonds(axes, position, bonds, None, linewidths=1.0)
    axes.plot(*position.T, "o", color="white", markeredgecolor="black", markersize=8)
    for number, (x, y) in enumerate(position, start=1):
        axes.text(x, y, str(number), ha="center", va="center_baseline", fontsize=5)
    panels.ring_mark(axes, (0, 0), cutout.r_free, linestyle="--")
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set(xlabel="$x - x^*$ (Å)", ylabel="$y - y^*$ (Å)")


def _sequence(axes: Axes, cutout: Cutouts) -> None:
    """The (n_max, 2) matrix of coordinates; padded rows grey."""
    count = _rows(cutout)
    rows = sequences(cutout)[0].astype(float)
    rows[count:] = np.nan
    shades = np.linspace([0.1, 0.2, 0.45], [0.97, 0.97, 0.97], 256)
    colors = ListedColormap(shades).with_extremes(bad=PADDED)
    reach = cutout.r_free
    edges = (-0.5, 1.5, len(rows) + 0.5, 0.5)
    picture = axes.imshow(rows, cmap=colors, vmin=-reach, vmax=reach, aspect="auto", extent=edges)
    if count < len(rows):
        axes.text(0.5, (count + len(rows) + 1) / 2, "padding", ha="center", va="center", fontsize=6)
    axes.set(xticks=[0, 1], xticklabels=["x", "y"], ylabel="Si in the order of their numbers")
    axes.figure.colorbar(picture, ax=axes, label="coordinate (Å)", shrink=0.8)


def _image(axes: Axes, cutout: Cutouts, pixels: int) -> None:
    axes.imshow(images(cutout, pixels)[0, :, :, 0], cmap="gray", vmin=0, vmax=255)
    size = f"{pixels} x {pixels} pixels"
    if pixels != published.PIXELS:
        size += f" (paper {published.PIXELS} x {published.PIXELS})"
    axes.set(xlabel=size, xticks=[], yticks=[])


def _adjacency(axes: Axes, cutout: Cutouts) -> None:
    """The adjacency matrix, black where two Si are bonded; padded rows and columns grey."""
    count = _rows(cutout)
    matrix = cutout.adjacency[0].astype(float)
    matrix[count:] = matrix[:, count:] = 0.1
    size = len(matrix) + 0.5
    axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1, extent=(0.5, size, size, 0.5))
    axes.set(xlabel="Si", ylabel="Si")


def _layers(axes: Axes, layers: Sequence[Layer]) -> None:
    """The path from the first input to the threshold as a column of boxes; layers that join it on its left."""
    by_name, way = {layer.name: layer for layer in layers}, [layers[-1]]
    while way[0].sources:
        way.insert(0, by_name[way[0].sources[0]])
    others = [layer for layer in layers if layer not in way]
    left = 0.3 if others else 0.0
    row = {layer.name: float(number) for number, layer in enumerate(way)}
    for layer in reversed(others):  # at the height of its readers; above, where these are in the left column too
        readers = [reader for reader in layers if layer.name in reader.sources]
        rows = [row[reader.name] for reader in readers if reader in way]
        row[layer.name] = np.mean(rows) if rows else row[readers[0].name] - 2.0
    wide, narrow = (left, 1.0 - left, 0.6), (0.0, 0.22, 1.2)
    boxes = {layer.name: _box(axes, row[layer.name], *(wide if layer in way else narrow)) for layer in layers}
    for layer in layers:
        shape = " x ".join("N" if size is None else str(size) for size in layer.shape)
        _label(axes, boxes[layer.name], layer.name.replace("_", " "), shape, layer.kind if layer in way else "")
        for source in layer.sources:
            ends = _ends(boxes[source], boxes[layer.name])
            axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=4, lw=0.6, color="black"))
    axes.set(xlim=(0, 1), ylim=(len(way) - 0.5, -0.5))
    axes.set_axis_off()


def _box(axes: Axes, row: float, x: float, width: float, height: float) -> Bbox:
    box = Rectangle((x, row - height / 2), width, height, facecolor="#eef2f8", edgecolor=BLUE, lw=0.6)
    axes.add_patch(box)
    return box.get_bbox()


def _label(axes: Axes, box: Bbox, name: str, shape: str, kind: str) -> None:
    row = 0.5 * (box.y0 + box.y1)
    if kind:
        axes.text(box.x0 + 0.02, row, f"{name} ({kind})", va="center_baseline", fontsize=5)
        axes.text(box.x1 - 0.02, row, shape, ha="right", va="center_baseline", fontsize=5)
    else:
        axes.text(0.5 * (box.x0 + box.x1), row, f"{name}\n{shape}", ha="center", va="center", fontsize=5)


def _ends(source: Bbox, reader: Bbox) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends of the arrow between two boxes: on the sides that face each other."""
    if source.x0 == reader.x0:
        x, down = 0.5 * (source.x0 + source.x1), source.y0 < reader.y0
        return (x, source.y1 if down else source.y0), (x, reader.y0 if down else reader.y1)
    right = source.x0 < reader.x0
    return (
        (source.x1 if right else source.x0, 0.5 * (source.y0 + source.y1)),
        (reader.x0 if right else reader.x1, 0.5 * (reader.y0 + reader.y1)),
    )


def _losses(axes: Axes, history: xr.Dataset, paper: int | None) -> None:
    axes.plot(history.epoch, history.loss, color=BLUE, label="training")
    axes.plot(history.epoch, history.validation_loss, color=ORANGE, linestyle="--", label="validation")
    epochs = "Epoch" if paper is None else f"Epoch (paper: {paper} epochs)"
    axes.set(xlabel=epochs, ylabel="Mean squared error (standardised)")
    axes.set_ylim(0, 1.25 * max(float(history.loss.max()), float(np.median(history.validation_loss))))
    axes.legend()


def _predicted_against_true(seen: Axes, unseen: Axes, learned: TrainingResult, paper: float | None) -> None:
    """How often which prediction goes with which target; validation points one by one over those of training."""
    every = np.concatenate([points.to_array().values.ravel() for points in learned[2:]])
    high = 1.05 * STRESS_SCALE * float(np.percentile(every, 99.9))
    cells = [_density(axes, points, high) for axes, points in ((seen, learned.train), (unseen, learned.unseen))]
    shared = LogNorm(1, max(2.0, *(panel.get_array().max() for panel in cells)))
    for panel in cells:
        panel.set_norm(shared)
    seen.figure.colorbar(cells[0], ax=[seen, unseen], label="points (training, unseen)", shrink=0.8)
    every_nth = -(-learned.validation.sizes["point"] // SHOWN)
    chosen = STRESS_SCALE * learned.validation.isel(point=slice(None, None, every_nth))
    style = {"color": ORANGE, "markersize": 1.2, "markeredgewidth": 0, "rasterized": True}
    seen.plot(chosen.target, chosen.predicted, "o", **style)
    published_r = "" if paper is None else f" (paper {paper:.2f})"
    some = "" if every_nth == 1 else f", 1 in {every_nth}"
    words = {BLUE: f"training, {_r(learned.train)}{published_r}", ORANGE: f"validation{some}, {_r(learned.validation)}"}
    _legend(seen, words)
    _legend(unseen, {BLUE: _r(learned.unseen), RED: "100 % accurate"})
    unseen.set_ylabel("")


def _density(axes: Axes, points: xr.Dataset, high: float) -> PolyCollection:
    """Numbers of points in hexagons, and the line on which every prediction is right."""
    target, predicted = (STRESS_SCALE * points[name].values for name in ("target", "predicted"))
    extent = (0.0, high, 0.0, high)
    cells = axes.hexbin(target, predicted, gridsize=45, cmap="Blues", mincnt=1, extent=extent, linewidths=0.1)
    axes.plot([0.0, high], [0.0, high], color=RED, linewidth=1.0, zorder=5)
    axes.set(xlim=(0.0, high), ylim=(0.0, high), aspect="equal")
    unit = "\n($10^{-3}$ reduced energy/Å$^2$)"
    axes.set(xlabel=f"True $\\Delta\\tau${unit}", ylabel=f"Predicted $\\Delta\\tau${unit}")
    return cells


def _r(points: xr.Dataset) -> str:
    """Correlation of predictions and targets in words."""
    if np.ptp(points.predicted.values) == 0:
        return "r undefined"
    return f"r = {float(xr.corr(points.target, points.predicted)):.2f}"


@styled
def reach(
    curves: Mapping[str, Mapping[int, Sequence[float]]],
    levels: Mapping[str, float],
    beyond: Mapping[str, Sequence[Mapping[str, float]]],
    warned: float,
) -> Figure:
    """Learning curves, and the accuracy for glasses unlike those of the training.

    Parameters
    ----------
    curves : mapping
        Learning curves by their label: number of training samples to the correlation of predicted and probed thresholds
        in each unseen sample.
    levels : mapping
        Label to a correlation to compare with: of other networks, or of two probes that are near each other.
    beyond : mapping
        Kind of glass to `correlation` and `distance` of each of some glasses.
    warned : float
        Distance beyond which `listi.predict` warns.
    """
    figure = Figure(figsize=(6.8, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    sizes = sorted({size for curve in curves.values() for size in curve})
    for (label, curve), color, marker in zip(curves.items(), (BLUE, RED, ORANGE, "black"), "os^D", strict=False):
        rows = np.array([bootstrap(np.asarray(curve[size])) for size in sorted(curve)])
        spread = np.abs(rows[:, 1:] - rows[:, :1]).T
        style = {"color": color, "marker": marker, "capsize": 2, "markersize": 4}
        left.errorbar(sorted(curve), rows[:, 0], spread, label=label, **style)
    left.legend(fontsize=6, loc="lower right", bbox_to_anchor=(1.0, 0.12))
    for label, value in levels.items():
        left.axhline(value, color=GREY, linewidth=0.8, linestyle="--")
        left.annotate(label, (sizes[0], value), (0, 2), textcoords="offset points", fontsize=6)
    left.set(xscale="log", xticks=sizes, xticklabels=sizes, xlabel="Training samples (1)")
    left.minorticks_off()
    left.set_ylabel("Correlation of predicted and\nprobed thresholds (1)")
    markers = "os^Dv<>pX*"
    colours = (BLUE, RED, ORANGE, "black")
    for n, (kind, glasses) in enumerate(beyond.items()):
        style = {
            "color": colours[n % len(colours)],
            "marker": markers[n % len(markers)],
            "linestyle": "",
            "markersize": 4,
        }
        right.plot(
            [glass["distance"] for glass in glasses], [glass["correlation"] for glass in glasses], label=kind, **style
        )
    right.axvline(warned, color=GREY, linewidth=0.8, linestyle=":")
    right.set(xscale="log", xlabel="Distance from the training samples (1)")
    right.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for letter, axes in zip("ab", (left, right), strict=True):
        panels.letter(axes, letter)
    return figure


def _legend(axes: Axes, words: Mapping[str, str]) -> None:
    """What stands in which colour."""
    handles = [Patch(color=color, label=text) for color, text in words.items()]
    frame = {"frameon": True, "framealpha": 0.85, "edgecolor": "none", "borderpad": 0.2}
    legend = axes.legend(handles=handles, loc="upper left", handlelength=0.8, borderaxespad=0.2, fontsize=6, **frame)
    legend.set_zorder(6)  # above the line
