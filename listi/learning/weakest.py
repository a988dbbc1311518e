"""The weakest spots of a glass, with a stated confidence: all are predicted, and few need to be probed.

A network predicts the map. Points are then probed in the order of what is predicted, until no point is left whose
threshold could be below the n-th smallest found so far: predictions less a margin are taken as lower bounds. The margin
is split-conformal (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, Springer 2005; Lei et al., J. Am.
Stat. Assoc. 113, 1094 (2018)): in each calibration sample, how far the prediction is above the threshold at the worst
of its n weakest spots; of these numbers the quantile at the confidence. If a glass is like the calibration samples, all
of its n weakest spots are returned with at least that probability. The samples were probed under pure shear along x;
in an isotropic glass other directions are statistically the same, and the margin holds for them, too.
"""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..files import DataError
from ..network.geometry import grid_points, is_integer, is_number, minimum_image
from ..network.network import Network, check_network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from ..probing.probe import probe
from . import models
from .predict import predict

CALIBRATION = "_calibration.csv.gz"  # of a network: its predictions beside probed thresholds, at the soft end
SOFTEST, PREDICTED = 250, 100  # points of a calibration sample that are kept: softest probed, softest predicted
BATCH = 24  # probes made at a time
COMPARED = 24  # first probes of a glass, by which its predictions are compared with those of the calibration
GROUPS = 500  # random parts or groups of calibration samples, for glasses of other sizes
SMALLEST = 0.2  # area over that of a calibration sample; a smaller glass is probed as a whole, which is quick
CALIBRATED_MODE = "pure shear"
MOST_SPOTS = 50
SPACING = np.array([4.23, 4.39])  # of the points: that of the paper's 50 x 50 in 9600 atoms [Å]


class Calibration(NamedTuple):
    """Probed and predicted thresholds of samples that a network did not learn from.

    Attributes
    ----------
    points : list of ndarray, shape (n, 2)
        Of each sample [Å].
    threshold, predicted : list of ndarray, shape (n,)
        [reduced energy/Å²].
    cell : ndarray, shape (2,)
        Of every sample [Å].
    """

    points: list[np.ndarray]
    threshold: list[np.ndarray]
    predicted: list[np.ndarray]
    cell: np.ndarray


def weakest(
    network: Network,
    n: int = 5,
    *,
    confidence: float = 0.95,
    apart: float = 0.0,
    grid: tuple[int, int] | None = None,
    model: str | os.PathLike = "listi",
    mode: str = "pure shear",
    angle: float = 0.0,
    scheduler: str | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Find the n points of a grid with the lowest thresholds, by a network and a few probes.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    n : int
        Number of spots, at most 50.
    confidence : float
        Probability, over glasses like the calibration samples, that all n are right. 1: every point is probed.
    apart : float
        Distance [Å] within which a spot hides those that are harder. With 0 neighbouring points of one weak spot are
        counted one by one; with 22, twice the radius of a disc, spots are distinct, and about four times as many
        probes are needed.
    grid : (int, int), optional
        Points along x and y. By default as far apart as the paper's, about 4.3 Å, for which the
        predictions are calibrated.
    model : str or path
        A network with a calibration file beside it, as those that ship have.
    mode, angle : str, float
        Load, as in `listi.probe` and `listi.predict`. The calibration is that of pure shear along x. It holds in other
        directions if the glass is isotropic, as those of `listi.generate` are. Other modes need ``confidence=1``.
    scheduler, workers
        See `listi.parallel.run`.

    Returns
    -------
    Dataset over spot
        In ascending order of the ``threshold``: its ``position`` (spot, xy) [Å], ``critical_strain``, and what was
        ``predicted``. Attributes: ``n_probes``; ``margin`` below the predictions up to which was probed; ``deviation``,
        how large the errors of the predictions are, relative to the largest that are usual in the calibration. Above 1
        the margin is as many times wider, and a warning says that the confidence is not warranted; ``mode`` and
        ``angle`` of the load.

    Raises
    ------
    ValueError
        If a parameter makes no sense, there are fewer spots than asked for, or the network has no calibration, or
        none for the mode.

    Examples
    --------
    >>> import listi
    >>> glass = listi.open_sample(46).network
    >>> spots = listi.weakest(glass, n=3)
    >>> spots.n_probes < 250, spots.threshold.values.round(5).tolist()
    (True, [0.00017, 0.00019, 0.00019])
    """
    check_network(network)
    _check(n, confidence, apart)
    if confidence < 1.0 and mode != CALIBRATED_MODE:
        raise ValueError(
            f"mode: predictions are calibrated for {CALIBRATED_MODE}, not {mode!r}; with confidence=1 all is probed"
        )
    load = {"mode": mode, "angle": angle, "scheduler": scheduler, "workers": workers}
    nx, ny = np.maximum(1, np.round(network.cell / SPACING).astype(int)).tolist() if grid is None else grid
    search = _Search(network, grid_points(network.cell, (nx, ny)), n, apart, load)
    calibration, area = None if confidence == 1.0 else read_calibration(models.find(model)), np.prod(network.cell)
    if calibration is None or area < SMALLEST * np.prod(calibration.cell):
        search.probe(np.arange(len(search.points)))
        return search.spots({"confidence": 1.0})
    margin = quantile(scores(calibration, n, apart, area), confidence)
    search.predicted = predict(network, model, points=search.points, mode=mode, angle=angle).threshold.values
    return search.run(margin, usual_error(calibration), {"confidence": confidence, "model": str(model)})


def _check(n: int, confidence: float, apart: float) -> None:
    if not (is_integer(n) and 1 <= n <= MOST_SPOTS):
        raise ValueError(f"n: {n!r} is not a whole number from 1 to {MOST_SPOTS}")
    if not (is_number(confidence) and 0.0 < confidence <= 1.0):
        raise ValueError(f"confidence: {confidence!r} is not in 0 < confidence <= 1")
    if not (is_number(apart) and apart >= 0.0):
        raise ValueError(f"apart: {apart!r} is not a length >= 0 Å")


class _Search:
    """Probed and predicted thresholds of the points of one sample, and the weakest of the probed ones."""

    def __init__(self, network: Network, points: np.ndarray, n: int, apart: float, load: dict) -> None:
        self.network, self.points, self.n, self.apart, self.load = network, points, n, apart, load
        self.threshold = np.full(len(points), np.inf)
        self.strain = np.full(len(points), np.nan)
        self.predicted = np.full(len(points), np.nan)
        self.probed = np.zeros(len(points), dtype=bool)

    def probe(self, chosen: np.ndarray) -> None:
        """Probe some of the points."""
        found = probe(self.network, points=self.points[chosen], **self.load)
        self.threshold[chosen] = np.where(np.isnan(found.threshold), np.inf, found.threshold)
        self.strain[chosen] = found.critical_strain
        self.probed[chosen] = True

    def run(self, margin: float, usual: float, attrs: dict) -> xr.Dataset:
        """Probe in the order of the predictions, until no other point could be among the weakest."""
        order = np.argsort(self.predicted)
        first = order[: min(COMPARED, np.count_nonzero(np.isfinite(self.predicted)))]
        self.probe(first)
        deviation = _root_mean_square(self.predicted[first] - self.threshold[first]) / usual
        if deviation > 1.0:
            warnings.warn(
                f"network: errors of the predictions are {deviation:.2g} times those of the calibration samples;"
                " more is probed, and the confidence is not warranted",
                stacklevel=3,
            )
        lower = self.predicted - margin * max(1.0, deviation)
        while (could_be := self._could_be_weak(lower)).size:
            self.probe(could_be[np.argsort(lower[could_be])[:BATCH]])
        return self.spots(attrs | {"margin": margin, "deviation": deviation})

    def _could_be_weak(self, lower: np.ndarray) -> np.ndarray:
        """Return the points that are not probed and may be among the weakest."""
        spots = softest(self.points, self.threshold, self.n, self.apart, self.network.cell)
        limit = self.threshold[spots[-1]] if len(spots) == self.n else np.inf
        is_open = ~self.probed & (lower < limit)
        for spot in spots if self.apart else ():
            near = _distance(self.points, self.points[spot], self.network.cell) <= self.apart
            is_open &= ~(near & (self.threshold[spot] <= lower))
        return np.flatnonzero(is_open)

    def spots(self, attrs: dict) -> xr.Dataset:
        """Return the weakest of the probed points."""
        chosen = softest(self.points, self.threshold, self.n, self.apart, self.network.cell)
        if len(chosen) < self.n:
            raise ValueError(f"n: {self.n} spots were asked for; there are {len(chosen)} in this grid")
        stress, length = {"units": STRESS_UNIT}, {"units": LENGTH_UNIT}
        variables = {
            "threshold": ("spot", self.threshold[chosen], stress | {"long_name": "stress threshold, probed"}),
            "predicted": ("spot", self.predicted[chosen], stress | {"long_name": "stress threshold, predicted"}),
            "critical_strain": ("spot", self.strain[chosen], {"units": "1", "long_name": "critical strain"}),
            "position": (("spot", "xy"), self.points[chosen], length | {"long_name": "position of the spot"}),
        }
        coords = {"spot": np.arange(1, self.n + 1), "xy": ["x", "y"]}
        load = {"mode": self.load["mode"], "angle": self.load["angle"], "apart": self.apart}
        more = {"n_probes": int(self.probed.sum()), "n_points": len(self.points), "cell": self.network.cell.tolist()}
        return xr.Dataset(variables, coords, attrs | load | more)


def softest(points: np.ndarray, threshold: np.ndarray, n: int, apart: float, cell: np.ndarray) -> np.ndarray:
    """Return which n points are the softest, each more than `apart` [Å] from the softer ones; fewer if there are."""
    left = threshold.copy()
    chosen: list[int] = []
    while len(chosen) < n and np.isfinite(left).any():
        chosen.append(int(np.argmin(left)))
        left[_distance(points, points[chosen[-1]], cell) <= apart] = np.inf
    return np.array(chosen, dtype=int)


def _distance(points: np.ndarray, point: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return np.linalg.norm(minimum_image(points - point, cell), axis=1)


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values[np.isfinite(values)] ** 2)))


def scores(calibration: Calibration, n: int, apart: float, area: float) -> np.ndarray:
    """Return by how much predictions are too high at the worst of the n weakest spots [reduced energy/Å²].

    One number for each calibration sample, if the glass is about as large; else for random parts or groups of them of
    the glass's `area` [Å²].
    """
    samples = [np.column_stack(arrays) for arrays in zip(*calibration[:3], strict=True)]  # x, y, threshold, predicted
    ratio = area / float(np.prod(calibration.cell))
    random = np.random.default_rng(0)
    if abs(ratio - 1.0) < 0.05:
        groups = [[sample] for sample in samples]
    elif ratio < 1.0:
        groups = [
            [_part(samples[k], calibration.cell, ratio, random)] for k in random.integers(len(samples), size=GROUPS)
        ]
    else:
        drawn = (random.choice(len(samples), round(ratio), replace=ratio > len(samples)) for _ in range(GROUPS))
        groups = [[samples[k] for k in group] for group in drawn]
    return np.array([_worst(group, n, apart, calibration.cell) for group in groups])


def _part(sample: np.ndarray, cell: np.ndarray, ratio: float, random: np.random.Generator) -> np.ndarray:
    """Return the points of a sample in a random window that holds the given share of its area."""
    place = np.mod(sample[:, :2] - random.uniform(0.0, cell), cell)
    return sample[(place < math.sqrt(ratio) * cell).all(axis=1)]


def _worst(group: list[np.ndarray], n: int, apart: float, cell: np.ndarray) -> float:
    spots = [sample[softest(sample[:, :2], sample[:, 2], n, apart, cell)] for sample in group]
    weakest = sorted(np.concatenate(spots), key=lambda row: row[2])[:n]
    return max(row[3] - row[2] for row in weakest) if len(weakest) == n else math.inf


def quantile(scores: np.ndarray, confidence: float) -> float:
    """Return the split-conformal quantile: of N scores the k-th smallest, k = ceil(confidence (N + 1)); inf beyond."""
    k = math.ceil(confidence * (len(scores) + 1))
    return float(np.sort(scores)[k - 1]) if k <= len(scores) else math.inf


def usual_error(calibration: Calibration) -> float:
    """Return the root mean square error at the softest predicted points that 95 % of the samples keep to."""
    errors = []
    for threshold, predicted in zip(calibration.threshold, calibration.predicted, strict=True):
        first = np.argsort(predicted)[:COMPARED]
        errors.append(_root_mean_square(predicted[first] - threshold[first]))
    return quantile(np.array(errors), 0.95)


def read_calibration(path: Path) -> Calibration:
    """Read the calibration beside a network.

    Raises
    ------
    ValueError
        If there is none.
    DataError
        If the file is damaged.
    """
    file = path.with_name(path.stem + CALIBRATION)
    if not file.is_file():
        raise ValueError(f"model: {path.stem} has no calibration, {file.name}; with confidence=1 all points are probed")
    try:
        table = pd.read_csv(file)
        each = [group for _, group in table.groupby("sample")]
        cell = table[["cell_x", "cell_y"]].values[0]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{file}: not a calibration: {error}") from error
    points, threshold, predicted = (
        [group[names].values for group in each] for names in (["x", "y"], "threshold", "predicted")
    )
    return Calibration(points, threshold, predicted, cell)


def write_calibration(path: Path, maps: dict[str, xr.Dataset], cell: np.ndarray) -> None:
    """Write the calibration beside a network.

    Parameters
    ----------
    path : Path
        The network's file.
    maps : dict
        Name of a sample to its map: `threshold` and `predicted` over (x, y) [reduced energy/Å²], predicted by a network
        that did not learn from this sample.
    cell : ndarray, shape (2,)
        Of every sample [Å].
    """
    parts = []
    for name, values in maps.items():
        table = values[["threshold", "predicted"]].to_dataframe().reset_index()
        is_soft = (table.threshold.rank() <= SOFTEST) | (table.predicted.rank() <= PREDICTED)
        parts.append(table[is_soft].assign(sample=name))
    table = pd.concat(parts).assign(cell_x=cell[0], cell_y=cell[1])
    columns = ["sample", "x", "y", "threshold", "predicted", "cell_x", "cell_y"]
    file = path.with_name(path.stem + CALIBRATION)
    table.to_csv(file, columns=columns, index=False, float_format="%.6g", compression={"method": "gzip", "mtime": 0})
