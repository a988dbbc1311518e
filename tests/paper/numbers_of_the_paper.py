"""A published number as a case of `test_published_number`, and as a row of README's table."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def cases(numbers: Mapping[str, tuple], disagreements: Mapping[str, str]) -> list:
    """Every (ours, paper's, tolerance) by name; a strict expected failure where ours disagrees, with the reason."""
    assert set(disagreements) <= set(numbers), "a disagreement names no number of the paper"

    def marks(name):
        return [pytest.mark.xfail(strict=True, raises=AssertionError, reason=disagreements[name])]

    return [
        pytest.param(*numbers[name], id=name, marks=marks(name) if name in disagreements else []) for name in numbers
    ]


def check_row(name: str, numbers: Mapping[str, tuple], disagreements: Mapping[str, str]) -> None:
    """Compare the row of a number in README's table with the number."""
    ours, paper, _ = numbers[name]
    rows = [re.split(r" *\| *", line)[1:5] for line in README.splitlines() if line.startswith("| Fig. ")]
    [(_, said, here, agree)] = [row for row in rows if row[0] == name]
    assert (
        float(said) == paper and here == f"{float(ours()):.2f}" and agree == ("no" if name in disagreements else "yes")
    )
