"""Curves of the discs of a map are those of the plain walk."""

import numpy as np
import pytest

import listi
from listi.probing.curves import curves


def test_curves_are_those_of_the_plain_walk(glass):
    probing = listi.probe(glass, grid=(3, 2), workers=1)
    found = curves(glass, probing, parts=5)
    assert dict(found.sizes) == {"x": 3, "y": 2, "part": 6}
    np.testing.assert_allclose(found.strain[..., -1], probing.critical_strain)
    for i, j in ((0, 0), (2, 1)):
        walked = listi.trace(glass, np.array([probing.x[i], probing.y[j]]))
        steps = np.rint(found.strain[i, j].values / 1e-4).astype(int)
        np.testing.assert_allclose(found.stress[i, j], walked.stress[steps], atol=1e-9)
        assert 0.18 < steps[1] / steps[-1] < 0.22


def test_a_disc_without_a_threshold_has_no_curve(glass):
    probing = listi.probe(glass, grid=(2, 1), workers=1)
    lost = probing.where(probing.x > 0)
    found = curves(glass, lost, parts=3)
    assert found.stress[0].isnull().all() and found.stress[1].notnull().all()


@pytest.mark.parametrize("parts", [0, 2.5])
def test_parts_must_be_a_whole_number(glass, parts):
    with pytest.raises(ValueError, match="parts: .* is not a whole number > 0"):
        curves(glass, listi.probe(glass, grid=(1, 1), workers=1), parts)
