"""Quantities of every atom: maps at its position, its share of the stress, its motion in an event, its rings."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from ..mechanics.forms import SILICA
from ..mechanics.potential import Potential
from ..mechanics.system import System
from ..network.geometry import grid_product, minimum_image, wrap
from ..network.network import Network, check_network
from ..network.rings import bond_rings
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .sample import Sample

_NAMES = {"shear_stress", "tension", "non_affine", "ring_size", "largest_ring"}  # besides the maps


def per_atom(
    sample: Sample | Network,
    shear: xr.Dataset | None = None,
    event: int = 1,
    potential: Potential = SILICA,
    **maps: xr.DataArray,
) -> xr.Dataset:
    """Return all quantities of every atom, to colour atoms by: `listi.write_extxyz` and `listi.to_ase` take it.

    Parameters
    ----------
    sample : Sample or Network
        The undeformed glass. A `Sample` brings its events and maps along: `threshold` as probed, and
        `predicted_<network>`.
    shear : Dataset, optional
        What `listi.deform` made of a network.
    event : int
        The event whose displacements are wanted, from 1.
    potential : Potential
        Of the pairs; the paper's by default.
    **maps : DataArray over (x, y) or point
        Further maps, each under the name it is to have: an atom gets the value at the grid point nearest to it.

    Returns
    -------
    Dataset over atom
        The maps; `shear_stress` (sigma_xx - sigma_yy)/2 and `tension` (sigma_xx + sigma_yy)/2, the atom's virial
        over the mean area of an atom, so that their means are the stress of the sample; with events kept,
        `non_affine` (atom, xy), displacement in the event; with bonds, `ring_size` and `largest_ring`, mean and largest
        number of Si of the rings that meet at a Si, or lie on the two sides of an O (NaN and 0 without any).

    Raises
    ------
    ValueError
        If there is no such event, something is not of this sample, a map has the name of another quantity, or the cell
        is too small for the potential.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> atoms = listi.per_atom(glass, rate=listi.stress_rate(glass, grid=(10, 10)))
    >>> list(atoms)
    ['rate', 'shear_stress', 'tension', 'ring_size', 'largest_ring']
    """
    for name in _NAMES & maps.keys():
        raise ValueError(f"{name}: is the name of another quantity; the map needs another name")
    network = sample.network if isinstance(sample, Sample) else sample
    check_network(network)
    if isinstance(sample, Sample):
        shear = sample.shear if shear is None else shear
        maps = _maps_of(sample) | maps
    found = {name: _at_atoms(network, name, field) for name, field in maps.items()} | _stress(network, potential)
    if shear is not None and "non_affine" in shear:
        found["non_affine"] = _displacement(network, shear, event)
    if len(network.bonds):
        found |= _rings(network)
    return xr.Dataset(found, coords={"xy": ["x", "y"]} if "non_affine" in found else None)


def _maps_of(sample: Sample) -> dict[str, xr.DataArray]:
    probed = {} if sample.probing is None else {"threshold": sample.probing.threshold}
    predicted = {} if sample.predictions is None else sample.predictions.data_vars
    return probed | {f"predicted_{name}": field for name, field in predicted.items()}


def _at_atoms(network: Network, name: str, field: xr.DataArray) -> xr.Variable:
    """Values of a map at the grid points nearest to the atoms."""
    if not isinstance(field, xr.DataArray) or set(field.dims) not in ({"x", "y"}, {"point"}):
        what = f"dimensions {field.dims}" if isinstance(field, xr.DataArray) else type(field).__name__
        raise ValueError(f"{name}: {what}, not a DataArray over (x, y) or point")
    on_grid = set(field.dims) == {"x", "y"}
    x, y = field.x.values, field.y.values
    points = grid_product(x, y) if on_grid else np.column_stack([x, y])
    values = (field.transpose("x", "y") if on_grid else field).values.ravel()
    tree = cKDTree(wrap(points, network.cell), boxsize=network.cell)
    nearest = tree.query(wrap(network.positions, network.cell))[1]
    return xr.Variable("atom", values[nearest], field.attrs)


def _stress(network: Network, potential: Potential) -> dict[str, xr.Variable]:
    system = System(network.positions, network.species, network.cell, potential=potential)
    xx, _, yy = system.virials().T * network.n_atoms / np.prod(network.cell)
    return {
        "shear_stress": _of_atoms(0.5 * (xx - yy), STRESS_UNIT, "shear stress (sigma_xx - sigma_yy)/2 of the atom"),
        "tension": _of_atoms(0.5 * (xx + yy), STRESS_UNIT, "tension (sigma_xx + sigma_yy)/2 of the atom"),
    }


def _displacement(network: Network, shear: xr.Dataset, event: int) -> xr.Variable:
    if event not in shear.event:
        raise ValueError(f"event: {event!r} is not one of {shear.event.values.tolist()}")
    if shear.sizes["atom"] != network.n_atoms:
        raise ValueError(f"shear: is of {shear.sizes['atom']} atoms, not of the {network.n_atoms} of the sample")
    moved = shear.non_affine.sel(event=event).transpose("atom", "xy").values
    attrs = {"units": LENGTH_UNIT, "long_name": f"non-affine displacement in event {event}"}
    return xr.Variable(("atom", "xy"), moved, attrs)


def _rings(network: Network) -> dict[str, xr.Variable]:
    """Mean and largest size of the rings at every atom: those around a Si, or on both sides of the nearest bond."""
    atom, size = _ring_corners(network)
    count = np.bincount(atom, minlength=network.n_atoms)
    largest = np.zeros(network.n_atoms, dtype=int)
    np.maximum.at(largest, atom, size)
    mean = np.divide(np.bincount(atom, size, network.n_atoms), count, out=np.full(len(count), np.nan), where=count > 0)
    return {
        "ring_size": _of_atoms(mean, "1", "mean number of Si of the rings at the atom"),
        "largest_ring": _of_atoms(largest, "1", "number of Si of the largest ring at the atom"),
    }


def _ring_corners(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Atoms, and the size of a ring at each; an atom stands once for every ring."""
    left, right = bond_rings(network)
    begin, end = network.positions[network.bonds.T]
    middle = wrap(begin + 0.5 * minimum_image(end - begin, network.cell), network.cell)
    others = np.flatnonzero(network.species > 0)
    nearest = cKDTree(middle, boxsize=network.cell).query(wrap(network.positions[others], network.cell))[1]
    # The ring to the left of a directed bond belongs to the Si where the bond begins: once for every ring there.
    atom = np.concatenate([network.bonds[:, 0], network.bonds[:, 1], others, others])
    size = np.concatenate([left, right, left[nearest], right[nearest]])
    return atom[size > 0], size[size > 0]


def _of_atoms(values: np.ndarray, units: str, long_name: str) -> xr.Variable:
    return xr.Variable("atom", values, {"units": units, "long_name": long_name})
