"""Glasses side by side: numbers that follow by hand from made-up samples."""

import numpy as np
import pytest
import xarray as xr
from handmade import honeycomb

from listi.analysis import glasses
from listi.analysis.sample import Sample


def sample(strains, softest):
    """Make a crystal with events at given strains, the first at the softest point of a map of 4 x 5 points."""
    network = honeycomb(10, 12)
    x, y = (np.arange(n) * length / n for n, length in zip((4, 5), network.cell, strict=True))
    threshold = 0.005 + 0.001 * np.arange(20.0).reshape(4, 5) / 20
    threshold[2, 3] = softest
    place = np.tile([x[2], y[3]], (len(strains), 1))
    place[1:] = x[3], y[4]  # the hardest point
    shear = xr.Dataset(
        {"event_strain": ("event", strains), "event_position": (("event", "xy"), place)},
        coords={"event": np.arange(1, len(strains) + 1)},
    )
    probing = xr.Dataset({"threshold": (("x", "y"), threshold)}, coords={"x": x, "y": y})
    return Sample(network, shear, probing, None, {})


def test_means_over_samples():
    early = [sample([0.01, 0.02, 0.021, 0.022, 0.03, 0.04], 0.001), sample([0.03, 0.04, 0.05, 0.05, 0.06, 0.07], 0.003)]
    late = [sample([0.05, 0.06], 0.002)]
    found = glasses.compare({"early": early, "late": late})
    one = found.sel(glass="early")
    assert (one.samples, one.by_end) == (2, 1)
    assert float(one.strain.sel(event=1)) == pytest.approx(0.02)
    assert float(one.strain_low.sel(event=1)) >= 0.01
    assert float(one.strain_spread.sel(event=1)) == pytest.approx(0.02 / np.sqrt(2))
    np.testing.assert_allclose(one.goodness.values, [1.0] + [1 - 2 * 19 / 20] * 5)
    assert float(one.softest) == pytest.approx(0.002)
    assert float(one.order) == pytest.approx(1.0)
    assert float(found.strain.sel(glass="late", event=2)) == pytest.approx(0.06)
    assert np.isnan(found.strain.sel(glass="late", event=3))
    assert float(found.by_end.sel(glass="late")) == 0


def test_a_glass_without_samples_is_refused():
    with pytest.raises(ValueError, match="glasses: 'none' has no sample"):
        glasses.compare({"none": []})
