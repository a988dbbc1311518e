"""Structure of glasses side by side, with the errors of counting."""

import numpy as np
import pytest
from handmade import BOND, honeycomb

from listi.imaging.experimental import imaged_patch
from listi.imaging.statistics import DISTANCES, compare, radial_distribution
from listi.network.patch import free_patch
from listi.network.rings import aboav_weaire, ring_sizes


def test_counting_errors_and_alpha(glass):
    sizes = ring_sizes(glass)
    one = compare({"one": [glass]}).sel(glass="one")
    five = np.mean(sizes == 5)
    assert float(one.n_rings) == len(sizes) == 120
    assert float(one.fraction.sel(size=5)) == pytest.approx(five)
    assert float(one.fraction_error.sel(size=5)) == pytest.approx(np.sqrt(five * (1 - five) / 120))
    assert float(one.fraction.sum()) == pytest.approx(1.0)
    assert float(one.alpha) == pytest.approx(aboav_weaire(glass))
    assert 0.005 < float(one.alpha_error) < 0.1
    assert float(one.mu2) == pytest.approx(sizes.var())
    assert np.isnan(one.neighbour_size.sel(size=12))


def test_many_samples_count_together(glass):
    turned = glass.replace(positions=glass.positions[:, ::-1], cell=glass.cell[::-1])
    both = compare({"one": [glass], "both": [glass, turned]})
    np.testing.assert_allclose(both.fraction.sel(glass="both"), both.fraction.sel(glass="one"))
    assert both.n_rings.values.tolist() == [120, 240]
    ratio = both.fraction_error.sel(glass="one", size=6) / both.fraction_error.sel(glass="both", size=6)
    assert float(ratio) == pytest.approx(np.sqrt(2.0))
    assert float(both.alpha_error.sel(glass="both")) == pytest.approx(0.0, abs=1e-12)


def test_lengths_and_angles_of_a_crystal_and_of_a_patch(glass):
    both = compare({"glass": [glass], "glass and crystal": [glass, _with_two_sizes()]})
    assert float(both.angle.sel(glass="glass")) == pytest.approx(120.0)
    assert float(both.angle_spread.sel(glass="glass")) > 5.0
    assert float(both.bond_length.sel(glass="glass")) == pytest.approx(3.05, abs=0.05)
    assert float(both.angle_spread.sel(glass="glass and crystal")) < float(both.angle_spread.sel(glass="glass"))


def _with_two_sizes():
    """A crystal with one bond taken out, which leaves a ring of ten: angles stay 120 degrees."""
    crystal = honeycomb(10, 10)
    return crystal.replace(bonds=crystal.bonds[1:])


def test_a_crystal_has_one_angle_and_one_length():
    found = compare({"crystal": [_with_two_sizes()]}).sel(glass="crystal")
    assert float(found.bond_length) == pytest.approx(BOND)
    assert float(found.bond_length_spread) == pytest.approx(0.0, abs=1e-9)
    assert float(found.angle) == pytest.approx(120.0)
    assert float(found.angle_spread) == pytest.approx(0.0, abs=1e-6)
    assert float(found.fraction.sel(size=10)) == pytest.approx(1 / 99)


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="'none' has no network"):
        compare({"none": []})
    lonely = free_patch(honeycomb(10, 10), 20.0)
    with pytest.raises(ValueError, match="without rings"):
        compare({"chain": [lonely.replace(bonds=lonely.bonds[:2])]})


def test_imaged_glass_has_more_regular_angles_than_ours(imaged_files, glass):
    found = compare({"Huang": [imaged_patch("cornell_A")], "Lichtenstein": [imaged_patch("heyde")], "ours": [glass]})
    assert found.angle_spread.values[:2] == pytest.approx([11.96, 12.49], abs=0.05)
    assert found.angle_spread.values[2] > 14.0
    assert found.fraction.sel(glass="Lichtenstein", size=6) == pytest.approx(0.448, abs=1e-3)


def test_distances_of_a_crystal_of_a_glass_and_of_an_image(glass, imaged_files):
    crystal = honeycomb(12, 12)
    g = radial_distribution(crystal)
    shells = (g > 0.0) & (DISTANCES < 11.9)
    expected = BOND * np.sqrt([1, 3, 4, 7, 9, 12, 13])  # of the honeycomb, below 12 Å
    np.testing.assert_allclose(DISTANCES[shells], expected, atol=0.06)
    around = (g * DISTANCES)[shells]
    np.testing.assert_allclose(around / around[0], np.array([3, 6, 3, 6, 6, 6, 6]) / 3)  # neighbours

    two = compare({"glass": [glass], "image": [imaged_patch("heyde")]})
    assert float(two.si_o.sel(glass="glass")) == pytest.approx(1.53, abs=0.03)
    assert float(two.o_o.sel(glass="glass")) == pytest.approx(2.63, abs=0.06)
    assert np.isnan(two.o_o.sel(glass="image"))
    peaks = two.distance[two.radial_distribution.argmax("distance")]
    np.testing.assert_allclose(peaks, 3.05, atol=0.2)
    far = two.radial_distribution.sel(distance=slice(9.0, 12.0)).mean("distance")
    np.testing.assert_allclose(far, 1.0, atol=0.1)
