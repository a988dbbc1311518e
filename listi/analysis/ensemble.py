"""Statistics over an ensemble of samples: what the glasses are like, and how they differ.

All take samples as `listi.compendium.sample_files.load_sample` reads them, with network, shear and probing, or parts of
these. Lengths in Å, stresses in reduced energy/Å².
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import stats

from ..generation.generate import TARGET_RING_STATISTICS
from ..mechanics.system import System
from ..network.geometry import minimum_image
from ..network.network import Network
from ..network.rings import aboav_weaire, ring_sizes, ring_statistics
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .sample import Sample

OF_EVENTS = ("strain", "stress_drop", "displacement", "size")  # what is told of every event


def table(samples: Sequence[Sample]) -> xr.Dataset:
    """One row per sample: is it the glass wanted, when does it break, how strong are its spots.

    Returns
    -------
    Dataset over sample
        seed; ring_deviation (largest difference of a ring fraction from its target); alpha
        (Aboav-Weaire parameter); mu2 (variance of ring sizes); force (largest component,
        [energy/Å]); events (their number); first_event and sixth_event (strain, NaN if it did not
        come); threshold (mean of the map) and softest (its least value).
    """
    rows = [
        {
            "seed": sample.attrs["seed"],
            **_of_network(sample.network),
            **_of_events(sample.shear),
            "threshold": float(sample.probing.threshold.mean()),
            "softest": float(sample.probing.threshold.min()),
        }
        for sample in samples
    ]
    return xr.Dataset({name: ("sample", [row[name] for row in rows]) for name in rows[0]})


def _of_network(network: Network) -> dict[str, float]:
    sizes = ring_sizes(network)
    return {
        "ring_deviation": ring_deviation(sizes),
        "alpha": aboav_weaire(network),
        "mu2": float(sizes.var()),
        "force": largest_force(network),
    }


def ring_deviation(sizes: np.ndarray) -> float:
    """Largest difference of a ring fraction from its target, any size counted."""
    fractions, target = ring_statistics(sizes), TARGET_RING_STATISTICS
    return max(abs(fractions.get(n, 0.0) - target.get(n, 0.0)) for n in {*fractions, *target})


def largest_force(network: Network) -> float:
    """Largest force component on any atom [energy/Å]; about zero at an energy minimum."""
    system = System(network.positions, network.species, network.cell)
    return float(np.abs(system.energy_forces()[1]).max())


def _of_events(shear: xr.Dataset) -> dict[str, float]:
    strain = shear.event_strain.reindex(event=[1, 6]).values
    return {"events": shear.sizes["event"], "first_event": strain[0], "sixth_event": strain[1]}


def curves(sheared: Sequence[xr.Dataset], strain: np.ndarray) -> xr.DataArray:
    """Stress-strain curves on a common grid, linear between the strains visited.

    Parameters
    ----------
    sheared : sequence of Dataset
        Remote deformation of every sample.
    strain : ndarray, shape (n,)
        The grid.

    Returns
    -------
    DataArray over (sample, strain)
        NaN beyond the strain that a sample was sheared to. Means over samples are fair only where
        none is missing: those that break early are sheared least.
    """
    each = [np.interp(strain, one.strain, one.stress, right=np.nan) for one in sheared]
    attrs = {"units": STRESS_UNIT, "long_name": "shear stress (sigma_xx - sigma_yy)/2"}
    return xr.DataArray(each, dims=("sample", "strain"), coords={"strain": strain}, attrs=attrs)


def event_rate(sheared: Sequence[xr.Dataset], edges: np.ndarray) -> xr.DataArray:
    """Events per sample and unit strain.

    Deformation stops at the last event wanted, so a sample counts only as far as it was sheared.

    Parameters
    ----------
    sheared : sequence of Dataset
        Remote deformation of every sample.
    edges : ndarray, shape (n + 1,)
        Limits of the intervals of strain, ascending.

    Returns
    -------
    DataArray over strain (middle of each interval)
        NaN where all samples together were sheared through less than one interval: too few to tell.
    """
    strains = np.concatenate([one.event_strain.values for one in sheared])
    last = np.array([float(one.strain[-1]) for one in sheared])
    observed = np.clip(last[:, None] - edges[None, :-1], 0.0, np.diff(edges)).sum(axis=0)
    # An event at an edge belongs to the interval below, as the step that ends there does.
    counts = np.histogram(-strains, bins=-edges[::-1])[0][::-1]
    enough = observed > 0.999 * np.diff(edges)
    rate = np.divide(counts, observed, out=np.full(len(counts), np.nan), where=enough)
    middle = 0.5 * (edges[1:] + edges[:-1])
    return xr.DataArray(rate, dims="strain", coords={"strain": middle}, name="event_rate")


def events(samples: Sequence[Sample]) -> xr.Dataset:
    """What is told of every event, over (sample, event); NaN where a sample had fewer.

    Returns
    -------
    Dataset
        strain, stress_drop, displacement, size (participation number), and distance: to the nearest
        earlier event, in the undeformed cell [Å]; infinite for the first.
    """
    each = []
    for sample in samples:
        one = sample.shear[[f"event_{name}" for name in OF_EVENTS]]
        one = one.rename({f"event_{name}": name for name in OF_EVENTS})
        each.append(one.assign(distance=distance_to_earlier(sample.shear, sample.network.cell)))
    return xr.concat(each, dim="sample", join="outer", combine_attrs="drop_conflicts")


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
        If it does not fall that far.
    """
    values, at = correlation.values, correlation.distance.values
    below = np.flatnonzero(values < np.exp(-1.0))
    if not below.size:
        raise ValueError(f"correlation: least value {values.min():.3g}; it must fall to 1/e within the map")
    pair = slice(below[0] - 1, below[0] + 1)
    return float(np.interp(np.exp(-1.0), values[pair][::-1], at[pair][::-1]))


def soft_end(thresholds: np.ndarray, fraction: float = 0.01) -> float:
    """Exponent b of the soft end of the thresholds, cumulative distribution F(s) = (s/s0)^b.

    By maximum likelihood (Hill's estimator) from the softest values; 1 means a density that is
    finite at zero, more a density that vanishes there.

    Parameters
    ----------
    thresholds : ndarray
        Positive values.
    fraction : float
        Share of the values that is called the soft end.
    """
    values = np.sort(np.ravel(thresholds))
    chosen = values[: max(2, round(fraction * len(values)))]
    return float(1.0 / np.mean(np.log(chosen[-1] / chosen[:-1])))


def indicators(probing: xr.Dataset) -> xr.Dataset:
    """Local quantities over (x, y) that might tell where a glass is soft, the threshold first.

    Each is low where the glass should be soft, so that `goodness` takes it as it is.

    Returns
    -------
    Dataset over (x, y)
        threshold; critical_stress; critical_strain; sigma_xx (its critical minus its initial value,
        instead of the shear stress); initial_stress, initial_xx, initial_tension (each with its
        sign turned: loaded spots are low).
    """
    initial, critical = probing.initial_tensor, probing.critical_tensor
    mean = 0.5 * (initial.sel(component="xx") + initial.sel(component="yy"))
    found = {
        "threshold": probing.threshold,
        "critical_stress": probing.critical_stress,
        "critical_strain": probing.critical_strain,
        "sigma_xx": (critical - initial).sel(component="xx"),
        "initial_stress": -probing.initial_stress,
        "initial_xx": -initial.sel(component="xx"),
        "initial_tension": -mean,
    }
    return xr.Dataset({name: field.drop_vars("component", errors="ignore") for name, field in found.items()})


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
    """
    values = values[~np.isnan(values)]
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
