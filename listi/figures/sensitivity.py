"""Figures of the studies: settings of the solver, radius and boundary of a disc, cost against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..analysis.prediction_goodness import statistics
from .style import BLUE, GREY, RED, STRESS_SCALE, THRESHOLD_LABEL, styled

FLOOR = 1e-12  # differences below are drawn here


@styled
def independence(varied: xr.Dataset) -> Figure:
    """Relative change of every threshold for every changed setting (`analysis.sensitivity.vary`), logarithmic."""
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    labels = [str(name) for name in varied.setting.values]
    for row, label in enumerate(labels):
        relative = np.abs(varied.threshold.sel(setting=label).values / varied.reference.values - 1.0)
        spread = row + np.linspace(-0.25, 0.25, len(relative))
        axes.plot(np.maximum(relative, FLOOR), spread, ".", color=BLUE, markersize=3)
    axes.axvline(0.005, color=RED, linewidth=0.8, linestyle="--")
    axes.annotate("0.5 %", (0.005, -0.7), color=RED, fontsize=7, ha="center", annotation_clip=False)
    axes.set(xscale="log", xlim=(FLOOR / 2, 2.0), xlabel="Relative change of the threshold (1)")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    return figure


@styled
def hysteresis(cases: Sequence[xr.Dataset]) -> Figure:
    """Local stress over one strain step, forth and back in small parts, where a plain step meets two instabilities.

    Parameters
    ----------
    cases : sequence of Dataset
        What `listi.probing.probe.there_and_back` returns.
    """
    figure = Figure(figsize=(2.9 * len(cases), 2.4), layout="constrained")
    for axes, case in zip(figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
        for way, colour, line in (("forth", BLUE, "-"), ("back", RED, "--")):
            axes.plot(case.part, STRESS_SCALE * case.stress.sel(way=way), line, color=colour, label=way)
        axes.set(title=f"step from {case.attrs['strain']:.2%} strain", xlabel="Part of the step (1)")
        axes.set_ylabel(r"Local shear stress" + "\n" + r"($10^{-3}$ reduced energy/Å$^2$)")
        axes.legend(loc="best")
    return figure


@styled
def radius(goodness: Mapping[float, Sequence[float]], paper: float = 11.0) -> Figure:
    """Mean goodness of the first event against the radius of the free atoms, with 95 % bootstrap intervals.

    Parameters
    ----------
    goodness : mapping
        Radius [Å] to the goodness of every sample.
    paper : float
        The paper's radius [Å].
    """
    radii = sorted(goodness)
    table = statistics(xr.DataArray([goodness[r] for r in radii], dims=("event", "sample"), coords={"event": radii}))
    figure = Figure(figsize=(3.6, 2.6), layout="constrained")
    axes = figure.subplots()
    for r in radii:
        axes.plot(np.full(len(goodness[r]), r), goodness[r], "_", color=GREY, markersize=6)
    lowest = min(0.0, *(min(goodness[r]) for r in radii))
    interval = np.abs(np.array([table.mean_low, table.mean_high]) - table["mean"].values)
    axes.errorbar(radii, table["mean"], interval, color=BLUE, marker="o", markersize=4, capsize=2)
    axes.axvline(paper, color=RED, linewidth=0.8, linestyle="--")
    axes.annotate("paper", (paper, 1.04), color=RED, fontsize=7, ha="center", annotation_clip=False)
    axes.set(
        xlabel="Radius of the free atoms (Å)", ylabel="Goodness of the first event (1)", ylim=(lowest - 0.05, 1.02)
    )
    return figure


@styled
def boundary(frozen: np.ndarray, tethered: Mapping[float, np.ndarray]) -> Figure:
    """Thresholds in a soft matrix against those in a frozen one, a panel for every stiffness of the tether."""
    figure = Figure(figsize=(6.2, 2.2), layout="constrained")
    panels = figure.subplots(1, len(tethered), sharex=True, sharey=True, squeeze=False)[0]
    largest = STRESS_SCALE * max(np.max(frozen), *(np.max(t) for t in tethered.values())) * 1.05
    for axes, (stiffness, threshold) in zip(panels, tethered.items(), strict=True):
        axes.plot([0, largest], [0, largest], color=GREY, linewidth=0.7)
        axes.plot(STRESS_SCALE * frozen, STRESS_SCALE * threshold, ".", color=BLUE, markersize=4)
        axes.set(title=f"tether {stiffness:g} energy/Å$^2$", xlim=(0, largest), ylim=(0, largest), aspect="equal")
    panels[0].set_ylabel("Soft matrix\n" + THRESHOLD_LABEL)
    figure.supxlabel("Frozen matrix: " + THRESHOLD_LABEL.replace("\n", " "), fontsize=8)
    return figure


@styled
def cost(rows: Mapping[str, Mapping[int, float]]) -> Figure:
    """Time per atom (or probe) against the number of atoms, log-log; a row is a label and {atoms: seconds}."""
    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.subplots()
    for (label, times), colour, marker in zip(rows.items(), (BLUE, RED, "black", GREY), "os^D", strict=False):
        axes.plot(list(times), list(times.values()), color=colour, marker=marker, markersize=4, label=label)
    axes.set(xscale="log", yscale="log", xlabel="Atoms (1)", ylabel="Time (s)")
    axes.legend(loc="best")
    return figure
