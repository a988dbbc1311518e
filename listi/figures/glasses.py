"""Glasses made in different ways, side by side."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import published
from .style import BLUE, GREY, RED, styled

_LOOKS = ((BLUE, "o", "-"), (RED, "s", "--"), (GREY, "^", "-"), ("black", "D", ":"))


@styled
def glasses(compared: xr.Dataset) -> Figure:
    """Strain of each event, and goodness of probing: means over samples with 95 % bootstrap intervals.

    Parameters
    ----------
    compared : Dataset
        Of at most four glasses, from `analysis.glasses.compare`.
    """
    figure = Figure(figsize=(6.4, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _over_events(left, compared, "strain", 100.0)
    left.axhline(4.0, color="black", linewidth=0.7, linestyle="--")
    left.annotate("the paper's end", (0.7, 4.1), fontsize=7)
    left.set(title="(a) when events come", xlabel="Event (1)", ylabel="Strain of the event (%)")
    _over_events(right, compared, "goodness", 1.0)
    paper = published.PROBING_MEAN
    right.plot(list(paper), list(paper.values()), "k*", markersize=8, label="paper's text")
    lowest = min(0.75, float(compared.goodness_low.min()))
    right.set(title="(b) how well probing predicts them", xlabel="Event (1)", ylabel="Goodness (1)")
    right.set_ylim(lowest - 0.03, 1.02)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _over_events(axes: Axes, compared: xr.Dataset, name: str, scale: float) -> None:
    for n, glass in enumerate(compared.glass.values):
        one = compared.sel(glass=glass)
        mean = one[name].values
        interval = np.abs(np.array([one[f"{name}_low"], one[f"{name}_high"]]) - mean)
        colour, marker, line = _LOOKS[n]
        event = one.event.values + 0.06 * (n - 1.5)
        label = f"{glass} ({int(one.samples)})"
        axes.errorbar(
            event, scale * mean, scale * interval, color=colour, marker=marker, linestyle=line, label=label,
            markersize=4, capsize=2,
        )  # fmt: skip
