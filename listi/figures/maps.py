"""Figures that put maps to use: probing beside LISTI (Fig. 9), a patch as imaged (Fig. 10)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..network.network import Network
from . import panels, published
from .style import BLUE, RED, THRESHOLD_LABEL, look, styled


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
    r = float(xr.corr(probed, predicted))
    panels.letter(axes[1], "b", f"LISTI with the {look(model)['label']}, r = {r:.2f}")
    axes[1].set_ylabel("")
    panels.colour_bar(mesh, list(axes), "normalised threshold (1)")
    return figure


def _normalised(threshold: xr.DataArray) -> xr.DataArray:
    return (threshold - threshold.min()) / (threshold.max() - threshold.min())


@styled
def fig10(
    source: Network,
    patch: Network,
    threshold: xr.DataArray,
    shear: xr.Dataset,
    goodness: float,
    centre: np.ndarray,
    radius: float,
) -> Figure:
    """A patch with free edges, as in Fig. 10: its atoms, LISTI's map, its first event and field.

    Parameters
    ----------
    source : Network
        The sample that the patch was cut from, from the middle of its cell.
    patch : Network
        The patch in its padded cell.
    threshold : DataArray over (x, y)
        Predicted thresholds over the patch's cell, NaN outside the circle.
    shear : Dataset
        Its deformation, up to the first event at least, with configuration and non-affine field.
    goodness : float
        Of the first event.
    centre, radius : ndarray of shape (2,), float
        The circle within which atoms were free [Å].
    """
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    axes = figure.subplot_mosaic([["a", "b", "c"], ["d", "e", "c"]], width_ratios=[1, 1, 1.6])
    event = shear.isel(event=0)
    _source(axes["a"], source, np.ptp(patch.positions, axis=0))
    _enlarged(axes["b"], patch, centre, radius)
    _patch_map(axes["c"], patch, threshold, event, centre, radius)
    _after_event(axes["d"], patch, event, centre, radius)
    _field(axes["e"], patch, event, centre, radius)
    titles = {
        "a": "sample and patch",
        "b": "its Si (full) and O (open)",
        "c": f"LISTI, goodness {goodness:.2f} (paper {published.IMAGED_FIRST_EVENT:.2f})",
        "d": f"first event, strain {float(event.event_strain):.4f}",
        "e": "its non-affine field, 3 x",
    }
    for name, title in titles.items():
        panels.letter(axes[name], name, title)
    return figure


def _source(axes: Axes, source: Network, extent: np.ndarray) -> None:
    panels.draw_bonds(axes, source.positions, source.bonds, source.cell)
    corner = (source.cell - extent) / 2
    axes.add_patch(Rectangle(tuple(corner), *extent, fill=False, edgecolor="#3d9a6b", linewidth=1.8))
    panels.square(axes, source.cell)


def _enlarged(axes: Axes, patch: Network, centre: np.ndarray, radius: float) -> None:
    _, position, bonds = panels.around(patch, centre, 0.4 * radius)
    number, _, _ = panels.around(patch, centre, 0.4 * radius)
    silicon = patch.species[number] == 0
    panels.draw_bonds(axes, position, bonds, None, linewidths=0.8)
    axes.plot(*position[silicon].T, "o", color=BLUE, markersize=3.5)
    axes.plot(*position[~silicon].T, "o", mfc="white", mec=RED, markersize=2.2)
    reach = 0.45 * radius
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set(xlabel="x (Å)", ylabel="y (Å)")


def _patch_map(
    axes: Axes,
    patch: Network,
    threshold: xr.DataArray,
    event: xr.Dataset,
    centre: np.ndarray,
    radius: float,
) -> None:
    mesh = panels.draw_map(axes, threshold, patch.cell)
    panels.draw_bonds(axes, patch.positions, patch.bonds, None, linewidths=0.4, colors="0.35")
    panels.mark_events(axes, event.event_position.values[None], [1], patch.cell)
    panels.ring_mark(axes, centre, radius)
    _zoom(axes, patch.positions)
    panels.colour_bar(mesh, [axes], THRESHOLD_LABEL, location="bottom")


def _after_event(axes: Axes, patch: Network, event: xr.Dataset, centre: np.ndarray, radius: float) -> None:
    position, stretch = event.configuration.values, event.event_cell.values / patch.cell
    panels.draw_bonds(axes, position, patch.bonds, None, linewidths=0.4, colors="0.35")
    panels.ring_mark(axes, event.event_position.values * stretch, 0.2 * radius, edgecolor=RED, linewidth=1.5)
    panels.square(axes, patch.cell)
    _zoom(axes, position)


def _field(axes: Axes, patch: Network, event: xr.Dataset, centre: np.ndarray, radius: float) -> None:
    panels.draw_bonds(axes, patch.positions, patch.bonds, None, linewidths=0.3, colors="0.8")
    panels.draw_field(axes, patch.positions, event.non_affine.values, 3.0)
    panels.ring_mark(axes, centre, radius, linestyle="--")
    panels.square(axes, patch.cell)
    _zoom(axes, patch.positions)


def _zoom(axes: Axes, position: np.ndarray) -> None:
    """Leave the vacuum out of sight."""
    low, high = position.min(axis=0) - 2.0, position.max(axis=0) + 2.0
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
