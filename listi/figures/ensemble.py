"""Figures of a whole data set: its threshold maps, and its events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ..analysis import ensemble
from ..analysis.sample import Sample
from . import panels
from .style import BLUE, GREY, RED, STRESS_LABEL, STRESS_SCALE, THRESHOLD_LABEL, styled

_THRESHOLD = THRESHOLD_LABEL.replace("\n", " ")


@styled
def thresholds(probed: Sequence[xr.Dataset], r_free: float = 11.0) -> Figure:
    """Threshold maps of a data set: distribution, soft end, spatial correlation, initial stress.

    Parameters
    ----------
    probed : sequence of Dataset over (x, y)
        Results of `listi.probe`, one per sample, all on grids of the same shape.
    r_free : float
        Radius within which atoms are free [Å], whose overlap is drawn beside the correlation.
    """
    figure = Figure(figsize=(6.8, 5.6), layout="constrained")
    axes = figure.subplots(2, 2)
    maps = np.array([one.threshold.values for one in probed])
    _distribution(axes[0, 0], maps)
    _soft_end(axes[0, 1], maps)
    _correlation(axes[1, 0], [one.threshold for one in probed], r_free)
    _against_initial(axes[1, 1], np.array([one.initial_stress.values for one in probed]), maps)
    titles = ("thresholds", "soft end", "correlation in space", "stress before the shear")
    for panel, name, title in zip(axes.flat, "abcd", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _distribution(axes: Axes, maps: np.ndarray) -> None:
    edges = np.linspace(0.0, STRESS_SCALE * maps.max(), 46)
    for number, one in enumerate(maps):
        label = "each sample" if number == 0 else None
        counts = np.histogram(STRESS_SCALE * one, edges, density=True)[0]
        axes.stairs(counts, edges, color="0.8", linewidth=0.5, label=label)
    pooled = np.histogram(STRESS_SCALE * maps, edges, density=True)[0]
    axes.stairs(pooled, edges, color=BLUE, linewidth=1.5, label="all")
    axes.set(xlabel=_THRESHOLD, ylabel="Probability density", ylim=(0, None), xlim=(0, edges[-1]))
    axes.legend()


def _soft_end(axes: Axes, maps: np.ndarray) -> None:
    values = STRESS_SCALE * np.sort(maps.ravel())
    share = np.arange(1, len(values) + 1) / len(values)
    axes.loglog(values, share, color=BLUE, label="all probes")
    exponent = ensemble.soft_end(maps)
    end = max(2, round(0.01 * len(values))) - 1
    line = np.geomspace(values[0], values[end] * 2)
    axes.loglog(
        line,
        share[end] * (line / values[end]) ** exponent,
        color=RED,
        linestyle="--",
        label=f"power {exponent:.2f}, softest 1 %",
    )
    softest = STRESS_SCALE * maps.reshape(len(maps), -1).min(axis=1)
    axes.plot(softest, np.full(len(maps), 0.6 / len(values)), "|", color="black", markersize=6,
              label="softest of each sample")  # fmt: skip
    axes.set(xlabel=_THRESHOLD, ylabel="Share of probes below", ylim=(0.4 / len(values), 1.5))
    axes.legend(loc="upper left")


def _correlation(axes: Axes, maps: Sequence[xr.DataArray], r_free: float) -> None:
    each = [ensemble.autocorrelation(one) for one in maps]
    mean = each[0].copy(data=np.mean([one.values for one in each], axis=0))
    around = ensemble.radial(mean)
    length = ensemble.correlation_length(around)
    reach = around.distance.values[-1] / 2
    axes.plot(around.distance, around, "o-", color=BLUE, markersize=3, label="all directions")
    for name, line in (("x", "--"), ("y", ":")):
        cut = mean.isel({other: 0 for other in "xy" if other != name}).sel({name: slice(0, reach)})
        axes.plot(cut[name], cut, line, color="black", lw=1, label=f"along {name}")
    distance = np.linspace(0.0, 2 * r_free)
    axes.plot(distance, overlap(distance, r_free), color=GREY, lw=3, alpha=0.5,
              label="overlap of two probes")  # fmt: skip
    axes.plot(length, np.exp(-1.0), "s", color=RED, markersize=5, label=f"1/e at {length:.1f} Å")
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel="Distance (Å)", ylabel="Correlation of thresholds", xlim=(0, reach))
    axes.legend()


def overlap(distance: np.ndarray, radius: float) -> np.ndarray:
    """Share of a disc that another of the same radius covers, at a distance of their centres."""
    half = np.clip(np.asarray(distance) / (2 * radius), 0.0, 1.0)
    return 2 / np.pi * (np.arccos(half) - half * np.sqrt(1 - half**2))


def _against_initial(axes: Axes, initial: np.ndarray, maps: np.ndarray) -> None:
    x, y = STRESS_SCALE * initial.ravel(), STRESS_SCALE * maps.ravel()
    mesh = axes.hexbin(x, y, gridsize=45, bins="log", cmap="Greys", mincnt=1, linewidths=0.1)
    axes.figure.colorbar(mesh, ax=axes, label="Probes", shrink=0.85, pad=0.02)
    edges = np.quantile(x, np.linspace(0, 1, 11))
    part = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 9)
    centre, mean = (np.bincount(part, values, 10) / np.bincount(part, minlength=10) for values in (x, y))
    r = np.corrcoef(x, y)[0, 1]
    axes.plot(centre, mean, "o-", color=RED, markersize=3, label=f"mean, r = {r:.2f}")
    axes.set(
        xlabel="Initial shear stress $\\tau^{(in)}$ ($10^{-3}$ reduced energy/Å$^2$)",
        ylabel=THRESHOLD_LABEL,
    )
    axes.legend(loc="upper right")


@styled
def events(samples: Sequence[Sample], interval: float = 0.01) -> Figure:
    """Events of a data set: stress-strain curves, how often they come, how large they are.

    Parameters
    ----------
    samples : sequence of Sample
        With remote deformation.
    interval : float
        Width of the intervals of strain in which events are counted.
    """
    figure = Figure(figsize=(6.8, 5.2), layout="constrained")
    axes = figure.subplots(2, 2)
    told, sheared = ensemble.events(samples), [sample.shear for sample in samples]
    _curves(axes[0, 0], sheared)
    _rate(axes[0, 1], sheared, interval)
    _sizes(axes[1, 0], told)
    _drops(axes[1, 1], told)
    titles = ("stress-strain curves", "events per strain", "size of events", "size and stress drop")
    for panel, name, title in zip(axes.flat, "abcd", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _curves(axes: Axes, sheared: Sequence[xr.Dataset]) -> None:
    for number, one in enumerate(sheared):
        label = "each sample, to its last event" if number == 0 else None
        axes.plot(one.strain, STRESS_SCALE * one.stress, color="0.75", lw=0.5, label=label)
    longest = max(float(one.strain[-1]) for one in sheared)
    grid = ensemble.curves(sheared, np.linspace(0.0, longest, 401))
    all_there = grid.notnull().all("sample")
    mean = STRESS_SCALE * grid.mean("sample").where(all_there)
    axes.plot(grid.strain, mean, color=BLUE, lw=1.8, label="mean, while all are there")
    axes.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL, xlim=(0, None))
    axes.legend()


def _rate(axes: Axes, sheared: Sequence[xr.Dataset], interval: float) -> None:
    longest = max(float(one.strain[-1]) for one in sheared)
    edges = np.arange(0.0, longest + interval, interval)
    rate = ensemble.event_rate(sheared, edges)
    axes.stairs(rate * interval, edges, color=BLUE, fill=True, alpha=0.35)
    axes.stairs(rate * interval, edges, color=BLUE)
    axes.set(
        xlabel="Strain $\\gamma$",
        ylabel=f"Events per sample\nand {100 * interval:g} % of strain",
        xlim=(0, edges[-1]),
    )


def _sizes(axes: Axes, told: xr.Dataset) -> None:
    for chosen, label, style in (
        (told.sel(event=1), "first events", {"color": RED, "linestyle": "--"}),
        (told, "all events", {"color": BLUE}),
    ):
        values = np.sort(chosen["size"].values.ravel())
        values = values[~np.isnan(values)]
        share = 1.0 - np.arange(len(values)) / len(values)
        axes.loglog(values, share, drawstyle="steps-pre", label=label, **style)
    axes.set(xlabel="Participation number (atoms)", ylabel="Share of events at least as large")
    _decades(axes)
    axes.legend()


def _drops(axes: Axes, told: xr.Dataset) -> None:
    size, drop = told["size"].values.ravel(), STRESS_SCALE * told.stress_drop.values.ravel()
    there = ~np.isnan(size)
    r = np.corrcoef(np.log(size[there]), np.log(drop[there]))[0, 1]
    axes.loglog(size, drop, "o", color=BLUE, markersize=2.5, alpha=0.6)
    axes.text(0.04, 0.96, f"r of logarithms = {r:.2f}", transform=axes.transAxes, va="top")
    axes.set(
        xlabel="Participation number (atoms)",
        ylabel="Stress drop\n($10^{-3}$ reduced energy/Å$^2$)",
    )
    _decades(axes)


def _decades(axes: Axes) -> None:
    """Ticks with plain numbers at 1, 2 and 5 of every decade: less than two are shown."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
