"""The networks: built, saved and loaded. Each module in this folder is one model, known by the module's name.

    lstm             coordinates read in the order of the atoms' numbers          paper
    cnn              a grey image                                                 paper
    gcn              graph convolutions along the bonds, the plainest reading     paper
    gcn_attention    the same with attention between neighbours, Eq. 2b and 2d    paper
    gcn_bonds        the same with weights that depend on the bond vectors        paper, read freely
    listi            one graph of the whole sample, and every disc's weakest link our own
    listi_si         the same from Si and bonds alone                             our own
    listi_large      the same, larger, and taught how the atoms move              our own

The module of a model has three functions: `inputs(cut, metadata)` returns what the network reads,
`build(metadata, **sizes)` the untrained network, and `of_training(x)` (where there are `Scale` layers) the values they
take their statistics from. Its `PAPER` says how it is trained at the paper's scale.

A model predicts in the stress unit of its targets. What must be known to use it (its name, R_free, image size, seed,
how it was trained, how many Si its discs held) is its metadata, kept inside the `.keras` file. Keras and TensorFlow are
imported only when a model is built or loaded.
"""

from __future__ import annotations

import inspect
import json
import numbers
import os
import pkgutil
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ... import files
from ...network.geometry import is_whole
from ..cutouts import R_FREE, Cutouts
from ..encodings import Inputs

if TYPE_CHECKING:
    import keras

JIT = False  # to predict: compiling takes seconds for every number of points, and saves little
ENOUGH = 100  # points of a sample whose distribution tells something
TINY = 1e-6  # stands for the variance of what never varies
SCHEMA = 2  # of what a model reads and of its metadata
NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


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
        Seed of the initial weights and of dropout. It also seeds the global generators of Python, NumPy and Keras.
    r_free : float
        Radius of the cut-outs that it will read [Å].
    **sizes
        Passed on to `build` of the module `name`, e.g. `pixels` for "cnn", `width` for "gcn".

    Returns
    -------
    keras.Model
        Takes what `inputs` returns; predicts (n, 1) in the unit of the training targets, standardised before `fit`.

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
    kinds = inspect.signature(module.build).parameters.values()
    allowed = [kind.name for kind in kinds if kind.kind is kind.POSITIONAL_OR_KEYWORD and kind.name != "metadata"]
    for size in sizes:
        if size not in allowed:
            raise ValueError(f"{size}: is not a size of {name}; there are {', '.join(allowed)}")
        _check_kind(size, sizes[size], inspect.signature(module.build).parameters[size].default)
    import keras

    keras.utils.set_random_seed(seed)
    model = module.build(
        {"schema": SCHEMA, "name": name, "r_free": float(r_free), "seed": int(seed), "mirror": False, **sizes},
        **sizes,
    )
    model.jit_compile = JIT
    return model


def _check_kind(size: str, value: object, default: object) -> None:
    """Refuse a size of another kind than its default: a part is there or not, a number is whole or not."""
    if isinstance(default, bool):
        allowed, told = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        allowed, told = is_whole(value) and value >= 0, "a whole number >= 0"
    else:
        allowed, told = isinstance(value, numbers.Real) and not isinstance(value, bool), "a number"
    if not allowed:
        raise ValueError(f"{size}: {value!r} is not {told}")


def metadata(model: keras.Model) -> dict:
    """Return the metadata of a model: its name, sizes, seed, r_free [Å], and how it was trained.

    Raises
    ------
    ValueError
        If it was not built here.
    """
    found = next((layer for layer in getattr(model, "layers", ()) if layer.name == "threshold"), None)
    if not hasattr(found, "metadata"):
        raise ValueError(f"model: {model!r} was not made by listi.learning.models.build")
    return json.loads(found.metadata)


def update_metadata(model: keras.Model, **changes) -> None:
    """Add to, or change, the metadata of a model."""
    model.get_layer("threshold").metadata = json.dumps(metadata(model) | changes, sort_keys=True)


def inputs(model: keras.Model, cut: Cutouts) -> Inputs:
    """Return the input of a model for the cut-outs of a sample: sequences, images, graphs, or a graph of the sample.

    Raises
    ------
    ValueError
        If the model was built for another R_free, or cannot read the sample.
    """
    known = metadata(model)
    if cut.r_free != known["r_free"]:
        raise ValueError(f"r_free: {cut.r_free} Å, but the model was built for {known['r_free']} Å")
    return _module(known["name"]).inputs(cut, known)


def standardise(model: keras.Model, x: Inputs) -> None:
    """Give the `Scale` layers of a model the statistics of what it is to be trained on."""
    module = _module(metadata(model)["name"])
    for name, values in getattr(module, "of_training", lambda x: {})(x).items():
        model.get_layer(name).adapt(values)


def moves_from(model: keras.Model) -> dict[str, int]:
    """Layers with features of every Si of a disc, and how many components of its motion are read off each to train."""
    return dict(getattr(_module(metadata(model)["name"]), "MOVES_FROM", {}))


def distance(model: keras.Model, x: Inputs) -> float:
    """How far what a model is given is from what it was trained on: 0 where every input is distributed as there.

    The divergence of Kullback and Leibler between two normal distributions, (v + d² - 1 - ln v)/2 with the ratio v of
    their variances and the difference d of their means in units of the training's standard deviation, averaged over
    the inputs that the `Scale` layers standardise.

    Parameters
    ----------
    model : keras.Model
        A trained model.
    x : Inputs
        What `inputs` returns for a sample.

    Returns
    -------
    float
        NaN for a model without `Scale` layers, an untrained one, and fewer points than a hundred.
    """
    if len(x) < ENOUGH or "mean" not in metadata(model):
        return float("nan")
    each = []
    for name, values in getattr(_module(metadata(model)["name"]), "of_training", lambda x: {})(x).items():
        layer = model.get_layer(name)
        mean, std = np.asarray(layer.mean), np.asarray(layer.std)
        shift, ratio = (values.mean(axis=0) - mean) / std, np.maximum((values.std(axis=0) / std) ** 2, TINY)
        each.append(0.5 * (ratio + shift**2 - 1.0 - np.log(ratio)))
    return float(np.mean(np.concatenate(each))) if each else float("nan")


def at_paper_scale(name: str) -> dict:
    """Return how a model is trained at the paper's scale: arguments of `fit`."""
    return dict(_module(name).PAPER)


def save(model: keras.Model, path: str | os.PathLike, **more) -> None:
    """Write a model to a `.keras` file, at once or not at all.

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
        files.write_bytes(path, file.read_bytes())


def load(path: str | os.PathLike) -> keras.Model:
    """Read a model that `save` wrote, or one that ships by its name.

    Raises
    ------
    ValueError
        If there is no such file, it is not one of ours, or not as it was written (DataError).
    """
    path = find(path)
    known = metadata_of(path)
    if known.get("schema") != SCHEMA:
        raise ValueError(f"model: {str(path)!r} is of schema {known.get('schema', 1)}; this version reads {SCHEMA}")
    _module(known["name"])  # registers the layers that the file names
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    model.jit_compile = JIT
    return model


def find(path: str | os.PathLike) -> Path:
    """Return the path of a model's file, given as such or by the name of one that ships.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    shipped = files.pretrained()
    if str(path) in shipped:
        return shipped[str(path)]
    if str(path) in NAMES:
        raise ValueError(f"model: no trained {path!r} ships; there are: {', '.join(shipped) or 'none'}")
    if not Path(path).is_file():
        raise ValueError(f"model: {str(path)!r} is neither a file nor one of {', '.join(shipped)}")
    return Path(path)


def read_config(path: str | Path) -> dict:
    """Read how Keras would build a saved model, without building it.

    Raises
    ------
    DataError
        If the file is missing or not whole.
    ValueError
        If it is none of ours.
    """
    files.check_zip(path)
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(file.read("config.json"))
        _metadata_in(config)
    except (KeyError, StopIteration, ValueError, TypeError) as error:
        raise ValueError(f"model: {str(path)!r} is not a model saved by listi") from error
    return config


def metadata_of(path: str | Path) -> dict:
    """Return the metadata of a saved model, without building it; errors as `read_config`."""
    return _metadata_in(read_config(path))


def _metadata_in(config: dict) -> dict:
    """Return the metadata in what `read_config` reads."""
    layers = [layer["config"] for layer in config["config"]["layers"]]
    known = json.loads(next(layer["metadata"] for layer in layers if layer["name"] == "threshold"))
    return known | {"name": known["name"]}
