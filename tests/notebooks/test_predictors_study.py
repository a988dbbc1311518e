"""The script that compares predictors: its maps take the radius of the discs, its tables give what figures need."""

import sys
from pathlib import Path

import numpy as np
import xarray as xr

import listi
from listi.analysis.sample import Sample

sys.path.append(str(Path(__file__).resolve().parents[2] / "notebooks" / "studies"))
import predictors

R_FREE, GRID = 8.0, (4, 5)


def test_predictors_are_put_together_from_their_tables(glass, monkeypatch):
    shear = listi.deform(glass, n_events=2, max_strain=0.2)
    probing = listi.probe(glass, GRID, r_free=R_FREE, workers=1)
    predictions = probing[["threshold"]].rename(threshold="own") ** 2
    sample = Sample(glass, shear, probing, predictions, {"name": "sample_0003.nc", "seed": 3})
    case = predictors.case_of(sample)
    xr.testing.assert_allclose(case.maps.energy, listi.analysis.predictors.energy(sample.network, GRID, R_FREE))
    rate = listi.stress_rate(sample.network, GRID, R_FREE)
    xr.testing.assert_allclose(case.maps.strain_to_failure, listi.strain_to_failure(sample.probing.threshold, rate))
    monkeypatch.setattr(predictors, "case_of", lambda sample: case)
    compared = predictors.compare([sample, sample], [True, False])
    assert [row["map"] for row in predictors.map_rows(sample)] == list(compared["goodness"])
    assert np.shape(compared["goodness"]["soft_modes"]) == (2, 2)
    assert compared["correlation"]["threshold"] == [1.0, 1.0]
    assert set(compared["added"]) == {"threshold", "own"}
    assert set(compared["added"]["threshold"]) == {"weight", "change", "low", "high"}
