"""When and where events come: strain to failure, and maps made again after every event.

    python notebooks/studies/forecast.py [--only load fresh_maps late] [--workers 2]

completes the tables below in `data/paper/studies`; notebook 14 shows them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from probe_choices import samples

import listi
from listi.analysis import load
from listi.analysis.ensemble import distance_to_earlier
from listi.analysis.follow import MOVED, FreshMap, follow, until_fractured
from listi.analysis.sample import Sample
from listi.compendium.studies import Study, command, grid_of, radius_of, rows

SEEDS = tuple(range(3000, 3010))  # of the small glasses that are sheared far
RINGS, GRID, MAX_STRAIN = (16, 20), (20, 20), 0.3  # of these
NETWORK = "listi"  # that predicts fresh maps, too


def load_rows(sample: Sample) -> list[dict]:
    """Threshold against strain to failure, one row per event."""
    threshold, shear, cell = sample.probing.threshold, sample.shear, sample.network.cell
    r_free = radius_of(sample)
    rate = listi.stress_rate(sample.network, grid_of(sample), r_free)
    strain = listi.strain_to_failure(threshold, rate)
    events = load.strains_of_events(strain, shear, cell, r_free)
    events["goodness_threshold"] = listi.goodness(threshold, shear.event_position, cell)
    events["goodness_strain"] = listi.goodness(strain, shear.event_position, cell)
    distance = distance_to_earlier(shear, cell)
    events["distance_angstrom"] = distance.where(np.isfinite(distance))
    events["spread"] = float(rate.std() / rate.mean())
    return rows(events)


def fresh_rows(sample: Sample, network: str | None = NETWORK) -> list[dict]:
    """Goodness of the next event by the stale map and by fresh ones, one row per event.

    `stale` is the undeformed sample's map; `carried` its critical stresses minus the current stress, nothing probed;
    `fresh` is probed again where atoms strayed; `network` is predicted, and `network_stale` for the undeformed sample.
    `all_reprobed` is probed everywhere, and `correlation` that of its map with the fresh map, where the states of the
    sample are stored. Other samples are sheared again; `same_events` says whether their events are those stored.
    """
    grid, r_free, has_states = grid_of(sample), radius_of(sample), "configuration" in sample.shear
    shear = sample.shear if has_states else _sheared_again(sample)
    moved = {"carried": np.inf, "fresh": MOVED} | ({"all_reprobed": 0.0} if has_states else {})
    followed = {
        name: follow(sample.network, shear, FreshMap(grid, r_free, limit, sample.probing))
        for name, limit in moved.items()
    }
    events = followed["fresh"][["stale", "strain", "probed"]].assign(all_reprobed=np.nan, correlation=np.nan)
    events.probed[0] = 1.0  # for the stored map
    events["same_events"] = bool(np.array_equal(shear.event_atom, sample.shear.event_atom))
    events = events.assign({name: dataset.fresh for name, dataset in followed.items()})
    if has_states:
        events["correlation"] = xr.corr(followed["fresh"].maps, followed["all_reprobed"].maps, ["x", "y"])
    if network is not None:
        predicted = follow(sample.network, shear, lambda state: listi.predict(state, network, grid).threshold)
        events = events.assign(network=predicted.fresh, network_stale=predicted.stale)
    return rows(events)


def _sheared_again(sample: Sample) -> xr.Dataset:
    """Return the events of a sample with its states, which are not stored."""
    how = {"strain_step": sample.shear.strain_step, "max_strain": sample.shear.attrs["parameters"]["max_strain"]}
    return listi.deform(sample.network, n_events=sample.shear.sizes["event"], **how)


def late_rows(seed: int) -> list[dict]:
    """Rows of every event of a small glass sheared until it is torn, or to `MAX_STRAIN`."""
    network = listi.generate(*RINGS, seed=seed)
    return rows_far(network, until_fractured(listi.deform(network, n_events=1000, max_strain=MAX_STRAIN)), GRID)


def rows_far(network: listi.Network, shear: xr.Dataset, grid: tuple[int, int]) -> list[dict]:
    """Goodness of every event of a long deformation by the stale and the fresh map, with the stress after it."""
    events = follow(network, shear, FreshMap(grid))[["stale", "fresh", "strain", "probed"]]
    events["stress"] = ("event", np.interp(shear.event_strain, shear.strain, shear.stress))
    events["peak"] = float(shear.stress.max())
    return rows(events)


def seeds(folder: Path) -> tuple[int, ...]:
    """Seeds of the small glasses, which do not depend on the folder."""
    return SEEDS


STUDIES = {
    "load": Study(load_rows, samples),
    "fresh_maps": Study(fresh_rows, samples, reads=(f"models/{NETWORK}.keras",)),
    "late": Study(late_rows, seeds),
}

if __name__ == "__main__":
    command(STUDIES, __doc__)
