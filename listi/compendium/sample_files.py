"""Samples on disk: one file a sample, with units, provenance and checksums.

A file has the groups network, shear, probing and predictions. It is written whole or not at all,
and refused when anything in it is not as it was written. The `checksum` in its attributes covers
the data alone: two runs made the same sample if it is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from .. import files
from ..analysis.sample import Sample
from ..files import SUMS, DataError, canonical, files_in, read_json, verify_listed, write_checksums, write_json
from ..network.network import Network
from . import netcdf
from .netcdf import variable_sums
from .provenance import fingerprint, provenance

__all__ = [
    "DataError",
    "Sample",
    "add_group",
    "checksum",
    "has_group",
    "load_sample",
    "read_json",
    "save_sample",
    "variable_checksums",
    "verify",
    "write_checksums",
    "write_json",
]

SCHEMA = 1
GROUPS = {  # the variables that each group must have
    "network": ("positions", "species", "bonds", "cell"),
    "shear": ("stress", "event_strain", "event_position", "event_atom"),
    "probing": ("initial_stress", "critical_stress", "threshold", "critical_strain"),
    "predictions": (),
}
MADE_BY = {
    "network": "generation.generate",
    "shear": "mechanics.shear",
    "probing": "probing.probe",
    "predictions": "learning.predict",
}


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
        File to write, ending in .nc; the file remembers its name.
    network, shear, probing, predictions
        The groups. `attrs["parameters"]` of each dataset says what it was made from.
    attrs : mapping, optional
        Provenance of the sample; "parameters" is a mapping of those that the network was made
        from. Versions, commit, time and schema are added.

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
    groups = {
        "network": network.to_xarray(),
        "shear": shear,
        "probing": probing,
        "predictions": predictions,
    }
    return _write(
        Path(path),
        {name: group for name, group in groups.items() if group is not None},
        attrs or {},
    )


def add_group(path: str | Path, name: str, dataset: xr.Dataset, parameters: Mapping) -> str:
    """Add a group to a sample file, or replace it, and record the parameters that it was made from.

    Returns
    -------
    str
        Checksum of the data.

    Raises
    ------
    DataError
        If the file is not whole, the group lacks something, or the file cannot be written.
    """
    path = Path(path)
    if name not in GROUPS:
        raise ValueError(f"group: {name!r} is not allowed; it must be one of {', '.join(GROUPS)}")
    attrs, groups = _read(path)
    record = {"parameters": parameters, "code": fingerprint(MADE_BY[name])}
    return _write(path, {**groups, name: dataset.assign_attrs(record)}, attrs)


def load_sample(path: str | Path, expect: Mapping | None = None) -> Sample:
    """Read a sample file, every byte checked.

    Parameters
    ----------
    path : path
        The file.
    expect : mapping, optional
        Parameters, such as {"nx": 40}, that the sample must have been made from.

    Raises
    ------
    DataError
        Naming the file and what is wrong: missing, cut off, altered, another schema or name than
        it was written with, a variable missing, or made from other parameters than expected.
    """
    attrs, groups = _read(Path(path))
    _check_expected(Path(path), attrs, groups, expect or {})
    network = Network.from_xarray(groups["network"])
    return Sample(network, *(groups.get(name) for name in list(GROUPS)[1:]), attrs=attrs)


def has_group(path: str | Path, name: str, parameters: Mapping) -> bool:
    """Whether a whole file holds the group, made from just these parameters by the present code.

    This is the question to ask before computing: a run that is started again goes on where it was
    killed, and a file that is damaged or was made from something else is made again.
    """
    try:
        attrs, groups = _read(Path(path))
    except DataError:
        return False
    made_from = attrs if name == "network" else groups[name].attrs if name in groups else {}
    same = made_from.get("parameters") == json.loads(canonical(parameters))
    return same and made_from.get("code") == fingerprint(MADE_BY[name])


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
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder")
    if folder.is_file():
        return {folder: _problem(folder)}
    found = {path: _problem(path) for path in files_in(folder) if path.suffix in _SELF_CHECKING}
    for sums in sorted(folder.rglob(SUMS)):
        found.update(verify_listed(sums.parent, found))
    return dict(sorted(found.items()))


_SELF_CHECKING = {".nc": lambda path: _read(path), ".json": read_json, ".keras": files.unsealed}


def _problem(path: Path) -> str:
    """What is wrong with a file that carries its own checksum; "" if nothing is."""
    if path.suffix not in _SELF_CHECKING:
        return f"{path}: only {', '.join(_SELF_CHECKING)} files carry their own checksum"
    try:
        _SELF_CHECKING[path.suffix](path)
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
    return variable_sums(_read(Path(path))[1])


def checksum(groups: Mapping[str, xr.Dataset]) -> str:
    """SHA-256 of the data: the same for the same variables whenever and wherever they were made."""
    return hashlib.sha256(canonical(variable_sums(groups)).encode()).hexdigest()


def _write(path: Path, groups: Mapping[str, xr.Dataset], attrs: Mapping) -> str:
    _check_groups(path, groups)
    total = checksum(groups)
    made = {"code": fingerprint(MADE_BY["network"]), **attrs, **provenance()}
    netcdf.write(path, groups, {**made, "name": path.name, "schema": SCHEMA, "checksum": total})
    return total


def _read(path: Path) -> tuple[dict, dict[str, xr.Dataset]]:
    """Attributes and groups of a whole file."""
    attrs, groups = netcdf.read(path)
    if attrs.get("schema") != SCHEMA:
        raise DataError(f"{path}: schema {attrs.get('schema')}; this version reads schema {SCHEMA}")
    if attrs.get("name") != path.name:
        raise DataError(f"{path}: was written as {attrs.get('name')}; swapped or renamed")
    _check_groups(path, groups)
    if checksum(groups) != attrs.get("checksum"):
        raise DataError(f"{path}: the data are not those that were written (checksum differs)")
    return attrs, groups


def _check_groups(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    """Refuse groups that are unknown, lack a variable, or have one without units or long_name."""
    for name in groups:
        if name not in GROUPS:
            raise DataError(f"{path}: group {name} is unknown; allowed are {', '.join(GROUPS)}")
    if "network" not in groups:
        raise DataError(f"{path}: group network is missing")
    for name, group in groups.items():
        missing = [v for v in GROUPS[name] if v not in group]
        if missing:
            raise DataError(f"{path}: variable {missing[0]} of group {name} is missing")
        for v in group.data_vars:
            for key in ("units", "long_name"):
                if key not in group[v].attrs:
                    raise DataError(f"{path}: variable {v} of group {name} has no {key}")


def _check_expected(path: Path, attrs: Mapping, groups: Mapping, expect: Mapping) -> None:
    recorded: dict = {}
    for made_from in (attrs, *(group.attrs for group in groups.values())):
        recorded.update(made_from.get("parameters") or {})
    for name, value in expect.items():
        if name not in recorded:
            raise DataError(f"{path}: does not say which {name} it was made from; {value!r} is wanted")
        if recorded[name] != json.loads(canonical(value)):
            raise DataError(f"{path}: made from {name} = {recorded[name]!r}; {value!r} is wanted")
