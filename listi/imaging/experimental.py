"""Imaged silica: coordinates of vitreous bilayers seen from above.

They accompany Kumar, Sherrington, Wilson and Thorpe, J. Phys.: Condens. Matter 26, 395401 (2014), under CC BY-SA 4.0,
and are no part of this package: `pooch` downloads them from their public repository once. Huang et al. (Nano
Lett. 12, 1081 (2012)) and Lichtenstein, Heyde and Freund (J. Phys. Chem. C 116, 20426 (2012)) took the images. The
positions were regularised by their authors: they are not the raw maxima of an image.
"""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ..files import DataError, sha256
from ..network.network import Network
from ..network.patch import patch_of_silicon

FOLDER = "LISTI_EXPERIMENTAL"  # environment variable: a folder with the files, for machines without internet
SOURCE = (
    "https://raw.githubusercontent.com/avishekrk/BilayerStudies/"
    "572ca9d78ea627a4c918716764be2604147f7a15/bilayer_stats/results"
)
TIMEOUT = 20.0  # for the public repository to answer [s]


class _File(NamedTuple):
    name: str
    sha256: str


FILES = {
    "cornell_A": _File("cornell_A.xyz", "ee8715055a35daad0dc0af6750c794a65713f7bb3cdba69d85f3449400bcb86b"),
    "heyde": _File("heyde_m.pos", "8a6a95eb83327d3a6620b1578c7877447fe2efb42ecc56f5d0abe0f84bf518a8"),
}
N_OXYGEN_OF_HEYDE = 940  # heyde_m.pos names no elements: so many O come first, then the Si


def imaged_patch(name: str = "cornell_A") -> Network:
    """Return a patch of silica as it was imaged, scaled to a mean Si-Si distance of 3.05 Å, not relaxed.

    Two Si are bonded if they share an O of the file: a Si-Si distance alone gives one Si of `cornell_A` four bonds, and
    makes a ring of three that is none. The O are then put at the middles of the bonds.

    Parameters
    ----------
    name : str
        "cornell_A" (Huang et al., 971 Si, 113 x 107 Å) or "heyde" (Lichtenstein et al., 651 Si, 123 x 67 Å).

    Returns
    -------
    Network
        With free edges, where Si have two bonds.

    Raises
    ------
    ValueError
        If no patch has this name.
    DataError
        If its file is neither in the folder that the environment variable `LISTI_EXPERIMENTAL` names, nor downloaded by
        an earlier call, nor available from the public repository; or if its SHA-256 is not the known value.
    """
    if name not in FILES:
        raise ValueError(f"name: {name!r} is no imaged patch; allowed are {', '.join(FILES)}")
    silicon, oxygen = _read(_find(name))
    bonds = cKDTree(silicon).query(oxygen, k=2)[1]
    return patch_of_silicon(silicon, bonds)


def is_available(name: str = "cornell_A") -> bool:
    """Whether the file of this patch is at hand or can be downloaded."""
    try:
        _find(name)
    except DataError:
        return False
    return True


def _find(name: str) -> Path:
    """Return the checked file of a patch."""
    file = FILES[name]
    folder = os.environ.get(FOLDER)
    if not folder:
        return _fetch(name, file)
    path = Path(folder) / file.name
    if not path.is_file():
        raise DataError(f"{path}: no such file; {FOLDER} must name a folder that holds {file.name}, or not be set")
    if sha256(path) != file.sha256:
        raise DataError(f"{path}: not the published file (SHA-256 differs)")
    return path


def _fetch(name: str, file: _File) -> Path:
    """Return the file in the cache of `pooch`, downloaded if it is not there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # in notebooks, of a progress bar that is not used
        import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel(logging.ERROR)
    address = f"{SOURCE}/{name}/{file.name}"
    try:
        return Path(
            pooch.retrieve(
                address,
                f"sha256:{file.sha256}",
                fname=file.name,
                path=pooch.os_cache("listi"),
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
            )
        )
    except (RequestException, OSError) as error:
        raise DataError(
            f"{file.name}: cannot be fetched from {address} ({type(error).__name__}); fetch it by other means, and let "
            f"the environment variable {FOLDER} name the folder that holds it"
        ) from error
    except ValueError as error:
        raise DataError(f"{file.name}: what came from {address} is not the published file (SHA-256 differs)") from error


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of Si and of O, each (n, 2), in the unit of the file."""
    lines = path.read_text("utf-8").splitlines()
    if path.suffix == ".xyz":
        rows = [line.split() for line in lines[2:] if line.strip()]
        positions = np.array([row[1:3] for row in rows], dtype=float)
        is_silicon = np.array([row[0] == "Si" for row in rows])
    else:
        positions = np.array([line.split()[:2] for line in lines if line.strip()], dtype=float)
        is_silicon = np.arange(len(positions)) >= N_OXYGEN_OF_HEYDE
    return positions[is_silicon], positions[~is_silicon]
