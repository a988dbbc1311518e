"""A network from coordinates alone; what is refused."""

import re
import warnings

import numpy as np
import pytest
from handmade import BOND, honeycomb

import listi
from listi.network.bonds import bonds_left, bonds_through_oxygen, near_bonds
from listi.network.network import Network


def bonds(network):
    return {tuple(bond) for bond in np.sort(network.bonds, axis=1).tolist()}


def test_three_lines_lead_from_the_silicon_of_a_glass_to_its_thresholds(glass):
    network = listi.network_of(glass.positions[glass.silicon], glass.cell)
    network = listi.relax(network)
    probed = listi.probe(network, points=[[10.0, 10.0]])
    assert bonds(network) == bonds(glass)
    np.testing.assert_allclose(network.positions[network.silicon], glass.positions[glass.silicon], atol=1e-3)
    np.testing.assert_allclose(probed.threshold, listi.probe(glass, points=[[10.0, 10.0]]).threshold, atol=1e-4)


def test_silicon_and_oxygen_by_number_or_name_in_any_order_and_any_image(glass):
    order = np.random.default_rng(0).permutation(glass.n_atoms)
    places = glass.positions[order] + glass.cell * np.random.default_rng(1).integers(-2, 3, (glass.n_atoms, 1))
    kinds = glass.species[order]
    for species in (kinds, np.array(["Si", "O"])[kinds], np.array(["Si", "O"])[kinds].tolist()):
        found = listi.network_of(places, glass.cell, species)
        assert {tuple(sorted(order[list(bond)].tolist())) for bond in bonds(found)} == bonds(glass)
        assert found.n_atoms == glass.n_atoms


def test_near_bonds_do_not_cross_and_are_three_at_most_across_the_border_as_well():
    crystal = honeycomb(6, 8, shift=(1.0, 2.0))
    silicon = crystal.positions[crystal.silicon]
    # A Si in the middle of a ring is as near to its six corners as they are to each other, and takes none of them.
    middle = silicon[0] + [0.0, BOND]
    within = near_bonds(np.vstack([silicon, np.mod(middle, crystal.cell)]), 1.35 * BOND, crystal.cell)
    assert {tuple(bond) for bond in np.sort(within, axis=1).tolist() if len(silicon) not in bond} <= bonds(crystal)
    assert np.bincount(within.ravel()).max() == 3
    # A square with both diagonals in reach, laid across the corner of the cell: one diagonal at most is bonded.
    square = np.mod([[-1.4, -1.4], [1.4, -1.4], [1.4, 1.4], [-1.4, 1.4]], 30.0)
    found = {tuple(bond) for bond in np.sort(near_bonds(square, 4.5, np.array([30.0, 30.0])), axis=1).tolist()}
    assert {(0, 1), (1, 2), (2, 3), (0, 3)} < found
    assert len(found) == 5


@pytest.mark.parametrize(
    ("positions", "cell", "species", "message"),
    [
        (np.zeros((4, 3)), [40.0, 40.0], None, r"positions: shape \(4, 3\) is not \(n_atoms, 2\); a flat glass"),
        ([[1.0, 1.0]], None, None, "cell: nan is not two edge lengths > 0 Å of a periodic rectangle"),
        ([[1.0, 1.0]], [40.0, 40.0, 0.0], None, r"cell: \[40.0, 40.0, 0.0\] is not two edge lengths"),
        ([[1.0, 1.0]], np.eye(2), None, "cell: .* is not two edge lengths"),
        ([[1.0, np.nan]], [40.0, 40.0], None, r"positions: atom 0 is at \[1.0, nan\]"),
        ([[1.0, 1.0], [9.0, 1.0]], [40.0, 40.0], None, "no two Si are within 4.12 Å; are they in Å"),
        ([[1.0, 1.0], [4.0, 1.0], [9.0, 9.0]], [40.0, 40.0], [0, 0, 1], "no two Si share an O within 1.8 Å"),
        ([[0.1, 0.1], [0.4, 0.1]], [4.0, 4.0], None, "atoms 0 and 1 overlap"),
        ([[1.0, 1.0], [4.0, 1.0]], [40.0, 40.0], ["Si", "Ge"], "species: atom 1 is Ge; allowed are 0 or 'Si'"),
        ([[1.0, 1.0], [4.0, 1.0]], [40.0, 40.0], [0, 14], "species: atom 1 is 14"),
        (np.ma.masked_equal([[1.0, 1.0], [4.0, 1.0]], 4.0), [40.0, 40.0], None, "positions: has masked values"),
        ([[1.0, 1.0 + 1j]], [40.0, 40.0], None, "positions: .* complex128 values are not real"),
        ([[1.0, 1.0], [4.0]], [40.0, 40.0], None, "positions: cannot be read as an array of float64"),
        ([[1.0, 1.0], [4.0, 1.0]], [40.0, 40.0], [0], r"species: shape \(1,\) is not \(2,\)"),
    ],
)
def test_what_makes_no_network_is_refused(positions, cell, species, message):
    with pytest.raises(ValueError, match=message):
        listi.network_of(positions, cell, species)


def test_silicon_without_three_bonds_are_counted(glass):
    silicon = np.delete(glass.positions[glass.silicon], 5, axis=0)
    with pytest.warns(UserWarning, match="3 of 239 Si do not have three bonds"):
        listi.network_of(silicon, glass.cell)


def test_two_oxygen_between_the_same_two_silicon_make_one_bond():
    """Two tetrahedra that share an edge: a rhombus, beside a bond of the usual kind."""
    places = np.array([[5.0, 5.0], [7.5, 5.0], [6.25, 6.1], [6.25, 3.9], [9.2, 5.0], [10.9, 5.0]])
    kinds = np.array([0, 0, 1, 1, 1, 0])
    assert bonds_through_oxygen(places, kinds, np.full(2, 40.0)).tolist() == [[0, 1], [1, 5]]
    with pytest.warns(UserWarning, match="3 of 3 Si do not have three bonds"):
        assert len(listi.network_of(places, [40.0, 40.0], kinds).bonds) == 2
    three = np.vstack([places[[0, 2, 1]], [[6.2, 7.5]]])
    with pytest.raises(ValueError, match="^positions: O 1 has 3 Si within 1.8 Å; at most 2"):
        listi.network_of(three, [40.0, 40.0], [0, 1, 0, 0])


def test_bonds_that_are_left_in_silica_and_in_other_materials():
    crystal = honeycomb(6, 8)
    cell, torn = crystal.cell * [2.0, 1.0], crystal.positions.copy()
    torn[crystal.n_atoms - 1] += [15.0, 0.0]  # an O, away from both its Si
    assert bonds(crystal) - {tuple(b) for b in bonds_left(crystal, torn, crystal.cell).tolist()} == {
        tuple(crystal.bonds[-1].tolist())
    }
    # The second species lies in the rings, at 3 Å from six of the first; the first are bonded by themselves.
    silicon = crystal.positions[crystal.silicon]
    rings = silicon[::4] + [0.0, BOND]
    kinds = np.repeat([0, 1], [len(silicon), len(rings)])
    other = Network(np.vstack([silicon, rings]), kinds, crystal.bonds, crystal.cell)
    np.testing.assert_array_equal(bonds_left(other, other.positions, other.cell), other.bonds)
    far = np.where(other.positions[:, :1] < other.cell[0] / 2, other.positions, other.positions + [6.0, 0.0])
    left = bonds_left(other, far, cell)
    assert 0 < len(left) < len(other.bonds)
    assert np.all(np.abs(far[left[:, 0], 0] - far[left[:, 1], 0]) <= BOND)


NM, BOHR = 0.1, 1.0 / 0.529177  # an ångström in other units


@pytest.mark.parametrize("unit", [NM, BOHR])
@pytest.mark.parametrize("with_oxygen", [True, False])
def test_other_units_are_refused_with_the_scale_that_helps(glass, unit, with_oxygen):
    chosen = slice(None) if with_oxygen else glass.silicon
    mine = glass.positions[chosen] * unit, glass.cell * unit, glass.species[chosen]
    with pytest.raises(ValueError, match=r"nearest Si are \d.* Å apart; scale=[\d.]+ would make this 3.05 Å") as caught:
        listi.network_of(*mine)
    assert float(re.search(r"scale=([\d.]+)", str(caught.value))[1]) == pytest.approx(1.0 / unit, rel=0.1)
    assert bonds(listi.network_of(*mine, scale=1.0 / unit)) == bonds(glass)
    if with_oxygen:
        atoms = listi.to_ase(glass)
        atoms.set_cell(atoms.cell * unit, scale_atoms=True)
        with pytest.raises(ValueError, match="scale="):
            listi.from_ase(atoms)
        assert bonds(listi.from_ase(atoms, scale=1.0 / unit)) == bonds(glass)


@pytest.mark.parametrize("scale", [0, -1.0, np.nan, "10", None, True, [10.0], 1j])
def test_a_scale_is_a_positive_number(glass, scale):
    with pytest.raises(ValueError, match=r"^scale: .* is not a factor > 0$"):
        listi.network_of(glass.positions, glass.cell, glass.species, scale)
    with pytest.raises(ValueError, match="^scale: "):
        listi.from_ase(listi.to_ase(glass), symbols=("O", "Si"), scale=scale)


def test_a_mean_distance_that_is_not_that_of_silica_warns():
    crystal = honeycomb(6, 8)
    carbon = crystal.positions[crystal.silicon] * 1.42 / BOND, crystal.cell * 1.42 / BOND
    with pytest.warns(
        UserWarning, match=r"mean Si-Si distance is 1.42 Å, in silica 3.05 Å; .*scale=2.148 would make it"
    ):
        listi.network_of(*carbon)
    with warnings.catch_warnings(action="error"):
        listi.network_of(*carbon, scale=2.148)
    for scale in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="^scale: .* is not a factor > 0"):
            listi.network_of(*carbon, scale=scale)
