"""Circles in patches: where they lie, how a patch is prepared, and that both directions of shear are treated alike."""

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

import listi
from listi.imaging.circle import (
    READINGS,
    Circle,
    State,
    changed_bonds,
    circles,
    examine,
    first_event,
    gridded,
    held_at_edges,
    inner_points,
    largest_circle,
    map_points,
    relaxed_freely,
    stretched,
    transposed,
)
from listi.imaging.experimental import imaged_patch
from listi.imaging.study import cut_patch, study
from listi.mechanics.system import System
from listi.network.geometry import wrap
from listi.network.patch import edge_silicon, free_patch


@pytest.fixture(scope="module")
def patch(glass):
    return cut_patch(glass, 47.0)


@pytest.fixture(scope="module")
def state(patch):
    return held_at_edges(patch)


def forces(network):
    return System(network.positions, network.species, network.cell).energy_forces()[1]


def tension(network):
    stress = System(network.positions, network.species, network.cell).stress()
    return np.trace(stress) / 2


def test_a_cut_patch_is_scaled_and_its_oxygen_lies_between_its_silicon(patch):
    first, second = patch.positions[patch.bonds.T]
    assert np.linalg.norm(first - second, axis=1).mean() == pytest.approx(3.05)
    np.testing.assert_allclose(patch.positions[patch.species == 1], (first + second) / 2, atol=1e-9)


@pytest.mark.parametrize("reading", [relaxed_freely, held_at_edges])
def test_atoms_beyond_the_border_of_their_box_belong_to_the_patch(patch, reading):
    """One atom a whole cell away, and a patch in four parts at the corners of its cell."""
    far = patch.positions.copy()
    far[[0, -1]] += [[1, 0], [-1, 2]] * patch.cell
    for positions in (far, wrap(patch.positions + 0.5 * patch.cell, patch.cell)):
        shift = reading(patch.replace(positions=positions)).patch.positions - reading(patch).patch.positions
        np.testing.assert_allclose(shift, shift[:1].repeat(len(shift), axis=0), atol=0.01)


def test_with_free_edges_nothing_pulls(patch):
    free = relaxed_freely(patch)
    assert np.abs(forces(free.patch)).max() < 1e-9
    assert tension(free.patch) == pytest.approx(0.0, abs=1e-9)
    assert not free.held.any()
    assert changed_bonds(patch, free.patch) == 0
    assert abs(tension(patch)) > 1e-3


def test_held_edges_stay_and_only_they_feel_forces(patch, state):
    edge = edge_silicon(patch)
    assert state.held[edge].all()
    assert 0.1 < state.held.mean() < 0.5
    np.testing.assert_array_equal(state.patch.positions[state.held], patch.positions[state.held])
    assert np.abs(forces(state.patch)[~state.held]).max() < 1e-9
    assert np.abs(forces(state.patch)[state.held]).max() > 1e-3
    assert tension(state.patch) > 1e-3


def test_stretched_has_its_size_again(patch):
    again = stretched(patch).patch
    first, second = again.positions[again.bonds.T]
    assert np.linalg.norm(first - second, axis=1).mean() == pytest.approx(3.05, abs=0.02)
    assert tension(again) > 1e-3


def test_changed_bonds_counts_both_ways(patch):
    fewer = patch.replace(bonds=patch.bonds[3:])
    assert changed_bonds(patch, fewer) == changed_bonds(fewer, patch) == 3
    assert changed_bonds(patch, patch.replace(bonds=patch.bonds[::-1, ::-1])) == 0


def test_the_largest_circle_leaves_its_rim_and_no_more():
    crystal = free_patch(honeycomb(16, 18), 70.0)
    circle = largest_circle(crystal, 10.0)
    edge = crystal.positions[edge_silicon(crystal)]
    nearest = np.linalg.norm(edge - circle.centre, axis=1).min()
    assert nearest == pytest.approx(circle.radius + 10.0)
    assert 20.0 < circle.radius < 25.0
    np.testing.assert_allclose(circle.centre, crystal.cell / 2, atol=3.0)
    with pytest.raises(ValueError, match=r"rim: 40.0 Å leaves nothing of a patch that is 3\d\.?\d* Å deep"):
        largest_circle(crystal, 40.0)


def test_circles_cover_a_patch():
    crystal = free_patch(honeycomb(16, 18), 70.0)
    edge = crystal.positions[edge_silicon(crystal)]
    found = circles(crystal, 8.0, 10.0)
    centre = np.array([circle.centre for circle in found])
    assert len(found) >= 4
    apart = np.linalg.norm(centre[:, None] - centre[None], axis=2) + 1e3 * np.eye(len(found))
    assert apart.min() >= 8.0
    assert np.linalg.norm(edge[:, None] - centre[None], axis=2).min() >= 18.0
    with pytest.raises(ValueError, match="radius: 30.0 Å with a rim of 10.0 Å does not fit"):
        circles(crystal, 30.0, 10.0)


def test_points_of_a_map(patch):
    points = map_points(patch, Circle(np.array([20.0, 30.0]), 9.0), 4.0)
    distance = np.linalg.norm(points - [20.0, 30.0], axis=1)
    assert distance.min() == 0.0 and distance.max() <= 9.0
    assert len(points) == 21  # within 2.25 steps: itself, 4 at 1, 4 at sqrt 2, 4 at 2 and 8 at sqrt 5
    inside = inner_points(patch, 11.0)
    edge = patch.positions[edge_silicon(patch)]
    assert np.linalg.norm(inside[:, None] - edge[None], axis=2).min() >= 11.0
    with pytest.raises(ValueError, match="depth: no point"):
        inner_points(patch, 60.0)


def test_a_patch_may_have_its_atoms_outside_its_box(state):
    shift = np.array([-43.0, 86.0])  # whole numbers of steps of both grids
    inside, outside = state.patch, state.patch.replace(positions=state.patch.positions + shift)
    assert np.any(outside.positions < 0.0) and np.any(outside.positions > outside.cell)
    one, other = largest_circle(inside), largest_circle(outside)
    np.testing.assert_allclose(other.centre - shift, one.centre)
    assert other.radius == pytest.approx(one.radius)
    points = inner_points(inside)
    np.testing.assert_allclose(inner_points(outside) - shift, points)
    probed = [
        listi.probe(p, points=at, held=state.held) for p, at in ((inside, points[:1]), (outside, points[:1] + shift))
    ]
    np.testing.assert_allclose(probed[1].threshold, probed[0].threshold, rtol=1e-6)


def test_a_disc_with_a_held_atom_is_not_probed(state):
    points = np.array([state.patch.cell / 2, state.patch.positions[state.held][0]])
    probed = listi.probe(state.patch, points=points, held=state.held)
    assert np.isnan(probed.threshold.values).tolist() == [False, True]
    assert probed.status.values.tolist() == [0, 2]
    with pytest.raises(ValueError, match="not at an energy minimum"):
        listi.probe(state.patch, points=points)
    with pytest.raises(ValueError, match="would relax a held atom"):
        listi.probe(state.patch, points=points[1:], held=state.held)


def test_the_first_event_lies_in_the_circle(state):
    circle = largest_circle(state.patch)
    shear = first_event(state, circle)
    assert shear.sizes["event"] == 1
    assert np.linalg.norm(shear.event_position.values[0] - circle.centre) < circle.radius
    still = np.linalg.norm(state.patch.positions - circle.centre, axis=1) >= circle.radius
    np.testing.assert_array_equal(shear.non_affine.values[0][still], 0.0)


def test_both_directions_are_treated_alike(state):
    circle = largest_circle(state.patch)
    one = examine(state, circle, spacing=6.0)
    other = examine(transposed(state), Circle(circle.centre[::-1], circle.radius), spacing=6.0)
    for name in ("event_strain", "goodness"):
        assert one[name].sel(direction="x") == pytest.approx(float(other[name].sel(direction="y")), abs=1e-9)
    position = other.event_position.sel(direction="y").values[::-1]
    np.testing.assert_allclose(one.event_position.sel(direction="x"), position, atol=1e-6)
    assert float(one.threshold.sel(direction="x").max()) > 0.0
    assert not np.allclose(one.threshold.sel(direction="x"), one.threshold.sel(direction="y"))


def test_another_map_than_the_probed_one(state):
    circle = largest_circle(state.patch)

    def hardest_on_the_left(patch, points):
        coords = {name: ("point", points[:, k]) for k, name in enumerate("xy")}
        return xr.DataArray(-points[:, 0], dims="point", coords=coords)

    found = examine(state, circle, spacing=6.0, maps={"left": hardest_on_the_left}).sel(direction="x")
    points = map_points(state.patch, circle, 6.0)
    nearest = points[np.argmin(np.linalg.norm(points - found.event_position.values, axis=1))]
    assert float(found.goodness_left) == pytest.approx(1.0 - 2.0 * np.mean(points[:, 0] > nearest[0]))
    assert float(found.goodness) != float(found.goodness_left)


def test_gridded_keeps_every_value():
    crystal = free_patch(honeycomb(10, 10), 40.0)
    points = map_points(crystal, Circle(crystal.cell / 2, 10.0), 4.0)
    values = np.arange(len(points), dtype=float)
    threshold = xr.DataArray(values, dims="point", coords={c: ("point", points[:, k]) for k, c in enumerate("xy")})
    grid = gridded(threshold)
    assert set(grid.dims) == {"x", "y"}
    assert sorted(grid.values[np.isfinite(grid.values)]) == values.tolist()
    for value, (x, y) in zip(values, points, strict=True):
        assert grid.sel(x=x, y=y, method="nearest") == value


def test_study_has_a_row_for_every_case_and_leaves_out_what_does_not_fit(patch):
    small = free_patch(honeycomb(10, 10), 20.0)
    readings = {"held edges": READINGS["held edges"]}
    with pytest.warns(UserWarning, match="patch small, held edges: left out: rim: 10.0 Å leaves nothing"):
        found = study({"glass": patch, "small": small}, readings=readings, spacing=6.0)
    assert found.patch.values.tolist() == ["glass", "glass"]
    assert found.direction.values.tolist() == ["x", "y"]
    assert np.all(found.softest < found["median"])
    assert np.all((found.event_strain > 0.0) & (found.event_strain < 0.3))


@pytest.mark.parametrize("name", ["cornell_A", "heyde"])
def test_the_imaged_topology_survives_the_energy_minimum(imaged_files, name):
    patch = imaged_patch(name)
    assert changed_bonds(patch, relaxed_freely(patch).patch) == 0


def test_a_state_is_a_patch_and_its_held_atoms(patch):
    turned = transposed(transposed(State(patch, np.zeros(patch.n_atoms, dtype=bool))))
    np.testing.assert_array_equal(turned.patch.positions, patch.positions)
