"""Access to a data set: the roles of its samples, their maps and events, what networks predicted.

`listi.compendium.making` makes the samples.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from .. import files
from ..analysis import comparison
from ..analysis.prediction_goodness import first_events, goodness
from ..analysis.sample import Sample, threshold_of
from ..files import shipped
from ..learning import models
from ..learning.architecture import Layer, architecture
from ..learning.cutouts import Cutouts, cutouts
from ..network.geometry import is_integer
from . import sample_files, studies
from .trained import history_of, model_file

ROLES = ("train", "validation", "test", "extra_test")
UNSEEN = ("test", "extra_test")
NETWORKS = models.compared(in_every_run=True)  # the others are compared where they have been trained
SPLIT = "split.json"  # roles of the samples
TRACE = "trace.json"  # stress-strain curve of the probe that Fig. 1 shows
PATCH = "patch.nc"  # the patch with free edges of Fig. 10


def split(folder: str | Path, **counts: int) -> dict[str, list[Path]]:
    """Return the files of the samples of every role, "samples/sample_0000.nc", ... below the folder of the data.

    They are numbered consecutively in the order of the roles; `counts` are how many each role has.
    """
    first = np.cumsum([0, *(counts[role] for role in ROLES)])
    return {
        role: [Path(folder) / "samples" / f"sample_{number:04d}.nc" for number in range(begin, end)]
        for role, begin, end in zip(ROLES, first, first[1:], strict=False)
    }


def write_split(folder: str | Path, sets: Mapping[str, Sequence[Path]]) -> None:
    """Store the roles of the samples."""
    names = {role: [path.name for path in paths] for role, paths in sets.items()}
    files.write_json(Path(folder) / SPLIT, names)


def read_split(folder: str | Path) -> dict[str, list[Path]]:
    """Return the files of the samples of every role, as `write_split` stored them.

    Raises
    ------
    DataError
        If the file is missing, damaged, or lacks a role.
    """
    path = Path(folder) / SPLIT
    names = files.read_json(path)
    if missing := [role for role in ROLES if role not in names]:
        raise files.DataError(f"{path}: has no {missing[0]}; {', '.join(ROLES)} are needed")
    return {role: [Path(folder) / "samples" / name for name in names[role]] for role in ROLES}


def open_sample(which: int | str | Path) -> Sample:
    """Open a sample of the paper's data set, or a sample file, checked.

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
        If there is no such sample, or it is damaged. The data set comes with the repository only.

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
    path = folder / f"sample_{which:04d}.nc" if is_integer(which) else folder / "none"
    if not path.exists():
        raise files.DataError(f"which: {which} is not one of the {len(list(folder.glob('*.nc')))} samples in {folder}")
    return sample_files.load_sample(path)


def copy_demo_data(folder: str | Path) -> None:
    """Copy the small data set `data/demo` to a folder that does not exist yet, so that a notebook can run by itself."""
    folder = Path(folder)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            complete = shutil.copytree(files.repository() / "data" / "demo", Path(temporary) / "data")
            complete.rename(folder)


def load(paths: Sequence[Path], expect: Mapping | None = None) -> list[Sample]:
    """Read samples; `expect` as in `sample_files.load_sample`."""
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
    values = [goodness(threshold_of(s, source), first_events(s.shear).event_position, s.network.cell) for s in samples]
    return xr.concat(values, dim="sample", join="outer")


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
    """Correlation of `target` and `predicted`, see `listi.analysis.comparison.correlation`."""
    return comparison.correlation(points.target, points.predicted)


def pictured(folder: Path) -> Sample:
    """Return the first training sample, whose displacement fields are stored."""
    return sample_files.load_sample(read_split(folder)["train"][0])


def first_unseen(folder: Path) -> Sample:
    """Return the first sample that no network was trained on."""
    return sample_files.load_sample(read_split(folder)["test"][0])


def of_roles(folder: Path, *roles: str) -> list[Sample]:
    """Return all samples of some roles."""
    split = read_split(folder)
    return load([path for role in roles for path in split[role]])


def write_trace(folder: str | Path, trace: xr.Dataset, point: np.ndarray, r_free: float) -> None:
    """Store the stress-strain curve of the probe that Fig. 1 shows."""
    curve = {name: trace[name].values for name in ("strain", "stress", "critical_strain")}
    files.write_json(Path(folder) / TRACE, {**curve, "point": point, "r_free": r_free})


def example(folder: Path) -> Cutouts:
    """Return the cut-out in the middle of a sample, with the radius of its probes, to show what networks read."""
    sample = first_unseen(folder)
    return cutouts(sample.network, sample.network.cell[None] / 2, studies.radius_of(sample))


class TrainingResult(NamedTuple):
    """A trained network, its losses, and its predictions with their targets.

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


def load_training(folder: str | Path, name: str) -> TrainingResult:
    """Load a trained network's layers, losses and predictions; DataError if they are missing or damaged."""
    path = model_file(folder, name)
    history = history_of(path)
    points = [points_of(of_roles(folder, *roles), name) for roles in (["train"], ["validation"], UNSEEN)]
    return TrainingResult(architecture(path), history, *points)


def compared(folder: Path, *roles: str) -> xr.DataArray:
    """Goodness over (model, sample, event) of probing and networks on samples of some roles."""
    chosen = of_roles(folder, *roles)
    predicted = (
        set.intersection(*({} if s.predictions is None else set(s.predictions) for s in chosen)) if chosen else set()
    )
    names = ["probing", *(name for name in models.compared() if name in NETWORKS or name in predicted)]
    each = [goodness_of(chosen, name) for name in names]
    return xr.concat(each, dim=xr.Variable("model", names))


def shipped_study(name: str) -> pd.DataFrame:
    """Table of a study at the paper's scale, as it ships with the repository.

    Raises
    ------
    DataError
        If no study of this name ships.
    """
    return studies.read(shipped(), name)
