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

import h5py
import numpy as np
import xarray as xr

from ..files import DataError, canonical, write_bytes

_BOOKS = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST")
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"
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


@functools.lru_cache(maxsize=80)  # notebooks read the sixty samples again and again
def _parse(body: bytes) -> tuple[dict, dict[str, xr.Dataset]]:
    with h5py.File(io.BytesIO(body)) as file:
        return _values(_attrs(file)), {name: _group(one) for name, one in file.items() if isinstance(one, h5py.Group)}


def _group(group: h5py.Group) -> xr.Dataset:
    """Read all variables of a group; `xarray.open_datatree` finds the same, and takes five times as long."""
    variables = {}
    for name, one in group.items():
        if one.attrs.get("NAME", b"").startswith(_NO_VARIABLE):
            continue
        own = one.is_scale  # the coordinate of a dimension, which has its name
        dims = [name] if own else [scales[0].name.rpartition("/")[2] for scales in one.dims]
        values = one.asstr()[...].astype(str) if h5py.check_string_dtype(one.dtype) else one[...]
        variables[name] = (dims, values, _attrs(one))
    found = xr.decode_cf(xr.Dataset(variables), decode_times=False, decode_timedelta=False)
    return found.assign_attrs(_values(_attrs(group)))


def _attrs(one: h5py.Group | h5py.Dataset) -> dict:
    """Attributes without those by which HDF5 and NetCDF keep their own books."""
    kept = {name: value for name, value in one.attrs.items() if name not in _BOOKS and not name.startswith("_N")}
    return {k: v[0] if isinstance(v, np.ndarray) and v.size == 1 else v for k, v in kept.items()}


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
