"""A network of six atoms drawn by hand and a shaken crystal, for all tests of this folder."""

import numpy as np
import pytest
from handmade import honeycomb

from listi.learning.cutouts import cutouts
from listi.network.network import Network


@pytest.fixture
def network():
    """Six atoms in a cell of 20 x 16 Å. In the disc of 4 Å around (0, 8): Si 0 from across the border, Si 2, Si 4.

        5 (1, 15.5)  outside, bonded to 4
        4 (1, 11)
        |
    0 - 2            0 at (19, 8), 2 at (1, 8): bonded across the border

    3 (10, 1) far away; 1 is an O in the disc, which no network sees
    """
    positions = [[19.0, 8.0], [0.0, 7.0], [1.0, 8.0], [10.0, 1.0], [1.0, 11.0], [1.0, 15.5]]
    return Network(positions, [0, 1, 0, 0, 0, 0], [[4, 2], [0, 2], [5, 4]], [20.0, 16.0])


@pytest.fixture
def cut(network):
    """Cut-outs with three Si and with one."""
    return cutouts(network, [[0.0, 8.0], [10.0, 1.0]], r_free=4.0, n_max=4)


@pytest.fixture(scope="session")
def crystal():
    """Honeycomb of 5 x 6 rings with its atoms shaken by up to 0.3 Å: every disc differs."""
    crystal = honeycomb(5, 6)
    shake = np.random.default_rng(0).uniform(-0.3, 0.3, crystal.positions.shape)
    return crystal.replace(positions=crystal.positions + shake)
