"""`listi image`: from a file with a picture to network, map and overlay."""

import numpy as np
import pytest
import tifffile
import xarray as xr

import listi
from listi import cli
from listi.compendium import sample_files
from listi.imaging.render import render
from listi.network.patch import free_patch


@pytest.fixture(scope="module")
def picture_file(glass, tmp_path_factory):
    """A patch of the glass as an 8-bit TIFF."""
    pixels = render(free_patch(glass, 47.0), seed=3).pixels
    path = tmp_path_factory.mktemp("image") / "glass.tif"
    tifffile.imwrite(path, np.clip(255 * pixels / pixels.max(), 0, 255).astype(np.uint8))
    return path


def test_network_map_and_overlay_are_written(picture_file, capsys):
    assert cli.main(["image", str(picture_file), "--scale", "0.25"]) == 0
    said = capsys.readouterr().out
    assert "bonds changed by the energy minimum: 0" in said
    assert "0 Si added" in said
    made = {path.name for path in picture_file.parent.iterdir()} - {"glass.tif"}
    assert made == {f"glass_listi.{kind}" for kind in ("nc", "xyz", "png", "pdf")}
    sample = sample_files.load_sample(picture_file.parent / "glass_listi.nc")
    probed = sample.predictions.probed
    assert probed.attrs["units"] == "reduced energy/angstrom^2"
    assert np.isfinite(probed).sum() >= 10
    x, y = (float(probed[name][3]) for name in "xy")
    if np.isfinite(probed[3, 3]):
        again = listi.probe(sample.network, points=np.array([[x, y]]))
        assert float(again.threshold[0]) == pytest.approx(float(probed[3, 3]), rel=1e-6)
    first = (picture_file.parent / "glass_listi.xyz").read_text().splitlines()[0]
    assert int(first) == sample.network.n_atoms


def test_a_model_adds_its_map(picture_file, tmp_path, monkeypatch):
    def everywhere_one(network, model, points):
        coords = {name: ("point", points[:, k]) for k, name in enumerate("xy")}
        attrs = {"units": "reduced energy/angstrom^2", "long_name": f"made up by {model}"}
        return xr.Dataset({"threshold": ("point", np.arange(len(points)) * 1e-3, attrs)}, coords)

    monkeypatch.setattr("listi.learning.predict.predict", everywhere_one)
    there = ["image", str(picture_file), "--output", str(tmp_path / "out"), "--model"]
    assert cli.main([*there, "nope"]) == 2 and not (tmp_path / "out").exists()
    (tmp_path / "mine.keras").touch()
    assert cli.main(["image", str(picture_file), "--output", str(tmp_path / "mine.keras")]) == 2
    assert cli.main(["image", str(picture_file), "--scale", "0"]) == 2
    assert cli.main([*there, str(tmp_path / "mine.keras")]) == 0
    sample = sample_files.load_sample(tmp_path / "out" / "glass_listi.nc")
    assert set(sample.predictions.data_vars) == {"probed", "predicted"}
    assert sample.predictions.predicted.long_name == f"made up by {tmp_path / 'mine.keras'}"


def test_what_is_no_image_of_a_network_is_refused(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "noise.tif", np.random.default_rng(0).random((200, 200)).astype(np.float32))
    assert cli.main(["image", str(tmp_path / "noise.tif"), "--scale", "0.25"]) == 2
    assert "shows no network" in capsys.readouterr().err
    assert cli.main(["image", str(tmp_path / "none.png")]) == 1
    assert "none.png: no such file" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"noise.tif"}
