"""Local loading rate under remote strain, and the strain at which each disc should therefore fail.

A probe measures the stress that a disc can take; the sample decides how fast that stress rises. To first order in
strain the atoms move affinely and, in addition, so that all forces stay zero (Lemaître, Maloney, J. Stat. Phys. 123,
415 (2006)): one linear solve for the sample. Strain to failure = threshold / stress rate.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..mechanics.forms import SILICA
from ..mechanics.load import Load, make_load
from ..mechanics.potential import Potential
from ..mechanics.system import System, system_of
from ..network.geometry import grid_product, minimum_image, nearest_point
from ..network.network import Network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .discs import R_FREE, as_map, membership
from .spots import softest_spots

UNBALANCED = 0.01  # share of the affine change of the forces that the non-affine motion may leave at most
PURE_SHEAR = make_load()


class Pairs(NamedTuple):
    """Pairs within the cutoff of a sample.

    Attributes
    ----------
    first, second : ndarray, shape (n_pairs,)
        Atom numbers.
    vector : ndarray, shape (n_pairs, 2)
        From the first to the second [Å].
    stiffness : ndarray, shape (n_pairs, 3)
        Second derivatives (xx, xy, yy) of the pair's energy [energy/Å²].
    tension : ndarray, shape (n_pairs,)
        U'/r [energy/Å²]: the curvature across the pair.
    """

    first: np.ndarray
    second: np.ndarray
    vector: np.ndarray
    stiffness: np.ndarray
    tension: np.ndarray


class Response(NamedTuple):
    """First-order response of a sample to a load.

    Attributes
    ----------
    velocity : ndarray, shape (n_atoms, 2)
        Non-affine displacement of each atom per unit strain [Å].
    virial_rate : ndarray, shape (n_atoms,)
        Change per unit strain of each atom's share of the load's stress times area, half of each of its pairs [energy].
    affine_rate : ndarray, shape (n_atoms,)
        The same if atoms moved affinely.
    """

    velocity: np.ndarray
    virial_rate: np.ndarray
    affine_rate: np.ndarray


def pairs_of(system: System) -> Pairs:
    """Return the pairs of a system at its present positions."""
    stiffness = system.linearise().blocks.copy()
    first = np.repeat(np.arange(len(system.positions)), np.diff(system.first))
    second = system.partner.astype(np.int64)
    vector = minimum_image(system.positions[second] - system.positions[first], system.cell)
    x, y = vector.T
    xx, xy, yy = stiffness.T
    tension = (xx * y * y - 2.0 * xy * x * y + yy * x * x) / (x * x + y * y)
    return Pairs(first, second, vector, stiffness, tension)


def check_in_one_piece(pairs: Pairs, n_atoms: int) -> None:
    """Refuse a network in pieces between which no force acts: how they move under shear is not determined.

    Raises
    ------
    ValueError
        If it does.
    """
    acts = np.flatnonzero(pairs.stiffness.any(axis=1))  # within the cutoff
    joined = csr_array((np.ones(len(acts)), (pairs.first[acts], pairs.second[acts])), (n_atoms, n_atoms))
    n_pieces, piece = connected_components(joined, directed=False)
    if n_pieces > 1:
        largest = np.bincount(piece).max()
        raise ValueError(
            f"network: is torn into {n_pieces} pieces, the largest of {largest} of {n_atoms} atoms, between which no "
            "force acts; the response to shear is determined within one piece only"
        )


def per_atom_sum(pairs: Pairs, values: np.ndarray, n_atoms: int) -> np.ndarray:
    """Sum over pairs of half of each pair's value for either atom; shape (n_atoms,)."""
    return 0.5 * (np.bincount(pairs.first, values, n_atoms) + np.bincount(pairs.second, values, n_atoms))


def respond(network: Network, potential: Potential = SILICA, load: Load = PURE_SHEAR) -> Response:
    """Return the first-order response of a sample to a load, by default pure shear along x.

    Raises
    ------
    ValueError
        If the sample is not at an energy minimum, is torn in pieces, or is so near an instability that the linear
        response does not converge.
    """
    system = system_of(network, potential)
    pairs = pairs_of(system)
    check_in_one_piece(pairs, network.n_atoms)
    velocity = system.affine_response(load.velocity)
    affine = np.einsum("ab,pb->pa", load.velocity, pairs.vector)
    total = affine + velocity[pairs.second] - velocity[pairs.first]
    residual = np.abs(_force_rate(pairs, total, network.n_atoms)).max()
    if residual > UNBALANCED * np.abs(_force_rate(pairs, affine, network.n_atoms)).max():
        raise ValueError(
            f"network: forces change by {residual:.3g} per unit strain at best; the sample may be near an instability"
        )
    rates = (per_atom_sum(pairs, _virial_rate(pairs, change, load), network.n_atoms) for change in (total, affine))
    return Response(velocity, *rates)


def _force_rate(pairs: Pairs, change: np.ndarray, n_atoms: int) -> np.ndarray:
    """Change of the force on each atom (n_atoms, 2) where the vectors of pairs change by `change` (n_pairs, 2)."""
    (cx, cy), (xx, xy, yy) = change.T, pairs.stiffness.T
    components = xx * cx + xy * cy, xy * cx + yy * cy
    forces = [np.bincount(pairs.first, f, n_atoms) - np.bincount(pairs.second, f, n_atoms) for f in components]
    return np.stack(forces, axis=1)


def _virial_rate(pairs: Pairs, change: np.ndarray, load: Load) -> np.ndarray:
    """Change of each pair's share f_a d_b, f = U'/r d, of the load's stress times area, where d changes by `change`."""
    (x, y), (cx, cy) = pairs.vector.T, change.T
    xx, xy, yy = pairs.stiffness.T
    fx, fy = xx * cx + xy * cy, xy * cx + yy * cy
    rates = fx * x + pairs.tension * x * cx, fy * x + pairs.tension * y * cx, fy * y + pairs.tension * y * cy
    return load.weight[0] * rates[0] + load.weight[1] * rates[1] + load.weight[2] * rates[2]


def stress_rate(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    r_free: float = R_FREE,
    mode: str = "pure shear",
    angle: float = 0.0,
    potential: Potential = SILICA,
) -> xr.DataArray:
    """Map of the local stress per unit strain of the whole sample, d tau_loc / d gamma, in the state given.

    The sample is loaded as by `listi.deform`; the stress is that of the disc of `listi.probe`, over the same atoms. It
    costs one linear solve.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    grid : (int, int)
        Number of points along x and y, at i L / n.
    r_free : float
        Radius of the discs [Å]; the paper's is 11.
    mode, angle
        Of the load, as for `listi.deform`.
    potential : Potential
        Of the pairs; the paper's by default.

    Returns
    -------
    DataArray over (x, y)
        [energy/Å² per unit strain].

    Raises
    ------
    ValueError
        If a parameter makes no sense, or the sample is not at an energy minimum or torn in pieces.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> rate = listi.stress_rate(glass, grid=(10, 10))
    >>> float(rate.mean().round(3))
    0.052
    """
    load = make_load(mode, angle)
    inside = membership(network.positions, network.cell, grid, r_free)
    values = inside @ respond(network, potential, load).virial_rate / (np.pi * r_free**2)
    rate = as_map(values, network.cell, grid, "stress_rate", STRESS_UNIT, "local stress per unit remote strain")
    return rate.assign_attrs(mode=mode, angle=float(angle), r_free=float(r_free))


def strain_to_failure(threshold: xr.DataArray | xr.Dataset, rate: xr.DataArray) -> xr.DataArray:
    """Strain of the whole sample at which each disc should fail: its threshold divided by its stress rate.

    Parameters
    ----------
    threshold : DataArray over (x, y), or Dataset
        As probed or predicted, for the load of the rate; a Dataset with `threshold` is what `listi.probe` returns.
    rate : DataArray over (x, y)
        From `stress_rate`, of the same sample on the same grid.

    Returns
    -------
    DataArray over (x, y)
        NaN where there is no threshold, or a disc is not loaded (rate <= 0).

    Raises
    ------
    ValueError
        If the grids differ, or the protocol recorded with the thresholds (mode, angle, r_free) is not that of the rate.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> probed = listi.probe(glass, grid=(10, 10))
    >>> strain = listi.strain_to_failure(probed, listi.stress_rate(glass, grid=(10, 10)))
    >>> float(strain.min().round(3))
    0.026
    """
    for name in ("mode", "angle", "r_free"):
        recorded, needed = (attrs.get(name) for attrs in (threshold.attrs, rate.attrs))
        if recorded is not None and needed is not None and recorded != needed:
            raise ValueError(f"threshold: was made with {name} = {recorded!r}; the rate is of {needed!r}")
    threshold = threshold.threshold if isinstance(threshold, xr.Dataset) else threshold
    places = [name for name in ("x", "y") if name in rate.coords or name in threshold.coords]
    same = dict(threshold.sizes) == dict(rate.sizes) and all(name in threshold.coords for name in places)
    if not same or not all(name in rate.coords and np.allclose(threshold[name], rate[name]) for name in places):
        raise ValueError(f"rate: grid {dict(rate.sizes)} is not that of the threshold, {dict(threshold.sizes)}")
    aligned = rate.transpose(*threshold.dims).values
    with np.errstate(divide="ignore"):
        strain = threshold.copy(data=np.where(aligned > 0.0, threshold.values / aligned, np.nan))
    return strain.rename("strain_to_failure").assign_attrs(units="1", long_name="remote strain at which a disc fails")


def forecast(strain: xr.DataArray, cell: np.ndarray, n_events: int = 6, apart: float = R_FREE) -> xr.Dataset:
    """Where and when the first events should come, from the undeformed sample alone.

    The point that fails first, then the first of those further than `apart` from all before, and so on.

    Parameters
    ----------
    strain : DataArray over (x, y)
        Strain to failure.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    n_events : int
        How many.
    apart : float
        Least distance of two expected events [Å].

    Returns
    -------
    Dataset over event
        `strain`, ascending, and `position` (event, xy) [Å].

    Raises
    ------
    ValueError
        If the map has fewer such points.
    """
    strain = strain.transpose("x", "y")
    spots = list(islice(softest_spots(strain, cell, apart), n_events))
    if len(spots) < n_events:
        raise ValueError(f"n_events: {n_events} is more than the {len(spots)} points {apart:g} Å apart")
    at_x, at_y = np.array(spots).T
    attrs = {"units": "1", "long_name": "strain at which the event is expected"}
    where = {"units": LENGTH_UNIT, "long_name": "position at which it is expected"}
    position = np.column_stack([strain.x.values[at_x], strain.y.values[at_y]])
    return xr.Dataset(
        {"strain": ("event", strain.values[at_x, at_y], attrs), "position": (("event", "xy"), position, where)},
        coords={"event": np.arange(1, n_events + 1), "xy": ["x", "y"]},
    )


def strains_of_events(strain: xr.DataArray, shear: xr.Dataset, cell: np.ndarray, near: float = R_FREE) -> xr.Dataset:
    """Predicted strains of the events that came, from a map of strain to failure.

    Parameters
    ----------
    strain : DataArray over (x, y)
        Strain to failure of the undeformed sample.
    shear : Dataset
        What `listi.deform` made of it.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    near : float
        Largest distance of an event from the expected event that it is counted as [Å].

    Returns
    -------
    Dataset over event
        `actual` strain; `at_site`, strain to failure of the grid point nearest to the event; `forecast`, strain of the
        event of this number in `forecast`; `foreseen`, whether it is near one of as many expected events as came.
    """
    position = shear.event_position.transpose("event", "xy").values
    points = grid_product(strain.x.values, strain.y.values)
    at_site = strain.transpose("x", "y").values.ravel()[nearest_point(points, position, cell)]
    expected = forecast(strain, cell, len(position))
    away = np.linalg.norm(minimum_image(position[:, None] - expected.position.values[None], cell), axis=2)
    return xr.Dataset(
        {
            "actual": ("event", shear.event_strain.values),
            "at_site": ("event", at_site),
            "forecast": ("event", expected.strain.values),
            "foreseen": ("event", away.min(axis=1) <= near),
        },
        coords={"event": shear.event.values},
    )
