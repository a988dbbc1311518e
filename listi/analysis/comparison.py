"""Many maps of the same samples compared: goodness of each, and what one adds to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import rankdata, spearmanr

from .ensemble import bootstrap
from .prediction_goodness import goodness

WEIGHTS = (-0.4, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.4)


class Case(NamedTuple):
    """A sample with maps to be compared.

    Attributes
    ----------
    maps : Dataset over (x, y)
        Each low where the glass should be soft.
    events : DataArray, shape (n_events, 2)
        Positions in the undeformed cell [Å].
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    """

    maps: xr.Dataset
    events: xr.DataArray
    cell: np.ndarray


def goodness_of_maps(cases: Sequence[Case]) -> xr.DataArray:
    """Goodness of every map over (map, sample, event); NaN where a sample had fewer events."""
    names = [str(name) for name in cases[0].maps]
    each = [
        xr.concat([goodness(case.maps[name], case.events, case.cell) for name in names], xr.Variable("map", names))
        for case in cases
    ]
    return xr.concat(each, "sample", join="outer").transpose("map", "sample", "event")


def paired_differences(goodness: xr.DataArray, base: str = "probing") -> xr.Dataset:
    """How much better each model predicts than the base: mean over samples of the mean goodness of their events.

    Parameters
    ----------
    goodness : DataArray over (model, sample, event)
        NaN where a sample had fewer events.
    base : str
        The model that the others are compared with.

    Returns
    -------
    Dataset over model
        `difference` with its 95 % bootstrap interval over samples, `low` and `high`; the base is left out.
    """
    each = (goodness - goodness.sel(model=base)).mean("event").drop_sel(model=base)
    rows = np.array([bootstrap(values) for values in each.transpose("model", "sample").values])
    names = ("difference", "low", "high")
    return xr.Dataset({name: ("model", rows[:, n]) for n, name in enumerate(names)}, {"model": each.model})


def rank_correlations(case: Case, base: str = "threshold") -> xr.DataArray:
    """Rank correlation (Spearman) of every map with the base, over map; 0 where a map is constant."""
    own = {str(name): field.transpose("x", "y").values.ravel() for name, field in case.maps.items()}
    values = [
        spearmanr(own[base], other, nan_policy="omit").statistic if np.nanstd(other) > 0.0 else 0.0
        for other in own.values()
    ]
    return xr.DataArray(values, {"map": list(own)}, "map")


def combined(base: xr.DataArray, other: xr.DataArray, weight: float) -> xr.DataArray:
    """Rank of the base plus a weight times the rank of another map, ranks from 0 to 1."""
    base, other = (one.transpose("x", "y") for one in (base, other))
    ranks = [rankdata(one, nan_policy="omit").reshape(base.shape) / base.size for one in (base, other)]
    return base.copy(data=ranks[0] + weight * ranks[1])


def contributions(
    cases: Sequence[Case], fitted: Sequence[bool], base: str = "threshold", weights: Sequence[float] = WEIGHTS
) -> xr.Dataset:
    """What each map adds to the base: change of the mean goodness over events when both are combined.

    The weight is the one of `weights` that is best on the samples that are `fitted`; the change is that on the others.

    Parameters
    ----------
    cases : sequence of Case
        The samples, with the same maps.
    fitted : sequence of bool
        Which samples the weight may be chosen on; some must be left.
    base : str
        The map to add to.
    weights : sequence of float
        To choose from; 0 among them.

    Returns
    -------
    Dataset over map
        `weight`, `change`, `low` and `high`: its mean over samples and the paired 95 % bootstrap interval.

    Raises
    ------
    ValueError
        If no sample is fitted, or none left.
    """
    chosen = np.asarray(fitted, dtype=bool)
    if chosen.all() or not chosen.any():
        raise ValueError(f"fitted: {chosen.sum()} of {len(chosen)} samples; some must be fitted and some left")
    alone = np.array([_mean_goodness(case, case.maps[base]) for case in cases])
    names = [str(name) for name in cases[0].maps if name != base]
    rows = []
    for name in names:
        both = [
            [_mean_goodness(case, combined(case.maps[base], case.maps[name], w)) for case in cases] for w in weights
        ]
        gains = np.array(both) - alone
        best = int(np.argmax(gains[:, chosen].mean(axis=1)))
        rows.append((weights[best], *bootstrap(gains[best, ~chosen])))
    columns = zip(("weight", "change", "low", "high"), np.array(rows).T, strict=True)
    return xr.Dataset({name: ("map", values) for name, values in columns}, {"map": names})


def _mean_goodness(case: Case, field: xr.DataArray) -> float:
    return float(goodness(field, case.events, case.cell).mean())
