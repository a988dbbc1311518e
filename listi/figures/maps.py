"""Fig. 9: the maps of one sample by probing and by LISTI."""

from __future__ import annotations

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


def _normalised(threshold: xr.DataArray) -> xr.DataArray:
    return (threshold - threshold.min()) / (threshold.max() - threshold.min())
