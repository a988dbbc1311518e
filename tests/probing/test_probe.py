"""Local probing: thresholds equal those of plain fixed-step shear; symmetry; bad input."""

from pathlib import Path

import numpy as np
import pytest

from listi import parallel
from listi.mechanics import lammps
from listi.mechanics.forms import SILICA, silica
from listi.mechanics.potential import Potential
from listi.mechanics.shear import deform, relax
from listi.network.geometry import minimum_image
from listi.network.network import Network
from listi.probing import probe as module
from listi.probing import protocol
from listi.probing.branch import INSTABILITY, UNCONVERGED
from listi.probing.probe import STATUS, load_unload_step, probe, trace, yield_stress

POINTS = np.array([[3.0, 4.0], [20.0, 31.0], [40.0, 11.0], [51.0, 53.0], [10.0, 44.0], [30.0, 2.0]])
R_FREE = 9.0


@pytest.fixture(scope="module")
def probing(glass):
    return probe(glass, points=POINTS, r_free=R_FREE)


def cut_out(network, point, r_free):
    """The disc alone, with free edges, in the middle of an empty cell."""
    vector = minimum_image(network.positions - point, network.cell)
    inside = np.linalg.norm(vector, axis=1) < r_free + 10.0
    return Network(vector[inside] + 50.0, network.species[inside], np.zeros((0, 2), int), [100.0, 100.0])


def test_critical_state_is_that_of_plain_fixed_step_shear(glass, probing):
    """Each probe as a plain 1e-4 shear, by other code: every single step, minima to machine precision."""
    for k in (2, 3, 4):
        disc = cut_out(glass, POINTS[k], R_FREE)
        plain = deform(disc, max_strain=0.6, n_events=1, free_centre=(50.0, 50.0), free_radius=R_FREE, every_step=True)
        last_stable = float(plain.event_strain[0]) - 1e-4
        assert float(probing.critical_strain[k]) == pytest.approx(last_stable, abs=1e-9)


def test_every_step_walked_gives_the_same_critical_state(glass):
    """Followed in stretches and walked step by step, on a whole map with a coarse grid."""
    followed, walked = (probe(glass, grid=(3, 3), every_step=every) for every in (False, True))
    np.testing.assert_array_equal(followed.critical_strain, walked.critical_strain)
    np.testing.assert_allclose(followed.threshold, walked.threshold, rtol=1e-7)


def test_a_stiff_tether_freezes_and_a_soft_one_does_not(glass, probing):
    """Springs are the only thing between a soft matrix and a frozen one."""
    stiff, soft = (probe(glass, points=POINTS, r_free=R_FREE, tether=k) for k in (1e4, 1.0))
    np.testing.assert_allclose(stiff.threshold, probing.threshold, rtol=1e-3)
    np.testing.assert_allclose(soft.initial_stress, probing.initial_stress, atol=1e-12)
    assert np.max(np.abs(soft.threshold / probing.threshold - 1)) > 0.02


def test_a_soft_matrix_walked_step_by_step(glass):
    followed, walked = (
        probe(glass, points=POINTS[5:], r_free=6.0, tether=1.0, every_step=every) for every in (False, True)
    )
    np.testing.assert_array_equal(followed.critical_strain, walked.critical_strain)
    np.testing.assert_allclose(followed.threshold, walked.threshold, rtol=1e-7)
    np.testing.assert_allclose(followed.peak_stress, walked.peak_stress, rtol=1e-4)


def test_a_probe_that_meets_a_loop_narrower_than_a_step(glass):
    """Atoms jump there and back within one step of 1e-4: undoing it as a whole does not tell, its parts do."""
    point = glass.cell * [0.75, 0.0]
    followed, walked = (probe(glass, points=point[None], r_free=R_FREE, every_step=every) for every in (False, True))
    strain = followed.critical_strain.item()
    assert load_unload_step(glass, point, strain, parts=1, r_free=R_FREE).returned
    forth, back = load_unload_step(glass, point, strain, r_free=R_FREE).stress.values
    assert np.mean(np.abs(forth - back) > 1e-3 * np.abs(forth)) > 0.1
    assert walked.critical_strain.item() == strain
    np.testing.assert_allclose(walked.threshold, followed.threshold, rtol=1e-7)


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**16])
def test_the_unit_of_energy_changes_nothing_but_the_numbers(glass, probing, factor):
    """Even powers of two, which no product, quotient or root rounds: about a millionth, and about kelvins."""
    other = Potential(SILICA.function, SILICA.parameters * factor, SILICA.cutoff, constants=SILICA.constants)
    found = probe(glass, points=POINTS[:3], r_free=R_FREE, potential=other)
    np.testing.assert_array_equal(found.critical_strain, probing.critical_strain[:3])
    np.testing.assert_array_equal(found.threshold, factor * probing.threshold[:3])
    walked = trace(glass, POINTS[1], r_free=R_FREE, potential=other)
    np.testing.assert_array_equal(walked.stress, factor * trace(glass, POINTS[1], r_free=R_FREE).stress)


@pytest.mark.parametrize("load", [{}, {"mode": "simple shear", "angle": 20.0}, {"tether": 10.0}])
def test_pair_lists_lack_no_pair_on_the_way(glass, load, monkeypatch):
    """A list that reaches far is never too old, one with a thin skin always nearly so: the same bits."""
    thin, thick = (probe_with_skin(glass, skin, monkeypatch, **load) for skin in (0.05, 5.0))
    assert float(thick.critical_strain.max()) > 0.1  # pairs come into reach
    for name in ("threshold", "critical_strain", "peak_stress"):
        np.testing.assert_array_equal(thin[name], thick[name])


def probe_with_skin(glass, skin, monkeypatch, **load):
    """Probe with another skin of the pair lists [Å]."""
    monkeypatch.setattr(protocol, "SKIN_DISC", skin)
    return probe(glass, points=POINTS[:4], r_free=6.0, workers=1, **load)


def test_a_disc_with_a_single_free_atom(glass):
    """A Si, alone within half an angstrom."""
    points = glass.positions[33:34]
    followed, walked = (probe(glass, points=points, r_free=0.5, every_step=every_step) for every_step in (False, True))
    assert np.count_nonzero(trace(glass, points[0], r_free=0.5).free) == 1
    assert np.all(followed.status == INSTABILITY)
    np.testing.assert_array_equal(followed.critical_strain, walked.critical_strain)
    np.testing.assert_allclose(followed.threshold, walked.threshold, rtol=1e-7)


def test_yield_stress_is_the_smallest_projected_threshold(glass):
    found = yield_stress(glass, points=POINTS[:3], direction=30.0, angles=(-20.0, 0.0, 20.0), r_free=R_FREE)
    each = [probe(glass, points=POINTS[:3], angle=30.0 + a, r_free=R_FREE).threshold.values for a in (-20, 0, 20)]
    shares = np.cos(np.radians([-40, 0, 40]))[:, None]
    np.testing.assert_array_equal(found.threshold, each)
    np.testing.assert_allclose(found.yield_stress, np.min(each / shares, axis=0))
    np.testing.assert_array_equal(found.weakest_angle, np.array([-20, 0, 20])[np.argmin(each / shares, axis=0)])


@pytest.mark.parametrize(
    ("name", "value"), [("angles", ()), ("angles", (45.0,)), ("mode", "pure shear"), ("angle", 3.0), ("r_free", -1.0)]
)
def test_bad_input_of_yield_stress(glass, name, value):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        yield_stress(glass, points=POINTS[:1], **{name: value})


def test_one_probe_in_lammps(glass, probing):
    """Straining in steps of 1e-3 with tight minima, LAMMPS loses the disc within the same step."""
    ours = float(probing.critical_strain[1])
    critical = lammps.probe(glass, POINTS[1], R_FREE, 1e-3, 1e-8, first=round(ours / 1e-3) - 5)
    assert ours - 1.1e-3 < critical < ours + 1e-4


def test_trace_shows_the_same_threshold(glass, probing):
    curve = trace(glass, POINTS[1], r_free=R_FREE)
    assert float(curve.critical_strain) == pytest.approx(float(probing.critical_strain[1]), abs=1e-9)
    assert float(curve.stress[0]) == pytest.approx(float(probing.initial_stress[1]), abs=1e-12)
    critical = curve.stress.sel(strain=float(curve.critical_strain), method="nearest")
    assert float(critical) == pytest.approx(float(probing.critical_stress[1]), abs=1e-9)
    assert float(curve.stress[-1]) < float(critical)


def test_a_step_in_parts_leads_back_unless_it_ends_a_branch(glass):
    curve = trace(glass, POINTS[1], r_free=R_FREE)
    last = round(float(curve.critical_strain) / 1e-4)
    smooth = load_unload_step(glass, POINTS[1], 1e-4 * (last - 30), parts=4, r_free=R_FREE)
    assert smooth.returned and smooth.part.values.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    np.testing.assert_allclose(smooth.stress.sel(way="back"), smooth.stress.sel(way="forth"), atol=1e-9)
    np.testing.assert_allclose(smooth.stress[0, [0, 4]], curve.stress[last - 30 : last - 28], atol=1e-9)
    broken = load_unload_step(glass, POINTS[1], 1e-4 * last, parts=1, r_free=R_FREE)
    assert not broken.returned
    np.testing.assert_allclose(broken.stress[0], curve.stress[last:], atol=1e-9)
    assert abs(float(np.diff(broken.stress[:, 0])[0])) > 1e-6
    with pytest.raises(RuntimeError, match=f"an instability comes before strain = {1e-4 * (last + 5)}"):
        load_unload_step(glass, POINTS[1], 1e-4 * (last + 5), r_free=R_FREE)
    for name, value in (("parts", 0), ("strain", 0.0), ("r_free", -1.0), ("point", [np.nan, 0.0])):
        with pytest.raises(ValueError, match=f"^{name}"):
            load_unload_step(glass, **{"point": POINTS[1], "strain": 0.01, name: value})


def test_initial_stress_of_a_disc(glass, probing):
    """Virial over the free atoms, pairs with frozen atoms at half weight, over pi R²: written out."""
    disc = cut_out(glass, POINTS[0], R_FREE)
    free = np.linalg.norm(disc.positions - 50.0, axis=1) < R_FREE
    total = 0.0
    for i in range(disc.n_atoms):
        for j in range(i + 1, disc.n_atoms):
            weight = 0.5 * (int(free[i]) + int(free[j]))
            d = disc.positions[j] - disc.positions[i]
            r = np.hypot(*d)
            if weight and r < 10.0:
                slope = SILICA.pair(r, disc.species[i], disc.species[j])[1][0]
                total += weight * slope / r * (d[0] ** 2 - d[1] ** 2) / 2
    assert float(probing.initial_stress[0]) == pytest.approx(total / (np.pi * R_FREE**2), rel=1e-9)


def test_threshold_is_the_difference(probing):
    np.testing.assert_array_equal(probing.threshold, probing.critical_stress - probing.initial_stress)
    assert np.all(probing.threshold > 0)


@pytest.mark.parametrize("change", ["translate", "mirror x", "mirror y", "permute"])
def test_symmetries_leave_the_thresholds_alone(glass, probing, change):
    positions, species, points = glass.positions, glass.species, POINTS
    if change == "translate":
        positions, points = positions + [13.7, -8.1], points + [13.7, -8.1]
    elif change == "permute":
        order = np.random.default_rng(0).permutation(glass.n_atoms)
        positions, species = positions[order], species[order]
    else:
        sign = np.array([-1.0, 1.0] if change == "mirror x" else [1.0, -1.0])
        positions, points = positions * sign, points * sign
    changed = Network(positions, species, np.zeros((0, 2), int), glass.cell)
    again = probe(changed, points=points, r_free=R_FREE)
    np.testing.assert_array_equal(again.critical_strain, probing.critical_strain)
    np.testing.assert_allclose(again.threshold, probing.threshold, rtol=1e-7)


def test_a_quarter_turn_of_sample_and_load(glass, probing):
    """Turning the sample and the direction of the load by 90 degrees together changes nothing."""
    turned = Network(glass.positions[:, ::-1] * [-1, 1], glass.species, np.zeros((0, 2), int), glass.cell[::-1])
    again = probe(turned, points=POINTS[:, ::-1] * [-1, 1], r_free=R_FREE, angle=90.0)
    np.testing.assert_allclose(again.threshold, probing.threshold, rtol=1e-7)


def test_simple_shear_and_pure_shear_at_45_degrees_start_alike(glass):
    simple = probe(glass, points=POINTS[:2], r_free=R_FREE, mode="simple shear")
    pure = probe(glass, points=POINTS[:2], r_free=R_FREE, angle=45.0)
    np.testing.assert_allclose(simple.initial_stress, pure.initial_stress, atol=1e-12)
    assert not np.allclose(simple.threshold, pure.threshold)


def test_uniaxial_tension_breaks(glass):
    tension = probe(glass, points=POINTS[:2], r_free=R_FREE, mode="uniaxial tension")
    assert np.all(tension.threshold > 0)
    assert np.all(tension.critical_strain < 0.5)


def test_grid_and_points_agree_whatever_the_workers(glass):
    grid = probe(glass, grid=(4, 3), r_free=R_FREE, workers=2)
    x, y = np.meshgrid(grid.x, grid.y, indexing="ij")
    points = probe(glass, points=np.column_stack([x.ravel(), y.ravel()]), r_free=R_FREE, workers=1)
    np.testing.assert_array_equal(grid.threshold.values.ravel(), points.threshold.values)
    assert grid.threshold.dims == ("x", "y")
    np.testing.assert_allclose(grid.x, np.arange(4) * glass.cell[0] / 4)


def test_no_free_atoms_no_number(glass):
    hole = np.linalg.norm(minimum_image(glass.positions - glass.cell / 2, glass.cell), axis=1) < 3.0
    network = Network(glass.positions[~hole], glass.species[~hole], np.zeros((0, 2), int), glass.cell)
    result = probe(relax(network), points=glass.cell[None] / 2, r_free=0.2)
    assert np.isnan(result.threshold.values).all()


def test_too_little_strain_is_no_threshold_and_one_warning(glass, probing):
    shortest = float(probing.critical_strain.min())
    with pytest.warns(UserWarning, match="5 of 6 probes met no instability up to max_strain") as warned:
        found = probe(glass, points=POINTS, r_free=R_FREE, max_strain=shortest + 2e-4)
    assert len(warned) == 1
    assert np.count_nonzero(found.status == STATUS.index("no_instability")) == 5
    np.testing.assert_array_equal(np.isnan(found.threshold), found.status != 0)
    assert np.isfinite(found.initial_stress).all()


def test_a_probe_that_cannot_be_followed_is_walked(glass, probing, monkeypatch):
    """Fallback: whatever following gives up, the plain walk ends with the same answer."""

    kernel = module.probe_many

    def lose_one(atoms, centres, load, settings, walked, found):
        kernel(atoms, centres, load, settings, walked, found)
        if not walked:
            found.status[1] = UNCONVERGED

    monkeypatch.setattr(module, "probe_many", lose_one)
    found = probe(glass, points=POINTS[:3], r_free=R_FREE)
    assert found.status.values.tolist() == [0, STATUS.index("instability_by_plain_walk"), 0]
    np.testing.assert_allclose(found.threshold, probing.threshold[:3], rtol=1e-7)


STORED = np.load(Path(__file__).with_name("discs.npz"))  # cut out of large glasses, about their centres


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("name", ["turns_0", "turns_1", "turns_3", "turns_4", "turns_23", "vanishing", "rough"])
def test_discs_that_once_went_wrong(name, every_step):
    """Their ends as every single step of 1e-4 finds them.

    turns: within a step a quarter of which looks lost, the minimum turns sharply but goes on to up to twice the strain.
    vanishing: a thousandth of a step beyond the instability forces fall below 1e-7. rough: the same a step beyond it.
    """
    cell = np.array([64.0, 64.0])
    positions = STORED[f"{name}_positions"] + cell / 2
    outside = np.linalg.norm(STORED[f"{name}_positions"], axis=1) >= 11.0
    disc = Network(positions, STORED[f"{name}_species"], None, cell)
    found = probe(disc, points=cell[None] / 2, held=outside, every_step=every_step, workers=1)
    assert found.status.item() == INSTABILITY
    assert found.critical_strain.item() == pytest.approx(1e-4 * STORED[f"{name}_steps"], abs=1e-9)


def test_peak_is_the_first_maximum_of_the_stress(glass, probing):
    """Against every step of the trace; above the critical stress or, where stress dips and recovers, below it."""
    higher = 0
    for k, point in enumerate(POINTS):
        stress = trace(glass, point, r_free=R_FREE).stress.values
        first = int(np.argmax(np.diff(stress) < 0))
        threshold = float(probing.threshold[k])
        assert float(probing.peak_stress[k]) == pytest.approx(stress[first], abs=2e-4 * threshold)
        higher += first < len(stress) - 2
    assert 0 < higher < len(POINTS)


def test_another_potential_probes_another_glass(glass, probing):
    """Weaker bonds, and the same again: the potential is an argument, not a constant."""
    weak = silica(charge=(1.4, -0.9, 0.62))
    relaxed = relax(glass, potential=weak)
    assert np.max(np.abs(relaxed.positions - glass.positions)) > 1e-3
    found = probe(relaxed, points=POINTS, r_free=R_FREE, potential=weak)
    assert np.all(found.threshold.values != probing.threshold.values)
    again = probe(glass, points=POINTS, r_free=R_FREE, potential=silica())
    np.testing.assert_array_equal(again.threshold, probing.threshold)
    with pytest.raises(ValueError, match="not at an energy minimum"):
        probe(glass, points=POINTS, r_free=R_FREE, potential=weak)


def test_a_sample_off_its_minimum_is_refused(shaken):
    with pytest.raises(ValueError, match="not at an energy minimum"):
        probe(shaken, points=POINTS[:1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("held", [0, 1]),
        ("held", np.zeros(7, dtype=bool)),
        ("grid", (0, 5)),
        ("grid", 3),
        ("grid", (5, -1)),
        ("grid", (2.5, 5)),
        ("grid", (5,)),
        ("points", np.zeros((0, 2))),
        ("points", np.array([[np.nan, 0.0]])),
        ("r_free", 0.0),
        ("r_free", 17.0),
        ("r_free", np.nan),
        ("mode", "torsion"),
        ("angle", np.inf),
        ("strain_step", 0.0),
        ("max_strain", -1.0),
        ("tolerance", 0.0),
        ("tether", 0.0),
        ("tether", np.nan),
        ("tether", 2e4),
        ("points", np.ma.masked_equal([[1.0, 2.0]], 2.0)),
        ("points", [[1.0, 2.0j]]),
        *((name, value) for name in ("r_free", "angle", "max_strain", "tolerance") for value in ("1", None, [1], True)),
    ],
)
def test_bad_input_names_the_parameter(glass, name, value):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        probe(glass, **{name: value})


def test_a_cell_too_small_for_a_disc_is_named(glass):
    small = Network(np.array([[2.0, 2.0], [9.0, 30.0]]), [0, 1], None, [19.0, 55.0])
    with pytest.raises(ValueError, match=r"^cell: .*19.* twice the cutoff"):
        probe(small, points=POINTS[:1])
    with pytest.raises(ValueError, match=r"^r_free: 17.0 Å .* cell of 5[0-9.]+ x 5[0-9.]+ Å"):
        probe(glass, points=POINTS[:1], r_free=17.0)


def test_tasks_keep_the_order_and_refuse_bad_workers():
    assert parallel.run(abs, [-3, 2, -1], workers=2) == [3, 2, 1]
    with pytest.raises(ValueError, match="workers"):
        parallel.run(abs, [1], workers=0)
    with pytest.raises(ValueError, match="scheduler"):
        parallel.run(abs, [1], scheduler="nowhere")
