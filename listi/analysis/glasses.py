"""Glasses made in different ways, side by side: how they break, and how strong their spots are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..mechanics.system import System
from ..network.bonds import bond_orientational_order
from .ensemble import autocorrelation, bootstrap, correlation_length, radial
from .prediction_goodness import EVENTS, goodness
from .sample import Sample

END = 0.04  # strain at which the paper's deformation ends


def compare(glasses: Mapping[str, Sequence[Sample]]) -> xr.Dataset:
    """Compare glasses by their mechanics.

    Parameters
    ----------
    glasses : mapping
        Name of a glass to its samples, each sheared and probed.

    Returns
    -------
    Dataset over glass
        ``samples``, their number. Over (glass, event): ``strain`` of the event and ``goodness`` of the probed map,
        means over samples with their 95 % bootstrap intervals ``_low`` and ``_high``; ``strain_spread`` (standard
        deviation).
        ``by_end``: samples whose sixth event comes by 4 % strain. ``tension``: mean normal stress of the undeformed
        sample. ``order``: bond-orientational order. ``threshold``, ``softest``: mean and least of the map.
        ``correlation_length`` of the map [Å].

    Raises
    ------
    ValueError
        If a glass has no sample.
    """
    for name, samples in glasses.items():
        if not len(samples):
            raise ValueError(f"glasses: {name!r} has no sample")
    rows = [_of_glass(samples) for samples in glasses.values()]
    return xr.concat(rows, xr.Variable("glass", list(glasses)))


def _of_glass(samples: Sequence[Sample]) -> xr.Dataset:
    strain = np.array([_first_events(sample.shear.event_strain) for sample in samples])
    good = np.array([_first_events(_goodness(sample)) for sample in samples])
    maps = [sample.probing.threshold for sample in samples]
    scalars = {
        "samples": len(samples),
        "by_end": int(np.sum(strain[:, -1] <= END)),
        "tension": np.mean([_tension(sample) for sample in samples]),
        "order": np.mean([bond_orientational_order(*_bonds(sample)) for sample in samples]),
        "threshold": np.mean([one.mean() for one in maps]),
        "softest": np.mean([one.min() for one in maps]),
        "correlation_length": np.mean([correlation_length(radial(autocorrelation(one))) for one in maps]),
    }
    rows = {"strain": strain, "goodness": good}
    bounds = {name: np.array([_interval(column) for column in values.T]).T for name, values in rows.items()}
    over_events = {
        name + suffix: ("event", bound)
        for name, three in bounds.items()
        for suffix, bound in zip(("", "_low", "_high"), three, strict=True)
    }
    spread = {"strain_spread": ("event", xr.DataArray(strain).std("dim_0", ddof=1).values)}
    return xr.Dataset(over_events | spread | scalars, coords={"event": np.arange(1, EVENTS + 1)})


def _interval(values: np.ndarray) -> np.ndarray:
    """Mean with its interval; NaN where an event came in no sample."""
    return np.full(3, np.nan) if np.isnan(values).all() else bootstrap(values)


def _first_events(values: xr.DataArray) -> np.ndarray:
    """Values of the first six events; NaN for those that did not come."""
    return values.reindex(event=np.arange(1, EVENTS + 1)).values


def _goodness(sample: Sample) -> xr.DataArray:
    return goodness(sample.probing.threshold, sample.shear.event_position, sample.network.cell)


def _tension(sample: Sample) -> float:
    network = sample.network
    return float(np.trace(System(network.positions, network.species, network.cell).stress()) / 2.0)


def _bonds(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return sample.network.positions, sample.network.bonds, sample.network.cell
