"""What an archive asks of a folder of data: an RO-Crate, which names every file and says what it is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from .. import __version__, files

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
PAPER = "https://doi.org/10.1038/s42005-025-02315-7"
NETCDF, JSON, TEXT, KERAS = "application/x-netcdf", "application/json", "text/plain", "application/vnd.keras"
KINDS = {  # of files, by pattern; the first that fits
    "zero_pressure/samples/*.nc": (NETCDF, "a network at zero pressure, its events under shear, its threshold map"),
    "samples/*.nc": (NETCDF, "one sample: network, events under shear, map of stress thresholds"),
    "predictions/*.nc": (NETCDF, "thresholds that a trained network predicts for all samples"),
    "models/*.keras": (KERAS, "a trained network"),
    "models/*.json": (JSON, "losses of its training, and what it was made from"),
    "models/*.md": ("text/markdown", "its card: data, training, scores, limits"),
    "*split.json": (JSON, "which sample has which role"),
    "studies/*.csv": ("text/csv", "table of a study at the paper's scale"),
    "*.json": (JSON, "results of studies at the paper's scale"),
    "*SHA256SUMS": (TEXT, "checksums of all files"),
}


def write_crate(folder: str | Path, published: date) -> None:
    """Write the RO-Crate metadata of a folder of data, and its checksums anew.

    Parameters
    ----------
    folder : path
        Such as "data/paper".
    published : date
        Date of publication.

    Raises
    ------
    DataError
        If there is a file of a kind that `KINDS` does not name.
    """
    from rocrate.rocrate import ROCrate

    folder = Path(folder)
    crate = ROCrate()
    crate.name = "Sixty two-dimensional silica glasses: structure, fracture events, maps of stress thresholds, networks"
    crate.description = (
        "Data of the executable compendium of 'Predicting fracture in disordered network materials using the local "
        "intelligent stress threshold indicator'. Variables and units are those of data/README.md."
    )
    crate.license, crate.datePublished = LICENCE, published
    crate.root_dataset["version"] = __version__
    crate.root_dataset["isBasedOn"] = PAPER
    for path in files.files_in(folder):
        if path.name != files.CRATE:
            kind, about = _kind(path.relative_to(folder))
            place = path.relative_to(folder).as_posix()
            crate.add_file(path, place, properties={"encodingFormat": kind, "description": about})
    text = json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False)
    files.write_bytes(folder / files.CRATE, f"{text}\n".encode())
    files.write_checksums(folder)


def _kind(place: Path) -> tuple[str, str]:
    for pattern, told in KINDS.items():
        if place.match(pattern):
            return told
    raise files.DataError(f"{place}: is of no kind that listi.compendium.crate names")
