"""What networks learn from how much data, what they need of their input, and how far from their data they hold.

`update("data/paper")` does all studies and keeps the results in the folder's `networks.json`. Every training is kept,
unfinished ones too, so that a study that was stopped goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.optimize import root

from .. import files
from ..analysis.prediction_goodness import first_events, goodness
from ..analysis.sample import Sample
from ..generation.generate import TARGET_RING_STATISTICS, generate
from ..learning import models
from ..learning.predict import predict
from ..mechanics.shear import relax, state_after
from ..network.network import Network
from ..probing.probe import probe
from . import data_set, making, model_card, predicted, sample_files, studies, trained
from .provenance import record

FILE = "networks.json"
FOLDS = 5  # of the cross-validation
SIZES = (2, 5, 10, 20, 40)  # training samples of the learning curve
CURVES = ("listi",)  # networks whose learning curves are made
# Training samples that are probed more densely, and epochs: ten in the steps of the curve; forty take longer.
DENSER = {10: 40, 40: 60}
FINER = 2  # by how much along x and y
# Glasses of a quarter of the size that are made to be learned from beside the training samples, each as it is and
# turned by 90 degrees, and how: with smaller batches the loss falls faster, and there is enough for a wider network.
MANY, MANY_SEED = 360, 1
MANY_CHANGES = {"epochs": 45, "batch_size": 300, "width": 64}
FEW_EPOCHS = 80  # of the same without them
# Weight of what is learned of each probe beside its threshold: of 0.5, 1.5 and 4 the best on validation samples.
BESIDE_WEIGHT = 1.5
QUARTER, MANY_PROBES = {"nx": 20, "ny": 24}, (30, 30)
ABLATIONS = {  # of `listi`: what is left out, and how
    "oxygen": {"oxygen": False},
    "stress": {"stress": False},
    "weakest_link": {"weakest_link": False},
    "beyond": {"beyond": False},
    "mirror": {"mirror": False},
    "rounds_in_disc": {"rounds_in_disc": 0},
    "half_the_rounds": {"rounds": 2},
}
READINGS = ("gcn", "gcn_attention", "gcn_bonds")  # of the paper's Eq. 2
READING_EPOCHS = 20  # as long as all of them are trained to be compared
STUDIES = ("folds", "curves", "denser", "many", "large", "ablations", "readings", "beyond")
LARGE = "four times the size"
EACH = 3  # samples of each kind beyond the training data; one of the large ones
PROBES = (25, 25)  # grid on which those are probed that are made for it
SPREADS = {
    "narrow rings": 0.6,
    "wide rings": 1.2,
}  # standard deviation of ring sizes, over that of the training samples


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes
    ----------
    label : str
        Name of its files.
    name : str
        Network.
    train, validation, unseen : sequence of Path
        Samples that it learns from, is watched with, and predicts afterwards.
    changes : mapping
        Settings and sizes that differ from the network's `PAPER`.
    """

    label: str
    name: str
    train: Sequence[Path]
    validation: Sequence[Path]
    unseen: Sequence[Path]
    changes: Mapping[str, object] = field(default_factory=dict)


def folds(folder: str | Path, name: str = "listi") -> list[Training]:
    """Trainings of a cross-validation: every sample of the folder is unseen in one of them.

    Of the samples not left out, every ninth is for validation.
    """
    every = [path for paths in data_set.read_split(folder).values() for path in paths]
    found = []
    for number in range(FOLDS):
        rest = [path for n, path in enumerate(every) if n % FOLDS != number]
        found.append(
            Training(
                f"{name}_fold_{number}",
                name,
                [path for n, path in enumerate(rest) if n % 9 != 4],
                rest[4::9],
                every[number::FOLDS],
            )
        )
    return found


def curves(folder: str | Path, names: Sequence[str] = CURVES) -> list[Training]:
    """Trainings on ever more samples, half as many steps as with all; test samples are unseen."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    most = len(sets["train"])
    found = []
    for name in names:
        epochs = models.record(name).paper_scale["epochs"]
        for size in SIZES:
            if size < most:
                changes = {"epochs": epochs * most // (2 * size)}
                found.append(
                    Training(f"{name}_{size}", name, sets["train"][:size], sets["validation"], unseen, changes)
                )
    return found


def denser(folder: str | Path, work: Path) -> list[Training]:
    """Trainings on samples with more probes in each: is it samples or probes that lack?

    Probes are made here, and kept in `work`.
    """
    sets, found = data_set.read_split(folder), []
    for path in sets["train"][: max(DENSER)]:
        sample = sample_files.load_sample(path)
        found.append(work / "denser" / path.name)
        if not found[-1].is_file():
            sample_files.save_sample(found[-1], sample.network)
        grid = {f"grid_{c}": FINER * sample.probing.sizes[c] for c in "xy"}
        making.probe_all(found[-1:], grid | {"r_free": trained.radius(sample)})
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    return [
        Training(f"listi_{n}_denser", "listi", found[:n], sets["validation"], unseen, {"epochs": epochs})
        for n, epochs in DENSER.items()
    ]


def many(folder: str | Path, work: Path, n: int = MANY) -> list[Training]:
    """Trainings with more to learn from: more glasses (and the same without them), or more of each probe."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    few, all_of_them = sets["train"], [*sets["train"], *_glasses(sets["train"][0], work, n)]
    plans = {
        "listi_few": (few, MANY_CHANGES | {"epochs": FEW_EPOCHS}),
        "listi_many": (all_of_them, MANY_CHANGES),
        "listi_beside": (few, {"auxiliary_weight": BESIDE_WEIGHT}),
    }
    return [
        Training(label, "listi", train, sets["validation"], unseen, changes)
        for label, (train, changes) in plans.items()
    ]


def large(folder: str | Path, work: Path, n: int = MANY) -> list[Training]:
    """The training of `listi_large`: on the training samples and many small glasses."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    train = [*sets["train"], *_glasses(sets["train"][0], work, n)]
    return [Training("listi_large", "listi_large", train, sets["validation"], unseen)]


def _glasses(like: Path, work: Path, n: int) -> list[Path]:
    """Make and probe glasses, small as they can be made in seconds, with discs as those of a sample; kept in `work`.

    Each is probed as it is and turned by 90 degrees, which makes the pull a push and so gives other thresholds.
    """
    made = [work / "many" / f"sample_{number:04d}.nc" for number in range(n)]
    turned = [path.with_name(path.name.replace("sample", "turned")) for path in made]
    making.generate_all(made, {"seed": MANY_SEED, **QUARTER})
    for number, (one, other) in enumerate(zip(made, turned, strict=True)):
        how = {"seed": MANY_SEED, **QUARTER, "number": number, "turned": 90}
        if not sample_files.has_group(other, "network", how):
            sample_files.save_sample(other, turn(sample_files.load_sample(one).network), attrs={"parameters": how})
    r_free = trained.radius(sample_files.load_sample(like))
    making.probe_all(made + turned, dict(zip(("grid_x", "grid_y"), MANY_PROBES, strict=True)) | {"r_free": r_free})
    return made + turned


def turn(network: Network) -> Network:
    """Return the network turned by 90 degrees, anticlockwise."""
    x, y = network.positions.T
    return network.replace(positions=np.stack([network.cell[1] - y, x], axis=1), cell=network.cell[::-1].copy())


def ablations(folder: str | Path) -> list[Training]:
    """Trainings of `listi`, half as long as the one that ships: whole, and without one of its parts."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    half = models.record("listi").paper_scale["epochs"] // 2
    return [
        Training(
            f"listi_without_{label}", "listi", sets["train"], sets["validation"], unseen, changes | {"epochs": half}
        )
        for label, changes in {"nothing": {}, **ABLATIONS}.items()
    ]


def readings(folder: str | Path) -> list[Training]:
    """Trainings of the GCN in every reading of the paper's Eq. 2, equally long; compared on validation samples."""
    sets = data_set.read_split(folder)
    return [
        Training(
            f"{name}_reading", name, sets["train"], sets["validation"], sets["validation"], {"epochs": READING_EPOCHS}
        )
        for name in READINGS
    ]


def beyond(folder: Path) -> dict[str, Callable[[int], tuple[Network, xr.DataArray]]]:
    """Glasses that differ from those of the training: of each kind a function of number, seed or sample.

    Each returns a network at its minimum and its probed thresholds.
    """
    unseen = [path for role in data_set.UNSEEN for path in data_set.read_split(folder)[role]]
    small, large = {"nx": 20, "ny": 24}, {"nx": 80, "ny": 96}
    kinds = {
        "unseen": lambda n: _stored(unseen[n]),
        "zero pressure": lambda n: _stored(folder / "zero_pressure" / "samples" / f"sample_{n:04d}.nc"),
        "a quarter of the size": lambda n: _made(n, small),
    }
    for label, factor in SPREADS.items():
        other = {"ring_statistics": spread(TARGET_RING_STATISTICS, factor)}
        kinds[label] = lambda n, other=other: _made(n, small | other)
    for event in (1, 3, 6):
        kinds[f"after event {event}"] = lambda n, event=event: _later(folder / "samples" / f"sample_{n:04d}.nc", event)
    return kinds | {LARGE: lambda n: _made(n, large)}  # which takes longest


def _stored(path: Path) -> tuple[Network, xr.DataArray]:
    sample = sample_files.load_sample(path)
    return sample.network, sample.probing.threshold


def _made(number: int, how: Mapping) -> tuple[Network, xr.DataArray]:
    network = generate(seed=1000 + number, **how)
    return network, probe(network, grid=PROBES).threshold


def _later(path: Path, event: int) -> tuple[Network, xr.DataArray]:
    sample = sample_files.load_sample(path)
    network = relax(state_after(sample.network, sample.shear, event))
    return network, probe(network, grid=PROBES).threshold


def spread(statistics: Mapping[int, float], factor: float) -> dict[int, float]:
    """Ring statistics p_n^a e^(b n) with a mean of 6 and `factor` times the standard deviation of those given."""
    sizes, p = np.array(list(statistics)), np.array(list(statistics.values()))
    wanted = factor**2 * (p @ (sizes - 6.0) ** 2) / p.sum()

    def changed(of: np.ndarray) -> np.ndarray:
        weight = p ** of[0] * np.exp(of[1] * (sizes - 6.0))
        return weight / weight.sum()

    def missed(of: np.ndarray) -> list[float]:
        return [changed(of) @ (sizes - 6.0), changed(of) @ (sizes - 6.0) ** 2 - wanted]

    found = root(missed, [factor**-2.0, 0.0])
    if not found.success:
        raise ValueError(f"factor: {factor!r}: no such ring statistics, {found.message}")
    return dict(zip(sizes.tolist(), changed(found.x).tolist(), strict=True))


def judge(folder: str | Path, kind: Callable[[int], tuple[Network, xr.DataArray]], each: int = EACH) -> list[dict]:
    """Predict some glasses with the folder's `listi`: correlation and mean over the probed, and `distance`."""
    rows = []
    for number in range(each):
        network, target = kind(number)
        target = target.transpose("x", "y")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "network: ")  # that they are unlike is the subject
            own = predict(network, trained.model_file(folder, "listi"), grid=target.shape)
        there = np.isfinite(target.values)
        found, probed = own.threshold.values[there], target.values[there]
        r = np.corrcoef(found, probed)[0, 1]
        rows.append({"correlation": r, "mean_ratio": found.mean() / probed.mean(), "distance": own.distance})
    return [{name: round(float(value), 4) for name, value in row.items()} for row in rows]


def carry_out(one: Training, work: Path, report: Callable[[int, float, float], None] | None = None) -> xr.Dataset:
    """Train, or take what is stored in `work`, and predict the unseen samples.

    Returns
    -------
    Dataset
        `correlation` (sample) with the probed thresholds, `goodness` (sample, event), `predicted` thresholds over
        (sample, x, y); attributes tell of the training.
    """
    sets = {"train": one.train, "validation": one.validation}
    history = trained.train_at_paper_scale(work, one.name, sets, one.changes, label=one.label, report=report)
    model = models.load(trained.model_file(work, one.label))
    each = [_judged(sample_files.load_sample(path), model) for path in one.unseen]
    found = xr.concat(each, "sample", join="outer").assign_coords(sample=[path.name for path in one.unseen])
    told = files.read_json(trained.model_file(work, one.label).with_suffix(".json"))
    return found.assign_attrs(
        training_samples=len(one.train),
        epochs=history.sizes["epoch"],
        validation_loss=float(history.validation_loss.min()),
        seconds=told["seconds"],
    )


def _judged(sample: Sample, model: object) -> xr.Dataset:
    target = data_set.threshold_of(sample, "probing")
    own = predict(sample.network, model, grid=(target.sizes["x"], target.sizes["y"])).threshold
    told = goodness(own, first_events(sample.shear).event_position, sample.network.cell)
    r = np.corrcoef(own.values.ravel(), target.transpose("x", "y").values.ravel())[0, 1]
    return xr.Dataset({"correlation": r, "goodness": told, "predicted": (("x", "y"), own.values)})


def update(folder: str | Path, names: Sequence[str] = STUDIES, work: str | Path | None = None) -> None:
    """Do studies on the samples of a folder and keep what they find in its `networks.json`.

    Predictions of the cross-validation are kept as those of a network "listi_folds": each sample predicted by a
    network that did not see it. The network of most probes is kept as "listi_dense", and so is "listi_large".

    Parameters
    ----------
    folder : path
        Of data, such as "data/paper".
    names : sequence of str
        Which of folds, curves, denser (probes in each sample), many (glasses, and more of each probe), large (the
        network of that name), ablations, readings, beyond (its own data).
    work : path, optional
        Where the trainings are kept; results/training below the repository by default.

    Raises
    ------
    ValueError
        If there is no such study.
    """
    from .chain import RESULTS

    folder, work = Path(folder), Path(work) if work else files.repository() / RESULTS / "training"
    plans = {
        "folds": folds,
        "curves": curves,
        "denser": partial(denser, work=work),
        "many": partial(many, work=work),
        "large": partial(large, work=work),
        "ablations": ablations,
        "readings": readings,
    }
    kept = studies.begin(folder / FILE, names, STUDIES)
    for study in names:
        if study == "beyond":
            for label, kind in beyond(folder).items():
                kept.setdefault(study, {})[label] = judge(folder, kind, 1 if label == LARGE else EACH)
                files.write_json(folder / FILE, kept)
            continue
        held = {}
        for one in plans[study](folder):
            held[one.label] = carry_out(one, work)
            kept.setdefault(study, {})[one.label] = _plain(held[one.label])
            files.write_json(folder / FILE, kept)
        if study == "folds":
            _keep_folds(folder, held)
        if study == "denser":
            _keep(folder, work, f"listi_{max(DENSER)}_denser", "listi_dense")
        if study == "large":
            _keep(folder, work, "listi_large", "listi_large")
    if (folder / files.SUMS).is_file():
        files.write_checksums(folder)


def _keep_folds(folder: Path, held: Mapping[str, xr.Dataset]) -> None:
    maps = {}
    for found in held.values():
        for name in found["sample"].values:
            path = folder / "samples" / str(name)
            structure = predicted.structure_of(sample_files.load_sample(path).network)
            maps[str(name)] = (structure, found.predicted.sel(sample=name).values)
    made_from = {"model": "cross-validation", "folds": FOLDS, **{k: v.attrs["epochs"] for k, v in held.items()}}
    file = predicted.file_of(folder / "samples" / "any", "listi_folds")
    predicted.write(file, maps, made_from, "stress threshold predicted by listi, trained on other samples")


def _keep(folder: Path, work: Path, label: str, name: str) -> None:
    """Keep a network of a study under a name, with its card and what it predicts for the samples of the folder."""
    for suffix in (".keras", ".json"):
        learned, kept = (
            trained.model_file(where, which).with_suffix(suffix) for where, which in ((work, label), (folder, name))
        )
        kept.parent.mkdir(exist_ok=True)
        files.write_bytes(kept, learned.read_bytes())
    trained.predict_all(folder, name, [p for paths in data_set.read_split(folder).values() for p in paths])
    model_card.write(folder, name)


def _plain(found: xr.Dataset) -> dict:
    """Numbers of one training, rounded, as JSON has them."""
    rows = found.goodness.transpose("sample", "event").values
    return {
        **found.attrs,
        "sample": found["sample"].values.tolist(),
        "correlation": [round(float(r), 6) for r in found.correlation],
        "goodness": [[round(float(v), 6) for v in row[~np.isnan(row)]] for row in rows],
        **record("predictions"),
    }
