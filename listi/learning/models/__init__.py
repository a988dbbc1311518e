"""The networks: built, saved, loaded and asked for the thresholds of a glass.

    lstm    coordinates read in the order of the atoms' numbers        paper
    cnn     a grey image                                               paper
    gcn     graph convolutions along the bonds (Spektral)              paper
    mpnn    messages that depend on the bond vectors                   our own

A model answers in the stress unit of its targets. What must be known to use it (its kind, R_free,
image size, seed, how it was trained) is its metadata, kept inside the `.keras` file. Keras and
TensorFlow are imported only when a model is built or loaded.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ... import files
from ...files import write_bytes
from ...network.geometry import grid_points
from ...network.network import Network
from ...network.units import LENGTH_UNIT, STRESS_UNIT
from ..cutouts import R_FREE, SIGNS, Cutouts, cutouts, mirrored

if TYPE_CHECKING:
    import keras

NAMES = ("lstm", "cnn", "gcn", "mpnn")
SHIPPED = Path(__file__).resolve().parents[3] / "data" / "paper" / "models"  # weights trained at the paper's scale
BATCH = 512  # cut-outs handed to a network at a time when it only predicts


def _module(name: str) -> ModuleType:
    if name not in NAMES:
        raise ValueError(f"name: {name!r} is not one of {', '.join(NAMES)}")
    return import_module(f".{name}", __name__)


def build(name: str, seed: int = 0, r_free: float = R_FREE, **sizes) -> keras.Model:
    """Build an untrained network.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    seed : int
        Of the initial weights and of dropout. It also seeds the global generators of Python, NumPy
        and Keras.
    r_free : float
        Radius of the cut-outs that it will see [Å].
    **sizes
        Passed on to `build` of the module `name`, e.g. `pixels` for "cnn", `width` for "gcn".

    Returns
    -------
    keras.Model
        Takes what `inputs` returns; answers (n, 1) in the unit of the training targets,
        standardised before `fit`.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """
    if seed != int(seed) or seed < 0:
        raise ValueError(f"seed: {seed!r} is not a whole number >= 0")
    if not r_free > 0:
        raise ValueError(f"r_free: {r_free!r} Å is not > 0")
    module = _module(name)
    import keras

    keras.utils.set_random_seed(seed)
    return module.build(
        {"name": name, "r_free": float(r_free), "seed": int(seed), "mirror": False, **sizes},
        **sizes,
    )


def metadata(model: keras.Model) -> dict:
    """Return what is known of a model: its name, sizes, seed, r_free [Å], and how it was trained.

    Raises
    ------
    ValueError
        If it was not built here.
    """
    found = next((layer for layer in getattr(model, "layers", ()) if layer.name == "threshold"), None)
    if not hasattr(found, "metadata"):
        raise ValueError(f"model: {model!r} was not made by listi.models.build")
    return json.loads(found.metadata)


def update_metadata(model: keras.Model, **changes) -> None:
    """Add to, or change, the metadata of a model."""
    model.get_layer("threshold").metadata = json.dumps(metadata(model) | changes, sort_keys=True)


def inputs(model: keras.Model, cut: Cutouts) -> np.ndarray | dict[str, np.ndarray]:
    """Return the input of a model for some cut-outs: a sequence, an image or a graph each.

    Raises
    ------
    ValueError
        If the model was built for another R_free.
    """
    known = metadata(model)
    if cut.r_free != known["r_free"]:
        raise ValueError(f"r_free: {cut.r_free} Å, but the model was built for {known['r_free']} Å")
    sizes = {"pixels": known["pixels"]} if "pixels" in known else {}
    return _module(known["name"]).inputs(cut, **sizes)


def save(model: keras.Model, path: str | os.PathLike, **more) -> None:
    """Write a model to a `.keras` file that carries its checksum, at once or not at all.

    Parameters
    ----------
    model : keras.Model
        Built by `build`.
    path : path-like
        Ends in ".keras".
    **more
        Added to the metadata; anything that JSON can hold.

    Raises
    ------
    ValueError
        If the name does not end in ".keras" or the model was not built here.
    DataError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"path: {str(path)!r} does not end in .keras")
    update_metadata(model, **more)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        model.save(file)
        data = file.read_bytes()
    # A `.keras` file is a zip file, which may end with a comment: ours is the sum of all before it.
    data = data[:-2] + files.SEAL_LENGTH.to_bytes(2, "little")
    write_bytes(path, data + files.seal(data))


def load(path: str | os.PathLike) -> keras.Model:
    """Read a model that `save` wrote, or that ships under one of the `NAMES`.

    Raises
    ------
    ValueError
        If there is no such file, it is not one of ours, or not as it was written (DataError).
    """
    path = _find(path)
    files.unsealed(path)
    name = _name_in(path)
    _module(name)  # registers the layers that the file names
    import keras

    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _find(path: str | os.PathLike) -> Path:
    """Path of a model file given as such or by the name of one that ships."""
    if str(path) in NAMES:
        shipped = sorted(file.stem for file in SHIPPED.glob("*.keras"))
        if str(path) not in shipped:
            raise ValueError(f"model: no trained {path!r} ships; there are: {', '.join(shipped) or 'none'}")
        return SHIPPED / f"{path}.keras"
    if not Path(path).is_file():
        raise ValueError(f"model: {str(path)!r} is neither a file nor one of {', '.join(NAMES)}")
    return Path(path)


def _name_in(path: Path) -> str:
    """Read which of the `NAMES` a file holds, without building anything."""
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
        layers = [layer["config"] for layer in config["config"]["layers"]]
        known = next(layer["metadata"] for layer in layers if layer["name"] == "threshold")
        return json.loads(known)["name"]
    except (zipfile.BadZipFile, KeyError, StopIteration, ValueError, TypeError) as error:
        raise ValueError(f"model: {str(path)!r} is not a model saved by listi") from error


def thresholds(model: keras.Model, x: np.ndarray | dict[str, np.ndarray], mirror: bool | None = None) -> np.ndarray:
    """Ask a model for the thresholds of inputs that `inputs` made.

    Parameters
    ----------
    model : keras.Model
        A trained model.
    x : ndarray or dict
        Its inputs.
    mirror : bool, optional
        Average the answers for the four mirror images of each cut-out, which have the same
        threshold. Without it: as the model was trained.

    Returns
    -------
    ndarray, shape (n,)
        In the stress unit of the training targets.
    """
    if mirror is None:
        mirror = metadata(model)["mirror"]
    return np.mean([answers(model, x, signs) for signs in (SIGNS if mirror else SIGNS[:1])], axis=0)


def answers(model: keras.Model, x: np.ndarray | dict[str, np.ndarray], signs: np.ndarray = SIGNS[0]) -> np.ndarray:
    """Ask a network with one output for all inputs, mirrored by `signs`; shape (n,)."""
    n = len(next(iter(x.values())) if isinstance(x, dict) else x)
    size = min(n, BATCH)
    batches = [np.arange(first, first + size) % n for first in range(0, n, size)]  # the last is filled up
    turn = np.tile(signs, (size, 1))
    parts = [model.predict_on_batch(mirrored(take(x, batch), turn))[:, 0] for batch in batches]
    return np.concatenate(parts)[:n].astype(float)


def take(x: np.ndarray | dict[str, np.ndarray], index: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
    """Return some rows of an input array or of every array in a dictionary."""
    return {name: array[index] for name, array in x.items()} if isinstance(x, dict) else x[index]


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
        A model, its file, or the name of one that ships.
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
    if points is None:
        places = grid_points(network.cell, grid)
    else:
        places = np.asarray(points, dtype=float)
    if isinstance(model, (str, os.PathLike)):
        model = load(model)
    known = metadata(model)
    cut = cutouts(network, places, known["r_free"] if r_free is None else r_free)
    values = thresholds(model, inputs(model, cut), mirror)
    values[~cut.mask.any(axis=1)] = np.nan
    return _dataset(values, network.cell, grid if points is None else None, places, known)


def _dataset(values, cell, grid, places, known) -> xr.Dataset:
    stress = {"units": STRESS_UNIT, "long_name": f"stress threshold predicted by {known['name']}"}
    attrs = {"cell": cell.tolist(), "model": known["name"], "r_free": known["r_free"]}
    if grid is None:
        coords = {name: ("point", places[:, k], _length(name)) for k, name in enumerate("xy")}
        return xr.Dataset({"threshold": ("point", values, stress)}, coords, attrs)
    edges = [np.arange(n) * length / n for n, length in zip(grid, cell, strict=True)]
    coords = {name: (name, edge, _length(name)) for name, edge in zip("xy", edges, strict=True)}
    return xr.Dataset({"threshold": (("x", "y"), values.reshape(grid), stress)}, coords, attrs)


def _length(name: str) -> dict[str, str]:
    return {"units": LENGTH_UNIT, "long_name": f"{name} of the probed point"}
