"""Bond switching: the dual, switches and their inverses, bookkeeping, the atoms that follow, finished samples."""

import numpy as np
import pytest

import listi
from listi.generation import dual, generate, switching
from listi.generation.glass import atoms_around, crystal, move, sort_into_bins, torn_silicon, winds_once
from listi.mechanics import system
from listi.network.bonds import bond_orientational_order, oxygen_coordination
from listi.network.geometry import minimum_image
from listi.network.rings import aboav_weaire, ring_neighbour_sizes, ring_sizes, ring_statistics
from listi.progress import progress


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
    fresh = dual.triangulation(net.corners, len(net.sizes))
    np.testing.assert_array_equal(net.neighbours, fresh.neighbours)
    for name in ("sizes", "contact", "count", "contacts"):
        np.testing.assert_array_equal(getattr(net, name), getattr(fresh, name), err_msg=name)
    ends = dual.bond_ends(net)
    for k in range(3):
        own = np.stack([np.arange(len(net.corners)), net.neighbours[:, k]], axis=1)
        np.testing.assert_array_equal(ends[net.sides[:, k]], np.sort(own, axis=1))
    assert all(ring in net.corners[net.member[ring]] for ring in range(len(net.sizes)))


def test_honeycomb_dual_has_six_neighbours_everywhere():
    net, centres, cell = dual.honeycomb(8, 10)
    assert_consistent(net)
    assert net.sizes.tolist() == [6] * 80
    assert net.contact.tolist() == [36] * 80
    assert len(net.owner) == 240
    ends = dual.bond_ends(net)
    assert np.all(np.diff(ends[:, 0]) >= 0)
    distance = np.linalg.norm(
        minimum_image(np.subtract(*centres[dual.ring_pairs(net)].transpose(1, 0, 2)), cell),
        axis=1,
    )
    np.testing.assert_allclose(distance, np.sqrt(3) * 3.05)


def test_crystal_is_numbered_along_bonded_rows_from_the_top_left():
    net, x, y = crystal(8, 10).dual, *np.mod(crystal(8, 10).positions[:160], crystal(8, 10).cell).T
    place = np.arange(160) % 16
    np.testing.assert_allclose(x, (0.5 * place + 0.25) * np.sqrt(3) * 3.05, atol=1e-6)
    middle = (y[place % 2 == 0] + y[place % 2 == 1]) / 2
    np.testing.assert_allclose(middle, 10 * 4.575 - (np.repeat(np.arange(10), 8) + 0.5) * 4.575, atol=1e-6)
    bonds = {tuple(b) for b in dual.bond_ends(net).tolist()}
    assert all((i, i + 1) in bonds for i in range(160) if i % 16 != 15)


def test_crystal_sits_at_the_stated_stress():
    atoms = crystal(8, 10)
    honeycomb = system.System(atoms.positions, atoms.species, atoms.cell)
    np.testing.assert_allclose(honeycomb.stress(), 0.00552 * np.eye(2), atol=5e-6)
    assert np.abs(honeycomb.energy_forces()[1]).max() < 1e-12


@pytest.mark.parametrize("sense", [True, False])
def test_one_switch_worked_out_by_hand(sense):
    # Si 0 and 1 are the first bond of the top row: the ring above and the one below lose it, those
    # at its ends gain it.
    net = dual.honeycomb(8, 10)[0]
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
    net = dual.honeycomb(8, 10)[0]
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
    net = dual.honeycomb(8, 10)[0]
    start = copy(net)
    history = random_switches(net, 200)
    assert_consistent(net)
    for bond, sense in reversed(history):
        dual.switch(net, bond, not sense)
    assert_equal(net, start, but=("owner", "member"))


def test_chi_of_a_single_defect():
    net = dual.honeycomb(8, 10)[0]
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


def propose(made, n, seed=0, temperature=1.0, enough=-np.inf, radius=11.0):
    """Propose n random bonds, nearly all of which pass chi; return how many switches were made."""
    random = np.random.default_rng(seed)
    bonds, chances = random.integers(len(made.dual.owner), size=n), random.random(n)
    return switching.metropolis(made, bonds, chances, TARGET, 0.3, temperature, radius, enough)


def forces_on(made):
    return np.abs(system.System(made.positions, made.species, made.cell).energy_forces()[1]).max(axis=1)


def relaxed(made):
    """Relax the whole sample; return the Si at which it tears."""
    return generate.relax(made, system.System(made.positions, made.species, made.cell))


def test_a_switch_relaxes_the_atoms_around_it_and_no_others():
    made = crystal(10, 12)
    before = made.positions.copy()
    assert propose(made, 50, enough=np.inf) == 1
    assert_consistent(made.dual)
    moved = np.linalg.norm(made.positions - before, axis=1)
    bond = np.flatnonzero((dual.ring_pairs(made.dual) == np.argsort(-made.dual.sizes, kind="stable")[:2]).all(axis=1))
    away = np.linalg.norm(minimum_image(before - before[240 + bond[0]], made.cell), axis=1)
    assert moved.max() > 1.0
    assert np.all(moved[away > 11.0] == 0.0)
    assert np.all(moved[away < 11.0] > 0.0)
    assert forces_on(made)[moved > 0.0].max() < 1e-3
    assert forces_on(made).max() > 2e-3  # on the atoms around, until the whole sample is relaxed
    assert relaxed(made).size == 0
    assert forces_on(made).max() < 1e-10
    assert torn_silicon(made).size == 0


def assert_in_bins(made):
    """Every atom is found where it is, once."""
    found = np.empty(len(made.positions), dtype=np.int64)
    for centre in made.positions[::17] + 0.3:
        n = atoms_around(made, centre, 6.0, found)
        away = np.linalg.norm(minimum_image(made.positions - centre, made.cell), axis=1)
        np.testing.assert_array_equal(np.sort(found[:n]), np.flatnonzero(away < 6.0))


def test_bins_follow_the_atoms():
    made = crystal(10, 12)
    before = made.positions.copy()
    assert propose(made, 60) > 10
    assert_consistent(made.dual)
    assert np.linalg.norm(made.positions - before, axis=1).max() > 5.0
    assert_in_bins(made)
    kept = made.bin.copy()
    sort_into_bins(made)
    np.testing.assert_array_equal(made.bin, kept)
    assert propose(stretched(10, 12), 40) == 0


def stretched(nx, ny, factor=1.25):
    """Make a crystal in a box in which it hardly holds together."""
    made = crystal(nx, ny)
    made.cell[:] *= factor
    move(made, made.positions * factor)
    return made


def test_a_switch_that_tears_the_network_is_undone():
    made = stretched(10, 12)
    before, positions = copy(made.dual), made.positions.copy()
    assert propose(made, 40) == 0
    assert made.tally[0] == 0
    assert made.tally[1] > 20
    assert_equal(made.dual, before, but=("owner", "member"))
    np.testing.assert_array_equal(made.positions, positions)
    assert_in_bins(made)


def test_where_the_whole_sample_tears_a_bond_is_switched_there_and_nowhere_else(monkeypatch):
    """The rest of the sample keeps all its switches."""
    made, real, tears = crystal(20, 24), generate.relax, [np.array([5, 6, 700]), np.array([5])]
    assert propose(made, 60) > 20
    before, tally = copy(made.dual), made.tally[0]
    monkeypatch.setattr(generate, "relax", lambda *given: tears.pop() if tears else real(*given))
    monkeypatch.setattr(generate, "_AROUND", 1.0)
    generate._relax(made, np.random.default_rng(2), TARGET, 0.3, progress("relaxing"))
    assert not tears
    assert made.tally[0] >= tally + 3  # 6 is beside 5
    changed = np.flatnonzero((made.dual.neighbours != before.neighbours).any(axis=1))
    for si in (5, 700):
        away = np.linalg.norm(minimum_image(made.positions[changed] - made.positions[si], made.cell), axis=1)
        assert away.min() < 20.0
        changed = changed[away > 25.0]
    assert changed.size == 0
    assert_consistent(made.dual)
    assert torn_silicon(made).size == 0
    assert forces_on(made).max() < 1e-10


def test_a_relaxation_that_tears_ends_where_the_network_still_held():
    made = stretched(10, 12, 1.15)
    move(made, made.positions + np.random.default_rng(0).normal(0.0, 0.01, made.positions.shape))
    assert torn_silicon(made).size == 0
    assert relaxed(made).size > 0
    assert torn_silicon(made).size == 0
    assert forces_on(made).max() > 1e-3


def test_a_sample_that_tears_whatever_is_switched_is_an_error(monkeypatch):
    monkeypatch.setattr(generate, "relax", lambda *_: np.array([7]))
    monkeypatch.setattr(generate, "_TEARS", 2)
    with pytest.raises(RuntimeError, match="the network tears at Si 7, also after 2 rounds"):
        generate._relax(crystal(10, 12), np.random.default_rng(2), TARGET, 0.3, progress("relaxing"))


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
    net = dual.honeycomb(*rings)[0]
    net.count[5] = round(share * target[5] * rings[0] * rings[1])
    assert generate.warm_temperature(net, target) == pytest.approx(expected)
    assert generate.warm_temperature(net, 0.0 * target) == pytest.approx(2 / min(2000, rings[0] * rings[1]))


def test_a_large_sample_is_switched_at_a_lower_temperature_in_the_end():
    assert generate.cold_temperature(dual.honeycomb(10, 12)[0]) == 1e-4
    assert generate.cold_temperature(dual.honeycomb(60, 72)[0]) == pytest.approx(0.2 / 4320)


def test_a_crystal_is_whole_until_an_atom_leaves():
    made = crystal(10, 12)
    si, start, net = 101, made.positions.copy(), made.dual
    along = minimum_image(start[net.neighbours[si, 0]] - start[si], made.cell)
    oxygen = 240 + net.sides[si, 0]
    assert torn_silicon(made).size == 0
    for atom, by in ((oxygen, 0.35 * along[::-1] * [-1, 1]), (si, 2.0 * along), (oxygen, 0.2 * along)):
        moved = start.copy()
        moved[atom] += by
        move(made, moved)
        assert si in torn_silicon(made)
    move(made, start)
    assert torn_silicon(made).size == 0


def test_a_ring_that_crosses_itself_does_not_wind_once():
    made = crystal(10, 12)
    ring, members = 35, np.empty(12, dtype=np.int64)
    assert winds_once(made, ring, members)
    first, second = dual.ring_members(made.dual, ring, members) and members[:2]
    made.positions[[first, second]] = made.positions[[second, first]]  # a bow-tie
    assert not winds_once(made, ring, members)
    made.positions[[first, second]] = made.positions[[second, first]]
    made.positions[:, 0] *= -1.0  # the other sense of rotation
    assert not winds_once(made, ring, members)


def test_order_is_that_of_the_directions_of_the_bonds():
    made = crystal(10, 12)
    assert switching.order(made) == pytest.approx(1.0)
    propose(made, 100)
    expected = bond_orientational_order(made.positions, dual.bond_ends(made.dual), made.cell)
    assert expected < 0.9
    assert switching.order(made) == pytest.approx(expected)


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
    start = crystal(16, 20).positions[:640]
    moved = np.linalg.norm(minimum_image(sample.positions[:640] - start, sample.cell), axis=1)
    assert np.median(moved) < 3.05


def test_same_seed_same_bits_other_seed_other_sample():
    first, again, other = (listi.generate(nx=10, ny=12, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(again.positions, first.positions)
    np.testing.assert_array_equal(again.bonds, first.bonds)
    assert not np.array_equal(other.bonds, first.bonds)


def test_other_targets():
    wanted = {5: 0.2, 6: 0.6, 7: 0.2}
    network = listi.generate(nx=10, ny=12, seed=0, ring_statistics=wanted, alpha=0.25)
    assert ring_statistics(ring_sizes(network)) == pytest.approx(wanted, abs=0.01)
    around, variance = ring_neighbour_sizes(network), ring_sizes(network).var()
    assert 1 - (5 * around[5] - 36 - variance) / (6 * (5 - 6)) == pytest.approx(0.25, abs=0.02)


def test_zero_pressure_box_has_no_normal_stress():
    network = listi.generate(nx=8, ny=10, seed=1, box="zero-pressure")
    stress = system.System(network.positions, network.species, network.cell).stress()
    np.testing.assert_allclose(np.diag(stress), 0.0, atol=1e-9)
    assert np.prod(network.cell) < 8 * np.sqrt(3) * 3.05 * 10 * 1.5 * 3.05
    assert set(oxygen_coordination(network)) == {3}


def test_a_box_in_which_every_switch_tears_is_an_error_that_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr(generate, "crystal", stretched)
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
    monkeypatch.setattr(generate, "crystal", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(ValueError, match=message) as caught:
        listi.generate(**({"nx": 10, "ny": 12} | changes))
    assert "\n" not in str(caught.value)
