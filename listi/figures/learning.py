"""Figures of the networks: what they get, how they learn, what they predict (Figs. 4 to 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ..learning.cutouts import Cutouts
from ..learning.encodings import images, sequences
from . import panels, published
from .style import BLUE, RED, STRESS_SCALE, look, styled

PADDED = "#e8e8e8"


@styled
def fig4(cutout: Cutouts, history: xr.Dataset, seen: xr.Dataset, unseen: xr.Dataset) -> Figure:
    """The LSTM, as in Fig. 4: cut-out and sequence, losses, predicted against true thresholds.

    Parameters
    ----------
    cutout : Cutouts
        One cut-out as an example.
    history : Dataset over epoch
        `loss` of the training samples and `validation_loss`.
    seen, unseen : Dataset over point
        `target` and `predicted` thresholds of training samples and of samples the network never
        saw.
    """
    return _learning("lstm", cutout, _sequence, history, seen, unseen)


@styled
def fig5(cutout: Cutouts, history: xr.Dataset, seen: xr.Dataset, unseen: xr.Dataset, pixels: int) -> Figure:
    """The CNN, as in Fig. 5: the cut-out and its image of `pixels` by `pixels`; see `fig4`."""
    return _learning("cnn", cutout, lambda axes, cut: _image(axes, cut, pixels), history, seen, unseen)


@styled
def fig6(cutout: Cutouts, history: xr.Dataset, seen: xr.Dataset, unseen: xr.Dataset) -> Figure:
    """The GCN, as in Fig. 6: the numbered cut-out and its adjacency matrix; see `fig4`."""
    return _learning("gcn", cutout, _adjacency, history, seen, unseen)


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


def _learning(
    name: str,
    cutout: Cutouts,
    draw_input: Callable[[Axes, Cutouts], None],
    history: xr.Dataset,
    seen: xr.Dataset,
    unseen: xr.Dataset,
) -> Figure:
    figure = Figure(figsize=(6.8, 5.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 0.95])
    structure, given, losses = top.subplots(1, 3)
    left, right = bottom.subplots(1, 2)
    _structure(structure, cutout)
    draw_input(given, cutout)
    _losses(losses, history)
    paper = published.CORRELATION.get(name)
    _predicted_against_true(left, seen, paper)
    _predicted_against_true(right, unseen, None)
    panels.letter(structure, "a", f"input of the {look(name)['label']}")
    panels.letter(losses, "b", "training")
    panels.letter(left, "c", "training samples")
    panels.letter(right, "d", "unseen samples")
    return figure


def _rows(cutout: Cutouts) -> int:
    """Number of Si of the one cut-out."""
    if len(cutout) != 1:
        raise ValueError(f"cutout: {len(cutout)} cut-outs, but one is drawn")
    return int(cutout.mask[0].sum())


def _structure(axes: Axes, cutout: Cutouts) -> None:
    """The Si of a cut-out, numbered in the order in which the networks get them."""
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
    axes.set(xlabel=f"{pixels} pixels", ylabel=f"{pixels} pixels", xticks=[], yticks=[])


def _adjacency(axes: Axes, cutout: Cutouts) -> None:
    """The adjacency matrix, black where two Si are bonded; padded rows and columns grey."""
    count = _rows(cutout)
    matrix = cutout.adjacency[0].astype(float)
    matrix[count:] = matrix[:, count:] = 0.1
    size = len(matrix) + 0.5
    axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1, extent=(0.5, size, size, 0.5))
    axes.set(xlabel="Si", ylabel="Si")


def _losses(axes: Axes, history: xr.Dataset) -> None:
    axes.plot(history.epoch, history.loss, color=BLUE, label="training")
    axes.plot(history.epoch, history.validation_loss, color=RED, linestyle="--", label="validation")
    axes.set(xlabel="Epoch", ylabel="Mean squared error (standardised)", yscale="log")
    axes.legend()


def _predicted_against_true(axes: Axes, points: xr.Dataset, paper: float | None) -> None:
    """How often which prediction goes with which target, and their correlation r."""
    target, predicted = (points[name].values * STRESS_SCALE for name in ("target", "predicted"))
    low, high = 0.0, float(np.percentile(np.append(target, predicted), 99.9)) * 1.05
    box = (low, high, low, high)
    cells = axes.hexbin(
        target,
        predicted,
        gridsize=55,
        cmap="Blues",
        mincnt=1,
        bins="log",
        extent=box,
        linewidths=0.1,
    )
    axes.plot([low, high], [low, high], color=RED, linewidth=1.0)
    text = f"r = {np.corrcoef(target, predicted)[0, 1]:.2f}" if np.ptp(predicted) else "r undefined"
    if paper is not None:
        text += f"  (paper {paper:.2f})"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    unit = "($10^{-3}$ reduced energy/Å$^2$)"
    axes.set(xlabel=f"True $\\Delta\\tau$ {unit}", ylabel=f"Predicted $\\Delta\\tau$\n{unit}")
    axes.figure.colorbar(cells, ax=axes, label="points", shrink=0.8)
