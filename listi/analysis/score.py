"""Predictors of any kind, scored alike: from a network to a map, from maps and events to goodness and hits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..files import DataError
from ..network.geometry import grid_product, minimum_image, nearest_point
from ..network.network import Network
from .comparison import correlation, intervals
from .discs import R_FREE, as_map
from .prediction_goodness import EVENTS, first_events, goodness
from .sample import Sample, threshold_of
from .spots import blurred, softest_spots

# (network) -> map, or (network, points) -> map. Low where the network is soft.
Predictor = Callable[..., xr.DataArray | xr.Dataset | np.ndarray]
GRID = (50, 50)  # of samples that were not probed
SOFTEST = (1, 3, 10)  # numbers of softest spots among which hits are counted
STRAINS = (0.01, 0.02, 0.03, 0.04)  # up to which events count for precision and false alarms
NEAR = R_FREE  # an event at most this far from a spot is hit by it [Å]
RESOLUTIONS = {"point": lambda field, cell: field, "event": blurred}
MEASURES = {  # name: what it is
    "goodness": "prediction goodness",
    "mean_goodness": "mean prediction goodness of the first six events",
    "hit_first": "whether the first event is at one of the k softest distinct spots",
    "hits": "share of the first six events at one of the k softest distinct spots",
    "average_precision": "average precision of the distinct spots for the events up to a strain",
    "false_alarms": "share of the ten softest distinct spots without an event up to a strain",
    "correlation": "correlation with the probed map",
    "strain_error": "predicted minus actual strain of the event",
}


class _Prediction(NamedTuple):
    """Maps of one predictor for one sample, over (x, y).

    Attributes
    ----------
    softness : DataArray
        Low where the sample is soft.
    strain : DataArray or None
        Strain of the whole sample at which each point should fail; NaN where it should not.
    """

    softness: xr.DataArray
    strain: xr.DataArray | None = None


def score(
    predictor: Predictor | Mapping[str, Predictor], samples: Sequence[Sample], stored: Sequence[str] = ("probing",)
) -> xr.Dataset:
    """Score predictors of weak spots on samples whose events are known.

    ``listi.figures.scores(listi.score(mine, samples))`` draws the box plots.

    Parameters
    ----------
    predictor : callable, or mapping of names to callables
        Called as ``predictor(network)``, or ``predictor(network, points=points)`` if it has an argument `points`, with
        the undeformed `listi.Network` of a sample and the points (n, 2) [Å] of the map that is wanted: the grid on
        which the sample was probed, else 50 x 50 points at i L / n. It returns a map that is low where the network is
        soft: a DataArray over (x, y) or point, an array (n_x, n_y) or (n,), or a Dataset with such a `threshold`. A
        Dataset may also hold `strain_to_failure`, the strain of the sample at which each point should fail (NaN: it
        should not). `listi.predict`, `listi.probe` and those in `listi.analysis.predictors` are such.
    samples : sequence of Sample
        With their deformation.
    stored : sequence of str
        Maps that the samples hold, to be scored too: "probing", or the name of a network. The first is the base of the
        paired differences.

    Returns
    -------
    Dataset over (model, sample, resolution, event, k, strain)
        Every map is scored as it is (resolution "point") and at the resolution of an event ("event": blurred by a
        periodic Gaussian of 5 Å).

        `goodness` (event) of the first six events, Eq. 1, NaN where a sample had fewer, and `mean_goodness`, their
        mean. `hit_first` (k): 1 if the first event lies within 11 Å of one of the k softest distinct spots, else 0;
        `hits` (k): share of the first six events that do. Spots are taken one after the other from the softest on,
        each more than 22 Å from those before. `average_precision` (strain) of the ranking of all spots for the events
        up to a strain, `false_alarms` (strain): share of the ten softest spots with none of these events within 11 Å;
        NaN where the sample was not sheared so far, or had no event. `correlation` with the probed map at the same
        resolution, see `listi.analysis.comparison.correlation`, NaN where the sample was not probed.
        `strain_error` (event), where a predictor returns strains.

        Of each, `*_mean` (bound: "mean", "low", "high") over samples with its 95 % bootstrap interval, and
        `*_difference` (bound), the same of the paired differences from the base.

    Raises
    ------
    ValueError
        If there are no samples, one lacks its deformation or a map of `stored`, or a predictor is not callable or does
        not return a map of finite values at the points wanted; naming predictor and sample.

    Examples
    --------
    >>> import listi
    >>> samples = [listi.open_sample(number) for number in (45, 46)]
    >>> def loaded_fast(network):
    ...     return -listi.stress_rate(network)
    >>> scores = listi.score(loaded_fast, samples)
    >>> scores.mean_goodness_mean.sel(resolution="point", bound="mean").round(2).to_series().to_dict()
    {'loaded_fast': 0.51, 'probing': 0.87}
    >>> figure = listi.figures.scores(scores)  # box plots
    """
    predictors = _named(predictor)
    samples = [samples] if isinstance(samples, Sample) else list(samples)
    _check(samples, predictors, stored)
    scores = xr.concat(
        [_scores_of_sample(predictors, stored, sample, number) for number, sample in enumerate(samples)],
        "sample",
        join="outer",
    ).transpose("resolution", "model", "sample", ...)
    summary = intervals(scores).rename({name: f"{name}_mean" for name in scores})
    if stored and scores.sizes["model"] > 1:
        base = scores.sel(model=stored[0], drop=True)
        change = intervals((scores - base).drop_sel(model=stored[0])).reindex(model=scores.model)
        summary = summary.merge(change.rename({name: f"{name}_difference" for name in scores}))
    scores = scores.merge(summary)
    for name in map(str, scores):
        measure = name.removesuffix("_mean").removesuffix("_difference")
        kind = {measure: "", f"{measure}_mean": "mean over samples of: "}.get(
            name, "mean difference from the base of: "
        )
        scores[name].attrs = {"units": "1", "long_name": kind + MEASURES[measure]}
    return scores


def stored_map(samples: Sequence[Sample], source: str) -> Predictor:
    """Return the predictor that looks up the map that a sample holds: by probing, or by the network of that name."""
    maps = [(sample.network, threshold_of(sample, source)) for sample in samples]

    def look_up(network: Network) -> xr.DataArray:
        return next(threshold for own, threshold in maps if own is network)

    return look_up


def _named(predictor: Predictor | Mapping[str, Predictor]) -> dict[str, Predictor]:
    if isinstance(predictor, Mapping):
        named = {str(name): function for name, function in predictor.items()}
    else:
        name = getattr(predictor, "__name__", type(predictor).__name__)
        named = {"predictor" if name == "<lambda>" else name: predictor}
    for name, function in named.items():
        if not callable(function):
            raise ValueError(f"predictor: {name} is {type(function).__name__}, not a function of a network")
    return named


def _check(samples: Sequence[Sample], predictors: Mapping[str, Predictor], stored: Sequence[str]) -> None:
    """Refuse what cannot be scored, before any predictor runs."""
    if not samples or not (predictors or stored):
        raise ValueError(f"samples, predictor: {len(samples)} and {len(predictors)}; at least one of each is needed")
    for name in set(stored) & set(predictors):
        raise ValueError(f"predictor: {name!r} is also in `stored`; give it another name")
    for number, sample in enumerate(samples):
        if not isinstance(sample, Sample):
            raise ValueError(
                f"samples: number {number} is {type(sample).__name__}, not a Sample; see listi.open_sample"
            )
        if sample.shear is None or not sample.shear.sizes["event"]:
            raise ValueError(f"samples: number {number} holds no events; listi.deform makes them")
        for name in stored:
            try:
                threshold_of(sample, name)
            except DataError as error:
                raise ValueError(f"stored: {name!r}, but sample number {number} has no such map") from error


def _scores_of_sample(
    predictors: Mapping[str, Predictor], stored: Sequence[str], sample: Sample, number: int
) -> xr.Dataset:
    """Scores over (model, resolution, ...) of one sample."""
    wanted = _wanted(sample)
    rows = []
    for name in [*predictors, *stored]:
        try:
            if name in predictors:
                made = _call(predictors[name], sample.network, wanted)
            else:
                made = _Prediction(_at_points(threshold_of(sample, name), wanted))
            rows.append(_scores_of_map(made, sample))
        except ValueError as error:
            raise ValueError(f"predictor: {name} on sample number {number}: {error}") from error
    return xr.concat(rows, xr.Variable("model", [*predictors, *stored]), join="outer")


def _wanted(sample: Sample) -> xr.DataArray:
    """A map on the grid on which predictors are scored."""
    if sample.probing is not None and set(sample.probing.threshold.dims) == {"x", "y"}:
        return sample.probing.threshold.transpose("x", "y")
    return as_map(np.zeros(GRID), sample.network.cell, GRID, "prediction", "1", "prediction")


def _call(predictor: Predictor, network: Network, wanted: xr.DataArray) -> _Prediction:
    if "points" in inspect.signature(predictor).parameters:
        returned = predictor(network, points=grid_product(wanted.x.values, wanted.y.values))
    else:
        returned = predictor(network)
    strain = None
    if isinstance(returned, xr.Dataset):
        if "threshold" not in returned:
            raise ValueError(f"returned a Dataset of {list(returned)}; `threshold` must be in it")
        if "strain_to_failure" in returned:
            strain = _at_points(returned.strain_to_failure, wanted)
        returned = returned.threshold
    softness = _at_points(returned, wanted)
    absent = int(np.count_nonzero(~np.isfinite(softness)))
    if absent:
        raise ValueError(
            f"returned {absent} of {softness.size} values that are not finite; give points where nothing should fail "
            "the largest value"
        )
    return _Prediction(softness, strain)


def _at_points(returned: xr.DataArray | np.ndarray, wanted: xr.DataArray) -> xr.DataArray:
    """Return a map over (x, y) on the grid that is wanted, of whatever form the map has."""
    if isinstance(returned, xr.DataArray):
        values = _in_order(returned, wanted)
    elif isinstance(returned, np.ndarray):
        values = returned
    else:
        raise ValueError(f"returned {type(returned).__name__}, not a map")
    if values.shape not in (wanted.shape, (wanted.size,)):
        raise ValueError(f"returned shape {values.shape}; {wanted.shape} or ({wanted.size},) is needed")
    return xr.DataArray(values.reshape(wanted.shape).astype(float), {name: wanted[name] for name in "xy"}, ("x", "y"))


def _in_order(returned: xr.DataArray, wanted: xr.DataArray) -> np.ndarray:
    if set(returned.dims) == {"x", "y"}:
        values, points = returned.transpose("x", "y"), {name: wanted[name].values for name in "xy"}
    elif returned.dims == ("point",):
        values, points = returned, dict(zip("xy", grid_product(wanted.x.values, wanted.y.values).T, strict=True))
    else:
        raise ValueError(f"returned dimensions {returned.dims}, not (x, y) or point")
    for name, line in points.items():
        if name in values.coords and not (
            values[name].shape == line.shape and np.allclose(values[name], line, atol=1e-6)
        ):
            raise ValueError(f"returned a map of another grid: {name} is not that of the {wanted.shape} points wanted")
    return values.values


def _scores_of_map(made: _Prediction, sample: Sample) -> xr.Dataset:
    """Scores over (resolution, ...) of one prediction."""
    cell, events = sample.network.cell, first_events(sample.shear)
    rows = []
    for read in RESOLUTIONS.values():
        softness = read(made.softness, cell)
        found = _hits(softness, sample)
        found["goodness"] = goodness(softness, events.event_position, cell)
        found["mean_goodness"] = found.goodness.mean("event")
        probed = sample.probing is not None and set(sample.probing.threshold.dims) == {"x", "y"}
        found["correlation"] = correlation(softness, read(sample.probing.threshold, cell)) if probed else np.nan
        if made.strain is not None:
            strain = read(made.strain, cell)
            position = events.event_position.transpose("event", "xy").values
            nearest = nearest_point(grid_product(strain.x.values, strain.y.values), position, cell)
            found["strain_error"] = ("event", strain.values.ravel()[nearest] - events.event_strain.values)
        rows.append(found)
    return xr.concat(rows, xr.Variable("resolution", list(RESOLUTIONS)))


def _hits(softness: xr.DataArray, sample: Sample) -> xr.Dataset:
    """Hits of the first and of six events over k; average precision and false alarms over strain."""
    cell, shear = sample.network.cell, sample.shear
    spots = np.array(list(softest_spots(softness, cell)))
    points = np.column_stack([softness.x.values[spots[:, 0]], softness.y.values[spots[:, 1]]])
    position = shear.event_position.transpose("event", "xy").values
    near = np.linalg.norm(minimum_image(points[:, None] - position, cell), axis=2) <= NEAR  # (spot, event)
    first = [near[:k, 0].any() for k in SOFTEST]
    six = [near[:k, :EVENTS].any(axis=0).mean() for k in SOFTEST]
    up_to = [_up_to(near, shear, strain) for strain in STRAINS]
    precision = [np.nan if some is None else average_precision(some) for some in up_to]
    false = [np.nan if some is None else 1.0 - some[: SOFTEST[-1]].any(axis=1).mean() for some in up_to]
    return xr.Dataset(
        {
            "hit_first": ("k", np.array(first, dtype=float)),
            "hits": ("k", six),
            "average_precision": ("strain", precision),
            "false_alarms": ("strain", false),
        },
        {"k": list(SOFTEST), "strain": list(STRAINS)},
    )


def _up_to(near: np.ndarray, shear: xr.Dataset, strain: float) -> np.ndarray | None:
    """Columns of the events up to a strain; None without events or if the sample was sheared less."""
    before = shear.event_strain.values <= strain + 1e-9
    return near[:, before] if before.any() and shear.strain[-1] >= strain - 1e-9 else None


def average_precision(near: np.ndarray) -> float:
    """Average precision of ranked spots as detections of events.

    Parameters
    ----------
    near : ndarray of bool, shape (n_spots, n_events)
        Which events each spot hits, spots in the order of their rank.

    Returns
    -------
    float
        Sum over ranks of the share of events hit for the first time, times the share of spots up to this rank that
        hit any: 1 if the first spots hit all events, 0 if none hits any.
    """
    hit_so_far = np.logical_or.accumulate(near, axis=0).mean(axis=1)
    precision = np.cumsum(near.any(axis=1)) / np.arange(1, len(near) + 1)
    return float(np.sum(np.diff(hit_so_far, prepend=0.0) * precision))
