"""Samples on disk: one NetCDF file per sample, with units, provenance and a checksum.

A file has the groups network, shear and probing, that of a patch also predictions; what networks predict for the
samples of a folder lies in files beside them (`predicted`). A file is written whole or not at all, and refused when its
data are not those that were written. Each group records in its attributes what it was made from and by what, when it
is made: `parameters`, `algorithm` (version number), `created`, `commit`, `machine` and `versions`. The `checksum` of
the file covers the data alone: two runs made the same sample if it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from .. import files
from ..analysis.sample import Sample
from ..files import DataError, canonical
from ..mechanics.forms import SILICA
from ..network.network import Network
from ..probing.protocol import PROTOCOL, protocol_attrs
from . import netcdf, predicted
from .provenance import ALGORITHMS, UNKNOWN, record

SCHEMA = 2
GROUPS = {  # the variables that each group must have
    "network": ("positions", "species", "bonds", "cell"),
    "shear": ("stress", "event_strain", "event_position", "event_atom"),
    "probing": ("initial_stress", "critical_stress", "threshold", "critical_strain"),
    "predictions": (),
}
OLD = "made before each group kept its own record: commit, versions, machine and time are of the file's last writing"


def save_sample(
    path: str | Path,
    network: Network,
    shear: xr.Dataset | None = None,
    probing: xr.Dataset | None = None,
    predictions: xr.Dataset | None = None,
    attrs: Mapping | None = None,
) -> str:
    """Write a sample file; the old one stays whole until the new one is.

    Parameters
    ----------
    path : path
        File to write, ending in .nc.
    network, shear, probing, predictions
        The groups. `attrs["parameters"]` of each dataset says what it was made from. A dataset that was read from a
        sample file keeps its record; the others are recorded as made now.
    attrs : mapping, optional
        Attributes of the network: "parameters" it was made from, "seed".

    Returns
    -------
    str
        Checksum of the data.

    Raises
    ------
    DataError
        If a variable lacks units or long_name, a group lacks a variable, or the file cannot be
        written.
    """
    structure = network.to_xarray().assign_attrs(attrs or {})
    given = {"network": structure, "shear": shear, "probing": probing, "predictions": predictions}
    groups = {name: group for name, group in given.items() if group is not None}
    for name, group in groups.items():
        if "algorithm" not in group.attrs:
            groups[name] = group.assign_attrs(record(name))
    return _write(Path(path), groups)


def add_group(path: str | Path, name: str, dataset: xr.Dataset, parameters: Mapping) -> str:
    """Add a group to a sample file, or replace it, recorded as made now from these parameters.

    Returns
    -------
    str
        Checksum of the data.

    Raises
    ------
    DataError
        If the file is not whole, the group lacks something, or the file cannot be written.
    """
    if name not in GROUPS:
        raise ValueError(f"group: {name!r} is not allowed; it must be one of {', '.join(GROUPS)}")
    _, groups = _read(Path(path))
    return _write(Path(path), {**groups, name: dataset.assign_attrs(parameters=parameters, **record(name))})


def load_sample(path: str | Path, expect: Mapping | None = None) -> Sample:
    """Read a sample file, its data checked, and what networks predict for it.

    Parameters
    ----------
    path : path
        The file.
    expect : mapping, optional
        Parameters, such as {"nx": 40}, that the sample must have been made from.

    Raises
    ------
    DataError
        Naming the file and what is wrong: missing, cut off, altered, another schema, a variable missing, or made
        from other parameters than expected. If predictions for it are damaged.
    """
    path = Path(path)
    attrs, groups = _read(path)
    _check_expected(path, groups, expect or {})
    network, probing = Network.from_xarray(groups["network"]), groups.get("probing")
    predictions = groups.get("predictions")
    if predictions is None and probing is not None and {"x", "y"} <= set(probing.coords):
        predictions = predicted.of_sample(path, network, probing)
    attrs = {**attrs, **groups["network"].attrs, "name": path.name}
    return Sample(network, groups.get("shear"), probing, predictions, attrs)


def has_group(path: str | Path, name: str, parameters: Mapping) -> bool:
    """Whether a whole file holds the group, made from just these parameters by the present version of its algorithm.

    This is the question to ask before computing: a run that is started again goes on where it was
    killed, and a file that is damaged or was made from something else is made again.
    """
    try:
        _, groups = _read(Path(path))
    except DataError:
        return False
    made = groups[name].attrs if name in groups else {}
    same = made.get("parameters") == json.loads(canonical(parameters))
    return same and made.get("algorithm") == ALGORITHMS[name]


def verify(folder: str | Path) -> dict[Path, str]:
    """Check a folder (or one file): samples, networks, JSON, and what any SHA256SUMS lists.

    Returns
    -------
    dict
        Every file that was checked, with "" if it is whole, else what is wrong. Files of other
        kinds that no SHA256SUMS lists are not in it.

    Raises
    ------
    DataError
        If there is no such folder, or the file is of another kind.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder")
    if folder.is_file() and folder.suffix not in _CHECKS:
        raise DataError(f"{folder}: only {', '.join(_CHECKS)} files carry their own checksum")
    paths = [folder] if folder.is_file() else files.files_in(folder)
    found = {path: _problem(path) for path in paths if path.suffix in _CHECKS and path.name != files.CRATE}
    for sums in sorted(folder.rglob(files.SUMS)):
        listed = files.verify_checksums(sums.parent)
        found |= {path: found.get(path) or problem for path, problem in listed.items()}
    return dict(sorted(found.items()))


def _check_netcdf(path: Path) -> None:
    predicted.read(path) if path.parent.name == predicted.FOLDER else _read(path)


_CHECKS = {".nc": _check_netcdf, ".json": files.read_json, ".keras": files.check_zip}


def _problem(path: Path) -> str:
    """What is wrong with a file that carries its own checksum; "" if nothing is."""
    try:
        _CHECKS[path.suffix](path)
    except DataError as error:
        return str(error)
    return ""


def variable_checksums(path: str | Path) -> dict[str, str]:
    """SHA-256 of every variable of a sample file by its name, as in "shear/stress".

    Raises
    ------
    DataError
        If the file is not whole.
    """
    return netcdf.variable_checksums(_read(Path(path))[1])


def checksum(groups: Mapping[str, xr.Dataset]) -> str:
    """SHA-256 of the data: the same for the same variables whenever and wherever they were made."""
    return files.checksum(netcdf.variable_checksums(groups))


def _write(path: Path, groups: Mapping[str, xr.Dataset]) -> str:
    _check_groups(path, groups)
    total = checksum(groups)
    netcdf.write(path, groups, {"schema": SCHEMA, "checksum": total})
    return total


def _read(path: Path) -> tuple[dict, dict[str, xr.Dataset]]:
    """Attributes and groups of a whole file."""
    attrs, groups = netcdf.read(path)
    if attrs.get("schema") not in (1, SCHEMA):
        raise DataError(f"{path}: schema {attrs.get('schema')}; this version reads schemas 1 and {SCHEMA}")
    _check_groups(path, groups)
    if attrs["schema"] == 1:
        _tell_of_schema_1(attrs, groups)
    if "probing" in groups:
        _tell_of_protocol(groups["probing"].attrs)
    return {key: attrs[key] for key in ("schema", "checksum")}, groups


def _tell_of_schema_1(attrs: Mapping, groups: Mapping[str, xr.Dataset]) -> None:
    """Give each group the record of the file, which is that of its last writing, and say so."""
    old = {"algorithm": UNKNOWN, "note": OLD}
    old |= {key: attrs[key] for key in ("created", "commit", "machine", "versions") if key in attrs}
    groups["network"].attrs |= {key: attrs[key] for key in ("seed", "parameters") if key in attrs}
    for group in groups.values():
        group.attrs |= old


def _tell_of_protocol(probing: dict) -> None:
    """Add what files from before maps recorded it do not say: `probe_all` left it all at the defaults."""
    if {"parameters", "cell"} <= probing.keys() and "potential" not in probing:
        known = {name: probing[name] for name in PROTOCOL if name in probing}
        probing |= protocol_attrs(probing["cell"], SILICA, **known)


def _check_groups(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    """Refuse groups that are unknown, lack a variable, or have one without units or long_name."""
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
            raise DataError(f"{path}: does not say which {name} it was made from; {value!r} is wanted")
        if recorded[name] != json.loads(canonical(value)):
            raise DataError(f"{path}: made from {name} = {recorded[name]!r}; {value!r} is wanted")
