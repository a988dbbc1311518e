"""What is read from the file of a network is what Keras builds."""

import pytest

from listi import files
from listi.learning import models
from listi.learning.architecture import architecture

SIDE = {"lstm": {"not_equal", "any"}}  # Keras's own, which hand on the mask


@pytest.mark.parametrize(("name", "sizes"), [("lstm", {"units": 4}), ("cnn", {"pixels": 36}), ("gcn", {"width": 8})])
def test_layers_and_shapes_are_those_of_the_model(name, sizes, tmp_path):
    model = models.build(name, **sizes)
    models.save(model, tmp_path / "network.keras")
    layers = architecture(tmp_path / "network.keras")
    built = {layer.name: layer for layer in model.layers if layer.name not in SIDE.get(name, ())}
    assert {layer.name for layer in layers} == set(built)
    seen = set()
    for layer in layers:
        assert layer.kind == type(built[layer.name]).__name__
        assert layer.shape == tuple(built[layer.name].output.shape[1:])
        assert set(layer.sources) <= seen
        seen.add(layer.name)
    assert layers[-1].name == "threshold"


def test_the_graph_joins_the_nodes_at_the_convolutions(tmp_path):
    models.save(models.build("gcn", width=8), tmp_path / "network.keras")
    sources = {layer.name: layer.sources for layer in architecture(tmp_path / "network.keras")}
    assert sources["block_1_convolution_1"] == ("scale", "normalised")
    assert sources["average"] == ("block_2_dense", "mask")
    assert sources["nodes"] == ()


def test_a_file_that_is_missing_or_no_model_is_named(tmp_path):
    with pytest.raises(files.DataError, match="absent.keras"):
        architecture(tmp_path / "absent.keras")
