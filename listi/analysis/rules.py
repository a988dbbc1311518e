"""Which end of a probe counts: the first irreversible step, the first drop of the stress, or the weakest direction.

The paper stops a probe at "the first local rearrangement (indicated by the stress drop)". Read literally, a smooth and
reversible maximum of the stress ends it too. `listi.probe` stops at the first irreversible step and reports the first
maximum beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..network.network import Network
from ..probing.probe import yield_stress
from .sensitivity import goodness_of_sampled, points_to_sample

IRREVERSIBLE, DROP = RULES = ("first irreversible step", "first stress drop")
SAME = 0.005  # thresholds whose relative difference is smaller are called the same


def thresholds(probing: xr.Dataset) -> xr.DataArray:
    """Threshold maps by either rule, over (rule, x, y).

    Raises
    ------
    ValueError
        If the probing holds no `peak_stress`: it was made by a version before 0.2.
    """
    if "peak_stress" not in probing:
        raise ValueError("probing: holds no peak_stress; probe the sample again")
    each = [probing.threshold, probing.peak_stress - probing.initial_stress]
    return xr.concat(each, xr.Variable("rule", list(RULES)), combine_attrs="override")


def difference(probing: xr.Dataset) -> dict[str, float]:
    """How far the rules differ: share of the probes that do, extremes of the ratio drop / irreversible, correlation."""
    maps = thresholds(probing)
    first, second = (maps.sel(rule=rule).values.ravel() for rule in RULES)
    there = np.isfinite(first)
    first, second = first[there], second[there]
    ratio = second / first
    return {
        "differ": float(np.mean(np.abs(ratio - 1.0) > SAME)),
        "lower": float(np.mean(ratio < 1.0 - SAME)),
        "least_ratio": float(ratio.min()),
        "largest_ratio": float(ratio.max()),
        "correlation": float(np.corrcoef(first, second)[0, 1]),
    }


def over_angles(
    network: Network,
    event_position: np.ndarray | xr.DataArray,
    n_probes: int,
    seed: int = 0,
    grid: tuple[int, int] = (50, 50),
    angles: Sequence[float] = tuple(range(-40, 41, 10)),
    **settings,
) -> xr.Dataset:
    """Goodness by the threshold along the shear and by the smallest over directions of probing, at the same points.

    Parameters
    ----------
    network, event_position, n_probes, seed, grid
        As for `sensitivity.sampled_goodness`.
    angles : sequence of float
        As for `listi.yield_stress`; 0, along the shear, must be among them.
    **settings
        Parameters of `listi.probe`.

    Returns
    -------
    Dataset over event
        `along` and `weakest`.

    Raises
    ------
    ValueError
        If 0 is not among the angles, or as `listi.yield_stress`.
    """
    if 0 not in angles:
        raise ValueError(f"angles: 0 is not among {list(angles)}")
    points = points_to_sample(network, event_position, n_probes, seed, grid)
    found = yield_stress(network, points=points, angles=angles, **settings)
    n = len(event_position)
    maps = {"along": found.threshold.sel(angle=0.0), "weakest": found.yield_stress}
    return xr.Dataset(
        {name: ("event", goodness_of_sampled(values.values, n)) for name, values in maps.items()},
        coords={"event": np.arange(1, n + 1)},
    )
