"""From pixels to the network: images of a glass with all that spoils them, and images that show none."""

import warnings

import numpy as np
import pytest
from skimage import data

from listi.imaging.accuracy import accuracy
from listi.imaging.detect import atoms_in, find_spacing
from listi.imaging.experimental import imaged_patch
from listi.imaging.picture import patch_in
from listi.imaging.render import render
from listi.network.patch import edge_silicon

SPACING = 3.05 / 0.25  # Si-Si distance in pixels of the images below


@pytest.fixture(scope="module")
def rendered(glass):
    """An image as noisy as published ones, turned, sheared by 2 %, with an uneven background."""
    return render(glass, field=90.0, angle=17.0, drift=0.02, seed=1)


def test_almost_all_atoms_and_bonds_are_right(rendered):
    judged = accuracy(rendered, patch_in(rendered.pixels, rendered.scale))
    assert judged["atoms"] >= 0.99
    assert judged["bonds"] >= 0.98
    assert 0.03 < judged["error"] < 0.15


@pytest.mark.parametrize("name", ["cornell_A", "heyde"])
def test_almost_all_of_imaged_silica_is_right(imaged_files, name):
    image = render(imaged_patch(name), drift=0.02, seed=2)
    judged = accuracy(image, patch_in(image.pixels, image.scale))
    assert judged["atoms"] >= 0.99
    assert judged["bonds"] >= 0.98


def test_noise_takes_its_toll(glass):
    errors = []
    for dose in (2000.0, 200.0, 50.0):
        image = render(glass, field=60.0, dose=dose)
        errors.append(accuracy(image, patch_in(image.pixels, image.scale))["error"])
    assert errors[0] < 0.08
    assert errors[0] < 0.7 * errors[1] < 0.5 * errors[2]


def test_a_wrong_network_is_noticed(rendered):
    imaged = patch_in(rendered.pixels, rendered.scale)
    shifted = type(imaged)(imaged.patch, imaged.silicon + 1.6 / rendered.scale, imaged.scale, imaged.drift, {})
    assert accuracy(rendered, shifted)["atoms"] < 0.1
    assert accuracy(rendered, shifted)["bonds"] < 0.5


def test_patch_is_scaled_and_drift_taken_out(rendered):
    imaged = patch_in(rendered.pixels, rendered.scale)
    assert imaged.scale == pytest.approx(rendered.scale, rel=0.01)
    np.testing.assert_allclose(imaged.drift, [0.0, 0.01], atol=0.006)  # a shear by 0.02 strains by half of it
    length = np.linalg.norm(np.diff(imaged.patch.positions[imaged.patch.bonds], axis=1), axis=2)
    assert length.mean() == pytest.approx(3.05)
    inside = np.setdiff1d(imaged.patch.silicon, edge_silicon(imaged.patch))
    assert np.all(np.bincount(imaged.patch.bonds.ravel(), minlength=imaged.patch.n_atoms)[inside] == 3)


def test_the_scale_is_found(rendered):
    assert find_spacing(rendered.pixels) == pytest.approx(SPACING, rel=0.02)
    assert patch_in(rendered.pixels).patch.n_atoms == patch_in(rendered.pixels, rendered.scale).patch.n_atoms


def test_other_greys_give_the_same_atoms(rendered):
    atoms = atoms_in(rendered.pixels, SPACING)
    for offset in (-1e5, 1e5):  # of a camera
        np.testing.assert_allclose(atoms_in(3.0 * rendered.pixels + offset, SPACING), atoms, atol=1e-6)
    np.testing.assert_allclose(atoms_in(-rendered.pixels, SPACING, dark=True), atoms, atol=1e-6)


def test_first_row_is_the_top(glass):
    image = render(glass, field=50.0, dose=1e4)
    up = atoms_in(image.pixels, SPACING)
    down = atoms_in(image.pixels[::-1], SPACING)
    height = len(image.pixels)
    np.testing.assert_allclose(np.sort(up[:, 1]), np.sort(height - down[:, 1]), atol=1e-6)
    brightest = image.pixels[height - 1 - int(up[0, 1]), int(up[0, 0])]
    assert brightest > np.percentile(image.pixels, 80)


NOISE = np.random.default_rng(0).normal(size=(300, 300))


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (NOISE, "shows no network"),
        (data.camera()[:256, :256], "shows no network"),
        (np.ones((200, 200)), "shows nothing"),
        (np.full((200, 200), np.nan), "not finite"),
        (np.ones((3, 100, 100)), "not .* grey image"),
        (np.add.outer(np.arange(200.0), np.arange(200.0)), "shows no network"),
        (np.cos(np.arange(300) / 2)[:, None] * np.cos(np.arange(300) / 2), "shows no network"),  # square lattice
    ],
)
def test_an_image_without_a_network_is_an_error_that_says_so(pixels, why):
    with pytest.raises(ValueError, match=why):
        patch_in(pixels, 0.25)


def test_nothing_is_estimated_from_noise():
    with pytest.raises(ValueError, match="shows no network|no Si-Si distance fits"):
        patch_in(NOISE)


@pytest.mark.parametrize("scale", [0.13, 0.6])
def test_a_wrong_scale_is_refused(rendered, scale):
    with pytest.raises(ValueError, match=r"scale|network"):
        patch_in(rendered.pixels, scale)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
def test_an_impossible_scale_is_refused(rendered, scale):
    with pytest.raises(ValueError, match=r"scale: .* is not > 0 Å a pixel"):
        patch_in(rendered.pixels, scale)


def test_pixels_too_coarse_are_refused(rendered):
    with pytest.raises(ValueError, match="too coarse"):
        patch_in(rendered.pixels, 1.0)


@pytest.mark.parametrize("name", ["dose", "scale", "blur"])
def test_rendering_refuses_nonsense(glass, name):
    with pytest.raises(ValueError, match=f"{name}: 0.0 is not > 0"):
        render(glass, **{name: 0.0})


def test_a_scale_that_the_image_contradicts_is_refused_with_both(rendered):
    with pytest.raises(ValueError, match=r"scale: 0.5 Å a pixel contradicts the image, .* at 0.2\d* Å a pixel"):
        patch_in(rendered.pixels, 0.5)


def test_a_data_bar_neither_warns_nor_hides_the_network(rendered):
    bar = np.zeros((80, rendered.pixels.shape[1]))
    bar[20:40, 20:240] = rendered.pixels.max()
    with warnings.catch_warnings(action="error"):
        imaged = patch_in(np.vstack([rendered.pixels, bar]))
    plain = patch_in(rendered.pixels)
    assert imaged.scale == pytest.approx(plain.scale, rel=0.01)
    assert abs(len(imaged.silicon) - len(plain.silicon)) <= 0.02 * len(plain.silicon)
