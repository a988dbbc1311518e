"""How well networks trained under pure shear along x predict thresholds under pure shear in other directions.

    python notebooks/studies/loads.py [--workers 2]

completes the table below in `data/paper/studies`. The networks are not trained again: what they read is rotated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

import listi
from listi.analysis.comparison import correlation
from listi.analysis.sample import Sample
from listi.compendium import data_set
from listi.compendium.studies import Study, command, grid_of, plain, radius_of

ANGLES = (0.0, 30.0, 45.0, 90.0)  # of the load against x [degrees]
NETWORKS = ("listi", "listi_large", "gcn_bonds", "gcn_attention")
CALIBRATED = "listi"  # the network by which the weakest spots are found
N_SPOTS, CONFIDENCE = 5, 0.95


def load_rows(sample: Sample) -> list[dict]:
    """One row for each direction and network: predictions against probing in that direction.

    `correlation` and `mean_ratio` are those of predicted and probed thresholds, `unrotated` is the correlation of what
    is predicted for the load along x. In the rows of the calibrated network, `weakest_found` says whether
    `listi.weakest` returned the softest points of the probed map, by `n_probes` of `n_points`; `deviation` is the error
    of the predictions there relative to the calibration.
    """
    network, grid, found = sample.network, grid_of(sample), []
    along_x = {name: listi.predict(network, name, grid).threshold for name in NETWORKS}
    for angle in ANGLES:
        probed = listi.probe(network, grid, r_free=radius_of(sample), angle=angle, workers=1).threshold
        for name in NETWORKS:
            predicted = listi.predict(network, name, grid, angle=angle).threshold
            row = {
                "angle": angle,
                "network": name,
                "correlation": correlation(predicted.values, probed.values),
                "mean_ratio": float(predicted.mean() / probed.mean()),
                "unrotated": correlation(along_x[name].values, probed.values),
            }
            row |= weakest_spots(network, probed) if name == CALIBRATED else {}
            found.append({key: plain(value) for key, value in row.items()})
    return found


def weakest_spots(network: listi.Network, probed: xr.DataArray) -> dict:
    """Whether `listi.weakest` returns the softest points of a probed map, and by how many probes."""
    how = {"mode": probed.attrs["mode"], "angle": probed.attrs["angle"], "grid": probed.shape, "workers": 1}
    spots = listi.weakest(network, N_SPOTS, confidence=CONFIDENCE, model=CALIBRATED, **how)
    softest = np.sort(probed.values.ravel())[:N_SPOTS]
    return {
        "weakest_found": bool(np.array_equal(spots.threshold, softest)),
        "n_probes": spots.n_probes,
        "n_points": spots.n_points,
        "deviation": spots.attrs.get("deviation", np.nan),  # none where all points of a small sample are probed
    }


def unseen(folder: Path) -> list[Path]:
    """Samples that no network was trained or chosen on."""
    return data_set.read_split(folder)["extra_test"]


STUDIES = {"loads": Study(load_rows, unseen, reads=tuple(f"models/{name}.keras" for name in NETWORKS))}

if __name__ == "__main__":
    command(STUDIES, __doc__)
