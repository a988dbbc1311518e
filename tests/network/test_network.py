"""Rings and their statistics on networks drawn by hand; bad input; formats."""

import copy
import pickle
from pathlib import Path

import ase.io
import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

import listi
from listi.files import DataError
from listi.network import bonds, formats
from listi.network.bonds import oxygen_coordination
from listi.network.geometry import minimum_image
from listi.network.network import Network
from listi.network.rings import (
    aboav_weaire,
    bond_rings,
    outer_silicon,
    ring_adjacency,
    ring_neighbour_sizes,
    ring_sizes,
    ring_statistics,
    rings,
)

WRITTEN_BY_LAMMPS = Path(__file__).with_name("lammps_files")  # of `honeycomb(4, 6)`, displaced

FORMAT = {"format": "lammps-dump-text"}

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


def repeated(network, nx, ny):
    """The network, repeated along both edges of its cell."""
    first, second = network.bonds.T
    crossed = np.round((network.positions[first] - network.positions[second]) / network.cell).astype(int)
    positions, bonds = [], []
    for i, j in np.ndindex(nx, ny):
        copy_of_second = np.mod(crossed + [i, j], [nx, ny]) @ [ny, 1]
        positions.append(network.positions + [i, j] * network.cell)
        bonds.append(
            np.column_stack([first + (i * ny + j) * network.n_atoms, second + copy_of_second * network.n_atoms])
        )
    species = np.tile(network.species, nx * ny)
    return Network(np.concatenate(positions), species, np.concatenate(bonds), network.cell * [nx, ny])


def test_ring_statistics_are_those_of_the_repeated_glass(glass):
    torn = glass.replace(bonds=glass.bonds[~np.isin(np.arange(len(glass.bonds)), [3, 50, 51, 200])])
    for network in (glass, torn):
        again = repeated(network, 2, 2)
        assert ring_statistics(ring_sizes(again)) == ring_statistics(ring_sizes(network))
        assert ring_neighbour_sizes(again) == pytest.approx(ring_neighbour_sizes(network))
        assert aboav_weaire(again) == pytest.approx(aboav_weaire(network))


@pytest.mark.parametrize(("lost", "largest"), [(0, 6), (1, 10), (2, 12), (3, 12)])
def test_a_dead_end_belongs_to_no_ring(lost, largest):
    crystal = honeycomb(6, 8)
    at = np.flatnonzero((crystal.bonds == 50).any(axis=1))
    torn = crystal.replace(bonds=np.delete(crystal.bonds, at[:lost], axis=0))
    longest = max(rings(torn), key=len)
    assert len(longest) == len(set(longest.tolist())) == max(ring_sizes(torn)) == largest
    assert (50 in np.concatenate(rings(torn))) == (lost < 2)
    left, right = bond_rings(torn)
    around = (torn.bonds != 50).all(axis=1) if lost > 1 else np.ones(len(torn.bonds), dtype=bool)
    assert np.all(left[around] > 0) and np.all(right[around] > 0)
    assert not left[~around].any() and not right[~around].any()
    assert listi.per_atom(torn).largest_ring[50] == (0 if lost > 1 else largest)
    assert outer_silicon(torn).size == 0  # a ring surrounds the dead end


def test_a_ring_that_hangs_on_one_bond_inside_another_is_a_ring_and_no_part_of_the_other():
    corners = np.exp(2j * np.pi * np.arange(12) / 12)
    outer, inner = 2.9 / abs(corners[1] - corners[0]) * corners, 1.7 * corners[::4]
    places = np.concatenate([outer, inner])
    bonds = [*((k, (k + 1) % 12) for k in range(12)), (12, 13), (13, 14), (14, 12), (0, 12)]
    network = Network(np.column_stack([places.real, places.imag]) + 15.0, np.zeros(15), bonds, [30.0, 30.0])
    assert [ring.tolist() for ring in rings(network)] == [list(range(12)), [12, 13, 14]]
    assert outer_silicon(network).tolist() == list(range(12))
    sizes, adjacency = ring_adjacency(network)
    assert sizes.tolist() == [12, 3] and adjacency.sum() == 0


def test_network_without_bonds_has_no_rings():
    assert rings(drawn().replace(bonds=np.empty((0, 2), dtype=int))) == []


def test_a_network_is_frozen(glass):
    for network in (glass, copy.deepcopy(glass), pickle.loads(pickle.dumps(glass))):
        with pytest.raises(ValueError, match="read-only"):
            network.positions[0] = 0.0


def test_networks_are_equal_if_all_their_arrays_are(glass):
    same, other = glass.replace(positions=glass.positions.copy()), glass.replace(bonds=glass.bonds[:-1])
    assert glass == same and hash(glass) == hash(same) and same in [other, glass]
    assert glass != other and len({glass, same, other}) == 2 and glass != "glass"


def test_a_network_says_what_it_is_and_shows_its_bonds():
    crystal = honeycomb(4, 6)
    line = "Network: 48 Si, 72 O, 72 bonds, 20.8 x 27.0 Å"
    assert repr(crystal) == line
    page = crystal._repr_html_()
    assert line in page and page.count("M") == 72
    three = drawn().replace(species=[0, 0, 0, 0, 0, 0, 0, 1, 2], bonds=[])
    assert repr(three) == "Network: 7 of species 0, 1 of species 1, 1 of species 2, 0 bonds, 30.0 x 28.0 Å"
    assert "<svg" not in three._repr_html_()


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
        ({"positions": "abc"}, "positions: cannot be read"),
        (
            {"positions": np.vstack([DRAWN_POSITIONS[:8], DRAWN_POSITIONS[0] + [30.1, 0]])},
            "atoms 0 and 8 overlap",
        ),
        ({"positions": np.ma.masked_equal(DRAWN_POSITIONS, 7.0)}, "positions: has masked values"),
        ({"cell": [30.0, 28.0 + 1j]}, "cell: .* complex128 values are not real numbers"),
        ({"bonds": np.ma.masked_equal(DRAWN_BONDS, 8)}, "bonds: has masked values"),
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


def test_arrays_of_any_layout_are_the_same_network(glass):
    big_endian = [getattr(glass, name).astype(kind) for name, kind in (("positions", ">f8"), ("species", ">i2"))]
    again = Network(np.asfortranarray(big_endian[0]), big_endian[1], glass.bonds.tolist(), glass.cell.astype(object))
    assert_same(again, glass)
    assert all(array.flags.c_contiguous and array.dtype.isnative for array in (again.positions, again.species))


@pytest.mark.parametrize(
    "function",
    ["relax", "deform", "rupture", "probe", "yield_stress", "predict", "weakest", "per_atom", "to_ase", "stress"]
    + ["elastic_moduli"],
)
@pytest.mark.parametrize("other", ["glass.xyz", None, ase.Atoms("SiO")])
def test_what_is_no_network_is_named(function, other):
    with pytest.raises(ValueError, match=f"^network: {type(other).__name__} is not a listi.Network"):
        getattr(listi, function)(other)


def test_other_materials_have_other_species_but_not_in_the_formats_of_silica(tmp_path):
    three = drawn().replace(species=[0, 0, 0, 0, 0, 0, 0, 1, 2], bonds=[])
    assert three.silicon.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for write in (formats.write_extxyz, formats.write_lammps_data, lambda network, _: formats.to_ase(network)):
        with pytest.raises(ValueError, match="network: atom 8 has species 2"):
            write(three, tmp_path / "three")
    assert not list(tmp_path.iterdir())
    symbols = ("Si", "O", "Ge")
    formats.write_extxyz(three, tmp_path / "three.xyz", symbols=symbols)
    for atoms in (formats.to_ase(three, symbols=symbols), ase.io.read(tmp_path / "three.xyz")):
        assert_same(formats.from_ase(atoms, symbols), three)
    with pytest.raises(ValueError, match="^symbols: 'Ja' is no chemical element"):
        formats.to_ase(three, symbols=("Si", "O", "Ja"))


@pytest.mark.parametrize("name", ["Z", "forces", "stress", "species", "pos", "two words"])
def test_names_that_mean_something_else_in_a_file_are_refused(glass, tmp_path, name):
    with pytest.raises(ValueError, match=f"quantities: '{name}' cannot be the name of a column"):
        formats.write_extxyz(glass, tmp_path / "glass.xyz", xr.Dataset({name: ("atom", np.ones(glass.n_atoms))}))


@pytest.mark.parametrize("kind", [complex, str, "datetime64[s]"])
def test_only_real_numbers_are_written_as_quantities(glass, tmp_path, kind):
    values = np.zeros(glass.n_atoms).astype(kind)
    with pytest.raises(ValueError, match="quantities: mine is .*; only real numbers"):
        formats.write_extxyz(glass, tmp_path / "glass.xyz", xr.Dataset({"mine": ("atom", values)}))
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
    for name in ("glass.xyz", "glass, häuslich.xyz.gz"):
        formats.write_extxyz(glass, tmp_path / name)
        assert_same(formats.read_extxyz(str(tmp_path / name)), glass)
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")  # gzip


FULL = """
6 atoms
2 atom types
0 50 xlo xhi
0 50 ylo yhi
-0.5 0.5 zlo zhi

Atoms # {style}

4 {first} 1 {second} -1.45 5 0 1 0 0
5 {first} 2 {third} 0.1 5 0 0 0 0
6 {first} 1 {second} 1.6 5 0 0 0 0
1 {first} 2 {third} 20.3 5 0 0 0 0
2 {first} 1 {second} 21.85 5 0 0 0 0
3 {first} 1 {second} 18.8 5 0 0 0 0

Velocities

1 0 0 0
2 0 0 0
3 0 0 0
4 0 0 0
5 0 0 0
6 0 0 0
"""


@pytest.mark.parametrize("style", ["full", "molecular", "charge", "atomic"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.filterwarnings("ignore:positions")
def test_lammps_data_of_other_atom_styles(tmp_path, style, named):
    """A molecule or a charge before the coordinates; atoms in another order than their numbers, one image further."""
    of_molecule, charge = ("7", "") if style in ("full", "molecular") else ("", ""), style in ("full", "charge")
    text = FULL.format(style=style, first=of_molecule[0], second="1.2" * charge, third="-0.6" * charge)
    (tmp_path / "full.data").write_text(text if named else text.replace(f" # {style}", ""))
    read = formats.read_lammps_data(tmp_path / "full.data", None if named else style)
    assert read.species.tolist() == [1, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(np.mod(read.positions[:, 0], 50.0), [20.3, 21.85, 18.8, 48.55, 0.1, 1.6])
    assert bonds_of(read) == {(1, 2), (3, 5)}


def bonds_of(network):
    return {tuple(bond) for bond in np.sort(network.bonds, axis=1).tolist()}


@pytest.mark.parametrize("read", [formats.read_extxyz, formats.read_lammps_data])
@pytest.mark.parametrize("text", [None, "", "glass\n", "600\n"])
def test_files_that_cannot_be_read_are_named(tmp_path, read, text):
    path = tmp_path / "glass.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"glass.txt: cannot be read as (extxyz|lammps-data): ."):
        read(path)


def test_lammps_data_round_trip(glass, tmp_path):
    formats.write_lammps_data(glass, tmp_path / "glass.data")
    read = formats.read_lammps_data(tmp_path / "glass.data")
    np.testing.assert_allclose(read.positions, glass.positions, rtol=0, atol=1e-13)  # ASE converts units and back
    assert_same(read.replace(positions=glass.positions), glass)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("atomic.data", None),
        ("charge.data", None),
        ("scaled.dump", {"specorder": ["Si", "O"]}),
        ("triclinic.dump", {"specorder": ["Si", "O"]}),
        ("elements.dump", {}),
    ],
)
def test_files_that_lammps_wrote_are_read(name, settings):
    crystal, path = honeycomb(4, 6), WRITTEN_BY_LAMMPS / name
    read = (
        formats.read_lammps_data(path)
        if settings is None
        else formats.from_ase(ase.io.read(path, **FORMAT, **settings))
    )
    np.testing.assert_array_equal(read.bonds, crystal.bonds)
    np.testing.assert_allclose(read.cell, crystal.cell)
    moved = minimum_image(
        read.positions - crystal.positions - ([0.0, 0.0] if "charge" in name else [9.0, -7.0]), read.cell
    )
    assert np.abs(moved).max() < 0.1


def test_types_without_elements_are_refused_with_the_argument_that_helps(glass):
    with pytest.raises(ValueError, match=r"atom 0 is H; allowed are Si and O; .* specorder=\['Si', 'O'\] for a dump"):
        formats.from_ase(ase.io.read(WRITTEN_BY_LAMMPS / "scaled.dump", **FORMAT))


def test_rectangles_in_other_settings_are_read(glass):
    def changed(change):
        atoms = formats.to_ase(glass)
        change(atoms)
        return formats.from_ase(atoms)

    def in_a_high_cell(atoms):
        atoms.set_cell([*glass.cell, 20.0])
        atoms.pbc = True
        atoms.positions[::2, 2], atoms.positions[1::2, 2] = 19.99, 0.02

    for change in (
        lambda atoms: atoms.set_cell([[glass.cell[0], 1e-6, 0], [0, glass.cell[1], 0], [0, 0, 1]]),
        in_a_high_cell,
    ):
        np.testing.assert_array_equal(changed(change).bonds, glass.bonds)
        np.testing.assert_array_equal(changed(change).positions, glass.positions)
    for degrees, cell in ((90, glass.cell[::-1]), (180, glass.cell), (270, glass.cell[::-1])):
        turned = changed(lambda atoms: atoms.rotate(degrees, "z", rotate_cell=True))  # noqa: B023 (called at once)
        np.testing.assert_array_equal(turned.bonds, glass.bonds)
        np.testing.assert_allclose(turned.cell, cell)  # what lay along x lies along y: shear along x is another
    with pytest.raises(ValueError, match=r"not a rectangle .*; atoms.rotate\(-30, 'z', rotate_cell=True\) turns it"):
        changed(lambda atoms: atoms.rotate(30, "z", rotate_cell=True))


def test_a_buckled_sheet_is_flattened_if_wanted(glass):
    atoms = formats.to_ase(glass)
    atoms.positions[:, 2] = np.linspace(0.0, 0.7, glass.n_atoms)
    with pytest.raises(ValueError, match="heights z differ by 0.7 Å; .* flatten=True"):
        formats.from_ase(atoms)
    with pytest.warns(UserWarning, match="heights z differ by 0.7 Å; they are left out"):
        assert_same(formats.from_ase(atoms, flatten=True), glass)


def test_foreign_elements_skew_cells_and_three_silicon_at_an_oxygen_are_refused(glass):
    for other in ("glass.xyz", [formats.to_ase(glass)], glass):
        with pytest.raises(ValueError, match=f"^atoms: {type(other).__name__} is not ase.Atoms"):
            formats.from_ase(other)
    atoms = formats.to_ase(glass)
    atoms.symbols[7] = "Ge"
    with pytest.raises(ValueError, match="atom 7 is Ge"):
        formats.from_ase(atoms)
    atoms = formats.to_ase(glass)
    atoms.set_cell([[53, 1, 0], [0, 55, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="not a rectangle"):
        formats.from_ase(atoms)
    for change, message in (
        ({"pbc": [True, False, False]}, r"pbc \[True, False, False\]; the cell must be periodic .* listi.imaging"),
        ({"positions": np.column_stack([glass.positions, np.arange(600) % 2])}, "heights z differ by 1 Å"),
        ({"positions": np.pad(glass.positions, ((0, 0), (0, 1)), constant_values=np.nan)}, "atom 0 has no finite"),
        ({"cell": [[53, 0, 0], [0, 55, 0], [0, 9, 9]]}, "not a rectangle"),
        ({"cell": [[53, 0, 0], [0, 0, 55], [0, -1, 0]]}, "not a rectangle along x and y$"),
        ({"symbols": "Si600"}, "there is no O; listi.network_of"),
    ):
        atoms = formats.to_ase(glass)
        for name, value in change.items():
            setattr(atoms, name, value)
        with pytest.raises(ValueError, match=message):
            formats.from_ase(atoms)
    with pytest.raises(ValueError, match=r"O \d+ has \d Si within 4"):
        bonds.bonds_through_oxygen(glass.positions, glass.species, glass.cell, radius=4.0)


def test_a_sample_says_what_it_holds():
    crystal, lines = honeycomb(4, 6), {"x": [0.0, 9.0], "y": [0.0]}
    predictions = xr.Dataset({"listi": (("x", "y"), np.ones((2, 1))), "silicon": ("atom", np.ones(3))}, lines)
    shear = xr.Dataset({"event_strain": ("event", [0.01, 0.02])})
    sample = listi.Sample(crystal, shear, predictions.rename(listi="threshold"), predictions, {"name": "mine.nc"})
    rest = "2 events up to strain 0.02; probed at 2 x 1 points; maps: listi"
    assert repr(sample) == f"Sample mine.nc; {crystal!r}; {rest}"
    assert rest in sample._repr_html_() and "<svg" in sample._repr_html_()
    assert repr(listi.Sample(crystal)) == f"Sample; {crystal!r}"
