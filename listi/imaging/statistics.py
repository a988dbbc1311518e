"""Structure of imaged and generated glass, with the errors of counting (the paper's Supplementary Methods)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..network.bonds import bond_orientational_order
from ..network.geometry import minimum_image
from ..network.network import Network
from ..network.rings import aboav_weaire, ring_adjacency, ring_neighbour_sizes, ring_sizes

SIZES = np.arange(3, 13)  # of rings


def compare(glasses: Mapping[str, Sequence[Network]]) -> xr.Dataset:
    """Compare the structure of glasses.

    Parameters
    ----------
    glasses : mapping
        Name of a glass to its networks: one patch, or many samples, which are taken together.

    Returns
    -------
    Dataset over glass
        Over size (of rings) too: ``fraction`` and its standard error ``fraction_error`` by counting,
        sqrt(p (1 - p) / n_rings); ``neighbour_size``, the mean size of their neighbours, NaN where there are none. Then
        ``n_rings``, ``mu2`` (variance of ring sizes) and ``alpha`` (Aboav-Weaire parameter), each with its ``_error``;
        ``order``, the bond-orientational order; ``bond_length`` between Si [Å] and ``angle`` Si-Si-Si [degrees], each
        as mean and ``_spread`` (standard deviation). Rings that a free edge cuts open are no rings.

    Raises
    ------
    ValueError
        If a glass has no network, or a network no rings.
    """
    rows = []
    for name, networks in glasses.items():
        if not len(networks):
            raise ValueError(f"glasses: {name!r} has no network")
        rows.append(_of_glass(list(networks)))
    dataset = xr.concat(rows, xr.Variable("glass", list(glasses)))
    dataset.bond_length.attrs["units"] = dataset.bond_length_spread.attrs["units"] = "angstrom"
    dataset.angle.attrs["units"] = dataset.angle_spread.attrs["units"] = "degree"
    return dataset


def _of_glass(networks: list[Network]) -> xr.Dataset:
    sizes = np.concatenate([ring_sizes(network) for network in networks])
    if not len(sizes):
        raise ValueError("glasses: a network without rings")
    fraction = np.array([np.mean(sizes == n) for n in SIZES])
    neighbours = [ring_neighbour_sizes(network) for network in networks]
    neighbour_size = [_mean([each[n] for each in neighbours if n in each]) for n in SIZES.tolist()]
    length = np.concatenate([np.linalg.norm(_bond_vectors(network), axis=1) for network in networks])
    angle = np.concatenate([_angles(network) for network in networks])
    deviation = (sizes - sizes.mean()) ** 2
    alpha, alpha_error = _alpha(networks)
    scalars = {
        "n_rings": len(sizes),
        "mu2": deviation.mean(),
        "mu2_error": deviation.std() / np.sqrt(len(sizes)),
        "alpha": alpha,
        "alpha_error": alpha_error,
        "bond_length": length.mean(),
        "bond_length_spread": length.std(),
        "order": np.mean([bond_orientational_order(one.positions, one.bonds, one.cell) for one in networks]),
        "angle": angle.mean(),
        "angle_spread": angle.std(),
    }
    return xr.Dataset(
        {
            "fraction": ("size", fraction),
            "fraction_error": ("size", np.sqrt(fraction * (1.0 - fraction) / len(sizes))),
            "neighbour_size": ("size", neighbour_size),
            **scalars,
        },
        coords={"size": SIZES},
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _alpha(networks: list[Network]) -> tuple[float, float]:
    """Mean Aboav-Weaire parameter and its standard error: over samples, or of the fit to the rings of a single one."""
    each = np.array([aboav_weaire(network) for network in networks])
    if len(each) > 1:
        return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    sizes, adjacency = ring_adjacency(networks[0])
    shared = np.asarray(adjacency.sum(axis=1)).ravel()
    whole = shared > 0
    deviation = (sizes - sizes.mean())[whole]
    product = sizes[whole] * (adjacency @ sizes)[whole] / shared[whole]
    slope = sizes.mean() * (1.0 - each[0])
    residual = product - product.mean() - slope * (deviation - deviation.mean())
    error = np.sqrt(np.mean(residual**2) / np.sum((deviation - deviation.mean()) ** 2)) / sizes.mean()
    return float(each[0]), float(error)


def _bond_vectors(network: Network) -> np.ndarray:
    first, second = network.bonds.T
    return minimum_image(network.positions[second] - network.positions[first], network.cell)


def _angles(network: Network) -> np.ndarray:
    """Return the angles Si-Si-Si [degrees] between neighbouring bonds of all Si with three."""
    start = network.bonds.T.ravel()
    vector = _bond_vectors(network)
    vector = np.concatenate([vector, -vector])
    direction = np.arctan2(vector[:, 1], vector[:, 0])
    order = np.lexsort((direction, start))
    start, direction = start[order], direction[order]
    three = np.bincount(start, minlength=network.n_atoms)[start] == 3
    around = np.sort(direction[three].reshape(-1, 3), axis=1)
    gaps = np.diff(np.column_stack([around, around[:, :1] + 2.0 * np.pi]), axis=1)
    return np.degrees(gaps).ravel()
