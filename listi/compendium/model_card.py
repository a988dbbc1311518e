"""A card of one screen for every trained network: what it reads, how it was trained, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from .. import files
from ..analysis.prediction_goodness import EVENTS
from ..learning import models
from . import data_set, predicted, studies
from .trained import BEST, checksum_of, model_file, read_record

SEALED = "studies/sealed.csv.gz"  # below the data: scores on samples that were opened once
STUDY = "networks"  # the table of trainings by `notebooks/studies/networks.py`, and of what they predicted
_CARD = """# {name}

Predicts the local stress thresholds of a two-dimensional silica glass from its structure. It reads
{reads}; `listi/learning/models/{kind}.py` defines its layers.

    listi.predict(network, model="{model}")

**Data.** It learned from {learned}.
{choices}

**Training.** Mean squared error of standardised thresholds{further}, {epochs} epochs{ended}; the weights
are those of {weights}, epoch {epoch}, validation loss {loss:.3f}. {hours:.1f} h on {threads} thread(s), {backend}.
Settings: {settings}.

Correlation with the probed thresholds, and mean goodness of each event by the map as it is:

| samples | map | correlation | 1 | 2 | 3 | 4 | 5 | 6 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

**Limits.** Two-dimensional silica as `listi.generate` makes it, at its energy minimum. It was trained under {modes}
along x; for another direction, `angle`, what it reads is rotated. For another density, other species or other disorder
the predictions are a guess; `listi.predict` warns where the density is off.

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
    saved, about = read_record(path), models.metadata_of(path)
    made, losses = saved["made_from"], np.array(saved["validation_loss"])
    epoch = saved.get("epoch", int(losses.argmin()) + 1)
    settings = (f"{key} {made[key]}" for key in sorted(made) if key not in ("name", "samples", "r_free", "algorithm"))
    text = _CARD.format(
        name=name,
        kind=about["name"],
        reads=models.record(about["name"]).reads.format(r_free=about["r_free"]),
        model=name if ships else f"{models.SHIPPED}/{name}.keras",
        learned=_learned(folder, ships, made["samples"]["train"], about["training_points"]),
        choices=_choices(folder, name, saved),
        further=_further_targets(made),
        epochs=len(losses),
        ended=f" of {made['epochs']}, stopped early" if saved["stopped"] else "",
        weights=f"the {saved.get('weights', BEST)}",
        epoch=epoch,
        loss=losses[epoch - 1],
        hours=saved["seconds"] / 3600,
        threads=saved["threads"],
        backend=saved["backend"],
        settings=", ".join(settings),
        modes=", ".join(about.get("modes", models.MODES)),
        rows="\n".join(_rows(folder, name, {*made["samples"]["train"], *made["samples"]["validation"]})),
    )
    card = path.with_suffix(".md")
    files.write_bytes(card, text.encode())
    return card


def _rows(folder: Path, name: str, learned: set[str]) -> list[str]:
    """Rows of the table: how good the network is on the samples of every role; `learned`: checksums of its own."""
    rows = []
    roles = {"training": ["train"], "validation": ["validation"], "unseen": data_set.UNSEEN}
    for label, chosen in roles.items():
        samples = data_set.of_roles(folder, *chosen)
        if label != "unseen" and not learned & {checksum_of(sample) for sample in samples}:
            continue  # the network is of other samples
        r = data_set.correlation(data_set.points_of(samples, name))
        own, probing = (data_set.goodness_of(samples, source).mean("sample").values for source in (name, "probing"))
        rows.append(_row(f"{label} ({len(samples)})", name, f"{r:.3f}", own))
        rows.append(_row("", "probing", "", probing))
    return rows + _sealed_rows(folder, name)


def _sealed_rows(folder: Path, name: str) -> list[str]:
    """Rows of the samples that `notebooks/studies/sealed.py` opened last, if the network was scored on them."""
    if not (folder / SEALED).is_file():
        return []
    table = pd.read_csv(folder / SEALED, keep_default_na=False)
    table = table[(table.opened == table.opened.max()) & (table.resolution == "point")]
    rows = []
    for of in (name, "probing") if name in set(table.model) else ():
        own = table[table.model == of]
        means = own.groupby(["measure", "key"]).value.mean()
        label = f"sealed ({own['sample'].nunique()}, opened on {own.opened.max()})" if of == name else ""
        correlation = f"{means['correlation', '']:.3f}" if of == name else ""
        rows.append(_row(label, of, correlation, means["goodness"].to_numpy()))
    return rows


def _learned(folder: Path, ships: bool, sums: list[str], points: int) -> str:
    """Say what a network with training samples of these checksums learned from."""
    own = len(set(sums) & {checksum_of(sample) for sample in data_set.of_roles(folder, "train")})
    parts = [f"{own} training samples of `{'data/paper' if ships else folder.absolute().name}`"] * (own > 0)
    if own < len(sums):
        parts.append(f"{len(sums) - own} samples that `notebooks/studies/networks.py` makes or probes anew")
    return f"{points} probes in {' and '.join(parts)}"


def _choices(folder: Path, name: str, saved: Mapping) -> str:
    """Say on which samples the choices were made, and how often the unseen samples have been looked at."""
    kind = models.record(saved["made_from"]["name"])
    choices = saved.get("choices", {"epoch": "validation", "settings": kind.settings_chosen})  # as it was before
    n = len(saved["made_from"]["samples"]["validation"])
    epoch = f"was chosen on {n} validation samples" if choices["epoch"] else "is the last one, without a choice"
    unseen = {checksum_of(sample) for sample in data_set.of_roles(folder, *data_set.UNSEEN)}
    seen = len(unseen & set(saved["made_from"]["samples"]["train"] + saved["made_from"]["samples"]["validation"]))
    networks, trainings = unseen_predicted(folder)
    return (
        f"The epoch of the weights {epoch}. Settings: {choices['settings']}.\n"
        f"Of the {len(unseen)} unseen samples {seen or 'none'} took part in this. {len(networks - {name})} other"
        f" networks and {trainings} trainings of studies here predicted them, too:\n"
        "whoever chooses between these by the results for unseen samples makes a choice on them."
    )


def unseen_predicted(folder: Path) -> tuple[set[str], int]:
    """Return the networks, and the number of trainings of studies, whose predictions of unseen samples are stored."""
    unseen = {path.name for role in data_set.UNSEEN for path in data_set.read_split(folder)[role]}
    held = (folder / predicted.FOLDER).glob("*.nc")
    networks = {file.stem for file in held if unseen & set(predicted.read(file)["sample"].values)}
    try:
        table = studies.read(folder, STUDY)
    except files.DataError:  # no such trainings
        return networks, 0
    return networks, len(table[table["sample"].isin(unseen)][["study", "label"]].drop_duplicates())


def _further_targets(made: Mapping) -> str:
    """Say what else was learned of every probe, and with which weight."""
    what = {"auxiliary_weight": "the other results of each probe", "motion_weight": "the motion of its atoms"}
    parts = [f"{made[name]:g} times that of {text}" for name, text in what.items() if made.get(name)]
    return "".join(f" + {part}" for part in parts) + " (not in the losses here)" * bool(parts)


def _row(samples: str, of: str, correlation: str, by_event: np.ndarray) -> str:
    values = [f"{value:.3f}" for value in by_event] + [""] * (EVENTS - len(by_event))
    return f"| {' | '.join([samples, of, correlation, *values])} |"
