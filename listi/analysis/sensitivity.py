"""Studies of what a result depends on: the solver's settings, the radius and the boundary of a disc, its size.

Each is small enough to be done in a notebook; what was found at the paper's scale ships in `data/paper/studies.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..network.geometry import crossings, grid_lines, grid_points, nearest_point
from ..network.network import Network
from ..network.units import LENGTH_UNIT
from ..probing.probe import probe

SETTINGS: dict[str, dict] = {  # changes to `listi.probe` that should change nothing
    "every step walked": {"every_step": True},
    "tolerance 1e-6": {"tolerance": 1e-6},
    "tolerance 1e-8": {"tolerance": 1e-8},
    "tolerance 1e-12": {"tolerance": 1e-12},
    "strain step 1e-3": {"strain_step": 1e-3},
    "strain step 5e-4": {"strain_step": 5e-4},
    "strain step 2e-5": {"strain_step": 2e-5},
}


def random_points(network: Network, n: int, seed: int) -> np.ndarray:
    """Return n points (n, 2) [Å], uniform in the cell."""
    return np.random.default_rng(np.random.SeedSequence(seed)).uniform(size=(n, 2)) * network.cell


def differences(reference: xr.DataArray, other: xr.DataArray) -> dict[str, float]:
    """How far thresholds differ from a reference: largest and median relative difference, share beyond 0.5 %."""
    relative = np.abs(other.values / reference.values - 1.0)
    return {
        "largest": float(relative.max()),
        "median": float(np.median(relative)),
        "share beyond 0.5 %": float(np.mean(relative > 0.005)),
    }


def vary(network: Network, points: np.ndarray, settings: Mapping[str, Mapping] = SETTINGS, **common) -> xr.Dataset:
    """Thresholds of the same probes with one setting changed at a time.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    points : ndarray, shape (n, 2)
        Where to probe [Å].
    settings : mapping
        Label to parameters of `listi.probe`.
    **common
        Parameters of `listi.probe` for all.

    Returns
    -------
    Dataset
        ``reference`` over point, ``threshold`` over (setting, point).
    """
    reference = probe(network, points=points, **common).threshold
    each = [probe(network, points=points, **{**common, **changed}).threshold for changed in settings.values()]
    return xr.Dataset(
        {"reference": reference, "threshold": xr.concat(each, dim=xr.Variable("setting", list(settings)))}
    )


def moved_probes(
    network: Network, threshold: xr.DataArray, distances: Sequence[float], around: float, **settings
) -> xr.Dataset:
    """Probe a map again with every point moved a little: how far is a probe the same as its neighbour?

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    threshold : DataArray over (x, y)
        Its probed map [energy/Å²].
    distances : sequence of float
        How far all points are moved, one map for each [Å]; in a direction of 30 degrees against x.
    around : float
        One of the distances. The points are moved as far at 120, 210 and 300 degrees, too.
    **settings
        Parameters of `listi.probe`, such as r_free.

    Returns
    -------
    Dataset
        `moved` over (distance, x, y), the maps of the moved points; `mean` over (x, y), of five maps: the one given and
        the four at `around`.

    Raises
    ------
    ValueError
        If `around` is not one of the distances.
    """
    if around not in distances:
        raise ValueError(f"around: {around} Å is not one of the distances {', '.join(f'{d:g}' for d in distances)}")
    threshold = threshold.transpose("x", "y")
    points = grid_points(network.cell, (threshold.sizes["x"], threshold.sizes["y"]))

    def at(distance: float, degrees: float) -> np.ndarray:
        shift = distance * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        return probe(network, points=points + shift, **settings).threshold.values.reshape(threshold.shape)

    moved = np.array([at(distance, 30.0) for distance in distances])
    four = [moved[list(distances).index(around)], *(at(around, degrees) for degrees in (120.0, 210.0, 300.0))]
    mean = threshold.copy(data=np.mean([threshold.values, *four], axis=0))
    coords = {"distance": ("distance", list(distances), {"units": LENGTH_UNIT}), **threshold.coords}
    return xr.Dataset({"moved": (("distance", "x", "y"), moved, threshold.attrs), "mean": mean}, coords)


def sampled_goodness(
    network: Network,
    event_position: np.ndarray | xr.DataArray,
    n_probes: int,
    seed: int = 0,
    grid: tuple[int, int] = (50, 50),
    shift: tuple[float, float] = (0.0, 0.0),
    **settings,
) -> np.ndarray:
    """Prediction goodness of events (`listi.goodness`) with the distribution of thresholds from a few random probes.

    The threshold at the grid point nearest to each event is compared with those at `n_probes` random points of the
    same grid: unbiased, and much cheaper than the map.

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
    shift : (float, float)
        Of the grid's origin, in spacings.
    **settings
        Parameters of `listi.probe`, such as r_free or tether.

    Returns
    -------
    ndarray, shape (n_events,)
    """
    points = points_to_sample(network, event_position, n_probes, seed, grid, shift)
    return goodness_of_sampled(probe(network, points=points, **settings).threshold.values, len(event_position))


def points_to_sample(
    network: Network,
    event_position: np.ndarray | xr.DataArray,
    n_probes: int,
    seed: int = 0,
    grid: tuple[int, int] = (50, 50),
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Return the grid points nearest to the events and then `n_probes` random ones, shape (n_events + n_probes, 2) [Å].

    Parameters are those of `sampled_goodness`.
    """
    if n_probes < 1:
        raise ValueError(f"n_probes: {n_probes!r} is not a whole number > 0")
    axes = [
        line + s * network.cell[c] / grid[c]
        for c, (line, s) in enumerate(zip(grid_lines(network.cell, grid), shift, strict=True))
    ]
    every = crossings(*axes)
    nearest = nearest_point(every, np.asarray(event_position, dtype=float), network.cell)
    chosen = np.random.default_rng(np.random.SeedSequence(seed)).choice(len(every), min(n_probes, len(every)), False)
    return every[np.concatenate([nearest, chosen])]


def goodness_of_sampled(values: np.ndarray, n_events: int) -> np.ndarray:
    """Goodness of events (n_events,) from values at `points_to_sample`."""
    at_events, others = values[:n_events], values[n_events:]
    return 1.0 - 2.0 * np.mean(others[None] < at_events[:, None], axis=1)


def first_event_goodness(samples: Sequence, variants: Mapping[str, Mapping], n_probes: int, **common) -> xr.DataArray:
    """Sampled goodness of the first event over (variant, sample); a variant is a set of its parameters."""
    rows = [
        [
            float(sampled_goodness(s.network, s.shear.event_position.values[:1], n_probes, seed=k, **common, **v)[0])
            for k, s in enumerate(samples)
        ]
        for v in variants.values()
    ]
    return xr.DataArray(
        rows, dims=("variant", "sample"), coords={"variant": list(variants)}, name="goodness",
        attrs={"units": "1", "long_name": "prediction goodness of the first event"},
    )  # fmt: skip
