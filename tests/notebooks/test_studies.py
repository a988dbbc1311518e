"""The scripts beside the notebooks: rows that follow by hand, or agree with the package."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb
from matplotlib.text import Text
from PIL import Image

import listi
from listi import files
from listi.analysis import predictors
from listi.analysis.follow import live_maps
from listi.analysis.sample import Sample
from listi.compendium import making, profiles
from listi.network.rings import ring_sizes

sys.path.append(str(Path(__file__).resolve().parents[2] / "notebooks" / "studies"))
import cost
import data_set_figures as figures
import film as films
import forecast
import imaged
import loads
import probe_choices
import rupture
import sealed

R_FREE, GRID = 8.0, (4, 5)


@pytest.fixture(scope="module")
def sample(glass):
    """A sample with its states, probed by discs that are smaller than the default."""
    shear = listi.deform(glass, n_events=2, max_strain=0.2).assign_attrs(parameters={"max_strain": 0.2})
    probing = listi.probe(glass, GRID, r_free=R_FREE, workers=1)
    predictions = probing[["threshold"]].rename(threshold="own") ** 2
    return Sample(glass, shear, probing, predictions, {"name": "sample_0003.nc", "seed": 3})


def positions(sample):
    return sample.shear.event_position.transpose("event", "xy").values


def test_sampled_at_every_grid_point_it_is_the_goodness_of_the_map(sample):
    sampled = probe_choices.sampled_goodness(sample.network, positions(sample), 20, grid=GRID, r_free=R_FREE, workers=1)
    np.testing.assert_allclose(sampled, listi.goodness(sample.probing.threshold, positions(sample)))
    with pytest.raises(ValueError, match="^n_probes: 0 "):
        probe_choices.sampled_goodness(sample.network, positions(sample), 0)


def test_an_event_without_threshold_has_no_goodness():
    found = probe_choices.goodness_among(np.array([np.nan, 0.5]), np.array([0.1, np.nan, 0.9]))
    np.testing.assert_array_equal(found, [np.nan, 0.0])
    assert np.isnan(probe_choices.goodness_among(np.array([0.5]), np.array([np.nan])))


def test_choices_are_studied_with_the_radius_of_the_map(sample, monkeypatch):
    """At that of the default all these would differ."""
    network, first = sample.network, positions(sample)[:1]
    expected = probe_choices.sampled_goodness(network, first, 8, 3, GRID, r_free=R_FREE, tether=1.0, workers=1)
    rows = probe_choices.boundary_rows(sample, 8)
    assert [row["tether"] for row in rows] == [0.0, 10.0, 1.0]
    assert rows[2]["goodness"] == pytest.approx(expected[0])
    radii = probe_choices.radius_rows(sample, (R_FREE, 5.0), 8)
    assert radii[0] == {"radius_angstrom": R_FREE, "goodness": rows[0]["goodness"]}
    monkeypatch.setattr(probe_choices, "ANGLES", (-30, 0, 30))
    whole = listi.yield_stress(network, grid=GRID, angles=(-30, 0, 30), r_free=R_FREE, workers=1)
    found = probe_choices.direction_rows(sample, 20)
    for name, field in (("along", whole.threshold.sel(angle=0)), ("weakest", whole.yield_stress)):
        np.testing.assert_allclose([row[name] for row in found], listi.goodness(field, positions(sample)))
    strain = listi.strain_to_failure(sample.probing.threshold, listi.stress_rate(network, GRID, R_FREE))
    rows = forecast.load_rows(sample)
    expected = listi.goodness(strain, positions(sample))
    np.testing.assert_allclose([row["goodness_strain"] for row in rows], expected)
    assert rows[0]["forecast"] == pytest.approx(float(strain.min()), rel=1e-5)
    assert np.isnan(rows[0]["distance_angstrom"]) and rows[1]["distance_angstrom"] > 0


def test_predictions_are_compared_with_probes_under_the_same_load(glass, monkeypatch):
    monkeypatch.setattr(loads, "NETWORKS", ("listi",))
    monkeypatch.setattr(loads, "ANGLES", (45.0,))
    monkeypatch.setattr(loads, "N_SPOTS", 2)
    along_x = listi.probe(glass, (5, 6), workers=1)
    (row,) = loads.load_rows(Sample(glass, None, along_x))
    assert row["correlation"] > 0.9 > 0.6 > row["unrotated"] and row["mean_ratio"] == pytest.approx(1.0, abs=0.1)
    assert (row["weakest_found"], row["n_probes"], row["n_points"]) == (True, 30, 30) and np.isnan(row["deviation"])
    assert [path.name for path in loads.unseen(files.shipped())][::9] == ["sample_0050.nc", "sample_0059.nc"]
    assert not loads.weakest_spots(glass, along_x.threshold.assign_attrs(angle=45.0))["weakest_found"]


def test_ends_of_probes_and_how_far_they_differ(sample):
    values = {
        "threshold": [[1.0, 2.0], [4.0, np.nan]],
        "peak_stress": [[1.5, 1.5], [5.5, np.nan]],
        "initial_stress": np.full((2, 2), 0.5),
    }
    probing = xr.Dataset({name: (("x", "y"), np.asarray(field)) for name, field in values.items()})
    np.testing.assert_allclose(probe_choices.ends_of_probes(probing)["drop"], [[1.0, 1.0], [5.0, np.nan]])
    (row,) = probe_choices.end_map_rows(replace(sample, probing=probing, predictions=None))
    assert (row["share_different"], row["share_lower"]) == (0.666667, 0.333333)
    assert (row["least_ratio"], row["largest_ratio"]) == (0.5, 1.25)
    with pytest.raises(ValueError, match="^probing: holds no peak_stress"):
        probe_choices.ends_of_probes(probing.drop_vars("peak_stress"))
    (row,) = probe_choices.end_map_rows(sample)
    assert row["own_irreversible"] == pytest.approx(
        float(xr.corr(sample.probing.threshold, sample.predictions.own)), 1e-5
    )
    first = probe_choices.end_rows(sample)[0]
    assert first["irreversible"] == float(listi.goodness(sample.probing.threshold, positions(sample))[0])


def test_probes_are_walked_and_those_that_differ_are_decided(sample, monkeypatch):
    sample = replace(sample, attrs=sample.attrs | {"name": "sample_0005.nc"})  # whose points yield early
    (row,) = probe_choices.walked_probe_rows(sample, 2)
    assert row.pop("largest") < 1e-6
    assert row == {"probes": 2, "differ": 0, "wrong": 0, "wrong_walked": 0}
    (row,) = probe_choices.walked_probe_rows(sample, 1, same=-1.0)  # all are walked again, and agree
    assert row == {"probes": 1, "differ": 1, "wrong": 0, "wrong_walked": 0, "largest": 0}
    probe = listi.probe

    def early(*of, **how):
        found = probe(*of, **how)
        return found if how.get("every_step") else found.assign(critical_strain=found.critical_strain - 0.001)

    monkeypatch.setattr(probe_choices.listi, "probe", early)
    (row,) = probe_choices.walked_probe_rows(sample, 1, same=-1.0)
    assert (row["wrong"], row["wrong_walked"]) == (1, 0)


def test_loops_are_steps_that_can_be_undone(sample, monkeypatch):
    """A smooth step leads back, too, and is not open; the last step before an instability does not."""
    assert probe_choices.loop_rows(sample, 1) == []
    monkeypatch.setattr(
        probe_choices.listi, "probe", lambda *of, **how: xr.Dataset({"critical_strain": ("point", [0.001])})
    )
    (loop,) = probe_choices.loop_rows(sample, 1)
    point = probe_choices.random_points(sample.network, 1, 3)[0]
    assert loop == {"x_angstrom": point[0], "y_angstrom": point[1], "strain": 0.001, "open": 0.0}


def test_events_are_walked(sample, monkeypatch):
    later = sample.shear.assign(event_strain=2 * sample.shear.event_strain)  # tests of the shear walk in earnest
    monkeypatch.setattr(
        probe_choices.listi, "deform", lambda network, n_events, every_step: later if every_step else sample.shear
    )
    event = probe_choices.walked_event_rows(sample, 2)[1]
    assert event["strain_walked"] == pytest.approx(2 * event["strain"])
    assert event["atom"] == event["atom_walked"] == int(sample.shear.event_atom[1]) and event["event"] == 2


def test_maps_of_moved_points_agree_the_less_the_further(sample):
    table = probe_choices.moved_rows(sample, (1e-9, 4.0), 1e-9)
    values = {(row["quantity"], row["case"]): row["value"] for row in table}
    assert values["correlation", "1e-09"] == pytest.approx(1.0, abs=1e-6)
    assert values["correlation", "4"] < 0.99
    goodness = listi.goodness(sample.probing.threshold, positions(sample)).values
    for end in ("", ", mean of five"):
        assert [values[f"goodness{end}", n] for n in "12"] == pytest.approx(goodness, abs=1e-5)
        assert 0.5 < values[f"network{end}", "own"] < 1.0
    threshold = sample.probing.threshold.transpose("x", "y")
    moved, mean = probe_choices.moved_maps(sample.network, threshold, (4.0,), 4.0, r_free=R_FREE, workers=1)
    a, b = 4.0 * np.cos(np.pi / 6), 4.0 * np.sin(np.pi / 6)
    points = np.stack(np.meshgrid(threshold.x, threshold.y, indexing="ij"), -1).reshape(-1, 2)
    how = {"r_free": R_FREE, "workers": 1}
    four = [
        listi.probe(sample.network, points=points + shift, **how).threshold.values.reshape(threshold.shape)
        for shift in ((a, b), (-b, a), (-a, -b), (b, -a))
    ]
    np.testing.assert_allclose(moved[4.0], four[0], rtol=1e-9)
    np.testing.assert_allclose(mean, np.mean([threshold.values, *four], axis=0), rtol=1e-9)
    with pytest.raises(ValueError, match=r"around: 0.3 Å is not one of the distances 0.1, 0.2"):
        probe_choices.moved_maps(sample.network, threshold, (0.1, 0.2), 0.3)


def test_fresh_maps_of_stored_and_of_repeated_states(sample):
    stored = forecast.fresh_rows(sample, network=None)
    bare = sample.shear.drop_vars(["configuration", "non_affine"])
    again, other = (
        forecast.fresh_rows(replace(sample, shear=shear), network=None)
        for shear in (bare, bare.assign(event_atom=bare.event_atom + 1))
    )
    assert [row["fresh"] for row in stored] == [row["fresh"] for row in again]
    assert stored[0]["fresh"] == stored[0]["stale"] and stored[0]["probed"] == 1.0
    assert [row["same_events"] for row in (*again, *other)] == [True, True, False, False]
    assert all(np.isfinite(row["all_reprobed"]) for row in stored)
    assert all(np.isnan(row["all_reprobed"]) for row in again)
    far = forecast.rows_far(sample.network, sample.shear, GRID)
    assert [row["event"] for row in far] == [1, 2] and 0 < far[0]["stress"] < far[0]["peak"]


def test_structure_of_a_glass(monkeypatch, glass):
    monkeypatch.setattr(imaged, "glass", lambda name: [glass, glass])
    (row,) = imaged.structure_rows("samples")
    assert row["n_rings"] == 240 and 3.0 < row["bond_length"] < 3.1
    sizes = imaged.ring_rows("samples")
    assert sum(row["fraction"] for row in sizes) == pytest.approx(1.0, abs=1e-4)
    six = next(row for row in sizes if row["size"] == 6)
    assert six["fraction"] == pytest.approx(np.mean(ring_sizes(glass) == 6), abs=1e-5)
    assert max(imaged.radial_rows("samples"), key=lambda row: row["radial_distribution"])["distance_angstrom"] == 3.05


def test_times_are_measured_in_a_process_and_named_with_units(monkeypatch):
    (row,) = cost.growth_rows(600)
    assert row["generate_s"] > 0 and row["shear_s"] > 0 and row["memory_bytes"] > 1e8 and "atoms" not in row
    assert 0.01 < row["sixth_event_strain"] < 0.2 and row["order"] < 0.16 and 0.003 < row["tension"] < 0.008
    monkeypatch.setattr(cost.bench, "PARTS", {"quick": lambda with_lammps: [("probes", 2.0, "")]})
    assert cost.benchmark_rows("quick") == [{"what": "probes", "value": 2.0, "unit": ""}]


CELL = np.array([8.0, 6.0])
RANKS = np.array([[1.0, 5.0, 9.0], [2.0, 6.0, 10.0], [3.0, 7.0, 11.0], [4.0, 8.0, 12.0]])
FIELD = xr.DataArray(RANKS, dims=("x", "y"), coords={"x": np.arange(4) * 2.0, "y": np.arange(3) * 2.0})


def by_variant(name, position):
    return float(figures.VARIANTS[name].evaluate(FIELD, np.array([position]), CELL)[0])


def test_variants_of_the_goodness_on_a_map_small_enough_to_see():
    assert by_variant(figures.NEAREST, [4.1, 1.9]) == float(listi.goodness(FIELD, [[4.1, 1.9]], CELL)[0]) == 0.0
    assert by_variant("F counts lower or equal", [4.1, 1.9]) == 1 - 2 * 7 / 12
    # On a grid point; between 6 and 7; across the border, between 4 and 1; outside the cell, the same point.
    for position, lower in (([2.0, 2.0], 5), ([3.0, 2.0], 6), ([7.0, 0.0], 2), ([-1.0, 0.0], 2)):
        assert by_variant("interpolated", position) == pytest.approx(1 - 2 * lower / 12)
    least = np.min([RANKS] + [np.roll(RANKS, s, a) for s in (1, -1) for a in (0, 1)], axis=0)
    np.testing.assert_array_equal(figures.softest_within(FIELD, 2.1), least)
    # Around 6: 5, 2, 7, 10; the softest is 2, which one point is below.
    assert float(figures._softest_near(2.1)(FIELD, np.array([[2.0, 2.0]]), CELL)[0]) == 1 - 2 * 1 / 12
    everywhere = figures._softest_near_everywhere(2.1)(FIELD, np.array([[2.0, 2.0]]), CELL)
    assert float(everywhere[0]) == 1 - 2 * np.mean(least < 2)


def test_a_rupture_is_described(monkeypatch):
    """Of a small glass: crack, events and maps agree with each other and with the package."""
    monkeypatch.setattr(rupture, "RINGS", (8, 10))
    monkeypatch.setattr(rupture, "GRID", (6, 7))
    network, pulled, maps = rupture.pulled(1)
    [row] = rupture.sample_rows(1)
    table, crack = rupture.event_rows(1), rupture.crack_rows(1)
    assert len(table) == row["n_events"] and len(crack) == row["n_crack"] == pulled.sizes["crack"]
    assert table[-1]["stress_after"] < 0.01 * row["strength"] and table[-1]["n_broken"] == row["n_broken"]
    assert all(one["stress_before"] > one["stress_after"] for one in table)
    goodness = 1.0 - 2.0 * np.mean([one["probing_weaker"] for one in crack])
    assert row["probing_crack"] == pytest.approx(goodness, abs=1e-5)
    assert table[0]["fresh"] == pytest.approx(table[0]["probing"]) and table[-1]["fresh"] != table[-1]["probing"]
    for name in maps:
        key = name.replace(" ", "_")
        assert 0.0 <= row[f"{key}_better_moved"] <= 1.0 and row[f"{key}_smallest"] == pytest.approx(maps[name].min())
    assert row["crack_length"] > network.cell[1]


def made_up(seed, n_events=6):
    """Make a crystal with a smooth map, an initial stress that lowers it, and a curve that drops at every event."""
    network, numbers = honeycomb(8, 8), np.random.default_rng(seed)
    x, y = (np.arange(16) * edge / 16 for edge in network.cell)
    noise = numbers.random((16, 16))
    smooth = sum(np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)) / 16
    stresses = {"threshold": 0.01 * smooth, "critical_stress": 0.01 * smooth, "critical_strain": 0.2 * smooth}
    stresses["initial_stress"] = 0.003 - 0.01 * smooth
    tensor = xr.DataArray(
        numbers.random((16, 16, 3)), dims=("x", "y", "component"), coords={"component": ["xx", "xy", "yy"]}
    )
    probing = xr.Dataset({name: (("x", "y"), field) for name, field in stresses.items()}, {"x": x, "y": y})
    probing = probing.assign(initial_tensor=tensor, critical_tensor=2 * tensor)
    number = np.arange(1, n_events + 1)
    place = np.stack([x[number], y[2 * number]], axis=1)
    size = 10.0 + 90 * numbers.random(n_events)
    events = {"size": size, "stress_drop": 1e-6 * size, "displacement": size / 50, "strain": 0.01 * number}
    shear = xr.Dataset({f"event_{name}": ("event", values) for name, values in events.items()}, {"event": number})
    strain = np.arange(71) * 1e-3
    shear = shear.assign(stress=("strain", strain - 0.004 * np.floor(strain * 100))).assign_coords(strain=strain)
    shear = shear.assign(event_position=(("event", "xy"), place), event_centre=(("event", "xy"), place[::-1]))
    return Sample(network, shear, probing, None, {"seed": seed})


def test_variants_name_position_and_quantity_and_chance_scores_nothing():
    sample = made_up(0, 3)
    field, place = sample.probing.threshold, sample.shear.event_position
    goodness = figures.VARIANTS[figures.NEAREST].goodness(sample)
    np.testing.assert_allclose(goodness, listi.goodness(field, place))
    np.testing.assert_allclose(figures.VARIANTS["event at centre of its field"].goodness(sample), goodness[::-1])
    np.testing.assert_allclose(figures.VARIANTS["initial stress"].goodness(sample), goodness)  # the same order here
    compared = figures.compare_variants([sample, made_up(1, 2)])
    assert np.isnan(compared.goodness.sel(variant=figures.NEAREST).values[1, 2])
    chance = compared.by_chance.to_series()
    assert chance[figures.NEAREST] == chance["sigma_xx alone"] == pytest.approx(1 / 256)
    assert chance["F counts lower or equal"] == pytest.approx(-1 / 256)
    assert chance["softest within 11 Å"] > 0.4
    initial = figures.indicators(sample.probing)
    np.testing.assert_allclose(initial.initial_xx, -sample.probing.initial_tensor.sel(component="xx"))


def test_a_sample_in_one_row(glass, shaken):
    made = made_up(0)
    rest, moved = (figures.sample_row(replace(made, network=network)) for network in (glass, shaken))
    assert (rest["seed"], rest["events"], rest["first_event"], rest["sixth_event"]) == (0, 6, 0.01, 0.06)
    assert rest["force"] < 1e-8 < 1e-3 < moved["force"]
    assert rest["ring_deviation"] < 0.02 and rest["mu2"] == pytest.approx(0.94, abs=0.1)
    assert rest["softest"] == float(made.probing.threshold.min())


def test_events_are_counted_over_the_strain_that_was_seen():
    def shear(last, *strains):
        return xr.Dataset({"event_strain": ("event", list(strains))}, coords={"strain": [0.0, last]})

    # One sample ends in the middle of the second interval, with its last event.
    rate = figures.event_rate([shear(0.15, 0.15), shear(0.2, 0.1, 0.11)], np.array([0.0, 0.1, 0.2, 0.3]))
    np.testing.assert_allclose(rate, [1 / 0.2, 2 / 0.15, np.nan])


@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_soft_end_of_a_power_law(exponent):
    uniform = np.random.default_rng(0).random(200_000)
    assert figures.soft_end(5e-3 * uniform ** (1 / exponent)) == pytest.approx(exponent, rel=0.06)


def test_figures_of_the_data_set_show_its_numbers():
    samples = [made_up(seed) for seed in range(4)]
    drawn = figures.thresholds(samples)
    words = [text.get_text() for text in drawn.findobj(Text)]
    assert "mean, r = -1.00" in words
    (length,) = [float(text.split()[-2]) for text in words if text.startswith("1/e at")]
    spacing = float(samples[0].probing.x[1])
    assert spacing < length < 4 * spacing  # boxes of four points
    (steps,) = [patch for patch in figures.events(samples).axes[1].patches if not patch.get_fill()]
    assert steps.get_data().values.sum() == pytest.approx(6)  # events in every sample
    goodness = figures.compare_variants(samples, {name: figures.VARIANTS[name] for name in list(figures.VARIANTS)[:2]})
    first = figures.variants(goodness.goodness, figures.events_of(samples)).get_axes()[0]
    means = goodness.goodness.isel(variant=0).mean("sample").values
    assert any(len(line.get_ydata()) == 6 and np.allclose(line.get_ydata(), means) for line in first.lines)
    right = figures.cells({"a": samples[:2], "b": samples[2:]}).axes[2]
    drawn_at = {round(float(line.get_ydata()[0]), 9) for line in right.lines if len(line.get_ydata()) == 1}
    assert set(goodness.goodness.isel(variant=0, sample=slice(2)).mean("sample").values.round(9)) <= drawn_at
    table = figures.cells_table(samples[:2], samples[:2])
    assert (table.difference == 0).all()
    np.testing.assert_allclose(figures.overlap([0.0, 11.0, 22.0, 30.0], 11.0), [1, 0.391, 0, 0], atol=1e-3)
    with pytest.raises(ValueError, match="goodness: 7 variants are more than 6"):
        seven = goodness.goodness.isel(variant=[0] * 7)
        figures.variants(seven, figures.events_of(samples))


def test_the_film_goes_from_the_undeformed_sample_through_its_events(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(films, "LOADING", 1)
    monkeypatch.setattr(films, "EVENT", 2)
    shear = sample.shear.isel(event=[0])
    shown = list(films.moments(sample.network, shear))
    assert len(shown) == 4
    np.testing.assert_allclose(shown[0].positions * sample.network.cell, sample.network.positions)
    event = shear.isel(event=0)
    np.testing.assert_allclose(shown[-1].positions * event.event_cell.values, event.configuration.values)
    assert shown[-1].strain == float(event.event_strain) and (shown[0].state, shown[-1].state) == (0, 1)
    jump = np.mod(shown[-2].positions - shown[1].positions + 0.5, 1.0) - 0.5
    np.testing.assert_allclose(jump * event.event_cell.values, event.non_affine.values, atol=1e-4)
    maps = live_maps(sample.network, shear, GRID, R_FREE)
    with Image.open(films.film(sample.network, shear, maps, tmp_path / "film.webp")) as picture:
        assert picture.n_frames == len(shown)
    with pytest.raises(ValueError, match="shear: holds no configuration"):
        films.film(sample.network, shear.drop_vars("configuration"), maps, tmp_path / "none.webp")


def test_samples_are_opened_once(tmp_path, monkeypatch):
    """The rows are those of the samples that the data set would have under these numbers."""
    data, table = tmp_path / "data", tmp_path / "sealed.csv.gz"
    (data / "models").mkdir(parents=True)
    for file in (files.shipped() / "models").glob("listi[._]*"):
        if file.name.startswith(("listi.", "listi_calibration")):
            (data / "models" / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(sealed, "baselines", lambda *_, slow: {"longest_bond": lambda: predictors.longest_bond})
    monkeypatch.setattr(sealed.provenance, "commit", lambda: "0123456789abcdef")
    monkeypatch.setattr(sealed, "CONFIDENCES", (0.9,))
    monkeypatch.setattr(sealed, "N_WEAKEST", (5,))
    changes = {"nx": 8, "ny": 10, "grid_x": 10, "grid_y": 10, "n_events": 1, "min_strain": 0.0, "workers": 1}
    values = profiles.profile("paper") | changes
    rows = sealed.open_samples(table, range(61, 62), tmp_path / "work", data, values)
    assert set(rows.commit) == {"0123456789abcdef"} and set(rows.model) == {"longest_bond", "probing", "listi"}
    glass = listi.generate(nx=8, ny=10, seed=making.seed_of(values["seed"], 61))
    event = listi.deform(glass, n_events=1, max_strain=values["max_strain"]).event_position
    expected = listi.goodness(listi.probe(glass, grid=(10, 10)).threshold, event)
    probed = rows[(rows.model == "probing") & (rows.measure == "goodness") & (rows.resolution == "point")]
    assert probed.value[probed["sample"] == "sample_0061.nc"].item() == pytest.approx(expected.item(), abs=1e-5)
    assert (rows[rows.measure.str.startswith("weakest_right")].value == 1.0).all()  # all are probed in so small a glass
    with pytest.raises(ValueError, match="^numbers: sample_0061.nc was opened on 20..-..-.. at commit 0123456789ab"):
        sealed.open_samples(table, range(61, 63), tmp_path / "work", data, values)
    assert len(sealed.read(table)) == len(rows)
