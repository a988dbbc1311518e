"""Rings and their statistics on networks drawn by hand; bad input; formats."""

import numpy as np
import pytest
from handmade import honeycomb

from listi.network import bonds, formats
from listi.network.bonds import oxygen_coordination
from listi.network.geometry import minimum_image
from listi.network.network import Network
from listi.network.rings import aboav_weaire, ring_neighbour_sizes, ring_sizes, ring_statistics, rings

# A square (0-3) with a triangle on its right side (1, 4, 2) and a pentagon on its left (0, 3, 5, 6,
# 7); Si 8 dangles from the triangle's tip into the open.
#
#        6 ... 5 ------ 3 ------ 2
#        |              |        |  \
#        |              |        |   4 --- 8
#        |              |        |  /
#        7 ------------ 0 ------ 1
DRAWN_POSITIONS = np.array([
    [10, 10], [13, 10], [13, 13], [10, 13], [15.6, 11.5], [8, 14], [6, 12], [7, 9], [18.6, 11.5],
], dtype=float)  # fmt: skip
DRAWN_BONDS = [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 0],
    [1, 4],
    [4, 2],
    [3, 5],
    [5, 6],
    [6, 7],
    [7, 0],
    [4, 8],
]


def drawn(shift=(0.0, 0.0), cell=(30.0, 28.0)):
    positions = np.mod(DRAWN_POSITIONS + shift, cell)
    return Network(positions, np.zeros(9, dtype=int), DRAWN_BONDS, np.array(cell))


def without(network, bond):
    """The network without one Si-Si bond."""
    keep = [b for b in network.bonds.tolist() if b != sorted(bond)]
    return network.replace(bonds=keep)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (18.0, 0.0), (18.0, 16.5)])
def test_rings_of_a_drawn_network_inside_and_across_the_border(shift):
    found = [ring.tolist() for ring in rings(drawn(shift))]
    assert found == [[0, 1, 2, 3], [0, 3, 5, 6, 7], [1, 4, 2]]


def test_statistics_of_the_drawn_network():
    sizes = ring_sizes(drawn())
    assert sizes.tolist() == [4, 5, 3]
    assert ring_statistics(sizes) == {3: 1 / 3, 4: 1 / 3, 5: 1 / 3}
    # The square has both others as neighbours, they only have the square.
    assert ring_neighbour_sizes(drawn()) == {3: 4.0, 4: 4.0, 5: 4.0}


def test_aboav_weaire_of_the_drawn_network():
    # mu = 4, s² = 2/3; x = n - mu = -1, 0, 1; y = n m_n - mu² - s² = -4 2/3, -2/3, 3 1/3; slope of
    # y: 4 = mu (1 - alpha).
    assert aboav_weaire(drawn()) == pytest.approx(0.0, abs=1e-12)


def test_opening_a_wall_of_a_crystal_makes_a_ten_ring():
    crystal = honeycomb(6, 8)
    opened = without(crystal, crystal.bonds[17].tolist())
    assert ring_statistics(ring_sizes(opened)) == {6: 46 / 47, 10: 1 / 47}
    # Of the eight 6-rings around it (ten less the wall counted twice), two share two walls with the
    # 10-ring.
    assert ring_neighbour_sizes(opened)[10] == 6.0
    assert ring_neighbour_sizes(opened)[6] == pytest.approx((46 * 36 - 10 * 6 + 10 * 10) / (46 * 6))


def test_crystal_has_hexagons_only_and_no_alpha():
    crystal = honeycomb(6, 8, shift=(0.3, -0.4))
    assert ring_sizes(crystal).tolist() == [6] * 48
    assert sorted(np.concatenate(rings(crystal)).tolist()) == sorted(3 * crystal.silicon.tolist())
    assert set(oxygen_coordination(crystal)) == {3}
    with pytest.raises(ValueError, match="all rings have size 6"):
        aboav_weaire(crystal)


def test_rings_are_anticlockwise_start_lowest_and_do_not_depend_on_the_order_of_bonds(glass):
    shuffled = glass.replace(bonds=np.random.default_rng(0).permutation(glass.bonds)[:, ::-1])
    for one, other in zip(rings(glass), rings(shuffled), strict=True):
        assert one.tolist() == other.tolist()
        assert one[0] == one.min()
        corners = np.cumsum(minimum_image(np.diff(glass.positions[one], axis=0), glass.cell), axis=0)
        area = np.sum(corners[:-1, 0] * corners[1:, 1] - corners[:-1, 1] * corners[1:, 0])
        assert area > 0


def test_network_without_bonds_has_no_rings():
    assert rings(drawn().replace(bonds=np.empty((0, 2), dtype=int))) == []


def test_a_network_is_frozen(glass):
    with pytest.raises(ValueError, match="read-only"):
        glass.positions[0] = 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": [30.0]}, "cell: "),
        ({"cell": [30.0, 0.0]}, "cell: "),
        ({"cell": [30.0, np.inf]}, "cell: "),
        ({"positions": np.zeros((9, 3))}, r"positions: shape \(9, 3\)"),
        ({"positions": np.zeros((0, 2))}, r"positions: shape \(0, 2\)"),
        (
            {"positions": np.where(np.eye(9, 2) > 0, np.nan, DRAWN_POSITIONS)},
            "positions: atom 0 is at",
        ),
        ({"positions": "abc"}, "positions: .* cannot be read"),
        (
            {"positions": np.vstack([DRAWN_POSITIONS[:8], DRAWN_POSITIONS[0] + [30.1, 0]])},
            "atoms 0 and 8 overlap",
        ),
        ({"species": np.zeros(8)}, r"species: shape \(8,\)"),
        ({"species": [0, 0, 0, -1, 0, 0, 0, 0, 0]}, "species: atom 3 has -1"),
        ({"species": np.full(9, 300)}, "species: int64 values are not all whole numbers within int8"),
        ({"species": np.full(9, 0.5)}, "species: float64 values are not all whole numbers"),
        ({"bonds": [0, 1]}, r"bonds: shape \(2,\)"),
        ({"bonds": [[0, 9]]}, r"bonds: entry 0 is \[0, 9\]"),
        ({"bonds": [[0, 1], [-1, 2]]}, r"bonds: entry 1 is \[-1, 2\]"),
        ({"bonds": [[2, 2]]}, "two different atoms of species 0"),
        (
            {"species": [1, 0, 0, 0, 0, 0, 0, 0, 0]},
            r"bonds: entry 0 is \[0, 1\]; a bond joins two different atoms",
        ),
        ({"bonds": [[0, 1], [1, 0]]}, r"bonds: \[0, 1\] is listed twice"),
        ({"bonds": [[6, 4]]}, r"bonds: entry 0 \[6, 4\] is 9.61 Å long"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        drawn().replace(**changes)
    assert "\n" not in str(caught.value)


def test_other_materials_have_other_species_but_not_in_the_formats_of_silica(tmp_path):
    three = drawn().replace(species=[0, 0, 0, 0, 0, 0, 0, 1, 2], bonds=[])
    assert three.silicon.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for write in (formats.write_extxyz, formats.write_lammps_data, lambda network, _: formats.to_ase(network)):
        with pytest.raises(ValueError, match="network: atom 8 has species 2"):
            write(three, tmp_path / "three")
    assert not list(tmp_path.iterdir())


def assert_same(one, other):
    for name in ("positions", "species", "bonds", "cell"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_xarray_round_trip(glass):
    dataset = glass.to_xarray()
    assert all({"units", "long_name"} <= set(v.attrs) for v in dataset.data_vars.values())
    assert_same(Network.from_xarray(dataset), glass)


def test_ase_round_trip(glass):
    atoms = formats.to_ase(glass)
    assert atoms.get_chemical_formula() == f"O{3 * 120}Si{2 * 120}"
    assert_same(formats.from_ase(atoms), glass)


def test_extxyz_round_trip(glass, tmp_path):
    formats.write_extxyz(glass, tmp_path / "glass.xyz")
    assert_same(formats.read_extxyz(tmp_path / "glass.xyz"), glass)


def test_lammps_data_round_trip(glass, tmp_path):
    formats.write_lammps_data(glass, tmp_path / "glass.data")
    read = formats.read_lammps_data(tmp_path / "glass.data")
    np.testing.assert_allclose(read.positions, glass.positions, rtol=0, atol=1e-13)  # ASE converts units and back
    assert_same(read.replace(positions=glass.positions), glass)


def test_foreign_elements_skew_cells_and_three_silicon_at_an_oxygen_are_refused(glass):
    atoms = formats.to_ase(glass)
    atoms.symbols[7] = "Ge"
    with pytest.raises(ValueError, match="atom 7 is Ge"):
        formats.from_ase(atoms)
    atoms = formats.to_ase(glass)
    atoms.set_cell([[53, 1, 0], [0, 55, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="not a rectangle"):
        formats.from_ase(atoms)
    for change, message in (
        ({"pbc": [True, False, False]}, r"pbc \[True, False, False\]; the cell must be periodic along x and y"),
        ({"positions": np.column_stack([glass.positions, np.arange(600) % 2])}, "heights z differ by 1 Å"),
        ({"cell": [[53, 0, 0], [0, 55, 0], [0, 9, 9]]}, "not a rectangle"),
        ({"symbols": "Si600"}, "there is no O; listi.network_of"),
    ):
        atoms = formats.to_ase(glass)
        for name, value in change.items():
            setattr(atoms, name, value)
        with pytest.raises(ValueError, match=message):
            formats.from_ase(atoms)
    with pytest.raises(ValueError, match=r"O \d+ has \d Si within 4"):
        bonds.bonds_through_oxygen(glass.positions, glass.species, glass.cell, radius=4.0)
