"""Write the RO-Crate of a folder, which describes every file for archives: ``python crate.py data/paper 2026-01-02``.

The date is that of publication. To be run after files came or went; all checksums are written anew.
"""

import json
import sys
from datetime import date
from pathlib import Path

from rocrate.rocrate import ROCrate

import listi
from listi import files

CRATE = "ro-crate-metadata.json"  # the name that archives look for
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
PAPER = "https://doi.org/10.1038/s42005-025-02315-7"
NETCDF, JSON, TEXT, KERAS = "application/x-netcdf", "application/json", "text/plain", "application/vnd.keras"
KINDS = {  # of files, by pattern; the first that fits
    "zero_pressure/samples/*.nc": (NETCDF, "a network at zero pressure, its events under shear, its threshold map"),
    "samples/*.nc": (NETCDF, "one sample: network, events under shear, map of stress thresholds"),
    "predictions/*.nc": (NETCDF, "thresholds that a trained network predicts for all samples"),
    "models/*.keras": (KERAS, "a trained network"),
    "models/*.json": (JSON, "losses of its training, and what it was made from"),
    "models/*_calibration.csv.gz": ("application/gzip", "its calibration for `listi.weakest`"),
    "models/*.md": ("text/markdown", "its card: data, training, scores, limits"),
    "*split.json": (JSON, "which sample has which role"),
    "studies/*.csv": ("text/csv", "table of a study at the paper's scale"),
    "*.json": (JSON, "results of studies at the paper's scale"),
    "*SHA256SUMS": (TEXT, "checksums of all files"),
}


def write_crate(folder, published):
    """Write the RO-Crate metadata of a folder, and its checksums anew; refuse a file that `KINDS` does not describe."""
    folder = Path(folder)
    crate = ROCrate()
    crate.name = "Sixty two-dimensional silica glasses: structure, fracture events, maps of stress thresholds, networks"
    crate.description = (
        "Data of the executable compendium of 'Predicting fracture in disordered network materials using the local "
        "intelligent stress threshold indicator'. Variables and units are those of data/README.md."
    )
    crate.license, crate.datePublished = LICENCE, published
    crate.root_dataset["version"] = listi.__version__
    crate.root_dataset["isBasedOn"] = PAPER
    for path in files.files_in(folder):
        if path.name != CRATE:
            place = path.relative_to(folder)
            kind, about = kind_of(place)
            crate.add_file(path, place.as_posix(), properties={"encodingFormat": kind, "description": about})
    text = json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False)
    files.write_bytes(folder / CRATE, f"{text}\n".encode())
    files.write_checksums(folder)


def kind_of(place):
    """Format and description of a file, given its path below the folder."""
    for pattern, kind in KINDS.items():
        if place.match(pattern):
            return kind
    raise files.DataError(f"{place}: no pattern in KINDS matches it")


if __name__ == "__main__":
    write_crate(sys.argv[1], date.fromisoformat(sys.argv[2]))
