"""Thresholds as a trained network predicts them from the structure alone."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..network.geometry import as_array, grid_lines, grid_points
from ..network.network import OXYGEN, Network, check_network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from ..progress import progress
from . import models
from .cutouts import Cutouts, cutouts
from .encodings import SIGNS, Inputs, mirrored
from .session import keras_session
from .structure import without_fourth_bonds

if TYPE_CHECKING:
    import keras
    from tqdm import tqdm

BATCH = 512  # cut-outs handed to a network at a time when it only predicts
BATCH_OF_SAMPLE = 2500  # the same for a network that reads the whole sample with each
MAX_DISTANCE = 0.3  # from the training samples; beyond it predictions were worse
MAX_DENSITY_CHANGE = 0.1  # of the number of Si in a disc, as a fraction of that in training


def predict(
    network: Network,
    model: str | os.PathLike | keras.Model = "listi",
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    mirror: bool | None = None,
    *,
    mode: str = "pure shear",
    angle: float = 0.0,
) -> xr.Dataset:
    """Predict the local stress thresholds of a glass from its structure alone.

    Parameters
    ----------
    network : Network
        The undeformed glass.
    model : str, path or keras.Model
        A model, its file, or the name of one that ships. A file is read once, and again when it has changed.
    grid : (int, int)
        Points along x and y, at x = i L_x / n_x and y = j L_y / n_y.
    points : array_like, shape (n, 2), optional
        Points [Å] to use instead of the grid.
    mirror : bool, optional
        Average over the mirror images of each disc; as the model was trained if not given.
    mode : str
        Of the load, as in `listi.probe`, and one that the model was trained for: "pure shear" for most that ship,
        which is also asked for "simple shear", the same in other directions; "listi_loads" knows all modes.
    angle : float
        Direction of the load against x, anticlockwise [degrees], as in `listi.probe`. The model reads positions, bond
        vectors and stresses by their components along and across the load. At ``angle + 180`` the load is the same, at
        ``angle + 90`` it is the reverse shear. The LSTM also reads the order of the atom numbers, which stays.

    Returns
    -------
    xarray.Dataset
        `threshold` over (x, y) or over point, in the unit of the probed thresholds; NaN where a
        disc holds no Si. Attributes: `mode` and `angle` of the load; `distance`, how much the glass differs from those
        of the training, see `models.distance`; below 0.01 for these.

    Raises
    ------
    ValueError
        If a parameter makes no sense, or the glass has other species than Si and O; before anything is computed.

    Warns
    -----
    UserWarning
        If a Si has more than three bonds, as after an event, of which the longest are not read. If the discs hold more
        or fewer Si than those the model was trained on, by more than a tenth. If the distance from the glasses it was
        trained on is above 0.3.

    Examples
    --------
    >>> import numpy as np
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> predicted = listi.predict(glass, grid=(10, 10))  # by "listi", which ships
    >>> probed = listi.probe(glass, grid=(10, 10))
    >>> bool(np.corrcoef(predicted.threshold.values.ravel(), probed.threshold.values.ravel())[0, 1] > 0.9)
    True
    """
    check_network(network)
    for atom in np.flatnonzero(network.species > OXYGEN)[:1]:
        raise ValueError(f"species: atom {atom} has {network.species[atom]}; networks read 0 (Si) and 1 (O) only")
    if len(network.silicon) and not len(network.bonds):
        raise ValueError("network: has no bonds, which networks read; listi.network_of finds them from positions")
    network = _with_three_bonds(network)
    centers = grid_points(network.cell, grid) if points is None else as_array("points", points)
    if isinstance(model, (str, os.PathLike)):
        path = models.find(model)
        model = _read(path.resolve(), path.stat().st_mtime_ns)
    known = models.metadata(model)
    models.check_mode(known, mode)
    cut = cutouts(network, centers, known["r_free"], mode=mode, angle=angle)
    _warn_of_density(cut, known)
    x = models.inputs(model, cut)
    distance = _warn_of_distance(models.distance(model, x))
    values = thresholds(model, x, mirror)
    if not np.isfinite(values).all():
        raise ValueError("model: predicts thresholds that are not finite; its training diverged")
    values[~cut.mask.any(axis=1)] = np.nan
    how = {"mode": mode, "angle": angle, "r_free": known["r_free"]}
    predicted = _dataset(values, network.cell, grid if points is None else None, centers, known["name"], how)
    return predicted.assign_attrs(distance=distance)


def typical_disc_occupancy(counts: np.ndarray) -> float:
    """Return the number of Si that a tenth of the discs exceed; discs without any, outside a patch, do not count."""
    return float(np.percentile(counts[counts > 0], 90)) if counts.any() else 0.0


def _with_three_bonds(network: Network) -> Network:
    """Return the network without the fourth, longest, bonds of its Si, and warn if there are any."""
    read = without_fourth_bonds(network)
    if read is not network:
        left = len(network.bonds) - len(read.bonds)
        warnings.warn(f"network: Si have more than three bonds; the {left} longest are not read", stacklevel=3)
    return read


def _warn_of_density(cut: Cutouts, known: dict) -> None:
    """Warn if the discs hold more or fewer Si than those of the training."""
    own, usual = typical_disc_occupancy(cut.mask.sum(axis=1)), known.get("silicon_in_discs")
    if usual and abs(own / usual - 1.0) > MAX_DENSITY_CHANGE:
        warnings.warn(
            f"network: dense discs hold {own:.0f} Si, but {usual:.0f} in the glasses that the model was trained on;"
            " its predictions for so different a density are a guess",
            stacklevel=3,
        )


def _warn_of_distance(distance: float) -> float:
    """Warn if the glass is unlike those of the training, and return the distance."""
    if distance > MAX_DISTANCE:
        warnings.warn(
            f"network: its bonds and stresses are unlike those of the training (distance {distance:.2f}, usual 0.01);"
            " predictions are less accurate",
            stacklevel=3,
        )
    return distance


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> keras.Model:
    """Return the model of a file; `changed` is the time of its last change."""
    return models.load(path)


def _dataset(values, cell, grid, centers, name: str, how: dict) -> xr.Dataset:
    stress = {"units": STRESS_UNIT, "long_name": f"stress threshold predicted by {name}", **how}
    attrs = {"cell": cell.tolist(), "model": name, **how}
    if grid is None:
        coords = {name: ("point", centers[:, k], _length(name)) for k, name in enumerate("xy")}
        return xr.Dataset({"threshold": ("point", values, stress)}, coords, attrs)
    coords = {name: (name, line, _length(name)) for name, line in zip("xy", grid_lines(cell, grid), strict=True)}
    return xr.Dataset({"threshold": (("x", "y"), values.reshape(grid), stress)}, coords, attrs)


def _length(name: str) -> dict[str, str]:
    return {"units": LENGTH_UNIT, "long_name": f"{name} of the probed point"}


def thresholds(model: keras.Model, x: Inputs, mirror: bool | None = None) -> np.ndarray:
    """Predict the thresholds of cut-outs.

    Parameters
    ----------
    model : keras.Model
        A trained model.
    x : Inputs
        What `models.inputs` returns for them.
    mirror : bool, optional
        Average over the four mirror images of each cut-out, which have the same threshold. Without it: as the model
        was trained.

    Returns
    -------
    ndarray, shape (n,)
        In the stress unit of the training targets.
    """
    if mirror is None:
        mirror = models.metadata(model)["mirror"]
    turns = SIGNS if mirror else SIGNS[:1]
    with progress("predicting", len(turns) * len(x), unit=" points") as bar:
        return np.mean([outputs(model, x, signs, bar) for signs in turns], axis=0)


@keras_session()
def outputs(model: keras.Model, x: Inputs, signs: np.ndarray = SIGNS[0], bar: tqdm | None = None) -> np.ndarray:
    """Return the output of a network for all points, mirrored by `signs`; shape (n,). The bar moves by one a point."""
    n = len(x)
    size = min(n, BATCH_OF_SAMPLE if x.sample else BATCH)
    batches = [np.arange(first, first + size) % n for first in range(0, n, size)]  # the last is filled up
    turn = np.tile(signs, (size, 1))
    values = np.empty(size * len(batches))
    for k, batch in enumerate(batches):
        values[k * size : (k + 1) * size] = model.predict_on_batch(mirrored(x.take(batch), turn))[:, 0]
        if bar is not None:
            bar.update(min(size, n - k * size))
    return values[:n]
