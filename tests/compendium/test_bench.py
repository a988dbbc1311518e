"""Copies of a glass for measurements against its size."""

import pytest

from listi.compendium import bench
from listi.mechanics.system import System
from listi.network.rings import ring_sizes, ring_statistics
from listi.probing.probe import probe


def test_sizes_are_measured():
    found = bench.measure_sizes([(1, 1), (2, 1)], 1, rings=(10, 12))
    assert list(found) == [600, 1200]
    assert all(value > 0 for row in found.values() for value in row.values())


def test_a_glass_repeated_is_the_same_glass(glass):
    twice = bench.repeat(glass, 2, 3)
    assert ring_statistics(ring_sizes(twice)) == ring_statistics(ring_sizes(glass))
    energies = [System(n.positions, n.species, n.cell).energy_forces()[0] for n in (glass, twice)]
    assert energies[1] == pytest.approx(6 * energies[0], rel=1e-12)
    point = glass.cell[None] / 2
    assert probe(twice, points=point).threshold.item() == pytest.approx(
        probe(glass, points=point).threshold.item(), rel=1e-8
    )
