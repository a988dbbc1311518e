"""Networks trained on sets of samples, kept with what they were made from; their predictions."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from .. import files
from ..analysis.sample import Sample
from ..files import checksum
from ..learning import models
from ..learning.cutouts import R_FREE, Cutouts, discs_of, probed_map
from ..learning.fit import SETTINGS, check_motion, fit
from ..learning.predict import predict, silicon_in_discs
from ..network.network import SILICON
from ..probing.motion import MOVES, motion
from ..probing.protocol import require_protocol
from . import predicted, sample_files
from .provenance import ALGORITHMS, record

_LOSSES = ("loss", "validation_loss")
BESIDE = ("critical_strain", "critical_tensor", "peak_stress")  # of a probe: what is learned beside its threshold
_TOLD = ("stopped", "seconds", "backend", "threads")  # of a training, beside its losses


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
    label: str | None = None,
    checkpoints: str | Path | None = None,
    report: Callable[[int, float, float], None] | None = None,
    **settings,
) -> xr.Dataset:
    """Train a network on samples, or take it as stored if it was made from the same.

    An interrupted training goes on from its last epoch. Beside the model lies a JSON file with
    the losses and with what the model was made from: settings, version of the algorithm, and checksums of structure
    and thresholds.

    Parameters
    ----------
    folder : path
        Folder of the data; the model goes to "models/<label>.keras" below it.
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
    label : str, optional
        Name of the files and of the predictions, where it is not `name`: of a variant.
    checkpoints : path, optional
        Folder of the unfinished training, beside the model without.
    report : callable, optional
        See `listi.learning.fit.fit`.
    **settings
        epochs, batch_size, learning_rate, ...: passed on to `listi.learning.fit.fit`. With a weight `beside`, the
        network learns more than the threshold of every probe: the strain at which its disc gives, the normal stresses
        that it bears then, and the first peak of the stress. With a weight `motion`, it learns how the Si of every disc
        move; that is computed first (as long as probing takes, on all cores) and kept beside the checkpoints, in
        "motion", for other trainings.

    Returns
    -------
    Dataset over epoch
        `loss` and `validation_loss`.

    Raises
    ------
    ValueError
        If a parameter makes no sense, or a sample holds no probes or, with `motion`, those of another radius.
    """
    for sample in (sample for role in samples for sample in samples[role]):
        probed_map(sample)  # or it is refused before any work
    label = label or name
    path = model_file(folder, label)
    made_from = {
        "r_free": r_free,
        "sizes": dict(sizes or {}),
        "seed": seed,
        **settings,
        "samples": {role: [checksum_of(sample) for sample in samples[role]] for role in samples},
        "algorithm": ALGORITHMS["training"],
    }
    if _record(path).get("made_from") == made_from and path.is_file():
        return history_of(path)
    model = models.build(name, seed=seed, r_free=r_free, **(sizes or {}))
    if settings.get("motion"):
        check_motion(model, settings["motion"])
        for sample in samples["train"]:
            _check_radius(sample, r_free)
    unfinished = Path(checkpoints or path.parent) / f"{label}-{checksum(made_from)[:16]}.npz"
    cuts = _cuts(samples, r_free, bool(settings.get("beside")))
    if settings.get("motion"):
        files.remove_unfinished(unfinished.parent / "motion")
        cuts["train"] = [
            (cut, y, kept_motion(sample, cut, unfinished.parent / "motion"))
            for sample, (cut, y) in zip(samples["train"], cuts["train"], strict=True)
        ]
    dense = silicon_in_discs(np.concatenate([cut.mask.sum(axis=1) for cut, *_ in cuts["train"]]))
    models.update_metadata(model, silicon_in_discs=dense)
    sets = {
        role: [(models.inputs(model, cut), *wanted) for cut, *wanted in cuts.pop(role)]
        for role in ("train", "validation")
    }
    history = fit(model, sets["train"], sets["validation"], seed=seed, checkpoint=unfinished, report=report, **settings)
    models.save(model, path, made_from=checksum(made_from))
    told = {key: history.attrs[key] for key in _TOLD} | {key: history[key].values.tolist() for key in _LOSSES}
    files.write_json(path.with_suffix(".json"), {"made_from": made_from, **record("training"), **told})
    os.unlink(unfinished)
    _remove_others(unfinished, label)
    return history_of(path)


def train_at_paper_scale(
    folder: str | Path,
    name: str,
    sets: Mapping[str, Sequence[Path]],
    changes: Mapping[str, object] | None = None,
    **more,
) -> xr.Dataset:
    """Train a network as its module's `PAPER` says.

    Parameters
    ----------
    folder, name
        As for `train`.
    sets : mapping
        Files of the samples under "train" and "validation", as from `data_set.read_split`.
    changes : mapping, optional
        Settings of `fit` and sizes of `build` that are to be different.
    **more
        seed, label, checkpoints, report: as for `train`.
    """
    chosen = models.at_paper_scale(name) | dict(changes or {})
    sizes = {key: chosen.pop(key) for key in list(chosen) if key not in SETTINGS}
    samples = {role: [sample_files.load_sample(path) for path in sets[role]] for role in ("train", "validation")}
    return train(folder, name, samples, radius(samples["train"][0]), sizes, **more, **chosen)


def radius(sample: Sample) -> float:
    """R_free of the probes of a sample [Å]."""
    made = {} if sample.probing is None else sample.probing.attrs.get("parameters", {})
    return float(made.get("r_free", R_FREE))


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


def checksum_of(sample: Sample) -> str:
    """Return the sum over what a network learns from: structure and thresholds."""
    return sample_files.checksum({"network": sample.network.to_xarray(), "probing": sample.probing})


def _cuts(samples: Mapping[str, Sequence[Sample]], r_free: float, beside: bool) -> dict[str, list]:
    """Cut-outs and targets of every sample to train on and to validate on, all padded alike."""
    cuts = {
        role: [(discs_of(sample, r_free)[0], _targets(sample, beside)) for sample in samples[role]]
        for role in ("train", "validation")
    }
    n_max = max(cut.n_max for each in cuts.values() for cut, _ in each)
    return {role: [(cut.padded(n_max), y) for cut, y in each] for role, each in cuts.items()}


def _targets(sample: Sample, beside: bool) -> np.ndarray:
    """Thresholds of all probes of a sample, shape (n,); or those and what else the probes found, shape (n, 5)."""
    threshold = probed_map(sample)
    if not beside:
        return threshold.values.ravel()
    if missing := [name for name in BESIDE if name not in sample.probing]:
        raise ValueError(f"beside: {sample.attrs.get('name', 'sample')} holds no {', '.join(missing)}")
    strain, tensor, peak = (sample.probing[name].transpose("x", "y", ...) for name in BESIDE)
    normal = (tensor.sel(component=name) for name in ("xx", "yy"))
    rise = peak - sample.probing.initial_stress.transpose("x", "y")
    return np.stack([each.values.ravel() for each in (threshold, strain, *normal, rise)], axis=1)


def kept_motion(sample: Sample, cut: Cutouts, folder: Path) -> np.ndarray:
    """How the Si of a sample's cut-outs move in their probes, shape (n, n_max, 6), computed unless kept in the folder.

    Response [Å], displacement [Å] and direction [1] of `listi.probing.motion`; NaN where that is not known. Kept in 16
    bits.
    """
    path = folder / f"{checksum([checksum_of(sample), ALGORITHMS['training']])[:16]}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            of_silicon = file["motion"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # not there, or not whole
        found = motion(sample.network, sample.probing)
        atom = found.atom.values.reshape(len(cut), -1)
        is_silicon = (atom >= 0) & (sample.network.species[atom] == SILICON)
        moves = np.concatenate([found[name].values for name in MOVES], axis=-1).reshape(*atom.shape, -1)
        of_silicon = moves[is_silicon].astype(np.float16)  # in the order of the cut-outs: ascending in each
        buffer = io.BytesIO()
        np.savez_compressed(buffer, motion=of_silicon)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, buffer.getvalue())
    moves = np.full((*cut.atoms.shape, of_silicon.shape[-1]), np.nan, dtype=np.float16)
    moves[cut.mask] = of_silicon
    return moves


def _check_radius(sample: Sample, r_free: float) -> None:
    """Refuse a sample whose discs were probed with another radius than that of the cut-outs."""
    probed = require_protocol(sample.probing, tether=0.0)["r_free"]
    if probed != r_free:
        name = sample.attrs.get("name", "sample")
        raise ValueError(f"motion: {name} was probed with r_free = {probed:g} Å, but cut-outs are of {r_free:g} Å")


def _record(path: Path) -> dict:
    """What is written beside a model; empty if there is nothing whole."""
    try:
        return files.read_json(path.with_suffix(".json"))
    except files.DataError:
        return {}


def refuse_to_replace(path: Path, n: int) -> None:
    """Refuse a training on n samples that would replace a network that learned from more.

    Raises
    ------
    ValueError
        If the network at `path` learned from more than n samples, as "listi_large" of data/paper did.
    """
    known = len(_record(path).get("made_from", {}).get("samples", {}).get("train", ()))
    if known > n:
        raise ValueError(
            f"label: {path.stem} is a network that learned from {known} samples and would be replaced by one that"
            f" learns from {n}; it needs another name"
        )


def _remove_others(unfinished: Path, label: str) -> None:
    """Remove checkpoints of trainings of this label that were made from something else, or half written when killed."""
    files.remove_unfinished(unfinished.parent, f"{label}-")
    for other in unfinished.parent.glob(f"{label}-{'[0-9a-f]' * 16}.npz"):
        if other != unfinished:
            other.unlink()


def predict_all(folder: str | Path, name: str, paths: Sequence[Path]) -> int:
    """Predict the thresholds of samples that were not predicted yet, and keep them as `predicted` says.

    The file is written after every sample, so that a killed run loses at most the one in hand.

    Returns
    -------
    int
        For how many samples thresholds were predicted.

    Raises
    ------
    DataError
        If the network or a sample is not whole, or the network is not the one that was trained.
    ValueError
        If samples lie in several folders, or one was not probed.
    """
    if len({path.parent for path in paths}) > 1:
        raise ValueError(f"paths: samples of one folder are needed, got {sorted({str(p.parent) for p in paths})}")
    path = model_file(folder, name)
    trained_from = checksum(files.read_json(path.with_suffix(".json"))["made_from"])
    made_from = {"model": trained_from, "algorithm": ALGORITHMS["predictions"]}
    file = predicted.file_of(paths[0], name)
    maps = _predicted(file, made_from)
    todo = []
    for one in paths:
        sample = sample_files.load_sample(one)
        structure = predicted.structure_of(sample.network)
        if maps.get(one.name, ("",))[0] != structure:
            todo.append((one.name, structure, sample))
    model = models.load(path) if todo else None
    if model and models.metadata(model).get("made_from") != trained_from:
        raise files.DataError(f"{path}: is not the network that {name}.json tells of; swapped")
    for known_as, structure, sample in todo:
        found = predict(sample.network, model, grid=probed_map(sample).shape).threshold
        maps[known_as] = (structure, found.values)
        predicted.write(file, maps, made_from, found.long_name)
    return len(todo)


def _predicted(file: Path, made_from: Mapping) -> dict[str, tuple[str, np.ndarray]]:
    """What is in a file of predictions that the same network made; nothing if it is not whole."""
    try:
        told = predicted.read(file)
    except files.DataError:
        file.unlink(missing_ok=True)
        return {}
    if told.attrs["parameters"] != made_from:
        return {}
    rows = zip(told["sample"].values, told.structure.values, told.threshold.values, strict=True)
    return {str(name): (str(structure), values) for name, structure, values in rows}
