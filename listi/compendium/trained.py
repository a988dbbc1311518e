"""Networks trained on sets of samples and stored with what they were made from; their predictions."""

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
from ..learning.fit import SETTINGS, Settings, fit, motion_components
from ..learning.predict import predict, typical_disc_occupancy
from ..mechanics.load import principal_directions
from ..network.network import SILICON
from ..probing.motion import MOVES, motion
from ..probing.protocol import PROTOCOL, require_protocol
from . import predicted, sample_files
from .provenance import ALGORITHMS, record

BEST, LAST = "lowest validation loss", "last epoch"  # which weights of a training a file holds
AUXILIARY = ("critical_strain", "critical_tensor", "peak_stress")  # of a probe: further targets
_LOSSES = ("loss", "validation_loss")
_OF_TRAINING = ("stopped", "seconds", "backend", "threads")
_RENAMED = {"beside": "auxiliary_weight", "motion": "motion_weight"}  # settings in earlier records


def model_file(folder: str | Path, name: str) -> Path:
    """Return the file of the trained network of that name in the folder of the data."""
    return Path(folder) / models.SHIPPED / f"{name}.keras"


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
    keep_last: bool = False,
    **settings,
) -> xr.Dataset:
    """Train a network on samples, or take it as stored if it was made from the same.

    An interrupted training goes on from its last epoch. Every model has a JSON file with the losses and with what it
    was made from: network, settings, version of the algorithm, and checksums of structure and thresholds.

    Parameters
    ----------
    folder : path
        Folder of the data; the model goes to "models/<label>.keras" below it.
    name : str
        One of `models.names()`.
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
        Folder of the unfinished training; by default that of the model.
    report : callable, optional
        See `listi.learning.fit.fit`.
    keep_last : bool
        Store the weights of the last epoch, too, as the network "<label>_last"; that of the label has those of the
        lowest validation loss. Their records say which is which.
    **settings
        See `listi.learning.fit.Settings`. With an `auxiliary_weight`, the network learns more than the threshold of
        every probe: the strain at which its disc yields, its normal stresses then, and the first peak of the stress.
        With a `motion_weight`, it learns how the Si of every disc move; that is computed first (as long as probing
        takes, on all cores) and stored in the folder "motion" of the checkpoints, for other trainings.

    Returns
    -------
    Dataset over epoch
        `loss` and `validation_loss`.

    Raises
    ------
    ValueError
        If a parameter makes no sense, the training diverges, or a sample holds no probes, those under a load in another
        direction than x or, with a `motion_weight`, those of another radius.
    """
    Settings(**settings)
    for role in ("train", "validation"):
        if not samples.get(role):
            raise ValueError(
                f"samples: there are none under {role!r}; training needs samples to learn from and to validate on"
            )
        for sample in samples[role]:
            probed_map(sample)  # or it is refused before any work
    modes = _modes([*samples["train"], *samples["validation"]])
    if len({principal_directions(mode)[1] for mode in modes}) > 1 and not (sizes or {}).get("load"):
        raise ValueError(
            f"samples: were probed under {', '.join(modes)}, which only `listi` with load=True tells apart"
        )
    label, sizes = label or name, dict(sizes or {})
    made_from = {
        "name": name,
        "r_free": r_free,
        "sizes": sizes,
        "seed": seed,
        **settings,
        "samples": {role: [checksum_of(sample) for sample in samples[role]] for role in samples},
        "algorithm": ALGORITHMS["training"],
    }
    results = {model_file(folder, label): made_from}
    if keep_last:
        results[model_file(folder, f"{label}_last")] = made_from | {"weights": LAST}
    path = model_file(folder, label)
    if all(_stored(file) == made for file, made in results.items()):
        return history_of(path)
    networks = [models.build(name, seed, r_free, **sizes) for _ in results]
    unfinished = Path(checkpoints or path.parent) / f"{label}-{checksum(made_from)[:16]}.npz"
    sets, occupancy = _sets(networks[0], samples, r_free, settings, unfinished.parent / "motion")
    more = {"checkpoint": unfinished, "report": report, "last": networks[1] if keep_last else None}
    history = fit(networks[0], sets["train"], sets["validation"], seed=seed, **more, **settings)
    for network, (file, made) in zip(networks, results.items(), strict=True):
        models.save(network, file, made_from=checksum(made), silicon_in_discs=occupancy, modes=modes)
        about = {
            "weights": made.get("weights", BEST),
            "epoch": models.metadata(network)["epoch"],
            "choices": {
                "epoch": None if "weights" in made else "validation",
                "settings": models.record(name).settings_chosen,
            },
        }
        about |= {key: history.attrs[key] for key in _OF_TRAINING} | {k: history[k].values.tolist() for k in _LOSSES}
        files.write_json(file.with_suffix(".json"), {"made_from": made, **record("training"), **about})
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
    """Train a network as its record says.

    Parameters
    ----------
    folder, name
        As for `train`.
    sets : mapping
        Files of the samples under "train" and "validation", as from `data_set.read_split`.
    changes : mapping, optional
        Settings of `fit`, sizes of the network, and `keep_last`, that are to be different.
    **more
        seed, label, checkpoints, report: as for `train`.
    """
    chosen = dict(models.record(name).paper_scale) | dict(changes or {})
    sizes = {key: chosen.pop(key) for key in list(chosen) if key not in (*SETTINGS, "keep_last")}
    samples = {role: [sample_files.load_sample(path) for path in sets[role]] for role in ("train", "validation")}
    return train(folder, name, samples, radius(samples["train"][0]), sizes, **more, **chosen)


def radius(sample: Sample) -> float:
    """R_free of the probes of a sample [Å]."""
    made = {} if sample.probing is None else sample.probing.attrs.get("parameters", {})
    return float(made.get("r_free", R_FREE))


def history_of(path: Path) -> xr.Dataset:
    """Return the losses over epoch of a model's record.

    Raises
    ------
    DataError
        If there are none, or they are not whole.
    """
    saved = files.read_json(path.with_suffix(".json"))
    attrs = {"units": "1", "long_name": "mean squared error of the standardised threshold"}
    epochs = np.arange(1, len(saved["loss"]) + 1)
    return xr.Dataset({key: ("epoch", np.array(saved[key]), attrs) for key in _LOSSES}, coords={"epoch": epochs})


def checksum_of(sample: Sample) -> str:
    """Return the sum over what a network learns from: structure and thresholds."""
    return sample_files.checksum({"network": sample.network.to_xarray(), "probing": sample.probing})


def _sets(model, samples: Mapping, r_free: float, settings: Mapping, folder: Path) -> tuple[dict[str, list], float]:
    """What `fit` takes of the samples of each role, all cut-outs padded alike; typical number of Si in a disc."""
    weight = settings.get("motion_weight")
    if weight:
        motion_components(model, weight)
        for sample in samples["train"]:
            _check_radius(sample, r_free)
        files.remove_unfinished(folder)
    cuts = {role: [discs_of(sample, r_free)[0] for sample in samples[role]] for role in ("train", "validation")}
    n_max = max(cut.n_max for each in cuts.values() for cut in each)
    occupancy = typical_disc_occupancy(np.concatenate([cut.mask.sum(axis=1) for cut in cuts["train"]]))
    sets = {}
    for role in cuts:
        sets[role] = []
        for sample, cut in zip(samples[role], cuts[role], strict=True):
            padded, targets = cut.padded(n_max), _targets(sample, bool(settings.get("auxiliary_weight")))
            moves = [cached_motion(sample, padded, folder)] if weight and role == "train" else []
            sets[role].append((models.inputs(model, padded), targets, *moves))
    return sets, occupancy


def _targets(sample: Sample, auxiliary: bool) -> np.ndarray:
    """Thresholds of all probes of a sample, shape (n,); or with further results of the probes, shape (n, 5)."""
    threshold = probed_map(sample)
    if not auxiliary:
        return threshold.values.ravel()
    if missing := [name for name in AUXILIARY if name not in sample.probing]:
        raise ValueError(f"auxiliary_weight: {sample.attrs.get('name', 'sample')} holds no {', '.join(missing)}")
    strain, tensor, peak = (sample.probing[name].transpose("x", "y", ...) for name in AUXILIARY)
    normal = (tensor.sel(component=name) for name in ("xx", "yy"))
    rise = peak - sample.probing.initial_stress.transpose("x", "y")
    return np.stack([values.values.ravel() for values in (threshold, strain, *normal, rise)], axis=1)


def _modes(samples: Sequence[Sample]) -> list[str]:
    """Return the modes of load that samples were probed under; ValueError for a load in another direction than x."""
    modes = set()
    for sample in samples:
        how, name = sample.probing.attrs, sample.attrs.get("name", "sample")
        if angle := how.get("angle", 0.0):
            raise ValueError(f"samples: {name} was probed at angle = {angle:g} degrees; networks learn from 0")
        modes.add(how.get("mode", PROTOCOL["mode"]))
    return sorted(modes)


def cached_motion(sample: Sample, cut: Cutouts, folder: Path) -> np.ndarray:
    """How the Si of a sample's cut-outs move in their probes, shape (n, n_max, 6), computed unless the folder has it.

    Response [Å], displacement [Å] and direction [1] of `listi.probing.motion`; NaN where that is not known. Stored in
    16 bits.
    """
    path = folder / f"{checksum([checksum_of(sample), ALGORITHMS['training']])[:16]}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            of_silicon = file["motion"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # not there, or not whole
        computed = motion(sample.network, sample.probing)
        atom = computed.atom.values.reshape(len(cut), -1)
        is_silicon = (atom >= 0) & (sample.network.species[atom] == SILICON)
        moves = np.concatenate([computed[name].values for name in MOVES], axis=-1).reshape(*atom.shape, -1)
        of_silicon = moves[is_silicon].astype(np.float16)  # in the order of the cut-outs: ascending in each
        buffer = io.BytesIO()
        np.savez_compressed(buffer, motion=of_silicon)
        files.write_bytes(path, buffer.getvalue())
    moves = np.full((*cut.atoms.shape, of_silicon.shape[-1]), np.nan, dtype=np.float16)
    moves[cut.mask] = of_silicon
    return moves


def _check_radius(sample: Sample, r_free: float) -> None:
    """Refuse a sample whose discs were probed with another radius than that of the cut-outs."""
    probed = require_protocol(sample.probing, tether=0.0)["r_free"]
    if probed != r_free:
        name = sample.attrs.get("name", "sample")
        raise ValueError(f"motion_weight: {name} was probed with r_free = {probed:g} Å, but cut-outs are of {r_free:g}")


def read_record(path: Path) -> dict:
    """Return the record of a model, with the network's name and today's names of settings in `made_from`.

    Raises
    ------
    DataError
        If record or model are missing or not whole, or the model is not the one of the record.
    """
    saved, about = files.read_json(path.with_suffix(".json")), models.metadata_of(path)
    made = saved["made_from"]
    if about.get("made_from") != checksum(made):
        raise files.DataError(f"{path}: is not the network of {path.stem}.json; swapped")
    return saved | {"made_from": {"name": about["name"]} | {_RENAMED.get(key, key): made[key] for key in made}}


def _stored(path: Path) -> dict:
    """What a stored network was made from; nothing if it is not there or not whole."""
    try:
        return read_record(path)["made_from"]
    except ValueError:
        return {}


def refuse_to_replace(path: Path, n: int) -> None:
    """Refuse a training on n samples that would replace a network that learned from more.

    Raises
    ------
    ValueError
        If the network at `path` learned from more than n samples, as "listi_large" of data/paper did.
    """
    try:
        known = len(files.read_json(path.with_suffix(".json"))["made_from"]["samples"]["train"])
    except files.DataError:
        return
    if known > n:
        raise ValueError(
            f"label: {path.stem} is a network that learned from {known} samples and would be replaced by one that"
            f" learns from {n}; it needs another name"
        )


def _remove_others(unfinished: Path, label: str) -> None:
    """Remove checkpoints of trainings of this label that were made from something else, and interrupted writes."""
    files.remove_unfinished(unfinished.parent, f"{label}-")
    for other in unfinished.parent.glob(f"{label}-{'[0-9a-f]' * 16}.npz"):
        if other != unfinished:
            other.unlink()


def predict_all(folder: str | Path, name: str, paths: Sequence[Path]) -> int:
    """Predict the thresholds of samples that were not predicted yet, and store them as `predicted` says.

    The file is written after every sample, so that a killed run loses at most the prediction of one.

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
    read_record(path)
    made_from = {"model": models.metadata_of(path)["made_from"], "algorithm": ALGORITHMS["predictions"]}
    file = predicted.file_of(paths[0], name)
    maps = _predicted(file, made_from)
    missing = []
    for sample_path in paths:
        sample = sample_files.load_sample(sample_path)
        structure = predicted.structure_of(sample.network)
        if maps.get(sample_path.name, ("",))[0] != structure:
            missing.append((sample_path.name, structure, sample))
    model = models.load(path) if missing else None
    for sample_name, structure, sample in missing:
        threshold = predict(sample.network, model, grid=probed_map(sample).shape).threshold
        maps[sample_name] = (structure, threshold.values)
        predicted.write(file, maps, made_from, threshold.long_name)
    return len(missing)


def _predicted(file: Path, made_from: Mapping) -> dict[str, tuple[str, np.ndarray]]:
    """What is in a file of predictions that the same network made; nothing if it is not whole."""
    try:
        stored = predicted.read(file)
    except files.DataError:
        file.unlink(missing_ok=True)
        return {}
    if stored.attrs["parameters"] != made_from:
        return {}
    rows = zip(stored["sample"].values, stored.structure.values, stored.threshold.values, strict=True)
    return {str(name): (str(structure), values) for name, structure, values in rows}
