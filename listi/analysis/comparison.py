"""Comparison of maps and of predictors: correlation, means with bootstrap intervals, paired differences.

Points without a value (NaN) are left out wherever maps are compared: as if they were not in the map.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr

from .ensemble import bootstrap

Values = TypeVar("Values", xr.DataArray, xr.Dataset)
BOUNDS = ("mean", "low", "high")


def correlation(first: xr.DataArray | np.ndarray, second: xr.DataArray | np.ndarray) -> float:
    """Pearson's r of two maps or arrays of the same points.

    Points where either has no value (NaN) are left out. A constant map says nothing: r is 0. With fewer than two
    points r is NaN.

    Raises
    ------
    ValueError
        If the shapes differ, or the coordinates of two DataArrays.
    """
    if isinstance(first, xr.DataArray) and isinstance(second, xr.DataArray):
        if set(first.dims) != set(second.dims):
            raise ValueError(f"second: dimensions {second.dims} are not those of the first, {first.dims}")
        second = second.transpose(*first.dims)
        for name in first.indexes.keys() & second.indexes.keys():
            if len(first[name]) == len(second[name]) and not np.allclose(first[name], second[name]):
                raise ValueError(f"second: {name} is not that of the first; the maps are of different points")
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"second: shape {b.shape} is not that of the first, {a.shape}")
    valued = np.isfinite(a) & np.isfinite(b)
    a, b = a[valued], b[valued]
    if a.size < 2:
        return np.nan
    return 0.0 if np.ptp(a) == 0.0 or np.ptp(b) == 0.0 else float(np.corrcoef(a, b)[0, 1])


def intervals(values: Values) -> Values:
    """Mean over samples with its 95 % bootstrap interval.

    Parameters
    ----------
    values : DataArray or Dataset over sample
        NaN are left out.

    Returns
    -------
    DataArray or Dataset over bound
        "mean", "low", "high" in place of the samples; NaN where no sample has a value.
    """
    found = xr.apply_ufunc(
        _interval, values, input_core_dims=[["sample"]], output_core_dims=[["bound"]], vectorize=True, keep_attrs=True
    )
    return found.assign_coords(bound=list(BOUNDS))


def _interval(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return np.full(3, np.nan) if np.isnan(values).all() else bootstrap(values)


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
    change = (goodness - goodness.sel(model=base, drop=True)).mean("event").drop_sel(model=base)
    return intervals(change).to_dataset("bound").rename(mean="difference")
