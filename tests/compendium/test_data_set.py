"""Sets of samples: what is stored is kept, what is missing or made otherwise is made."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from listi import files
from listi.analysis.sample import Sample
from listi.compendium import data_set, making, sample_files
from listi.network.rings import ring_sizes

STRUCTURE = {"nx": 10, "ny": 10, "alpha": 0.3, "box": "as-generated", "seed": 5}
SHEAR = {"strain_step": 1e-3, "max_strain": 0.01, "n_events": 2}
PROBES = {"grid_x": 2, "grid_y": 3, "r_free": 6.0}
COUNTS = {"train": 1, "validation": 1, "test": 1, "extra_test": 0}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three samples of 500 atoms, sheared a little and probed at six points."""
    folder = tmp_path_factory.mktemp("data")
    sets = data_set.split(folder, **COUNTS)
    paths = [path for role in sets.values() for path in role]
    assert making.generate_all(paths, STRUCTURE, workers=1) == 3
    assert making.deform_all(paths, SHEAR, paths[:1], workers=1) == 3
    assert making.probe_all(paths, PROBES, workers=1) == 3
    data_set.write_split(folder, sets)
    return folder, paths


def test_roles_are_numbered_through(tmp_path):
    sets = data_set.split(tmp_path, train=2, validation=1, test=1, extra_test=1)
    assert [p.name[:11] for p in sets["train"]] == ["sample_0000", "sample_0001"]
    assert [len(sets[role]) for role in data_set.ROLES] == [2, 1, 1, 1]
    assert sets["extra_test"][0] == tmp_path / "samples" / "sample_0004.nc"


def test_the_split_is_written_and_read(made):
    folder, paths = made
    split = data_set.read_split(folder)
    assert [path for role in data_set.ROLES for path in split[role]] == paths
    assert split["extra_test"] == []


def test_a_lost_or_altered_split_is_named(tmp_path):
    with pytest.raises(files.DataError, match=r"split\.json"):
        data_set.read_split(tmp_path)
    (tmp_path / data_set.SPLIT).write_text('{"train": []}')
    with pytest.raises(files.DataError, match=r"split\.json: has no validation"):
        data_set.read_split(tmp_path)
    data_set.write_split(tmp_path, data_set.split(tmp_path, **COUNTS))
    path = tmp_path / data_set.SPLIT
    path.write_text(path.read_text().replace("0001", "0002"))
    with pytest.raises(files.DataError, match=r"split\.json.*altered"):
        data_set.read_split(tmp_path)


def test_what_is_stored_is_not_made_again(made):
    _, paths = made
    before = [path.read_bytes() for path in paths]
    assert making.generate_all(paths, STRUCTURE) == 0
    assert making.deform_all(paths, SHEAR, paths[:1]) == 0
    assert making.probe_all(paths, PROBES) == 0
    assert [path.read_bytes() for path in paths] == before


def test_samples_differ_and_do_not_depend_on_how_many_there_are(made, tmp_path):
    _, paths = made
    networks = [sample.network for sample in data_set.load(paths)]
    assert len({network.positions.tobytes() for network in networks}) == 3
    assert [len(ring_sizes(network)) for network in networks] == [100] * 3
    alone = data_set.split(tmp_path, **(COUNTS | {"validation": 0, "test": 0}))["train"]
    making.generate_all(alone, STRUCTURE)
    np.testing.assert_array_equal(data_set.load(alone)[0].network.positions, networks[0].positions)


def test_only_what_other_parameters_touch_is_made_again(made, tmp_path):
    _, paths = made
    copies = [tmp_path / path.name for path in paths]
    for path, copy in zip(paths, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    assert making.probe_all(copies, PROBES | {"r_free": 5.0}, workers=1) == 3
    assert making.probe_all(copies[:1], PROBES) == 1
    assert making.deform_all(copies, SHEAR, copies[:1]) == 0
    assert making.generate_all(copies[:1], STRUCTURE | {"seed": 6}) == 1
    assert sample_files.load_sample(copies[0]).probing is None  # it belonged to another structure


def test_a_damaged_file_is_made_again_and_ends_the_same(made, tmp_path):
    _, paths = made
    copy = tmp_path / paths[0].name
    data = bytearray(paths[0].read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    assert making.generate_all([copy], STRUCTURE) == 1
    assert making.deform_all([copy], SHEAR, [copy]) == 1
    assert making.probe_all([copy], PROBES) == 1
    assert sample_files.variable_checksums(copy) == sample_files.variable_checksums(paths[0])


def test_displacement_fields_are_kept_for_pictures_only(made):
    _, paths = made
    shears = [sample.shear for sample in data_set.load(paths)]
    assert set(making.FIELDS) <= set(shears[0])
    assert not set(making.FIELDS) & set(shears[1])
    assert "event_cell" in shears[1]


def test_files_say_what_they_were_made_from(made):
    _, paths = made
    with xr.open_datatree(paths[1]) as tree:
        assert json.loads(tree["network"].attrs["parameters"]) == STRUCTURE | {"number": 1}
        assert tree["network"].attrs["seed"] == making.seed_of(5, 1)
        assert json.loads(tree["probing"].attrs["parameters"]) == PROBES
    with pytest.raises(files.DataError, match=r"sample_0000\.nc.*grid_x"):
        data_set.load(paths[:1], {"grid_x": 50})


def sample_with(threshold, predicted, events):
    """As much of a sample as goodness needs: a line of five points in a cell of 10 x 4 Å."""
    coords = {"x": [0.0, 2, 4, 6, 8], "y": [0.0]}
    maps = [xr.DataArray(np.array(v)[:, None], dims=("x", "y"), coords=coords) for v in (threshold, predicted)]
    position = xr.DataArray(
        np.array(events, dtype=float).reshape(-1, 2),
        dims=("event", "xy"),
        coords={"event": np.arange(1, len(events) + 1)},
    )

    class Network:
        cell = np.array([10.0, 4.0])

    probing, predictions = (xr.Dataset({n: m}) for n, m in zip(("threshold", "gcn"), maps, strict=True))
    shear = xr.Dataset({"event_position": position})
    return Sample(Network(), shear, probing, predictions, {})


def test_goodness_over_samples_with_unequal_numbers_of_events():
    values = [5.0, 1, 3, 3, 9]
    both = [
        sample_with(values, values[::-1], [[0, 0], [2, 0]]),
        sample_with(values, values[::-1], [[8, 0]]),
    ]
    result = data_set.goodness_of(both)
    np.testing.assert_allclose(result.transpose("sample", "event"), [[-0.2, 1.0], [-0.6, np.nan]])
    predicted = data_set.goodness_of(both, "gcn").transpose("sample", "event")
    np.testing.assert_allclose(predicted, [[-0.6, 0.6], [-0.2, np.nan]])


def test_points_pair_each_threshold_with_its_prediction():
    one = sample_with([5.0, 1, 3, 3, 9], [1.0, 2, 3, 4, 5], [[0, 0]])
    points = data_set.points_of([one, one], "gcn")
    assert points.target.values.tolist() == [5, 1, 3, 3, 9] * 2
    assert points.predicted.values.tolist() == [1, 2, 3, 4, 5] * 2
    assert data_set.correlation(points) == pytest.approx(np.corrcoef(points.target, points.predicted)[0, 1])
    constant = points.assign(predicted=xr.full_like(points.predicted, 2.0))
    assert data_set.correlation(constant) == 0.0


def test_networks_beside_the_others_are_compared_where_all_samples_have_them(monkeypatch):
    one = sample_with([5.0, 1, 3, 3, 9], [1.0, 2, 3, 4, 5], [[0, 0]])
    maps = dict.fromkeys(data_set.NETWORKS, one.predictions.gcn)
    with_it, without = (replace(one, predictions=xr.Dataset(maps | more)) for more in ({"gcn_bonds": maps["gcn"]}, {}))
    found = {}
    for label, samples in (("both", [with_it, with_it]), ("one", [with_it, without])):
        monkeypatch.setattr(data_set, "of_roles", lambda folder, *roles, samples=samples: samples)
        found[label] = data_set.compared("any", "test").model.values.tolist()
    assert found["both"] == ["probing", "lstm", "cnn", "gcn", "gcn_bonds", "listi"]
    assert found["one"] == ["probing", *data_set.NETWORKS]


def test_a_missing_map_is_named():
    one = sample_with([5.0, 1, 3, 3, 9], [1.0, 2, 3, 4, 5], [[0, 0]])
    with pytest.raises(files.DataError, match="holds no thresholds by lstm"):
        data_set.goodness_of([one], "lstm")


def test_the_example_has_the_radius_of_the_probes(made):
    folder, paths = made
    within = data_set.example(folder)
    network = sample_files.load_sample(paths[2]).network
    separation = network.positions[network.species == 0] - network.cell / 2
    separation -= network.cell * np.round(separation / network.cell)
    assert within.mask.sum() == np.sum(np.hypot(*separation.T) <= PROBES["r_free"])
