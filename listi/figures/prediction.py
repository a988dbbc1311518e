"""Figures of other predictors of events: strain to failure, fresh maps, the benchmark.

Tables are mappings of columns of equal length, a row per event of a sample (`notebooks/studies/forecast.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.patheffects as effects
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.ensemble import bootstrap
from . import panels
from .style import BLUE, GREY, RED, styled

Table = Mapping[str, Sequence]
GREEN = "#3d9a6b"
NEAR = 22.0  # an earlier event within this distance [Å] has changed the disc


@styled
def forecast(strain: xr.DataArray, expected: xr.Dataset, shear: xr.Dataset, cell: np.ndarray) -> Figure:
    """Map of the strain to failure; rings where events are expected, dots where they came, each with its number.

    Parameters
    ----------
    strain : DataArray over (x, y)
        Strain to failure.
    expected : Dataset over event
        From `analysis.load.forecast`.
    shear : Dataset
        Deformation of the sample.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    """
    figure = Figure(figsize=(4.6, 3.9), layout="constrained")
    axes = figure.subplots()
    mesh = panels.draw_map(axes, strain, cell, scale=100.0)
    for number, place in zip(expected.event.values, expected.position.values, strict=True):
        panels.ring_mark(axes, place, 0.035 * cell[0], edgecolor="white", linewidth=2.4)
        panels.ring_mark(axes, place, 0.035 * cell[0], edgecolor="black", linewidth=1.0)
        outline = [effects.withStroke(linewidth=1.6, foreground="white")]
        axes.annotate(str(number), place, ha="center", va="center", fontsize=7, path_effects=outline)
    panels.mark_events(axes, shear.event_position.values, shear.event.values, cell)
    panels.colour_bar(mesh, [axes], "strain to failure (%)")
    return figure


@styled
def strains(rows: Table) -> Figure:
    """Threshold against strain to failure: goodness; predicted and actual strains of events; where they differ.

    Parameters
    ----------
    rows : mapping
        Columns event, goodness_threshold, goodness_strain, at_site, actual and distance (to the nearest earlier event).
    """
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    event, actual, at_site = (np.asarray(rows[name], dtype=float) for name in ("event", "actual", "at_site"))
    _means(first, rows, "goodness_threshold", "threshold", BLUE, "o", -0.08)
    _means(first, rows, "goodness_strain", "strain to failure", RED, "s", 0.08)
    _goodness_axes(first, event)
    top = 100.0 * 1.05 * np.nanmax([actual, at_site])
    second.plot([0, top], [0, top], color=GREY, linewidth=0.7)
    for chosen, label, look in (
        (event > 1, "later", {"color": GREY, "marker": "."}),
        (event == 1, "first events", {"color": RED, "marker": "o"}),
    ):
        second.plot(100 * at_site[chosen], 100 * actual[chosen], linestyle="none", markersize=4, label=label, **look)
    second.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    second.set_yticks(second.get_xticks()[second.get_xticks() <= top])
    second.set(xlabel="Strain to failure at its site (%)", ylabel="Strain of the event (%)")
    second.legend(loc="lower right", frameon=True, framealpha=0.85, edgecolor="none")
    distance = np.array([np.inf if d is None else d for d in rows["distance"]], dtype=float)
    near = np.where(np.isnan(distance), np.inf, distance) < NEAR
    for chosen, label, look, shift in (
        (~near, f"none within {NEAR:g} Å before", {"color": BLUE, "marker": "o"}, -0.12),
        (near, f"one within {NEAR:g} Å before", {"color": RED, "marker": "s"}, 0.12),
    ):
        _quartiles(third, event[chosen] + shift, (actual / at_site)[chosen], label, look)
    third.axhline(1.0, color=GREY, linewidth=0.7)
    third.set(xlabel="Event number n", ylabel="Actual strain / predicted (1)", yscale="log", xticks=np.unique(event))
    third.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    third.minorticks_off()
    third.legend(loc="lower left")
    for axes, name in zip((first, second, third), "abc", strict=True):
        panels.letter(axes, name)
    return figure


def _quartiles(axes: Axes, place: np.ndarray, values: np.ndarray, label: str, look: Mapping) -> None:
    """Median and quartiles of the values at each place; single values where there are fewer than four."""
    for number, x in enumerate(np.unique(place)):
        low, middle, high = np.percentile(values[place == x], [25, 50, 75])
        error = [[middle - low], [high - middle]]
        axes.errorbar(x, middle, error, capsize=2, markersize=4, label=None if number else label, **look)


def _means(axes: Axes, rows: Table, name: str, label: str, colour: str, marker: str, shift: float) -> None:
    """Mean of a column by event number, with its 95 % bootstrap interval over samples."""
    event, values = np.asarray(rows["event"]), np.asarray(rows[name], dtype=float)
    numbers = np.unique(event)
    mean, low, high = np.array([bootstrap(values[event == n]) for n in numbers]).T
    look = {"color": colour, "marker": marker, "markersize": 4, "capsize": 2}
    axes.errorbar(numbers + shift, mean, [mean - low, high - mean], label=label or None, **look)


def _goodness_axes(axes: Axes, event: np.ndarray) -> None:
    axes.axhline(1.0, color=GREY, linestyle="--", linewidth=0.7)
    axes.set(xlabel="Event number n", ylabel="Mean goodness (1)", xticks=np.unique(event))
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom - 0.4 * (top - bottom))  # room for the legend
    axes.legend(loc="lower left")


@styled
def fresh(rows: Table) -> Figure:
    """Goodness of the next event by the undeformed sample's map and by fresh ones; share of the discs probed for them.

    Parameters
    ----------
    rows : mapping
        Columns event, stale, carried, fresh and probed; and network_stale and network, predicted maps, if there.
    """
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
    looks = {
        "stale": ("undeformed sample's map", GREY, "o"),
        "carried": ("less the stress of now", GREEN, "D"),
        "network_stale": ("listi, undeformed sample", "#e0a080", "v"),
        "network": ("listi, fresh", "#c8553d", "^"),
        "fresh": ("probed where atoms strayed", BLUE, "s"),
    }
    there = [name for name in looks if name in rows]
    for place, name in enumerate(there):
        label, colour, marker = looks[name]
        _means(left, rows, name, label, colour, marker, 0.1 * (place - (len(there) - 1) / 2))
    _goodness_axes(left, np.asarray(rows["event"]))
    _means(right, rows, "probed", "", BLUE, "s", 0.0)
    right.set(xlabel="Event number n", ylabel="Share of discs probed (1)", ylim=(0, 1.05))
    right.set_xticks(np.unique(rows["event"]))
    panels.letter(left, "a", "goodness of the next event")
    panels.letter(right, "b", "work")
    return figure


@styled
def late(rows: Table, width: float = 0.03) -> Figure:
    """Far past the sixth event: goodness by the stale and the fresh map, and the stress left, against strain.

    Points are events; lines and bars are means over samples, of the mean of each, and their 95 % intervals.

    Parameters
    ----------
    rows : mapping
        Columns sample, strain, stale, fresh, stress and peak (the largest stress of the sample).
    width : float
        Of the intervals of strain over which means are taken.
    """
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    strain = np.asarray(rows["strain"], dtype=float)
    part, sample = (strain // width).astype(int), np.asarray(rows["sample"])
    for name, label, colour, marker in (
        ("stale", "undeformed sample's map", GREY, "o"),
        ("fresh", "fresh map", BLUE, "s"),
    ):
        values = np.asarray(rows[name], dtype=float)
        upper.plot(100 * strain, values, ".", color=colour, markersize=2, alpha=0.5)
        of_sample = {  # its mean in every interval of strain
            p: [values[(part == p) & (sample == one)].mean() for one in np.unique(sample[part == p])]
            for p in np.unique(part)
        }
        several = [p for p, means in of_sample.items() if len(means) > 2]
        mean, low, high = np.array([bootstrap(np.array(of_sample[p])) for p in several]).T
        middle = 100 * width * (np.array(several) + 0.5)
        error = [mean - low, high - mean]
        upper.errorbar(middle, mean, error, color=colour, marker=marker, markersize=4, capsize=2, label=label)
    upper.axhline(0.0, color="black", linestyle="--", linewidth=0.7)
    upper.set(ylabel="Goodness of the event (1)", ylim=(-1.05, 1.05))
    upper.legend(loc="lower left")
    left = np.asarray(rows["stress"], dtype=float) / np.asarray(rows["peak"], dtype=float)
    for one in np.unique(sample):
        own = sample == one
        lower.plot(100 * strain[own], left[own], color=GREY, linewidth=0.7)
    lower.set(
        xlabel="Strain of the event (%)", ylabel="Stress after it\n/ its peak (1)", ylim=(min(0.0, left.min()), 1.02)
    )
    panels.letter(upper, "a")
    panels.letter(lower, "b")
    return figure


BENCHMARK = (  # columns of the benchmark figure: measure, key, title
    ("goodness", "1", "goodness,\nfirst event"),
    ("mean_goodness", "", "goodness,\nsix events"),
    ("hit_first", "1", "first event at\nsoftest spot"),
    ("hit_first", "3", "first event\namong 3 spots"),
    ("hits", "10", "six events\namong 10 spots"),
)


@styled
def benchmark(table: pd.DataFrame, base: str = "probing") -> Figure:
    """Scores of many predictors at equal resolution: means over samples with 95 % bootstrap intervals.

    Rows are ordered by the mean goodness of six events at the resolution of an event.

    Parameters
    ----------
    table : DataFrame
        Columns model, resolution, sample, measure, key and value: a line for every score of a predictor on a sample,
        as `notebooks/studies/benchmark.py` writes them.
    base : str
        The predictor whose means are drawn as lines to compare with.
    """
    order = (
        table[(table.measure == "mean_goodness") & (table.resolution == "event")].groupby("model").value.mean()
    ).sort_values()
    figure = Figure(figsize=(7.4, 0.19 * len(order) + 1.2), layout="constrained")
    columns = figure.subplots(1, len(BENCHMARK), sharey=True)
    looks = {"point": (GREY, "o", 0.15, "map as it is"), "event": (BLUE, "s", -0.15, "at the resolution of an event")}
    for axes, (measure, key, title), letter in zip(columns, BENCHMARK, "abcde", strict=True):
        chosen = table[(table.measure == measure) & (table.key.astype(str) == key)]
        for resolution, (colour, marker, shift, label) in looks.items():
            rows = chosen[chosen.resolution == resolution].groupby("model").value
            mean, low, high = np.array([bootstrap(rows.get_group(name).to_numpy()) for name in order.index]).T
            line = {"color": colour, "marker": marker, "ms": 3, "ls": "", "elinewidth": 0.8}
            axes.errorbar(mean, np.arange(len(order)) + shift, xerr=[mean - low, high - mean], label=label, **line)
            if resolution == "event" and base in order.index:
                axes.axvline(mean[order.index.get_loc(base)], color=BLUE, linewidth=0.6, linestyle=":")
        axes.set_xlabel(title)
        axes.set_title(f"$\\bf{{{letter}}}$")
        axes.grid(axis="y", color=GREY, linewidth=0.2)
    columns[0].set_yticks(range(len(order)), [name.replace("_", " ") for name in order.index])
    figure.legend(*columns[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
