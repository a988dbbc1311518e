"""Statistics that several notebooks and figures need: intervals, correlation in space, tests of a sample.

Lengths in Å, stresses in reduced energy/Å².
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from ..generation.generate import TARGET_RING_STATISTICS
from ..mechanics.system import System
from ..network.geometry import minimum_image
from ..network.network import Network
from ..network.rings import ring_statistics
from ..network.units import LENGTH_UNIT


def bootstrap(values: np.ndarray, n_bootstrap: int = 10_000, confidence: float = 0.95, seed: int = 0) -> np.ndarray:
    """Mean over samples and its bootstrap interval: (mean, low, high).

    The interval runs between percentiles of the resampled means, which exist also where all values are the same.

    Parameters
    ----------
    values : ndarray, shape (n_samples,)
        NaN are left out. The interval of a single value is that value.
    n_bootstrap : int
        Resamplings, with replacement.
    confidence : float
        Probability the interval covers, between 0 and 1.
    seed : int
        Of the resampling: the same seed gives the same interval.

    Raises
    ------
    ValueError
        If no value is a number.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError("values: none of them is a number")
    mean = values.mean()
    if len(values) == 1:
        return np.full(3, mean)
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=n_bootstrap,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.array([mean, interval.low, interval.high])


def ring_deviation(sizes: np.ndarray) -> float:
    """Largest difference of a ring fraction from its target, any size counted."""
    fractions, target = ring_statistics(sizes), TARGET_RING_STATISTICS
    return max(abs(fractions.get(n, 0.0) - target.get(n, 0.0)) for n in {*fractions, *target})


def largest_force(network: Network) -> float:
    """Largest force component on any atom [energy/Å]; about zero at an energy minimum."""
    system = System(network.positions, network.species, network.cell)
    return float(np.abs(system.energy_forces()[1]).max())


def distance_to_earlier(shear: xr.Dataset, cell: np.ndarray) -> xr.DataArray:
    """Distance of every event to the nearest earlier one, periodic [Å]; infinite for the first."""
    place = shear.event_position.values
    apart = np.linalg.norm(minimum_image(place[:, None] - place[None], cell), axis=-1)
    earlier = np.tri(len(place), k=-1, dtype=bool)
    nearest = np.where(earlier, apart, np.inf).min(axis=1)
    attrs = {"units": LENGTH_UNIT, "long_name": "distance to the nearest earlier event"}
    return xr.DataArray(nearest, dims="event", coords={"event": shear.event.values}, attrs=attrs)


def autocorrelation(field: xr.DataArray) -> xr.DataArray:
    """Spatial autocorrelation of a map that is periodic, by Fourier transform (Wiener-Khinchin).

    Parameters
    ----------
    field : DataArray over (x, y)
        On a regular grid that fills the cell.

    Returns
    -------
    DataArray over (x, y)
        Correlation of the field with itself shifted by (x, y) [Å]; 1 without shift.
    """
    deviation = (field - field.mean()).transpose("x", "y")
    power = np.abs(np.fft.fft2(deviation.values)) ** 2
    correlation = np.fft.ifft2(power).real / np.sum(deviation.values**2)
    lag = {name: field[name].values - field[name].values[0] for name in ("x", "y")}
    return xr.DataArray(correlation, dims=("x", "y"), coords=lag, name="autocorrelation")


def radial(correlation: xr.DataArray) -> xr.DataArray:
    """Mean of an autocorrelation over directions.

    Returns
    -------
    DataArray over distance [Å]
        From 0 to half the smaller edge, in rings one grid spacing wide; at the mean distance of the
        shifts in the ring.
    """
    lag = [correlation[name].values for name in ("x", "y")]
    cell = np.array([len(values) * values[1] for values in lag])
    shift = np.stack(np.meshgrid(*lag, indexing="ij"), axis=-1)
    distance = np.linalg.norm(minimum_image(shift, cell), axis=-1).ravel()
    width = max(values[1] for values in lag)
    ring = np.round(distance / width).astype(int)
    inside = ring <= int(cell.min() / (2 * width))
    counts = np.bincount(ring[inside])
    mean = np.bincount(ring[inside], correlation.values.ravel()[inside]) / counts
    at = np.bincount(ring[inside], distance[inside]) / counts
    return xr.DataArray(mean, dims="distance", coords={"distance": at}, name="correlation")


def correlation_length(correlation: xr.DataArray) -> float:
    """Distance [Å] at which a radial correlation first falls to 1/e, linear in between.

    Raises
    ------
    ValueError
        If it does not fall to 1/e within the map.
    """
    values, at = correlation.values, correlation.distance.values
    below = np.flatnonzero(values < np.exp(-1.0))
    if not below.size:
        raise ValueError(f"correlation: least value {values.min():.3g}; it must fall to 1/e within the map")
    pair = slice(below[0] - 1, below[0] + 1)
    return float(np.interp(np.exp(-1.0), values[pair][::-1], at[pair][::-1]))
