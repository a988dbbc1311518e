"""A film of a sample that breaks: events in slow motion over the map of weak spots, probed again after each.

    python notebooks/studies/film.py [--sample 0] [--output paper_figures/fracture.webp]

takes some minutes of two cores.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from listi.analysis.follow import live_maps
from listi.compendium.data_set import open_sample
from listi.compendium.studies import grid_of, radius_of
from listi.figures import panels
from listi.figures.style import RED, STRESS_LABEL, STRESS_SCALE, styled
from listi.files import write_bytes
from listi.network.geometry import minimum_image
from listi.network.network import Network

LOADING, EVENT = 4, 7  # frames before an event, and of it
SHOWN = {"loading": 140, "event": 110, "rest": 900}  # of a frame [ms]
ZOOM = 26.0  # half the width of the magnified part [Å]
DPI = 100


class Moment(NamedTuple):
    """What one frame shows.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 2)
        As fractions of the cell.
    strain, stress : float
        Of the sample.
    state, event : int
        Number of the map, from 0, and of the next or present event, from 1.
    duration : int
        How long it is shown [ms].
    """

    positions: np.ndarray
    strain: float
    stress: float
    state: int
    event: int
    duration: int


def film(network: Network, shear: xr.Dataset, maps: xr.DataArray, path: str | Path) -> Path:
    """Write the film of a sample's events as an animated WebP.

    Atoms are where they were stored just before and after each event, and in between on straight lines.

    Parameters
    ----------
    network, shear
        The sample and its deformation, with its `configuration` and `non_affine`.
    maps : DataArray over (state, x, y)
        From `listi.analysis.follow.live_maps`.
    path : path
        File to write, ending in .webp.

    Raises
    ------
    ValueError
        If `shear` holds no configurations.
    """
    if "configuration" not in shear or "non_affine" not in shear:
        raise ValueError("shear: holds no configuration; deform the sample again to have its states")
    shown = list(moments(network, shear))
    pictures = [Image.open(io.BytesIO(_png(frame(network, shear, maps, moment)))).convert("RGB") for moment in shown]
    durations = [moment.duration for moment in shown]
    film = io.BytesIO()
    how = {"duration": durations, "loop": 0, "quality": 60, "method": 4}
    pictures[0].save(film, format="WEBP", save_all=True, append_images=pictures[1:], **how)
    write_bytes(path, film.getvalue())
    return Path(path)


def moments(network: Network, shear: xr.Dataset) -> Iterator[Moment]:
    """Yield what the frames show: loading to each event, the event in small steps, a rest."""
    before, strain = network.positions / network.cell, 0.0
    for number in shear.event.values:
        event = shear.sel(event=number)
        after = event.configuration.values / event.event_cell.values
        start = after - event.non_affine.values / event.event_cell.values
        reached = float(event.event_strain)
        top, bottom = _stresses(shear, reached)
        from_stress = float(np.interp(strain, shear.strain, shear.stress))
        for share in np.arange(LOADING) / LOADING:
            current, stress = strain + share * (reached - strain), from_stress + share * (top - from_stress)
            yield Moment(_between(before, start, share), current, stress, number - 1, number, SHOWN["loading"])
        for share in np.linspace(0, 1, EVENT):
            stress = top + share * (bottom - top)
            yield Moment(_between(start, after, share), reached, stress, number - 1, number, SHOWN["event"])
        yield Moment(after, reached, bottom, number, number, SHOWN["rest"])
        before, strain = after, reached


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    return first + share * minimum_image(second - first, np.ones(2))


def _stresses(shear: xr.Dataset, strain: float) -> tuple[float, float]:
    """Stress one stored strain before an event, and just after it."""
    at = int(np.abs(shear.strain.values - strain).argmin())
    return float(shear.stress[at - 1]), float(shear.stress[at])


@styled
def frame(network: Network, shear: xr.Dataset, maps: xr.DataArray, moment: Moment) -> Figure:
    """One picture of the film: the sample over its map, the surroundings of the event, the stress."""
    figure = Figure(figsize=(7.2, 4.3))
    sample_axes = figure.add_axes((0.01, 0.02, 0.57, 0.9))
    near, curve = figure.add_axes((0.63, 0.45, 0.33, 0.47)), figure.add_axes((0.67, 0.12, 0.3, 0.25))
    cell = network.cell * np.exp([moment.strain, -moment.strain])
    positions = moment.positions * cell
    field = maps.sel(state=moment.state)
    field = field.assign_coords(
        {name: field[name] * edge for name, edge in zip("xy", cell / network.cell, strict=True)}
    )
    low, high = np.nanpercentile(maps.values * STRESS_SCALE, panels.PERCENTILES)
    panels.draw_map(sample_axes, field, cell, vmin=low, vmax=high)
    panels.draw_bonds(sample_axes, positions, network.bonds, cell, linewidths=0.3, colors="0.15")
    place = np.mod(shear.event_position.values / network.cell, 1.0) * cell
    sample_axes.plot(*place[: moment.state].T, "o", color="black", markeredgecolor="white", markersize=6)
    corner = place[moment.event - 1] - ZOOM
    sample_axes.add_patch(Rectangle(tuple(corner), 2 * ZOOM, 2 * ZOOM, fill=False, linewidth=1.0))
    largest = network.cell * np.exp([float(shear.event_strain.max()), 0.0])
    sample_axes.set(xlim=(-1, largest[0] + 1), ylim=(-1, largest[1] + 1), xticks=[], yticks=[], xlabel="", ylabel="")
    sample_axes.spines[:].set_visible(False)
    sample_axes.set_title("soft (dark red) and hard (blue), probed again after each event", loc="left", fontsize=8)
    _near(near, network, positions, cell, place[moment.event - 1])
    near.set_title(f"event {moment.event}, magnified", loc="left", fontsize=8)
    curve.plot(shear.strain * 100, shear.stress * STRESS_SCALE, color="0.7")
    curve.plot(moment.strain * 100, moment.stress * STRESS_SCALE, "o", color=RED)
    curve.set(xlabel="Strain (%)", ylabel=STRESS_LABEL)
    return figure


def _near(axes: Axes, network: Network, positions: np.ndarray, cell: np.ndarray, centre: np.ndarray) -> None:
    """Si and O around an event."""
    relative = minimum_image(positions - centre, cell)
    silicon = network.species == 0
    panels.draw_bonds(axes, relative, network.bonds, None, linewidths=1.0, colors="0.4")
    axes.plot(*relative[silicon].T, "o", color="#2f5f9e", markersize=3)
    axes.plot(*relative[~silicon].T, "o", color="white", markeredgecolor="#2f5f9e", markersize=2, markeredgewidth=0.6)
    axes.set(xlim=(-ZOOM, ZOOM), ylim=(-ZOOM, ZOOM), aspect="equal", xticks=[], yticks=[])
    axes.plot([-ZOOM + 2, -ZOOM + 12], [-ZOOM + 2] * 2, color="black", linewidth=3)
    axes.text(-ZOOM + 13, -ZOOM + 1.2, "10 Å", bbox={"color": "white", "pad": 1, "alpha": 0.8})
    axes.spines[:].set_visible(True)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def main() -> None:
    """Write the film of a sample that ships with its states."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("paper_figures/fracture.webp"))
    arguments = parser.parse_args()
    sample = open_sample(arguments.sample)
    maps = live_maps(sample.network, sample.shear, grid_of(sample), radius_of(sample))
    film(sample.network, sample.shear, maps, arguments.output)


if __name__ == "__main__":
    main()
