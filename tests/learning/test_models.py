"""The networks: what they must not depend on, what a file keeps, Spektral against plain algebra."""

import subprocess
import sys

import numpy as np
import pytest

from listi import files
from listi.learning import cutouts, encodings, models
from listi.learning.layers import keras, layers
from listi.learning.predict import thresholds
from listi.network.geometry import grid_points

SMALL = {
    "lstm": {"units": 8},
    "cnn": {"pixels": 36},
    "gcn": {"width": 16, "heads": 4, "bond_features": 8},
    "mpnn": {"width": 16, "rounds": 2},
}


@pytest.fixture(scope="module")
def cut(crystal):
    return cutouts.cutouts(crystal, grid_points(crystal.cell, (3, 4)))


@pytest.fixture(scope="module", params=models.NAMES)
def model(request):
    """A network whose answers differ from disc to disc and carry a unit."""
    model = models.build(request.param, seed=1, **SMALL.get(request.param, {}))
    model.get_layer("standardised").kernel.assign(
        np.linspace(-1, 1, model.get_layer("standardised").kernel.shape[0])[:, None]
    )
    model.get_layer("threshold").mean.assign(5e-3)
    model.get_layer("threshold").std.assign(2e-3)
    return model


@pytest.fixture(scope="module", params=["gcn", "mpnn", "lstm"])
def of_atoms(request):
    """A network that takes atoms one by one."""
    return models.build(request.param, seed=2, **SMALL.get(request.param, {}))


def close(first, second):
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5 * np.ptp(second))


def test_answers_differ_from_disc_to_disc(model, cut):
    answers = thresholds(model, models.inputs(model, cut))
    assert answers.shape == (12,) and len(np.unique(answers)) == 12


def test_more_padding_changes_nothing(model, cut):
    few = thresholds(model, models.inputs(model, cut))
    close(thresholds(model, models.inputs(model, cut.padded(47))), few)


def test_what_stands_in_padded_rows_changes_nothing(of_atoms, cut):
    if of_atoms.name == "lstm":  # a padded row of a sequence is known by its value; the rows behind it are masked too
        padded = models.inputs(of_atoms, cut)
        assert (padded[:, -1] == encodings.PADDING).all()
        close(of_atoms.predict_on_batch(padded[:, :-1]), of_atoms.predict_on_batch(padded))
        return
    graph = models.inputs(of_atoms, cut)
    rubbish = np.where(graph["mask"][:, :, None] == 1, graph["nodes"], 7.7).astype(np.float32)
    close(of_atoms.predict_on_batch(graph | {"nodes": rubbish}), of_atoms.predict_on_batch(graph))


def shuffled(cut, seed=3):
    """Return the same cut-outs with their rows, padding included, in another order."""
    order = np.random.default_rng(seed).permutation(cut.n_max)
    adjacency = cut.adjacency[:, order][:, :, order]
    return cutouts.Cutouts(cut.centers, cut.atoms[:, order], cut.positions[:, order], adjacency, cut.r_free)


def test_only_the_lstm_depends_on_the_order_of_atoms(model, cut):
    known = thresholds(model, models.inputs(model, cut))
    other = thresholds(model, models.inputs(model, shuffled(cut)))
    if model.name == "lstm":
        assert np.abs(other - known).max() > 1e-2 * np.ptp(known)
    else:
        close(other, known)


def test_graph_networks_depend_on_the_bonds(cut):
    for name in ("gcn", "mpnn"):
        model = models.build(name, seed=1, **SMALL[name])
        graph = models.inputs(model, cut)
        bare = graph | {"adjacency": np.zeros_like(graph["adjacency"])}
        assert np.abs(model.predict_on_batch(bare) - model.predict_on_batch(graph)).max() > 1e-4


def test_mean_over_mirror_images_is_the_same_for_each_of_them(model, cut):
    x = models.inputs(model, cut)
    known = thresholds(model, x, mirror=True)
    assert np.abs(thresholds(model, x, mirror=False) - known).max() > 1e-4 * np.ptp(known)
    for signs in encodings.SIGNS:
        turned = encodings.mirrored(x, np.tile(signs, (len(cut), 1)))
        close(thresholds(model, turned, mirror=True), known)


def test_reloaded_model_predicts_the_same(model, cut, tmp_path):
    models.save(model, tmp_path / "model.keras", note="a test")
    again = models.load(tmp_path / "model.keras")
    x = models.inputs(model, cut)
    assert np.array_equal(thresholds(again, x), thresholds(model, x))
    assert models.metadata(again) == models.metadata(model)
    assert models.metadata(again)["note"] == "a test" and models.metadata(again)["name"] == model.name
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_same_seed_same_weights():
    first, same, other = (models.build("gcn", seed=s, **SMALL["gcn"]).get_weights() for s in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_spektral_convolution_is_the_plain_one(cut):
    from listi.learning.models.gcn import GraphConvolution

    layer = GraphConvolution(6, activation="relu")
    x, a = cut.positions.astype(np.float32), cut.adjacency.astype(np.float32)
    answer = keras.ops.convert_to_numpy(layer([x, a]))
    neighbours, own, bias = layer.get_weights()
    np.testing.assert_allclose(answer, np.maximum(a @ (x @ neighbours) + x @ own + bias, 0), rtol=1e-4, atol=1e-4)
    assert np.abs(neighbours - own).min() > 1e-6  # Spektral starts both kernels alike; ours start apart


def test_spektral_layer_works_in_a_keras_model():
    # Keras 3 hands the layer the masks [None, None], which Spektral alone would multiply with.
    from listi.learning.models.gcn import GraphConvolution

    x, a = keras.Input((4, 2)), keras.Input((4, 4))
    model = keras.Model([x, a], GraphConvolution(3)([x, a]))
    assert model.predict_on_batch([np.ones((1, 4, 2)), np.ones((1, 4, 4))]).shape == (1, 4, 3)


def test_average_pool_by_hand():
    from listi.learning.layers import AveragePool

    nodes = np.array([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]], dtype=np.float32)
    assert np.array_equal(AveragePool()(nodes, np.array([[1, 1, 0]])), [[2.0, 4.0]])


def test_architectures_are_the_papers():
    lstm = models.build("lstm")
    assert [layer.units for layer in lstm.layers if hasattr(layer, "units")] == [128, 10, 1]
    cnn = models.build("cnn", pixels=220)
    found = [(layer.filters, layer.kernel_size) for layer in cnn.layers if isinstance(layer, layers.Conv2D)]
    assert found == [(32, (5, 5)), (64, (5, 5)), (32, (5, 5))]
    assert [layer.units for layer in cnn.layers if isinstance(layer, layers.Dense)] == [
        10,
        10,
        10,
        1,
    ]
    gcn = models.build("gcn")
    assert [layer.units for layer in gcn.layers if isinstance(layer, layers.Dense)][-4:] == [
        20,
        10,
        5,
        1,
    ]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("transformer", {}, "name: 'transformer' is not one of cnn, gcn, lstm, mpnn"),
        ("gcn", {"seed": -1}, "seed: -1"),
        ("gcn", {"r_free": 0.0}, "r_free: 0.0"),
        ("gcn", {"heads": 3, "width": 16}, "heads: 3"),
        ("cnn", {"pixels": 20}, "pixels: 20"),
        ("cnn", {"dropout": 1.0}, "dropout: 1.0"),
    ],
)
def test_impossible_networks_are_refused(name, change, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **change)


def test_files_that_are_not_ours_are_refused(tmp_path, monkeypatch):
    foreign = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    (tmp_path / "models").mkdir()
    foreign.save(tmp_path / "models" / "foreign.keras")
    (tmp_path / "models" / "text.keras").write_text("not a model")
    for file in ("foreign.keras", "text.keras"):
        with pytest.raises(ValueError, match=f"{file}(: not a whole zip file|' is not a model saved by listi)"):
            models.load(tmp_path / "models" / file)
    with pytest.raises(ValueError, match="neither a file nor one of"):
        models.load(tmp_path / "absent.keras")
    with pytest.raises(ValueError, match="was not made by listi.learning.models.build"):
        models.metadata(foreign)
    monkeypatch.setattr(files, "shipped", lambda: tmp_path)
    with pytest.raises(ValueError, match="no trained 'gcn' ships; there are: foreign, text"):
        models.load("gcn")
    with pytest.raises(ValueError, match="does not end in .keras"):
        models.save(models.build("lstm", units=4), tmp_path / "model.h5")


def test_keras_is_not_imported_before_a_model_is_needed():
    code = "import listi, listi.learning.predict, listi.learning.fit, sys; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bond_weights_stand_where_the_bonds_are(cut):
    from listi.learning.models.gcn import BondWeights
    from listi.learning.models.mpnn import BondVectors, Neighbours

    adjacency = cut.adjacency.copy()
    adjacency[:, 3] = adjacency[:, :, 3] = 0  # an atom without neighbours, others with one fewer
    selection = Neighbours()(adjacency)
    bonds = BondVectors()(cut.positions.astype(np.float32), selection)
    layer = BondWeights(heads=2, hidden=5)
    answer = np.array([keras.ops.convert_to_numpy(alpha) for alpha in layer(bonds, selection)])
    vector = (cut.positions[:, None] - cut.positions[:, :, None]) / 3.05
    length = np.sqrt((vector**2).sum(-1, keepdims=True) + keras.config.epsilon()) - 1.0
    inner, inner_bias, outer, outer_bias = layer.get_weights()
    features = np.concatenate([vector, length, np.ones_like(length)], axis=-1)
    plain = np.maximum(features @ inner + inner_bias, 0) @ outer + outer_bias
    expected = np.moveaxis(plain * adjacency[..., None] / 3**0.5, -1, 0)
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)
