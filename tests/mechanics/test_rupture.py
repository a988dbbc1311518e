"""Rupture: the sample is in two, by the bonds that are said to be the crack; the same if the glass is turned."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

import listi
from listi.network.bonds import intact_bonds
from listi.network.geometry import minimum_image


@pytest.fixture(scope="module")
def small():
    return listi.generate(nx=8, ny=10, seed=1)


@pytest.fixture(scope="module")
def pulled(small):
    return listi.rupture(small)


def leads_across(network, kept, along, copies=5):
    """Whether some of the bonds lead from an atom to its image, in a row of copies of the cell with open ends."""
    first, second = network.bonds[kept].T
    apart = network.positions[second] - network.positions[first]
    beyond = np.round((minimum_image(apart, network.cell) - apart)[:, along] / network.cell[along]).astype(int)
    n, rows = network.n_atoms, []
    for copy in range(copies):
        inside = (copy + beyond >= 0) & (copy + beyond < copies)
        rows.append(np.stack([copy * n + first, (copy + beyond) * n + second])[:, inside])
    ends = np.concatenate(rows, axis=1)
    piece = connected_components(csr_array((np.ones(ends.shape[1]), ends), (copies * n, copies * n)), directed=False)[1]
    return np.any(piece[n : 2 * n] == piece[2 * n : 3 * n])


def test_the_sample_is_in_two_by_the_crack(small, pulled):
    everything = np.ones(len(small.bonds), dtype=bool)
    without = everything.copy()
    without[pulled.crack_bond] = False
    assert leads_across(small, everything, 0) and not leads_across(small, without, 0)
    assert leads_across(small, without, 1)  # along the crack
    broken = pulled.bond_event.values > 0
    assert broken[pulled.crack_bond].all()
    last = pulled.isel(event=-1)
    intact, *_ = intact_bonds(small, last.configuration.values, last.event_cell.values)
    assert not intact[pulled.crack_bond].any() and not intact[pulled.bond_event == last.event].any()
    assert broken[~intact].all()  # and those that healed again
    assert pulled.event_broken[-1] == np.sum(~intact) >= len(pulled.crack)


def test_numbers_of_the_curve(small, pulled):
    assert pulled.strength == pulled.stress.max()
    assert pulled.stress.sel(strain=pulled.peak_strain) == pulled.strength
    assert pulled.rupture_strain == pulled.event_strain[-1]
    assert pulled.stress[-1] < 0.01 * pulled.strength
    assert np.all(np.diff(pulled.crack_position[:, 1]) >= 0)
    once = listi.deform(small, mode="uniaxial tension", n_events=3)
    np.testing.assert_array_equal(once.event_atom, pulled.event_atom[:3])


def test_a_turned_glass_ruptures_alike(small, pulled):
    x, y = small.positions.T
    turned = small.replace(positions=np.column_stack([small.cell[1] - y, x]), cell=small.cell[::-1])
    other = listi.rupture(turned, angle=90)
    np.testing.assert_array_equal(other.event_atom, pulled.event_atom)
    assert set(other.crack_bond.values.tolist()) == set(pulled.crack_bond.values.tolist())


def test_what_does_not_rupture_is_said(small, pulled):
    with pytest.warns(UserWarning, match=r"^max_strain: the sample is not ruptured at 0.1; \d+.\d% of its strength"):
        half = listi.rupture(small, max_strain=0.1)
    assert np.isnan(half.rupture_strain) and half.sizes["crack"] == 0
    np.testing.assert_array_equal(half.event_atom, pulled.event_atom[: half.sizes["event"]])
    with pytest.warns(UserWarning, match="not ruptured at 0.002"):
        free = listi.rupture(small, angle=90, free_width=True, max_strain=0.002)
    assert free.free_width == 1 and free.angle == 90.0 and free.stress[-1] > free.stress[0]
    with pytest.raises(ValueError, match="^angle: 45 is not 0 or 90 degrees"):
        listi.rupture(small, angle=45)
    with pytest.raises(ValueError, match="^network: has no bonds"):
        listi.rupture(small.replace(bonds=None))
    apart = np.abs(np.diff(small.positions[small.bonds, 0])[:, 0]) > small.cell[0] / 2
    gap = listi.relax(small.replace(bonds=small.bonds[~apart], cell=small.cell + [12.0, 0.0]))
    with pytest.raises(ValueError, match="^network: no path of bonds leads across along x"):
        listi.rupture(gap)
