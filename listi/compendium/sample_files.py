"""Samples on disk: one NetCDF file a sample, with units and provenance.

A file has the groups network, shear and probing, that of a patch also predictions; what networks predict for the
samples of a folder is in files of their own (`predicted`). The attributes of each group record how it was made:
`parameters`, `algorithm` (version number), `created`, `commit`, `machine` and `versions`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from .. import files
from ..analysis.sample import Sample
from ..files import DataError, as_path, canonical
from ..mechanics.forms import SILICA
from ..network.network import Network
from ..probing.protocol import PROTOCOL, protocol_attrs
from ..progress import progress
from . import netcdf, predicted
from .provenance import ALGORITHMS, record

SCHEMA = 2
GROUPS = {  # the variables that each group must have
    "network": ("positions", "species", "bonds", "cell"),
    "shear": ("stress", "event_strain", "event_position", "event_atom"),
    "probing": ("initial_stress", "critical_stress", "threshold", "critical_strain"),
    "predictions": (),
}


def save_sample(
    path: str | Path,
    network: Network,
    shear: xr.Dataset | None = None,
    probing: xr.Dataset | None = None,
    predictions: xr.Dataset | None = None,
    attrs: Mapping | None = None,
) -> None:
    """Write a sample file; an existing one is replaced once the new one is complete.

    Parameters
    ----------
    path : path
        File to write, ending in .nc.
    network, shear, probing, predictions
        The groups. `attrs["parameters"]` of each dataset are the parameters it was made with. A dataset that was read
        from a sample file keeps its record; the others are recorded as made now.
    attrs : mapping, optional
        Attributes of the network: "parameters" it was made with, "seed".

    Raises
    ------
    DataError
        If a variable lacks units or long_name, a group lacks a variable, or the file cannot be written.
    """
    structure = network.to_xarray().assign_attrs(attrs or {})
    groups = {"network": structure, "shear": shear, "probing": probing, "predictions": predictions}
    _write(
        Path(path),
        {
            name: group if "algorithm" in group.attrs else group.assign_attrs(record(name))
            for name, group in groups.items()
            if group is not None
        },
    )


def add_group(path: str | Path, name: str, dataset: xr.Dataset, parameters: Mapping) -> None:
    """Add a group to a sample file, or replace it, recorded as made now with these parameters.

    Raises
    ------
    DataError
        If the file is damaged, a variable or its units are missing, or the file cannot be written.
    """
    if name not in GROUPS:
        raise ValueError(f"group: {name!r} is not allowed; it must be one of {', '.join(GROUPS)}")
    groups = _read(Path(path))
    _write(Path(path), {**groups, name: dataset.assign_attrs(parameters=parameters, **record(name))})


def load_sample(path: str | Path, expect: Mapping | None = None) -> Sample:
    """Read a sample file, checked, and what networks predict for the sample.

    Parameters
    ----------
    path : path
        The file.
    expect : mapping, optional
        Parameters, such as {"nx": 40}, that the sample must have been made with.

    Raises
    ------
    DataError
        Naming the file and what is wrong: missing, cut off, altered, another schema, a variable missing, or made
        with other parameters than expected. If predictions for it are damaged.
    """
    path = as_path(path)
    groups = _read(path)
    _check_expected(path, groups, expect or {})
    network, probing = Network.from_xarray(groups["network"]), groups.get("probing")
    predictions = groups.get("predictions")
    if predictions is None and probing is not None and {"x", "y"} <= set(probing.coords):
        predictions = predicted.of_sample(path.absolute(), network, probing)
    attrs = {"schema": SCHEMA, **groups["network"].attrs, "name": path.name}
    return Sample(network, groups.get("shear"), probing, predictions, attrs)


def has_group(path: str | Path, name: str, parameters: Mapping) -> bool:
    """Whether an intact file has the group, made with just these parameters by the present version of its algorithm.

    So a run that is started again computes what is missing, damaged, or was made otherwise, and nothing else.
    """
    try:
        attrs = _read(Path(path))[name].attrs
    except (DataError, KeyError):
        return False
    same_parameters = attrs.get("parameters") == json.loads(canonical(parameters))
    return same_parameters and attrs.get("algorithm") == ALGORITHMS[name]


def verify(folder: str | Path) -> dict[Path, str]:
    """Check a folder (or one file): samples, networks, JSON, and what any SHA256SUMS lists. Nothing is written.

    Returns
    -------
    dict
        Every file that was checked, with "" if it is intact, else what is wrong. Files of other
        kinds that no SHA256SUMS lists are not in it.

    Raises
    ------
    DataError
        If there is no such folder, there is nothing in it to check, or the file is of another kind.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder")
    paths = [folder] if folder.is_file() else files.files_in(folder)
    paths = [path for path in paths if path.suffix in _CHECKS]
    found = {}
    with progress("verifying", len(paths), unit=" files") as bar:
        for path in paths:
            found[path] = _problem(path)
            bar.update()
    for sums in sorted(folder.rglob(files.SUMS)):
        listed = files.verify_checksums(sums.parent)
        found |= {path: found.get(path) or problem for path, problem in listed.items()}
    if not found:
        raise DataError(f"{folder}: nothing to check: no {', '.join(_CHECKS)} file, and no {files.SUMS}")
    return dict(sorted(found.items()))


def _check_netcdf(path: Path) -> None:
    predicted.read(path) if path.parent.name == predicted.FOLDER else _read(path)


_CHECKS = {".nc": _check_netcdf, ".json": files.read_json, ".keras": files.check_zip}


def _problem(path: Path) -> str:
    """Say what is wrong with a file, "" if nothing is."""
    try:
        _CHECKS[path.suffix](path)
    except DataError as error:
        return str(error)
    return ""


def variable_checksums(path: str | Path) -> dict[str, str]:
    """SHA-256 of every variable of a sample file by its name, as in "shear/stress"; DataError if it is damaged."""
    return netcdf.variable_checksums(_read(Path(path)))


def checksum(groups: Mapping[str, xr.Dataset]) -> str:
    """SHA-256 of the data: the same for the same variables whenever and wherever they were made."""
    return files.checksum(netcdf.variable_checksums(groups))


def _write(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    _check_groups(path, groups)
    netcdf.write(path, groups, {"schema": SCHEMA})


def _read(path: Path) -> dict[str, xr.Dataset]:
    """Read the groups of an intact file."""
    attrs, groups = netcdf.read(path)
    if attrs.get("schema") != SCHEMA:
        raise DataError(f"{path}: schema {attrs.get('schema')}; this version reads schema {SCHEMA}")
    _check_groups(path, groups)
    if "probing" in groups:
        _complete_protocol(groups["probing"].attrs)
    return groups


def _complete_protocol(probing: dict) -> None:
    """Add settings of `probe` that maps of older files do not record; `probe_all` used the defaults."""
    if {"parameters", "cell"} <= probing.keys() and "potential" not in probing:
        known = {name: probing[name] for name in PROTOCOL if name in probing}
        probing |= protocol_attrs(probing["cell"], SILICA, **known)


def _check_groups(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    """Check that all groups are known and complete, and that every variable has units and a long_name."""
    for name in groups:
        if name not in GROUPS:
            raise DataError(f"{path}: group {name} is unknown; allowed are {', '.join(GROUPS)}")
    if "network" not in groups:
        raise DataError(f"{path}: group network is missing")
    for name, group in groups.items():
        for v in GROUPS[name]:
            if v not in group:
                raise DataError(f"{path}: variable {v} of group {name} is missing")
        for v in group.data_vars:
            for key in ("units", "long_name"):
                if key not in group[v].attrs:
                    raise DataError(f"{path}: variable {v} of group {name} has no {key}")


def _check_expected(path: Path, groups: Mapping[str, xr.Dataset], expect: Mapping) -> None:
    recorded: dict = {}
    for group in groups.values():
        recorded |= group.attrs.get("parameters", {})
    for name, value in expect.items():
        if name not in recorded:
            raise DataError(f"{path}: does not record {name}; {value!r} is wanted")
        if recorded[name] != json.loads(canonical(value)):
            raise DataError(f"{path}: made from {name} = {recorded[name]!r}; {value!r} is wanted")
