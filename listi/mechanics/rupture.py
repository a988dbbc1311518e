"""Tension until a sample is in two: strength, events, broken bonds and the crack."""

from __future__ import annotations

import sys
import warnings
from functools import partial

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..network.bonds import intact_bonds
from ..network.geometry import minimum_image, wrap
from ..network.network import Network, check_network
from ..network.units import LENGTH_UNIT, STRESS_UNIT, dataset
from .forms import SILICA
from .potential import Potential
from .quasistatic import Curve, Fall, LoadedSample, load_to
from .shear import described, loaded

SHARE = 0.01  # of the peak of the stress, below which a sample without a path across is ruptured
COPIES = 7  # of the cell in a ring, in which a path that leads around the cell ends elsewhere


def rupture(
    network: Network,
    angle: float = 0.0,
    free_width: bool = False,
    strain_step: float = 1e-4,
    max_strain: float = 1.0,
    fall: str | Fall = "overdamped",
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Pull a sample quasistatically until it is in two.

    It is ruptured when no path of bonds leads across any more and the stress is below a hundredth of its peak.

    Parameters
    ----------
    network : Network
        A sample with bonds, at its energy minimum.
    angle : float
        Direction of the tension: 0 (x) or 90 (y) degrees.
    free_width, strain_step, max_strain, fall, potential
        As for `listi.deform`; for a free width, begin with a glass at zero pressure.

    Returns
    -------
    xarray.Dataset
        What `listi.deform` returns, to the event of the rupture. Also, over ``event``, ``event_broken``: number of
        bonds of the network that are broken after it. Over ``bond`` (those of the network), ``bond_event``: number of
        the event by which the bond was broken, 0 if by none; it may also break in the smooth strain before that
        event. Over ``crack``, in their order across the load, ``crack_bond``: numbers of the broken bonds that
        separate the two parts, and ``crack_position``: their middles in the undeformed cell. As scalars ``strength``,
        the largest stress, which includes that of the undeformed sample; ``peak_strain``, where it is;
        ``rupture_strain``, NaN if the sample is not ruptured at `max_strain`, with a warning that says the stress left.

    Raises
    ------
    ValueError
        If a parameter makes no sense; if the network has no bonds, or no path of them across from the start.
    ConvergenceError
        As `listi.deform`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=8, ny=10)
    >>> pulled = listi.rupture(glass)
    >>> bool(pulled.rupture_strain > pulled.peak_strain > 0), len(pulled.crack) > 2
    (True, True)
    """
    check_network(network)
    if angle not in (0, 90):
        raise ValueError(f"angle: {angle} is not 0 or 90 degrees: a sample is pulled along an edge of its cell")
    along = int(angle == 90)
    if not len(network.bonds):
        raise ValueError("network: has no bonds; rupture is where no path of them is left across")
    if not _is_bridged(network, network.positions, network.cell, along):
        raise ValueError(f"network: no path of bonds leads across along {'xy'[along]} from the start")
    sample = loaded(network, strain_step, max_strain, "uniaxial tension", angle, fall, free_width, potential=potential)
    last = round(max_strain / strain_step)
    curve, events = load_to(sample, 0, last, sys.maxsize, is_over=partial(_is_over, network, along))
    pulled = described(network, sample, curve, events)
    is_ruptured = _is_over(network, along, sample, curve)
    if not is_ruptured:
        left = float(pulled.stress[-1] / pulled.stress.max())
        message = f"the sample is not ruptured at {max_strain:g}; {left:.1%} of its strength is left"
        warnings.warn(f"max_strain: {message}", stacklevel=2)
    crack = _crack(network, sample, along) if is_ruptured else np.zeros(0, dtype=np.int64)
    return _with_crack(network, pulled, crack, float(pulled.strain[-1]) if is_ruptured else np.nan)


def _is_over(network: Network, along: int, sample: LoadedSample, curve: Curve) -> bool:
    if curve[-1][1] > SHARE * max(stress for _, stress, _ in curve):
        return False
    return not _is_bridged(network, sample.system.positions, sample.system.cell, along)


def _is_bridged(network: Network, positions: np.ndarray, cell: np.ndarray, along: int) -> bool:
    """Whether a path of bonds leads from an atom to its periodic image along an axis."""
    piece = _pieces(network, positions, cell, along)
    return bool(np.any(piece[0] == piece[1]))


def _pieces(network: Network, positions: np.ndarray, cell: np.ndarray, along: int) -> np.ndarray:
    """Number of the connected piece that each atom belongs to, in each of `COPIES` copies of the cell in a row.

    Returns
    -------
    ndarray of int, shape (COPIES, n_atoms)
    """
    n, copies = len(positions), np.arange(COPIES)[:, None]
    _, pairs, _ = intact_bonds(network, positions, cell)
    beyond = _borders(positions, cell, pairs, along)
    ends = (copies * n + pairs[:, 0]).ravel(), ((copies + beyond) % COPIES * n + pairs[:, 1]).ravel()
    graph = csr_array((np.ones(len(ends[0])), ends), (COPIES * n, COPIES * n))
    return connected_components(graph, directed=False)[1].reshape(COPIES, n)


def _borders(positions: np.ndarray, cell: np.ndarray, pairs: np.ndarray, along: int) -> np.ndarray:
    """How many borders of the cell a pair crosses upwards from its first atom to the nearest image of its second."""
    difference = positions[pairs[:, 1], along] - positions[pairs[:, 0], along]
    return -np.round(difference / cell[along]).astype(int)


def _crack(network: Network, sample: LoadedSample, along: int) -> np.ndarray:
    """Numbers of the bonds whose ends, in the undeformed network, are now in different pieces, ordered across."""
    piece = _pieces(network, sample.system.positions, sample.system.cell, along)
    first, second = network.bonds.T
    beyond = _borders(network.positions, network.cell, network.bonds, along)
    crack = np.flatnonzero(piece[0, first] != piece[beyond % COPIES, second])
    return crack[np.argsort(_middles(network)[crack, 1 - along], kind="stable")]


def _middles(network: Network) -> np.ndarray:
    """Middles of all bonds, shape (n_bonds, 2) [Å]."""
    first, second = network.positions[network.bonds.T]
    return wrap(first + 0.5 * minimum_image(second - first, network.cell), network.cell)


def _with_crack(network: Network, pulled: xr.Dataset, crack: np.ndarray, ended: float) -> xr.Dataset:
    n = pulled.sizes["event"]
    broken_by, broken = np.zeros(len(network.bonds), dtype=np.int64), np.zeros(n, dtype=np.int64)
    for number in range(n):
        state = pulled.isel(event=number)
        intact, *_ = intact_bonds(network, state.configuration.values, state.event_cell.values)
        broken_by[~intact & (broken_by == 0)] = number + 1
        broken[number] = np.sum(~intact)
    peak = int(np.argmax(pulled.stress.values))
    places = _middles(network)[crack]
    variables = {
        "event_broken": ("event", broken, "1", "bonds of the network that are broken after the event"),
        "bond_event": ("bond", broken_by, "1", "number of the event by which the bond was broken, 0 if by none"),
        "crack_bond": ("crack", crack, "1", "number of the bond that was broken by the crack"),
        "crack_position": (("crack", "xy"), places, LENGTH_UNIT, "middle of that bond in the undeformed cell"),
        "strength": ((), pulled.stress.values[peak], STRESS_UNIT, "largest stress"),
        "peak_strain": ((), float(pulled.strain[peak]), "1", "strain at the largest stress"),
        "rupture_strain": ((), ended, "1", "strain at which the sample is in two"),
    }
    return pulled.merge(dataset(variables), combine_attrs="override")
