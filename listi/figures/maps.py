"""Two maps of one sample: by probing and by LISTI (Fig. 9), of the weakest direction and along the load."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..analysis.comparison import correlation
from ..network.network import Network
from . import panels
from .style import look, styled


@styled
def fig9(network: Network, shear: xr.Dataset, probed: xr.DataArray, predicted: xr.DataArray, model: str) -> Figure:
    """Threshold maps of one sample by probing and by a network, as in Fig. 9.

    Each is normalised from its least value (0) to its largest (1).

    Parameters
    ----------
    network, shear
        The sample, and its deformation: the first six events are marked.
    probed, predicted : DataArray over (x, y)
        Thresholds on the same grid.
    model : str
        Name of the network.
    """
    figure = Figure(figsize=(6.8, 3.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    first = shear.isel(event=slice(6))
    for panel, threshold in zip(axes, (probed, predicted), strict=True):
        mesh = panels.draw_map(panel, _normalised(threshold), network.cell, scale=1.0, vmin=0, vmax=1)
        panels.mark_events(panel, first.event_position.values, first.event.values, network.cell)
    panels.letter(axes[0], "a", "mechanical probing")
    r = correlation(probed, predicted)
    panels.letter(axes[1], "b", f"LISTI with the {look(model)['label']}, r = {r:.2f}")
    axes[1].set_ylabel("")
    panels.colour_bar(mesh, list(axes), "normalised threshold (1)")
    return figure


@styled
def yield_stress(
    local: xr.Dataset, shear: xr.Dataset, cell: np.ndarray, length: str = "Å", energy: str = "reduced energy"
) -> Figure:
    """Stress-strain curve; map of the local yield stress beside that of the threshold along the load, events marked.

    Parameters
    ----------
    local : Dataset
        From `listi.yield_stress`, over (x, y), angle 0 among its angles.
    shear : Dataset
        Deformation of the sample.
    cell : ndarray, shape (2,)
        Edge lengths [`length`].
    length, energy : str
        The sample's units.
    """
    unit = f"({energy}/{length}$^2$)"
    along = local.threshold.sel(angle=0.0)
    figure = Figure(figsize=(7.4, 2.6), layout="constrained")
    curve, *maps = figure.subplots(1, 3)
    panels.draw_curve(curve, shear, scale=1.0)
    curve.set(xlabel="Strain $\\gamma$", ylabel=f"Shear stress $\\tau$ {unit}")
    low, high = np.nanpercentile(np.stack([local.yield_stress, along]), panels.PERCENTILES)
    for axes, threshold in zip(maps, (local.yield_stress, along), strict=True):
        mesh = panels.draw_map(axes, threshold, cell, 1.0, length, vmin=low, vmax=high)
        panels.mark_events(axes, shear.event_position.values, shear.event.values, cell)
    panels.colour_bar(mesh, maps, f"Stress threshold {unit}")
    for axes, name, title in zip(
        (curve, *maps), "abc", ("remote shear", "weakest direction", "along the load"), strict=True
    ):
        panels.letter(axes, name, title)
    return figure


def _normalised(threshold: xr.DataArray) -> xr.DataArray:
    return (threshold - threshold.min()) / (threshold.max() - threshold.min())
