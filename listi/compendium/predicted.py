"""Thresholds that networks predict for the samples of a folder: a file per network, in the folder `predictions`.

A file holds `threshold` over (sample, x, y) and the checksum of every sample's structure. What was predicted for
another structure, or by a network trained from something else, does not count and is made again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from .. import files
from ..files import DataError
from ..network.network import Network
from ..network.units import STRESS_UNIT
from . import netcdf
from .provenance import record

FOLDER = "predictions"
GROUP = "predictions"
SCHEMA = 1


def file_of(sample: Path, name: str) -> Path:
    """File of what the network `name` predicts for the samples of a folder, given one of them."""
    return sample.parent.with_name(FOLDER) / f"{name}.nc"


def structure_of(network: Network) -> str:
    """Checksum of the structure that is predicted from."""
    return files.checksum(netcdf.variable_checksums({"network": network.to_xarray()}))


def of_sample(path: Path, network: Network, probing: xr.Dataset) -> xr.Dataset | None:
    """Return what networks predict for a sample, a variable over (x, y) per network; None if nothing.

    Parameters
    ----------
    path : Path
        File of the sample.
    network : Network
        Its structure.
    probing : Dataset
        Its probes, over x and y.

    Raises
    ------
    DataError
        If a file of predictions is damaged.
    """
    maps = {}
    held = sorted(path.parent.with_name(FOLDER).glob("*.nc"))
    structure = structure_of(network) if held else ""
    for file in held:
        stored = _read(file, file.stat().st_mtime_ns)
        if stored.threshold.shape[1:] != probing.threshold.shape:
            continue  # predicted for another grid; `trained.predict_all` makes it anew
        for row in np.flatnonzero((stored["sample"].values == path.name) & (stored.structure.values == structure)):
            threshold = stored.threshold[row].drop_vars("sample")
            maps[file.stem] = threshold.assign_coords(x=probing.x, y=probing.y)
    return xr.Dataset(maps) if maps else None


def write(file: Path, maps: Mapping[str, tuple[str, np.ndarray]], made_from: Mapping, long_name: str) -> None:
    """Write the thresholds (n_x, n_y) predicted for samples, by name with the checksum of the structure.

    Parameters
    ----------
    file : Path
        The file; it is replaced at once.
    maps : mapping
        Name of a sample's file to (checksum of its structure, thresholds).
    made_from : mapping
        Which network, as plain values.
    long_name : str
        Of the thresholds.
    """
    names = sorted(maps)
    values = np.stack([maps[name][1] for name in names]).astype(np.float32)
    dataset = xr.Dataset(
        {
            "threshold": (("sample", "x", "y"), values, {"units": STRESS_UNIT, "long_name": long_name}),
            "structure": ("sample", [maps[name][0] for name in names], _text("checksum of the structure")),
        },
        {"sample": ("sample", names, _text("file of the sample"))},
        {"parameters": dict(made_from), **record("predictions")},
    )
    total = files.checksum(netcdf.variable_checksums({GROUP: dataset}))
    netcdf.write(file, {GROUP: dataset}, {"schema": SCHEMA, "checksum": total})


def _text(long_name: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name}


def read(file: Path) -> xr.Dataset:
    """Read a file of predictions; its attributes say what they were made from.

    Raises
    ------
    DataError
        If it is missing, damaged or of another kind.
    """
    _, groups = netcdf.read(file)
    if not {"threshold", "structure"} <= set(groups.get(GROUP, ())):
        raise DataError(f"{file}: holds no predictions")
    return groups[GROUP]


@functools.lru_cache(maxsize=32)
def _read(file: Path, changed: int) -> xr.Dataset:
    """Return the content of a file; `changed` is the time of its last change."""
    return read(file)
