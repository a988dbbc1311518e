"""The networks: what they must not depend on, what a file keeps, Spektral against plain algebra."""

import subprocess
import sys

import numpy as np
import pytest

from listi import files
from listi.learning import cutouts, encodings, models
from listi.learning.layers import keras, layers
from listi.learning.predict import predict, thresholds
from listi.network.geometry import grid_points

SMALL = {
    "lstm": {"units": 8},
    "cnn": {"pixels": 36},
    "gcn": {"width": 16},
    "gcn_attention": {"width": 16},
    "gcn_bonds": {"width": 16, "heads": 4, "bond_features": 8},
    "listi": {"width": 8, "rounds": 2},
    "listi_si": {"width": 8, "rounds": 1},
    "listi_large": {"width": 8, "rounds": 1, "rounds_in_disc": 2, "heads": 2},
}
GRAPHS = ("gcn", "gcn_attention", "gcn_bonds")


@pytest.fixture(scope="module")
def cut(crystal):
    return cutouts.cutouts(crystal, grid_points(crystal.cell, (3, 4)))


@pytest.fixture(scope="module", params=models.names())
def model(request):
    """A network whose answers differ from disc to disc and carry a unit."""
    return tuned(models.build(request.param, seed=1, **SMALL.get(request.param, {})))


def tuned(model):
    """Give the last layer of a network weights that make its answers differ."""
    last = model.get_layer("standardised")
    last.kernel.assign(np.linspace(-1, 1, last.kernel.shape[0])[:, None])
    model.get_layer("threshold").mean.assign(5e-3)
    model.get_layer("threshold").std.assign(2e-3)
    for layer in model.layers:
        if hasattr(layer, "projection"):
            _listening(layer)
    return model


def _listening(attention):
    """Give a round of attention weights with which it changes something; it begins with none."""
    for layer in (attention.projection, attention.update):
        layer.kernel.assign(np.random.default_rng(2).normal(size=layer.kernel.shape))
    attention.bias.assign(np.linspace(-1.0, 2.0, attention.heads)[:, None, None])


@pytest.fixture(scope="module", params=[*GRAPHS, "lstm"])
def of_atoms(request):
    """A network that takes the atoms of a disc one by one."""
    return models.build(request.param, seed=2, **SMALL.get(request.param, {}))


def given(model, cut):
    """Return what a network is given for all cut-outs."""
    return models.inputs(model, cut).take(slice(None))


def close(first, second):
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5 * np.ptp(second))


def test_answers_differ_from_disc_to_disc(model, cut):
    answers = thresholds(model, models.inputs(model, cut))
    assert answers.shape == (12,) and len(np.unique(answers)) == 12


def test_more_padding_changes_nothing(model, cut):
    few = thresholds(model, models.inputs(model, cut))
    close(thresholds(model, models.inputs(model, cut.padded(47))), few)


def test_what_stands_in_padded_rows_changes_nothing(of_atoms, cut):
    x = given(of_atoms, cut)
    known = of_atoms.predict_on_batch(x)
    if of_atoms.name == "lstm":  # a padded row of a sequence is known by its value; the rows behind it are masked too
        assert (x["sequence"][:, -1] == encodings.PADDING).all()
        close(of_atoms.predict_on_batch({"sequence": x["sequence"][:, :-1]}), known)
        return
    rubbish = np.where(x["mask"][:, :, None] == 1, x["nodes"], 7.7).astype(np.float32)
    close(of_atoms.predict_on_batch(x | {"nodes": rubbish}), known)


def permuted(network, points, angle):
    order = np.random.default_rng(3).permutation(network.n_atoms)
    bonds = np.argsort(order)[network.bonds]
    changed = network.replace(positions=network.positions[order], species=network.species[order], bonds=bonds)
    return changed, points, angle


def moved(network, points, angle):
    return network.replace(positions=network.positions + [31.0, -17.0]), points + [31.0, -17.0], angle


def mirrored(network, points, angle):
    return network.replace(positions=network.positions * [-1.0, 1.0]), points * [-1.0, 1.0], -angle


def rotated(network, points, angle, by=90.0):
    c, s = np.cos(np.radians(by)), np.sin(np.radians(by))
    matrix = np.array([[c, s], [-s, c]])
    cell = network.cell[::-1] if by == 90.0 else network.cell
    return network.replace(positions=network.positions @ matrix, cell=cell), points @ matrix, angle + by


SYMMETRIES = {  # changes of glass, points and load that leave thresholds under pure shear as they are
    "permuted atoms": permuted,
    "another origin": moved,
    "mirrored": mirrored,
    "rotated by 90 degrees": rotated,
    "rotated by 33 degrees": lambda *state: rotated(*state, 33.0),
    "load rotated by 180 degrees": lambda network, points, angle: (network, points, angle + 180.0),
}
LACKING = {"lstm": {"permuted atoms"}}  # of each network; it reads the atoms in the order of their numbers


def test_networks_have_the_symmetries_of_pure_shear(model, crystal):
    """A patch with free edges, which can be rotated by any angle in its cell; the load is at 20 degrees."""
    across = np.abs(np.diff(crystal.positions[crystal.bonds], axis=1)).max(axis=(1, 2)) > 10.0
    patch = crystal.replace(cell=[64.0, 60.0], bonds=crystal.bonds[~across])
    state = patch, grid_points(crystal.cell, (3, 4)) + 3.0, 20.0

    def predicted(network, points, angle, mirror=True):
        return predict(network, model, points=points, mirror=mirror, angle=angle).threshold.values

    known, size = predicted(*state), {}
    for name, change in SYMMETRIES.items():
        size[name] = np.abs(predicted(*change(*state)) - known).max() / np.ptp(known)
    assert {name for name, difference in size.items() if difference > 1e-3} == LACKING.get(model.name, set()), size
    assert all(size[name] > 0.03 for name in LACKING.get(model.name, ())), size
    for other in (
        (*mirrored(*state)[:2], 20.0),
        (*rotated(*state)[:2], 20.0),
        (*state[:2], -20.0),
        (*state[:2], 110.0),
    ):
        assert np.abs(predicted(*other) - known).max() > 0.03 * np.ptp(known)  # another load
    alone = predicted(*state, mirror=False)  # of four mirror images
    assert np.abs(alone - predicted(*mirrored(*state), mirror=False)).max() > 1e-3 * np.ptp(alone)
    close(alone, predicted(*rotated(*state), mirror=False))


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_networks_depend_on_the_bonds(cut, name):
    model = models.build(name, seed=1, **SMALL[name])
    graph = given(model, cut)
    bare = graph | {"adjacency": np.zeros_like(graph["adjacency"])}
    assert np.abs(model.predict_on_batch(bare) - model.predict_on_batch(graph)).max() > 1e-4


def test_reloaded_model_predicts_the_same(model, cut, tmp_path):
    models.save(model, tmp_path / "model.keras", note="a test")
    again = models.load(tmp_path / "model.keras")
    x = models.inputs(model, cut)
    assert np.array_equal(thresholds(again, x), thresholds(model, x))
    assert models.metadata(again) == models.metadata(model)
    assert models.metadata(again)["note"] == "a test" and models.metadata(again)["name"] == model.name
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_same_seed_same_weights():
    first, same, other = (models.build("listi", seed=s, **SMALL["listi"]).get_weights() for s in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_kipf_convolution_is_the_plain_one(cut):
    from listi.learning.graph_layers import GCNConv, Normalised

    layer = GCNConv(6, activation="relu")
    x, mask = cut.positions.astype(np.float32), cut.mask.astype(np.uint8)
    weights = keras.ops.convert_to_numpy(Normalised()(cut.adjacency, mask))
    with_itself = cut.adjacency + np.eye(cut.n_max) * mask[:, :, None]
    degree = np.maximum(with_itself.sum(axis=2), 1.0)
    np.testing.assert_allclose(
        weights, with_itself / np.sqrt(degree[:, :, None] * degree[:, None]), rtol=1e-5, atol=1e-7
    )
    answer = keras.ops.convert_to_numpy(layer([x, weights]))
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(answer, np.maximum(weights @ (x @ kernel) + bias, 0), rtol=1e-4, atol=1e-4)


def test_attention_is_that_of_equation_2b(cut):
    from listi.learning.graph_layers import Attention

    layer = Attention(5)
    x = cut.positions.astype(np.float32)
    adjacency = cut.adjacency.copy()
    adjacency[:, 3] = adjacency[:, :, 3] = 0  # an atom without neighbours
    answer = keras.ops.convert_to_numpy(layer(x, adjacency))
    query, key, hidden, hidden_bias, message, message_bias = layer.get_weights()
    for n, i in ((0, 0), (0, 3), (5, 7)):
        j = np.flatnonzero(adjacency[n, i])
        score = np.exp((x[n, i] @ query) @ (x[n, j] @ key).T / 5**0.5)
        seen = np.concatenate([x[n, i], (score / score.sum()) @ x[n, j] if len(j) else [0.0, 0.0]])
        expected = np.maximum(np.maximum(seen @ hidden + hidden_bias, 0) @ message + message_bias, 0)
        np.testing.assert_allclose(answer[n, i], expected, rtol=1e-4, atol=1e-5)


def test_attention_in_a_disc_is_that_of_its_equations(cut):
    from listi.learning.disc_layers import AttentionInDisc

    x = np.random.default_rng(1).normal(size=(*cut.atoms.shape, 6)).astype(np.float32)
    layer = AttentionInDisc(6, heads=2)
    layer(x, cut.adjacency, cut.atoms)
    _listening(layer)
    answer = keras.ops.convert_to_numpy(layer(x, cut.adjacency, cut.atoms))
    qkv, projection, bias_of_projection = (
        np.asarray(w) for w in (layer.qkv.kernel, layer.projection.kernel, layer.projection.bias)
    )
    for n in (0, 7):
        there = cut.mask[n]
        features, bonded = x[n, there], cut.adjacency[n][there][:, there].astype(float)
        query, key, value = np.split(_normalised(features) @ qkv, 3, axis=1)
        parts = []
        for head, bias in enumerate(np.ravel(layer.bias)):
            own = slice(3 * head, 3 * head + 3)
            score = np.exp(query[:, own] @ key[:, own].T / 3**0.5 + bias * bonded)
            parts.append(score / score.sum(axis=1, keepdims=True) @ value[:, own])
        features = features + np.concatenate(parts, axis=1) @ projection + bias_of_projection
        z = _normalised(features)
        hidden = z @ np.asarray(layer.own.kernel) + np.asarray(layer.own.bias)
        hidden = np.maximum(hidden + bonded @ z @ np.asarray(layer.neighbour.kernel), 0.0)
        expected = features + hidden @ np.asarray(layer.update.kernel) + np.asarray(layer.update.bias)
        np.testing.assert_allclose(answer[n, there], expected, rtol=1e-3, atol=1e-3)


def _normalised(x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-3)


def test_spektral_convolution_is_the_plain_one(cut):
    from listi.learning.graph_layers import GraphConvolution

    layer = GraphConvolution(6, activation="relu")
    x, a = cut.positions.astype(np.float32), cut.adjacency.astype(np.float32)
    answer = keras.ops.convert_to_numpy(layer([x, a]))
    neighbours, own, bias = layer.get_weights()
    np.testing.assert_allclose(answer, np.maximum(a @ (x @ neighbours) + x @ own + bias, 0), rtol=1e-4, atol=1e-4)
    assert np.abs(neighbours - own).min() > 1e-6  # Spektral starts both kernels alike; ours start apart


def test_spektral_layer_works_in_a_keras_model():
    # Keras 3 hands the layer the masks [None, None], which Spektral alone would multiply with.
    from listi.learning.graph_layers import GraphConvolution

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
    for name in GRAPHS:
        dense = [layer.units for layer in models.build(name).layers if isinstance(layer, layers.Dense)]
        assert dense == [64, 64, 20, 10, 5, 1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "transformer",
            {},
            "name: 'transformer' is not one of cnn, gcn, gcn_attention, gcn_bonds, listi, listi_large, listi_si,",
        ),
        ("gcn", {"seed": -1}, "seed: -1"),
        ("gcn", {"r_free": 0.0}, "r_free: 0.0"),
        ("gcn_bonds", {"heads": 3, "width": 16}, "heads: 3"),
        ("listi", {"heads": 3}, "heads: is not a size of listi; there are width, rounds, rounds_in_disc, oxygen"),
        ("listi_large", {"heads": 3}, "heads: 3 is not a whole number > 0 that divides width = 64"),
        ("listi_large", {"rounds_in_disc": 0}, "rounds_in_disc: 0 is not > 0"),
        ("listi_si", {"oxygen": True}, "oxygen: is not a size of listi_si"),
        ("cnn", {"pixels": 20}, "pixels: 20"),
        ("cnn", {"dropout": 1.0}, "dropout: 1.0"),
    ],
)
def test_impossible_networks_are_refused(name, change, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **change)


def test_every_card_tells_how_its_network_is_found():
    cards = sorted((files.shipped() / "models").glob("*.md"))
    assert {"listi", "listi_dense", "listi_large"} < {card.stem for card in cards}
    for card in cards:
        assert f'listi.predict(network, model="{card.stem}")' in card.read_text("utf-8")
        assert models.find(card.stem) == card.with_suffix(".keras")


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


def test_model_of_another_schema_is_refused(tmp_path):
    model = models.build("lstm", units=2)
    models.save(model, tmp_path / "old.keras", schema=1)
    with pytest.raises(ValueError, match="old.keras' is of schema 1; this version reads 2"):
        models.load(tmp_path / "old.keras")


def test_keras_is_not_imported_before_a_model_is_needed():
    code = (
        "import listi, listi.learning.predict, listi.learning.fit, listi.compendium.trained, sys\n"
        "from listi.learning import models; models.records(); sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bond_weights_stand_where_the_bonds_are(cut):
    from listi.learning.graph_layers import BondVectors, BondWeights, Neighbours

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
