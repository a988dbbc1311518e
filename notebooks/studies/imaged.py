"""Imaged silica beside samples: structure, first events in circles, and how much noise an image may have.

    python notebooks/studies/imaged.py [--only structure ...] [--workers 2]

completes the tables below in `data/paper/studies`; notebooks 01 and 11 show them.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import listi
from listi import files
from listi.compendium import data_set
from listi.compendium.studies import Study, command, number_of, rows
from listi.imaging import statistics
from listi.imaging.accuracy import against_noise
from listi.imaging.circle import relaxed_freely
from listi.imaging.experimental import imaged_patch
from listi.imaging.study import cut_patch, study

IMAGED = {"Huang et al.": "cornell_A", "Lichtenstein et al.": "heyde"}
NETWORKS = ("listi", "listi_si", "gcn")  # whose maps are judged in patches, too
N_PATCHES, PATCH_SIZE = 10, 106.0  # cut from unseen samples to be compared with imaged patches; their edge [Å]
CIRCLES = (None, 19.0)  # radii of circles in patches [Å]: one as large as fits, and as many as fit
DOSES = (2000.0, 1000.0, 500.0, 200.0, 100.0, 50.0, 30.0)  # of images of imaged patches [counts/Å²]
RELAXED = ", relaxed"


@functools.cache
def cut_patches() -> dict[str, listi.Network]:
    """Patches of samples that no network learned from, as if they had been imaged."""
    unseen = data_set.of_roles(files.shipped(), *data_set.UNSEEN)[:N_PATCHES]
    return {f"sample {number_of(sample)}": cut_patch(sample.network, PATCH_SIZE) for sample in unseen}


def glass(name: str) -> Sequence[listi.Network]:
    """Networks of the glass of a name, see `glasses`."""
    if name.endswith(RELAXED):
        patches = cut_patches().values() if name.startswith("patches") else glass(name.removesuffix(RELAXED))
        return [relaxed_freely(patch).patch for patch in patches]
    if name in IMAGED:
        return [imaged_patch(IMAGED[name])]
    folder, roles = files.shipped(), data_set.ROLES
    if name == "samples, zero pressure":
        folder, roles = folder / "zero_pressure", ("train",)
    return [sample.network for sample in data_set.of_roles(folder, *roles)]


def glasses(folder: Path) -> list[str]:
    """Names of the glasses whose structure is compared."""
    relaxed = [f"{name}{RELAXED}" for name in (*IMAGED, "patches of samples")]
    return [*IMAGED, "samples", "samples, zero pressure", *relaxed]


def structure_rows(name: str) -> list[dict]:
    """Numbers of the structure of a glass, in one row."""
    return rows(_structure(name, None))


def ring_rows(name: str) -> list[dict]:
    """Fractions of ring sizes, and sizes of their neighbours, one row per size."""
    return rows(_structure(name, "size"))


def radial_rows(name: str) -> list[dict]:
    """Radial distribution function of the Si, one row per distance."""
    return rows(_structure(name, "distance").rename(distance="distance_angstrom"))


def _structure(name: str, dimension: str | None) -> xr.Dataset:
    compared = statistics.compare({name: glass(name)})
    dims = {"glass", dimension} - {None}
    chosen = compared[[name for name, values in compared.items() if set(values.dims) == dims]]
    return chosen.drop_vars("glass") if dimension is None else chosen.isel(glass=0, drop=True)


def patches(folder: Path) -> list[str]:
    """Names of the imaged patches and of those cut from samples."""
    return [*IMAGED.values(), *cut_patches()]


def circle_rows(name: str) -> list[dict]:
    """First events of circles in a patch, and the goodness of maps probed and predicted, one row per event."""
    patch = imaged_patch(name) if name in IMAGED.values() else cut_patches()[name]
    maps = {network: partial(_predicted, network) for network in NETWORKS}
    table = []
    for radius in CIRCLES:
        events = study({name: patch}, radius, maps=maps).drop_vars(["centre", "patch"])
        table += [{**row, "largest": radius is None} for row in rows(events)]
    return table


def _predicted(network: str, patch: listi.Network, points: np.ndarray) -> xr.DataArray:
    with warnings.catch_warnings(action="ignore"):  # a patch is known to be unlike the samples
        return listi.predict(patch, network, points=points).threshold


def noise_rows(name: str) -> list[dict]:
    """What is read right of images of a patch, one row per dose."""
    return rows(against_noise(imaged_patch(name), DOSES).rename(dose="dose_counts_per_angstrom2"))


def imaged(folder: Path) -> list[str]:
    """Names of the imaged patches."""
    return list(IMAGED.values())


SAMPLES = ("samples/*.nc", "zero_pressure/samples/*.nc")
STUDIES = {
    "structure": Study(structure_rows, glasses, "glass", SAMPLES),
    "ring_sizes": Study(ring_rows, glasses, "glass", SAMPLES),
    "radial_distribution": Study(radial_rows, glasses, "glass", SAMPLES),
    "circles": Study(circle_rows, patches, "patch", (*SAMPLES, *(f"models/{name}.keras" for name in NETWORKS))),
    "noise": Study(noise_rows, imaged, "patch"),
}

if __name__ == "__main__":
    command(STUDIES, __doc__)
