"""Statistics and figures of the data set for notebook 05: thresholds, events, variants of the goodness, two cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.ndimage import map_coordinates, minimum_filter

import listi
from listi.analysis import ensemble
from listi.analysis.ensemble import bootstrap
from listi.analysis.prediction_goodness import first_events
from listi.analysis.sample import Sample
from listi.figures import panels, published
from listi.figures.style import BLUE, GREY, RED, STRESS_LABEL, STRESS_SCALE, THRESHOLD_LABEL, styled
from listi.network.geometry import grid_product, nearest_point
from listi.network.rings import aboav_weaire, ring_sizes

EVENT_VARIABLES = ("strain", "stress_drop", "displacement", "size")
SPACING = 4.4  # just above the spacing of the paper's grid [Å]: a point and its four neighbours
RADIUS = 11.0  # of a disc [Å]
NEAREST = "at the nearest grid point"
NEAR = 22.0  # discs nearer than this overlap [Å]
COLOURS = (BLUE, RED, "black", "#5bb98b", GREY, "#c8553d")


def sample_row(sample: Sample) -> dict[str, float]:
    """Is it the glass wanted, when does it break, how strong are its spots."""
    sizes, strain = ring_sizes(sample.network), sample.shear.event_strain.reindex(event=[1, 6]).values
    return {
        "seed": sample.attrs["seed"],
        "ring_deviation": ensemble.ring_deviation(sizes),
        "alpha": aboav_weaire(sample.network),
        "mu2": float(sizes.var()),
        "force": ensemble.largest_force(sample.network),
        "events": sample.shear.sizes["event"],
        "first_event": strain[0],
        "sixth_event": strain[1],
        "threshold": float(sample.probing.threshold.mean()),
        "softest": float(sample.probing.threshold.min()),
    }


def events_of(samples: Sequence[Sample]) -> xr.Dataset:
    """Strain, stress drop, displacement, size of every event, and distance to the nearest earlier event [Å]."""
    datasets = []
    for sample in samples:
        events = sample.shear[[f"event_{name}" for name in EVENT_VARIABLES]]
        events = events.rename({f"event_{name}": name for name in EVENT_VARIABLES})
        datasets.append(events.assign(distance=ensemble.distance_to_earlier(sample.shear, sample.network.cell)))
    return xr.concat(datasets, dim="sample", join="outer", combine_attrs="drop_conflicts")


def event_rate(sheared: Sequence[xr.Dataset], edges: np.ndarray) -> np.ndarray:
    """Events per sample and unit strain in intervals of strain.

    Deformation stops at the last event wanted, so a sample counts only as far as it was sheared. NaN where all samples
    together were sheared through less than one interval.
    """
    strains = np.concatenate([shear.event_strain.values for shear in sheared])
    last = np.array([float(shear.strain[-1]) for shear in sheared])
    observed = np.clip(last[:, None] - edges[None, :-1], 0.0, np.diff(edges)).sum(axis=0)
    # An event at an edge belongs to the interval below, as the step that ends there does.
    counts = np.histogram(-strains, bins=-edges[::-1])[0][::-1]
    enough = observed > 0.999 * np.diff(edges)
    return np.divide(counts, observed, out=np.full(len(counts), np.nan), where=enough)


def soft_end(thresholds: np.ndarray, fraction: float = 0.01) -> float:
    """Exponent b of the soft end, F(s) = (s/s0)^b, by maximum likelihood (Hill) from the softest `fraction`.

    1 means a density that is finite at zero, more a density that vanishes there.
    """
    values = np.sort(np.ravel(thresholds))
    softest = values[: max(2, round(fraction * len(values)))]
    return float(1.0 / np.mean(np.log(softest[-1] / softest[:-1])))


def indicators(probing: xr.Dataset) -> xr.Dataset:
    """Local quantities over (x, y), each low where the glass should be soft, the threshold first.

    `sigma_xx` is its critical minus its initial value. The signs of the initial stresses are changed, since loaded
    discs are soft.
    """
    initial, critical = probing.initial_tensor, probing.critical_tensor
    fields = {
        "threshold": probing.threshold,
        "critical_stress": probing.critical_stress,
        "critical_strain": probing.critical_strain,
        "sigma_xx": (critical - initial).sel(component="xx"),
        "initial_stress": -probing.initial_stress,
        "initial_xx": -initial.sel(component="xx"),
        "initial_tension": -0.5 * (initial.sel(component="xx") + initial.sel(component="yy")),
    }
    return xr.Dataset({name: field.drop_vars("component", errors="ignore") for name, field in fields.items()})


def softest_within(field: xr.DataArray, radius: float) -> xr.DataArray:
    """Least value within `radius` [Å] of every point of a periodic map over (x, y)."""
    steps = [field[name].values[1] - field[name].values[0] for name in ("x", "y")]
    shifts = [np.arange(-(radius // step), radius // step + 1) * step for step in steps]
    disc = np.hypot(*np.meshgrid(*shifts, indexing="ij")) <= radius
    return field.copy(data=minimum_filter(field.values, footprint=disc, mode="wrap"))


def rank(field: xr.DataArray, values: np.ndarray, side: str = "left") -> np.ndarray:
    """Goodness of values in the distribution of a map."""
    return 1.0 - 2.0 * np.searchsorted(np.sort(field.values.ravel()), values, side=side) / field.size


def at_nearest(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Values of a map over (x, y) at the grid points nearest to positions (n, 2)."""
    return field.values.ravel()[nearest_point(grid_product(field.x, field.y), position, cell)]


def interpolated(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Bilinear between the four grid points around."""
    place = position / (cell / np.array(field.shape))
    return map_coordinates(field.values, place.T, order=1, mode="grid-wrap")


class Variant(NamedTuple):
    """A variant of Eq. 1: which local quantity is ranked, where an event is, and its goodness from these."""

    indicator: str = "threshold"
    position: str = "event_position"  # of the atom that moved furthest; or event_centre
    evaluate: Callable = lambda field, position, cell: rank(field, at_nearest(field, position, cell))

    def field(self, sample: Sample) -> xr.DataArray:
        """Return the map that is ranked."""
        return indicators(sample.probing)[self.indicator].transpose("x", "y")

    def goodness(self, sample: Sample) -> xr.DataArray:
        """Return the goodness of the first six events."""
        place = first_events(sample.shear)[self.position]
        values = self.evaluate(self.field(sample), place.transpose("event", "xy").values, sample.network.cell)
        return xr.DataArray(values, dims="event", coords={"event": place.event.values})

    def by_chance(self, sample: Sample) -> float:
        """Return the mean goodness of all grid points: what events at random places would have."""
        field = self.field(sample)
        grid = grid_product(field.x, field.y)
        parts = np.array_split(grid, max(1, len(grid) // 500))  # all at once takes much memory
        return float(np.concatenate([self.evaluate(field, part, sample.network.cell) for part in parts]).mean())


def _softest_near(radius: float) -> Callable:
    return lambda field, position, cell: rank(field, at_nearest(softest_within(field, radius), position, cell))


def _softest_near_everywhere(radius: float) -> Callable:
    def evaluate(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
        least = softest_within(field, radius)
        return rank(least, at_nearest(least, position, cell))

    return evaluate


VARIANTS: dict[str, Variant] = {
    NEAREST: Variant(),
    "event at centre of its field": Variant(position="event_centre"),
    "F counts lower or equal": Variant(evaluate=lambda f, p, c: rank(f, at_nearest(f, p, c), "right")),
    "interpolated": Variant(evaluate=lambda f, p, c: rank(f, interpolated(f, p, c))),
    "softest within 4.4 Å": Variant(evaluate=_softest_near(SPACING)),
    "softest within 11 Å": Variant(evaluate=_softest_near(RADIUS)),
    "softest within 4.4 Å, map too": Variant(evaluate=_softest_near_everywhere(SPACING)),
    "softest within 11 Å, map too": Variant(evaluate=_softest_near_everywhere(RADIUS)),
    "sigma_xx alone": Variant("sigma_xx"),
    "critical stress": Variant("critical_stress"),
    "critical strain": Variant("critical_strain"),
    "initial stress": Variant("initial_stress"),
    "initial sigma_xx": Variant("initial_xx"),
    "initial tension": Variant("initial_tension"),
}


def compare_variants(samples: Sequence[Sample], variants: Mapping[str, Variant] = VARIANTS) -> xr.Dataset:
    """Goodness over (variant, sample, event), NaN where a sample had fewer events; by_chance over variant."""
    name = xr.Variable("variant", list(variants))
    goodness = [
        xr.concat([variant.goodness(sample) for sample in samples], "sample", join="outer")
        for variant in variants.values()
    ]
    chance = [variant.by_chance(samples[0]) for variant in variants.values()]
    return xr.Dataset({"goodness": xr.concat(goodness, dim=name), "by_chance": ("variant", chance)})


@styled
def thresholds(samples: Sequence[Sample], r_free: float = RADIUS) -> Figure:
    """Threshold maps: distribution, soft end, correlation in space, stress before the shear."""
    figure = Figure(figsize=(6.8, 5.6), layout="constrained")
    axes = figure.subplots(2, 2)
    maps = np.array([sample.probing.threshold.values for sample in samples])
    _distribution(axes[0, 0], maps)
    _soft_end(axes[0, 1], maps)
    _correlation(axes[1, 0], [sample.probing.threshold for sample in samples], r_free)
    _against_initial(axes[1, 1], np.array([sample.probing.initial_stress.values for sample in samples]), maps)
    titles = ("thresholds", "soft end", "correlation in space", "stress before the shear")
    for panel, name, title in zip(axes.flat, "abcd", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _distribution(axes: Axes, maps: np.ndarray) -> None:
    edges = np.linspace(0.0, STRESS_SCALE * maps.max(), 46)
    for number, field in enumerate(maps):
        label = None if number else "single samples"
        counts = np.histogram(STRESS_SCALE * field, edges, density=True)[0]
        axes.stairs(counts, edges, color="0.8", linewidth=0.5, label=label)
    pooled = np.histogram(STRESS_SCALE * maps, edges, density=True)[0]
    axes.stairs(pooled, edges, color=BLUE, linewidth=1.5, label="all")
    label = THRESHOLD_LABEL.replace("\n", " ")
    axes.set(xlabel=label, ylabel="Probability density", ylim=(0, None), xlim=(0, edges[-1]))
    axes.legend()


def _soft_end(axes: Axes, maps: np.ndarray) -> None:
    values = STRESS_SCALE * np.sort(maps.ravel())
    share = np.arange(1, len(values) + 1) / len(values)
    axes.loglog(values, share, color=BLUE, label="all probes")
    exponent, end = soft_end(maps), max(2, round(0.01 * len(values))) - 1
    line = np.geomspace(values[0], values[end] * 2)
    label = f"power {exponent:.2f}, softest 1 %"
    axes.loglog(line, share[end] * (line / values[end]) ** exponent, color=RED, linestyle="--", label=label)
    softest, label = STRESS_SCALE * maps.reshape(len(maps), -1).min(axis=1), "softest of each sample"
    axes.plot(softest, np.full(len(maps), 0.6 / len(values)), "|", color="black", markersize=6, label=label)
    axes.set(xlabel=THRESHOLD_LABEL.replace("\n", " "), ylabel="Share of probes below", ylim=(0.4 / len(values), 1.5))
    axes.legend(loc="upper left")


def _correlation(axes: Axes, maps: Sequence[xr.DataArray], r_free: float) -> None:
    of_maps = [ensemble.autocorrelation(field) for field in maps]
    mean = of_maps[0].copy(data=np.mean([correlation.values for correlation in of_maps], axis=0))
    around = ensemble.radial(mean)
    length, largest = ensemble.correlation_length(around), around.distance.values[-1] / 2
    axes.plot(around.distance, around, "o-", color=BLUE, markersize=3, label="all directions")
    for name, line in (("x", "--"), ("y", ":")):
        cut = mean.isel({other: 0 for other in "xy" if other != name}).sel({name: slice(0, largest)})
        axes.plot(cut[name], cut, line, color="black", lw=1, label=f"along {name}")
    distance, label = np.linspace(0.0, 2 * r_free), "overlap of two discs"
    axes.plot(distance, overlap(distance, r_free), color=GREY, lw=3, alpha=0.5, label=label)
    axes.plot(length, np.exp(-1.0), "s", color=RED, markersize=5, label=f"1/e at {length:.1f} Å")
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set(xlabel="Distance (Å)", ylabel="Correlation of thresholds", xlim=(0, largest))
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
    axes.plot(centre, mean, "o-", color=RED, markersize=3, label=f"mean, r = {np.corrcoef(x, y)[0, 1]:.2f}")
    label = "Initial shear stress $\\tau^{(in)}$ ($10^{-3}$ reduced energy/Å$^2$)"
    axes.set(xlabel=label, ylabel=THRESHOLD_LABEL)
    axes.legend(loc="upper right")


@styled
def events(samples: Sequence[Sample], interval: float = 0.01) -> Figure:
    """Events: stress-strain curves, how often they come (in intervals of strain), how large they are."""
    figure = Figure(figsize=(6.8, 5.2), layout="constrained")
    axes = figure.subplots(2, 2)
    of_samples, sheared = events_of(samples), [sample.shear for sample in samples]
    _curves(axes[0, 0], sheared)
    _rate(axes[0, 1], sheared, interval)
    _sizes(axes[1, 0], of_samples)
    _drops(axes[1, 1], of_samples)
    titles = ("stress-strain curves", "events per strain", "size of events", "size and stress drop")
    for panel, name, title in zip(axes.flat, "abcd", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _curves(axes: Axes, sheared: Sequence[xr.Dataset]) -> None:
    for number, shear in enumerate(sheared):
        label = None if number else "single samples, to the last event"
        axes.plot(shear.strain, STRESS_SCALE * shear.stress, color="0.75", lw=0.5, label=label)
    # The mean is fair only as far as no sample is missing: those that break early are sheared least.
    grid = np.linspace(0.0, min(float(shear.strain[-1]) for shear in sheared), 401)
    mean = np.mean([np.interp(grid, shear.strain, shear.stress) for shear in sheared], axis=0)
    axes.plot(grid, STRESS_SCALE * mean, color=BLUE, lw=1.8, label="mean, while all are there")
    axes.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL, xlim=(0, None))
    axes.legend()


def _rate(axes: Axes, sheared: Sequence[xr.Dataset], interval: float) -> None:
    edges = np.arange(0.0, max(float(shear.strain[-1]) for shear in sheared) + interval, interval)
    rate = event_rate(sheared, edges)
    axes.stairs(rate * interval, edges, color=BLUE, fill=True, alpha=0.35)
    axes.stairs(rate * interval, edges, color=BLUE)
    label = f"Events per sample\nand {100 * interval:g} % of strain"
    axes.set(xlabel="Strain $\\gamma$", ylabel=label, xlim=(0, edges[-1]))


def _sizes(axes: Axes, of_samples: xr.Dataset) -> None:
    for chosen, label, colour, line in (
        (of_samples.sel(event=1), "first events", RED, "--"),
        (of_samples, "all events", BLUE, "-"),
    ):
        values = np.sort(chosen["size"].values.ravel())
        values = values[~np.isnan(values)]
        share = 1.0 - np.arange(len(values)) / len(values)
        axes.loglog(values, share, drawstyle="steps-pre", label=label, color=colour, linestyle=line)
    axes.set(xlabel="Participation number (atoms)", ylabel="Share of events at least as large")
    _plain_ticks(axes)
    axes.legend()


def _drops(axes: Axes, of_samples: xr.Dataset) -> None:
    size, drop = of_samples["size"].values.ravel(), STRESS_SCALE * of_samples.stress_drop.values.ravel()
    there = ~np.isnan(size)
    r = np.corrcoef(np.log(size[there]), np.log(drop[there]))[0, 1]
    axes.loglog(size, drop, "o", color=BLUE, markersize=2.5, alpha=0.6)
    axes.text(0.04, 0.96, f"r of logarithms = {r:.2f}", transform=axes.transAxes, va="top")
    axes.set(xlabel="Participation number (atoms)", ylabel="Stress drop\n($10^{-3}$ reduced energy/Å$^2$)")
    _plain_ticks(axes)


def _plain_ticks(axes: Axes) -> None:
    """Ticks with plain numbers at 1, 2 and 5 of every decade, since less than two decades are shown."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


@styled
def variants(goodness: xr.DataArray, of_samples: xr.Dataset) -> Figure:
    """Goodness by up to six variants, and by the first of them against strain and neighbours of the event.

    Parameters
    ----------
    goodness : DataArray over (variant, sample, event)
    of_samples : Dataset over (sample, event)
        From `events_of`.
    """
    if goodness.sizes["variant"] > len(COLOURS):
        raise ValueError(f"goodness: {goodness.sizes['variant']} variants are more than {len(COLOURS)}")
    figure = Figure(figsize=(6.8, 5.4), layout="constrained")
    top, low = figure.subfigures(2, 1, height_ratios=[1.1, 1])
    first, (second, third) = top.subplots(), low.subplots(1, 2, sharey=True)
    number = goodness.event.values
    for place, (name, colour, marker, line) in enumerate(
        zip(goodness.variant.values, COLOURS, "os^vDP", ("-", "--", "-.", ":", "--", ":"), strict=False)
    ):
        values = goodness.sel(variant=name).transpose("sample", "event").values
        x = number + 0.07 * (place - (goodness.sizes["variant"] - 1) / 2)
        first.plot(x, np.nanmean(values, axis=0), line, marker=marker, color=colour, ms=4, label=str(name))
        for at, column in zip(x, values.T, strict=True):
            _interval(first, at, column, color=colour)
    paper = published.PROBING_MEAN
    look = {"color": "white", "markeredgecolor": "black", "markersize": 10, "zorder": 5, "clip_on": False}
    first.plot(list(paper), list(paper.values()), "*", label="paper (its text)", **look)
    first.set(xlabel="Event number n", ylabel="Mean goodness", xticks=number)
    first.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    of_first = goodness.isel(variant=0)
    of_samples = of_samples.sel(event=of_first.event.values)
    _by_strain(second, of_first, of_samples.strain)
    _by_neighbour(third, of_first, of_samples.distance)
    titles = ("mean goodness by several variants", "by strain", "by distance to earlier events")
    for panel, name, title in zip((first, second, third), "abc", titles, strict=True):
        panels.letter(panel, name, title)
    return figure


def _interval(axes: Axes, x: float, values: np.ndarray, **style) -> None:
    """Draw the mean of values and its 95 % bootstrap interval."""
    mean, low, high = bootstrap(np.asarray(values, dtype=float))
    axes.errorbar(x, mean, [[mean - low], [high - mean]], capsize=2, markersize=4, **style)


def _by_strain(axes: Axes, goodness: xr.DataArray, strain: xr.DataArray) -> None:
    x, y = (values.transpose("sample", "event").values.ravel() for values in (strain, goodness))
    there = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[there], y[there]
    axes.plot(x, y, "o", color=GREY, markersize=2, alpha=0.6, label="event")
    for number, part in enumerate(np.array_split(np.argsort(x), 6)):
        label = None if number else "mean of a sixth of them"
        _interval(axes, x[part].mean(), y[part], color=BLUE, fmt="o", zorder=5, label=label)
    axes.set(xlabel="Strain of the event", ylabel="Goodness", ylim=(min(y.min() - 0.1, 0), 1.05))
    axes.legend(loc="lower left")


def _by_neighbour(axes: Axes, goodness: xr.DataArray, distance: xr.DataArray) -> None:
    later = goodness.event.values[goodness.event.values > 1]
    near = distance < NEAR
    for chosen, label, colour, marker, shift in (
        (~near, f"none within {NEAR:g} Å", BLUE, "o", -0.12),
        (near, f"at least one within {NEAR:g} Å", RED, "s", 0.12),
    ):
        for place, n in enumerate(later):
            values = goodness.where(chosen).sel(event=n).values
            if np.isfinite(values).sum() > 1:
                _interval(axes, n + shift, values, label=None if place else label, color=colour, marker=marker)
    axes.set(xlabel="Event number n", xticks=later)
    axes.legend(loc="lower left")


@styled
def cells(pairs: Mapping[str, Sequence[Sample]]) -> Figure:
    """The same networks in two cells: strains of events, thresholds, goodness; names of the cells to their samples."""
    figure = Figure(figsize=(6.8, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    largest = max(float(sample.probing.threshold.max()) for samples in pairs.values() for sample in samples)
    bins = np.linspace(0.0, STRESS_SCALE * largest, 41)
    for place, (name, samples) in enumerate(pairs.items()):
        colour, marker, line = (BLUE, "o", "-") if place == 0 else (RED, "s", "--")
        goodness = xr.concat([VARIANTS[NEAREST].goodness(sample) for sample in samples], "sample", join="outer")
        for axes, values in ((left, 100 * events_of(samples).strain.sel(event=slice(1, 6))), (right, goodness)):
            for number in values.event.values:
                column, x = values.sel(event=number).values, number + 0.16 * place - 0.08
                axes.plot(np.full(len(column), x), column, ".", color=colour, markersize=2, alpha=0.5)
                _interval(axes, x, column, label=name if number == 1 else None, color=colour, marker=marker)
        values = STRESS_SCALE * np.array([sample.probing.threshold.values for sample in samples])
        density = np.histogram(values, bins, density=True)[0]
        middle.stairs(density, bins, color=colour, linestyle=line, label=name)
    left.set(xlabel="Event number n", ylabel="Strain of the event (%)", ylim=(0, None))
    middle.set(xlabel=THRESHOLD_LABEL, ylabel="Probability density", ylim=(0, 1.25 * middle.get_ylim()[1]))
    right.set(xlabel="Event number n", ylabel="Goodness", ylim=(None, 1.05))
    for panel, name, title in zip((left, middle, right), "abc", ("strains", "thresholds", "goodness"), strict=True):
        panels.letter(panel, name, title)
        panel.legend()
    return figure


def cells_table(as_generated: Sequence[Sample], relaxed: Sequence[Sample]) -> pd.DataFrame:
    """Means over the same networks in two cells, and their paired difference with its 95 % interval."""

    def columns(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
        strain = events_of(samples).strain
        goodness = np.array([listi.goodness(s.probing.threshold, s.shear.event_position[:6]) for s in samples])
        return {
            "first event, strain": strain.sel(event=1).values,
            "sixth event, strain": strain.sel(event=6).values,
            "initial stress": np.array([float(sample.shear.stress[0]) for sample in samples]),
            "mean threshold": np.array([float(sample.probing.threshold.mean()) for sample in samples]),
            "goodness, first event": goodness[:, 0],
            "goodness, six events": goodness.mean(axis=1),
        }

    first, second = columns(as_generated), columns(relaxed)
    table = {name: [a.mean(), second[name].mean(), *bootstrap(second[name] - a)] for name, a in first.items()}
    return pd.DataFrame(table, index=["as generated", "zero pressure", "difference", "low", "high"]).T
