"""Overdamped motion: its path against a general solver, its functions of matrices, and where it must end."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import listi
from listi.mechanics import fall as module
from listi.mechanics.fall import _Motion, _phi_1, _phi_3, eigen, fall
from listi.mechanics.shear import FALLS, deform
from listi.mechanics.system import ConvergenceError, System


@pytest.fixture(scope="module")
def unstable(glass):
    """Return a system whose minimum has just gone: free atoms within 12 Å of the first event, and their numbers."""
    starts = []

    def note(system):
        start = system.positions.copy()
        fall(system)
        if np.max(np.abs(system.positions - start)) > 1.0:
            starts.append((start, system.cell.copy(), system.mobile))

    centre = glass.positions[int(deform(glass, n_events=1).event_atom[0])]
    shear = deform(glass, n_events=1, max_strain=0.5, free_centre=centre, free_radius=12.0, fall=note)
    positions, cell, mobile = starts[0]
    assert shear.sizes["event"] == 1

    def make():
        return System(positions, glass.species, cell, mobile)

    return make, np.flatnonzero(mobile)


def hessian(system, free):
    """Hessian (2 n_free, 2 n_free) of the free atoms."""
    system.linearise()
    columns = np.zeros((len(free) * 2, *system.positions.shape))
    columns[np.arange(len(free) * 2), np.repeat(free, 2), np.tile([0, 1], len(free))] = 1.0
    return np.array([system.hessian_product(column)[free].ravel() for column in columns])


@pytest.fixture(scope="module")
def reference(unstable):
    """Positions (n_times, n_free, 2) along dx/dt = F by backward differentiation formulas, up to the minimum."""
    make, free = unstable
    system = make()

    def place(x):
        system.positions = system.positions.copy()
        system.positions[free] = x.reshape(-1, 2)

    def forces(_, x):
        place(x)
        return system.energy_forces()[1][free].ravel()

    def jacobian(_, x):
        place(x)
        return -hessian(system, free)

    start = system.positions[free].ravel()
    path = solve_ivp(forces, (0, 1e5), start, "BDF", jac=jacobian, rtol=1e-7, atol=1e-7, dense_output=True)
    assert path.success
    times = np.interp(np.arange(0, path.t.size - 1, 0.02), np.arange(path.t.size), path.t)
    return path.sol(np.append(times, path.t[-1])).T.reshape(times.size + 1, -1, 2)


def test_the_path_is_that_of_a_general_solver_and_its_error_falls_with_the_tolerance(unstable, reference):
    make, free = unstable
    worst = []
    for error in (0.02, 0.002):
        system = make()
        motion, path = _Motion(system, error), []
        while motion.time < 10_000.0:
            motion.step()
            path.append(system.positions[free])
        worst.append(max(np.min(np.max(np.abs(reference - x), axis=(1, 2))) for x in path))
    assert np.max(np.abs(path[-1] - path[0])) > 1.0  # it did fall
    assert worst[0] < 0.03
    assert worst[1] < 0.5 * worst[0]


def test_it_ends_where_the_general_solver_does_whatever_the_tolerance(unstable, reference):
    make, free = unstable
    ends = []
    for error in (0.2, 0.02, 0.002):
        system = make()
        assert fall(system, error=error) > 100.0
        assert np.max(np.abs(system.energy_forces()[1])) < 1e-10
        assert np.linalg.eigvalsh(hessian(system, free))[0] > 0.0
        ends.append(system.positions[free])
    for end in ends:
        np.testing.assert_allclose(end, reference[-1], atol=1e-4)


def test_functions_of_a_matrix():
    z = np.array([-1e5, -30.0, -1.0, -0.5, -1e-9, 0.0, 1e-3, 0.49, 0.51, 1.5, 20.0])
    with np.errstate(invalid="ignore", divide="ignore"):
        first = np.where(z == 0.0, 1.0, np.expm1(z) / z)
    np.testing.assert_allclose([_phi_1(x) for x in z], first, rtol=1e-12)
    terms = [z**n * 1.0 for n in range(60)]
    factorials = np.cumprod(np.arange(1.0, 63.0))
    series = sum(term / factorials[n + 2] for n, term in enumerate(terms))
    small = np.abs(z) < 5.0
    np.testing.assert_allclose(np.array([_phi_3(x) for x in z])[small], series[small], rtol=1e-11)
    assert _phi_3(-1e5) == pytest.approx(0.5e-5, rel=1e-3)


@pytest.mark.parametrize("n", [1, 2, 7, 80])
def test_eigenvalues_of_a_tridiagonal_matrix(n):
    rng = np.random.default_rng(n)
    diagonal, side = rng.normal(size=n), rng.normal(size=n - 1)
    side[n // 2 :][:1] = 0.0
    matrix = np.diag(diagonal) + np.diag(side, 1) + np.diag(side, -1)
    values, vectors = eigen(diagonal, side)
    np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(matrix), atol=1e-13)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(vectors @ matrix, values[:, None] * vectors, atol=1e-13)


def test_events_do_not_depend_on_noise_increments_or_tolerance(glass, monkeypatch):
    shear = deform(glass, n_events=3, repeats=1)
    rng = np.random.default_rng(0)
    noise = glass.replace(positions=glass.positions + rng.uniform(-1e-10, 1e-10, glass.positions.shape))
    others = [deform(noise, n_events=3), deform(glass, n_events=3, fall=lambda system: fall(system, error=0.2))]
    monkeypatch.setattr("listi.mechanics.quasistatic.LONGEST", 8)
    others.append(deform(glass, n_events=3))
    assert shear.event_certain.values.tolist() == [1, 1, 1]
    for other in others:
        np.testing.assert_array_equal(other.event_atom, shear.event_atom)
        np.testing.assert_allclose(other.event_strain, shear.event_strain, atol=1e-12)
        np.testing.assert_allclose(other.configuration, shear.configuration, atol=1e-5)


def test_repeated_falls_that_end_elsewhere_make_an_event_uncertain(glass):
    """A fall that goes one way or the other by the last bits of its start is found out."""

    def capricious(system):
        swapped = system.positions[0, 0] * 1e8 % 2.0 < 1.0
        fall(system)
        if swapped:
            system.positions[[0, 1]] = system.positions[[1, 0]]

    shear = deform(glass, n_events=1, fall=capricious, repeats=8)
    assert shear.event_certain.values.tolist() == [0]


def test_a_fall_that_does_not_end_says_where_it_is(unstable, monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 3)
    with pytest.raises(ConvergenceError, match=r"after 3 steps, at time .*: force .* on atom \d+ at \[.*\] Å"):
        fall(unstable[0]())
    with pytest.raises(ConvergenceError, match="^overdamped motion has no step of the allowed error at time 0"):
        fall(unstable[0](), error=1e-30)


@pytest.mark.parametrize("wrong", ["steepest descent", 1, None])
def test_an_unknown_fall_is_refused(glass, wrong):
    with pytest.raises(ValueError, match=r"fall: .* is not one of overdamped, newton"):
        deform(glass, fall=wrong)
    assert set(FALLS) == {"overdamped", "newton"}


def test_repeats_are_a_whole_number(glass):
    with pytest.raises(ValueError, match="repeats: -1 is not a whole number >= 0"):
        deform(glass, repeats=-1)
    with pytest.raises(ValueError, match="repeats"):
        listi.deform(glass, repeats=0.5)
