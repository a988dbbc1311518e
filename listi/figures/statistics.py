"""Figures of the goodness over samples: Fig. 3 (probing), Figs. 7 and 8 (the networks), scores of any predictor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.comparison import intervals
from ..analysis.prediction_goodness import statistics
from . import published
from .style import BLUE, GREY, ORANGE, RED, look, styled

SOFTEST = 5e-4  # where 1 - C = 0 is drawn on the logarithmic axis; 2/2500 is the next value of a map of 50 x 50 points
LAST_STRAIN = 0.04  # to which the paper shears
PANELS_IN_A_ROW = 6
LINEAR = 0.05  # differences are drawn on a linear scale up to here, on a logarithmic one beyond


@styled
def fig3(goodness: xr.DataArray, strain: xr.DataArray | None = None) -> Figure:
    """Goodness C of probing for every event, as in Fig. 3: 1 - C of every sample on a logarithmic axis, and means.

    Boxes are quartiles, the bar on every mean is its 95 % bootstrap interval over samples; stars are the values that
    the paper's text gives.

    Parameters
    ----------
    goodness : DataArray over (sample, event)
        NaN where a sample had fewer events.
    strain : DataArray over (sample, event), optional
        Of the events, to tell those beyond 4 % apart, where the paper stops.
    """
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    missed = 1.0 - goodness.transpose("sample", "event").values
    late = np.zeros(missed.shape, dtype=bool)
    if strain is not None:
        late = strain.transpose("sample", "event").values > LAST_STRAIN
    for place, (column, beyond) in enumerate(zip(missed.T, late.T, strict=True)):
        _points_and_quartiles(axes, place, column, beyond)
    means = statistics(goodness)
    places = np.arange(goodness.sizes["event"])
    interval = np.abs(np.array([means.mean_high, means.mean_low]) - means["mean"].values)
    label = f"mean of {goodness.sizes['sample']} samples, 95 % interval"
    axes.errorbar(places, 1 - means["mean"], interval, color=RED, marker="s", ms=4, capsize=2, zorder=5, label=label)
    shown = [n for n in published.PROBING_MEAN if n in goodness.event.values]
    at = [int(np.flatnonzero(goodness.event.values == n)[0]) for n in shown]
    stars = np.maximum(1.0 - np.array([published.PROBING_MEAN[n] for n in shown]), SOFTEST)
    axes.plot(at, stars, "*", color="white", mec="black", ms=9, zorder=6, clip_on=False, label="paper's text")
    axes.plot([], [], ".", color=BLUE, label="a sample")
    if late.any():
        axes.plot([], [], "o", color=ORANGE, mfc="none", ms=4, label="event beyond 4 % strain")
    axes.axhline(1.0, color="black", linestyle="--", linewidth=0.7, zorder=0)
    axes.annotate("guessing", (1.0, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    axes.set(yscale="log", ylim=(2.5, 0.7 * SOFTEST), xticks=places, xlabel="Event number n")
    axes.set_yticks([1, 0.1, 0.01, 0.001, SOFTEST], ["1", "0.1", "0.01", "0.001", "0"])
    axes.set_ylabel("1 - prediction goodness $C_{\\Delta\\tau}(n)$")
    axes.set_xticklabels([str(int(n)) for n in goodness.event.values])
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _points_and_quartiles(axes: Axes, place: int, missed: np.ndarray, late: np.ndarray) -> None:
    """1 - C of one event in every sample, side by side in the order of the samples, over a box of the quartiles."""
    valued = ~np.isnan(missed)
    missed, late = np.maximum(missed[valued], SOFTEST), late[valued]
    aside = place + 0.6 * (np.arange(len(missed)) + 0.5) / max(len(missed), 1) - 0.3
    axes.plot(aside[~late], missed[~late], ".", color=BLUE, markersize=3)
    axes.plot(aside[late], missed[late], "o", color=ORANGE, markerfacecolor="none", markersize=3)
    low, middle, high = np.percentile(missed, [25, 50, 75])
    axes.bar(place, high - low, 0.7, low, color=GREY, alpha=0.3, zorder=0)
    axes.plot([place - 0.35, place + 0.35], [middle, middle], color="black", linewidth=0.9)


@styled
def fig7(goodness: xr.DataArray) -> Figure:
    """Goodness of the networks on training and validation samples, as in Fig. 7.

    One panel per network: the mean over samples for every event, with the band of probing; below, the paired
    differences from probing. Bars and the band are 95 % bootstrap intervals over samples.

    Parameters
    ----------
    goodness : DataArray over (model, sample, event)
        Model names as in `style.NETWORKS`, "probing" among them.
    """
    return _small_multiples(goodness, published.SEEN_FIRST_EVENT)


@styled
def fig8(goodness: xr.DataArray) -> Figure:
    """Goodness of the networks on samples that none of them saw, as in Fig. 8; see `fig7`."""
    return _small_multiples(goodness, published.UNSEEN_FIRST_EVENT)


@styled
def scores(scores: xr.Dataset) -> Figure:
    """Goodness of predictors of any kind at the resolution of an event, drawn as `fig7`.

    Parameters
    ----------
    scores : Dataset over (model, sample, event)
        From `listi.score`.
    """
    return _small_multiples(scores.goodness.sel(resolution="event", drop=True), {})


def _small_multiples(goodness: xr.DataArray, paper: Mapping[str, float]) -> Figure:
    names = [str(name) for name in goodness.model.values if name != "probing"] or ["probing"]
    base = goodness.sel(model="probing", drop=True) if "probing" in goodness.model.values else None
    columns = min(len(names), PANELS_IN_A_ROW)
    blocks = -(-len(names) // columns)
    figure = Figure(figsize=(max(1.15 * columns + 0.7, 2.6), 3.3 * blocks + 0.3), layout="constrained")
    axes = figure.subplots(
        2 * blocks, columns, squeeze=False, sharex=True, sharey="row", height_ratios=[1.6, 1] * blocks
    )
    for number, name in enumerate(names):
        block, column = divmod(number, columns)
        above, below = axes[2 * block : 2 * block + 2, column]
        _one_predictor(above, below, goodness.sel(model=name, drop=True), base, look(name))
        if name in paper:
            above.plot(0, paper[name], "*", color="white", mec="black", ms=9, zorder=6, clip_on=False)
    for empty in axes.reshape(blocks, 2, columns)[-1, :, len(names) - (blocks - 1) * columns :].ravel():
        empty.set_visible(False)
    events = goodness.event.values
    for row in axes[::2]:
        row[0].set_ylabel("Mean goodness (1)")
    for row in axes[1::2]:
        row[0].set_ylabel("minus probing (1)")
        if row[0].get_ylim()[0] < -4 * LINEAR:
            row[0].set_yscale("symlog", linthresh=LINEAR)
            row[0].set_yticks([-0.5, -0.1, -0.03, 0.0, 0.03, 0.1], ["-0.5", "-0.1", "-0.03", "0", "0.03", "0.1"])
            row[0].minorticks_off()
    for panel in axes[-1]:
        panel.set_xticks(range(len(events)), [str(int(n)) for n in events])
        panel.set_xlabel("Event number n")
    handles = [axes[0, 0].errorbar([], [], [], color="black", marker="o", ms=3.5, capsize=2)]
    labels = [f"mean of {goodness.sizes['sample']} samples, 95 % interval"]
    handles.append(axes[0, 0].bar([0], [np.nan], color=GREY, alpha=0.45))
    labels.append("mechanical probing")
    if paper:
        handles += axes[0, 0].plot([], [], "*", color="white", mec="black", ms=9)
        labels.append("paper, first event")
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _one_predictor(above: Axes, below: Axes, goodness: xr.DataArray, base: xr.DataArray | None, style: Mapping) -> None:
    """Means of one predictor over the band of probing, and the paired differences below."""
    above.set_title(style["label"], fontsize=7, loc="center")
    places = np.arange(goodness.sizes["event"])
    line = {"color": style["color"], "marker": style["marker"], "ms": 3.5, "capsize": 2, "mec": "black", "mew": 0.4}
    if base is not None:
        band = intervals(base).transpose("bound", "event").values
        above.fill_between(places, band[1], band[2], color=GREY, alpha=0.45, linewidth=0)
        change, low, high = intervals(goodness - base).transpose("bound", "event").values
        below.errorbar(places, change, [change - low, high - change], **line)
    mean, low, high = intervals(goodness).transpose("bound", "event").values
    above.errorbar(places, mean, [mean - low, high - mean], **line)
    above.axhline(1.0, color=RED, linestyle="--", linewidth=0.7, zorder=0)
    below.axhline(0.0, color="black", linestyle="--", linewidth=0.7, zorder=0)
