"""Grey images from files, with the size of their pixels.

Pillow reads PNG, JPEG and BMP; tifffile reads TIFF, and Pillow the TIFF compressions that tifffile lacks; rosettasciio,
which is optional, reads formats of microscopes. Values are those that viewers show: bright is large.
"""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import DataError, as_path
from ..network.geometry import is_integer

PLAIN = (".png", ".jpg", ".jpeg", ".bmp")
TIFF = (".tif", ".tiff")
LUMINANCE = (0.2125, 0.7154, 0.0721)  # of red, green and blue
IN_ANGSTROM = {
    **{"å": 1.0, "a": 1.0, "angstrom": 1.0, "angstroms": 1.0, "pm": 0.01, "nm": 10.0, "nanometer": 10.0},
    **{"µm": 1e4, "um": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4, "mm": 1e7, "m": 1e10},
}
# TIFF tag Orientation: whether rows are upside down, columns are mirrored, and both are then exchanged.
ORIENTATIONS = {2: "c", 3: "rc", 4: "r", 5: "t", 6: "rt", 7: "rct", 8: "ct"}
RESOLUTION = 282, 283  # TIFF tags: pixels a unit along x and y, as two numbers of a fraction
NOT_SQUARE = 1.1  # ratio of the edges of pixels, beyond the distortions that are taken out of images
DM_UNIT, DM_SCALE = 65003, 65009  # TIFF tags of DigitalMicrograph: unit and size of a pixel along x


class Image(NamedTuple):
    """A grey image (n_rows, n_columns), first row on top, and the edge of its pixels [Å], None if it is not known."""

    pixels: np.ndarray
    scale: float | None


class _Frame(NamedTuple):
    """One image of a file: its values (n_rows, n_columns) or (n_rows, n_columns, n_colours), read when called."""

    read: Callable[[], np.ndarray]
    scale: float | None


def read_image(path: str | Path, frame: int | None = None) -> Image:
    """Read a grey image; colours are made grey.

    Parameters
    ----------
    path : path
        PNG, JPEG, BMP or TIFF. The size of pixels is read from TIFF files of ImageJ, OME, DigitalMicrograph and FEI.
        DM3, DM4, MRC and other formats of microscopes, with the size of their pixels, need the optional package
        rosettasciio (``pip install rosettasciio``).
    frame : int, optional
        Number, from 0, of the image that is meant in a file that holds several.

    Raises
    ------
    DataError
        If the file cannot be read, holds no image, or several and `frame` does not say which; if its values are not
        real numbers.
    """
    path = as_path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    reader = _plain if suffix in PLAIN else _tiff if suffix in TIFF else _of_microscope
    try:
        frames = reader(path)
        chosen = frames[_number(path, len(frames), frame)]
        return Image(_grey(path, chosen.read()), chosen.scale)
    except DataError:
        raise
    except Exception as error:  # a damaged file can make a reader fail in any way
        raise DataError(f"{path}: cannot be read as an image: {str(error) or type(error).__name__}") from error


def _number(path: Path, n_images: int, frame: int | None) -> int:
    if frame is None and n_images == 1:
        return 0
    if frame is None:
        raise DataError(
            f"{path}: holds {n_images} images; frame = 0 to {n_images - 1} says which (`listi image --frame 0`)"
        )
    if not (is_integer(frame) and 0 <= frame < n_images):
        raise DataError(f"{path}: frame: {frame!r} is not one of the {n_images} images, 0 to {n_images - 1}")
    return frame


def _plain(path: Path) -> list[_Frame]:
    import PIL.Image

    with PIL.Image.open(path) as image:
        n_images = getattr(image, "n_frames", 1)
    return [_Frame(lambda n=n: _by_pillow(path, n), None) for n in range(n_images)]  # type: ignore[misc]


def _by_pillow(path: Path, frame: int) -> np.ndarray:
    import PIL.Image
    import PIL.ImageOps

    with PIL.Image.open(path) as image:
        image.seek(frame)
        upright = PIL.ImageOps.exif_transpose(image)
    if upright.mode not in ("1", "L", "RGB", "F", "I") and not upright.mode.startswith("I;16"):
        upright = upright.convert("L" if upright.mode == "LA" else "RGB")
    return np.asarray(upright)


def _tiff(path: Path) -> list[_Frame]:
    from tifffile import TiffFile

    with TiffFile(path) as file:
        scale = _tiff_scale(file)
        shapes = [(series.axes, series.shape) for series in file.series]
    numbers = [(n, index) for n, shape in enumerate(shapes) for index in range(_n_images(*shape))]
    return [_Frame(lambda n=n: _tiff_frame(path, *n), scale) for n in numbers]  # type: ignore[misc]


def _n_images(axes: str, shape: tuple[int, ...]) -> int:
    return int(np.prod([size for name, size in zip(axes, shape, strict=True) if name not in "YXS"], dtype=int))


def _tiff_frame(path: Path, series_number: int, index: int) -> np.ndarray:
    """Return one image of a TIFF file with its colours as viewers show them."""
    from tifffile import PHOTOMETRIC, TiffFile

    direct = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE, PHOTOMETRIC.RGB)
    with TiffFile(path) as file:
        series = file.series[series_number]
        page, axes = series.keyframe, series.axes
        try:
            values = series.asarray()
        except ValueError as error:  # Pillow reads the usual compressions without a further package
            if "imagecodecs" not in str(error):
                raise
            values = None
        if values is None or page.photometric not in direct:
            values = _by_pillow(path, series.pages[index if len(series.pages) > 1 else 0].index)
            not_inverted = page.photometric == PHOTOMETRIC.MINISWHITE and values.dtype.itemsize > 1
            return 2**page.bitspersample - 1 - values.astype(float) if not_inverted else values
        colour_map = page.colormap if page.photometric == PHOTOMETRIC.PALETTE else None
    rest = [k for k, name in enumerate(axes) if name not in "YXS"]
    values = values.transpose(rest + [axes.index(name) for name in "YXS" if name in axes])
    values = values.reshape(-1, *values.shape[len(rest) :])[index]
    if "S" in axes and page.extrasamples:
        values = values[..., : -len(page.extrasamples)]  # an alpha channel, for example
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        values = (2**page.bitspersample - 1 if values.dtype.kind in "bu" else 0) - values.astype(float)
    if colour_map is not None:
        values = np.moveaxis(colour_map[:, values], 0, -1)
    tag = page.tags.get("Orientation")
    return _upright(values, 1 if tag is None else int(tag.value))


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as the TIFF tag Orientation says."""
    changes = ORIENTATIONS.get(orientation, "")
    values = values[:: -1 if "r" in changes else 1, :: -1 if "c" in changes else 1]
    return values.swapaxes(0, 1) if "t" in changes else values


def _tiff_scale(file: Any) -> float | None:
    """Return the edge of a pixel [Å] that ImageJ, OME, DigitalMicrograph or FEI wrote; None if none did."""
    page = file.pages[0]
    tags = {tag.code: tag.value for tag in page.tags.values()}
    if file.is_ome:
        sizes = dict(re.findall(r'\bPhysicalSize([XY](?:Unit)?)="([^"]+)"', html.unescape(file.ome_metadata)))
        unit = sizes.get("XUnit", "µm")
        return _of_square([_angstrom(sizes.get(axis), sizes.get(f"{axis}Unit", unit)) for axis in "XY"])
    if file.is_imagej:
        unit, resolutions = (file.imagej_metadata or {}).get("unit"), (tags.get(code) for code in RESOLUTION)
        return _of_square([_angstrom(pair[1] / pair[0] if pair and pair[0] else None, unit) for pair in resolutions])
    if DM_SCALE in tags:
        return _angstrom(tags[DM_SCALE], tags.get(DM_UNIT))
    if file.fei_metadata:
        return _angstrom(file.fei_metadata.get("Scan", {}).get("PixelWidth"), "m")
    return None


def _of_square(edges: Sequence[float | None]) -> float | None:
    """Return the mean edge of pixels whose edges are known along some axes [Å]."""
    known = [edge for edge in edges if edge]
    if known and max(known) > NOT_SQUARE * min(known):
        raise ValueError(f"pixels are {known[0]:.3g} x {known[1]:.3g} Å; resample the image, so that they are square")
    return float(np.mean(known)) if known else None


def _angstrom(size: Any, unit: Any) -> float | None:
    """Return a length in Å; None if its unit is none, such as "pixel"."""
    name = str(unit).strip().strip("\0").lower().replace("\\u00b5", "µ").replace("μ", "µ")
    factor = IN_ANGSTROM.get(name.replace("\\u00c5", "å").replace("\u212b", "å"))
    return float(size) * factor if size and factor else None


def _of_microscope(path: Path) -> list[_Frame]:
    """Read a format of microscopes through rosettasciio, by the first of its readers that can."""
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
    problems = []
    for reader in readers:
        try:
            signals = importlib.import_module(reader).file_reader(str(path))
            if not signals:
                raise ValueError("holds no image")
            return [frame for signal in signals for frame in _frames_of(signal)]
        except Exception as error:  # of another format with the same ending, or without a package that it needs
            problems.append(f"{reader.split('.')[-1]}: {error}")
    raise DataError(f"{path}: cannot be read as an image: {'; '.join(problems)}")


def _frames_of(signal: dict) -> list[_Frame]:
    data = np.asarray(signal["data"])
    scales = [_angstrom(axis.get("scale"), axis.get("units")) for axis in signal["axes"]]
    scale = _of_square(scales[-2:])
    if data.ndim < 2 or data.dtype.names:  # a spectrum; colours with names
        return [_Frame(lambda: data, scale)]
    return [_Frame(lambda image=image: image, scale) for image in data.reshape(-1, *data.shape[-2:])]  # type: ignore[misc]


def _grey(path: Path, values: np.ndarray) -> np.ndarray:
    """Return one grey image (n_rows, n_columns) of floating point numbers."""
    if values.dtype.names and {"R", "G", "B"} <= set(values.dtype.names):
        values = np.stack([values[name] for name in "RGB"], axis=-1)
    if values.dtype.kind == "c":
        raise DataError(f"{path}: holds complex numbers, such as a Fourier transform; an image has real ones")
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] == 3:
        values = values.astype(float) @ LUMINANCE
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise DataError(f"{path}: shape {values.shape} of {values.dtype} is not a grey image")
    return values.astype(float)
