"""Energy, forces, stress, Hessian and moduli against finite differences and strained samples; the calculator of ASE."""

import ase
import numpy as np
import pytest
from ase.filters import UnitCellFilter
from ase.optimize import FIRE
from scipy.sparse import identity
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

import listi
from listi.mechanics.forms import SILICA
from listi.network.geometry import minimum_image, wrap
from listi.network.network import Network


def pairs(network):
    """Atoms i and j of all pairs within 11 Å, and the vectors between them: with no kernel."""
    tree = cKDTree(wrap(network.positions, network.cell), boxsize=network.cell)
    i, j = tree.query_pairs(11.0, output_type="ndarray").T
    return i, j, minimum_image(network.positions[j] - network.positions[i], network.cell)


def pair_energies(network, i, j, d):
    """U and U' of all pairs, in Python."""
    r, values = np.linalg.norm(d, axis=1), np.empty((2, len(d)))
    for a, b in ((0, 0), (0, 1), (1, 1)):
        chosen = (np.sort([network.species[i], network.species[j]], axis=0) == [[a], [b]]).all(axis=0)
        values[:, chosen] = SILICA.pair(r[chosen], a, b)[:2]
    return values


def strained_energy(network, gradient, moved=None):
    """Energy where every distance vector d becomes gradient @ d, after atoms have moved."""
    i, j, d = pairs(network)
    if moved is not None:
        d = d + moved[j] - moved[i]
    return pair_energies(network, i, j, d @ np.transpose(gradient))[0].sum()


def strain(component, size):
    matrix = np.eye(2)
    matrix += size * np.array({"xx": [[1, 0], [0, 0]], "yy": [[0, 0], [0, 1]], "xy": [[0, 0.5], [0.5, 0]]}[component])
    return matrix


def stretched(network, factors):
    """The sample strained along x and y, atoms relaxed."""
    return listi.relax(network.replace(positions=network.positions * factors, cell=network.cell * factors))


def test_forces_are_the_derivatives_of_the_energy(shaken):
    force, h = listi.forces(shaken), 1e-5
    for atom, axis in ((0, 0), (100, 1), (500, 0)):
        step = np.zeros_like(force)
        step[atom, axis] = h
        ahead, behind = (listi.energy(shaken.replace(positions=shaken.positions + s * step)) for s in (1, -1))
        assert force[atom, axis] == pytest.approx(-(ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)
    assert listi.energy(shaken) == pytest.approx(strained_energy(shaken, np.eye(2)), rel=1e-12)


def test_stress_is_the_derivative_of_the_energy_by_strain(shaken):
    stress, h = listi.stress(shaken), 1e-5
    for component, expected in (("xx", stress[0, 0]), ("yy", stress[1, 1]), ("xy", stress[0, 1])):
        ahead, behind = (strained_energy(shaken, strain(component, s * h)) for s in (1, -1))
        assert expected == pytest.approx((ahead - behind) / (2 * h * np.prod(shaken.cell)), rel=1e-5, abs=1e-9)
    assert stress[0, 1] == stress[1, 0]


def test_hessian_is_the_derivative_of_the_forces(shaken):
    matrix, h = listi.hessian(shaken), 1e-5
    assert matrix.shape == (2 * shaken.n_atoms,) * 2
    for atom, axis in ((0, 0), (100, 1), (500, 0)):
        step = np.zeros_like(shaken.positions)
        step[atom, axis] = h
        ahead, behind = (listi.forces(shaken.replace(positions=shaken.positions + s * step)) for s in (1, -1))
        column = matrix[:, [2 * atom + axis]].toarray().reshape(-1, 2)
        np.testing.assert_allclose(column, -(ahead - behind) / (2 * h), rtol=1e-5, atol=1e-6)


def test_moduli_are_those_of_a_strained_sample(glass):
    moduli, h = listi.elastic_moduli(glass), 1e-5
    for column, component in enumerate(("xx", "yy")):
        factors = np.where(np.arange(2) == column, h, 0.0)
        ahead, behind = (listi.stress(stretched(glass, 1.0 + s * factors)) for s in (1, -1))
        change = (ahead - behind) / (2 * h)
        measured = [change[0, 0], change[1, 1], change[0, 1]]
        np.testing.assert_allclose(moduli.stiffness.sel(strain=component), measured, rtol=1e-4, atol=1e-5)
    ahead, behind = (listi.stress(stretched(glass, np.full(2, 1.0 + s * h))).trace() / 2 for s in (1, -1))
    assert float(moduli.bulk_modulus) == pytest.approx((ahead - behind) / (4 * h), rel=1e-4)
    assert moduli.bulk_modulus.attrs == {"units": "reduced energy/angstrom^2", "long_name": "bulk modulus"}


def test_modulus_of_simple_shear(glass):
    """From the energy, as the cell is a rectangle: atoms move by the response of the Hessian to the change of forces.

    The modulus is the second derivative of E(gamma) over the area, and a quarter of the trace of the stress.
    """
    h, stiffness = 2e-4, float(listi.elastic_moduli(glass).stiffness.sel(stress="xy", strain="xy"))
    matrix = listi.hessian(glass)
    rate, step, (i, j, d), n = np.zeros(2 * glass.n_atoms), 1e-4, pairs(glass), glass.n_atoms
    for sign in (1, -1):
        sheared = d @ strain("xy", sign * step)
        slope = pair_energies(glass, i, j, sheared)[1] / np.linalg.norm(sheared, axis=1)
        force = sign * slope[:, None] * sheared / (2 * step)
        for axis in range(2):
            rate[axis::2] += np.bincount(i, force[:, axis], n) - np.bincount(j, force[:, axis], n)
    move = spsolve((matrix + 1e-9 * identity(len(rate))).tocsc(), rate).reshape(-1, 2)
    energies = [strained_energy(glass, strain("xy", s * h), s * h * move) for s in (-1, 0, 1)]
    second = (energies[0] - 2 * energies[1] + energies[2]) / h**2 / np.prod(glass.cell)
    assert stiffness == pytest.approx(second + 0.25 * listi.stress(glass).trace(), rel=1e-3)


def test_moduli_need_a_minimum(shaken):
    with pytest.raises(ValueError, match="network: largest force .* not at an energy minimum"):
        listi.elastic_moduli(shaken)


def test_calculator_in_optimisers_of_ase(glass):
    """A rattled glass goes back to its minimum; with the cell as well, it loses its normal stress."""
    atoms = listi.to_ase(glass)
    atoms.calc = listi.ListiCalculator()
    assert atoms.get_potential_energy() == listi.energy(glass)
    tensor = listi.stress(glass)
    np.testing.assert_array_equal(atoms.get_stress(), [tensor[0, 0], tensor[1, 1], 0.0, 0.0, 0.0, tensor[0, 1]])
    atoms.positions[:, :2] += np.random.default_rng(0).normal(0.0, 0.003, glass.positions.shape)
    expected = listi.forces(glass.replace(positions=atoms.positions[:, :2]))
    np.testing.assert_allclose(atoms.get_forces(), np.pad(expected, ((0, 0), (0, 1))), rtol=0.0, atol=1e-12)
    assert FIRE(atoms, logfile=None).run(fmax=1e-3, steps=300)
    difference = atoms.positions[:, :2] - glass.positions
    np.testing.assert_allclose(difference - difference.mean(axis=0), 0.0, atol=0.01)
    assert FIRE(UnitCellFilter(atoms, mask=[1, 1, 0, 0, 0, 0]), logfile=None).run(fmax=1e-3, steps=1000)
    assert np.abs(atoms.get_stress()[:2]).max() < 4e-4 < 0.1 * np.diag(tensor).max()


def test_calculator_of_three_species():
    def function(r, inverse, k):
        return k * inverse**4, -4 * k * inverse**5, 20 * k * inverse**6

    strength = np.array([[1.0, 2.0, 4.0], [2.0, 8.0, 16.0], [4.0, 16.0, 32.0]])[..., None]
    potential = listi.Potential(function, strength, 4.0, ("Si", "O", "Al"))
    atoms = ase.Atoms("OAlSi", [[1, 1, 0], [2.5, 1, 0], [1, 3, 0]], cell=[20, 20, 0], pbc=[True, True, False])
    atoms.calc = listi.ListiCalculator(potential)
    network = Network(atoms.positions[:, :2], [1, 2, 0], None, [20.0, 20.0])
    assert atoms.get_potential_energy() == listi.energy(network, potential) > 0.0
    with pytest.raises(ValueError, match="atoms: cell .* has no thickness along z"):
        atoms.get_stress()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": "SiGe"}, "atoms: atom 1 is Ge; the potential has Si, O"),
        ({"pbc": [True, False, False]}, "atoms: pbc .*; the cell must be periodic"),
        ({"cell": [[30, 1, 0], [0, 30, 0], [0, 0, 1]]}, "atoms: cell .* is not a rectangle"),
        ({"cell": [30, 10, 1]}, "cell: .* too small"),
    ],
)
def test_atoms_that_the_calculator_refuses(change, message):
    given = {"symbols": "SiO", "positions": [[1, 1, 0], [2.5, 1, 0]], "cell": [30, 30, 1], "pbc": [True, True, False]}
    atoms = ase.Atoms(**(given | change))
    atoms.calc = listi.ListiCalculator()
    with pytest.raises(ValueError, match=message):
        atoms.get_potential_energy()
