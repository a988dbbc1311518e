"""The same protocol on many patches, to compare imaged patches with patches cut from samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from ..mechanics.system import ConvergenceError
from ..network.network import Network
from ..network.patch import free_patch, patch_of_silicon
from .circle import READINGS, RIM, Circle, State, changed_bonds, circles, examine, largest_circle


def cut_patch(sample: Network, size: float, centre: np.ndarray | None = None) -> Network:
    """Return a square patch of a sample as if it had been imaged: its Si, with O at the middles of the bonds.

    Parameters, errors as `listi.network.patch.free_patch`.
    """
    cut = free_patch(sample, size, centre)
    number = np.cumsum(cut.species == 0) - 1
    return patch_of_silicon(cut.positions[cut.silicon], number[cut.bonds])


def study(
    patches: Mapping[str, Network],
    radius: float | None = None,
    readings: Mapping[str, Callable[[Network], State]] = READINGS,
    rim: float = RIM,
    **settings,
) -> xr.Dataset:
    """Shear circles in patches, in every reading and along both axes, and score a map for each first event.

    Parameters
    ----------
    patches : mapping
        Names and patches, as imaged.
    radius : float, optional
        Of the circles [Å], of which there are as many as fit at least a radius apart; without it, one circle a patch,
        the largest that fits.
    readings : mapping
        Names and functions that bring a patch to its minimum.
    rim : float
        Least width of what is left around a circle [Å].
    **settings
        As in `listi.imaging.circle.examine`.

    Returns
    -------
    Dataset over case
        ``patch`` and ``reading`` (names), ``radius``, ``centre``, ``direction``; ``event_strain`` and ``goodness`` of
        the first event, ``goodness_<name>`` by other maps; ``softest`` and ``median`` of the map's thresholds;
        ``changed_bonds`` when the patch was minimised.

    Warns
    -----
    UserWarning
        For a patch whose energy does not reach a minimum, or in which no circle fits; it is left out.
    """
    rows = []
    for name, patch in patches.items():
        for reading, prepare in readings.items():
            try:
                state = prepare(patch)
                chosen = [largest_circle(state.patch, rim)] if radius is None else circles(state.patch, radius, rim)
                for circle in chosen:
                    rows += _rows(name, reading, patch, state, circle, settings)
            except (ConvergenceError, ValueError) as error:
                warnings.warn(f"patch {name}, {reading}: left out: {error}", stacklevel=2)
    return xr.concat(rows, "case") if rows else xr.Dataset()


def _rows(name: str, reading: str, patch: Network, state: State, circle: Circle, settings: dict) -> list[xr.Dataset]:
    """Return the results of one circle, an entry for each direction."""
    examined = examine(state, circle, **settings)
    case = {
        "patch": name,
        "reading": reading,
        "radius": circle.radius,
        "centre": ("xy", circle.centre),
        "changed_bonds": changed_bonds(patch, state.patch),
    }
    rows = []
    for direction in examined.direction.values:
        result = examined.sel(direction=direction, drop=True)
        softest, median = np.nanpercentile(result.threshold, [0.0, 50.0])
        summary = {"direction": direction, "softest": softest, "median": median}
        scores = [name for name in result.data_vars if str(name).startswith("goodness")]
        rows.append(result[["event_strain", *scores]].assign(case | summary))
    return rows
