"""Networks trained on sets of samples, kept with what they were made from; their predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from .. import files
from ..analysis.sample import Sample
from ..files import checksum
from ..learning import models
from ..learning.cutouts import cutouts_of
from ..learning.fit import fit
from ..learning.predict import predict
from . import sample_files
from .provenance import ALGORITHMS, record

_LOSSES = ("loss", "validation_loss")


def model_file(folder: str | Path, name: str) -> Path:
    """File of the trained network of that name in the folder of the data."""
    return Path(folder) / "models" / f"{name}.keras"


def train(
    folder: str | Path,
    name: str,
    samples: Mapping[str, Sequence[Sample]],
    r_free: float,
    sizes: Mapping | None = None,
    seed: int = 0,
    **settings,
) -> xr.Dataset:
    """Train a network on samples, or take it as stored if it was made from the same.

    An interrupted training goes on from its last checkpoint. Beside the model lies a JSON file with
    the losses and with what the model was made from: settings, version of the algorithm, and checksums of structure
    and thresholds.

    Parameters
    ----------
    folder : path
        Folder of the data; the model goes to "models/<name>.keras" below it.
    name : str
        One of `models.NAMES`.
    samples : mapping
        Probed samples under "train" and "validation".
    r_free : float
        Radius of the cut-outs [Å].
    sizes : mapping, optional
        Passed on to `models.build`, such as `pixels`.
    seed : int
        Of weights and order of the cut-outs.
    **settings
        epochs, batch_size, learning_rate, mirror: passed on to `listi.learning.fit.fit`.

    Returns
    -------
    Dataset over epoch
        `loss` and `validation_loss`.
    """
    path = model_file(folder, name)
    made_from = {
        "r_free": r_free,
        "sizes": dict(sizes or {}),
        "seed": seed,
        **settings,
        "samples": {role: [_checksum(sample) for sample in samples[role]] for role in samples},
        "algorithm": ALGORITHMS["training"],
    }
    if _record(path).get("made_from") == made_from and path.is_file():
        return history_of(path)
    model = models.build(name, seed=seed, r_free=r_free, **(sizes or {}))
    sets = [(models.inputs(model, cut), y) for cut, y in _sets(samples, r_free)]
    unfinished = path.with_name(f"{name}-{checksum(made_from)[:16]}.npz")
    _remove_others(unfinished, name)
    history = fit(model, *sets[0], validation=sets[1], seed=seed, checkpoint=unfinished, **settings)
    models.save(model, path, made_from=checksum(made_from))
    losses = {key: history[key].values.tolist() for key in _LOSSES}
    files.write_json(path.with_suffix(".json"), {"made_from": made_from, **record("training"), **losses})
    os.unlink(unfinished)
    return history_of(path)


def history_of(path: Path) -> xr.Dataset:
    """Losses over epoch that lie beside a model.

    Raises
    ------
    DataError
        If there are none, or they are not whole.
    """
    record = files.read_json(path.with_suffix(".json"))
    attrs = {"units": "1", "long_name": "mean squared error of the standardised threshold"}
    epochs = np.arange(1, len(record["loss"]) + 1)
    return xr.Dataset({key: ("epoch", np.array(record[key]), attrs) for key in _LOSSES}, coords={"epoch": epochs})


def _checksum(sample: Sample) -> str:
    """Sum over what a network learns from: structure and thresholds."""
    return sample_files.checksum({"network": sample.network.to_xarray(), "probing": sample.probing})


def _sets(samples: Mapping[str, Sequence[Sample]], r_free: float) -> list:
    """Cut-outs and thresholds to train on and to validate on, padded alike."""
    sets = [cutouts_of(samples[role], r_free) for role in ("train", "validation")]
    n_max = max(cut.n_max for cut, _ in sets)
    return [(cut.padded(n_max), y) for cut, y in sets]


def _record(path: Path) -> dict:
    """What is written beside a model; empty if there is nothing whole."""
    try:
        return files.read_json(path.with_suffix(".json"))
    except files.DataError:
        return {}


def _remove_others(unfinished: Path, name: str) -> None:
    """Remove checkpoints of trainings that were made from something else."""
    for other in unfinished.parent.glob(f"{name}-*.npz"):
        if other != unfinished:
            other.unlink()


def predict_all(folder: str | Path, name: str, paths: Sequence[Path]) -> int:
    """Add the thresholds that a trained network predicts to the files of samples that lack them.

    The predictions group of a file holds one variable over (x, y) for each network, named as it is; the `parameters` of
    the group hold a record for each.

    Returns
    -------
    int
        To how many files predictions were added.

    Raises
    ------
    DataError
        If the network or a sample is not whole, or the network is not the one that was trained.
    """
    path = model_file(folder, name)
    trained_from = checksum(files.read_json(path.with_suffix(".json"))["made_from"])
    made_from = {"model": trained_from, "algorithm": ALGORITHMS["predictions"]}
    todo = [p for p in paths if not made_from.items() <= _parameters(sample_files.load_sample(p)).get(name, {}).items()]
    model = models.load(path) if todo else None
    if model and models.metadata(model).get("made_from") != trained_from:
        raise files.DataError(f"{path}: is not the network that {name}.json tells of; swapped")
    for file in todo:
        sample = sample_files.load_sample(file)
        shape = tuple(sample.probing.threshold.transpose("x", "y").shape)
        predicted = predict(sample.network, model, grid=shape).threshold
        others = xr.Dataset() if sample.predictions is None else sample.predictions
        parameters = {**_parameters(sample), name: {**record("predictions"), **made_from}}
        sample_files.add_group(file, "predictions", others.assign({name: predicted}), parameters)
    return len(todo)


def _parameters(sample: Sample) -> dict:
    """By network, what its predictions in a sample were made from, by what and when."""
    return {} if sample.predictions is None else sample.predictions.attrs.get("parameters", {})
