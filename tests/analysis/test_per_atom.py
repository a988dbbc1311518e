"""What is known of every atom, and that it survives the way through ASE and extended XYZ."""

import ase.io
import numpy as np
import pytest
from handmade import honeycomb

import listi
from listi.mechanics.system import System
from listi.network.geometry import minimum_image
from listi.network.rings import rings


@pytest.fixture(scope="module")
def shear(glass):
    return listi.deform(glass, n_events=2)


@pytest.fixture(scope="module")
def rate(glass):
    return listi.stress_rate(glass, grid=(7, 5))


@pytest.fixture(scope="module")
def known(glass, shear, rate):
    return listi.per_atom(glass, shear, event=2, rate=rate)


def test_the_mean_stress_of_atoms_is_that_of_the_sample(glass, known):
    stress = System(glass.positions, glass.species, glass.cell).stress()
    assert float(known.shear_stress.mean()) == pytest.approx((stress[0, 0] - stress[1, 1]) / 2, abs=1e-12)
    assert float(known.tension.mean()) == pytest.approx(np.trace(stress) / 2, rel=1e-9)


def test_an_atom_has_the_value_of_the_nearest_grid_point(glass, known, rate):
    for atom in (0, 17, 599):
        apart = [
            (np.linalg.norm(minimum_image(glass.positions[atom] - [x, y], glass.cell)), float(rate.sel(x=x, y=y)))
            for x in rate.x.values
            for y in rate.y.values
        ]
        assert known.rate.values[atom] == min(apart)[1]


def test_points_are_read_like_a_grid(glass, known, rate):
    listed = rate.stack(point=("x", "y")).reset_index("point")
    np.testing.assert_array_equal(listi.per_atom(glass, rate=listed).rate, known.rate)


def test_displacements_are_those_of_the_event(known, shear):
    np.testing.assert_array_equal(known.non_affine, shear.non_affine.sel(event=2))


def test_rings_at_an_atom(glass, known):
    around = [[len(ring) for ring in rings(glass) if atom in ring] for atom in glass.silicon]
    np.testing.assert_allclose(known.ring_size[: len(around)], [np.mean(sizes) for sizes in around])
    assert known.largest_ring.values[: len(around)].tolist() == [max(sizes) for sizes in around]
    bond, oxygen = glass.bonds[3], len(around) + 3  # the O on bond k is atom n_si + k
    beside = [len(ring) for ring in rings(glass) if set(bond) <= set(ring)]
    assert known.ring_size.values[oxygen] == np.mean(beside)
    assert set(listi.per_atom(honeycomb(10, 12)).ring_size.values) == {6.0}


def test_a_sample_brings_its_maps_and_events_along(glass, shear):
    probing = listi.probe(glass, grid=(2, 2))
    sample = listi.Sample(glass, shear, probing, probing[["threshold"]].rename(threshold="gcn"))
    known = listi.per_atom(sample)
    assert list(known) == [
        "threshold", "predicted_gcn", "shear_stress", "tension", "non_affine", "ring_size", "largest_ring",
    ]  # fmt: skip
    assert all({"units", "long_name"} <= set(variable.attrs) for variable in known.data_vars.values())


def test_round_trips_with_ase_and_extended_xyz(glass, known, tmp_path):
    listi.write_extxyz(glass, tmp_path / "glass.xyz", known)
    read = ase.io.read(tmp_path / "glass.xyz")
    made = listi.to_ase(glass, known)
    for atoms, exactly in ((made, 0.0), (read, 1e-8)):
        for name, variable in known.data_vars.items():
            values = atoms.arrays[name] if variable.ndim == 1 else atoms.arrays[name][:, :2]
            np.testing.assert_allclose(values, variable, rtol=exactly, atol=1e-12 if exactly else 0.0)
        assert not atoms.arrays["non_affine"][:, 2].any()
        back = listi.from_ase(atoms)
        for field in ("positions", "species", "bonds", "cell"):
            np.testing.assert_array_equal(getattr(back, field), getattr(glass, field))
    assert read.arrays["largest_ring"].dtype.kind == "i"
    assert "shear_stress reduced energy/angstrom^2" in read.info["units"]


def test_what_is_not_of_the_sample_is_refused(glass, shear, rate, known, tmp_path):
    with pytest.raises(ValueError, match=r"event: 3 is not one of \[1, 2\]"):
        listi.per_atom(glass, shear, event=3)
    with pytest.raises(ValueError, match="rate: ndarray, not a DataArray"):
        listi.per_atom(glass, rate=rate.values)
    with pytest.raises(ValueError, match=r"strain: dimensions \('strain',\)"):
        listi.per_atom(glass, strain=shear.stress)
    with pytest.raises(ValueError, match="shear: is of 599 atoms"):
        listi.per_atom(glass, shear.isel(atom=slice(599)))
    for quantities, message in (
        (known.isel(atom=slice(9)), "quantities: rate .* is not of 600 atoms"),
        (rate.to_dataset(), "quantities: stress_rate .* is not of 600 atoms"),
        (known.rename(rate="pos"), "quantities: 'pos' cannot be the name of a column"),
        (known.rename(rate="a b"), "quantities: 'a b' cannot be the name"),
    ):
        with pytest.raises(ValueError, match=message):
            listi.write_extxyz(glass, tmp_path / "glass.xyz", quantities)
    assert not list(tmp_path.iterdir())


def test_a_map_does_not_take_the_name_of_another_quantity(glass):
    rate = listi.stress_rate(glass, grid=(4, 4))
    for name in ("tension", "ring_size"):
        with pytest.raises(ValueError, match=f"^{name}: is the name of another quantity"):
            listi.per_atom(glass, **{name: rate})
