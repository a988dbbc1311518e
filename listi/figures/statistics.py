"""Figures of the goodness over samples: Fig. 3 (probing), Figs. 7 and 8 (the networks)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seaborn
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.prediction_goodness import statistics
from . import panels, published
from .style import BLUE, NETWORKS, RED, look, styled


@styled
def fig3(goodness: xr.DataArray) -> Figure:
    """Goodness of probing for every event, as in Fig. 3: box plots over histograms, and means.

    The bar on every mean is its 95 % bootstrap interval over samples; the paper's values stand
    beside ours.

    Parameters
    ----------
    goodness : DataArray over (sample, event)
        NaN where a sample had fewer events.
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    values = goodness.transpose("sample", "event").values
    for place, column in enumerate(values.T):
        _histogram(axes, place, column[~np.isnan(column)])
    table = goodness.rename("goodness").to_dataframe().reset_index()
    seaborn.boxplot(
        table,
        x="event",
        y="goodness",
        ax=axes,
        width=0.22,
        whis=(0, 100),
        color="white",
        linecolor="black",
        zorder=3,
    )
    means = statistics(goodness)
    place = np.arange(goodness.sizes["event"])
    interval = np.abs(np.array([means.mean_low, means.mean_high]) - means["mean"].values)
    axes.errorbar(
        place,
        means["mean"],
        interval,
        color=BLUE,
        marker="o",
        markersize=4,
        capsize=2,
        zorder=5,
        label=f"mean of {goodness.sizes['sample']} samples, 95 % interval",
    )
    shown = [n for n in published.PROBING_MEAN if n in goodness.event.values]
    at = [int(np.flatnonzero(goodness.event.values == n)[0]) for n in shown]
    axes.plot(
        at,
        [published.PROBING_MEAN[n] for n in shown],
        linestyle="none",
        color="black",
        marker="*",
        markersize=9,
        markerfacecolor="white",
        zorder=6,
        clip_on=False,
        label="paper, 50 samples: the two values that its text gives",
    )
    _frame(axes, goodness)
    _legend(axes, 1)
    return figure


def _histogram(axes: Axes, place: int, values: np.ndarray) -> None:
    """Lying histogram of one event, 0.45 wide at its fullest bin, to the right of its place."""
    counts, edges = np.histogram(values, bins=np.linspace(-1, 1, 21))
    axes.barh(
        edges[:-1],
        0.45 * counts / max(counts.max(), 1),
        np.diff(edges),
        left=place,
        align="edge",
        color=BLUE,
        alpha=0.35,
        linewidth=0,
        zorder=1,
    )


def _frame(axes: Axes, goodness: xr.DataArray) -> None:
    lowest = float(goodness.min())
    axes.axhline(1.0, color=RED, linestyle="--", linewidth=0.9, zorder=0)
    axes.axhline(0.0, color="black", linestyle="--", linewidth=0.7, zorder=0)
    at_left = {"xycoords": ("axes fraction", "data"), "ha": "left", "va": "bottom", "annotation_clip": True}
    axes.annotate("perfect", (0.0, 1.0), color=RED, **at_left)
    axes.annotate("guessing", (0.0, 0.0), **at_left)
    places = np.arange(goodness.sizes["event"])
    axes.set(
        xlim=(-0.6, len(places) - 0.3),
        ylim=(min(-0.15, lowest - 0.05), 1.12),
        xticks=places,
        ylabel="Prediction goodness $C_{\\Delta\\tau}(n)$",
    )
    axes.set_xticklabels([str(int(n)) for n in goodness.event.values])


def _legend(axes: Axes, columns: int) -> None:
    """What the lines are, below the number of the event."""
    axes.set_xlabel("Event number n")
    axes.figure.legend(loc="outside lower center", ncols=columns)


@styled
def fig7(goodness: xr.DataArray) -> Figure:
    """Goodness of the networks on training and validation samples, as in Fig. 7.

    Parameters
    ----------
    goodness : DataArray over (model, sample, event)
        Model names as in `style.NETWORKS`; "probing" among them shows what the networks can at best
        reach.
    """
    return _comparison(goodness, published.SEEN_FIRST_EVENT)


@styled
def fig8(goodness: xr.DataArray) -> Figure:
    """Goodness of the networks on samples that none of them saw, as in Fig. 8; see `fig7`."""
    return _comparison(goodness, published.UNSEEN_FIRST_EVENT)


@styled
def scores(scores: xr.Dataset) -> Figure:
    """Goodness of predictors of any kind, event by event: boxes (quartiles, whiskers to the extremes) and means.

    Parameters
    ----------
    scores : Dataset over (model, sample, event)
        From `listi.score`.
    """
    return _comparison(scores.goodness.sel(resolution="event", drop=True), {})


def _comparison(goodness: xr.DataArray, paper: Mapping[str, float]) -> Figure:
    """Boxes of all values (a), and their means (b), which the boxes of seven networks would hide."""
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    models = [str(name) for name in goodness.model.values]
    width = 0.8 / len(models)
    others = [name for name in models if name not in NETWORKS]
    for column, name in enumerate(models):
        places = np.arange(goodness.sizes["event"]) + (column - (len(models) - 1) / 2) * width
        style = look(name, others.index(name) if name in others else 0)
        _one_network(above, below, goodness.sel(model=name), places, width, style)
        if name in paper:
            star = {"color": style["color"], "markeredgecolor": "black", "markersize": 10, "zorder": 6}
            below.plot(places[0], paper[name], "*", clip_on=False, **star)
    if paper:
        star = {"color": "white", "markeredgecolor": "black", "markersize": 9}
        below.plot([], [], "*", label="paper, first event", **star)
    _frame(above, goodness)
    _frame(below, goodness)
    lowest = min(float(goodness.mean("sample").min()), *paper.values(), 1.0)
    below.set_ylim(min(0.8, lowest - 0.05), 1.03)
    below.set_ylabel(f"Mean of {goodness.sizes['sample']} samples (1)")
    _legend(below, 4)
    for letter, axes in zip("ab", (above, below), strict=True):
        panels.letter(axes, letter)
    return figure


def _one_network(above: Axes, below: Axes, goodness: xr.DataArray, places: np.ndarray, width: float, style) -> None:
    """Boxes of one network (quartiles, whiskers to the extremes), and the line of its means."""
    values = goodness.transpose("sample", "event").values
    columns = [column[~np.isnan(column)] for column in values.T]
    above.boxplot(
        columns,
        positions=places,
        widths=0.8 * width,
        whis=(0, 100),
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": style["color"], "alpha": 0.7, "linewidth": 0.7},
        medianprops={"color": "black"},
        whiskerprops={"color": style["color"], "linewidth": 0.8},
        capprops={"color": style["color"], "linewidth": 0.8},
    )
    below.plot(
        places,
        [column.mean() for column in columns],
        color=style["color"],
        marker=style["marker"],
        linestyle=style["linestyle"],
        markersize=4.5,
        markeredgecolor="black",
        markeredgewidth=0.5,
        zorder=5,
        label=style["label"],
    )
