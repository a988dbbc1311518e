"""Images from files: formats, depths, and what is refused."""

import sys
from types import ModuleType

import numpy as np
import PIL.Image
import PIL.ImageOps
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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colours_are_made_grey(tmp_path, mode):
    PIL.Image.fromarray(GREY.astype(np.uint8)).convert(mode).save(tmp_path / "image.png")
    np.testing.assert_allclose(read_image(tmp_path / "image.png").pixels, GREY, atol=1.5)


INVERTED = np.repeat(((255 - np.arange(256)) * 257).astype(np.uint16)[None], 3, axis=0)
ALPHA = np.stack([GREY, np.full_like(GREY, 255)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("values", "settings", "factor"),
    [
        (255 - GREY, {"photometric": "miniswhite"}, 1),
        (255 - GREY, {"photometric": "palette", "colormap": INVERTED}, 257),
        (np.stack([GREY] * 3), {"photometric": "rgb", "planarconfig": "separate"}, 1),
        (np.stack([GREY] * 3, axis=-1), {"photometric": "rgb"}, 1),
        (ALPHA, {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig"}, 1),
    ],
)
def test_tiff_shows_what_viewers_show(tmp_path, values, settings, factor):
    tifffile.imwrite(tmp_path / "image.tif", values.astype(np.uint8), **settings)
    np.testing.assert_allclose(read_image(tmp_path / "image.tif").pixels, factor * GREY, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_is_that_without_compression(tmp_path, dtype, compression):
    image = PIL.Image.fromarray(GREY.astype(dtype))
    image.save(tmp_path / "image.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "image.tif").pixels, GREY)
    for name, how in (("raw.tif", None), ("white.tif", compression)):
        image.save(tmp_path / name, compression=how, tiffinfo={262: 0})  # WhiteIsZero
    np.testing.assert_array_equal(read_image(tmp_path / "white.tif").pixels, read_image(tmp_path / "raw.tif").pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_file_says(tmp_path, orientation):
    PIL.Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / "image.png", exif=_exif(orientation))
    tifffile.imwrite(tmp_path / "image.tif", GREY.astype(np.uint8), extratags=[(274, "H", 1, orientation, True)])
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(tmp_path / "image.png")))
    for name in ("image.png", "image.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, upright)


def _exif(orientation):
    exif = PIL.Image.Exif()
    exif[274] = orientation
    return exif


def test_of_several_images_one_must_be_named(tmp_path):
    frames = np.stack([GREY + n for n in range(3)]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", frames, photometric="minisblack")
    tifffile.imwrite(tmp_path / "imagej.tif", frames, imagej=True)
    with tifffile.TiffWriter(tmp_path / "sizes.tif") as file:
        file.write(frames[0, ::4, ::4])
        file.write(frames[1])
        file.write(frames[2])
    pictures = [PIL.Image.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / "lzw.tif", save_all=True, append_images=pictures[1:], compression="tiff_lzw")
    pictures[0].save(tmp_path / "many.png", save_all=True, append_images=pictures[1:])
    for name in ("stack.tif", "imagej.tif", "sizes.tif", "lzw.tif", "many.png"):
        with pytest.raises(DataError, match=rf"{name}: holds 3 images; frame = 0 to 2 says which .*--frame 0"):
            read_image(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name, frame=2).pixels, frames[2])
        for frame in (3, -1, "1", 1.0, True):
            with pytest.raises(DataError, match=f"frame: {frame!r} is not one of the 3 images, 0 to 2"):
                read_image(tmp_path / name, frame=frame)


IMAGEJ = {"imagej": True, "resolution": (40.0, 40.0)}
OME = {"axes": "YX", "PhysicalSizeX": 0.025, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.025}
DIGITAL_MICROGRAPH = {"extratags": [(65003, "s", 0, "nm", True), (65009, "d", 1, 0.025, True)]}


@pytest.mark.parametrize(
    ("name", "settings", "scale"),
    [
        ("image.tif", IMAGEJ | {"metadata": {"unit": "nm"}}, 0.25),
        ("image.tif", IMAGEJ | {"metadata": {"unit": r"\u00B5m"}}, 250.0),
        ("image.tif", IMAGEJ | {"metadata": {"unit": "pixel"}}, None),
        ("image.ome.tif", {"metadata": OME}, 0.25),
        (
            "image.ome.tif",
            {"metadata": {**OME, "PhysicalSizeX": 1.5, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 1.5}},
            1.5,
        ),
        ("image.tif", DIGITAL_MICROGRAPH, 0.25),
        ("image.tif", {"resolution": (72.0, 72.0), "resolutionunit": "inch"}, None),  # of a printer
    ],
)
def test_the_size_of_pixels_in_tiff_files(tmp_path, name, settings, scale):
    tifffile.imwrite(tmp_path / name, GREY.astype(np.uint8), **settings)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.scale == (None if scale is None else pytest.approx(scale))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("image.tif", IMAGEJ | {"resolution": (40.0, 20.0), "metadata": {"unit": "nm"}}),
        ("image.ome.tif", {"metadata": OME | {"PhysicalSizeY": 0.05, "PhysicalSizeYUnit": "nm"}}),
    ],
)
def test_pixels_that_are_not_square_are_refused(tmp_path, name, settings):
    tifffile.imwrite(tmp_path / name, GREY.astype(np.uint8), **settings)
    with pytest.raises(
        DataError, match=f"{name}: cannot be read as an image: pixels are 0.25 x 0.5 Å; resample the image"
    ):
        read_image(tmp_path / name)


def test_what_is_damaged_or_no_picture_is_refused_in_one_line(tmp_path):
    tifffile.imwrite(tmp_path / "complex.tif", np.fft.fft2(GREY).astype(np.complex64))
    tifffile.imwrite(tmp_path / "intact.tif", np.random.default_rng(0).random((60, 60)), compression="zlib")
    intact = (tmp_path / "intact.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(intact[: len(intact) // 2])
    (tmp_path / "damaged.tif").write_bytes(intact[:5000] + bytes(200) + intact[5200:])
    PIL.Image.new("1", (15000, 13000)).save(tmp_path / "huge.png")
    for name in ("complex", "cut", "damaged"):
        with pytest.raises(DataError, match=f"{name}.tif: ") as caught:
            read_image(tmp_path / f"{name}.tif")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="huge.png: cannot be read as an image: Image size"):
        read_image(tmp_path / "huge.png")


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
    """A stand-in for rosettasciio, in which the first of two readers of .dm4 files cannot be imported."""
    signal = {"data": GREY, "axes": [{"scale": 0.02, "units": "nm"}, {"scale": 0.02, "units": "nm"}]}
    signals = [signal]
    package, reader = ModuleType("rsciio"), ModuleType("rsciio.dm")
    package.IO_PLUGINS = [{"api": f"rsciio.{name}", "file_extensions": ["dm3", "dm4"]} for name in ("mrcz", "dm")]
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


def test_of_several_images_of_a_microscope_one_must_be_named(tmp_path, microscope):
    microscope.append(microscope[0] | {"data": np.stack([GREY, GREY + 1])})
    with pytest.raises(DataError, match="holds 3 images"):
        read_image(tmp_path / "image.dm4")
    np.testing.assert_array_equal(read_image(tmp_path / "image.dm4", frame=2).pixels, GREY + 1)


def test_when_all_readers_of_a_microscope_fail_all_reasons_are_named(tmp_path, microscope):
    microscope.clear()
    with pytest.raises(DataError, match="image.dm4: .*mrcz: No module named .*; dm: holds no image"):
        read_image(tmp_path / "image.dm4")


def test_an_ending_that_nothing_reads(tmp_path, microscope):
    (tmp_path / "image.xyz").write_bytes(b"")
    with pytest.raises(DataError, match="nothing here reads .xyz files"):
        read_image(tmp_path / "image.xyz")


def test_rosettasciio_is_not_imported_for_plain_images(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)  # an import would raise
    tifffile.imwrite(tmp_path / "image.tif", GREY.astype(np.uint8))
    read_image(tmp_path / "image.tif")
