"""Stress rates against a strained and relaxed sample; strain to failure and what is forecast from it."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import brentq

import listi
from listi.analysis import discs, load, predictors
from listi.mechanics.forms import SILICA
from listi.mechanics.load import CellUnderLoad
from listi.mechanics.quasistatic import LoadedSample
from listi.mechanics.system import System, system_of
from listi.network.network import Network

R_FREE = 9.0
GRID = (5, 6)


def shear_virials(system):
    """Share of every atom in the shear stress (sigma_xx - sigma_yy)/2 times area."""
    return system.virials() @ [0.5, 0.0, -0.5]


def strained(network, strain):
    stretch = np.array([1.0 + strain, 1.0 / (1.0 + strain)])
    system = System(network.positions * stretch, network.species, network.cell * stretch)
    system.relax()
    return shear_virials(system)


def test_the_stress_rate_is_the_change_of_local_stress_of_a_strained_sample(glass):
    step = 1e-5
    inside = discs.membership(glass.positions, glass.cell, GRID, R_FREE)
    numeric = inside @ (strained(glass, step) - strained(glass, -step)) / (2 * step * np.pi * R_FREE**2)
    found = listi.stress_rate(glass, GRID, R_FREE)
    np.testing.assert_allclose(found.values.ravel(), numeric, rtol=1e-3, atol=1e-3 * numeric.mean())
    affine = inside @ load.respond(glass).affine_rate / (np.pi * R_FREE**2)
    assert np.max(np.abs(affine / numeric - 1)) > 0.3  # atoms do not move affinely, and it matters


@pytest.mark.parametrize(
    ("mode", "angle"), [("uniaxial tension", 90.0), ("biaxial tension", 0.0), ("simple shear", 0.0), ("pure shear", 30)]
)
def test_the_stress_rate_of_other_loads(glass, mode, angle):
    """Against one step forth and one back of the sample under that load, its virials in the frame of the glass."""
    how = CellUnderLoad(mode, angle, 1e-5)
    inside, virials = discs.membership(glass.positions, glass.cell, GRID, R_FREE), []
    for steps in (1, -1):
        sample = LoadedSample(system_of(glass), how)
        sample.deform(steps)
        sample.find_minimum()
        turned = [how.stress(np.array([[xx, xy], [xy, yy]]), steps) for xx, xy, yy in sample.system.virials()]
        virials.append(np.array(turned))
    numeric = inside @ (virials[0] - virials[1]) / (2e-5 * np.pi * R_FREE**2)
    found = listi.stress_rate(glass, GRID, R_FREE, mode, angle)
    np.testing.assert_allclose(found.values.ravel(), numeric, rtol=2e-3, atol=2e-3 * np.abs(numeric).mean())
    assert listi.strain_to_failure(listi.probe(glass, GRID, r_free=R_FREE, mode=mode, angle=angle), found).min() > 0.0


def test_it_is_the_stress_that_a_probe_measures(glass):
    probed = listi.probe(glass, grid=GRID, r_free=R_FREE)
    stress = discs.stress_of_discs(system_of(glass).virials(), glass.positions, glass.cell, GRID, R_FREE)
    expected = probed.initial_stress.values.ravel()
    np.testing.assert_allclose(stress @ [0.5, 0.0, -0.5], expected, rtol=1e-8, atol=1e-12)


def test_shares_of_all_atoms_add_up_to_the_stress_of_the_sample(glass):
    virial = shear_virials(system_of(glass))
    stress = system_of(glass).stress()
    assert virial.sum() / np.prod(glass.cell) == pytest.approx((stress[0, 0] - stress[1, 1]) / 2, rel=1e-9)


def test_strain_to_failure_is_threshold_over_rate():
    coords = {"x": [0.0, 2.0], "y": [0.0, 3.0]}
    threshold = xr.DataArray([[1.0, 2.0], [3.0, np.nan]], coords, ("x", "y"))
    rate = xr.DataArray([[10.0, -1.0], [10.0, 10.0]], coords, ("x", "y")).transpose("y", "x")
    strain = listi.strain_to_failure(threshold, rate)
    np.testing.assert_allclose(strain, [[0.1, np.nan], [0.3, np.nan]])
    with pytest.raises(ValueError, match="^rate: grid"):
        listi.strain_to_failure(threshold, rate.isel(x=[0]))
    points = xr.DataArray([1.0, 2.0], {"x": ("point", [0.0, 1.0]), "y": ("point", [0.0, 1.0])}, ("point",))
    with pytest.raises(ValueError, match="^rate: grid"):
        listi.strain_to_failure(points, points.assign_coords(x=("point", [0.0, 2.0])))


def map_of(values):
    n = len(values)
    return xr.DataArray(values, {"x": 5.0 * np.arange(n), "y": 5.0 * np.arange(n)}, ("x", "y"))


def test_forecast_takes_the_softest_spots_that_are_apart_across_the_border():
    values = np.full((8, 8), 9.0)
    values[0, 0], values[7, 0], values[4, 4], values[4, 1] = 1.0, 2.0, 3.0, 4.0  # the second adjoins the first
    cell = np.array([40.0, 40.0])
    found = load.forecast(map_of(values), cell, 3, apart=11.0)
    np.testing.assert_allclose(found.strain, [1, 3, 4])
    np.testing.assert_allclose(found.position, [[0, 0], [20, 20], [20, 5]])
    with pytest.raises(ValueError, match="^n_events: 50"):
        load.forecast(map_of(values), cell, 50)


def test_forecast_beside_what_came():
    values = np.full((8, 8), 9.0)
    values[0, 0], values[4, 4] = 0.01, 0.03
    shear = xr.Dataset(
        {"event_position": (("event", "xy"), [[39.0, 1.0], [20.0, 0.0]]), "event_strain": ("event", [0.012, 0.02])},
        coords={"event": [1, 2]},
    )
    found = load.strains_of_events(map_of(values), shear, np.array([40.0, 40.0]))
    np.testing.assert_allclose(found.at_site, [0.01, 9.0])
    np.testing.assert_allclose(found.forecast, [0.01, 0.03])
    assert found.foreseen.values.tolist() == [True, False]


def test_thresholds_of_another_mode_direction_or_radius_are_refused(glass):
    rate = listi.stress_rate(glass, (1, 2), r_free=7.0)
    for changes, message in (
        ({"mode": "simple shear"}, "mode = 'simple shear'; the rate is of 'pure shear'"),
        ({"angle": 30.0}, "angle = 30.0; the rate is of 0.0"),
        ({"r_free": 8.0}, "r_free = 8.0; the rate is of 7.0"),
    ):
        probed = listi.probe(glass, (1, 2), **{"r_free": 7.0, "workers": 1} | changes)
        for threshold in (probed, probed.threshold):
            with pytest.raises(ValueError, match=f"^threshold: was made with {message}"):
                listi.strain_to_failure(threshold, rate)
    probed = listi.probe(glass, (1, 2), r_free=7.0, workers=1)
    xr.testing.assert_equal(listi.strain_to_failure(probed, rate), listi.strain_to_failure(probed.threshold, rate))


def test_bad_input_is_refused(glass, shaken):
    with pytest.raises(ValueError, match="^r_free: 40"):
        listi.stress_rate(glass, r_free=40.0)
    with pytest.raises(ValueError, match="not at an energy minimum"):
        listi.stress_rate(shaken)
    with pytest.raises(ValueError, match="^grid"):
        listi.stress_rate(glass, grid=(0, 5))


def test_a_network_torn_in_pieces_is_refused(glass):
    """Two molecules and an atom out of each other's reach, at their minimum: nothing tells how they move together."""
    bond = brentq(lambda r: SILICA.pair(r, 0, 1)[1].item(), 1.2, 1.6, xtol=1e-14)
    positions = [[10.0, 10.0], [10.0 + bond, 10.0], [40.0, 40.0], [40.0, 40.0 + bond], [10.0, 60.0]]
    torn = Network(positions, [0, 1, 0, 1, 1], None, [80.0, 80.0])
    told = "network: is torn into 3 pieces, the largest of 2 of 5 atoms, between which"
    for respond in (listi.stress_rate, lambda *given: predictors.soft_modes(torn, np.zeros((1, 2)), 7.0)):
        with pytest.raises(ValueError, match=told):
            respond(torn, (4, 4), 7.0)
    once = glass.replace(positions=glass.positions + [12.0, 0.0], cell=glass.cell + [12.0, 0.0], bonds=None)
    assert listi.stress_rate(listi.relax(once), (4, 4), 7.0).notnull().all()  # a single strip is in one piece


def test_means_and_variances_over_discs(glass):
    inside = discs.membership(glass.positions, glass.cell, (3, 2), 6.0)
    values = 1e6 + np.arange(glass.n_atoms)
    for row, mean, variance in zip(
        inside.toarray(), discs.disc_mean(values, inside), discs.disc_variance(values, inside), strict=True
    ):
        assert mean == pytest.approx(values[row > 0].mean())
        assert variance == pytest.approx(values[row > 0].var(), rel=1e-6)
    empty = discs.membership(np.array([[0.0, 0.0]]), glass.cell, (2, 2), 5.0)
    assert np.isnan(discs.disc_mean(np.ones(1), empty)[1:]).all()
