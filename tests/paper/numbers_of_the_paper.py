"""A published number as a case of `test_published_number`."""

from collections.abc import Mapping

import pytest


def cases(numbers: Mapping[str, tuple], disagreements: Mapping[str, str]) -> list:
    """Every (ours, paper's, tolerance) by name; a strict expected failure where ours disagrees, with the reason."""
    assert set(disagreements) <= set(numbers), "a disagreement names no number of the paper"

    def marks(name):
        return [pytest.mark.xfail(strict=True, raises=AssertionError, reason=disagreements[name])]

    return [
        pytest.param(*numbers[name], id=name, marks=marks(name) if name in disagreements else []) for name in numbers
    ]
