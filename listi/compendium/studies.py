"""Studies at the paper's scale: one table for each, completed item by item.

A study is a function of one item (a sample, a seed, a name) that returns rows. The scripts in `notebooks/studies` hold
them, and `complete` writes their rows to `studies/NAME.csv` below the data. Each row says in its column `made_from`
what it was made from: the item, the function's script, the versions of the algorithms, and other files that were read.
Rows made from the same are not computed again; those of an item that has changed are replaced.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock

from .. import files, parallel
from ..analysis.prediction_goodness import first_events
from ..analysis.sample import Sample
from ..probing.protocol import require_protocol
from . import sample_files
from .provenance import code_version

FOLDER = "studies"
MADE_FROM = "made_from"


class Study(NamedTuple):
    """A study and what it is made of.

    Attributes
    ----------
    rows_of : callable
        Function of one item that returns its rows, mappings of plain values.
    items : callable
        Function of the folder of the data that returns the items: paths of samples, which `rows_of` gets as `Sample`
        with the first six events, or numbers or names.
    key : str
        Column of the table that names the item.
    reads : tuple of str
        Patterns of further files below the folder that the rows depend on, such as ``predictions/*.nc``.
    """

    rows_of: Callable[[Any], list[dict]]
    items: Callable[[Path], Sequence]
    key: str = "sample"
    reads: tuple[str, ...] = ()


def read(folder: str | Path, name: str) -> pd.DataFrame:
    """Read the table of a study.

    Parameters
    ----------
    folder : path
        Of the data, such as "data/paper".
    name : str
        Of the study.

    Raises
    ------
    DataError
        If there is no such table.
    """
    table = Path(folder) / FOLDER / f"{name}.csv"
    if not table.is_file():
        there = ", ".join(sorted(path.stem for path in table.parent.glob("*.csv"))) or "none"
        raise files.DataError(f"{table}: no such study; there are: {there}")
    return _read(table).drop(columns=MADE_FROM, errors="ignore")


def complete(folder: str | Path, name: str, study: Study, workers: int | None = None) -> None:
    """Compute the rows that a study lacks and write them to its table, item by item.

    A study that was stopped goes on where it was. Several processes may complete the same table.

    Parameters
    ----------
    folder : path
        Of the data, such as "data/paper".
    name : str
        Of the table.
    study : Study
        What to compute.
    workers : int, optional
        Local processes; all cores by default.
    """
    folder = Path(folder)
    table = folder / FOLDER / f"{name}.csv"
    read_files = sorted({path for pattern in study.reads for path in folder.glob(pattern)})
    common = [code_version(), _program(study.rows_of), {path.name: files.sha256(path) for path in read_files}]
    marked = [(files.checksum([common, _content(item)])[:16], item) for item in study.items(folder)]
    done = set(_read(table)[MADE_FROM]) if table.is_file() else set()
    missing = [(mark, item) for mark, item in marked if mark not in done]
    add = partial(_add, table, study)
    parallel.run(add, missing, workers=workers, processes=workers != 1, label=name)
    if (folder / files.SUMS).is_file():
        files.write_checksums(folder)


def _read(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, dtype={MADE_FROM: str})


def _content(item: object) -> str:
    return files.sha256(item) if isinstance(item, Path) else repr(item)


def _program(function: Callable) -> list[str]:
    """Return what decides which rows a function returns: its script without comments, and arguments fixed in it."""
    fixed = ""
    while isinstance(function, partial):
        fixed += repr((function.args, sorted(function.keywords.items())))
        function = function.func
    source = inspect.getsource(inspect.getmodule(function))
    return [function.__qualname__, fixed, ast.dump(ast.parse(source))]


def _add(table: Path, study: Study, marked: tuple[str, Path | int | str]) -> None:
    """Compute the rows of one item and put them into the table, in place of older rows of this item."""
    mark, item = marked
    name, of = item, item
    if isinstance(item, Path):
        sample = sample_files.load_sample(item)
        name, of = number_of(sample), replace(sample, shear=first_events(sample.shear))
    rows = pd.DataFrame([{study.key: name, **row, MADE_FROM: mark} for row in study.rows_of(of)])
    table.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(table.with_name(f".{table.name}.lock")):
        if table.is_file():
            others = _read(table)
            rows = pd.concat([others[others[study.key] != name], rows]).sort_values(study.key, kind="stable")
        files.write_bytes(table, rows.to_csv(index=False, lineterminator="\n").encode())


def command(studies: Mapping[str, Study], about: str, workers: int | None = None) -> None:
    """Complete the tables that are named on the command line, or all."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--only", nargs="+", default=list(studies), choices=list(studies), help="tables to complete")
    parser.add_argument("--data", type=Path, default=files.shipped(), help="folder of the data")
    parser.add_argument(
        "--workers", type=int, default=workers, help=f"local processes, {workers or 'all cores'} by default"
    )
    arguments = parser.parse_args()
    for name in arguments.only:
        complete(arguments.data, name, studies[name], arguments.workers)


def rows(values: xr.Dataset) -> list[dict]:
    """Return the rows of a Dataset over one dimension as plain values, numbers to six digits."""
    (dimension,) = values.dims
    table = values.reset_coords(drop=True).to_dataframe().reset_index(drop=dimension not in values.coords)
    return [{name: plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def plain(value: object) -> object:
    """Return a number to six digits, which is enough for any figure; other values as they are."""
    if isinstance(value, (bool, np.bool_, int, np.integer, str)):
        return value
    return float(f"{value:.6g}")


def grid_of(sample: Sample) -> tuple[int, int]:
    """Return the grid on which a sample was probed."""
    return sample.probing.sizes["x"], sample.probing.sizes["y"]


def radius_of(sample: Sample) -> float:
    """Return the radius of the discs of a sample's map [Å], which must be of pure shear along x, held by frozen atoms.

    Raises
    ------
    ValueError
        If the map was made in another way.
    """
    return require_protocol(sample.probing, mode="pure shear", angle=0.0, tether=0.0)["r_free"]


def number_of(sample: Sample) -> int:
    """Return the number of a sample by the name of its file, 0 if it has none."""
    number = re.search(r"\d+", Path(sample.attrs.get("name", "")).stem)
    return int(number.group()) if number else 0


def begin(file: Path, names: Sequence[str], allowed: Sequence[str]) -> dict:
    """Return the results of studies of networks that a file holds, or nothing.

    Raises
    ------
    ValueError
        If one of the names is not allowed.
    """
    unknown = set(names) - set(allowed)
    if unknown:
        raise ValueError(f"names: {unknown.pop()!r} is not one of {', '.join(allowed)}")
    return files.read_json(file) if file.is_file() else {}
