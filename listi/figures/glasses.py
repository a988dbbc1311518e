"""Glasses made in different ways, side by side, and beside imaged ones."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import published
from .style import BLUE, GREY, RED, styled

_LOOKS = ((BLUE, "o", "-"), (BLUE, "o", ":"), (RED, "s", "-"), (RED, "s", ":"), ("black", "^", "-"), (GREY, "D", "-"))


@styled
def glasses(mechanics: xr.Dataset, structure: xr.Dataset) -> Figure:
    """Events and goodness of probing (means with 95 % bootstrap intervals), ring sizes and radial distribution.

    Parameters
    ----------
    mechanics : Dataset
        From `analysis.glasses.compare`.
    structure : Dataset
        From `imaging.statistics.compare`; six different glasses at most in both.
    """
    names = [*mechanics.glass.values, *(name for name in structure.glass.values if name not in mechanics.glass.values)]
    looks = dict(zip(names, _LOOKS, strict=False))
    figure = Figure(figsize=(6.8, 6.0), layout="constrained")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    _over_events(first, mechanics, "strain", 100.0, looks)
    first.axhline(4.0, color="black", linewidth=0.7, linestyle="--")
    first.annotate("the paper's end", (0.7, 4.1), fontsize=7)
    first.set(title="(a) when events come", xlabel="Event (1)", ylabel="Strain of the event (%)")
    _over_events(second, mechanics, "goodness", 1.0, looks)
    paper = published.PROBING_MEAN
    second.plot(list(paper), list(paper.values()), "k*", markersize=8, label="paper's text")
    lowest = min(0.75, float(mechanics.goodness_low.min()))
    second.set(title="(b) how well probing predicts them", xlabel="Event (1)", ylabel="Goodness (1)")
    second.set_ylim(lowest - 0.03, 1.02)
    _rings(third, structure, looks)
    _distances(fourth, structure, looks)
    labels = {label: handle for handle, label in zip(*second.get_legend_handles_labels(), strict=True)}
    for glass in names[len(mechanics.glass) :]:
        colour, marker, line = looks[glass]
        labels[glass] = Line2D([], [], color=colour, marker=marker, linestyle=line, markersize=4)
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=3)
    return figure


def _over_events(axes: Axes, compared: xr.Dataset, name: str, scale: float, looks: dict) -> None:
    for n, glass in enumerate(compared.glass.values):
        one = compared.sel(glass=glass)
        mean = one[name].values
        interval = np.abs(np.array([one[f"{name}_low"], one[f"{name}_high"]]) - mean)
        colour, marker, line = looks[glass]
        event = one.event.values + 0.06 * (n - 1.5)
        label = f"{glass} ({int(one.samples)})"
        axes.errorbar(
            event, scale * mean, scale * interval, color=colour, marker=marker, linestyle=line, label=label,
            markersize=4, capsize=2,
        )  # fmt: skip


def _rings(axes: Axes, structure: xr.Dataset, looks: dict) -> None:
    for n, glass in enumerate(structure.glass.values):
        one = structure.sel(glass=glass, size=slice(4, 10))
        colour, marker, _ = looks[glass]
        place = one["size"].values + 0.08 * (n - 0.5 * structure.sizes["glass"])
        axes.errorbar(
            place, one.fraction, one.fraction_error, color=colour, marker=marker, linestyle="none", markersize=4,
            capsize=2,
        )  # fmt: skip
    axes.set(title="(c) rings, with counting errors", xlabel="Members of a ring (1)", ylabel="Fraction of rings (1)")


def _distances(axes: Axes, structure: xr.Dataset, looks: dict) -> None:
    shown = structure.dropna("glass", how="all", subset=["radial_distribution"])
    for glass in shown.glass.values:
        colour, _, line = looks[glass]
        one = shown.radial_distribution.sel(glass=glass)
        axes.plot(one.distance, one, color=colour, linestyle=line, linewidth=1.0)
    axes.set(title="(d) distances between Si", xlabel="Distance (Å)", ylabel="Radial distribution function (1)")
    axes.set(xlim=(2.0, 12.0), ylim=(0.0, 4.5))
