"""Make, shear and probe sets of samples, one file each, and only those that are missing.

What a file holds counts if it was made from the same parameters by the same version of the algorithm. A sample depends
on the seed and on its number alone, so a set can grow and be made on any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import parallel
from ..generation.generate import generate
from ..mechanics.shear import deform
from ..probing.probe import probe
from . import sample_files

FIELDS = ("non_affine", "configuration")  # large, and needed for pictures only


def seed_of(seed: int, number: int) -> int:
    """Seed of one sample, independent of how many there are."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


def generate_all(
    paths: Sequence[Path],
    parameters: Mapping,
    workers: int | None = None,
    scheduler: str | None = None,
    first: int = 0,
) -> int:
    """Generate the samples that are missing; return how many there were.

    Parameters
    ----------
    paths : sequence of Path
        Files of the samples, in the order of their numbers.
    parameters : mapping
        `seed` of the set, and nx, ny, alpha and box of `listi.generate`.
    workers, scheduler
        See `listi.parallel.run`; 0 workers and an empty scheduler mean its defaults.
    first : int
        Number of the first sample.
    """
    items = [(path, {**parameters, "number": number}) for number, path in enumerate(paths, first)]
    return _make_missing(_generate_one, "network", items, workers, scheduler, "generating samples")


def _generate_one(item: tuple[Path, dict]) -> None:
    path, parameters = item
    settings = {k: v for k, v in parameters.items() if k not in ("seed", "number")}
    seed = seed_of(parameters["seed"], parameters["number"])
    network = generate(seed=seed, **settings)
    sample_files.save_sample(path, network, attrs={"seed": seed, "parameters": parameters})


def deform_all(
    paths: Sequence[Path],
    parameters: Mapping,
    pictured: Sequence[Path] = (),
    workers: int | None = None,
    scheduler: str | None = None,
) -> int:
    """Shear the samples that have not been sheared; return how many there were.

    Parameters
    ----------
    paths, workers, scheduler
        As for `generate_all`.
    parameters : mapping
        strain_step, max_strain and n_events of `listi.deform`.
    pictured : sequence of Path
        Samples whose displacement fields and configurations are stored; they would be most of the data.
    """
    items = [(path, {**parameters, "fields": path in pictured}) for path in paths]
    return _make_missing(_deform_one, "shear", items, workers, scheduler, "shearing samples")


def _deform_one(item: tuple[Path, dict]) -> None:
    path, parameters = item
    settings = {k: v for k, v in parameters.items() if k != "fields"}
    result = deform(sample_files.load_sample(path).network, **settings)
    if not parameters["fields"]:
        result = result.drop_vars(FIELDS)
    sample_files.add_group(path, "shear", result, parameters)


def probe_all(
    paths: Sequence[Path],
    parameters: Mapping,
    workers: int | None = None,
    scheduler: str | None = None,
) -> int:
    """Probe the samples that have not been probed; return how many there were.

    Parameters
    ----------
    paths, workers, scheduler
        As for `generate_all`.
    parameters : mapping
        grid_x, grid_y, and further parameters of `listi.probe`: r_free, mode.
    """
    items = [(path, dict(parameters)) for path in paths]
    return _make_missing(_probe_one, "probing", items, workers, scheduler, "probing samples")


def _probe_one(item: tuple[Path, dict]) -> None:
    path, parameters = item
    how = dict(parameters)
    grid = how.pop("grid_x"), how.pop("grid_y")
    result = probe(sample_files.load_sample(path).network, grid=grid, workers=1, **how)
    sample_files.add_group(path, "probing", result, parameters)


def _make_missing(
    function: Callable,
    group: str,
    items: Sequence[tuple[Path, dict]],
    workers: int | None,
    scheduler: str | None,
    label: str,
) -> int:
    """Make the group where a file has none from these parameters, one task a sample; return how many were made."""
    todo = [(Path(path).absolute(), own) for path, own in items if not sample_files.has_group(path, group, own)]
    several = len(todo) > 1 and workers != 1  # for one at a time, another process would only cost its start
    parallel.run(function, todo, scheduler or None, workers or None, processes=several, label=label)
    return len(todo)
