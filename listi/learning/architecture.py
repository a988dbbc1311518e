"""The layers of a saved network, read from its file without building it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .models import read_config


class Layer(NamedTuple):
    """One layer of a network.

    Attributes
    ----------
    name, kind : str
        Its name, and its class in Keras, Spektral or `listi`.
    shape : tuple
        Shape of its output for one point; None stands for the number of Si.
    sources : tuple of str
        Names of the layers that it reads; none for an input.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    sources: tuple[str, ...]


def architecture(path: str | Path) -> list[Layer]:
    """Return the layers between the inputs and the threshold, each after those that it reads.

    Masks that Keras hands on by itself are left out.

    Parameters
    ----------
    path : path
        A `.keras` file that `models.save` wrote.

    Raises
    ------
    DataError
        If the file is missing or not whole.
    ValueError
        If it is none of ours.
    """
    layers = read_config(path)["config"]["layers"]
    shapes: dict[str, tuple[int | None, ...]] = {"threshold": (1,)}  # which nothing reads: one number for every point
    sources = {}
    for layer in layers:
        tensors = list(_tensors([node["args"] for node in layer["inbound_nodes"]]))
        sources[layer["name"]] = tuple(tensor["keras_history"][0] for tensor in tensors)
        shapes |= {tensor["keras_history"][0]: tuple(tensor["shape"][1:]) for tensor in tensors}
    needed, reached = ["threshold"], set()
    while needed:
        name = needed.pop()
        if name not in reached:
            reached.add(name)
            needed += sources[name]
    names = {layer["name"]: layer["class_name"] for layer in layers if layer["name"] in reached}
    return [Layer(name, kind, shapes[name], sources[name]) for name, kind in names.items()]


def _tensors(arguments: object) -> Iterator[dict]:
    """Find the tensors among the arguments of a layer, however they are nested."""
    if isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        yield arguments["config"]
    elif isinstance(arguments, (dict, list)):
        for argument in arguments.values() if isinstance(arguments, dict) else arguments:
            yield from _tensors(argument)
