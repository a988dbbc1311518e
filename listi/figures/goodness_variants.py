"""Figures of what the goodness depends on: its reading, when and where an event comes, the box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.ensemble import bootstrap
from . import panels, published
from .style import BLUE, GREY, RED, STRESS_SCALE, THRESHOLD_LABEL, styled

_LOOKS = (  # marker, line and colour of the readings, in the order given
    ("o", "-", BLUE),
    ("s", "--", RED),
    ("^", "-.", "black"),
    ("v", ":", "#5bb98b"),
    ("D", "--", GREY),
    ("P", ":", "#c8553d"),
)


@styled
def readings(goodness: xr.DataArray, events: xr.Dataset, apart: float = 22.0) -> Figure:
    """Goodness by several readings, and against the strain and the neighbours of the event.

    Parameters
    ----------
    goodness : DataArray over (reading, sample, event)
        At most six readings; the first is the one that panels b and c show.
    events : Dataset over (sample, event)
        strain, and distance to the nearest earlier event [Å], as `ensemble.events` has them.
    apart : float
        Events farther than this [Å] from all earlier ones are called undisturbed.
    """
    figure = Figure(figsize=(6.8, 5.4), layout="constrained")
    top, low = figure.subfigures(2, 1, height_ratios=[1.1, 1])
    first, (second, third) = top.subplots(), low.subplots(1, 2, sharey=True)
    _by_number(first, goodness)
    read = goodness.isel(reading=0)
    events = events.sel(event=read.event.values)
    _by_strain(second, read, events.strain)
    _by_neighbour(third, read, events.distance, apart)
    titles = ("mean goodness, read in several ways", "by strain", "by distance to earlier events")
    for panel, name, title in zip((first, second, third), "abc", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _interval(axes: Axes, x: float, values: np.ndarray, **style) -> None:
    """Draw the mean of values and its 95 % bootstrap interval."""
    mean, low, high = bootstrap(np.asarray(values, dtype=float))
    axes.errorbar(x, mean, [[mean - low], [high - mean]], capsize=2, markersize=4, **style)


def _by_number(axes: Axes, goodness: xr.DataArray) -> None:
    names, number = goodness.reading.values, goodness.event.values
    for place, (name, (marker, line, color)) in enumerate(zip(names, _LOOKS, strict=False)):
        values = goodness.sel(reading=name).transpose("sample", "event").values
        shift = 0.07 * (place - (len(names) - 1) / 2)
        means = np.nanmean(values, axis=0)
        axes.plot(number + shift, means, line, marker=marker, color=color, ms=4, label=str(name))
        for n, column in zip(number, values.T, strict=True):
            _interval(axes, n + shift, column, color=color)
    paper = published.PROBING_MEAN
    axes.plot(*zip(*paper.items(), strict=True), "*", color="white", markeredgecolor="black",
              markersize=10, label="paper (its text)", zorder=5, clip_on=False)  # fmt: skip
    axes.set(xlabel="Event number n", ylabel="Mean goodness", xticks=number)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _by_strain(axes: Axes, goodness: xr.DataArray, strain: xr.DataArray) -> None:
    order = ("sample", "event")
    x, y = (values.transpose(*order).values.ravel() for values in (strain, goodness))
    there = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[there], y[there]
    axes.plot(x, y, "o", color=GREY, markersize=2, alpha=0.6, label="event")
    parts_of = np.array_split(np.argsort(x), 6)
    for number, chosen in enumerate(parts_of):
        label = "mean of a sixth of them" if number == 0 else None
        _interval(axes, x[chosen].mean(), y[chosen], color=BLUE, fmt="o", zorder=5, label=label)
    axes.set(xlabel="Strain of the event", ylabel="Goodness", ylim=(min(y.min() - 0.1, 0), 1.05))
    axes.legend(loc="lower left")


def _by_neighbour(axes: Axes, goodness: xr.DataArray, distance: xr.DataArray, apart: float) -> None:
    later = goodness.event.values[goodness.event.values > 1]
    near = distance < apart
    for chosen, label, look in (
        (~near, f"none within {apart:g} Å", {"color": BLUE, "marker": "o"}),
        (near, f"one within {apart:g} Å", {"color": RED, "marker": "s"}),
    ):
        for place, n in enumerate(later):
            values = goodness.where(chosen).sel(event=n).values
            if np.isfinite(values).sum() > 1:
                shift = 0.12 if label.startswith("one") else -0.12
                _interval(axes, n + shift, values, label=label if not place else None, **look)
    axes.set(xlabel="Event number n", xticks=later)
    axes.legend(loc="lower left")


@styled
def boxes(
    events: Sequence[xr.Dataset],
    thresholds: Sequence[np.ndarray],
    goodness: Sequence[xr.DataArray],
    names: Sequence[str] = ("as generated", "zero pressure"),
) -> Figure:
    """The same networks in two boxes: strains of events, thresholds, goodness.

    Parameters
    ----------
    events : two Datasets over (sample, event)
        With the strain of every event.
    thresholds : two arrays, shape (n_samples, n_x, n_y)
    goodness : two DataArrays over (sample, event)
    names : two str
    """
    figure = Figure(figsize=(6.8, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    looks = ({"color": BLUE, "marker": "o"}, {"color": RED, "marker": "s"})
    bins = np.linspace(0.0, STRESS_SCALE * max(one.max() for one in thresholds), 41)
    for place, (name, look) in enumerate(zip(names, looks, strict=True)):
        shift = 0.16 * place - 0.08
        for axes, values in ((left, 100 * events[place].strain), (right, goodness[place])):
            for number in values.event.values:
                column = values.sel(event=number).values
                x = np.full(len(column), number + shift)
                axes.plot(x, column, ".", color=look["color"], markersize=2, alpha=0.5)
                label = name if number == 1 else None
                _interval(axes, number + shift, column, label=label, **look)
        line = {"color": look["color"], "linestyle": ("-", "--")[place], "label": name}
        values = STRESS_SCALE * thresholds[place].ravel()
        middle.stairs(np.histogram(values, bins, density=True)[0], bins, **line)
    left.set(xlabel="Event number n", ylabel="Strain of the event (%)", ylim=(0, None))
    middle.set(xlabel=THRESHOLD_LABEL, ylabel="Probability density", ylim=(0, None))
    right.set(xlabel="Event number n", ylabel="Goodness", ylim=(None, 1.05))
    for panel, name, title in zip((left, middle, right), "abc", ("strains", "thresholds", "goodness"), strict=True):
        panels.letter(panel, name, title)
        panel.legend()
    return figure
