"""From the first event to the crack: small glasses pulled along x until they are in two, and their maps.

    python notebooks/studies/rupture.py [--only rupture rupture_events crack]

completes the tables below in `data/paper/studies`; notebook 18 shows them. A glass of 2400 atoms takes some two minutes
of a core.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import xarray as xr

import listi
from listi.analysis.follow import FreshMap, follow
from listi.analysis.predictors import stretched_bond
from listi.analysis.spots import blurred
from listi.compendium.studies import Study, command, rows
from listi.network.geometry import grid_points, minimum_image

SEEDS = tuple(range(4000, 4020))
RINGS, GRID = (20, 24), (25, 25)
TENSION = {"mode": "uniaxial tension", "angle": 0.0}
N_SHIFTED = 1000  # copies of a crack, moved by chance, that it is compared with


@functools.cache
def pulled(seed: int) -> tuple[listi.Network, xr.Dataset, dict[str, xr.DataArray]]:
    """Return a glass, its rupture, and maps of the undeformed glass at the resolution of an event, low where weak."""
    network = listi.generate(*RINGS, seed=seed)
    probed = listi.probe(network, GRID, workers=1, **TENSION)
    rate = listi.stress_rate(network, GRID, **TENSION)
    strain = listi.strain_to_failure(probed, rate)
    bond = stretched_bond(network, grid_points(network.cell, GRID)).reshape(GRID)
    maps = {
        "probing": probed.threshold,
        "strain to failure": strain.fillna(strain.max()),
        "stretched bond": probed.threshold.copy(data=bond),
    }
    return network, listi.rupture(network), {name: blurred(field, network.cell) for name, field in maps.items()}


def sample_rows(seed: int) -> list[dict]:
    """Return strength and crack of a sample, and what its maps say of them, one row."""
    network, rupture, maps = pulled(seed)
    middles = rupture.crack_position.values
    row = {
        "n_events": rupture.sizes["event"],
        "strength": float(rupture.strength),
        "peak_strain": float(rupture.peak_strain),
        "rupture_strain": float(rupture.rupture_strain),
        "first_strain": float(rupture.event_strain[0]),
        "first_stress": float(np.interp(rupture.event_strain[0], rupture.strain, rupture.stress)),
        "initial_stress": float(rupture.stress[0]),
        "n_broken": int(rupture.event_broken[-1]),
        "n_crack": rupture.sizes["crack"],
        "crack_length": float(_length(middles, network.cell)),
    }
    random = np.random.default_rng(np.random.SeedSequence(seed))
    shifts = random.uniform(size=(N_SHIFTED, 1, 2)) * network.cell
    straight = np.column_stack([np.zeros(len(middles)), np.linspace(0, network.cell[1], len(middles), endpoint=False)])
    for name, field in maps.items():
        own = _mean_goodness(field, middles, network.cell)
        moved = np.array([_mean_goodness(field, middles + shift, network.cell) for shift in shifts])
        lines = np.array([_mean_goodness(field, straight + shift, network.cell) for shift in shifts])
        key = name.replace(" ", "_")
        row |= {f"{key}_crack": own, f"{key}_moved": moved.mean(), f"{key}_moved_spread": moved.std()}
        row |= {f"{key}_better_moved": np.mean(moved >= own), f"{key}_better_straight": np.mean(lines >= own)}
        row |= {f"{key}_smallest": float(field.min())}
    return [row]


def _mean_goodness(field: xr.DataArray, positions: np.ndarray, cell: np.ndarray) -> float:
    return float(listi.goodness(field, np.mod(positions, cell), cell).mean())


def _length(middles: np.ndarray, cell: np.ndarray) -> float:
    """Length of the line through the middles of the bonds of a crack, in their order, closed around the cell [Å]."""
    return np.linalg.norm(minimum_image(np.roll(middles, -1, axis=0) - middles, cell), axis=1).sum()


def event_rows(seed: int) -> list[dict]:
    """Return the events of a sample: stress, broken bonds, distance to the crack, goodness of stale and fresh maps."""
    network, rupture, maps = pulled(seed)
    positions, cell, middles = rupture.event_position.values, network.cell, rupture.crack_position.values
    away = np.linalg.norm(minimum_image(positions[:, None] - middles, cell), axis=2).min(axis=1)
    fresh = follow(network, rupture, _Blurred(FreshMap(GRID, **TENSION)))
    before = rupture.event_strain.values - rupture.strain_step
    table = xr.Dataset(
        {
            "strain": rupture.event_strain,
            "stress_before": ("event", np.interp(before, rupture.strain, rupture.stress)),
            "stress_after": ("event", np.interp(rupture.event_strain, rupture.strain, rupture.stress)),
            "displacement": rupture.event_displacement,
            "size": rupture.event_size,
            "n_broken": rupture.event_broken,
            "distance_to_crack": ("event", away),
            "fresh": fresh.fresh,
        }
    )
    for name, field in maps.items():
        table[name.replace(" ", "_")] = listi.goodness(field, rupture.event_position, cell)
    return rows(table)


class _Blurred:
    """A fresh map read at the resolution of an event."""

    def __init__(self, fresh: FreshMap) -> None:
        self.fresh = fresh

    def __call__(self, network: listi.Network) -> xr.DataArray:
        return blurred(self.fresh(network), network.cell)


def crack_rows(seed: int) -> list[dict]:
    """Return the bonds of the crack of a sample: where, by which event broken, what share of each map is weaker."""
    network, rupture, maps = pulled(seed)
    table = rupture[["crack_bond"]].assign(
        x=("crack", rupture.crack_position.values[:, 0]),
        y=("crack", rupture.crack_position.values[:, 1]),
        broken_by=("crack", rupture.bond_event.values[rupture.crack_bond.values]),
    )
    for name, field in maps.items():
        found = listi.goodness(field, rupture.crack_position.values, network.cell).values
        table[f"{name.replace(' ', '_')}_weaker"] = "crack", (1.0 - found) / 2.0
    return rows(table)


def seeds(folder: Path) -> tuple[int, ...]:
    """Seeds of the glasses, which do not depend on the folder."""
    return SEEDS


STUDIES = {
    "rupture": Study(sample_rows, seeds, "seed"),
    "rupture_events": Study(event_rows, seeds, "seed"),
    "crack": Study(crack_rows, seeds, "seed"),
}

if __name__ == "__main__":
    command(STUDIES, __doc__, workers=1)
