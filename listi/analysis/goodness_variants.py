"""Other readings of the prediction goodness: what each choice the paper leaves open changes.

Eq. 1 asks for the rank of the threshold "at" the event. Where an event is, which local quantity is
ranked, and what "at" means on a grid can be read in several ways; a `Reading` is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates, minimum_filter

from ..network.geometry import crossings, nearest_point
from .discs import R_FREE
from .ensemble import indicators
from .prediction_goodness import first_events, goodness
from .sample import Sample

SPACING = 4.4  # just above the spacing of the paper's grid [Å]: a point and its four neighbours


def at_nearest(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Goodness by the value at the nearest grid point, as `listi.goodness` has it."""
    return goodness(field, position, cell).values


def lower_or_equal(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The same with F the fraction of values lower than or equal to that one."""
    return _ranked(field, _nearest(field, field, position, cell), side="right")


def interpolated(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Goodness by the value at the event itself, bilinear between the four grid points around."""
    spacing = cell / np.array(field.transpose("x", "y").shape)
    place = np.asarray(position) / spacing
    values = map_coordinates(field.transpose("x", "y").values, place.T, order=1, mode="grid-wrap")
    return _ranked(field, values)


def softest_near(radius: float) -> Callable:
    """Goodness by the least value within `radius` [Å] of the grid point nearest to the event.

    It is ranked among the values of single points, so a spot chosen at random scores well too.
    """

    def evaluate(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
        return _ranked(field, _nearest(softest_within(field, radius), field, position, cell))

    return evaluate


def softest_near_everywhere(radius: float) -> Callable:
    """The same ranked among the least values around all points: a random spot scores about 0."""

    def evaluate(field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
        return goodness(softest_within(field, radius), position, cell).values

    return evaluate


def softest_within(field: xr.DataArray, radius: float) -> xr.DataArray:
    """Least value within `radius` [Å] of every point of a periodic map."""
    field = field.transpose("x", "y")
    steps = [field[name].values[1] - field[name].values[0] for name in ("x", "y")]
    reach = [np.arange(-(radius // step), radius // step + 1) * step for step in steps]
    disc = np.hypot(*np.meshgrid(*reach, indexing="ij")) <= radius
    return field.copy(data=minimum_filter(field.values, footprint=disc, mode="wrap"))


def _nearest(wanted: xr.DataArray, field: xr.DataArray, position: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Values of a map at the grid points nearest to positions (n, 2)."""
    nearest = nearest_point(crossings(field.x, field.y), np.asarray(position), cell)
    return wanted.transpose("x", "y").values.ravel()[nearest]


def _ranked(field: xr.DataArray, values: np.ndarray, side: Literal["left", "right"] = "left") -> np.ndarray:
    lower = np.searchsorted(np.sort(field.values.ravel()), values, side=side)
    return 1.0 - 2.0 * lower / field.size


@dataclass(frozen=True)
class Reading:
    """One reading of Eq. 1.

    Attributes
    ----------
    indicator : str
        What is ranked: a name in `ensemble.indicators`.
    position : str
        Where an event is: event_position (of the atom that moved furthest) or event_centre.
    evaluate : callable
        (map, positions, cell) -> goodness: what "at" means.
    """

    indicator: str = "threshold"
    position: str = "event_position"
    evaluate: Callable = at_nearest

    def of_sample(self, sample: Sample) -> xr.DataArray:
        """Goodness of the first six events."""
        place = first_events(sample.shear)[self.position]
        values = self.evaluate(self._field(sample), place.values, sample.network.cell)
        return xr.DataArray(values, dims="event", coords={"event": place.event.values})

    def by_chance(self, sample: Sample) -> float:
        """Mean goodness of all grid points: what events at random places would score."""
        field = self._field(sample)
        grid = crossings(field.x, field.y)
        parts = np.array_split(grid, max(1, len(grid) // 500))  # all at once takes much memory
        return float(np.concatenate([self.evaluate(field, p, sample.network.cell) for p in parts]).mean())

    def _field(self, sample: Sample) -> xr.DataArray:
        return indicators(sample.probing)[self.indicator].transpose("x", "y")


READINGS: dict[str, Reading] = {
    "at the nearest grid point": Reading(),
    "event at centre of its field": Reading(position="event_centre"),
    "F counts lower or equal": Reading(evaluate=lower_or_equal),
    "interpolated": Reading(evaluate=interpolated),
    "softest within 4.4 Å": Reading(evaluate=softest_near(SPACING)),
    "softest within 11 Å": Reading(evaluate=softest_near(R_FREE)),
    "softest within 4.4 Å, map too": Reading(evaluate=softest_near_everywhere(SPACING)),
    "softest within 11 Å, map too": Reading(evaluate=softest_near_everywhere(R_FREE)),
    "sigma_xx alone": Reading("sigma_xx"),
    "critical stress": Reading("critical_stress"),
    "critical strain": Reading("critical_strain"),
    "initial stress": Reading("initial_stress"),
    "initial sigma_xx": Reading("initial_xx"),
    "initial tension": Reading("initial_tension"),
}


def compare(samples: Sequence[Sample], readings: Mapping[str, Reading] = READINGS) -> xr.Dataset:
    """Goodness by every reading.

    Returns
    -------
    Dataset
        goodness over (reading, sample, event), NaN where a sample had fewer events; by_chance over
        reading, the mean goodness of events at random places in the first sample.
    """
    each = [
        xr.concat([reading.of_sample(s) for s in samples], dim="sample", join="outer") for reading in readings.values()
    ]
    name = xr.Variable("reading", list(readings))
    chance = [reading.by_chance(samples[0]) for reading in readings.values()]
    return xr.Dataset({"goodness": xr.concat(each, dim=name), "by_chance": ("reading", chance)})
