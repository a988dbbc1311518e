"""Scores of probing, networks and baselines on the samples that no network was trained on.

    python notebooks/studies/benchmark.py data/paper/studies/scores.csv [--data data/paper] [--width]

Every line of the table is one score of one predictor on one sample: model, resolution, sample, measure, key (event, k
or strain) and value. Predictors that are in the table are not computed again. With `--width`, the goodness of probing
on the training samples is printed instead, for Gaussians of several widths: the best is `EVENT_RESOLUTION`. Fifteen
samples take about 25 minutes of one core, most of it for shortest paths, soft modes and the ridge regression.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import listi
from listi.analysis import predictors
from listi.analysis.prediction_goodness import first_events, goodness
from listi.analysis.score import MEASURES, stored_map
from listi.analysis.spots import blurred
from listi.compendium import data_set
from listi.files import shipped, write_bytes

WIDTHS = np.arange(0.0, 8.5, 0.5)  # of the Gaussian [Å]
KEYS = ("event", "k", "strain")
N_RIDGE = 10  # training samples that the ridge regression is fitted to: 25 000 points for six weights
SLOW = ("shortest_winding_path", "local_modulus", "geodesic_betweenness", "soft_modes")
COLUMNS = ["model", "resolution", "sample", "measure", "key", "value"]


def width_table(samples: list) -> pd.Series:
    """Mean goodness of the first six events by the probed map, for every width of the Gaussian [Å]."""

    def mean_goodness(sample, width: float) -> float:
        field = blurred(sample.probing.threshold, sample.network.cell, width)
        return float(goodness(field, first_events(sample.shear).event_position, sample.network.cell).mean())

    means = {width: np.mean([mean_goodness(sample, width) for sample in samples]) for width in WIDTHS}
    return pd.Series(means, name="mean goodness").rename_axis("width (Å)")


def baselines(samples: list, folder: Path, slow: bool = True) -> dict:
    """All predictors that are computed, each as a function that makes it; without those that take minutes a sample."""
    plain = {name: lambda function=function: function for name, function in predictors.PREDICTORS.items()}
    over_load = {
        f"{name}_over_load": lambda name=name: predictors.over_load(stored_map(samples, name))
        for name in ("probing", "listi")
    }
    quick = {name: made for name, made in plain.items() if name not in SLOW}
    if not slow:
        return quick | over_load
    ridge = {"ridge": lambda: predictors.ridge(data_set.of_roles(folder, "train")[:N_RIDGE])}
    return quick | ridge | over_load | {name: plain[name] for name in SLOW}


def tidy(scores: xr.Dataset, samples: list) -> pd.DataFrame:
    """The scores of every sample, one a line."""
    scores = scores.assign_coords(sample=[sample.attrs["name"] for sample in samples])
    parts = []
    for measure in MEASURES.keys() & set(scores):
        rows = scores[measure].rename("value").to_dataframe().dropna().reset_index()
        key = [name for name in KEYS if name in scores[measure].dims]
        rows["key"] = rows[key[0]] if key else ""
        parts.append(rows.assign(measure=measure)[COLUMNS])
    return pd.concat(parts)


def complete(table: Path, folder: Path) -> pd.DataFrame:
    """Add to the table what it lacks, and return it."""
    known = pd.read_csv(table, keep_default_na=False) if table.is_file() else pd.DataFrame(columns=COLUMNS)
    samples = data_set.of_roles(folder, *data_set.UNSEEN)
    computed = baselines(samples, folder)
    for name in ["probing", *samples[0].predictions, *computed]:
        if name not in set(known.model):
            function, stored = ({name: computed[name]()}, []) if name in computed else ({}, [name])
            rows = tidy(listi.score(function, samples, stored), samples)
            known = pd.concat([known, rows.round({"value": 5})], ignore_index=True)
            table.parent.mkdir(parents=True, exist_ok=True)
            text = known.sort_values(COLUMNS[:4], kind="stable").to_csv(index=False)
            write_bytes(table, text.encode())
            print(name, flush=True)
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, default=shipped())
    parser.add_argument("--width", action="store_true")
    given = parser.parse_args()
    if given.width:
        print(width_table(data_set.of_roles(given.data, "train")).round(4).to_string())
    elif given.table is None:
        parser.error("table: is missing")
    else:
        complete(given.table, given.data)


if __name__ == "__main__":
    main()
