"""Maps carried along a deformation against maps probed anew; what is fresh and what stale; when a sample is torn."""

import numpy as np
import pytest
import xarray as xr

import listi
from listi.analysis import follow
from listi.mechanics.forms import silica
from listi.mechanics.shear import relax
from listi.mechanics.system import System

GRID, R_FREE = (5, 6), 7.0


@pytest.fixture(scope="module")
def shear(glass):
    return listi.deform(glass, n_events=2, max_strain=0.2)


def sheared(network, strain):
    stretch = np.array([1.0 + strain, 1.0 / (1.0 + strain)])
    system = System(network.positions * stretch, network.species, network.cell * stretch)
    system.relax()
    return network.replace(positions=system.positions, cell=system.cell)


def test_a_smooth_stretch_needs_no_probe_again(glass):
    """The disc is on the path that its probe has walked: what is left to it is the rest."""
    fresh = follow.FreshMap(GRID, R_FREE)
    before, later = fresh(glass), sheared(glass, 2e-3)
    carried, probed = fresh(later), listi.probe(later, GRID, r_free=R_FREE).threshold
    assert fresh.probed == 0.0
    assert np.median(np.abs(carried.values / probed.values - 1)) < 0.005
    assert np.median(np.abs(before.values / probed.values - 1)) > 0.01
    np.testing.assert_allclose(carried.x, probed.x)
    given = follow.FreshMap(GRID, R_FREE, probing=listi.probe(glass, GRID, r_free=R_FREE))
    np.testing.assert_array_equal(given(glass), before)
    assert given.probed == 0.0
    np.testing.assert_array_equal(given(later), carried)


def test_after_an_event_only_discs_that_changed_are_probed(glass, shear):
    partly, wholly = follow.FreshMap(GRID, R_FREE, moved=0.3), follow.FreshMap(GRID, R_FREE, moved=0.0)
    ways = [listi.follow(glass, shear, one) for one in (partly, wholly)]
    np.testing.assert_array_equal(ways[1].probed, 1.0)
    assert ways[0].probed[0] == 1.0
    assert 0.0 < ways[0].probed[1] < 1.0
    again, new = (one.maps.sel(event=2).values for one in ways)
    same = again == new
    assert np.mean(same) == pytest.approx(ways[0].probed[1].item())
    assert np.corrcoef(again.ravel(), new.ravel())[0, 1] > 0.9
    state = listi.relax(listi.state_after(glass, shear, 1))
    np.testing.assert_allclose(new, listi.probe(state, GRID, r_free=R_FREE).threshold, rtol=1e-6)


def test_a_map_of_another_load_is_followed_and_mixed_up_with_none(glass):
    """Tension along y: the next event is carried to its disc by the stress of that load, or another is refused."""
    how = {"mode": "uniaxial tension", "angle": 90}
    pulled = listi.deform(glass, n_events=2, **how)
    fresh = follow.FreshMap(GRID, R_FREE, **how)
    followed = listi.follow(glass, pulled, fresh)
    probed = listi.probe(glass, GRID, r_free=R_FREE, **how)
    np.testing.assert_allclose(followed.maps[0], probed.threshold, rtol=1e-9)
    assert follow.live_maps(glass, pulled, GRID, R_FREE).sizes["state"] == 3
    with pytest.raises(ValueError, match="^indicator: .*'pure shear'.*; the deformation is of .*tension"):
        listi.follow(glass, pulled, follow.FreshMap(GRID, R_FREE))


def test_any_indicator_can_be_followed(glass, shear):
    seen = []

    def distance_to_the_coming_event(network):
        """Fresh, it always knows; of the undeformed sample, it knows the first event only."""
        place = network.positions[shear.event_atom.values[len(seen)]]
        seen.append(network)
        x, y = (np.arange(12) * edge / 12 for edge in network.cell)
        away = [
            np.minimum(np.abs(line - p), edge - np.abs(line - p))
            for line, p, edge in zip((x, y), place, network.cell, strict=True)
        ]
        return xr.DataArray(np.hypot(away[0][:, None], away[1]), {"x": x, "y": y}, ("x", "y"))

    found = listi.follow(glass, shear, distance_to_the_coming_event)
    np.testing.assert_array_equal(found.fresh, 1.0)
    assert found.stale[0] == 1.0 > found.stale[1]
    assert seen[0] is glass
    np.testing.assert_allclose(seen[1].cell, shear.event_cell[0])
    np.testing.assert_allclose(found.maps.x, np.arange(12) * glass.cell[0] / 12)


def test_a_sample_is_torn_when_the_stress_stays_away():
    stress = np.array([0.05, 1.0, 2.0, 0.5, 0.15, 0.4])
    shear = xr.Dataset(
        {"stress": ("strain", stress), "event_strain": ("event", [0.3, 0.4, 0.5])},
        coords={"strain": 0.1 * np.arange(6), "event": [1, 2, 3]},
    )
    torn = follow.until_fractured(shear)
    assert torn.event.values.tolist() == [1, 2]
    assert torn.strain.values[-1] == pytest.approx(0.4)
    whole = shear.isel(strain=slice(4))  # the least is a quarter of the peak
    assert follow.until_fractured(whole).identical(whole)


def test_a_sample_of_another_potential_is_followed_with_it(glass):
    weak = silica(charge=(1.4, -0.9, 0.62))
    relaxed = relax(glass, potential=weak)
    shear = listi.deform(relaxed, n_events=2, max_strain=0.3, potential=weak)
    seen = []

    def indicator(state):
        seen.append(
            np.max(np.abs(System(state.positions, state.species, state.cell, potential=weak).energy_forces()[1]))
        )
        return follow.FreshMap((2, 2), R_FREE, potential=weak)(state)

    listi.follow(relaxed, shear, indicator, potential=weak)
    assert len(seen) == 2 and max(seen) < 1e-9


def test_bad_input_is_refused(glass, shear):
    with pytest.raises(ValueError, match="^shear: holds no configuration"):
        listi.follow(glass, shear.drop_vars("configuration"), lambda network: xr.DataArray([[1.0]], dims=("x", "y")))
    with pytest.raises(ValueError, match="^moved: -1"):
        follow.FreshMap(moved=-1)
    for how, message in (
        ({"r_free": 8.0}, r"made with r_free = 8.0; 7.0 is needed"),
        ({"mode": "simple shear"}, "made with mode = 'simple shear'; 'pure shear' is needed"),
        ({"angle": 30.0}, "made with angle"),
        ({"tether": 5.0}, "made with tether"),
        ({"grid": (1, 2)}, r"has \(1, 2\) points; \(1, 1\) are needed"),
    ):
        probing = listi.probe(glass, **{"grid": (1, 1), "r_free": R_FREE, "workers": 1} | how)
        with pytest.raises(ValueError, match=f"^probing: (was )?{message}"):
            follow.FreshMap((1, 1), R_FREE, probing=probing)
    weak, probing = silica(charge=(1.4, -0.9, 0.62)), listi.probe(glass, (1, 1), r_free=R_FREE, workers=1)
    with pytest.raises(ValueError, match="^potential: .* is not the one that the map was probed with"):
        follow.FreshMap((1, 1), R_FREE, probing=probing, potential=weak)
