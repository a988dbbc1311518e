"""Energy, forces, stress, Hessian and minimiser: crystal values, finite differences, symmetry, LAMMPS."""

import handmade
import numpy as np
import pytest

from listi.mechanics import lammps
from listi.mechanics.forms import SILICA, lennard_jones
from listi.mechanics.neighbours import neighbour_list
from listi.mechanics.potential import Potential
from listi.mechanics.sparse_cholesky import Factor, IndefiniteError
from listi.mechanics.system import REFACTOR_COST, ConvergenceError, System, system_of
from listi.network.geometry import minimum_image


def crystal(bond):
    """Honeycomb of the given Si-Si distance [Å]."""
    network = handmade.honeycomb(10, 12)
    scale = bond / handmade.BOND
    return network.replace(positions=network.positions * scale, cell=network.cell * scale)


def state(network, positions=None, cell=None):
    positions = network.positions if positions is None else positions
    return System(positions, network.species, network.cell if cell is None else cell)


def energy(network, positions=None, cell=None):
    return state(network, positions, cell).energy_forces()[0]


def test_crystal_at_zero_pressure():
    network = crystal(3.01465)
    system = state(network)
    value, forces = system.energy_forces()
    assert value / network.n_atoms == pytest.approx(-0.328052, abs=5e-7)
    assert np.max(np.abs(system.stress())) < 2e-6
    assert np.max(np.abs(forces)) < 1e-12
    assert network.n_atoms / np.prod(network.cell) == pytest.approx(0.211760, abs=5e-7)


def test_crystal_bulk_modulus():
    pressures = [-np.trace(state(crystal(3.01465 * s)).stress()) / 2 for s in (0.9995, 1.0005)]
    assert (pressures[0] - pressures[1]) / (2 * 0.001) == pytest.approx(0.2617, abs=5e-5)


def test_crystal_as_generated_is_under_tension():
    stress = state(crystal(3.05)).stress()
    assert stress[0, 0] == pytest.approx(0.00552, abs=5e-6)
    assert stress[1, 1] == pytest.approx(stress[0, 0], abs=1e-12)


@pytest.mark.parametrize("tilt", [0.0, 9.0, -70.0])
def test_neighbour_list_against_all_pairs(glass, tilt):
    first, partner = neighbour_list(glass.positions, np.array([*glass.cell, tilt]), SILICA.cutoff)
    row = np.repeat(np.arange(glass.n_atoms), np.diff(first))
    vectors = minimum_image(glass.positions[:, None] - glass.positions[None], glass.cell, tilt)
    distance = np.linalg.norm(vectors, axis=2)
    expected = np.argwhere(np.triu(distance < SILICA.cutoff, 1))
    assert {tuple(p) for p in expected} == set(zip(row.tolist(), partner.tolist(), strict=True))
    assert len(partner) == len(expected)


def test_forces_are_minus_the_energy_gradient(shaken):
    _, forces = state(shaken).energy_forces()
    h = 1e-4
    for atom, c in [(0, 0), (7, 1), (250, 0), (599, 1)]:
        sides = []
        for sign in (1, -1):
            positions = shaken.positions.copy()
            positions[atom, c] += sign * h
            sides.append(energy(shaken, positions))
        assert forces[atom, c] == pytest.approx(-(sides[0] - sides[1]) / (2 * h), rel=1e-5, abs=1e-7)


def test_stress_is_the_energy_change_under_strain(shaken):
    stress = state(shaken).stress()
    h = 1e-5
    for c in (0, 1):
        sides = []
        for sign in (1, -1):
            scale = np.ones(2)
            scale[c] += sign * h
            sides.append(energy(shaken, shaken.positions * scale, shaken.cell * scale))
        slope = (sides[0] - sides[1]) / (2 * h) / np.prod(shaken.cell)
        assert stress[c, c] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_hessian_is_minus_the_force_gradient(shaken):
    system = state(shaken)
    system.linearise()
    direction = np.random.default_rng(2).normal(size=shaken.positions.shape)
    product = system.hessian_product(direction)
    h = 1e-5
    plus, minus = (state(shaken, shaken.positions + s * h * direction).energy_forces()[1] for s in (1, -1))
    np.testing.assert_allclose(product, -(plus - minus) / (2 * h), rtol=1e-5, atol=1e-5)


def test_energy_remainder_falls_as_the_third_power(glass):
    """Energy minus its linear and quadratic prediction when Si move towards one of their O."""
    system = state(glass)
    system.linearise()
    start, forces = system.energy_forces()
    oxygen = np.arange(len(glass.silicon), glass.n_atoms)[::3]
    silicon = glass.bonds[::3, 0]
    direction = np.zeros_like(glass.positions)
    direction[silicon] = minimum_image(glass.positions[oxygen] - glass.positions[silicon], glass.cell)
    curvature = np.vdot(direction, system.hessian_product(direction))

    def remainder(h):
        return energy(glass, glass.positions + h * direction) - (
            start - h * np.vdot(forces, direction) + 0.5 * h * h * curvature
        )

    order = np.log2(remainder(2e-4) / remainder(1e-4))
    assert order == pytest.approx(3.0, abs=0.1)


def test_newtons_third_law_and_translation(shaken):
    _, forces = state(shaken).energy_forces()
    assert np.max(np.abs(forces.sum(axis=0))) < 1e-11
    moved = state(shaken, shaken.positions + [17.3, -41.9])
    np.testing.assert_allclose(moved.energy_forces()[1], forces, atol=1e-11)
    np.testing.assert_allclose(moved.stress(), state(shaken).stress(), atol=1e-13)


def test_minimum_image_across_both_borders(glass):
    """Whole cell vectors added to single atoms change nothing."""
    positions = glass.positions.copy()
    positions[::7] += glass.cell * [1, -2]
    assert energy(glass, positions) == pytest.approx(energy(glass), rel=1e-13)


def test_order_of_atoms_does_not_matter(shaken):
    order = np.random.default_rng(5).permutation(shaken.n_atoms)
    system = System(shaken.positions[order], shaken.species[order], shaken.cell)
    value, forces = system.energy_forces()
    expected, expected_forces = state(shaken).energy_forces()
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(forces, expected_forces[order], atol=1e-11)


def test_factor_solves_the_dense_system(glass):
    system = state(glass)
    mobile = np.linalg.norm(glass.positions - glass.cell / 2, axis=1) < 20.0
    system.linearise()
    factor = Factor(
        glass.positions, system.box, system.first, system.partner, system._blocks, system._list_radius, mobile
    )
    right = np.zeros_like(glass.positions)
    right[mobile] = np.random.default_rng(6).normal(size=(mobile.sum(), 2))
    columns = np.flatnonzero(np.repeat(mobile, 2))
    dense = np.empty((len(columns), len(columns)))
    for k, column in enumerate(columns):
        unit = np.zeros(right.size)
        unit[column] = 1.0
        dense[:, k] = system.hessian_product(unit.reshape(right.shape)).ravel()[columns]
    expected = np.linalg.solve(dense, right.ravel()[columns])
    error = factor.solve(right).ravel()[columns] - expected
    assert np.linalg.norm(error) < 5e-3 * np.linalg.norm(expected)
    assert not factor.solve(right)[~mobile].any()


def test_factor_is_renewed_when_the_old_one_costs_more(glass, monkeypatch):
    monkeypatch.setattr(
        "listi.mechanics.system.ITERATIONS_WITH_NEW_FACTOR", 1
    )  # else a sample so small never has a factor too old
    system = state(glass)
    system.linearise()
    system.refactor()
    old, right = system._factor, np.random.default_rng(6).normal(size=glass.positions.shape)
    system.positions = system.positions + 0.02 * np.random.default_rng(7).normal(size=glass.positions.shape)
    system.linearise()
    for _ in range(REFACTOR_COST):
        assert not system.solve(right)[1]
        if system._factor is not old:
            break
    assert system._factor is not old
    assert system._excess < REFACTOR_COST


def test_factor_refuses_an_indefinite_matrix(glass):
    system = state(glass)
    system.linearise()
    with pytest.raises(IndefiniteError):
        Factor(glass.positions, system.box, system.first, system.partner, -system._blocks, system._list_radius)


@pytest.mark.parametrize(
    "positions", [[[5.0, 5.0], [6.5, 5.0], [40.0, 40.0]], [[5.0, 5.0], [5.51, 5.0], [40.0, 40.0]]], ids=["far", "near"]
)
def test_an_atom_out_of_reach_and_two_that_nearly_touch_are_relaxed(positions):
    system = System(positions, [0, 1, 0], [60.0, 60.0])
    system.relax()
    assert np.linalg.norm(system.positions[1] - system.positions[0]) == pytest.approx(1.361, abs=1e-3)


def test_newtons_method_is_trusted_only_where_it_contracts(monkeypatch):
    """An O pushed far towards one of its Si: Newton's method finds the way back, but no contraction."""
    network = handmade.honeycomb(10, 12)
    bond = 100
    oxygen = network.n_atoms - len(network.bonds) + bond
    along = minimum_image(network.positions[network.bonds[bond, 0]] - network.positions[oxygen], network.cell)
    mobile = np.arange(network.n_atoms) == oxygen

    def corrected(distance):
        positions = network.positions.copy()
        positions[oxygen] += distance * along / np.linalg.norm(along)
        return System(positions, network.species, network.cell, mobile).correct(1e-10, 0.5)

    assert corrected(0.02)
    assert not corrected(0.2)
    monkeypatch.setattr("listi.mechanics.system.CONTRACTION", np.inf)
    assert corrected(0.2)


def test_relaxing_returns_to_the_minimum(glass, shaken):
    system = state(shaken)
    system.relax()
    assert np.max(np.abs(system.energy_forces()[1])) < 1e-10
    back = system.positions - glass.positions
    assert np.max(np.abs(back - back.mean(axis=0))) < 1e-7


@pytest.mark.parametrize("factor", [2.0**-40, 1e-12, 1e5])
def test_a_minimum_is_found_in_any_unit_of_energy(shaken, factor):
    other = Potential(SILICA.function, SILICA.parameters * factor, SILICA.cutoff, constants=SILICA.constants)
    with pytest.raises(ValueError, match="not at an energy minimum"):
        system_of(shaken, other)
    system, usual = System(shaken.positions, shaken.species, shaken.cell, potential=other), state(shaken)
    system.relax()
    usual.relax()
    np.testing.assert_allclose(system.positions, usual.positions, atol=0.0 if factor == 2.0**-40 else 1e-8)


def test_relaxing_that_does_not_converge_is_an_error(shaken):
    with pytest.raises(ConvergenceError, match="largest force"):
        state(shaken).relax(steps=1)


def test_cell_too_small():
    with pytest.raises(ValueError, match="cell"):
        System(np.zeros((1, 2)), np.zeros(1, int), [20.0, 50.0])


def assert_alike(in_lammps, system):
    value, forces, stress = in_lammps
    ours, our_forces = system.energy_forces()
    assert ours == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(our_forces, forces, rtol=1e-8, atol=1e-9)
    tensor = system.stress()
    np.testing.assert_allclose([tensor[0, 0], tensor[1, 1], tensor[0, 1]], stress, rtol=1e-8, atol=1e-11)


def test_lammps_agrees(shaken):
    assert_alike(lammps.evaluate(lammps.build(shaken)), state(shaken))


def test_the_files_for_lammps_give_the_same_energy_and_stress_there(shaken, tmp_path, monkeypatch):
    paths = lammps.write_lammps(shaken, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    monkeypatch.chdir(tmp_path)
    lmp = lammps.start()
    lmp.file("out.in")
    assert_alike(lammps.evaluate(lmp), state(shaken))


def test_the_files_for_lammps_hold_any_potential_and_refuse_what_it_does_not_know(shaken, tmp_path):
    one = lennard_jones([[1.0]], [[1.0]], symbols=["A"])
    with pytest.raises(ValueError, match="species: atom 240 has 1; the potential has 1 species"):
        lammps.write_lammps(shaken, tmp_path / "out", one)
    for name in ("my out", "glass#3", "run$1", 'a"b', "a'b", "ä", "a&b", "-a"):
        with pytest.raises(ValueError, match="path: .* ends in no name that LAMMPS reads in a script"):
            lammps.write_lammps(shaken, tmp_path / name)
    assert not list(tmp_path.iterdir())
    data, _, script = lammps.write_lammps(shaken.replace(species=0 * shaken.species, bonds=None), tmp_path / "out", one)
    assert "1 1.0\n" in data.read_text("utf-8")
    assert "# Atom types: 1 = A." in script.read_text("utf-8")
