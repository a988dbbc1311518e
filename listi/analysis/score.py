"""Predictors of any kind, judged alike: from a network to a map, from maps and events to the goodness."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from ..files import DataError
from ..network.network import Network
from .discs import as_map
from .prediction_goodness import first_events, goodness
from .sample import Sample, threshold_of

Predictor = Callable[[Network], xr.DataArray | xr.Dataset | np.ndarray]


def score(
    predictor: Predictor | Mapping[str, Predictor], samples: Sequence[Sample], beside: Sequence[str] = ("probing",)
) -> xr.Dataset:
    """Judge predictors of weak spots on samples whose events are known.

    ``listi.figures.scores(listi.score(mine, samples))`` draws the box plots,
    `listi.analysis.prediction_goodness.statistics` has their numbers for one model.

    Parameters
    ----------
    predictor : callable, or mapping of names to callables
        Each is called with the undeformed `listi.Network` of a sample alone, and returns a map that is low where the
        glass is soft: a DataArray over (x, y) or point, a Dataset with such a `threshold`, or an array (n_x, n_y) of
        values at i L / n. `listi.predict` and those in `listi.analysis.predictors` (with grid and radius given) are
        such.
    samples : sequence of Sample
        With their deformation.
    beside : sequence of str
        Maps that the samples hold, to be judged along: "probing", or the name of a network.

    Returns
    -------
    Dataset over (model, sample, event)
        `goodness` of the first six events, Eq. 1, NaN where a sample had fewer; and `correlation` (model, sample),
        Pearson's r with the probed map: 0 of a constant map, NaN where a sample was not probed on the same grid.

    Raises
    ------
    ValueError
        If there are no samples, one lacks its deformation or a map of `beside`, or a predictor is none or returns no
        map; naming predictor and sample.

    Examples
    --------
    >>> import listi
    >>> samples = [listi.open_sample(number) for number in (45, 46)]
    >>> def loaded_fast(network):
    ...     return -listi.stress_rate(network, grid=(20, 20))
    >>> scores = listi.score(loaded_fast, samples)
    >>> scores.goodness.mean(["sample", "event"]).round(2).to_series().to_dict()
    {'loaded_fast': 0.54, 'probing': 0.87}
    >>> figure = listi.figures.scores(scores)  # box plots
    """
    predictors = _named(predictor)
    samples = [samples] if isinstance(samples, Sample) else list(samples)
    _check(samples, predictors, beside)
    names = [*predictors, *beside]
    each = [
        xr.concat(
            [_judged(name, predictors.get(name), sample, number) for name in names],
            xr.Variable("model", names),
            join="outer",
        )
        for number, sample in enumerate(samples)
    ]
    return xr.concat(each, "sample", join="outer").transpose("model", "sample", "event")


def _named(predictor: Predictor | Mapping[str, Predictor]) -> dict[str, Predictor]:
    if isinstance(predictor, Mapping):
        named = {str(name): one for name, one in predictor.items()}
    else:
        name = getattr(predictor, "__name__", type(predictor).__name__)
        named = {"predictor" if name == "<lambda>" else name: predictor}
    for name, one in named.items():
        if not callable(one):
            raise ValueError(f"predictor: {name} is {type(one).__name__}, not a function of a network")
    return named


def _check(samples: Sequence[Sample], predictors: Mapping[str, Predictor], beside: Sequence[str]) -> None:
    """Refuse what cannot be judged, before any predictor runs."""
    if not samples or not (predictors or beside):
        raise ValueError(f"samples, predictor: {len(samples)} and {len(predictors)}; one of each is needed at least")
    for name in set(beside) & set(predictors):
        raise ValueError(f"predictor: {name!r} is also in `beside`; give it another name")
    for number, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise ValueError(
                f"samples: number {number} is {type(sample).__name__}, not a Sample; see listi.open_sample"
            )
        if sample.shear is None or not sample.shear.sizes["event"]:
            raise ValueError(f"samples: number {number} holds no events; listi.deform makes them")
        for name in beside:
            try:
                threshold_of(sample, name)
            except DataError as error:
                raise ValueError(f"beside: {name!r}, but sample number {number} has no such map") from error


def _judged(name: str, predictor: Predictor | None, sample: Sample, number: int) -> xr.Dataset:
    """Goodness (event) and correlation of one map of one sample."""
    try:
        field = threshold_of(sample, name) if predictor is None else _map(predictor(sample.network), sample.network)
        scored = goodness(field, first_events(sample.shear).event_position, sample.network.cell)
    except ValueError as error:
        raise ValueError(f"predictor: {name} on sample number {number}: {error}") from error
    attrs = {"units": "1", "long_name": "correlation with the probed map"}
    return xr.Dataset({"goodness": scored, "correlation": ((), _correlation(field, sample), attrs)})


def _map(returned: xr.DataArray | xr.Dataset | np.ndarray, network: Network) -> xr.DataArray:
    if isinstance(returned, xr.Dataset) and "threshold" in returned:
        return returned.threshold
    if isinstance(returned, xr.DataArray):
        return returned
    if not isinstance(returned, np.ndarray) or returned.ndim != 2:
        raise ValueError(f"returned {type(returned).__name__}, not a map over (x, y)")
    n_x, n_y = returned.shape
    return as_map(returned, network.cell, (n_x, n_y), "prediction", "1", "prediction, low where soft")


def _correlation(field: xr.DataArray, sample: Sample) -> float:
    """Pearson's r with the probed map; 0 of a constant map, NaN where there is none on the same grid."""
    if sample.probing is None or set(field.dims) != {"x", "y"}:
        return np.nan
    probed = sample.probing.threshold
    if any(len(field[n]) != len(probed[n]) or not np.allclose(field[n], probed[n]) for n in "xy"):
        return np.nan
    one, other = (values.transpose("x", "y").values.ravel() for values in (field, probed))
    there = np.isfinite(one) & np.isfinite(other)
    constant = not there.any() or np.ptp(one[there]) == 0.0 or np.ptp(other[there]) == 0.0
    return 0.0 if constant else float(np.corrcoef(one[there], other[there])[0, 1])
