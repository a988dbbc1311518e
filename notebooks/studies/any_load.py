"""Loads other than pure shear along x: are thresholds predicted, and do events happen where their maps are low?

    python notebooks/studies/any_load.py [--only TABLE ...] [--workers 2]

completes the tables `modes` (predicted and probed thresholds), `yield_surfaces` (threshold against direction at single
points) and `load_events` (events of glasses under each load, against the map of that load) in `data/paper/studies`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import listi
from listi.analysis.comparison import correlation
from listi.analysis.prediction_goodness import first_events
from listi.analysis.sample import Sample
from listi.compendium import data_set
from listi.compendium.studies import Study, command, number_of, plain, radius_of

NETWORK = "listi_loads"  # which was trained under pure shear, uniaxial and biaxial tension
MODES = (
    ("pure shear", 0.0),
    ("pure shear", 45.0),
    ("simple shear", 0.0),
    ("uniaxial tension", 0.0),
    ("uniaxial tension", 45.0),
    ("uniaxial tension", 90.0),
    ("biaxial tension", 0.0),
)
GRID = (25, 25)
DIRECTIONS = tuple(15.0 * n for n in range(12))  # of pure shear, which is the same again at 180 degrees
N_POINTS = 40  # of a sample, whose yield surfaces are probed
SEEDS = range(4000, 4020)  # of the glasses whose events are compared
SMALL = {"nx": 20, "ny": 24}
EVENT_LOADS = (("pure shear", 90.0), ("simple shear", 0.0), ("uniaxial tension", 0.0), ("biaxial tension", 0.0))
N_EVENTS, MAX_STRAIN = 6, 0.3


def mode_rows(sample: Sample) -> list[dict]:
    """One row for each load and network: correlation and ratio of predicted to probed thresholds."""
    rows = []
    for mode, angle in MODES:
        load = {"mode": mode, "angle": angle}
        probed = listi.probe(sample.network, GRID, r_free=radius_of(sample), workers=1, **load).threshold.values
        for name in ("listi", NETWORK) if mode.endswith("shear") else (NETWORK,):
            predicted = listi.predict(sample.network, name, GRID, **load).threshold.values
            found = {"correlation": correlation(predicted, probed), "mean_ratio": predicted.mean() / probed.mean()}
            rows.append({**load, "network": name} | {key: plain(float(value)) for key, value in found.items()})
    return rows


def surface_rows(sample: Sample) -> list[dict]:
    """One row for each point and direction of pure shear: thresholds, `probed` and `predicted`."""
    network = sample.network
    points = np.random.default_rng([1, number_of(sample)]).random((N_POINTS, 2)) * network.cell
    rows = []
    for angle in DIRECTIONS:
        probed = listi.probe(network, points=points, r_free=radius_of(sample), angle=angle, workers=1).threshold
        predicted = listi.predict(network, NETWORK, points=points, angle=angle).threshold
        pairs = zip(probed.values, predicted.values, strict=True)
        rows += [
            {"point": n, "angle": angle, "probed": plain(one), "predicted": plain(other)}
            for n, (one, other) in enumerate(pairs)
        ]
    return rows


def event_rows(seed: int) -> list[dict]:
    """One row for each load and map: goodness and hits of the first six events of a glass under the load.

    Maps: of that load, by probing and predicted, and of pure shear along x.
    """
    glass, rows = listi.generate(seed=seed, **SMALL), []
    along_x = listi.probe(glass, GRID, workers=1)
    for mode, angle in EVENT_LOADS:
        load = {"mode": mode, "angle": angle}
        shear = first_events(listi.deform(glass, n_events=N_EVENTS, max_strain=MAX_STRAIN, **load))
        probed = listi.probe(glass, GRID, workers=1, **load)
        maps = {
            "predicted": lambda network, load=load: listi.predict(network, NETWORK, GRID, **load),
            "of pure shear along x": lambda _: along_x.threshold,
        }
        scores = listi.score(maps, Sample(glass, shear, probed, None, {})).sel(resolution="event", sample=0)
        for name in ("probing", *maps):
            of = scores.sel(model=name)
            row = {"first": of.goodness.sel(event=1), "six": of.mean_goodness, "hit_first": of.hit_first.sel(k=1)}
            row |= {"hits": of.hits.sel(k=10), "n_events": shear.sizes["event"]}
            rows.append({**load, "map": name} | {key: plain(float(value)) for key, value in row.items()})
    return rows


def unseen(folder: Path) -> list[Path]:
    """Samples that no network was trained or chosen on."""
    return data_set.read_split(folder)["extra_test"]


READS = (f"models/{NETWORK}.keras",)
STUDIES = {
    "modes": Study(mode_rows, unseen, reads=("models/listi.keras", *READS)),
    "yield_surfaces": Study(surface_rows, unseen, reads=READS),
    "load_events": Study(event_rows, lambda folder: SEEDS, key="seed", reads=READS),
}

if __name__ == "__main__":
    command(STUDIES, __doc__)
