"""Figures of the samples: the glass and its rings, ring statistics, stress-strain curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.collections import PolyCollection
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from ..network.geometry import minimum_image
from ..network.network import Network
from ..network.rings import rings as rings_of
from . import panels
from .style import BLUE, STRESS_LABEL, STRESS_SCALE, styled


@styled
def glass(network: Network) -> Figure:
    """Draw a sample: its rings coloured by their size."""
    figure = Figure(figsize=(4.2, 3.9), layout="constrained")
    axes = figure.subplots()
    faces = rings_of(network)
    corners = [corners for face in faces for corners in _inside_cell(network, face)]
    sizes = np.array([len(ring) for ring in corners])
    norm = BoundaryNorm(np.arange(sizes.min() - 0.5, sizes.max() + 1), 256)
    style = {"cmap": "cividis", "norm": norm, "edgecolor": "white", "linewidth": 0.6}
    rings = PolyCollection(corners, array=sizes, **style)
    axes.add_collection(rings)
    bar = figure.colorbar(rings, ax=axes, shrink=0.85, label="Ring size n (Si atoms)")
    bar.set_ticks(np.unique(sizes))
    panels.square(axes, network.cell)
    return figure


def _shifts(cell: np.ndarray) -> np.ndarray:
    """Displacements from a periodic cell to itself and its eight neighbours."""
    return np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) * cell


def _inside_cell(network: Network, face: np.ndarray) -> list[np.ndarray]:
    """Corners of a ring and of those of its periodic images of which a part lies in the cell."""
    first = network.positions[face[0]]
    corners = np.mod(first, network.cell) + minimum_image(network.positions[face] - first, network.cell)
    images = [corners + shift for shift in _shifts(network.cell)]
    return [image for image in images if np.all(image.max(axis=0) > 0) and np.all(image.min(axis=0) < network.cell)]


@styled
def curves(sheared: Sequence[xr.Dataset]) -> Figure:
    """Draw stress-strain curves of all samples, with the events of the first.

    Parameters
    ----------
    sheared : sequence of Dataset
        Remote deformation of every sample; the first is drawn in front.
    """
    figure = Figure(figsize=(4.8, 3.0), layout="constrained")
    axes = figure.subplots()
    for number, shear in enumerate(sheared[1:]):
        label = "other samples" if number == 0 else None
        axes.plot(shear.strain, shear.stress * STRESS_SCALE, color="0.75", lw=0.8, label=label)
    first = sheared[0]
    panels.draw_curve(axes, first)
    axes.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL)
    axes.legend()
    return figure


@styled
def rings(
    fractions: Sequence[Mapping[int, float]],
    target: Mapping[int, float],
    alphas: Sequence[float],
    target_alpha: float,
) -> Figure:
    """Draw ring statistics and Aboav-Weaire parameter of the samples, with their targets.

    Parameters
    ----------
    fractions : sequence of mappings n -> p_n
        One per sample, from `network.rings.ring_statistics`.
    target : mapping n -> p_n
    alphas : sequence of float
        Aboav-Weaire parameter of every sample.
    target_alpha : float
    """
    sizes = np.array(sorted(set(target).union(*fractions)))
    shares = np.array([[sample.get(n, 0.0) for n in sizes] for sample in fractions])
    figure = Figure(figsize=(6.0, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
    left.bar(sizes - 0.2, shares.mean(axis=0), 0.38, color=BLUE, label=f"mean of {len(shares)} samples")
    spread = np.abs(np.array([shares.min(axis=0), shares.max(axis=0)]) - shares.mean(axis=0))
    left.errorbar(sizes - 0.2, shares.mean(axis=0), spread, fmt="none", color="black", lw=0.8, capsize=2)
    left.bar(
        sizes + 0.2,
        [target.get(n, 0.0) for n in sizes],
        0.38,
        color="0.8",
        hatch="///",
        label="target",
    )
    left.set(xlabel="Ring size n (Si atoms)", ylabel="Fraction of rings $p_n$", xticks=sizes)
    left.legend()
    right.plot(np.arange(len(alphas)), alphas, "o", color=BLUE, markersize=4, label="samples")
    right.axhline(target_alpha, color="black", linestyle="--", lw=1, label="target")
    right.set(
        xlabel="Sample",
        ylabel="Aboav-Weaire parameter $\\alpha$",
        ylim=(0, max(0.6, 1.2 * max(alphas))),
    )
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend()
    panels.letter(left, "a")
    panels.letter(right, "b")
    return figure
