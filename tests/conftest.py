"""One small glass, made once, for every test that needs a disordered network."""

import numpy as np
import pytest

import listi


@pytest.fixture(scope="session")
def glass():
    """A glass of 120 rings (600 atoms, 53 x 55 Å) at its energy minimum."""
    return listi.generate(nx=10, ny=12, seed=3)


@pytest.fixture
def shaken(glass):
    """The same glass with every atom moved off its minimum by about 0.03 Å."""
    noise = np.random.default_rng(1).normal(0.0, 0.03, glass.positions.shape)
    return glass.replace(positions=glass.positions + noise)
