"""The networks: their registry, and how they are built, saved and loaded.

Every module in this folder describes one network by a record `MODEL` (see `Model`), and nothing else needs to know it:
commands, cards, figures and tests read the registry. A new network is one new file here. The registry is read without
Keras; a module imports it, and layers made of it, only within `build`.

A network predicts in the stress unit of its targets. What must be known to use it (its name, R_free, sizes, seed, how
it was trained, under which modes of load, how many Si its discs held) is its metadata, stored inside the `.keras` file.
"""

from __future__ import annotations

import inspect
import json
import math
import numbers
import os
import pkgutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import files
from ...mechanics.load import MODES as ALL_MODES
from ...mechanics.load import principal_directions
from ...network.geometry import is_integer
from ..session import keras_session

if TYPE_CHECKING:
    import keras

    from ..cutouts import Cutouts
    from ..encodings import Inputs

JIT = False  # to predict: compiling by XLA takes seconds for every number of points, and saves little
MIN_POINTS = 100  # of a sample, for the distribution of its inputs
MIN_VARIANCE_RATIO = 1e-6  # stands for the variance of a constant input
SCHEMA = 2  # of what a network reads and of its metadata
SHIPPED = "models"  # folder of the networks among the data that ship
MODES = ("pure shear",)  # of the load, of a network whose metadata name none


# For `Model.settings_chosen`.
MOSTLY_PAPER = "the paper's; those that it does not give were chosen on validation samples"


@dataclass(frozen=True)
class Model:
    """A kind of network: all that commands, cards, figures and training need to know of it."""

    name: str  # that of its module
    reads: str  # its inputs in words, for its card; "{r_free:g}" stands for the radius of the discs [Å]
    inputs: Callable[[Cutouts, dict], Inputs]  # cut-outs and metadata to what it reads
    build: Callable[..., keras.Model]  # metadata and sizes to the untrained network; the sizes have defaults
    paper_scale: Mapping[str, object]  # how it is trained: settings of `listi.learning.fit.Settings` and sizes
    settings_chosen: str = "chosen on validation samples"  # where these come from, for its card
    # Inputs to the values from which each `Scale` layer takes its statistics, by the name of the layer.
    normalisation_data: Callable[[Inputs], dict[str, np.ndarray]] = lambda x: {}
    # Layers with features of every Si of a disc; how many components of its motion are read off each in training.
    auxiliary_heads: Mapping[str, int] = field(default_factory=dict)
    label: str = ""  # in figures
    look: Mapping[str, str] = field(default_factory=dict)  # colour, marker, line style; those for others if empty
    rank: float | None = None  # place in figures and tables that compare networks; None: not in them
    in_every_run: bool = False  # of the notebooks; the others are compared where they have been trained

    @property
    def sizes(self) -> dict[str, object]:
        """Sizes that can be chosen, and their defaults."""
        parameters = inspect.signature(self.build).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}


def names() -> list[str]:
    """Return the names of all networks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def record(name: str) -> Model:
    """Return the record of a network; ValueError if there is none of that name."""
    if name not in names():
        raise ValueError(f"name: {name!r} is not one of {', '.join(names())}")
    return import_module(f".{name}", __name__).MODEL


def records() -> list[Model]:
    """Return the records of all networks, in the order of figures; those that are not in figures come last."""
    return sorted(map(record, names()), key=lambda r: math.inf if r.rank is None else r.rank)


def compared(in_every_run: bool = False) -> tuple[str, ...]:
    """Return the names of the networks that figures compare, in their order; of all, or of those of every run."""
    return tuple(r.name for r in records() if r.rank is not None and r.in_every_run >= in_every_run)


def build(name: str, seed: int = 0, r_free: float = 11.0, **sizes) -> keras.Model:
    """Build an untrained network.

    Parameters
    ----------
    name : str
        One of `names()`.
    seed : int
        Seed of the initial weights and of dropout. It also seeds the global generators of Python, NumPy and Keras.
    r_free : float
        Radius of the cut-outs that it will read [Å]; the default is the paper's.
    **sizes
        Sizes of the network, e.g. `pixels` for "cnn", `width` for "gcn".

    Returns
    -------
    keras.Model
        Takes what `inputs` returns; predicts (n, 1) in the unit of the training targets, standardised before `fit`.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """
    if not (is_integer(seed) and seed >= 0):
        raise ValueError(f"seed: {seed!r} is not a whole number >= 0")
    if not r_free > 0:
        raise ValueError(f"r_free: {r_free!r} Å is not > 0")
    defaults = record(name).sizes
    for size, value in sizes.items():
        if size not in defaults:
            raise ValueError(f"{size}: is not a size of {name}; there are {', '.join(defaults)}")
        _check_kind(size, value, defaults[size])
    with keras_session() as keras:
        keras.utils.set_random_seed(seed)
        known = {"schema": SCHEMA, "name": name, "r_free": float(r_free), "seed": int(seed), "mirror": False}
        return _built(known | defaults | sizes)


def _built(known: Mapping) -> keras.Model:
    """Build the network that metadata describe."""
    kind = record(known["name"])
    model = kind.build(dict(known), **{size: known[size] for size in kind.sizes if size in known})
    model.jit_compile = JIT
    return model


def _check_kind(size: str, value: object, default: object) -> None:
    """Refuse a size of another kind than its default: true or false, a whole number, or a number."""
    if isinstance(default, bool):
        allowed, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        allowed, kind = is_integer(value) and value >= 0, "a whole number >= 0"
    else:
        allowed, kind = isinstance(value, numbers.Real) and not isinstance(value, bool), "a number"
    if not allowed:
        raise ValueError(f"{size}: {value!r} is not {kind}")


def metadata(model: keras.Model) -> dict:
    """Return the metadata of a model: its name, sizes, seed, r_free [Å], and how it was trained.

    Raises
    ------
    ValueError
        If it was not built here.
    """
    layer = next((layer for layer in getattr(model, "layers", ()) if layer.name == "threshold"), None)
    if not hasattr(layer, "metadata"):
        raise ValueError(f"model: {model!r} was not made by listi.learning.models.build")
    return json.loads(layer.metadata)


def update_metadata(model: keras.Model, **changes) -> None:
    """Add to, or change, the metadata of a model."""
    model.get_layer("threshold").metadata = json.dumps(metadata(model) | changes, sort_keys=True)


def check_mode(known: Mapping, mode: str) -> None:
    """Refuse a mode of load that is not among those a network was trained for, as its metadata say."""
    dilations = {principal_directions(own)[1] for own in known.get("modes", MODES)}
    allowed = [own for own in ALL_MODES if principal_directions(own)[1] in dilations]
    if mode not in allowed:
        raise ValueError(
            f"mode: {mode!r} is not one that {known['name']} was trained for; allowed: {', '.join(allowed)}"
        )


def inputs(model: keras.Model, cut: Cutouts) -> Inputs:
    """Return what a model reads of the cut-outs of a sample; ValueError for another R_free, or if it cannot read it."""
    known = metadata(model)
    if cut.r_free != known["r_free"]:
        raise ValueError(f"r_free: {cut.r_free} Å, but the model was built for {known['r_free']} Å")
    return record(known["name"]).inputs(cut, known)


def standardise(model: keras.Model, x: Inputs) -> None:
    """Give the `Scale` layers of a model the statistics of its training inputs."""
    for name, values in record(metadata(model)["name"]).normalisation_data(x).items():
        model.get_layer(name).adapt(values)


def distance(model: keras.Model, x: Inputs) -> float:
    """Return how much the distribution of the inputs differs from that of the training; 0 if it is the same.

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
    known = metadata(model)
    if len(x) < MIN_POINTS or "mean" not in known:
        return math.nan
    divergences = []
    for name, values in record(known["name"]).normalisation_data(x).items():
        layer = model.get_layer(name)
        mean, std = np.asarray(layer.mean), np.asarray(layer.std)
        shift = (values.mean(axis=0) - mean) / std
        ratio = np.maximum((values.std(axis=0) / std) ** 2, MIN_VARIANCE_RATIO)
        divergences.append(0.5 * (ratio + shift**2 - 1.0 - np.log(ratio)))
    return float(np.mean(np.concatenate(divergences))) if divergences else math.nan


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
        If the name does not end in ".keras", the model was not built here, or its weights are not finite.
    DataError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"path: {str(path)!r} does not end in .keras")
    update_metadata(model, **more)
    if not is_finite(model):
        raise ValueError("model: its weights are not finite; a training that diverged is not stored")
    with tempfile.TemporaryDirectory() as folder, keras_session():
        file = Path(folder) / path.name
        model.save(file)
        files.write_bytes(path, file.read_bytes())


def is_finite(model: keras.Model) -> bool:
    """Return whether all weights of a model are finite numbers."""
    return all(np.isfinite(weight).all() for weight in model.get_weights())


def load(path: str | os.PathLike) -> keras.Model:
    """Read a model that `save` wrote, or one that ships by its name.

    The network is built by its module, as its metadata say, and takes its weights from the file: files of other
    versions of Keras can be read, and nothing in them is executed.

    Raises
    ------
    ValueError
        If there is no such file, it is not one of ours, or not as it was written (DataError), or its weights are not
        those of such a network or not finite.
    """
    path = find(path)
    known = metadata_of(path)
    if known.get("schema") != SCHEMA:
        raise ValueError(f"model: {str(path)!r} is of schema {known.get('schema', 1)}; this version reads {SCHEMA}")
    with keras_session():
        model = _built(known)
        try:
            model.load_weights(path)
        except (ValueError, KeyError) as error:
            raise ValueError(f"model: {str(path)!r} does not hold the weights of such a network: {error}") from error
    if not is_finite(model):
        raise ValueError(f"model: {str(path)!r} holds weights that are not finite, of a training that diverged")
    return model


def find(path: str | os.PathLike) -> Path:
    """Return the path of a model's file, given as such or by the name of one that ships.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    path = files.as_path(path)
    if path.suffix == ".keras" and path.is_file():
        return path
    shipped = files.pretrained()
    if str(path) in shipped:
        return shipped[str(path)]
    if str(path) in names():
        raise ValueError(f"model: no trained {str(path)!r} ships; there are: {', '.join(shipped) or 'none'}")
    raise ValueError(f"model: {str(path)!r} is neither a file nor one of {', '.join(shipped)}")


def read_config(path: str | Path) -> dict:
    """Read the layers of a saved model as Keras describes them, without building it.

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
