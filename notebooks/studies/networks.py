"""What networks learn from how much data, which of their inputs they need, and on how different glasses they hold.

    python notebooks/studies/networks.py [STUDY ...] [--data data/paper] [--work results/training]

completes `studies/networks.csv` below the data: a line for every number, with study, label of the training or kind of
glass, sample, quantity, event and value. Trainings are stored in the work folder, unfinished ones too, so that a study
that was stopped goes on. All of them take about two days of two cores.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import root

from listi import files
from listi.analysis.comparison import correlation
from listi.analysis.prediction_goodness import first_events, goodness
from listi.analysis.sample import Sample
from listi.compendium import data_set, making, model_card, predicted, sample_files, trained
from listi.generation.generate import TARGET_RING_STATISTICS, generate
from listi.learning import models
from listi.learning.predict import predict
from listi.mechanics.shear import relax, state_after
from listi.network.network import Network
from listi.probing.probe import probe

TABLE = Path("studies") / "networks.csv"
COLUMNS = ["study", "label", "sample", "quantity", "event", "value"]
FOLDS = 5  # of the cross-validation
SIZES = (2, 5, 10, 20, 40)  # training samples of the learning curve
CURVES = ("listi",)  # networks whose learning curves are made
# Training samples that are probed more densely, and epochs: ten in the steps of the curve; forty take longer.
DENSER = {10: 40, 40: 60}
FINER = 2  # by how much along x and y
# Glasses of a quarter of the size that are made as further training data, each as it is and rotated by 90 degrees, and
# how: with smaller batches the loss falls faster, and there is enough for a wider network.
MANY, MANY_SEED = 360, 1
MANY_CHANGES = {"epochs": 45, "batch_size": 300, "width": 64}
FEW_EPOCHS = 80  # of the same without them
# Weight of the auxiliary targets of each probe in the loss: of 0.5, 1.5 and 4 the best on validation samples.
AUXILIARY_WEIGHT = 1.5
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
MODES = ("uniaxial tension", "biaxial tension")  # under which samples are probed besides that of the data set
N_MODES = 20  # training samples that are probed under each of them
MODES_EPOCHS = 40  # of the network that learns from these and all others
VARIANTS = ("gcn", "gcn_attention", "gcn_bonds")  # of the paper's Eq. 2
VARIANT_EPOCHS = 20  # as long as all of them are trained to be compared
STUDIES = ("folds", "curves", "denser", "many", "large", "modes", "ablations", "variants", "beyond")
STORED = {"large": "listi_large", "modes": "listi_loads"}  # networks of a study that are stored with the data
LARGE = "four times the size"
EACH = 3  # samples of each kind beyond the training data; one of the large ones
PROBES = (25, 25)  # grid on which those are probed that are made for it
SPREADS = {"narrow rings": 0.6, "wide rings": 1.2}  # standard deviation of ring sizes / that of the training samples


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
        Samples for training and validation, and those that are predicted afterwards.
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
    """Trainings on samples with more probes in each, to tell the need for samples from that for probes.

    Probes are made here and stored in `work`.
    """
    sets = data_set.read_split(folder)
    found = _probed_again(sets["train"][: max(DENSER)], work / "denser", FINER)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    return [
        Training(f"listi_{n}_denser", "listi", found[:n], sets["validation"], unseen, {"epochs": epochs})
        for n, epochs in DENSER.items()
    ]


def _probed_again(paths: Sequence[Path], work: Path, finer: int = 1, **how) -> list[Path]:
    """Probe samples once more, on a finer grid or under another load, in files of the same names in `work`."""
    found = []
    for path in paths:
        sample = sample_files.load_sample(path)
        found.append(work / path.name)
        if not found[-1].is_file():
            sample_files.save_sample(found[-1], sample.network)
        grid = {f"grid_{c}": finer * sample.probing.sizes[c] for c in "xy"}
        making.probe_all(found[-1:], grid | {"r_free": trained.radius(sample), **how})
    return found


def modes(folder: str | Path, work: Path, source: str | Path) -> list[Training]:
    """The training of `listi_loads`: on the training samples of `source` probed in three modes, to know the load."""
    sets = data_set.read_split(source)
    probed = {
        role: [*sets[role], *(path for mode in MODES for path in _probed_again(sets[role][:n], work / mode, mode=mode))]
        for role, n in (("train", N_MODES), ("validation", None))
    }
    unseen = [path for role in data_set.UNSEEN for path in data_set.read_split(folder)[role]]
    changes = {"load": True, "epochs": MODES_EPOCHS}
    return [Training("listi_loads", "listi", probed["train"], probed["validation"], unseen, changes)]


def many(folder: str | Path, work: Path, n: int = MANY) -> list[Training]:
    """Trainings with more to learn from: more glasses (and the same without them), or more of each probe."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    few, all_of_them = sets["train"], [*sets["train"], *_glasses(sets["train"][0], work, n)]
    plans = {
        "listi_few": (few, MANY_CHANGES | {"epochs": FEW_EPOCHS}),
        "listi_many": (all_of_them, MANY_CHANGES),
        "listi_beside": (few, {"auxiliary_weight": AUXILIARY_WEIGHT}),
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
    """Make and probe small glasses, with discs as large as those of a sample; stored in `work`.

    Each is probed as it is and rotated by 90 degrees, which exchanges tension and compression and so has other
    thresholds.
    """
    made = [work / "many" / f"sample_{number:04d}.nc" for number in range(n)]
    rotated = [path.with_name(path.name.replace("sample", "rotated")) for path in made]
    making.generate_all(made, {"seed": MANY_SEED, **QUARTER})
    for number, (path, copy) in enumerate(zip(made, rotated, strict=True)):
        how = {"seed": MANY_SEED, **QUARTER, "number": number, "turned": 90}
        if not sample_files.has_group(copy, "network", how):
            sample_files.save_sample(copy, rotate(sample_files.load_sample(path).network), attrs={"parameters": how})
    r_free = trained.radius(sample_files.load_sample(like))
    making.probe_all(made + rotated, dict(zip(("grid_x", "grid_y"), MANY_PROBES, strict=True)) | {"r_free": r_free})
    return made + rotated


def rotate(network: Network) -> Network:
    """Return the network rotated by 90 degrees, anticlockwise."""
    x, y = network.positions.T
    return network.replace(positions=np.stack([network.cell[1] - y, x], axis=1), cell=network.cell[::-1].copy())


def ablations(folder: str | Path) -> list[Training]:
    """Trainings of `listi`, half as long as the one that ships: complete, and without one of its parts."""
    sets = data_set.read_split(folder)
    unseen = [path for role in data_set.UNSEEN for path in sets[role]]
    half = models.record("listi").paper_scale["epochs"] // 2
    return [
        Training(
            f"listi_without_{label}", "listi", sets["train"], sets["validation"], unseen, changes | {"epochs": half}
        )
        for label, changes in {"nothing": {}, **ABLATIONS}.items()
    ]


def variants(folder: str | Path) -> list[Training]:
    """Trainings of the GCN in every variant of the paper's Eq. 2, equally long; compared on validation samples."""
    sets = data_set.read_split(folder)
    return [
        Training(
            f"{name}_variant", name, sets["train"], sets["validation"], sets["validation"], {"epochs": VARIANT_EPOCHS}
        )
        for name in VARIANTS
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


def evaluate(folder: str | Path, kind: Callable[[int], tuple[Network, xr.DataArray]], n: int = EACH) -> list[dict]:
    """Predict some glasses with the folder's `listi`: correlation and mean over the probed, and `distance`."""
    rows = []
    for number in range(n):
        network, target = kind(number)
        target = target.transpose("x", "y")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "network: ")  # that they are unlike the training samples is the subject
            own = predict(network, trained.model_file(folder, "listi"), grid=target.shape)
        valued = np.isfinite(target.values)
        ratio = own.threshold.values[valued].mean() / target.values[valued].mean()
        r = correlation(own.threshold.values, target.values)
        rows.append({"correlation": r, "mean_ratio": float(ratio), "distance": float(own.distance)})
    return rows


def carry_out(training: Training, work: Path, report: Callable[[int, float, float], None] | None = None) -> xr.Dataset:
    """Train, or take what is stored in `work`, and predict the unseen samples.

    Returns
    -------
    Dataset
        `correlation` (sample) with the probed thresholds, `goodness` (sample, event), `predicted` thresholds over
        (sample, x, y); attributes describe the training.
    """
    sets = {"train": training.train, "validation": training.validation}
    history = trained.train_at_paper_scale(
        work, training.name, sets, training.changes, label=training.label, report=report
    )
    model = models.load(trained.model_file(work, training.label))
    rows = [_predicted(sample_files.load_sample(path), model) for path in training.unseen]
    found = xr.concat(rows, "sample", join="outer").assign_coords(sample=[path.name for path in training.unseen])
    metadata = files.read_json(trained.model_file(work, training.label).with_suffix(".json"))
    return found.assign_attrs(
        training_samples=len(training.train),
        epochs=history.sizes["epoch"],
        validation_loss=float(history.validation_loss.min()),
        seconds=metadata["seconds"],
    )


def _predicted(sample: Sample, model: object) -> xr.Dataset:
    target = data_set.threshold_of(sample, "probing").transpose("x", "y")
    own = predict(sample.network, model, grid=target.shape).threshold
    values = goodness(own, first_events(sample.shear).event_position, sample.network.cell)
    r = correlation(own.values, target.values)
    return xr.Dataset({"correlation": r, "goodness": values, "predicted": (("x", "y"), own.values)})


def update(folder: str | Path, names: Sequence[str], work: str | Path) -> None:
    """Do studies on the samples of a folder and complete its table.

    Predictions of the cross-validation are stored as those of a network "listi_folds": each sample predicted by a
    network that did not see it. The network of most probes is stored as "listi_dense", and so is "listi_large".

    Parameters
    ----------
    folder : path
        Of data, such as "data/paper".
    names : sequence of str
        Some of `STUDIES`.
    work : path
        Where the trainings are stored.

    Raises
    ------
    ValueError
        If there is no such study.
    """
    folder, work = Path(folder), Path(work)
    for name in set(names) - set(STUDIES):
        raise ValueError(f"names: {name!r} is not one of {', '.join(STUDIES)}")
    plans = {
        "folds": folds,
        "curves": curves,
        "denser": partial(denser, work=work),
        "many": partial(many, work=work),
        "large": partial(large, work=work),
        "modes": partial(modes, work=work, source=files.repository() / "data" / "data_set_3"),
        "ablations": ablations,
        "variants": variants,
    }
    for study in names:
        if study == "beyond":
            for label, kind in beyond(folder).items():
                rows = evaluate(folder, kind, 1 if label == LARGE else EACH)
                _write(folder, study, label, [(n, name, "", v) for n, r in enumerate(rows) for name, v in r.items()])
            continue
        found = {}
        for training in plans[study](folder):
            found[training.label] = carry_out(training, work)
            _write(folder, study, training.label, list(_numbers(found[training.label])))
        if study == "folds":
            _store_folds(folder, found)
        if study == "denser":
            _store(folder, work, f"listi_{max(DENSER)}_denser", "listi_dense")
        if study in STORED:
            _store(folder, work, STORED[study], STORED[study])
    if (folder / files.SUMS).is_file():
        files.write_checksums(folder)


def _numbers(found: xr.Dataset) -> Iterator[tuple]:
    """Lines (sample, quantity, event, value) of one training."""
    for name, value in found.attrs.items():
        yield "", name, "", value
    for sample in found["sample"].values:
        yield sample, "correlation", "", float(found.correlation.sel(sample=sample))
        for event, value in found.goodness.sel(sample=sample).to_series().dropna().items():
            yield sample, "goodness", event, value


def _write(folder: Path, study: str, label: str, lines: Sequence[tuple]) -> None:
    """Put the lines of one training, or of one kind of glass, in place of those that are in the table."""
    table = pd.DataFrame([(study, label, *line) for line in lines], columns=COLUMNS).round({"value": 6})
    if (folder / TABLE).is_file():
        known = pd.read_csv(folder / TABLE, keep_default_na=False)
        table = pd.concat([known[(known.study != study) | (known.label != label)], table])
    (folder / TABLE).parent.mkdir(exist_ok=True)
    text = table.sort_values(["study", "label"], kind="stable").to_csv(index=False)
    files.write_bytes(folder / TABLE, text.encode())


def _store_folds(folder: Path, trainings: Mapping[str, xr.Dataset]) -> None:
    maps = {}
    for found in trainings.values():
        for name in found["sample"].values:
            path = folder / "samples" / str(name)
            structure = predicted.structure_of(sample_files.load_sample(path).network)
            maps[str(name)] = (structure, found.predicted.sel(sample=name).values)
    made_from = {"model": "cross-validation", "folds": FOLDS, **{k: v.attrs["epochs"] for k, v in trainings.items()}}
    file = predicted.file_of(folder / "samples" / "any", "listi_folds")
    predicted.write(file, maps, made_from, "stress threshold predicted by listi, trained on other samples")


def _store(folder: Path, work: Path, label: str, name: str) -> None:
    """Store a network of a study under a name, with its card and its predictions for the samples of the folder."""
    for suffix in (".keras", ".json"):
        source, target = (
            trained.model_file(where, which).with_suffix(suffix) for where, which in ((work, label), (folder, name))
        )
        target.parent.mkdir(exist_ok=True)
        files.write_bytes(target, source.read_bytes())
    trained.predict_all(folder, name, [p for paths in data_set.read_split(folder).values() for p in paths])
    model_card.write(folder, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", default=STUDIES, help=f"of {', '.join(STUDIES)}; all by default")
    parser.add_argument("--data", type=Path, default=files.shipped())
    parser.add_argument("--work", type=Path, default=Path("results") / "training")
    given = parser.parse_args()
    update(given.data, given.study, given.work)


if __name__ == "__main__":
    main()
