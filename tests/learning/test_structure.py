"""The Si graph of a sample, against six atoms drawn by hand and the mechanics of a crystal."""

import keras
import numpy as np
import pytest

from listi.learning import models, structure
from listi.learning.models import listi
from listi.mechanics.load import rotated
from listi.mechanics.system import System


@pytest.fixture
def glass(network):
    """The six atoms with an O on two of the bonds, off the middle; 5 is bonded to 4 without one."""
    positions = np.concatenate([network.positions, [[0.0, 8.5], [1.5, 9.5]]])
    return network.replace(positions=positions, species=[0, 1, 0, 0, 0, 0, 1, 1])


def test_tensors_are_rotated_as_the_mechanics_do():
    components = np.random.default_rng(0).normal(size=(3, 3))
    for (xx, xy, yy), found in zip(components, structure.rotate_tensors(components, 33.0), strict=True):
        expected = rotated(np.array([[xx, xy], [xy, yy]]), 33.0)
        np.testing.assert_allclose(found, [expected[0, 0], expected[0, 1], expected[1, 1]], rtol=1e-12)


def test_the_longest_of_four_bonds_is_left_out(glass):
    assert structure.without_fourth_bonds(glass) is glass
    around = np.array([[3.0, 0.0], [0.0, 3.3], [-3.1, 0.0], [0.0, -3.2], [0.0, 0.0]])
    bonds = np.array([[4, 0], [1, 4], [2, 4], [4, 3]])
    cross = glass.replace(positions=around, species=np.zeros(5), bonds=bonds, cell=[20.0, 20.0])  # bonds cross borders
    assert structure.without_fourth_bonds(cross).bonds.tolist() == bonds[[0, 2, 3]].tolist()
    with pytest.raises(ValueError, match="bonds: a Si has 4 neighbours"):
        structure.neighbours(cross)


def test_neighbours_by_hand(glass):
    # Si 0, 2, 3, 4, 5 are numbers 0 to 4 among the Si.
    neighbours = structure.neighbours(glass)
    assert [sorted(row[row >= 0].tolist()) for row in neighbours] == [[1], [0, 3], [], [1, 4], [3]]
    assert (neighbours[2] == structure.MISSING).all()


def test_bonds_and_their_oxygen_by_hand(glass):
    to = structure.neighbours(glass)
    vectors, places = structure.bond_vectors(glass, to), structure.oxygen_places(glass, to)
    from_0 = np.flatnonzero(to[0] == 1)[0]
    np.testing.assert_allclose(vectors[0, from_0], [2, 0])  # across the border
    np.testing.assert_allclose(places[0, from_0], [1, 0.5])
    back = np.flatnonzero(to[1] == 0)[0]
    np.testing.assert_allclose(places[1, back], [-1, 0.5])
    np.testing.assert_allclose(places[1, np.flatnonzero(to[1] == 3)[0]], [0.5, 1.5])
    assert not vectors[to < 0].any() and not places[to < 0].any()


def test_local_stress_adds_up_to_that_of_the_sample(crystal):
    system = System(crystal.positions, crystal.species, crystal.cell)
    stress = structure.local_stress(crystal, system.virials())
    whole = system.stress() * np.prod(crystal.cell)
    np.testing.assert_allclose(stress.sum(axis=0), [whole[0, 0], whole[0, 1], whole[1, 1]], rtol=1e-10)
    assert stress.shape == (len(crystal.silicon), 3) and stress.std(axis=0).min() > 0


def test_a_sample_without_oxygen_is_refused(network):
    alone = network.replace(species=np.zeros(6, dtype=int))
    with pytest.raises(ValueError, match="network: has no O, which this model reads; there is one that reads Si alone"):
        structure.oxygen_places(alone, structure.neighbours(alone))


def test_inputs_of_listi_by_hand(cut, glass):
    x = listi.inputs(cut.__class__(**{**vars(cut), "network": glass}), {"stress": False})
    assert x.points["atoms"].tolist() == [[0, 1, 3, -1], [2, -1, -1, -1]]
    np.testing.assert_allclose(x.points["place"][0], [[-0.25, 0], [0.25, 0], [0.25, 0.75], [0, 0]])
    edge = x.sample["edges"][0, np.flatnonzero(x.sample["neighbours"][0] == 1)[0]]
    arm = np.hypot(1, 0.5)
    np.testing.assert_allclose(edge, [2, 0, 2, 0, 0.5, arm, arm], rtol=1e-6)


def test_a_disc_cut_apart_has_only_its_own_bonds(cut, glass):
    x = listi.inputs(cut.__class__(**{**vars(cut), "network": glass}), {"stress": False, "beyond": False})
    found = [sorted(row[row >= 0].tolist()) for row in x.points["neighbours"][0]]
    assert found == [[1], [0, 2], [1], []]  # 4, the third in the disc, is bonded to 5 outside it
    assert (x.points["neighbours"][1] == -1).all()
    assert set(x.sample) == {"signs"}


def test_which_atoms_on_the_bonds_of_a_si_a_probe_holds(cut, glass):
    cut = cut.__class__(**{**vars(cut), "network": glass})
    model = models.build("listi", r_free=cut.r_free, width=4, rounds=1, rounds_in_disc=0, stress=False)
    x = models.inputs(model, cut).take(slice(None))
    found = keras.Model(model.input, model.get_layer("disc").output).predict_on_batch(x)
    to = structure.neighbours(glass)
    arms = {4: structure.bond_vectors(glass, to), 7: structure.oxygen_places(glass, to)}  # first column of Si, of O
    for row, atom in enumerate(x["atoms"][0]):
        for column, arm in arms.items():
            outside = np.linalg.norm(cut.positions[0, row] + arm[atom], axis=1) > cut.r_free
            outside &= (to[atom] >= 0) & (atom >= 0)
            assert found[0, row, column] == outside.sum() or atom < 0
            expected = arm[atom][outside].sum(axis=0) / cut.r_free
            assert atom < 0 or found[0, row, column + 1 : column + 3] == pytest.approx(expected, abs=1e-5)
    assert found[0, :3, 4].sum() > 0 and not np.array_equal(found[0, :3, 4], found[0, :3, 7])
