"""Figures of the mechanics: local probing (Fig. 1) and remote deformation (Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..learning.cutouts import cutouts
from ..learning.encodings import images
from ..network.network import Network
from . import panels
from .style import BLUE, GREY, RED, STRESS_LABEL, STRESS_SCALE, THRESHOLD_LABEL, styled

FROZEN = 10.0  # width of the ring of frozen atoms that interact with the free ones [Å]


@styled
def fig1(
    network: Network,
    shear: xr.Dataset,
    probing: xr.Dataset,
    trace: xr.Dataset,
    point: np.ndarray,
    r_free: float,
) -> Figure:
    """Local probing, as in Fig. 1: cut-out, its stress, the map it adds to, what a network gets and learns.

    Parameters
    ----------
    network, shear, probing
        One sample, its remote deformation (up to eight events are marked) and its threshold map
        over (x, y).
    trace : Dataset over strain
        Stress of the probe at `point`, up to and beyond its first instability; `critical_strain`
        tells where.
    point : ndarray, shape (2,)
        Centre of the cut-out [Å].
    r_free : float
        Radius within which atoms are free [Å].
    """
    figure = Figure(figsize=(6.8, 6.0), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    whole, cut, curve = top.subplots(1, 3, width_ratios=[1, 1.1, 1])
    mapped, learned = bottom.subplots(1, 2)
    _whole_sample(whole, network, point, r_free + FROZEN)
    _cutout(cut, network, point, r_free)
    _local_curve(curve, trace)
    _map_with_events(mapped, network, shear, probing, point, r_free)
    _network_input(learned, network, point, r_free, _threshold(trace))
    titles = ("sample", "its stress", "threshold map and events", "what a network is given and learns")
    for panel, name, title in zip((whole, curve, mapped, learned), "abcd", titles, strict=True):
        panels.letter(panel, name, title)
    cut.set_title("cut-out, sheared (arrows)")
    return figure


def _critical(trace: xr.Dataset) -> int:
    """Number of the last step before the first instability."""
    return int(np.searchsorted(trace.strain.values, float(trace.critical_strain) * (1 + 1e-9), side="right")) - 1


def _threshold(trace: xr.Dataset) -> float:
    return float(trace.stress[_critical(trace)] - trace.stress[0])


def _whole_sample(axes: Axes, network: Network, point: np.ndarray, radius: float) -> None:
    panels.draw_bonds(axes, network.positions, network.bonds, network.cell, linewidths=0.25, colors="0.45")
    for shift in np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) * network.cell:
        panels.ring_mark(axes, point + shift, radius, edgecolor=RED, linewidth=1.4)
    panels.square(axes, network.cell)


def _cutout(axes: Axes, network: Network, point: np.ndarray, r_free: float) -> None:
    number, position, bonds = panels.around(network, point, r_free + FROZEN)
    free = np.linalg.norm(position, axis=1) <= r_free
    silicon = network.species[number] == 0
    panels.draw_bonds(axes, position, bonds, None, linewidths=0.8)
    for chosen, color, label in ((~free, "0.75", "frozen"), (free, BLUE, "free")):
        axes.plot(*position[chosen & silicon].T, "o", color=color, markersize=3, label=f"Si, {label}")
        axes.plot(
            *position[chosen & ~silicon].T,
            "o",
            mfc="white",
            mec=color,
            markersize=2,
            label=f"O, {label}",
        )
    panels.ring_mark(axes, (0, 0), r_free)
    panels.ring_mark(axes, (0, 0), r_free + FROZEN, linestyle="--", edgecolor=GREY)
    reach = r_free + FROZEN + 6.0
    for end in np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * (reach - 1.0):
        start = end * (r_free + FROZEN + 1.0) / (reach - 1.0)
        outwards = end[0] != 0  # pure shear: stretched along x, compressed along y
        axes.annotate("", *((end, start) if outwards else (start, end)), arrowprops={"arrowstyle": "-|>", "color": RED})
    axes.set(
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        aspect="equal",
        xlabel="$x - x^*$ (Å)",
        ylabel="$y - y^*$ (Å)",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, handletextpad=0.1)


def _local_curve(axes: Axes, trace: xr.Dataset) -> None:
    strain, stress, last = trace.strain.values, trace.stress.values * STRESS_SCALE, _critical(trace)
    axes.plot(strain, stress, color="black")
    axes.plot(strain[last : last + 2], stress[last : last + 2], color=RED, linewidth=2.5)
    axes.axhline(stress[0], color=GREY, linestyle=":", lw=1)
    axes.axhline(stress[last], color=GREY, linestyle=":", lw=1)
    middle = 0.35 * strain[last]
    arrow = {"arrowstyle": "<->", "color": BLUE, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (middle, stress[last]), (middle, stress[0]), arrowprops=arrow)
    axes.text(0.9 * middle, 0.8 * stress[last] + 0.2 * stress[0], "$\\Delta\\tau$", color=BLUE, ha="right")
    axes.annotate("$\\tau^{(in)}$", (strain[last], stress[0]), va="bottom", ha="right")
    axes.annotate("$\\tau^{(c)}$", (0, stress[last]), va="bottom", ha="left")
    below = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "right", "va": "center"}
    axes.annotate("first\ninstability", (strain[last], 0.3), (-8, 0), color=RED, **below)
    axes.margins(y=0.1)
    axes.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL)


def _map_with_events(
    axes: Axes,
    network: Network,
    shear: xr.Dataset,
    probing: xr.Dataset,
    point: np.ndarray,
    r_free: float,
) -> None:
    mesh = panels.draw_map(axes, probing.threshold, network.cell)
    panels.colour_bar(mesh, [axes], THRESHOLD_LABEL)
    first = shear.isel(event=slice(8))
    panels.mark_events(axes, first.event_position.values, first.event.values, network.cell)
    panels.ring_mark(axes, point, r_free, linestyle="--")


def _network_input(axes: Axes, network: Network, point: np.ndarray, r_free: float, threshold: float) -> None:
    """The cut-out as each network reads it, and the threshold that all are to give for it."""
    cut = cutouts(network, point[None], r_free)
    rows = cut.positions[0, cut.mask[0]]
    listed = "\n".join(f"{x:6.1f} {y:6.1f}" for x, y in rows[:6]) + "\n..."
    sequence, image, graph = (axes.inset_axes([0.0, bottom, 0.34, 0.25]) for bottom in (0.68, 0.34, 0.0))
    sequence.text(0.5, 0.45, listed, ha="center", va="center", fontsize=5.5, family="monospace")
    image.imshow(images(cut, 110)[0, :, :, 0], cmap="gray")
    panels.draw_bonds(graph, rows, np.argwhere(np.triu(cut.adjacency[0])), None, linewidths=0.8, colors="black")
    graph.plot(*rows.T, "o", color="white", markeredgecolor="black", markersize=3, markeredgewidth=0.6)
    graph.set_aspect("equal")
    for inset, title in ((sequence, f"sequence of {len(rows)} Si (Å)"), (image, "image"), (graph, "graph")):
        inset.set_title(title, fontsize=6, loc="center", pad=2)
        inset.set_axis_off()
    arrow = {"arrowstyle": "-|>", "lw": 1.2}
    for height in (0.8, 0.465, 0.125):
        axes.annotate("", (0.5, 0.465), (0.32, height), arrowprops=arrow)
    axes.text(0.59, 0.465, "LISTI", ha="center", va="center", fontweight="bold", bbox={"fc": "white", "ec": BLUE})
    axes.annotate("", (0.77, 0.465), (0.68, 0.465), arrowprops=arrow)
    value = f"$\\Delta\\tau$ = {threshold * STRESS_SCALE:.2f}\n$\\times 10^{{-3}}$ reduced\nenergy/Å$^2$"
    axes.text(0.78, 0.465, value, va="center", fontsize=7)
    axes.text(0.68, 0.28, "trained with thresholds\nof local probing", ha="center", va="center", fontsize=6)
    axes.set_axis_off()


@styled
def fig2(
    network: Network,
    shear: xr.Dataset,
    probing: xr.Dataset | None = None,
    events: Sequence[int] = (1, 3, 6),
) -> Figure:
    """Remote deformation, as in Fig. 2: configuration, non-affine field over the map, stress.

    Parameters
    ----------
    network, shear, probing
        One sample, its remote deformation with `configuration`, `event_cell` and `non_affine`,
        and its map over (x, y), where there is one.
    events : sequence of int
        Sequence numbers of the events, one column each; those that did not come are left out.
    """
    events = [n for n in events if n in shear.event.values]
    figure = Figure(figsize=(2.5 * len(events) + 0.4, 7.4), layout="constrained")
    axes = figure.subplots(3, len(events), squeeze=False, height_ratios=[1, 1, 0.8])
    moved = shear["non_affine"].sel(event=events)
    largest = float(np.linalg.norm(moved, axis=-1).max())
    enlarged = max(1.0, round(0.06 * network.cell[0] / largest))
    for column, number in enumerate(events):
        event = shear.sel(event=number)
        _configuration(axes[0, column], network, event)
        panels.square(axes[1, column], network.cell)
        if probing is not None:
            mesh = panels.draw_map(axes[1, column], probing.threshold, network.cell)
        panels.draw_field(axes[1, column], network.positions, event.non_affine.values, enlarged)
        panels.mark_events(axes[1, column], event.event_position.values[None], [number], network.cell)
        _curve_with_drop(axes[2, column], shear, number)
        panels.letter(
            axes[0, column],
            "abc"[column % 3],
            f"event {number}, strain {float(event.event_strain):.4f}",
        )
        axes[1, column].set_title(f"displacements, {enlarged:.0f} x enlarged")
    if probing is not None:
        panels.colour_bar(mesh, list(axes[1]), THRESHOLD_LABEL)
    for panel in axes[:, 1:].flat:
        panel.set_ylabel("")
    return figure


def _configuration(axes: Axes, network: Network, event: xr.Dataset) -> None:
    """The deformed network just after an event; the atoms that moved most, and where, in red."""
    cell = event.event_cell.values
    position = np.mod(event.configuration.values, cell)
    panels.draw_bonds(axes, position, network.bonds, cell, linewidths=0.35, colors="0.35")
    moved = np.linalg.norm(event.non_affine.values, axis=1)
    axes.plot(*position[moved > 0.3 * moved.max()].T, "o", color=RED, markersize=1.5)
    centre = np.mod(event.event_position.values * cell / network.cell, cell)
    panels.ring_mark(axes, centre, 0.07 * cell[0], edgecolor=RED, linewidth=1.4)
    panels.square(axes, cell)


def drop_of_event(shear: xr.Dataset, number: int) -> slice:
    """The two steps between which the stress drops at an event, next to the event's strain."""
    at = int(np.abs(shear.strain.values - float(shear.event_strain.sel(event=number))).argmin())
    first = max(at - 1, 0)
    falls = -np.diff(shear.stress.values[first : at + 2])
    start = first + int(falls.argmax())
    return slice(start, start + 2)


def _curve_with_drop(axes: Axes, shear: xr.Dataset, number: int) -> None:
    strain, stress = shear.strain.values, shear.stress.values * STRESS_SCALE
    axes.plot(strain, stress, color=GREY, linewidth=0.9)
    drop = drop_of_event(shear, number)
    axes.plot(strain[drop], stress[drop], color=RED, linewidth=2.5)
    top = strain[drop][0], stress[drop][0]
    axes.annotate(str(number), top, xytext=(-4, 4), textcoords="offset points", ha="right", color=RED)
    axes.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL)
    _inset_of_drop(axes, strain, stress, drop)


def _inset_of_drop(axes: Axes, strain: np.ndarray, stress: np.ndarray, drop: slice) -> None:
    """Magnify the drop, which is small on the scale of the whole curve."""
    height = stress[drop][0] - stress[drop][1]
    corner = strain[drop][0] - 0.04 * strain[-1], stress[drop][1] - 1.5 * height
    width, height = 0.08 * strain[-1], 4 * height
    inset = axes.inset_axes([0.58, 0.12, 0.4, 0.36])
    inset.plot(strain, stress, color=GREY, linewidth=0.9)
    inset.plot(strain[drop], stress[drop], color=RED, linewidth=2)
    inset.set(xlim=(corner[0], corner[0] + width), ylim=(corner[1], corner[1] + height))
    inset.tick_params(labelbottom=False, labelleft=False, length=0)
    inset.spines[:].set_visible(True)
    axes.add_patch(Rectangle(corner, width, height, fill=False, linewidth=0.6))
