"""Grey images from files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files import DataError

PLAIN = (".png", ".jpg", ".jpeg", ".bmp")
TIFF = (".tif", ".tiff")
IN_ANGSTROM = {"Å": 1.0, "A": 1.0, "angstrom": 1.0, "nm": 10.0, "µm": 1e4, "um": 1e4, "pm": 0.01, "m": 1e10}


class Image(NamedTuple):
    """A grey image (n_rows, n_columns), first row on top, and the edge of its pixels [Å], None if it is not known."""

    pixels: np.ndarray
    scale: float | None


def read_image(path: str | Path) -> Image:
    """Read a grey image; colours are made grey.

    Parameters
    ----------
    path : path
        PNG, JPEG, BMP or TIFF (8, 16 bit or floating point). DM3, DM4 and other formats of microscopes, with the size
        of their pixels, need the optional package rosettasciio (`pip install rosettasciio`).

    Raises
    ------
    DataError
        If the file cannot be read, holds more than one image, or none.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix, scale = path.suffix.lower(), None
    try:
        if suffix in PLAIN:
            values = _plain(path)
        elif suffix in TIFF:
            from tifffile import imread

            values = imread(path)
        else:
            values, scale = _of_microscope(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read as an image: {error}") from error
    return Image(_grey(path, np.asarray(values)), scale)


def _plain(path: Path) -> np.ndarray:
    import PIL.Image

    with PIL.Image.open(path) as image:
        n_images = getattr(image, "n_frames", 1)
        if n_images > 1:
            raise DataError(f"{path}: holds {n_images} images; save the one that is meant as a file of its own")
        return np.asarray(image.convert("RGB") if image.mode in ("P", "RGBA", "LA", "CMYK") else image)


def _of_microscope(path: Path) -> tuple[np.ndarray, float | None]:
    """Read a format of microscopes through rosettasciio; it is imported here only."""
    try:
        from rsciio import IO_PLUGINS
    except ImportError as error:
        raise DataError(
            f"{path}: not a PNG, JPEG, BMP or TIFF by its name; formats of microscopes need rosettasciio: "
            "pip install rosettasciio"
        ) from error
    ending = path.suffix.lower().lstrip(".")
    readers = [plugin["api"] for plugin in IO_PLUGINS if ending in plugin["file_extensions"]]
    if not readers:
        raise DataError(f"{path}: nothing here reads {path.suffix} files; save the image as PNG or TIFF")
    signals = importlib.import_module(readers[0]).file_reader(str(path))
    if len(signals) != 1:
        raise DataError(f"{path}: holds {len(signals)} images; save the one that is meant as a file of its own")
    scales = {
        axis["scale"] * IN_ANGSTROM[axis["units"]] for axis in signals[0]["axes"] if axis.get("units") in IN_ANGSTROM
    }
    return signals[0]["data"], float(np.mean(list(scales))) if scales else None


def _grey(path: Path, values: np.ndarray) -> np.ndarray:
    """Return one grey image (n_rows, n_columns) of floating point numbers."""
    values = values.squeeze()
    if values.ndim == 3 and values.shape[2] in (3, 4):
        values = values[..., :3].astype(float) @ [0.2125, 0.7154, 0.0721]  # luminance
    if values.ndim == 3:
        raise DataError(f"{path}: a stack of {len(values)} images; save the one that is meant as a file of its own")
    if values.ndim != 2 or not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        raise DataError(f"{path}: shape {values.shape} of {values.dtype} is not a grey image")
    return values.astype(float)
