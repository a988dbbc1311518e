"""Quasistatic shear: events equal those of the plain protocol, and of LAMMPS; bad input."""

import numpy as np
import pytest

import listi
from listi.mechanics import lammps
from listi.mechanics.load import MODES, CellUnderLoad, make_load, principal_directions
from listi.mechanics.quasistatic import LoadedSample
from listi.mechanics.shear import deform, state_after
from listi.mechanics.system import System


@pytest.fixture(scope="module")
def shear(glass):
    return deform(glass, n_events=2)


def test_events_are_those_of_the_plain_protocol(glass, shear):
    plain = deform(glass, n_events=2, every_step=True)
    np.testing.assert_allclose(shear.event_strain, plain.event_strain, atol=1e-9)
    np.testing.assert_array_equal(shear.event_atom, plain.event_atom)
    np.testing.assert_allclose(shear.event_stress_drop, plain.event_stress_drop, rtol=1e-4)
    np.testing.assert_allclose(shear.stress, plain.stress.sel(strain=shear.strain, method="nearest"), atol=1e-8)
    assert shear.sizes["strain"] < 0.5 * plain.sizes["strain"]


def test_events_are_described(glass, shear):
    assert shear.event.values.tolist() == [1, 2]
    assert np.all(np.diff(shear.event_strain) > 0)
    assert np.all(shear.event_stress_drop > 1e-6)
    np.testing.assert_array_equal(shear.event_position, glass.positions[shear.event_atom])
    furthest = np.linalg.norm(shear.non_affine.values, axis=2)
    np.testing.assert_array_equal(furthest.argmax(axis=1), shear.event_atom)
    np.testing.assert_allclose(furthest.max(axis=1), shear.event_displacement, rtol=1e-5)
    for variable in shear.variables.values():
        if variable.dims != ("xy",):
            assert {"units", "long_name"} <= set(variable.attrs)


def test_area_is_kept_and_strain_is_counted_in_steps(glass, shear):
    np.testing.assert_allclose(np.prod(shear.event_cell, axis=1), np.prod(glass.cell), rtol=1e-12)
    steps = np.round(shear.event_strain / 1e-4)
    np.testing.assert_allclose(shear.event_cell[:, 0], glass.cell[0] * 1.0001**steps, rtol=1e-12)


def test_same_input_same_bits(glass, shear):
    again = deform(glass, n_events=2)
    assert again.identical(shear)


@pytest.mark.parametrize(
    ("mode", "angle"),
    [("pure shear", 0), ("pure shear", 90), ("pure shear", 30), ("simple shear", 0), ("uniaxial tension", 0)]
    + [("biaxial tension", 0)],
)
def test_first_event_in_lammps(glass, mode, angle):
    """LAMMPS, minimising at the same strains by its own method, keeps the branch to the same step and no further."""
    shear, load = deform(glass, n_events=1, mode=mode, angle=angle), CellUnderLoad(mode, angle)
    step = round(float(shear.event_strain[0]) / 1e-4)
    lmp = lammps.build(glass)
    lmp.command("min_modify dmax 0.02 line quadratic")
    jumps = []
    for k in (step - 20, step - 10, step - 5, step - 2, step - 1, step):
        moved = lammps.strain_to(lmp, glass.cell, k, load)
        jumps.append(np.linalg.norm(moved - moved.mean(axis=0), axis=1))
    assert max(j.max() for j in jumps[:-1]) < 0.5
    assert jumps[-1].max() > 1.0
    assert jumps[-1].argmax() == int(shear.event_atom[0])


@pytest.mark.parametrize("mode", MODES)
def test_energy_grows_by_stress_times_strain(glass, mode):
    """Central differences, at angles that tilt the cell and that do not; work is velocity : stress."""
    factor = {"pure shear": 2.0, "biaxial tension": 2.0}.get(mode, 1.0)
    for angle in (0.0, 90.0, 30.0):
        load = CellUnderLoad(mode, angle)
        sample = LoadedSample(System(glass.positions, glass.species, glass.cell), load)
        assert sample.follow(8)
        energies, areas = [], []
        for steps in (-1, 2):
            sample.deform(steps)
            assert not sample.find_minimum()
            energies.append(sample.system.energy_forces()[0])
            areas.append(np.prod(sample.system.cell))
        sample.deform(-1)
        sample.find_minimum()
        strain = 2e-4 if mode == "simple shear" else 2.0 * np.log(1.0001)
        work = (energies[1] - energies[0]) / strain / np.mean(areas)
        assert work == pytest.approx(factor * sample.stress(), rel=1e-5)


def test_a_turned_glass_breaks_alike_under_a_turned_load(glass):
    """By a quarter of a turn; a load that turns its first edge, one that tilts the other, one that does neither."""
    x, y = glass.positions.T
    turned = glass.replace(positions=np.column_stack([glass.cell[1] - y, x]), cell=glass.cell[::-1])
    for mode, angle in (("pure shear", 30.0), ("simple shear", 0.0), ("uniaxial tension", 0.0)):
        one = deform(glass, n_events=2, mode=mode, angle=angle)
        other = deform(turned, n_events=2, mode=mode, angle=angle + 90.0)
        np.testing.assert_allclose(one.event_strain, other.event_strain, atol=1e-9)
        np.testing.assert_array_equal(one.event_atom, other.event_atom)


def test_simple_shear_is_pure_shear_and_a_rotation(glass):
    """To first order, of half the strain at 45 degrees; and single steps give the same as increments."""
    simple, pure = deform(glass, mode="simple shear", n_events=1), deform(glass, angle=45.0, n_events=1)
    assert simple.event_atom == pure.event_atom
    assert simple.event_strain.item() == pytest.approx(2.0 * pure.event_strain.item(), rel=0.03)
    assert simple.stress[0].item() == pytest.approx(pure.stress[0].item(), rel=1e-9)
    np.testing.assert_allclose(simple.event_tilt, glass.cell[1] * simple.event_strain, rtol=1e-9)
    plain = deform(glass, mode="simple shear", n_events=1, every_step=True)
    assert plain.event_atom == simple.event_atom
    assert plain.event_strain.item() == pytest.approx(simple.event_strain.item())
    with pytest.raises(ValueError, match="shear: simple shear at 0 degrees tilts the cell"):
        state_after(glass, simple, 1)


def test_a_free_edge_bears_no_stress(glass):
    """Along y: in the state after an event the stress across vanishes; single steps give the same."""
    how = {"mode": "uniaxial tension", "angle": 90, "free_width": True, "n_events": 1, "strain_step": 5e-4}
    pulled = deform(glass, **how)
    state = pulled.isel(event=0)
    stress = System(state.configuration.values, glass.species, state.event_cell.values).stress()
    assert abs(stress[0, 0]) < 1e-7 < stress[1, 1]
    assert state.event_cell[0] < 0.98 * glass.cell[0]
    steps = round(float(state.event_strain) / 5e-4)
    assert state.event_cell[1] == pytest.approx(glass.cell[1] * 1.0005**steps)
    plain = deform(glass, every_step=True, **how)
    assert plain.event_atom == state.event_atom
    assert plain.event_strain.item() == pytest.approx(state.event_strain.item())
    np.testing.assert_allclose(state.event_cell, plain.event_cell[0], rtol=1e-6)


def test_frozen_surroundings_follow_the_affine_deformation(glass):
    centre = glass.cell / 2
    shear = deform(glass, n_events=1, max_strain=0.3, free_centre=tuple(centre), free_radius=15.0)
    inside = np.linalg.norm(glass.positions - centre, axis=1) < 15.0
    assert shear.sizes["event"] == 1
    assert inside[int(shear.event_atom[0])]
    frozen = glass.positions[~inside] * (shear.event_cell[0].values / glass.cell)
    np.testing.assert_allclose(shear.configuration[0].values[~inside], frozen, atol=1e-5)


def test_a_broken_network_is_a_network(glass, shear):
    """After an event: at its minimum, bonds read again, and everything goes on from it."""
    broken = state_after(glass, shear, 2)
    assert len(broken.bonds) < len(glass.bonds)
    assert np.min(np.bincount(broken.bonds.ravel())) == 2
    np.testing.assert_allclose(broken.cell, shear.event_cell[1])
    relaxed = listi.relax(broken)
    np.testing.assert_allclose(relaxed.positions, broken.positions, atol=1e-7)
    onward = deform(state_after(glass, shear, 1), n_events=1)
    assert int(onward.event_atom[0]) == int(shear.event_atom[1])
    steps = round(float(shear.event_strain[1] - shear.event_strain[0]) / 1e-4)
    assert round(float(onward.event_strain[0]) / 1e-4) == steps
    assert np.isfinite(listi.probe(broken, points=glass.cell[None] / 2, r_free=9.0).threshold).all()
    for number, message in ((3, "event: 3 is not one of"), (0, "event: 0 is not one of")):
        with pytest.raises(ValueError, match=message):
            state_after(glass, shear, number)
    with pytest.raises(ValueError, match="shear: holds no configuration"):
        state_after(glass, shear.drop_vars("configuration"), 1)
    with pytest.raises(ValueError, match=r"^shear: is of \d+ atoms, not of the \d+ of the network"):
        state_after(glass, shear.isel(atom=slice(9)), 1)


def test_a_sample_that_tears_when_relaxed_says_so(glass):
    """Two halves pulled 1.2 Å apart at a cut: some bonds heal, the longest do not."""
    positions = glass.positions * [1.0, 1.12]
    stretched = glass.replace(positions=positions, cell=glass.cell * [1.0, 1.12])
    with pytest.warns(UserWarning, match=r"network: tears when relaxed: \d+ bonds .* the longest, of atoms \["):
        torn = listi.relax(stretched)
    assert len(torn.bonds) < len(glass.bonds)
    assert deform(torn, max_strain=0.001, n_events=1).strain.size > 1


def test_a_cell_that_is_too_small_for_the_cutoff_is_named():
    pair = listi.Network([[5.0, 5.0], [6.5, 5.0]], [0, 1], None, [60.0, 19.0])
    for function in (listi.relax, listi.deform, listi.probe, listi.stress):
        with pytest.raises(ValueError, match=r"^cell: .*19.* (too small|twice the cutoff)"):
            function(pair)


def test_a_cell_that_would_become_too_low_is_refused():
    """At a strain of 1 its height is e times less: 45.75 Å become 16.8, 57 become 20.97, and 58 become 21.3."""
    for height, message in ((45.75, "^cell: .* too small to be strained by 1:"), (57.0, "^cell: "), (58.0, "minimum")):
        pair = listi.Network([[5.0, 5.0], [6.5, 5.0]], [0, 1], None, [60.0, height])
        with pytest.raises(ValueError, match=message):
            deform(pair, max_strain=1.0)


def test_stops_at_the_largest_strain(glass):
    shear = deform(glass, n_events=50, max_strain=0.005)
    assert shear.strain[-1] == pytest.approx(0.005)


def test_a_sample_off_its_minimum_is_refused(shaken):
    with pytest.raises(ValueError, match="not at an energy minimum.*listi.relax"):
        deform(shaken)
    assert deform(listi.relax(shaken), max_strain=0.001).sizes["event"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strain_step", 0.0),
        ("strain_step", -1e-4),
        ("strain_step", np.nan),
        ("max_strain", 0.0),
        ("max_strain", np.inf),
        ("n_events", 0),
        ("n_events", 2.5),
        ("n_events", True),
        ("free_radius", -1.0),
        ("mode", "torsion"),
        ("angle", np.nan),
        ("free_width", True),
        ("free_centre", 3.0),
        ("free_centre", (np.nan, 0.0)),
        ("free_centre", ("1", "2")),
        *((name, value) for name in ("max_strain", "strain_step", "min_strain", "angle") for value in ("1", None, [1])),
    ],
)
def test_bad_input_names_the_parameter(glass, name, value):
    other = {"free_radius": ("free_centre", (0.0, 0.0)), "free_centre": ("free_radius", 9.0)}
    centre = dict([other[name]]) if name in other else {}
    with pytest.raises(ValueError, match=rf"^{name}: "):
        deform(glass, **{name: value}, **centre)


@pytest.mark.parametrize("mode", MODES)
def test_principal_directions_are_those_of_the_rate_of_strain(mode):
    velocity = make_load(mode, 20.0).velocity
    (least, most), axes = np.linalg.eigh(velocity + velocity.T)
    direction, dilation = principal_directions(mode, 20.0)
    assert dilation == pytest.approx((most + least) / (abs(most + least) + most - least))
    if most - least > 1e-9:
        c, s = np.cos(np.radians(direction)), np.sin(np.radians(direction))
        assert abs(axes[:, 1] @ [c, s]) == pytest.approx(1.0)
