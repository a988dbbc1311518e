"""Access to a data set: which sample has which role, its maps and events, what networks predicted.

`listi.compendium.making` makes the samples.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from .. import files
from ..analysis.prediction_goodness import first_events, goodness
from ..analysis.sample import Sample, threshold_of
from ..files import shipped
from ..learning import models
from ..learning.architecture import Layer, architecture
from ..learning.cutouts import Cutouts, cutouts
from ..network.geometry import is_whole
from . import sample_files
from .trained import history_of, model_file

ROLES = ("train", "validation", "test", "extra_test")
UNSEEN = ("test", "extra_test")
NETWORKS = models.compared(in_every_run=True)  # the others are compared where they have been trained
SPLIT = "split.json"  # which sample has which role
TRACE = "trace.json"  # stress-strain curve of the probe that Fig. 1 shows
PATCH = "patch.nc"  # the patch with free edges of Fig. 10


def split(folder: str | Path, **counts: int) -> dict[str, list[Path]]:
    """Files of the samples of every role, numbered through in the order of the roles.

    Parameters
    ----------
    folder : path
        Folder of the data.
    **counts : int
        Number of samples of each role: train, validation, test, extra_test.

    Returns
    -------
    dict
        Role to list of paths "samples/sample_0000.nc", ... below the folder.
    """
    first = np.cumsum([0, *(counts[role] for role in ROLES)])
    return {
        role: [Path(folder) / "samples" / f"sample_{number:04d}.nc" for number in range(begin, end)]
        for role, begin, end in zip(ROLES, first, first[1:], strict=False)
    }


def write_split(folder: str | Path, sets: Mapping[str, Sequence[Path]]) -> None:
    """Write down which sample has which role."""
    names = {role: [path.name for path in paths] for role, paths in sets.items()}
    files.write_json(Path(folder) / SPLIT, names)


def read_split(folder: str | Path) -> dict[str, list[Path]]:
    """Files of the samples of every role, as `write_split` wrote them down.

    Raises
    ------
    DataError
        If there is no such record, or it is not whole.
    """
    names = files.read_json(Path(folder) / SPLIT)
    return {role: [Path(folder) / "samples" / name for name in names[role]] for role in ROLES}


def open_sample(which: int | str | Path) -> Sample:
    """Open a sample of the data set that ships, or a sample file, every byte checked.

    Parameters
    ----------
    which : int or path
        Number of a sample of the paper's sixty, from 0 (40 to 59: no network was trained on them), or a file.

    Returns
    -------
    Sample
        Its `network`, and as datasets its `shear`, `probing` and `predictions`.

    Raises
    ------
    DataError
        If there is no such sample, or it is not whole.

    Examples
    --------
    >>> import listi
    >>> sample = listi.open_sample(0)
    >>> sample.network.n_atoms, sample.probing.threshold.shape
    (9600, (50, 50))
    """
    if isinstance(which, (str, Path)):
        return sample_files.load_sample(which)
    folder = shipped() / "samples"
    path = folder / f"sample_{which:04d}.nc" if is_whole(which) else folder / "none"
    if not path.exists():
        raise files.DataError(f"which: {which} is not one of the {len(list(folder.glob('*.nc')))} samples in {folder}")
    return sample_files.load_sample(path)


def provide(folder: str | Path) -> None:
    """Copy the small data set that ships, `data/demo`, to a folder that is not there yet.

    So a notebook can be run before those that make its data.
    """
    folder = Path(folder)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as half:
            whole = shutil.copytree(files.repository() / "data" / "demo", Path(half) / "data")
            whole.rename(folder)


def load(paths: Sequence[Path], expect: Mapping | None = None) -> list[Sample]:
    """Read samples, every byte checked; `expect` as in `sample_files.load_sample`."""
    return [sample_files.load_sample(path, expect) for path in paths]


def goodness_of(samples: Sequence[Sample], source: str = "probing") -> xr.DataArray:
    """Goodness of the first six events of every sample.

    Parameters
    ----------
    samples : sequence of Sample
        With remote deformation, and the maps of the source.
    source : str
        "probing", or the name of a network whose predictions the samples hold.

    Returns
    -------
    DataArray over (sample, event)
        NaN where a sample had fewer events than another.
    """
    each = [goodness(threshold_of(s, source), first_events(s.shear).event_position, s.network.cell) for s in samples]
    return xr.concat(each, dim="sample", join="outer")


def points_of(samples: Sequence[Sample], source: str) -> xr.Dataset:
    """Thresholds by probing (`target`) and by a network (`predicted`) at all probes of samples."""
    target = [threshold_of(sample, "probing").values.ravel() for sample in samples]
    predicted = [
        threshold_of(sample, source).transpose(*sample.probing.threshold.dims).values.ravel() for sample in samples
    ]
    return xr.Dataset(
        {
            "target": ("point", np.concatenate(target)),
            "predicted": ("point", np.concatenate(predicted)),
        }
    )


def correlation(points: xr.Dataset) -> float:
    """Pearson correlation of `target` and `predicted`; 0 where all predictions are the same."""
    if np.ptp(points.predicted.values) == 0:
        return 0.0
    return float(xr.corr(points.target, points.predicted))


def pictured(folder: Path) -> Sample:
    """The sample whose displacement fields are kept: the first one."""
    return sample_files.load_sample(read_split(folder)["train"][0])


def first_unseen(folder: Path) -> Sample:
    """The first sample that no network saw."""
    return sample_files.load_sample(read_split(folder)["test"][0])


def of_roles(folder: Path, *roles: str) -> list[Sample]:
    """All samples of some roles."""
    split = read_split(folder)
    return load([path for role in roles for path in split[role]])


def write_trace(folder: str | Path, trace: xr.Dataset, point: np.ndarray, r_free: float) -> None:
    """Keep the stress-strain curve of the probe that Fig. 1 shows."""
    curve = {name: trace[name].values for name in ("strain", "stress", "critical_strain")}
    files.write_json(Path(folder) / TRACE, {**curve, "point": point, "r_free": r_free})


def example(folder: Path) -> Cutouts:
    """The cut-out that stands for all in the figures of the networks: in the middle of a sample."""
    sample = first_unseen(folder)
    return cutouts(sample.network, sample.network.cell[None] / 2)


class Learned(NamedTuple):
    """What a trained network is, and what it learned.

    Attributes
    ----------
    layers : list of Layer
        See `architecture`.
    history : Dataset over epoch
        `loss` of the training samples and `validation_loss`.
    train, validation, unseen : Dataset over point
        `target` and `predicted` thresholds of the samples of these roles, see `points_of`.
    """

    layers: list[Layer]
    history: xr.Dataset
    train: xr.Dataset
    validation: xr.Dataset
    unseen: xr.Dataset


def learned(folder: str | Path, name: str) -> Learned:
    """Layers and losses of a trained network, and its predictions beside the targets.

    Raises
    ------
    DataError
        If the network or its predictions are not there, or not whole.
    """
    path = model_file(folder, name)
    history = history_of(path)
    points = [points_of(of_roles(folder, *roles), name) for roles in (["train"], ["validation"], UNSEEN)]
    return Learned(architecture(path), history, *points)


def compared(folder: Path, *roles: str) -> xr.DataArray:
    """Goodness over (model, sample, event) of probing and networks on samples of some roles."""
    chosen = of_roles(folder, *roles)
    predicted = (
        set.intersection(*({} if s.predictions is None else set(s.predictions) for s in chosen)) if chosen else set()
    )
    names = ["probing", *(name for name in models.compared() if name in NETWORKS or name in predicted)]
    each = [goodness_of(chosen, name) for name in names]
    return xr.concat(each, dim=xr.Variable("model", names))


def shipped_study(name: str) -> object:
    """Result of a study at the paper's scale, as it ships with the repository.

    Raises
    ------
    DataError
        If the file is missing or not whole.
    KeyError
        If it holds no study of this name.
    """
    return files.read_json(shipped() / "studies.json")[name]
