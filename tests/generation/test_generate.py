"""Bond switching: the dual, switches and their inverses, bookkeeping, the atoms that follow, finished samples."""

import numpy as np
import pytest

import listi
from listi.generation import dual, generate, neighbourhood, switching
from listi.generation.lattices import Lattices, Proposals, largest_radius, misbonded
from listi.mechanics import system
from listi.mechanics.forms import SILICA
from listi.mechanics.neighbours import sort_into_bins
from listi.network.bonds import bond_orientational_order, oxygen_coordination
from listi.network.geometry import minimum_image
from listi.network.rings import aboav_weaire, ring_neighbour_sizes, ring_sizes, ring_statistics


def random_switches(net, n, seed=0):
    """Switch n random bonds of a dual, whatever this does to chi; return (bond, sense) of each."""
    random, done = np.random.default_rng(seed), []
    while len(done) < n:
        bond, sense = int(random.integers(len(net.owner))), bool(random.integers(2))
        if can_switch(net, bond):
            dual.switch(net, bond, sense)
            done.append((bond, sense))
    return done


def can_switch(net, bond):
    """Would a switch keep rings between 4 and 9 and make two rings neighbours that are not?"""
    si = net.owner[bond]
    other = net.neighbours[si][net.sides[si] == bond][0]
    c, d = (
        net.corners[si][net.sides[si] == bond][0],
        net.corners[other][net.sides[other] == bond][0],
    )
    shrinking, growing = net.sizes[dual.ring_pairs(net)[bond]], net.sizes[[c, d]]
    return shrinking.min() > 4 and growing.max() < 9 and c != d and d not in neighbours(net, c)


def neighbours(net, ring):
    """Rings that share a side with `ring`, found by looking at all of them."""
    pairs = dual.ring_pairs(net)
    return set(pairs[(pairs == ring).any(axis=1)].ravel().tolist()) - {ring}


def copy(net):
    return dual.Dual(*(field.copy() for field in net))


def assert_equal(one, other, but=()):
    for name in one._fields:
        if name not in but:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_consistent(net):
    """Everything that is kept up incrementally equals what is counted afresh."""
    fresh = dual.triangulation(net.corners, net.centres, net.cell)
    np.testing.assert_array_equal(net.neighbours, fresh.neighbours)
    for name in ("sizes", "contact", "count", "contacts"):
        np.testing.assert_array_equal(getattr(net, name), getattr(fresh, name), err_msg=name)
    ends = dual.bond_ends(net)
    for k in range(3):
        own = np.stack([np.arange(len(net.corners)), net.neighbours[:, k]], axis=1)
        np.testing.assert_array_equal(ends[net.sides[:, k]], np.sort(own, axis=1))
    assert all(ring in net.corners[net.member[ring]] for ring in range(len(net.sizes)))


def test_honeycomb_dual_has_six_neighbours_everywhere():
    net = dual.honeycomb(8, 10)
    assert_consistent(net)
    assert net.sizes.tolist() == [6] * 80
    assert net.contact.tolist() == [36] * 80
    assert len(net.owner) == 240
    ends = dual.bond_ends(net)
    assert np.all(np.diff(ends[:, 0]) >= 0)
    distance = np.linalg.norm(
        minimum_image(np.subtract(*net.centres[dual.ring_pairs(net)].transpose(1, 0, 2)), net.cell),
        axis=1,
    )
    np.testing.assert_allclose(distance, np.sqrt(3) * 3.05)


def test_crystal_is_numbered_along_bonded_rows_from_the_top_left():
    net = Lattices(8, 10, 11.0).dual
    atoms = Lattices(8, 10, 11.0).atoms.positions
    x, y = np.mod(atoms[:160], net.cell).T
    place = np.arange(160) % 16
    np.testing.assert_allclose(x, (0.5 * place + 0.25) * np.sqrt(3) * 3.05, atol=1e-6)
    middle = (y[place % 2 == 0] + y[place % 2 == 1]) / 2
    np.testing.assert_allclose(middle, 10 * 4.575 - (np.repeat(np.arange(10), 8) + 0.5) * 4.575, atol=1e-6)
    bonds = {tuple(b) for b in dual.bond_ends(net).tolist()}
    assert all((i, i + 1) in bonds for i in range(160) if i % 16 != 15)


def test_crystal_sits_at_the_stated_stress():
    atoms = Lattices(8, 10, 11.0).atoms
    crystal = system.System(atoms.positions, atoms.species, atoms.cell)
    np.testing.assert_allclose(crystal.stress(), 0.00552 * np.eye(2), atol=5e-6)
    assert np.abs(crystal.energy_forces()[1]).max() < 1e-12


@pytest.mark.parametrize("sense", [True, False])
def test_one_switch_worked_out_by_hand(sense):
    # Si 0 and 1 are the first bond of the top row: the ring above and the one below lose it, those
    # at its ends gain it.
    net = dual.honeycomb(8, 10)
    bond = int(np.flatnonzero((dual.bond_ends(net) == [0, 1]).all(axis=1))[0])
    sides = set(dual.ring_pairs(net)[bond].tolist())
    tips = set(net.corners[[0, 1]].ravel().tolist()) - sides
    before = {si: set(net.neighbours[si].tolist()) for si in (0, 1)}
    dual.switch(net, bond, sense)
    assert_consistent(net)
    assert {int(r) for r in np.flatnonzero(net.sizes == 5)} == sides
    assert {int(r) for r in np.flatnonzero(net.sizes == 7)} == tips
    assert set(dual.ring_pairs(net)[bond].tolist()) == tips
    assert dual.bond_ends(net)[bond].tolist() == [0, 1]
    after = {si: set(net.neighbours[si].tolist()) for si in (0, 1)}
    for si, other in (
        (0, 1),
        (1, 0),
    ):  # each keeps the common bond and one other, and takes one from its partner
        assert other in after[si]
        assert len(after[si] & before[si] - {other}) == 1
        assert len(after[si] & before[other] - {si}) == 1


@pytest.mark.parametrize("sense", [True, False])
def test_the_inverse_of_each_switch_restores_the_network_exactly(sense):
    net = dual.honeycomb(8, 10)
    random_switches(net, 150)
    possible = [bond for bond in range(240) if can_switch(net, bond)]
    assert len(possible) > 50
    for bond in possible:
        before = copy(net)
        dual.switch(net, bond, sense)
        assert not np.array_equal(net.corners, before.corners)
        dual.switch(net, bond, not sense)
        assert_equal(net, before, but=("owner", "member"))  # any Si of a bond or ring will do there
        np.testing.assert_array_equal(dual.bond_ends(net), dual.bond_ends(before))
        assert_consistent(net)


def test_a_whole_history_undone_backwards_gives_the_honeycomb_back():
    net = dual.honeycomb(8, 10)
    start = copy(net)
    history = random_switches(net, 200)
    assert_consistent(net)
    for bond, sense in reversed(history):
        dual.switch(net, bond, not sense)
    assert_equal(net, start, but=("owner", "member"))


def test_chi_of_a_single_defect():
    net = dual.honeycomb(8, 10)
    target = np.zeros(12)
    target[[5, 6, 7]] = 0.25, 0.5, 0.25
    assert switching.objective(net, target, 0.3) == pytest.approx(1 + 1 + 1 + 2)  # a crystal has no 5-rings
    dual.switch(net, 0, True)
    # Of 80 rings, two have 5 and two 7 members, s² = 4/80. A 5-ring touches two 7-rings and three hexagons, sizes that
    # add up to 32.
    alpha_5 = 1 - (32 - 36 - 4 / 80) / (6 * (5 - 6))
    assert switching.aboav_weaire_of_size(net, 5) == pytest.approx(alpha_5)
    expected = 2 * (0.25 - 2 / 80) / 0.25 + (76 / 80 - 0.5) / 0.5 + 2 * abs(alpha_5 - 0.3)
    assert switching.objective(net, target, 0.3) == pytest.approx(expected)


TARGET = np.array([0.0] * 4 + [0.1, 0.2, 0.4, 0.2, 0.1, 0.0, 0.0, 0.0])


def propose(lattices, n, seed=0, most=10**6, temperature=1.0):
    """Propose n random bonds, nearly all of which pass chi; return (switches made, undone)."""
    random = np.random.default_rng(seed)
    bonds, chances = random.integers(len(lattices.dual.owner), size=n), random.random(n)
    kernel = switching.metropolis.compiled(SILICA)
    arguments = lattices.dual, lattices.atoms, bonds, chances, TARGET, 0.3, temperature, lattices.radius, most
    return kernel(*arguments)[1:]


def test_a_switch_relaxes_the_atoms_around_it_and_no_others():
    lattices = Lattices(10, 12, 11.0)
    before = lattices.atoms.positions.copy()
    assert propose(lattices, 50, most=1) == (1, 0)
    moved = np.linalg.norm(lattices.atoms.positions - before, axis=1)
    switched = before[240:][np.argmax(moved[240:])]
    away = np.linalg.norm(minimum_image(before - switched, lattices.dual.cell), axis=1)
    assert moved.max() > 1.0
    assert np.all(moved[away > 2 * lattices.radius] == 0.0)
    forces = system.System(lattices.atoms.positions, lattices.atoms.species, lattices.dual.cell).energy_forces()[1]
    assert np.abs(forces[moved > 0.0]).max() < 1e-6
    assert np.abs(forces).max() > 1e-4  # on the atoms around, until the whole sample is relaxed
    assert lattices.relax().size == 0
    forces = system.System(lattices.atoms.positions, lattices.atoms.species, lattices.dual.cell).energy_forces()[1]
    assert np.abs(forces).max() < 1e-6
    assert misbonded(lattices.atoms.positions, lattices.dual, lattices.dual.cell).size == 0


def test_ring_centres_follow_the_atoms():
    lattices = Lattices(10, 12, 11.0)
    made, _ = propose(lattices, 60)
    assert made > 10
    assert_consistent(lattices.dual)
    assert lattices.relax().size == 0
    for ring in range(0, 120, 7):
        around = lattices.atoms.positions[:240][(lattices.dual.corners == ring).any(axis=1)]
        assert len(around) == lattices.dual.sizes[ring]
        offset = minimum_image(around - lattices.dual.centres[ring], lattices.dual.cell)
        np.testing.assert_allclose(offset.mean(axis=0), 0.0, atol=1e-9)


def stretched(nx, ny, radius=11.0, factor=1.25):
    """Make a crystal in a box in which it hardly holds together."""
    lattices = Lattices(nx, ny, radius)
    for array in (lattices.atoms.positions, lattices.dual.centres, lattices.dual.cell):
        array *= factor
    return lattices


def test_a_switch_that_tears_the_network_is_undone():
    lattices = stretched(10, 12)
    before, positions = copy(lattices.dual), lattices.atoms.positions.copy()
    made, torn = propose(lattices, 40)
    assert (made, torn > 20) == (0, True)
    assert_equal(lattices.dual, before, but=("owner", "member"))
    np.testing.assert_array_equal(lattices.atoms.positions, positions)
    assert np.all(lattices.atoms.place == -1)


def test_a_batch_that_tears_the_sample_is_made_again_without_the_bonds_around(monkeypatch):
    lattices, tears = Lattices(20, 24, 11.0), [np.array([5]), np.array([5])]
    real = Lattices.relax
    monkeypatch.setattr(Lattices, "relax", lambda self, part: tears.pop() if tears else real(self, part))
    before, start = copy(lattices.dual), lattices.atoms.positions.copy()
    whole = lattices.parts(None)
    bonds = np.random.default_rng(2).integers(1440, size=200)
    proposals = [Proposals(*whole, bonds, np.full(200, 0.5), 1000)]
    assert lattices.switch(proposals, TARGET, 0.3, 1.0) == [200]
    away = np.linalg.norm(minimum_image(start[:960] - start[5], before.cell), axis=1)
    changed = (lattices.dual.neighbours != before.neighbours).any(axis=1)
    assert away[changed].min() > 30.0 - 6.0  # twice torn, then 1.5 x 20 Å; an O is half a bond from its Si
    assert changed.sum() > 20
    assert lattices.made > 3
    assert lattices.torn > lattices.made


@pytest.fixture
def in_parts(monkeypatch):
    """Switch samples of more than 100 rings in parts of about 5 x 6 rings."""
    monkeypatch.setattr("listi.generation.lattices._ONE_PART", 100)
    monkeypatch.setattr("listi.generation.lattices._MARGIN", 13.0)
    monkeypatch.setattr("listi.generation.lattices._PART", (5, 6))


@pytest.mark.parametrize(("nx", "ny", "n_parts"), [(20, 24, 4), (30, 24, 6), (50, 6, 5)])
def test_parts_are_every_other_field_and_what_moves_with_them_does_not_overlap(in_parts, nx, ny, n_parts):
    lattices = Lattices(nx, ny, 11.0)
    parts, cell = lattices.parts(np.random.default_rng(3)), lattices.dual.cell
    assert len(parts) == n_parts
    moved = [part.around(lattices.atoms.positions, cell, part.margin()) for part in parts]
    assert np.sum(moved, axis=0).max() == 1
    narrow = parts[0].edges == cell
    assert narrow.tolist() == [False, ny == 6]
    assert np.prod(parts[0].edges) * len(parts) == pytest.approx(np.prod(cell) * 0.5 ** (2 - narrow.sum()))
    assert np.all(parts[0].margin()[~narrow] > lattices.radius)
    oxygen = lattices.atoms.positions[2 * nx * ny :]
    for part in parts:
        np.testing.assert_array_equal(lattices.bonds_in(part), np.flatnonzero(part.distance(oxygen, cell) == 0.0))


def test_every_bond_is_as_often_in_a_part_as_any_other(in_parts):
    lattices, random = Lattices(20, 24, 11.0), np.random.default_rng(7)
    times = np.zeros(1440)
    for _ in range(400):
        for part in lattices.parts(random):
            times[lattices.bonds_in(part)] += 1
    assert times.mean() == pytest.approx(100, abs=2)
    assert abs(times - 100).max() < 45  # five times the standard deviation of so many draws


@pytest.mark.parametrize(("nx", "ny"), [(41, 48), (20, 98), (21, 200), (33, 60), (61, 74), (80, 96), (130, 160)])
def test_a_switch_near_the_edge_of_a_part_moves_what_moves_with_that_part(nx, ny):
    lattices = Lattices(nx, ny, 14.0)
    for part in lattices.parts(np.random.default_rng(0)):
        assert np.all((part.margin() > largest_radius(nx, ny)) | (part.edges == lattices.dual.cell))


@pytest.mark.parametrize(
    ("rings", "share", "expected"),
    [
        ((10, 12), 0.0, 2 / 120),
        ((60, 72), 0.0, 1e-3),
        ((60, 72), 0.3, 1e-3),
        ((60, 72), 0.8, 2 / 3456),
        ((60, 72), 1.2, 2 / 4320),
    ],
)
def test_the_warm_temperature_falls_with_size_once_a_large_crystal_has_its_5_rings(rings, share, expected):
    """Its first 5-rings change alpha_5 by more than a lower one allows: it would stay a crystal."""
    target = np.zeros(12)
    target[[5, 6]] = 0.25, 0.5
    crystal = dual.honeycomb(*rings)
    crystal.count[5] = round(share * target[5] * rings[0] * rings[1])
    assert generate.warm_temperature(crystal, target) == pytest.approx(expected)
    assert generate.warm_temperature(crystal, 0.0 * target) == pytest.approx(2 / min(2000, rings[0] * rings[1]))


@pytest.mark.parametrize(("rings", "cold"), [((10, 12), 1e-4), ((60, 72), 0.2 / 4320)])
def test_a_large_sample_is_switched_at_a_lower_temperature_in_the_end(monkeypatch, rings, cold):
    told = []
    monkeypatch.setattr(generate, "_switch", lambda *given: told.append(given[4]))
    with pytest.raises(RuntimeError, match="p_6 = 0.4017 not reached"):  # nothing has been switched
        listi.generate(*rings)
    assert told == [None, cold]


def test_a_part_that_tears_the_sample_is_put_back_exactly_and_the_others_are_not(in_parts, monkeypatch):
    lattices, real = Lattices(20, 24, 11.0), Lattices.relax
    propose(lattices, 30)  # no crystal, but a network like any other
    assert lattices.relax().size == 0
    before, cell = lattices._copy(), lattices.dual.cell
    parts = lattices.parts(np.random.default_rng(4))
    proposals = [Proposals(part, np.tile(lattices.bonds_in(part), 9), np.full(10**4, 0.5), 8) for part in parts]
    torn = np.flatnonzero(parts[1].distance(before.positions[:960], cell) == 0.0)[:1]
    states = []

    def relax(self, part=None):
        if part is None:
            states.append(self._copy())
        if part is None and len(states) == 1:
            self.atoms.positions[:] += 1e-3  # it goes on as long as nothing is torn
            return torn
        return real(self, part)

    monkeypatch.setattr(Lattices, "relax", relax)
    lattices.switch(proposals, TARGET, 0.3, 1.0)
    assert_consistent(lattices.dual)
    assert len(states) == 2
    near = parts[1].around(before.positions, cell, parts[1].margin())
    assert np.abs(states[0].positions - before.positions)[near].max() > 0.1
    np.testing.assert_array_equal(states[1].positions[~near], states[0].positions[~near])
    np.testing.assert_array_equal(states[1].positions[near], before.positions[near])
    changed = before.positions[:960][(lattices.dual.neighbours != before.dual.neighbours).any(axis=1)]
    many = [int((part.distance(changed, cell) < 6.0).sum()) for part in parts]  # Si of a bond whose O is in the part
    assert many[1] == 0
    assert min(many[0], many[2], many[3]) > 6
    assert lattices.made == 24
    assert real(lattices).size == 0
    assert misbonded(lattices.atoms.positions, lattices.dual, cell).size == 0


@pytest.mark.parametrize("parts_bear", [True, False])
def test_a_spot_that_tears_far_from_all_parts_is_switched_and_they_are_put_back_only_if_need_be(
    in_parts, monkeypatch, parts_bear
):
    lattices, real = Lattices(20, 24, 11.0), Lattices.relax
    propose(lattices, 30)
    assert lattices.relax().size == 0
    before, cell = lattices._copy(), lattices.dual.cell
    proposals = generate._propose(lattices, np.random.default_rng(5))
    away = np.min([one.part.distance(before.positions[:960], cell) for one in proposals], axis=0)
    weak = np.flatnonzero(away > 14.0)[:1]
    tears = [weak] * (
        1 if parts_bear else 1 + 3
    )  # and whichever of three bonds at the spot is switched beside the parts
    monkeypatch.setattr(
        Lattices, "relax", lambda self, part=None: tears.pop() if tears and part is None else real(self, part)
    )
    lattices.switch(proposals, TARGET, 0.3, 1.0)
    assert_consistent(lattices.dual)
    changed = np.flatnonzero((lattices.dual.neighbours != before.dual.neighbours).any(axis=1))
    from_spot = np.linalg.norm(minimum_image(before.positions[changed] - before.positions[weak], cell), axis=1)
    near = np.count_nonzero(from_spot < lattices.radius + 5.0)
    assert 4 <= near <= 6  # the ends of one bond and those that changed their neighbour
    if parts_bear:
        assert lattices.made > 20 and len(changed) > 50
    else:
        assert (lattices.made, len(changed)) == (1, near)
        assert lattices.torn > 20
    assert real(lattices).size == 0
    assert misbonded(lattices.atoms.positions, lattices.dual, cell).size == 0


def test_a_sample_that_tears_whatever_is_put_back_stays_as_it_was(in_parts, monkeypatch):
    lattices, real = Lattices(20, 24, 11.0), Lattices.relax
    assert lattices.relax().size == 0
    monkeypatch.setattr(Lattices, "relax", lambda self, part=None: np.array([7]) if part is None else real(self, part))
    before = lattices._copy()
    proposals = generate._propose(lattices, np.random.default_rng(5))
    lattices.switch(proposals, TARGET, 0.3, 1.0)
    assert_equal(lattices.dual, before.dual)
    np.testing.assert_array_equal(lattices.atoms.positions, before.positions)
    assert lattices.made == 0
    assert lattices.torn > 20


@pytest.fixture(scope="module")
def cut():
    """A neighbourhood of the crystal, with the dual and the places of its atoms."""
    lattices = Lattices(10, 12, 11.0)
    atoms = lattices.atoms
    grid = sort_into_bins(atoms.positions, atoms.cell)
    centre = atoms.positions[300]
    found = neighbourhood.cut_out.compiled(SILICA)(atoms, grid, centre, 11.0)
    place = np.full(600, -1)
    place[found.numbers] = np.arange(len(found.numbers))
    return lattices.dual, found, place


def looks_whole(cut, change):
    net, found, place = cut
    vectors = found.vectors.copy()
    change(net, vectors, place)
    return neighbourhood.is_whole(net, found._replace(vectors=vectors), place, 11.0)


def test_a_neighbourhood_that_lost_a_bond_or_crossed_itself_is_not_whole(cut):
    si = int(cut[1].numbers[np.argmin(np.linalg.norm(cut[1].vectors, axis=1) + 1e3 * (cut[1].numbers >= 240))])

    def oxygen_aside(net, vectors, place):
        oxygen = place[240 + net.sides[si, 0]]
        vectors[oxygen] += 0.7 * (vectors[oxygen] - vectors[place[si]])[::-1] * [-1, 1]

    def silicon_beyond_its_neighbour(net, vectors, place):
        vectors[place[si]] += 2.0 * (vectors[place[net.neighbours[si, 0]]] - vectors[place[si]])

    def stretched_bond(net, vectors, place):
        vectors[place[240 + net.sides[si, 0]]] += 0.4 * (vectors[place[si]] - vectors[place[net.neighbours[si, 0]]])

    assert looks_whole(cut, lambda *_: None)
    for change in (oxygen_aside, silicon_beyond_its_neighbour, stretched_bond):
        assert not looks_whole(cut, change)


def test_a_ring_that_crosses_itself_does_not_wind_once(cut):
    net, found, place = cut
    ring = int(net.corners[found.numbers[found.numbers < 240][0], 0])
    assert neighbourhood._winds_once(net, found, place, ring)
    members = np.empty(12, dtype=np.int64)
    first, second = members[: neighbourhood.ring_members(net, ring, members)][:2]
    vectors = found.vectors.copy()
    vectors[[place[first], place[second]]] = vectors[[place[second], place[first]]]  # a bow-tie
    assert not neighbourhood._winds_once(net, found._replace(vectors=vectors), place, ring)


@pytest.fixture(scope="module")
def sample():
    """A glass of 320 rings, 1600 atoms."""
    return listi.generate(nx=16, ny=20, seed=7)


def test_sample_meets_the_targets(sample):
    sizes = ring_sizes(sample)
    found = ring_statistics(sizes)
    assert len(sizes) == 320
    assert set(found) == set(generate.TARGET_RING_STATISTICS)
    for n, wanted in generate.TARGET_RING_STATISTICS.items():
        assert found[n] == pytest.approx(wanted, abs=0.01)
    around = ring_neighbour_sizes(sample)
    for n in (4, 5):
        alpha_n = 1 - (n * around[n] - 36 - sizes.var()) / (6 * (n - 6))
        assert alpha_n == pytest.approx(0.3, abs=0.03)
    assert aboav_weaire(sample) == pytest.approx(0.26, abs=0.03)  # of all sizes: less than that of 4- and 5-rings


def test_no_direction_of_the_crystal_is_left(sample):
    assert bond_orientational_order(sample.positions, sample.bonds, sample.cell) < 4 / np.sqrt(960)
    lattices = Lattices(8, 10, 11.0)
    crystal = lattices.atoms.positions, dual.bond_ends(lattices.dual), lattices.dual.cell
    assert bond_orientational_order(*crystal) == pytest.approx(1.0)


def test_sample_is_whole_and_at_a_minimum(sample):
    assert sample.n_atoms == 1600
    np.testing.assert_allclose(sample.cell, [16 * np.sqrt(3) * 3.05, 20 * 1.5 * 3.05])
    assert set(oxygen_coordination(sample)) == {3}
    ends = sample.positions[sample.bonds]
    oxygen = sample.positions[640:]
    for k in range(2):  # O number k lies on bond number k
        assert np.linalg.norm(minimum_image(ends[:, k] - oxygen, sample.cell), axis=1).max() < 1.8
    assert np.bincount(sample.bonds.ravel()).tolist() == [3] * 640
    _, forces = system.System(sample.positions, sample.species, sample.cell).energy_forces()
    assert np.abs(forces).max() < 1e-10


def test_atoms_stay_about_where_the_honeycomb_numbered_them(sample):
    start = Lattices(16, 20, 11.0).atoms.positions[:640]
    moved = np.linalg.norm(minimum_image(sample.positions[:640] - start, sample.cell), axis=1)
    assert np.median(moved) < 3.05


def test_same_seed_same_bits_other_seed_other_sample(glass):
    again, other = (listi.generate(nx=10, ny=12, seed=seed, radius=11.0) for seed in (3, 4))
    np.testing.assert_array_equal(again.positions, glass.positions)
    np.testing.assert_array_equal(again.bonds, glass.bonds)
    assert not np.array_equal(other.bonds, glass.bonds)


def test_other_targets():
    wanted = {5: 0.2, 6: 0.6, 7: 0.2}
    network = listi.generate(nx=10, ny=12, seed=0, ring_statistics=wanted, alpha=0.25)
    assert ring_statistics(ring_sizes(network)) == pytest.approx(wanted, abs=0.01)
    around, variance = ring_neighbour_sizes(network), ring_sizes(network).var()
    assert 1 - (5 * around[5] - 36 - variance) / (6 * (5 - 6)) == pytest.approx(0.25, abs=0.02)


def test_a_sample_made_in_parts_meets_the_targets(in_parts, monkeypatch):
    monkeypatch.setattr("listi.generation.lattices._PART", (10, 12))
    network = listi.generate(nx=20, ny=24, seed=1)
    found = ring_statistics(ring_sizes(network))
    for n, wanted in generate.TARGET_RING_STATISTICS.items():
        assert found[n] == pytest.approx(wanted, abs=0.01)
    assert bond_orientational_order(network.positions, network.bonds, network.cell) < 5 / np.sqrt(1440)
    assert set(oxygen_coordination(network)) == {3}


def test_zero_pressure_box_has_no_normal_stress():
    network = listi.generate(nx=8, ny=10, seed=1, box="zero-pressure")
    stress = system.System(network.positions, network.species, network.cell).stress()
    np.testing.assert_allclose(np.diag(stress), 0.0, atol=1e-9)
    assert np.prod(network.cell) < 8 * np.sqrt(3) * 3.05 * 10 * 1.5 * 3.05
    assert set(oxygen_coordination(network)) == {3}


def test_no_silicon_is_misbonded_in_a_large_crystal():
    """Pairs of 38 400 Si and 57 600 O are more than 32 bits count."""
    lattices = Lattices(120, 160, 11.0)
    assert misbonded(lattices.atoms.positions, lattices.dual, lattices.dual.cell).size == 0


def test_misbonded_silicon_are_found():
    lattices = Lattices(8, 10, 11.0)
    net, atoms, ends = lattices.dual, lattices.atoms.positions, dual.bond_ends(lattices.dual)
    stray = atoms.copy()
    along = minimum_image(atoms[ends[5, 1]] - atoms[ends[5, 0]], net.cell)
    stray[160 + 5] += 0.5 * along[::-1] * [-1, 1]  # an O that leaves its bond sideways
    assert set(ends[5].tolist()) <= set(misbonded(stray, net, net.cell).tolist())
    turned = atoms.copy()
    turned[7] += 2.0 * minimum_image(atoms[net.neighbours[7, 0]] - atoms[7], net.cell)  # a Si beyond its neighbour
    assert 7 in misbonded(turned, net, net.cell)


@pytest.mark.parametrize(
    ("made", "orders", "order", "passes"),
    [
        ([1, 0, 1, 0, 1], [0.9, 0.9, 0.9, 0.9, 0.1], 0.2, 5),  # a batch that tore does not end the warm switches
        ([1, 0, 0, 0, 1], [0.9] * 5, 0.2, 4),  # but three passes without a switch do
        ([1, 0, 1], [0.9] * 3, 0.0, 2),  # and one does where no order is asked for
    ],
)
def test_when_switching_ends(made, orders, order, passes):
    class Scripted:
        """Lattices that make so many switches in each pass, and then have that order."""

        def __init__(self):
            self.dual, self.made, self.at, self.in_parts = dual.honeycomb(10, 12), 0, 0, False

        def parts(self, random):
            return [None]

        def bonds_in(self, part):
            return np.arange(len(self.dual.owner))

        def switch(self, proposals, *_):
            self.made += made[self.at]
            return [len(one.bonds) for one in proposals]

        def order(self):
            self.at += 1
            return orders[self.at - 1]

    lattices = Scripted()
    generate._switch(lattices, np.random.default_rng(0), None, 0.3, 1e-3, 5, order)
    assert lattices.at == passes


def test_a_box_in_which_every_switch_tears_is_an_error_that_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr(generate, "Lattices", stretched)
    message = r"nx=8, ny=10, seed=2\): ring_statistics: p_6 = 0.4017 not reached; got 1; \d+ switches were undone"
    with pytest.raises(RuntimeError, match=message):
        listi.generate(nx=8, ny=10, seed=2)


def test_statistics_out_of_reach_are_an_error():
    with pytest.raises(RuntimeError, match=r"p_6 = 0 not reached"):
        listi.generate(nx=8, ny=10, ring_statistics={5: 0.5, 7: 0.5})
    with pytest.raises(RuntimeError, match=r"alpha: 0.9 not reached.*alpha_4 is"):
        listi.generate(nx=8, ny=10, alpha=0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nx": 0}, "nx: 0 is not a whole number >= 8"),
        ({"nx": -3}, "nx: -3 is not"),
        ({"nx": 7}, "nx: 7 is not a whole number >= 8"),
        ({"nx": 12.0}, "nx: 12.0 is not"),
        ({"nx": True}, "nx: True is not"),
        ({"ny": 8}, "ny: 8 is not a whole number >= 10"),
        ({"ny": 13}, "ny: 13 is odd"),
        ({"seed": -1}, "seed: -1 is not"),
        ({"seed": 1.5}, "seed: 1.5 is not"),
        ({"alpha": "0.3"}, "alpha: '0.3' is not"),
        ({"alpha": np.nan}, "alpha: nan is not"),
        ({"alpha": 2}, "alpha: 2 is not a number between -1 and 1"),
        ({"box": "relaxed"}, "box: 'relaxed' is not one of as-generated, zero-pressure"),
        ({"radius": 7.9}, "radius: 7.9 is not a number from 8.0 to 16.4 Å in this cell"),
        ({"radius": np.nan}, "radius: nan is not"),
        ({"radius": 20.0}, "radius: 20.0 is not a number from 8.0 to 16.4 Å in this cell"),
        ({"ring_statistics": [0.5, 0.5]}, "ring_statistics: .* is not a mapping"),
        ({"ring_statistics": {}}, "ring_statistics: .* is not a mapping"),
        (
            {"ring_statistics": {3: 0.5, 9: 0.5}},
            "ring_statistics: 3 is not a ring size from 4 to 10",
        ),
        ({"ring_statistics": {5: 0.5, 7: np.nan}}, "fraction nan of 7-rings"),
        ({"ring_statistics": {5: 0.0, 6: 1.0}}, "fraction 0.0 of 5-rings"),
        ({"ring_statistics": {5: 0.3, 6: 0.3, 7: 0.3}}, "add up to 0.9"),
        ({"ring_statistics": {5: 0.5, 6: 0.5}}, "mean ring size 5.5 is not 6"),
    ],
)
def test_bad_input_is_refused_before_any_work(changes, message, monkeypatch):
    monkeypatch.setattr(generate, "Lattices", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(ValueError, match=message) as caught:
        listi.generate(**({"nx": 10, "ny": 12} | changes))
    assert "\n" not in str(caught.value)
