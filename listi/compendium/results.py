"""Keep a glass with its results in one file, and read it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import xarray as xr

from ..analysis.sample import Sample
from ..files import as_path
from ..network.network import Network
from . import sample_files


def save(
    path: str | Path,
    network: Network | Sample,
    probed: xr.Dataset | None = None,
    events: xr.Dataset | None = None,
    predicted: xr.Dataset | None = None,
) -> Path:
    """Write a glass and its results to one NetCDF file, with units, provenance and a checksum.

    Parameters
    ----------
    path : path
        File to write, ending in .nc.
    network : Network or Sample
        The undeformed glass; the results of a `Sample` are written too.
    probed, events, predicted : Dataset, optional
        What `listi.probe`, `listi.deform` and `listi.predict` returned.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If an argument is of another kind, or the file does not end in .nc.
    DataError
        If the file cannot be written.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> file = listi.save("glass.nc", glass, events=listi.deform(glass, n_events=1))
    >>> listi.load(file).shear.sizes["event"]
    1
    """
    path = as_path(path)
    if path.suffix != ".nc":
        raise ValueError(f"path: {str(path)!r} does not end in .nc")
    if not isinstance(network, Network | Sample):
        raise ValueError(f"network: {type(network).__name__} is not a Network or a Sample")
    sample = network if isinstance(network, Sample) else Sample(network)
    made = {
        "probed": ("threshold", probed),
        "events": ("event_position", events),
        "predicted": ("threshold", predicted),
    }
    for name, (variable, dataset) in made.items():
        if dataset is not None and not (isinstance(dataset, xr.Dataset) and variable in dataset):
            raise ValueError(f"{name}: {type(dataset).__name__} is not a Dataset with {variable}")
    if predicted is not None:
        predicted = xr.Dataset({str(predicted.attrs.get("model", "predicted")): predicted.threshold})
    results = {"probing": probed, "shear": events, "predictions": predicted}
    sample = replace(sample, **{name: dataset for name, dataset in results.items() if dataset is not None})
    attrs = {name: sample.attrs[name] for name in ("parameters", "seed") if name in sample.attrs}
    sample_files.save_sample(path, sample.network, sample.shear, sample.probing, sample.predictions, attrs)
    return path


def load(path: str | Path) -> Sample:
    """Read a file that `listi.save` wrote, or another file of a sample; its data are checked.

    Raises
    ------
    DataError
        If the file is missing, damaged, or no file of a sample.

    Examples
    --------
    >>> import listi
    >>> file = listi.save("glass.nc", listi.generate(nx=10, ny=12))
    >>> listi.load(file)
    Sample glass.nc; Network: 240 Si, 360 O, 360 bonds, 52.8 x 54.9 Å
    """
    return sample_files.load_sample(as_path(path).absolute())
