"""Datasets in one NetCDF file that is written whole or not at all and read only if unaltered.

The file is an ordinary NetCDF file with one group a dataset, followed by one line with the SHA-256
of all bytes before it, which readers of NetCDF do not see.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from ..files import DataError, canonical, seal, unsealed, write_bytes

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
        Attributes of the file; mappings among them are kept as JSON text.

    Raises
    ------
    DataError
        If an attribute or variable is of a kind that NetCDF has not, or the file cannot be written.
    """
    contents = {f"/{name}": _storable(group) for name, group in groups.items()}
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = {f"/{name}": {v: packed for v in group.variables if _packs(group[v])} for name, group in groups.items()}
    try:
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=_texts(attrs)), **contents})
        data = bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=encoding))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: cannot be stored: {error}") from error
    write_bytes(path, data + seal(data))


def read(path: Path) -> tuple[dict, dict[str, xr.Dataset]]:
    """Read attributes and datasets; nothing in the file is executed.

    Raises
    ------
    DataError
        If the file is missing, cut off, altered, or not NetCDF.
    """
    data = io.BytesIO(unsealed(path))
    plain = {"decode_times": False, "decode_timedelta": False}
    try:
        with xr.open_datatree(data, engine="h5netcdf", **plain) as tree:
            groups = {name: child.to_dataset(inherit=False).load() for name, child in tree.children.items()}
            attrs = _values(tree.attrs)
    except Exception as error:  # whatever the libraries below find wrong
        raise DataError(f"{path}: not a NetCDF file of ours: {error}") from error
    for group in groups.values():
        group.attrs = _values(group.attrs)
    return attrs, groups


def variable_sums(groups: Mapping[str, xr.Dataset]) -> dict[str, str]:
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


def _storable(group: xr.Dataset) -> xr.Dataset:
    """The group with attributes that NetCDF can hold, free of the file it was read from."""
    plain = group.drop_encoding()
    plain.attrs = _texts(group.attrs)
    return plain


def _packs(variable: xr.DataArray) -> bool:
    return variable.dtype.kind in "iufb" and variable.ndim > 0 and variable.size > 0


def _texts(attrs: Mapping) -> dict:
    """Attributes as NetCDF can hold them: mappings as JSON, nothing as no attribute."""
    texts = {k: canonical(v) if isinstance(v, Mapping) else v for k, v in attrs.items() if v is not None}
    return {k: int(v) if isinstance(v, bool) else v for k, v in texts.items()}


def _values(attrs: Mapping) -> dict:
    """Attributes as they were before `_texts`."""
    plain = {k: v.tolist() if isinstance(v, np.generic | np.ndarray) else v for k, v in attrs.items()}
    return {k: json.loads(v) if k in _STRUCTURED and isinstance(v, str) else v for k, v in plain.items()}
