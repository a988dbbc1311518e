"""Imaged patches: right topology, right scale; every way in which the files may be missing or wrong."""

import sys

import numpy as np
import pooch
import pytest
import requests

from listi.files import DataError
from listi.imaging import experimental
from listi.imaging.experimental import imaged_patch
from listi.network.rings import aboav_weaire, ring_sizes, ring_statistics


@pytest.mark.parametrize(
    ("name", "n_silicon", "n_bonds", "n_rings", "extent"),
    [("cornell_A", 971, 1411, 441, (113.0, 106.9)), ("heyde", 651, 940, 290, (123.2, 66.5))],
)
def test_topology_and_scale(imaged_files, name, n_silicon, n_bonds, n_rings, extent):
    patch = imaged_patch(name)
    assert (patch.species == 0).sum() == n_silicon
    assert (patch.species == 1).sum() == len(patch.bonds) == n_bonds
    assert set(np.bincount(patch.bonds.ravel()).tolist()) == {2, 3}  # no Si with four, none loose
    assert len(ring_sizes(patch)) == n_rings == n_bonds - n_silicon + 1  # Euler
    assert ring_sizes(patch).min() == 4  # no false ring of three
    first, second = patch.positions[patch.bonds.T]
    assert np.linalg.norm(first - second, axis=1).mean() == pytest.approx(3.05)
    np.testing.assert_allclose(np.ptp(patch.positions[patch.silicon], axis=0), extent, atol=0.2)


def test_ring_statistics_of_lichtensteins_patch(imaged_files):
    patch = imaged_patch("heyde")
    counted = {4: 0.038, 5: 0.276, 6: 0.448, 7: 0.159, 8: 0.072, 9: 0.007}
    assert ring_statistics(ring_sizes(patch)) == pytest.approx(counted, abs=6e-4)
    assert 0.27 < aboav_weaire(patch) < 0.40


def test_a_distance_alone_would_give_a_silicon_four_bonds(imaged_files):
    patch = imaged_patch("cornell_A")
    silicon = patch.positions[patch.silicon]
    near = np.linalg.norm(silicon[:, None] - silicon[None], axis=2) < 3.6
    assert (near.sum(axis=1) - 1).max() == 4


def test_unknown_name():
    with pytest.raises(ValueError, match="'cornell' is no imaged patch; allowed are cornell_A, heyde"):
        imaged_patch("cornell")


def test_a_folder_without_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv(experimental.FOLDER, str(tmp_path))
    with pytest.raises(DataError, match=r"heyde_m\.pos: no such file; LISTI_EXPERIMENTAL must name a folder"):
        imaged_patch("heyde")
    assert not experimental.is_available("heyde")


def test_an_altered_file(monkeypatch, tmp_path, imaged_files):
    text = (imaged_files / "cornell_A.xyz").read_text()
    (tmp_path / "cornell_A.xyz").write_text(text.replace("0", "1", 1))
    monkeypatch.setenv(experimental.FOLDER, str(tmp_path))
    with pytest.raises(DataError, match="SHA-256 differs"):
        imaged_patch("cornell_A")


def test_no_internet(monkeypatch, tmp_path):
    def unreachable(*args, **kwargs):
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.delenv(experimental.FOLDER, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(
        DataError, match="cannot be fetched from https.*let the environment variable LISTI_EXPERIMENTAL"
    ):
        imaged_patch("cornell_A")
    assert not experimental.is_available()


def test_what_is_fetched_is_checked_and_kept(monkeypatch, tmp_path, imaged_files):
    asked = []

    def answer(url, output_file, pooch):
        asked.append(url)
        with open(output_file, "wb") as file:
            file.write((imaged_files / url.rsplit("/", 1)[1]).read_bytes() + broken)

    monkeypatch.delenv(experimental.FOLDER)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda timeout: answer)
    broken = b"\n"
    with pytest.raises(DataError, match="not the published file"):
        imaged_patch("cornell_A")
    broken = b""
    assert imaged_patch("cornell_A").n_atoms == imaged_patch("cornell_A").n_atoms == 2382
    assert len(asked) == 2
    assert "572ca9d78ea627a4c918716764be2604147f7a15/bilayer_stats/results/cornell_A/cornell_A.xyz" in asked[0]


def test_pooch_is_imported_only_to_fetch(imaged_files, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    imaged_patch("cornell_A")
