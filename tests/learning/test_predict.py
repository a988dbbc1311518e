"""Predicted maps: their coordinates, gaps and units, the model kept between calls, bad input."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import xarray as xr

from listi import files
from listi.analysis.comparison import correlation
from listi.analysis.load import strain_to_failure, stress_rate
from listi.learning import models, session
from listi.learning.cutouts import cutouts
from listi.learning.predict import predict
from listi.network.geometry import grid_lines, grid_points
from listi.probing.probe import probe


def gcn(seed=1):
    return models.build("gcn_bonds", seed=seed, width=16, heads=4, bond_features=8)


def test_prediction_over_grid_and_points(crystal):
    model = gcn()
    on_grid = predict(crystal, model, grid=(3, 4)).threshold
    assert on_grid.dims == ("x", "y")
    assert on_grid.attrs["units"] == "reduced energy/angstrom^2"
    for name, line in zip("xy", grid_lines(crystal.cell, (3, 4)), strict=True):  # the bits of a probed map
        np.testing.assert_array_equal(on_grid[name], line)
    somewhere = on_grid.isel(x=1, y=2)
    at_point = predict(crystal, model, points=[[float(somewhere.x), float(somewhere.y)]])
    assert at_point.threshold.values == pytest.approx(float(somewhere), rel=1e-5)
    assert at_point.attrs["cell"] == crystal.cell.tolist()


def test_shear_in_another_direction(glass):
    """Against probing in the same direction, the reverse one (at -45 degrees), and along x."""
    probed = probe(glass, (6, 7), angle=45.0, workers=1)
    predicted = {angle: predict(glass, grid=(6, 7), angle=angle) for angle in (45.0, -45.0, 0.0)}
    r = {angle: correlation(dataset.threshold.values, probed.threshold.values) for angle, dataset in predicted.items()}
    assert r[45.0] > 0.9 > 0.7 > max(r[-45.0], r[0.0])
    for recorded in (predicted[45.0], predicted[45.0].threshold):
        assert {name: recorded.attrs[name] for name in ("mode", "angle", "r_free")} == {
            name: probed.threshold.attrs[name] for name in ("mode", "angle", "r_free")
        }
    with pytest.raises(ValueError, match="threshold: was made with angle = 45.0; the rate is of 0.0"):
        strain_to_failure(predicted[45.0], stress_rate(glass, (6, 7)))


def test_only_modes_that_the_network_was_trained_for(crystal):
    model = gcn()
    with pytest.raises(
        ValueError, match="mode: 'biaxial tension' is not one that gcn_bonds was trained for; allowed: pure shear, sim"
    ):
        predict(crystal, model, grid=(2, 2), mode="biaxial tension")
    models.update_metadata(model, modes=["biaxial tension"])
    assert predict(crystal, model, grid=(2, 2), mode="biaxial tension").attrs["mode"] == "biaxial tension"
    with pytest.raises(ValueError, match="mode: 'pure shear' is not .*; allowed: biaxial tension"):
        predict(crystal, model, grid=(2, 2))


def test_simple_shear_is_pure_shear_in_another_direction(glass):
    """Its threshold, too, is the same up to the rotation of the axes along which it stretches."""
    predicted = predict(glass, grid=(6, 7), mode="simple shear", angle=10.0).threshold
    np.testing.assert_array_equal(predicted, predict(glass, grid=(6, 7), angle=55.0).threshold)
    probed = probe(glass, (6, 7), mode="simple shear", angle=10.0, workers=1).threshold
    assert correlation(predicted.values, probed.values) > 0.85


def test_a_glass_unlike_the_training_is_told(crystal):
    model = models.build("listi_si", width=8, rounds=1)
    points = grid_points(crystal.cell, (12, 12))
    models.standardise(model, models.inputs(model, cutouts(crystal, points)))
    assert np.isnan(predict(crystal, model, grid=(12, 12)).attrs["distance"])  # not trained
    models.update_metadata(model, mean=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predict(crystal, model, grid=(12, 12)).attrs["distance"] < 1e-6
    wider = crystal.replace(positions=1.3 * crystal.positions, cell=1.3 * crystal.cell)
    with pytest.warns(UserWarning, match="network: its bonds and stresses are unlike"):
        assert predict(wider, model, grid=(12, 12)).attrs["distance"] > 0.3


def test_no_silicon_no_threshold(crystal):
    apart = np.abs(np.diff(crystal.positions[crystal.bonds], axis=1)).max(axis=(1, 2))  # those across the border go
    with_room = crystal.replace(cell=crystal.cell + [60.0, 0.0], bonds=crystal.bonds[apart < 10.0])
    model = models.build("listi_si", width=8, rounds=2)
    predicted = predict(with_room, model, points=[[10.0, 10.0], [56.0, 10.0]]).threshold.values
    assert np.isfinite(predicted[0]) and np.isnan(predicted[1])


def test_a_network_without_bonds_is_refused(crystal):
    with pytest.raises(ValueError, match="^network: has no bonds, which networks read; listi.network_of finds them"):
        predict(crystal.replace(bonds=None), grid=(2, 2))


def test_a_file_is_read_once_and_again_when_it_has_changed(crystal, tmp_path, monkeypatch):
    path = tmp_path / "gcn.keras"
    reads = []
    load = models.load
    monkeypatch.setattr(models, "load", lambda path: reads.append(path) or load(path))

    def predicted():
        return predict(crystal, path, grid=(2, 2)).threshold.values

    models.save(gcn(seed=1), path)
    first, again = predicted(), predicted()
    assert len(reads) == 1
    np.testing.assert_array_equal(again, first)
    models.save(gcn(seed=2), path)
    assert not np.array_equal(predicted(), first)
    assert len(reads) == 2
    os.unlink(path)
    with pytest.raises(ValueError, match="neither a file nor one of"):
        predicted()


def test_a_fourth_bond_is_not_read_and_told(crystal):
    smaller = crystal.replace(positions=0.85 * crystal.positions, cell=0.85 * crystal.cell)  # room for a longer bond
    first, middle = smaller.bonds[0]
    other = next(bond for bond in smaller.bonds[1:] if middle in bond)
    crowded = smaller.replace(bonds=np.vstack([smaller.bonds, [first, other[other != middle][0]]]))
    for model in (gcn(), models.build("listi", width=8, rounds=1)):
        with pytest.warns(UserWarning, match="network: Si have more than three bonds; the 1 longest are not read"):
            found = predict(crowded, model, points=[crowded.positions[first]]).threshold
        np.testing.assert_array_equal(found, predict(smaller, model, points=[smaller.positions[first]]).threshold)


def test_cut_outs_of_another_radius_are_refused(crystal):
    model = models.build("lstm", r_free=9.0, units=4)
    with pytest.raises(ValueError, match="r_free: 11.0 Å, but the model was built for 9.0 Å"):
        models.inputs(model, cutouts(crystal, [[1.0, 1.0]], 11.0))


def test_a_network_that_predicts_no_numbers_is_refused(crystal):
    model = models.build("lstm", units=4)
    model.get_layer("standardised").bias.assign([np.nan])
    with pytest.raises(ValueError, match="model: predicts thresholds that are not finite; its training diverged"):
        predict(crystal, model, grid=(2, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": (0, 4)}, r"grid: \(0, 4\) is not two whole numbers > 0"),
        ({"points": [0.0, 1.0]}, r"points: shape \(2,\)"),
        ({"angle": np.nan}, "angle: nan is not a finite number of degrees"),
        ({"model": "absent.keras"}, "model: 'absent.keras' is neither a file nor one of"),
    ],
)
def test_bad_input_is_named(crystal, change, message):
    with pytest.raises(ValueError, match=message):
        predict(crystal, **{"model": models.build("lstm", units=4), "grid": (2, 2)} | change)


def test_another_density_than_in_training_is_told(crystal):
    model = models.build("lstm", units=4)
    models.update_metadata(model, silicon_in_discs=60.0)
    with pytest.warns(UserWarning, match="dense discs hold .* Si, but 60 in the glasses"):
        predict(crystal, model, grid=(2, 2))
    models.update_metadata(model, silicon_in_discs=33.0)
    assert np.isfinite(predict(crystal, model, grid=(2, 2)).threshold).all()


def test_other_species_are_refused(crystal):
    foreign = crystal.replace(species=np.where(np.arange(crystal.n_atoms) == 149, 2, crystal.species))
    with pytest.raises(ValueError, match=r"species: atom 149 has 2; networks read 0 \(Si\) and 1 \(O\) only"):
        predict(foreign, gcn(), grid=(2, 2))


def test_a_glass_of_silicon_alone_has_its_own_network(crystal):
    alone = crystal.replace(positions=crystal.positions[crystal.silicon], species=np.zeros(len(crystal.silicon)))
    with pytest.raises(ValueError, match="network: has no O"):
        predict(alone, models.build("listi", width=8, rounds=1), grid=(2, 2))
    model = models.build("listi_si", width=8, rounds=1)
    both = [predict(glass, model, grid=(2, 2)).threshold.values for glass in (alone, crystal)]
    np.testing.assert_allclose(*both, rtol=1e-6)


def test_listi_takes_any_number_of_atoms_and_missing_bonds(crystal):
    model = models.build("listi", width=8, rounds=2)
    model.get_layer("standardised").kernel.assign(np.ones((8, 1)))
    bare = crystal.replace(bonds=crystal.bonds[3:])
    maps = [predict(glass, model, grid=(3, 3)).threshold.values for glass in (crystal, bare)]
    assert np.isfinite(maps).all() and np.abs(maps[0] - maps[1]).max() > 1e-4


@pytest.mark.parametrize(
    "setting",
    [
        lambda config: config.set_floatx("float64"),
        lambda config: config.set_dtype_policy("mixed_float16"),
        lambda config: config.set_epsilon(1e-3),
        lambda config: config.set_image_data_format("channels_first"),
    ],
)
def test_settings_of_the_users_keras_change_nothing(crystal, setting):
    config = keras.config
    names = ("gcn", "listi", "cnn", "gcn_bonds")
    expected = [predict(crystal, models.load(name), grid=(2, 2)).threshold for name in names]
    before = config.floatx(), config.dtype_policy(), config.epsilon(), config.image_data_format()
    try:
        setting(config)
        own = config.floatx(), config.dtype_policy(), config.epsilon(), config.image_data_format()
        for name, threshold in zip(names, expected, strict=True):
            xr.testing.assert_identical(predict(crystal, models.load(name), grid=(2, 2)).threshold, threshold)
        assert own == (config.floatx(), config.dtype_policy(), config.epsilon(), config.image_data_format())
    finally:
        session._configure(config, *before)


def test_a_backend_of_keras_that_is_not_there_is_named():
    done = subprocess.run(
        [sys.executable, "-c", "from listi.learning import models; models.build('lstm')"],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1].startswith(
        "ValueError: KERAS_BACKEND: Keras is to use torch, which is not installed; set KERAS_BACKEND=tensorflow"
    )


def test_a_file_is_found_without_the_data_that_ship(tmp_path, monkeypatch):
    def none():
        raise files.DataError("data/paper: not found")

    monkeypatch.setattr(files, "repository", none)  # as from a wheel
    models.save(models.build("lstm", units=2), tmp_path / "mine.keras")
    assert models.find(tmp_path / "mine.keras") == models.find(str(tmp_path / "mine.keras")) == tmp_path / "mine.keras"
    assert models.find("listi").is_file()  # it is in the package
    with pytest.raises(ValueError, match="^model: no trained 'cnn' ships; there are: listi$"):
        models.find("cnn")
