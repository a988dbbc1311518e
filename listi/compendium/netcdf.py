"""Datasets in one NetCDF file, a group each, written whole or not at all and read only if unaltered.

The file is an ordinary NetCDF file followed by one line with the SHA-256 of all bytes before it, which readers of
NetCDF do not see. It is checked before the file is opened: a damaged file can keep the HDF5 library busy for ever.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from ..files import DataError, canonical, write_bytes

_STRUCTURED = ("parameters", "versions")  # attributes that are mappings, kept as JSON text


def write(path: Path, groups: Mapping[str, xr.Dataset], attrs: Mapping) -> None:
    """Write datasets, compressed, under a temporary name, and rename.

    Parameters
    ----------
    path : Path
        The file.
    groups : mapping
        Datasets by the name of their group.
    attrs : mapping
        Attributes of the file. Mappings among the attributes of file and groups are kept as JSON text.

    Raises
    ------
    DataError
        If an attribute or variable is of a kind that NetCDF has not, or the file cannot be written.
    """
    tree = {"/": xr.Dataset(attrs=dict(attrs))}
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = {}
    for name, group in groups.items():
        tree[f"/{name}"] = plain = group.drop_encoding()
        plain.attrs = {k: canonical(v) if isinstance(v, Mapping) else v for k, v in group.attrs.items()}
        arrays = [n for n, v in group.variables.items() if v.dtype.kind in "iufb" and v.size > 0 and v.ndim > 0]
        encoding[f"/{name}"] = dict.fromkeys(arrays, packed)
    try:
        data = bytes(xr.DataTree.from_dict(tree).to_netcdf(None, engine="h5netcdf", encoding=encoding))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: cannot be stored: {error}") from error
    write_bytes(path, data + _closing_line(data))


def read(path: Path) -> tuple[dict, dict[str, xr.Dataset]]:
    """Read attributes and datasets; nothing in the file is executed.

    Raises
    ------
    DataError
        If the file is missing, cut off, altered, or not NetCDF.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    body, last = data[:-_CLOSING_LENGTH], data[-_CLOSING_LENGTH:]
    if last != _closing_line(body):
        raise DataError(f"{path}: altered since it was written, cut off, or written by another program")
    try:
        return copy.deepcopy(_parse(body))
    except Exception as error:  # whatever the libraries below find wrong
        raise DataError(f"{path}: not a NetCDF file of ours: {error}") from error


@functools.lru_cache(maxsize=80)  # notebooks read the sixty samples again and again; to parse one takes 0.2 s
def _parse(body: bytes) -> tuple[dict, dict[str, xr.Dataset]]:
    with xr.open_datatree(io.BytesIO(body), engine="h5netcdf", decode_times=False, decode_timedelta=False) as tree:
        groups = {name: child.to_dataset(inherit=False).load() for name, child in tree.children.items()}
        for group in groups.values():
            group.attrs = _values(group.attrs)
        return _values(tree.attrs), groups


def _closing_line(data: bytes) -> bytes:
    return b"\nsha256 " + hashlib.sha256(data).hexdigest().encode() + b"\n"


_CLOSING_LENGTH = len(_closing_line(b""))


def _values(attrs: Mapping) -> dict:
    """Attributes as they were before `write`."""
    plain = {k: v.tolist() if isinstance(v, np.generic | np.ndarray) else v for k, v in attrs.items()}
    return {k: json.loads(v) if k in _STRUCTURED else v for k, v in plain.items()}


def variable_checksums(groups: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """SHA-256 of every variable by its name, as in "shear/stress".

    Covers name, dimensions, type, shape, values, units and long_name.
    """
    sums = {}
    for group, dataset in groups.items():
        for name, variable in dataset.variables.items():
            kind, values = _bytes(variable.values)
            attrs = [str(variable.attrs.get(key, "")) for key in ("units", "long_name")]
            head = canonical([name, list(variable.dims), kind, list(variable.shape), *attrs])
            sums[f"{group}/{name}"] = hashlib.sha256(head.encode() + b"\n" + values).hexdigest()
    return sums


def _bytes(values: np.ndarray) -> tuple[str, bytes]:
    """Type and bytes of an array, the same on every machine; texts as JSON."""
    if values.dtype.kind in "OUTS":
        return "text", canonical([str(v) for v in values.ravel()]).encode()
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return little.dtype.str, np.ascontiguousarray(little).tobytes()
