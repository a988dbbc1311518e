"""How well a threshold map predicts where a glass breaks: Eq. 1 of the paper and its statistics."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..network.geometry import as_array, grid_product, nearest_point
from .ensemble import bootstrap

EVENTS = 6  # that the paper's figures show


def goodness(
    threshold_map: xr.DataArray,
    event_position: xr.DataArray | np.ndarray,
    cell: np.ndarray | None = None,
) -> xr.DataArray:
    """Prediction goodness C(n) = 1 - 2 F(threshold where event n happened), Eq. 1 of the paper.

    F is the fraction of the map's values that are strictly lower than the value at the grid point
    nearest to the event, periodic borders included: 1 where the event sits on the softest point of
    the map, about 0 for a map that is not related to the events, towards -1 on the hardest. A constant map has 0.
    Where two grid points are equally near, the first in the order of the map counts.

    Parameters
    ----------
    threshold_map : DataArray over (x, y), or over point with coordinates x(point) and y(point)
        Local stress thresholds, measured or predicted; only their order matters. Coordinates in Å. Points without a
        value (NaN: a probe without free atoms, or that met no instability) are left out, as if they were not in
        the map: an event belongs to the nearest point that has a value.
    event_position : array, shape (n_events, 2)
        Where the events happened, in the undeformed cell [Å].
    cell : array, shape (2,), optional
        Edge lengths of the periodic cell [Å]. By default the map's regular grid is taken to fill
        the cell.

    Returns
    -------
    DataArray over event (1, 2, ...), in [-1, 1].

    Raises
    ------
    ValueError
        If the map has other dimensions, has no value or an infinite one, if its grid does not tell the cell, or if a
        position is not finite.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=2)
    >>> probed = listi.probe(glass, grid=(10, 10))
    >>> listi.goodness(probed.threshold, shear.event_position, glass.cell).values.round(2)
    array([0.86, 0.9 ])
    """
    points, values = _points_and_values(threshold_map)
    events = _checked_events(event_position)
    cell = _cell_of_grid(threshold_map) if cell is None else _checked_cell(cell)
    nearest = nearest_point(points, events, cell)
    lower = np.searchsorted(np.sort(values), values[nearest], side="left")
    score = 1.0 - 2.0 * lower / len(values) if np.ptp(values) > 0.0 else np.zeros(len(events))
    number = getattr(event_position, "coords", {}).get("event", np.arange(1, len(events) + 1))
    return xr.DataArray(
        score,
        dims="event",
        coords={"event": np.asarray(number)},
        name="goodness",
        attrs={"units": "1", "long_name": "prediction goodness"},
    )


def statistics(
    goodness: xr.DataArray, n_bootstrap: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Statistics of the goodness over samples, event by event: the box plots of Figs. 3, 7, 8.

    Parameters
    ----------
    goodness : DataArray over (sample, event)
        NaN where a sample had fewer events; such entries are left out.
    n_bootstrap : int
        Number of resamplings of the samples, with replacement, for the interval of the mean.
    confidence : float
        Probability the interval covers, between 0 and 1.
    seed : int
        Of the resampling: the same seed gives the same interval.

    Returns
    -------
    Dataset over event
        mean, mean_low, mean_high, minimum, quartile_1, median, quartile_3, maximum, n_samples.

    Raises
    ------
    ValueError
        If the dimensions are others, an event has no sample, or a setting is out of range.
    """
    if set(goodness.dims) != {"sample", "event"}:
        raise ValueError(f"goodness: dimensions {goodness.dims} are not (sample, event)")
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: {n_bootstrap} is not a whole number > 0")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: {confidence} is not between 0 and 1")
    values = goodness.transpose("sample", "event").values
    empty = np.flatnonzero(np.isnan(values).all(axis=0))
    if empty.size:
        raise ValueError(f"goodness: event {goodness.event.values[empty[0]]} has no value in any sample")
    rows = [_of_one_event(column[~np.isnan(column)], n_bootstrap, confidence, seed) for column in values.T]
    attrs = {name: {"units": "1", "long_name": name.replace("_", " ") + " of the goodness"} for name in rows[0]}
    attrs["n_samples"]["long_name"] = "number of samples with this event"
    return xr.Dataset(
        {name: ("event", np.array([row[name] for row in rows]), attrs[name]) for name in rows[0]},
        coords={"event": goodness.event.values},
        attrs={"n_bootstrap": n_bootstrap, "confidence": confidence, "seed": seed},
    )


def _of_one_event(values: np.ndarray, n_bootstrap: int, confidence: float, seed: int) -> dict[str, float]:
    low, q1, median, q3, high = np.percentile(values, [0, 25, 50, 75, 100])
    mean, mean_low, mean_high = bootstrap(values, n_bootstrap, confidence, seed)
    return {
        "mean": mean,
        "mean_low": mean_low,
        "mean_high": mean_high,
        "minimum": low,
        "quartile_1": q1,
        "median": median,
        "quartile_3": q3,
        "maximum": high,
        "n_samples": len(values),
    }


def _points_and_values(threshold_map: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 2) and values (n,) of a map, whichever of the two shapes it has."""
    if not isinstance(threshold_map, xr.DataArray):
        raise ValueError(f"threshold_map: {type(threshold_map).__name__} is not a DataArray over (x, y) or point")
    if set(threshold_map.dims) == {"x", "y"}:
        threshold_map = threshold_map.transpose("x", "y")
        points = grid_product(threshold_map.x.values, threshold_map.y.values)
    elif threshold_map.dims == ("point",) and {"x", "y"} <= set(threshold_map.coords):
        points = np.column_stack([threshold_map.x.values, threshold_map.y.values])
    else:
        raise ValueError(
            f"threshold_map: dimensions {threshold_map.dims} are not (x, y) or point with coordinates x and y"
        )
    values = np.asarray(threshold_map.values, dtype=float).ravel()
    n_infinite = np.count_nonzero(np.isinf(values))
    if n_infinite:
        raise ValueError(f"threshold_map: {n_infinite} of {values.size} values are infinite; none may be")
    there = ~np.isnan(values)
    if not there.any():
        raise ValueError(f"threshold_map: shape {threshold_map.shape} has no values")
    return points[there], values[there]


def first_events(over_events: xr.Dataset) -> xr.Dataset:
    """Leave out what came after the sixth event: samples that broke early were sheared on to 4 %."""
    return over_events.sel(event=slice(None, EVENTS))


def _checked_events(event_position: xr.DataArray | np.ndarray) -> np.ndarray:
    if isinstance(event_position, xr.DataArray) and set(event_position.dims) == {"event", "xy"}:
        event_position = event_position.transpose("event", "xy")
    events = as_array("event_position", event_position)
    if events.ndim != 2 or events.shape[1] != 2:
        raise ValueError(f"event_position: shape {events.shape} is not (n_events, 2)")
    bad = np.flatnonzero(~np.isfinite(events).all(axis=1))
    if bad.size:
        raise ValueError(f"event_position: event {bad[0] + 1} is at {events[bad[0]].tolist()}; all must be finite")
    return events


def _checked_cell(cell: np.ndarray) -> np.ndarray:
    edges = as_array("cell", cell)
    if edges.shape != (2,) or not np.all(np.isfinite(edges)) or np.any(edges <= 0):
        raise ValueError(f"cell: {edges.tolist()} is not two finite edge lengths > 0 Å")
    return edges


def _cell_of_grid(threshold_map: xr.DataArray) -> np.ndarray:
    """Edge lengths of the cell that a regular grid fills: number of points times spacing."""
    edges = []
    for name in ("x", "y"):
        grid = threshold_map[name].values
        steps = np.diff(grid)
        if threshold_map.dims == ("point",) or len(steps) == 0 or not np.allclose(steps, steps[0]) or steps[0] <= 0:
            raise ValueError(f"cell: must be given, since {name} of the threshold map is not a regular grid")
        edges.append(len(grid) * steps[0])
    return np.array(edges)
