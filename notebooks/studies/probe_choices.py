"""What the choices of a probe change: radius, boundary, its end, direction, and how its path is followed.

    python notebooks/studies/probe_choices.py [--only radius boundary ...] [--workers 2]

completes the tables below in `data/paper/studies`; notebook 12 shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import listi
from listi.analysis.sample import Sample
from listi.compendium import data_set
from listi.compendium.studies import Study, command, grid_of, number_of, plain, radius_of, rows
from listi.network.geometry import grid_lines, grid_points, grid_product, nearest_point
from listi.probing.probe import load_unload_step

RADII = (5.0, 8.0, 11.0, 14.0, 17.0, 20.0)  # of the disc [Å]
TETHERS = (None, 10.0, 1.0)  # of the surrounding atoms [energy/Å²]; None: frozen
ANGLES = tuple(range(-40, 41, 10))  # directions of probing [degrees]
N_RANKED, N_DIRECTIONS, N_WALKED = 100, 500, 200  # random probes of each sample
SAME = 0.005  # thresholds whose relative difference is smaller are called the same
FINE_STEP = 2e-5  # strain step of walks that decide between two others
DISTANCES, AROUND = (0.1, 0.2, 0.4, 0.8), 0.4  # by how much probes are moved [Å]; where four are, all around


def random_points(network: listi.Network, n: int, seed: int) -> np.ndarray:
    """Return n points (n, 2) [Å], uniform in the cell."""
    return np.random.default_rng(np.random.SeedSequence(seed)).uniform(size=(n, 2)) * network.cell


def points_to_rank(
    network: listi.Network, event_position: np.ndarray, n_probes: int, seed: int, grid: tuple[int, int]
) -> np.ndarray:
    """Return the grid points nearest to the events, then `n_probes` random ones, (n_events + n_probes, 2) [Å]."""
    if n_probes < 1:
        raise ValueError(f"n_probes: {n_probes!r} is not a whole number > 0")
    every = grid_product(*grid_lines(network.cell, grid))
    nearest = nearest_point(every, np.asarray(event_position, dtype=float), network.cell)
    random = np.random.default_rng(np.random.SeedSequence(seed))
    return every[np.concatenate([nearest, random.choice(len(every), min(n_probes, len(every)), False)])]


def goodness_among(at_events: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Goodness (n_events,) of thresholds at events among those of random probes.

    NaN where the probe at the event has no threshold; random probes without one do not count.
    """
    others = others[np.isfinite(others)]
    if not len(others):
        return np.full(len(at_events), np.nan)
    lower = np.mean(others[None] < at_events[:, None], axis=1)
    return np.where(np.isfinite(at_events), 1.0 - 2.0 * lower, np.nan)


def sampled_goodness(
    network: listi.Network,
    event_position: np.ndarray,
    n_probes: int,
    seed: int = 0,
    grid: tuple[int, int] = (50, 50),
    **settings,
) -> np.ndarray:
    """Goodness of events, with the distribution of thresholds from a few random grid points instead of the whole map.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    event_position : ndarray, shape (n_events, 2)
        Where the events happened, in the undeformed cell [Å].
    n_probes : int
        Random grid points; the standard error of F is at most 1/2 / sqrt(n_probes).
    seed : int
        Of their choice.
    grid : (int, int)
        Number of grid points along x and y.
    **settings
        Parameters of `listi.probe`.
    """
    points = points_to_rank(network, event_position, n_probes, seed, grid)
    threshold = listi.probe(network, points=points, **settings).threshold.values
    return goodness_among(threshold[: len(event_position)], threshold[len(event_position) :])


def _of_first_event(sample: Sample, n_probes: int, **settings) -> float:
    first = sample.shear.event_position.transpose("event", "xy").values[:1]
    seed = number_of(sample)
    return plain(sampled_goodness(sample.network, first, n_probes, seed, grid_of(sample), workers=1, **settings)[0])


def radius_rows(sample: Sample, radii: Sequence[float] = RADII, n_probes: int = N_RANKED) -> list[dict]:
    """Goodness of the first event by discs of several radii."""
    return [{"radius_angstrom": r, "goodness": _of_first_event(sample, n_probes, r_free=r)} for r in radii]


def boundary_rows(sample: Sample, n_probes: int = N_RANKED) -> list[dict]:
    """Goodness of the first event by discs in a frozen (tether 0) and in softer surroundings."""
    how = {"r_free": radius_of(sample)}
    return [
        {"tether": tether or 0.0, "goodness": _of_first_event(sample, n_probes, tether=tether, **how)}
        for tether in TETHERS
    ]


def ends_of_probes(probing: xr.Dataset) -> dict[str, xr.DataArray]:
    """Thresholds at the first irreversible step and at the first drop of the stress, reversible ones included.

    Raises
    ------
    ValueError
        If the map holds no `peak_stress`.
    """
    if "peak_stress" not in probing:
        raise ValueError("probing: holds no peak_stress; probe the sample again")
    return {"irreversible": probing.threshold, "drop": probing.peak_stress - probing.initial_stress}


def end_rows(sample: Sample) -> list[dict]:
    """Goodness of every event by either end of a probe."""
    position, cell = sample.shear.event_position, sample.network.cell
    each = {name: listi.goodness(field, position, cell) for name, field in ends_of_probes(sample.probing).items()}
    return rows(xr.Dataset(each))


def end_map_rows(sample: Sample) -> list[dict]:
    """How far thresholds at either end differ in a sample, and how networks' predictions correlate with them."""
    maps = ends_of_probes(sample.probing)
    first, second = (field.values.ravel() for field in maps.values())
    there = np.isfinite(first)
    ratio = second[there] / first[there]
    row = {
        "share_different": np.mean(np.abs(ratio - 1.0) > SAME),
        "share_lower": np.mean(ratio < 1.0 - SAME),
        "least_ratio": ratio.min(),
        "largest_ratio": ratio.max(),
        "correlation": np.corrcoef(first[there], second[there])[0, 1],
    }
    for name, predicted in ({} if sample.predictions is None else sample.predictions).items():
        row |= {f"{name}_{end}": float(xr.corr(field, predicted)) for end, field in maps.items()}
    return [{name: plain(value) for name, value in row.items()}]


def direction_rows(sample: Sample, n_probes: int = N_DIRECTIONS) -> list[dict]:
    """Goodness of every event by the threshold along the shear and by the smallest over directions of probing."""
    position = sample.shear.event_position.transpose("event", "xy").values
    points = points_to_rank(sample.network, position, n_probes, number_of(sample), grid_of(sample))
    settings = {"angles": ANGLES, "r_free": radius_of(sample), "workers": 1}
    probed = listi.yield_stress(sample.network, points=points, **settings)
    n = len(position)
    maps = {"along": probed.threshold.sel(angle=0.0).values, "weakest": probed.yield_stress.values}
    each = {name: goodness_among(values[:n], values[n:]) for name, values in maps.items()}
    return [
        {"event": number + 1, **{name: plain(values[number]) for name, values in each.items()}} for number in range(n)
    ]


def walked_probe_rows(sample: Sample, n_probes: int = N_WALKED, same: float = SAME) -> list[dict]:
    """Random probes as `listi.probe` follows them against the same walked step by step, in one row.

    `differ` of them have thresholds that are not the same. These are walked again in finer steps: in `wrong` it is
    `listi.probe`, in `wrong_walked` the walk that has another critical strain. `largest` is the largest relative
    difference of the others.
    """
    points = random_points(sample.network, n_probes, number_of(sample))
    settings = {"r_free": radius_of(sample), "workers": 1}
    followed = listi.probe(sample.network, points=points, **settings)
    walked = listi.probe(sample.network, points=points, every_step=True, **settings)
    relative = np.abs(followed.threshold.values / walked.threshold.values - 1.0)
    differ = relative > same
    row = {"probes": n_probes, "differ": int(differ.sum()), "wrong": 0, "wrong_walked": 0}
    if differ.any():
        fine = {"every_step": True, "strain_step": FINE_STEP, **settings}
        critical = listi.probe(sample.network, points=points[differ], **fine).critical_strain.values
        for name, coarse in (("wrong", followed), ("wrong_walked", walked)):
            off = np.abs(coarse.critical_strain.values[differ] - critical)
            row[name] = int(np.count_nonzero(off > 2 * coarse.attrs["strain_step"]))
    return [row | {"largest": plain(relative[~differ].max(initial=0.0))}]


def loop_rows(sample: Sample, n_probes: int = N_WALKED) -> list[dict]:
    """Those of the same probes that end in a step which can be undone although atoms jumped, a row each.

    `open` is the share of the step in which the stress differs forth and back.
    """
    points = random_points(sample.network, n_probes, number_of(sample))
    settings = {"r_free": radius_of(sample)}
    walked = listi.probe(sample.network, points=points, every_step=True, workers=1, **settings)
    loops = []
    for point, strain in zip(points, walked.critical_strain.values, strict=True):
        if load_unload_step(sample.network, point, strain, parts=1, **settings).returned:
            forth, back = load_unload_step(sample.network, point, strain, **settings).stress.values
            share = np.mean(np.abs(forth - back) > 1e-3 * np.abs(forth))
            loops.append({"x_angstrom": point[0], "y_angstrom": point[1], "strain": strain, "open": plain(share)})
    return loops


def walked_event_rows(sample: Sample, n_events: int = 6) -> list[dict]:
    """Events as `listi.deform` finds them, and with every step walked, one row per event."""
    columns = {"strain": "event_strain", "atom": "event_atom", "drop": "event_stress_drop"}
    both = xr.Dataset()
    for end, every_step in (("", False), ("_walked", True)):
        shear = listi.deform(sample.network, n_events=n_events, every_step=every_step)
        both = both.assign({f"{name}{end}": shear[variable] for name, variable in columns.items()})
    return rows(both)


def moved_maps(
    network: listi.Network, threshold: xr.DataArray, distances: Sequence[float], around: float, **settings
) -> tuple[Mapping[float, xr.DataArray], xr.DataArray]:
    """Probe a map again with all its points moved a little.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    threshold : DataArray over (x, y)
        Its probed map [energy/Å²].
    distances : sequence of float
        How far all points are moved, one map for each [Å]; in a direction of 30 degrees against x.
    around : float
        One of the distances; the points are also moved as far at 120, 210 and 300 degrees.
    **settings
        Parameters of `listi.probe`, such as r_free.

    Returns
    -------
    moved : mapping
        Distance to the map of the moved points.
    mean : DataArray over (x, y)
        Of five maps: the given map and the four at `around`.
    """
    if around not in distances:
        raise ValueError(f"around: {around} Å is not one of the distances {', '.join(f'{d:g}' for d in distances)}")
    threshold = threshold.transpose("x", "y")
    points = grid_points(network.cell, (threshold.sizes["x"], threshold.sizes["y"]))

    def moved_by(distance: float, degrees: float) -> xr.DataArray:
        shift = distance * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        values = listi.probe(network, points=points + shift, **settings).threshold.values
        return threshold.copy(data=values.reshape(threshold.shape))

    moved = {distance: moved_by(distance, 30.0) for distance in distances}
    five = [threshold, moved[around], *(moved_by(around, degrees) for degrees in (120.0, 210.0, 300.0))]
    return moved, threshold.copy(data=np.mean([field.values for field in five], axis=0))


def moved_rows(
    sample: Sample, distances: Sequence[float] = DISTANCES, around: float = AROUND, **settings
) -> list[dict]:
    """How well a map agrees with maps of moved points, and what is gained by the mean of five.

    `quantity` is one of "correlation" (of the map with that of points moved by `case` [Å]), "goodness" and "goodness,
    mean of five" (of the event `case`), "network" and "network, mean of five" (correlation of the prediction by
    `case` with the map).
    """
    threshold, cell, position = sample.probing.threshold, sample.network.cell, sample.shear.event_position
    settings = {"r_free": radius_of(sample), "workers": 1} | settings
    moved, mean = moved_maps(sample.network, threshold, distances, around, **settings)
    quantities = {"correlation": {f"{d:g}": float(xr.corr(field, threshold)) for d, field in moved.items()}}
    for end, field in (("", threshold), (", mean of five", mean)):
        quantities[f"goodness{end}"] = listi.goodness(field, position, cell).to_series().to_dict()
        predictions = {} if sample.predictions is None else sample.predictions
        quantities[f"network{end}"] = {name: float(xr.corr(values, field)) for name, values in predictions.items()}
    return [
        {"quantity": quantity, "case": str(case), "value": plain(value)}
        for quantity, values in quantities.items()
        for case, value in values.items()
    ]


def samples(folder: Path) -> list[Path]:
    """Files of all samples."""
    return [path for paths in data_set.read_split(folder).values() for path in paths]


def first_samples(folder: Path, n: int = 20) -> list[Path]:
    """Files of some samples."""
    return samples(folder)[:n]


PREDICTED = ("predictions/*.nc",)
STUDIES = {
    "radius": Study(radius_rows, first_samples),
    "boundary": Study(boundary_rows, first_samples),
    "ends": Study(end_rows, samples),
    "end_maps": Study(end_map_rows, samples, reads=PREDICTED),
    "directions": Study(direction_rows, first_samples),
    "walked_probes": Study(walked_probe_rows, samples),
    "loops": Study(loop_rows, samples),
    "walked_events": Study(walked_event_rows, lambda folder: first_samples(folder, 3)),
    "moved": Study(moved_rows, samples, reads=PREDICTED),
}

if __name__ == "__main__":
    command(STUDIES, __doc__)
