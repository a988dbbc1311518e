"""Pieces that several figures share: networks, maps, marks of events, cut-outs."""

from __future__ import annotations

import matplotlib.patheffects as effects
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.patches import Circle

from ..network.geometry import minimum_image
from ..network.network import Network
from .style import BLUE, GREY, RED, STRESS_SCALE, THRESHOLD_MAP

PERCENTILES = (2, 98)  # of the values, between which the colours of a map run
BROKEN = 4.2  # a Si-Si bond longer than this [Å] is broken and not drawn; 3.05 Å is normal


def letter(axes: Axes, name: str, title: str = "") -> None:
    """Put the panel's letter, bold, and its title over the axes."""
    axes.set_title(f"$\\bf{{{name}}}$  {title}")


def square(axes: Axes, cell: np.ndarray) -> None:
    """Frame axes as a cell, equal scales."""
    axes.set(xlim=(0, cell[0]), ylim=(0, cell[1]), aspect="equal", xlabel="x (Å)", ylabel="y (Å)")
    axes.spines[:].set_visible(True)


def draw_bonds(axes: Axes, positions: np.ndarray, bonds: np.ndarray, cell: np.ndarray | None, **style) -> None:
    """Draw Si-Si bonds as lines, leaving out those that cross the border or are broken.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Wrapped into the cell where there is one [Å].
    bonds : ndarray, shape (n_bonds, 2)
    cell : ndarray, shape (2,), or None where nothing is periodic
    """
    if cell is not None:
        positions = np.mod(positions, cell)
    ends = positions[bonds]
    whole = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) < BROKEN
    style = {"colors": GREY, "linewidths": 0.4} | style
    axes.add_collection(LineCollection(ends[whole], **style))


def draw_curve(axes: Axes, shear: xr.Dataset, scale: float = STRESS_SCALE) -> None:
    """Draw the stress-strain curve of one sample and mark its events; the stress is multiplied by `scale`."""
    axes.plot(shear.strain, shear.stress * scale, color=BLUE, label="one sample")
    after = shear.stress.sel(strain=shear.event_strain, method="nearest") * scale
    axes.plot(shear.event_strain, after, "v", color=RED, markersize=5, label="its events")


def draw_map(axes: Axes, threshold: xr.DataArray, cell: np.ndarray, scale: float = STRESS_SCALE, **style) -> QuadMesh:
    """Draw a threshold map over the whole periodic cell, one patch of colour per probe.

    Unless limits are given, colours run from the 2nd to the 98th percentile of the values: from the least to the
    largest, a few hard spots would leave everything else red.

    Parameters
    ----------
    threshold : DataArray over (x, y)
        Points that are NaN stay white.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    scale : float
        What the values are multiplied by.
    """
    threshold = threshold.transpose("x", "y")
    x, y = (_once_around(threshold[name].values, edge) for name, edge in zip("xy", cell, strict=True))
    values = np.pad(threshold.values, ((0, 1), (0, 1)), mode="wrap") * scale
    if "vmin" not in style:
        style["vmin"], style["vmax"] = np.nanpercentile(threshold.values * scale, PERCENTILES)
    mesh = axes.pcolormesh(x, y, values.T, cmap=THRESHOLD_MAP, shading="nearest", rasterized=True, **style)
    square(axes, cell)
    return mesh


def _once_around(grid: np.ndarray, edge: float) -> np.ndarray:
    """The grid with its first point again at the far border, so that colour fills the cell."""
    return np.append(grid, grid[0] + edge)


def mark_events(axes: Axes, position: np.ndarray, numbers: np.ndarray, cell: np.ndarray) -> None:
    """Mark events by white dots with their sequence numbers, (n, 2) in Å."""
    position = np.mod(np.asarray(position), cell)
    look = {"color": "white", "markeredgecolor": "black", "markersize": 5, "markeredgewidth": 0.8}
    axes.plot(*position.T, "o", clip_on=False, **look)
    outline = [effects.withStroke(linewidth=1.6, foreground="black")]
    for (x, y), number in zip(position, numbers, strict=True):
        left, below = x > 0.93 * cell[0], y > 0.95 * cell[1]
        axes.annotate(
            str(int(number)),
            (x, y),
            xytext=(-4 if left else 4, -3 if below else 3),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top" if below else "baseline",
            color="white",
            fontweight="bold",
            path_effects=outline,
        )


def colour_bar(mesh: QuadMesh, axes: list[Axes], label: str, location: str = "right") -> None:
    """Add a colour bar whose ends say where the glass is soft and where hard; pointed where values lie beyond it."""
    beyond = np.nanmin(mesh.get_array()) < mesh.norm.vmin or np.nanmax(mesh.get_array()) > mesh.norm.vmax
    extend = "both" if beyond else "neither"
    bar = axes[0].figure.colorbar(mesh, ax=axes, location=location, shrink=0.85, pad=0.02, extend=extend)
    bar.set_label(label)
    if location == "right":
        low, high = {"x": 0.5, "y": -0.08, "va": "top"}, {"x": 0.5, "y": 1.08, "va": "bottom"}
    else:
        low, high = {"x": -0.08, "y": 0.5, "va": "center"}, {"x": 1.08, "y": 0.5, "va": "center"}
    sides = ("center", "center") if location == "right" else ("right", "left")
    for place, side, word in zip((low, high), sides, ("soft", "hard"), strict=True):
        bar.ax.text(**place, s=word, ha=side, transform=bar.ax.transAxes)


def draw_field(axes: Axes, positions: np.ndarray, displacement: np.ndarray, enlarged: float) -> None:
    """Draw displacements (n_atoms, 2) as enlarged arrows from the atoms.

    Those below 4 % of the largest are left out. A field of thousands of arrows is stored as pixels: the page would
    otherwise take seconds to open.
    """
    size = np.linalg.norm(displacement, axis=1)
    large = size > 0.04 * size.max()
    axes.quiver(
        *positions[large].T,
        *displacement[large].T,
        angles="xy",
        scale_units="xy",
        scale=1 / enlarged,
        color="black",
        width=0.004,
        headwidth=5,
        headlength=6,
        headaxislength=5,
        minlength=0,
        rasterized=True,
    )


def around(network: Network, point: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms within `radius` [Å] of a point: numbers, positions relative to it, Si-Si bonds.

    The bonds, shape (n, 2), count within the returned atoms.
    """
    relative = minimum_image(network.positions - point, network.cell)
    inside = np.linalg.norm(relative, axis=1) <= radius
    number = np.cumsum(inside) - 1
    bonds = network.bonds[inside[network.bonds].all(axis=1)]
    return np.flatnonzero(inside), relative[inside], number[bonds]


def ring_mark(axes: Axes, centre: np.ndarray, radius: float, **style) -> None:
    """Draw an open circle."""
    axes.add_patch(Circle(tuple(centre), radius, fill=False, **({"edgecolor": "black", "linewidth": 1.0} | style)))
