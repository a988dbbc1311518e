"""Two ends of a probe, and the weakest of its directions."""

import numpy as np
import pytest
import xarray as xr

import listi
from listi.analysis import rules

R_FREE = 7.0


def test_thresholds_by_either_rule_and_how_far_they_differ():
    one = {
        "threshold": [[1.0, 2.0], [4.0, np.nan]],
        "peak_stress": [[1.5, 1.5], [5.5, np.nan]],
        "initial_stress": np.full((2, 2), 0.5),
    }
    probing = xr.Dataset({name: (("x", "y"), np.asarray(values)) for name, values in one.items()})
    found = rules.thresholds(probing)
    np.testing.assert_allclose(found.sel(rule=rules.DROP), [[1.0, 1.0], [5.0, np.nan]])
    told = rules.difference(probing)
    assert told["differ"] == pytest.approx(2 / 3)
    assert told["lower"] == pytest.approx(1 / 3)
    assert (told["least_ratio"], told["largest_ratio"]) == (0.5, 1.25)
    with pytest.raises(ValueError, match="^probing: holds no peak_stress"):
        rules.thresholds(probing.drop_vars("peak_stress"))


def test_the_weakest_direction_is_that_of_yield_stress(glass):
    events = np.array([[3.0, 50.0], [31.0, 8.0]])
    grid, angles = (4, 3), (-30, 0, 30)
    found = rules.over_angles(glass, events, 12, grid=grid, angles=angles, r_free=R_FREE)
    whole = listi.yield_stress(glass, grid=grid, angles=angles, r_free=R_FREE)
    for name, field in (("along", whole.threshold.sel(angle=0)), ("weakest", whole.yield_stress)):
        np.testing.assert_allclose(found[name], listi.goodness(field, events, glass.cell))
    with pytest.raises(ValueError, match="^angles: 0 is not among"):
        rules.over_angles(glass, events, 12, angles=(10, 20))
