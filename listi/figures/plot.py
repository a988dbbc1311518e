"""A glass, a map of it and its events in one picture."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from ..analysis.sample import Sample
from ..imaging.circle import SPACING
from ..imaging.mapped import MappedImage
from ..imaging.picture import Imaged
from ..network.geometry import grid_product, wrap
from ..network.network import Network
from ..network.units import STRESS_UNIT
from . import panels
from .style import STRESS_SCALE, THRESHOLD_LABEL, THRESHOLD_MAP, styled

KINDS = "a Network, a Sample, or what listi.imaging reads from an image"


@styled
def plot(
    network: Network | Sample | MappedImage | Imaged,
    map: xr.Dataset | xr.DataArray | None = None,
    events: xr.Dataset | np.ndarray | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a glass over a map of it, with its events, in the paper's colours and with equal axes.

    Maps are over (x, y). For xarray's own picture of one, ``probed.threshold.plot(x="x")`` puts x on the horizontal
    axis.

    Parameters
    ----------
    network : Network, Sample, or result of an image
        Of a `Sample`, its own map (probed, or else predicted) and events are drawn where none are named. Over an image
        (`listi.imaging.mapped.map_image`), its first map is drawn half transparent, with its five weakest spots.
    map : Dataset or DataArray, optional
        What `listi.probe` or `listi.predict` returned, or another map over (x, y) or point.
    events : Dataset or array, shape (n, 2), optional
        What `listi.deform` returned, or positions [Å]; they are numbered in their order. Of what `listi.rupture`
        returned, the crack is drawn as a line, and the first three events.
    axes : matplotlib Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib Axes
        Of a pyplot figure: a notebook shows it.

    Raises
    ------
    ValueError
        If an argument is of another kind, or a map has no finite value.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> probed = listi.probe(glass, grid=(8, 8))
    >>> axes = listi.plot(glass, probed, listi.deform(glass, n_events=2))
    >>> axes.figure.savefig("glass.png")
    """
    values = None if map is None else map_of(map)
    if isinstance(network, MappedImage):
        return _over_image(_new(axes), network, values)
    sample = sample_of(network)
    if values is None:
        values = _own_map(sample)
    positions = _positions(sample.shear if events is None else events)
    axes, network = _new(axes), sample.network
    if values is not None:
        _draw_map(axes, values, network.cell)
    if len(network.bonds):
        style = {"linewidths": 0.7, "colors": "0.3"} if values is None else {"linewidths": 0.3, "colors": "0.25"}
        panels.draw_bonds(axes, network.positions, network.bonds, network.cell, **style)
    else:
        axes.plot(*wrap(network.positions, network.cell).T, ".", color="0.3", markersize=2)
    panels.square(axes, network.cell)
    if isinstance(events, xr.Dataset) and "crack_position" in events:
        _draw_crack(axes, events.crack_position.values, network.cell)
        positions = positions[:3]
    panels.mark_events(axes, positions, np.arange(1, len(positions) + 1), network.cell)
    return axes


def _draw_crack(axes: Axes, middles: np.ndarray, cell: np.ndarray) -> None:
    """Join the middles (n, 2) of the bonds of a crack by a line, where it does not leave the cell."""
    line = np.vstack([middles, middles[:1]]) / cell
    leaves = np.flatnonzero(np.any(np.abs(np.diff(line, axis=0)) > 0.5, axis=1))
    axes.plot(*(np.insert(line, leaves + 1, np.nan, axis=0) * cell).T, "o-", color="black", lw=1.5, markersize=2)


def sample_of(network: Network | Sample | Imaged) -> Sample:
    """Return a Sample that holds the network.

    Raises
    ------
    ValueError
        If it is of another kind.
    """
    if isinstance(network, Sample):
        return network
    if isinstance(network, Imaged):
        return Sample(network.patch)
    if not isinstance(network, Network):
        raise ValueError(f"network: {type(network).__name__} is not {KINDS}")
    return Sample(network)


def map_of(map: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return a map over (x, y) or point: the thresholds of a dataset, or the map itself.

    Raises
    ------
    ValueError
        If it is of another kind or over something else.
    """
    if isinstance(map, xr.Dataset):
        if "threshold" not in map:
            raise ValueError(f"map: the dataset has no threshold, only {', '.join(map_names(map)) or 'nothing'}")
        map = map.threshold
    if not isinstance(map, xr.DataArray):
        raise ValueError(f"map: {type(map).__name__} is not a Dataset of listi.probe or listi.predict, or a DataArray")
    if set(map.dims) not in ({"x", "y"}, {"point"}) or not {"x", "y"} <= set(map.coords):
        raise ValueError(f"map: over {map.dims}, not over (x, y) or over point, with coordinates x and y")
    if not np.isfinite(map.values).any():
        raise ValueError("map: has no finite value")
    return map


def map_names(dataset: xr.Dataset) -> list[str]:
    """Return the names of the variables of a dataset."""
    return [str(name) for name in dataset.data_vars]


def _own_map(sample: Sample) -> xr.DataArray | None:
    if sample.probing is not None:
        return map_of(sample.probing)
    if sample.predictions is not None:
        for values in sample.predictions.data_vars.values():
            if set(values.dims) == {"x", "y"}:
                return map_of(values)
    return None


def _positions(events: xr.Dataset | np.ndarray | None) -> np.ndarray:
    """Return the positions (n, 2) of events [Å]."""
    if events is None:
        return np.empty((0, 2))
    if isinstance(events, xr.Dataset):
        if "event_position" not in events:
            raise ValueError(f"events: the dataset has no event_position, only {', '.join(map_names(events))}")
        events = events.event_position
    try:
        positions = np.asarray(events, dtype=float)
    except (TypeError, ValueError):
        positions = np.empty(0)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(f"events: {type(events).__name__} is not a Dataset of listi.deform, or positions (n, 2)")
    return positions


def _new(axes: Axes | None) -> Axes:
    if axes is not None:
        return axes
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(4.8, 4.0), layout="constrained")[1]


def _draw_map(axes: Axes, values: xr.DataArray, cell: np.ndarray) -> None:
    scale, label = _unit(values)
    if values.dims == ("point",):
        low, high = np.nanpercentile(values * scale, panels.PERCENTILES)
        style = {"c": values * scale, "cmap": THRESHOLD_MAP, "vmin": low, "vmax": high, "s": 20, "zorder": 2}
        mesh = axes.scatter(values.x % cell[0], values.y % cell[1], edgecolor="black", linewidth=0.3, **style)
    elif covers(values, cell):
        mesh = panels.draw_map(axes, values, cell, scale)
    else:
        mesh = draw_part(axes, values, scale)
    _colour_bar(axes, mesh, label)


def covers(values: xr.DataArray, cell: np.ndarray) -> bool:
    """Whether a map is on a grid that goes once around the periodic cell."""
    if set(values.dims) != {"x", "y"}:
        return False
    counts = np.array([values.sizes["x"], values.sizes["y"]])
    spans = np.array([np.ptp(values[name].values) for name in "xy"])
    return np.allclose(spans + cell / counts, cell)


def draw_part(axes: Axes, values: xr.DataArray, scale: float = STRESS_SCALE) -> ScalarMappable:
    """Draw a map over (x, y) of a part of the plane, one square of colour a point."""
    values = values.transpose("y", "x") * scale
    low, high = np.nanpercentile(values, panels.PERCENTILES)
    style = {"cmap": THRESHOLD_MAP, "vmin": low, "vmax": high, "shading": "nearest", "rasterized": True}
    return axes.pcolormesh(values.x, values.y, values, **style)


def _unit(values: xr.DataArray) -> tuple[float, str]:
    """Return the factor and the label with which a map is drawn."""
    units = values.attrs.get("units", "1")
    if units == STRESS_UNIT and "threshold" in str(values.attrs.get("long_name", "threshold")):
        return STRESS_SCALE, THRESHOLD_LABEL
    return 1.0, f"{values.attrs.get('long_name', values.name or 'map')}\n({units})"


def _colour_bar(axes: Axes, mesh: ScalarMappable, label: str) -> None:
    if label == THRESHOLD_LABEL:
        panels.colour_bar(mesh, [axes], label)
    else:
        axes.figure.colorbar(mesh, ax=axes, shrink=0.85, label=label)


def _over_image(axes: Axes, mapped: MappedImage, values: xr.DataArray | None) -> Axes:
    draw_image(axes, mapped)
    mesh = draw_over_image(axes, mapped, next(iter(mapped.maps.values())) if values is None else values)
    panels.colour_bar(mesh, [axes], THRESHOLD_LABEL)
    mark_weakest(axes, mapped)
    return axes


def draw_image(axes: Axes, mapped: MappedImage) -> None:
    """Draw an image in its pixels, its grey from the 1st to the 99th percentile."""
    rows, columns = mapped.pixels.shape
    low, high = np.percentile(mapped.pixels, [1, 99])
    axes.imshow(mapped.pixels, cmap="gray", vmin=low, vmax=high, extent=(0, columns, rows, 0), interpolation="nearest")
    axes.set(xlabel="column (pixel)", ylabel="row (pixel)")
    axes.spines[:].set_visible(True)


def draw_over_image(axes: Axes, mapped: MappedImage, values: xr.DataArray) -> ScalarMappable:
    """Draw thresholds over (x, y) of the patch half transparent over its image."""
    values = values.transpose("x", "y") * STRESS_SCALE
    low, high = np.nanpercentile(values, panels.PERCENTILES)
    corners = [_between(values[name].values) for name in "xy"]
    columns, rows = mapped.in_pixels(grid_product(*corners)).T.reshape(2, len(corners[0]), len(corners[1]))
    style = {"cmap": THRESHOLD_MAP, "vmin": low, "vmax": high, "alpha": 0.5, "linewidth": 0, "rasterized": True}
    return axes.pcolormesh(columns, rows, values, **style)


def _between(grid: np.ndarray) -> np.ndarray:
    """Return the borders of the squares around grid lines."""
    half = 0.5 * (grid[1] - grid[0] if len(grid) > 1 else SPACING)
    return np.concatenate([[grid[0] - half], 0.5 * (grid[1:] + grid[:-1]), [grid[-1] + half]])


def mark_weakest(axes: Axes, mapped: MappedImage) -> None:
    """Number the weakest spots of the first map in the image."""
    spots = mapped.weakest()
    panels.mark_events(axes, spots.pixel.values, spots.spot.values, np.array(mapped.pixels.shape[::-1]))
