"""A card of one screen beside every trained network: what it reads, how it was trained, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import files
from ..learning import models
from . import data_set
from .trained import checksum_of, model_file

_READS = {
    "lstm": "the coordinates of the Si within {r_free:g} Å, in the order of their numbers",
    "cnn": "a grey picture of the Si within {r_free:g} Å and their bonds",
    "gcn": "coordinates and bonds of the Si within {r_free:g} Å (convolutions of Kipf and Welling)",
    "gcn_attention": "coordinates and bonds of the Si within {r_free:g} Å (attention as in the paper's Eqs. 2b and 2d)",
    "gcn_bonds": "coordinates, bonds and bond vectors of the Si within {r_free:g} Å",
    "listi": "Si, bonds, places of the O and local stress of the whole sample, then every disc of {r_free:g} Å",
    "listi_large": "what `listi` reads (Si, bonds, places of the O and local stress of the whole sample), then all"
    " pairs of Si in every disc of {r_free:g} Å",
    "listi_si": "Si and bonds of the whole sample, then every disc of {r_free:g} Å",
}
_CARD = """# {name}

Predicts the stress threshold of every spot of a two-dimensional silica glass from its structure. It reads
{reads}; `listi/learning/models/{kind}.py` has its layers.

    listi.predict(network, model="{model}")

**Data.** It learned from {learned}.
Choices were made on {validation} validation samples; the unseen samples were predicted for the final figures only.

**Training.** Mean squared error of standardised thresholds{besides}, {epochs} epochs{ended}; the weights
are those of epoch {best}, validation loss {loss:.3f}. {hours:.1f} h on {threads} thread(s), {backend}.
Settings: {settings}.

| samples | correlation | goodness, events 1 to 6 | the same by probing |
| --- | --- | --- | --- |
{rows}

**Limits.** Two-dimensional silica as `listi.generate` makes it, at its energy minimum, sheared along the axes of the
cell. For another density, other species or other disorder the numbers are a guess; `listi.predict` warns where the
density is off.

Licence: CC BY 4.0.
"""


def write(folder: str | Path, name: str) -> Path:
    """Write the card `models/<name>.md` from the network's record and its predictions for all samples.

    Raises
    ------
    DataError
        If the record or a prediction is not there, or not whole.
    """
    folder = Path(folder)
    path, ships = model_file(folder, name), folder.absolute() == files.shipped()
    told = files.read_json(path.with_suffix(".json"))
    made = told["made_from"]
    about = models.metadata_of(path)
    kind = about["name"]
    losses = np.array(told["validation_loss"])
    roles = {"training": ["train"], "validation": ["validation"], "unseen": data_set.UNSEEN}
    rows = []
    for label, chosen in roles.items():
        samples = data_set.of_roles(folder, *chosen)
        r = data_set.correlation(data_set.points_of(samples, name))
        own, probing = (data_set.goodness_of(samples, source).mean("sample").values for source in (name, "probing"))
        rows.append(f"| {label} ({len(samples)}) | {r:.3f} | {_numbers(own)} | {_numbers(probing)} |")
    settings = (f"{key} {made[key]}" for key in sorted(made) if key not in ("samples", "r_free", "algorithm"))
    text = _CARD.format(
        name=name,
        kind=kind,
        reads=_READS[kind].format(r_free=about["r_free"]),
        model=name if ships else f"models/{name}.keras",
        learned=_learned(folder, ships, made["samples"]["train"], about["training_points"]),
        besides=_besides(made),
        validation=len(made["samples"]["validation"]),
        epochs=len(losses),
        ended=f" of {made['epochs']}, when the validation loss had been flat" if told["stopped"] else "",
        best=losses.argmin() + 1,
        loss=losses.min(),
        hours=told["seconds"] / 3600,
        threads=told["threads"],
        backend=told["backend"],
        settings=", ".join(settings),
        rows="\n".join(rows),
    )
    card = path.with_suffix(".md")
    files.write_bytes(card, text.encode())
    return card


def _learned(folder: Path, ships: bool, sums: list[str], points: int) -> str:
    """Say what a network with training samples of these checksums learned from."""
    own = len(set(sums) & {checksum_of(sample) for sample in data_set.of_roles(folder, "train")})
    parts = [f"{own} training samples of `{'data/paper' if ships else folder.absolute().name}`"] * (own > 0)
    if own < len(sums):
        parts.append(f"{len(sums) - own} samples that `notebooks/studies/networks.py` makes or probes anew")
    return f"{points} probes in {' and '.join(parts)}"


def _besides(made: Mapping) -> str:
    """Say what was learned of every probe beside its threshold, and with which weight."""
    what = {"beside": "the other results of each probe", "motion": "the motion of its atoms"}
    parts = [f"{made[name]:g} times that of {text}" for name, text in what.items() if made.get(name)]
    return "".join(f" + {part}" for part in parts) + " (not in the losses given here)" * bool(parts)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.3f}".replace("0.", ".", 1) for value in values)
