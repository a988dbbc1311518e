"""Thresholds as a trained network predicts them from the structure alone."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..network.geometry import grid_lines, grid_points
from ..network.network import Network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from . import models
from .cutouts import cutouts
from .encodings import SIGNS, Inputs, mirrored, take

if TYPE_CHECKING:
    import keras

BATCH = 512  # cut-outs handed to a network at a time when it only predicts


def predict(
    network: Network,
    model: str | os.PathLike | keras.Model = "gcn",
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    r_free: float | None = None,
    mirror: bool | None = None,
) -> xr.Dataset:
    """Predict the local stress thresholds of a glass from its structure alone.

    Parameters
    ----------
    network : Network
        The undeformed glass.
    model : str, path or keras.Model
        A model, its file, or the name of one that ships. A file is read once and kept for the next call, until it
        changes.
    grid : (int, int)
        Points along x and y, at x = i L_x / n_x and y = j L_y / n_y.
    points : array_like, shape (n, 2), optional
        Points [Å] to use instead of the grid.
    r_free : float, optional
        Radius of the discs [Å]: that of the model, the only one allowed.
    mirror : bool, optional
        Average over the mirror images of each disc; as the model was trained if not given.

    Returns
    -------
    xarray.Dataset
        `threshold` over (x, y) or over point, in the unit of the probed thresholds; NaN where a
        disc holds no Si.

    Raises
    ------
    ValueError
        If a parameter makes no sense; before anything is computed.
    """
    places = grid_points(network.cell, grid) if points is None else np.asarray(points, dtype=float)
    if isinstance(model, (str, os.PathLike)):
        model = _kept(models.find(model))
    known = models.metadata(model)
    cut = cutouts(network, places, known["r_free"] if r_free is None else r_free)
    values = thresholds(model, models.inputs(model, cut), mirror)
    values[~cut.mask.any(axis=1)] = np.nan
    return _dataset(values, network.cell, grid if points is None else None, places, known)


def _kept(path: Path) -> keras.Model:
    """Return the model of a file, read again only when the file has changed."""
    return _read(path.resolve(), path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> keras.Model:
    return models.load(path)


def _dataset(values, cell, grid, places, known) -> xr.Dataset:
    stress = {"units": STRESS_UNIT, "long_name": f"stress threshold predicted by {known['name']}"}
    attrs = {"cell": cell.tolist(), "model": known["name"], "r_free": known["r_free"]}
    if grid is None:
        coords = {name: ("point", places[:, k], _length(name)) for k, name in enumerate("xy")}
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
    x : ndarray or dict
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
    return np.mean([outputs(model, x, signs) for signs in (SIGNS if mirror else SIGNS[:1])], axis=0)


def outputs(model: keras.Model, x: Inputs, signs: np.ndarray = SIGNS[0]) -> np.ndarray:
    """Return the output of a network for all inputs, mirrored by `signs`; shape (n,)."""
    n = len(next(iter(x.values())) if isinstance(x, dict) else x)
    size = min(n, BATCH)
    batches = [np.arange(first, first + size) % n for first in range(0, n, size)]  # the last is filled up
    turn = np.tile(signs, (size, 1))
    parts = [model.predict_on_batch(mirrored(take(x, batch), turn))[:, 0] for batch in batches]
    return np.concatenate(parts)[:n].astype(float)
