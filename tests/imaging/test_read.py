"""Images from files: formats, depths, and what is refused."""

import sys
from types import ModuleType

import numpy as np
import PIL.Image
import pytest
import tifffile

from listi.files import DataError
from listi.imaging.read import read_image

GREY = (np.arange(48 * 40) % 251).reshape(48, 40)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_tiff_of_every_depth(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "image.tif", GREY.astype(dtype))
    image = read_image(tmp_path / "image.tif")
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.pixels.dtype == float and image.scale is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_of_every_depth(tmp_path, dtype):
    PIL.Image.fromarray(GREY.astype(dtype)).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_image(tmp_path / "image.png").pixels, GREY)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_are_made_grey(tmp_path, mode):
    PIL.Image.fromarray(GREY.astype(np.uint8)).convert(mode).save(tmp_path / "image.png")
    np.testing.assert_allclose(read_image(tmp_path / "image.png").pixels, GREY, atol=1.5)


def test_a_stack_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([GREY] * 5).astype(np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match=r"stack.tif: a stack of 5 images; save the one that is meant"):
        read_image(tmp_path / "stack.tif")


def test_a_stack_of_one_is_an_image(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", GREY[None].astype(np.uint8))
    assert read_image(tmp_path / "image.tif").pixels.shape == GREY.shape


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "none.png")
    for name in ("text.png", "text.tif"):
        (tmp_path / name).write_text("no image")
        with pytest.raises(DataError, match="cannot be read as an image"):
            read_image(tmp_path / name)


def test_microscope_formats_need_an_optional_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    (tmp_path / "image.dm4").write_bytes(b"")
    with pytest.raises(DataError, match=r"rosettasciio: pip install rosettasciio"):
        read_image(tmp_path / "image.dm4")


@pytest.fixture
def microscope(tmp_path, monkeypatch):
    """A stand-in for rosettasciio that reads .dm4 files; returns what its reader gives."""
    signal = {"data": GREY, "axes": [{"scale": 0.02, "units": "nm"}, {"scale": 0.02, "units": "nm"}]}
    signals = [signal]
    package, reader = ModuleType("rsciio"), ModuleType("rsciio.dm")
    package.IO_PLUGINS = [{"api": "rsciio.dm", "file_extensions": ["dm3", "dm4"]}]
    reader.file_reader = lambda path: signals
    monkeypatch.setitem(sys.modules, "rsciio", package)
    monkeypatch.setitem(sys.modules, "rsciio.dm", reader)
    (tmp_path / "image.dm4").write_bytes(b"")
    return signals


def test_microscope_formats_know_their_scale(tmp_path, microscope):
    image = read_image(tmp_path / "image.dm4")
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.scale == pytest.approx(0.2)
    microscope[0]["axes"][0]["units"] = microscope[0]["axes"][1]["units"] = "<undefined>"
    assert read_image(tmp_path / "image.dm4").scale is None


def test_microscope_files_of_several_images_are_refused(tmp_path, microscope):
    microscope.append(microscope[0])
    with pytest.raises(DataError, match="holds 2 images"):
        read_image(tmp_path / "image.dm4")


def test_an_ending_that_nothing_reads(tmp_path, microscope):
    (tmp_path / "image.xyz").write_bytes(b"")
    with pytest.raises(DataError, match="nothing here reads .xyz files"):
        read_image(tmp_path / "image.xyz")


def test_rosettasciio_is_not_imported_for_plain_images(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)  # an import would raise
    tifffile.imwrite(tmp_path / "image.tif", GREY.astype(np.uint8))
    read_image(tmp_path / "image.tif")
