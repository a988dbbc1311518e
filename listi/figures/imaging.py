"""Figures of imaged glass: Fig. 10, the network and maps of an image, and imaged glass compared with samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ..imaging.circle import Circle
from ..imaging.mapped import MappedImage
from ..imaging.picture import Imaged
from ..network.network import Network
from . import panels, published
from .plot import draw_image, draw_over_image, draw_part, mark_weakest
from .style import BLUE, GREY, RED, THRESHOLD_LABEL, styled

ENLARGED = 14.0  # half the width of the enlarged part of an image [Å]
MARKERS = ("o", "s", "^", "D")


@styled
def fig10(
    pixels: np.ndarray,
    imaged: Imaged,
    patch: Network,
    threshold: xr.DataArray,
    shear: xr.Dataset,
    goodness: float,
    circle: Circle,
    shown: str,
) -> Figure:
    """Image, network, LISTI's map, first event and its field of a patch of glass, as in Fig. 10.

    Parameters
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
        The image.
    imaged : Imaged
        What was read from it.
    patch : Network
        The patch that was sheared, at its minimum, the Si in the same order.
    threshold : DataArray over (x, y)
        Thresholds in the circle, NaN outside.
    shear : Dataset
        Its deformation, up to the first event at least, with configuration and non-affine field.
    goodness : float
        Of the first event.
    circle : Circle
        Where atoms were free.
    shown : str
        What the image is, in a few words.
    """
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.subplot_mosaic([["a", "b", "c"], ["d", "e", "c"]], width_ratios=[1, 1, 1.6])
    event = shear.isel(event=0)
    middle = _nearest_silicon(patch, circle.centre)
    _image(axes["a"], pixels, imaged)
    _mark_square(axes["a"], imaged.silicon[middle] * imaged.scale)
    _enlarged(axes["b"], pixels, imaged, imaged.silicon[middle] * imaged.scale)
    _patch_map(axes["c"], patch, threshold, event, circle)
    _after_event(axes["d"], patch, event, circle)
    _field(axes["e"], patch, event, circle)
    titles = {
        "a": shown,
        "b": "Si and bonds read from it",
        "c": f"LISTI, goodness {goodness:.2f} (paper {published.IMAGED_FIRST_EVENT:.2f})",
        "d": f"first event, strain {float(event.event_strain):.3f}",
        "e": "its non-affine field, 3 x",
    }
    for name, title in titles.items():
        panels.letter(axes[name], name, title)
    return figure


def _nearest_silicon(patch: Network, point: np.ndarray) -> int:
    silicon = patch.positions[: len(patch.silicon)]
    return int(np.argmin(np.linalg.norm(silicon - point, axis=1)))


def _image(axes: Axes, pixels: np.ndarray, imaged: Imaged) -> None:
    """Draw an image in Å, y upwards, its grey from the 1st to the 99th percentile."""
    low, high = np.percentile(pixels, [1, 99])
    rows, columns = np.array(pixels.shape) * imaged.scale
    axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=(0, columns, 0, rows), interpolation="nearest")
    axes.set(xlabel="x (Å)", ylabel="y (Å)")
    axes.spines[:].set_visible(True)


def _mark_square(axes: Axes, middle: np.ndarray) -> None:
    corners = middle + ENLARGED * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    axes.plot(*corners.T, color="#ffd24d", linewidth=1.2)


def _enlarged(axes: Axes, pixels: np.ndarray, imaged: Imaged, middle: np.ndarray) -> None:
    _image(axes, pixels, imaged)
    places = imaged.silicon * imaged.scale
    axes.add_collection(LineCollection(places[imaged.patch.bonds], colors="#7cc4ff", linewidths=1.0))
    axes.plot(*places.T, "o", color="#ffd24d", markersize=4.0, markeredgewidth=0)
    x, y = middle
    axes.set(xlim=(x - ENLARGED, x + ENLARGED), ylim=(y - ENLARGED, y + ENLARGED))


def _patch_map(axes: Axes, patch: Network, threshold: xr.DataArray, event: xr.Dataset, circle: Circle) -> None:
    mesh = draw_part(axes, threshold)
    panels.draw_bonds(axes, patch.positions, patch.bonds, None, linewidths=0.4, colors="0.35")
    panels.square(axes, patch.cell)
    panels.mark_events(axes, event.event_position.values[None], [1], patch.cell)
    panels.ring_mark(axes, circle.centre, circle.radius)
    _zoom(axes, patch.positions)
    panels.colour_bar(mesh, [axes], THRESHOLD_LABEL, location="bottom")


def _after_event(axes: Axes, patch: Network, event: xr.Dataset, circle: Circle) -> None:
    position, stretch = event.configuration.values, event.event_cell.values / patch.cell
    panels.draw_bonds(axes, position, patch.bonds, None, linewidths=0.4, colors="0.35")
    panels.ring_mark(axes, event.event_position.values * stretch, 0.25 * circle.radius, edgecolor=RED, linewidth=1.5)
    panels.square(axes, patch.cell)
    _zoom(axes, position)


def _field(axes: Axes, patch: Network, event: xr.Dataset, circle: Circle) -> None:
    panels.draw_bonds(axes, patch.positions, patch.bonds, None, linewidths=0.3, colors="0.8")
    panels.draw_field(axes, patch.positions, event.non_affine.values, 3.0)
    panels.square(axes, patch.cell)
    reach = 0.55 * circle.radius
    x, y = event.event_position.values
    axes.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach))


def _zoom(axes: Axes, position: np.ndarray) -> None:
    """Leave the vacuum out of sight."""
    low, high = position.min(axis=0) - 2.0, position.max(axis=0) + 2.0
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


@styled
def overlay(pixels: np.ndarray, imaged: Imaged, patch: Network, maps: Mapping[str, xr.DataArray]) -> Figure:
    """Show an image with the network that was read from it, and maps of its thresholds over the image.

    The five weakest spots by the first map are numbered.

    Parameters
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
    imaged : Imaged
    patch : Network
        The patch at its minimum.
    maps : mapping
        Titles, and thresholds over (x, y).
    """
    mapped = MappedImage(pixels, imaged, patch, dict(maps))
    figure = Figure(figsize=(3.4 * (1 + len(maps)), 3.8), layout="constrained")
    axes = figure.subplots(1, 1 + len(maps), squeeze=False)[0]
    draw_image(axes[0], mapped)
    style = {"colors": "#7cc4ff", "linewidths": 0.5}
    axes[0].add_collection(LineCollection(mapped.silicon[imaged.patch.bonds], **style))
    axes[0].plot(*mapped.silicon.T, "o", color="#ffd24d", markersize=1.2, markeredgewidth=0)
    panels.letter(axes[0], "a", "image, Si and bonds")
    for number, (title, threshold) in enumerate(maps.items(), start=1):
        draw_image(axes[number], mapped)
        mesh = draw_over_image(axes[number], mapped, threshold)
        mark_weakest(axes[number], mapped)
        panels.letter(axes[number], "abcde"[number], title)
        panels.colour_bar(mesh, [axes[number]], THRESHOLD_LABEL, location="bottom")
    return figure


@styled
def structure_beside(compared: xr.Dataset) -> Figure:
    """Ring statistics, sizes of neighbouring rings and Aboav-Weaire parameters of glasses, with standard errors.

    Parameters
    ----------
    compared : Dataset over (glass, size)
        From `listi.imaging.statistics.compare`.
    """
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.7, 1.2, 1])
    occur = compared.size.values[(compared.fraction > 0).any("glass")]
    compared = compared.sel(size=occur)
    looks = list(zip(compared.glass.values, _greys(compared.sizes["glass"]), MARKERS, strict=False))
    width = 0.8 / len(looks)
    for number, (glass, colour, marker) in enumerate(looks):
        glass_data = compared.sel(glass=glass)
        shift = (number - 0.5 * (len(looks) - 1)) * width
        error = glass_data.fraction_error
        left.bar(occur + shift, glass_data.fraction, width, yerr=error, color=colour, label=glass)
        present = glass_data.fraction > 0
        middle.plot(occur[present], glass_data.neighbour_size[present], marker, color=colour, markersize=4)
        right.errorbar(number, glass_data.alpha, glass_data.alpha_error, fmt=marker, color=colour, markersize=4)
    left.set(xlabel="Ring size n (Si atoms)", ylabel="Fraction of rings $p_n$", xticks=occur)
    left.legend()
    middle.set(xlabel="Ring size n (Si atoms)", ylabel="Mean size of its neighbours $m_n$", xticks=occur)
    right.set(ylabel="Aboav-Weaire parameter $\\alpha$", ylim=(0, 0.5), xlim=(-0.6, len(looks) - 0.4), xticks=[])
    for axes, name in zip((left, middle, right), "abc", strict=True):
        panels.letter(axes, name)
    return figure


def _greys(n: int) -> Sequence[str]:
    return ["#12305e", "#c8553d", "#a9c4e4", GREY][:n]


@styled
def first_events(studied: Mapping[str, Sequence], imaged: Sequence[str]) -> Figure:
    """Goodness against the strain of first events, in imaged patches and in those cut from samples.

    Parameters
    ----------
    studied : mapping
        Columns of `listi.imaging.study.study`: patch, reading, event_strain, goodness; a table is one.
    imaged : sequence of str
        Names of the patches that are imaged.
    """
    readings = list(dict.fromkeys(studied["reading"]))
    figure = Figure(figsize=(2.5 * len(readings), 2.7), layout="constrained")
    columns = {name: np.asarray(values) for name, values in studied.items()}
    for letter, reading, axes in zip("abc", readings, figure.subplots(1, len(readings), sharey=True), strict=False):
        in_panel = columns["reading"] == reading
        of_samples = in_panel & ~np.isin(columns["patch"], imaged)
        style = {"linestyle": "", "markersize": 4}
        axes.plot(*_strain_goodness(columns, of_samples), "o", color=GREY, label="cut from samples", **style)
        for name, colour, marker in zip(imaged, (RED, BLUE), "s^", strict=False):
            of_patch = in_panel & (columns["patch"] == name)
            axes.plot(*_strain_goodness(columns, of_patch), marker, color=colour, label=f"imaged: {name}", **style)
        axes.axhline(0.0, color="0.7", linewidth=0.8, linestyle=":")
        axes.set(xlabel="Strain of the first event (%)", xlim=(0, None), ylim=(-1.05, 1.05))
        panels.letter(axes, letter, reading)
    figure.axes[0].set_ylabel("Goodness of the probed map")
    figure.axes[0].legend(loc="lower left")
    return figure


def _strain_goodness(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 100.0 * columns["event_strain"][rows].astype(float), columns["goodness"][rows].astype(float)


@styled
def noise(found: Mapping[str, xr.Dataset]) -> Figure:
    """Share of atoms and bonds that are read rightly from images, and correlation of their maps, against the dose.

    Parameters
    ----------
    found : mapping
        Names of patches, and what `listi.imaging.accuracy.against_noise` returned for each.
    """
    figure = Figure(figsize=(3.3 * len(found), 2.7), layout="constrained")
    lines = {
        "atoms": ("atoms within 0.3 Å", BLUE, "o-"),
        "bonds": ("bonds", "black", "s--"),
        "correlation": ("correlation of the maps", RED, "^:"),
    }
    every_axes = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for letter, axes, (title, accuracy) in zip("abcd", every_axes, found.items(), strict=False):
        for name, (label, colour, style) in lines.items():
            axes.plot(accuracy.dose, accuracy[name], style, color=colour, markersize=4, label=label)
        axes.set(xscale="log", xlabel="Dose (counts/Å$^2$)", ylim=(0, 1.04))
        panels.letter(axes, letter, title)
    every_axes[0].set_ylabel("Share read rightly, correlation (1)")
    every_axes[-1].legend(loc="lower right")
    return figure
