"""What `listi.save` writes comes back by `listi.load`; other kinds are refused by name."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from handmade import dataset, honeycomb
from matplotlib.figure import Figure

import listi
from listi.files import DataError

CRYSTAL = honeycomb(6, 8)
UNITS = {"units": "reduced energy/angstrom^2", "long_name": "stress threshold"}


def events():
    return dataset("shear").rename(x="strain", y="event")[["stress", "event_strain", "event_position", "event_atom"]]


def test_a_network_and_its_results_come_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predicted = xr.Dataset({"threshold": (("x", "y"), np.ones((5, 4)), UNITS)}, attrs={"model": "mine"})
    file = listi.save("glass.nc", CRYSTAL, dataset("probing"), events(), predicted)
    sample = listi.load("glass.nc")
    assert file.name == "glass.nc" and sample.network == CRYSTAL
    xr.testing.assert_equal(sample.probing, dataset("probing"))
    xr.testing.assert_equal(sample.shear, events())
    np.testing.assert_array_equal(sample.predictions.mine, predicted.threshold)
    listi.save(tmp_path / "again.nc", sample)
    again = listi.load(tmp_path / "again.nc")
    assert again.network == CRYSTAL
    xr.testing.assert_equal(again.predictions, sample.predictions)
    assert listi.load(listi.save("alone.nc", CRYSTAL)).probing is None


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert listi.save("~/glass.nc", CRYSTAL) == tmp_path / "glass.nc"
    assert listi.load("~/glass.nc").network == CRYSTAL
    monkeypatch.chdir(tmp_path)
    listi.figures.save(Figure(), "~/drawn", "glass")
    assert (tmp_path / "drawn" / "glass.png").is_file()
    assert not Path("~").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("glass.xyz", CRYSTAL), "path: 'glass.xyz' does not end in .nc"),
        ((CRYSTAL, "glass.nc"), "path: Network is not the path of a file or folder"),
        (("glass.nc", dataset("probing")), "network: Dataset is not a Network or a Sample"),
        (("glass.nc", CRYSTAL, events()), "probed: Dataset is not a Dataset with threshold"),
        (("glass.nc", CRYSTAL, dataset("probing").threshold), "probed: DataArray is not a Dataset with threshold"),
        (("glass.nc", CRYSTAL, None, dataset("probing")), "events: Dataset is not a Dataset with event_position"),
        (("glass.nc", CRYSTAL, None, None, 3), "predicted: int is not a Dataset with threshold"),
    ],
)
def test_other_kinds_are_refused_by_name(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        listi.save(*arguments)
    with pytest.raises(DataError, match="none.nc"):
        listi.load("none.nc")
    with pytest.raises(ValueError, match="^path: NoneType is not"):
        listi.load(None)
    assert not list(tmp_path.iterdir())
