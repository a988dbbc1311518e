"""`listi image`: from a file with a picture to network, map and overlay."""

import numpy as np
import pytest
import tifffile
import xarray as xr

import listi
from listi import cli
from listi.compendium import sample_files
from listi.imaging.mapped import map_image
from listi.imaging.read import read_image
from listi.imaging.render import render
from listi.network.patch import free_patch


@pytest.fixture(scope="module")
def picture_file(glass, tmp_path_factory):
    """A patch of the glass as an 8-bit TIFF."""
    pixels = render(free_patch(glass, 47.0), seed=3).pixels
    path = tmp_path_factory.mktemp("image") / "glass.tif"
    tifffile.imwrite(path, np.clip(255 * pixels / pixels.max(), 0, 255).astype(np.uint8))
    return path


def invented(network, model, points):
    """Thresholds that grow from the left to the right of the patch."""
    coords = {name: ("point", points[:, k]) for k, name in enumerate("xy")}
    attrs = {"units": "reduced energy/angstrom^2", "long_name": f"made up by {model}"}
    return xr.Dataset({"threshold": ("point", points[:, 0] * 1e-3, attrs)}, coords)


def test_weak_spots_maps_and_overlay_are_written_in_the_coordinates_of_the_image(picture_file, capsys, monkeypatch):
    monkeypatch.setattr("listi.learning.predict.predict", invented)
    assert cli.main(["image", str(picture_file), "--scale", "0.25"]) == 0
    said = capsys.readouterr().out
    assert "bonds changed by the energy minimum: 0" in said
    assert "0 Si added" in said
    made = {path.name for path in picture_file.parent.iterdir()} - {"glass.tif"}
    assert made == {f"glass_tif_listi.{kind}" for kind in ("nc", "xyz", "png", "pdf")}
    sample = sample_files.load_sample(picture_file.parent / "glass_tif_listi.nc")
    maps = sample.predictions
    assert maps.probed.attrs["units"] == "reduced energy/angstrom^2"
    assert maps.predicted.long_name == "made up by listi"
    i, j = np.argwhere(np.isfinite(maps.probed.transpose("x", "y").values))[0]
    point = [[float(maps.x[i]), float(maps.y[j])]]
    again = listi.probe(sample.network, points=np.array(point))
    assert float(again.threshold[0]) == pytest.approx(float(maps.probed.isel(x=i, y=j)), rel=1e-6)
    first = (picture_file.parent / "glass_tif_listi.xyz").read_text().splitlines()[0]
    assert int(first) == sample.network.n_atoms
    silicon = sample.network.positions[: maps.sizes["silicon_atom"]]
    fitted = np.column_stack([silicon, np.ones(len(silicon))]) @ maps.transform.values.T
    away = 0.25 * np.linalg.norm(fitted - maps.silicon.values, axis=1)
    assert away.mean() < 0.8  # [Å]; the energy minimum lies half an ångström from the image
    assert maps.transform.sel(pixel_axis="row")[1] < 0.0  # y points up in the patch, rows run down in the image
    spots = maps.spot_position.values
    assert spots[0, 0] == maps.x[np.isfinite(maps.predicted).any("y")].min()  # the left is the weakest
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 1e3 * np.eye(len(spots))
    assert apart.min() >= 11.0
    column, row = maps.spot_pixel.values[0]
    assert f"1: column {column:.0f}, row {row:.0f} of the image" in said


def test_the_network_is_chosen_and_nothing_is_written_where_it_cannot_be(picture_file, tmp_path, monkeypatch):
    monkeypatch.setattr("listi.learning.predict.predict", invented)
    there = ["image", str(picture_file), "--output", str(tmp_path / "out"), "--model"]
    assert cli.main([*there, "nope"]) == 2 and not (tmp_path / "out").exists()
    (tmp_path / "mine.keras").touch()
    assert cli.main(["image", str(picture_file), "--output", str(tmp_path / "mine.keras")]) == 2
    assert cli.main(["image", str(picture_file), "--scale", "0"]) == 2
    assert cli.main(["image", str(picture_file), "--frame", "1"]) == 1
    assert cli.main([*there, str(tmp_path / "mine.keras")]) == 0
    sample = sample_files.load_sample(tmp_path / "out" / "glass_tif_listi.nc")
    assert list(sample.predictions)[:2] == ["predicted", "probed"]
    assert sample.predictions.predicted.long_name == f"made up by {tmp_path / 'mine.keras'}"


def test_the_result_of_an_image_is_plotted_and_explored(picture_file, monkeypatch):
    monkeypatch.setattr("listi.learning.predict.predict", invented)
    image = read_image(picture_file)
    mapped = map_image(image.pixels, 0.25)
    assert repr(mapped).startswith("Image of 268 x 268 pixels; Network: ")
    axes = listi.plot(mapped)
    assert axes.get_xlim() == (0, 268) and axes.get_ylim() == (268, 0)
    assert [text.get_text() for text in axes.texts] == [str(n) for n in mapped.weakest().spot.values]
    page = listi.explore(mapped).page
    assert '"Predicted threshold"' in page and '"Probed threshold"' in page and '"events":[]' in page


def test_what_is_no_image_of_a_network_is_refused(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "noise.tif", np.random.default_rng(0).random((200, 200)).astype(np.float32))
    assert cli.main(["image", str(tmp_path / "noise.tif"), "--scale", "0.25"]) == 2
    assert "shows no network" in capsys.readouterr().err
    assert cli.main(["image", str(tmp_path / "none.png")]) == 1
    assert "none.png: no such file" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"noise.tif"}
