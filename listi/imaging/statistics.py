"""Structure of imaged and generated glass, with the errors of counting (the paper's Supplementary Methods)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from ..network.bonds import bond_orientational_order
from ..network.geometry import minimum_image, wrap
from ..network.network import Network
from ..network.rings import aboav_weaire, ring_adjacency, ring_neighbour_sizes, ring_sizes

SIZES = np.arange(3, 13)  # of rings
MAX_DISTANCE, WIDTH = 12.0, 0.1  # of the radial distribution function, and of its bins [Å]
DISTANCES = np.arange(0.5 * WIDTH, MAX_DISTANCE, WIDTH)  # centres of the bins


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
        as mean and ``_spread`` (standard deviation). ``si_o`` and ``o_o`` (of the O around one Si) likewise, NaN where
        O are missing or were put at the middles of bonds, as an image shows none. Over distance [Å]:
        ``radial_distribution`` of the Si, 1 where there is no order. Rings cut open by a free edge are not counted.

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
    for name in ("si_o", "o_o"):
        dataset[name].attrs["units"] = dataset[f"{name}_spread"].attrs["units"] = "angstrom"
    dataset.angle.attrs["units"] = dataset.angle_spread.attrs["units"] = "degree"
    return dataset


def _of_glass(networks: list[Network]) -> xr.Dataset:
    sizes = np.concatenate([ring_sizes(network) for network in networks])
    if not len(sizes):
        raise ValueError("glasses: a network without rings")
    fraction = np.array([np.mean(sizes == n) for n in SIZES])
    neighbours = [ring_neighbour_sizes(network) for network in networks]
    neighbour_size = [_mean([sizes_of[n] for sizes_of in neighbours if n in sizes_of]) for n in SIZES.tolist()]
    length = np.concatenate([np.linalg.norm(_bond_vectors(network), axis=1) for network in networks])
    angle = np.concatenate([_angles(network) for network in networks])
    oxygen = [np.concatenate(parts) for parts in zip(*map(_oxygen_distances, networks), strict=True)]
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
        "order": np.mean([bond_orientational_order(n.positions, n.bonds, n.cell) for n in networks]),
        "angle": angle.mean(),
        "angle_spread": angle.std(),
    }
    for name, distances in zip(("si_o", "o_o"), oxygen, strict=True):
        scalars |= {name: _mean(distances), f"{name}_spread": distances.std() if len(distances) else np.nan}
    return xr.Dataset(
        {
            "fraction": ("size", fraction),
            "fraction_error": ("size", np.sqrt(fraction * (1.0 - fraction) / len(sizes))),
            "neighbour_size": ("size", neighbour_size),
            "radial_distribution": (
                "distance",
                np.mean([radial_distribution(network) for network in networks], axis=0),
            ),
            **scalars,
        },
        coords={"size": SIZES, "distance": DISTANCES},
    )


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def radial_distribution(network: Network) -> np.ndarray:
    """Return the radial distribution function of the Si at `DISTANCES`.

    Around Si at least `MAX_DISTANCE` from those of a free edge; the density is that within this distance of them.
    """
    silicon = network.silicon
    at = wrap(network.positions[silicon], network.cell)
    three = np.bincount(network.bonds.ravel(), minlength=network.n_atoms)[silicon] == 3
    inner = at
    if not three.all():
        inner = at[cKDTree(at[~three], boxsize=network.cell).query(at)[0] >= MAX_DISTANCE]
    pairs = cKDTree(inner, boxsize=network.cell).sparse_distance_matrix(
        cKDTree(at, boxsize=network.cell), MAX_DISTANCE, output_type="ndarray"
    )
    distance = pairs["v"][pairs["v"] > 0.0]
    count = np.histogram(distance, np.append(DISTANCES - 0.5 * WIDTH, MAX_DISTANCE))[0]
    return count * MAX_DISTANCE**2 / (2.0 * DISTANCES * WIDTH * len(distance))


def _oxygen_distances(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return Si-O and O-O distances [Å]; empty where there are no O, or they lie at the middles of the bonds."""
    n_si, bonds = len(network.silicon), network.bonds
    none = np.empty(0), np.empty(0)
    if network.n_atoms != n_si + len(bonds):
        return none
    oxygen = network.positions[n_si:]
    vectors = [minimum_image(oxygen - network.positions[bonds[:, end]], network.cell) for end in (0, 1)]
    if np.allclose(vectors[0], -vectors[1]):
        return none
    start = bonds.T.ravel()
    order = np.argsort(start, kind="stable")
    start, vector = start[order], np.concatenate(vectors)[order]
    three = vector[np.bincount(start, minlength=n_si)[start] == 3].reshape(-1, 3, 2)
    between = three - np.roll(three, 1, axis=1)
    return np.linalg.norm(vector, axis=1), np.linalg.norm(between, axis=2).ravel()


def _alpha(networks: list[Network]) -> tuple[float, float]:
    """Mean Aboav-Weaire parameter and its standard error: over samples, or of the fit to the rings of a single one."""
    alphas = np.array([aboav_weaire(network) for network in networks])
    if len(alphas) > 1:
        return float(alphas.mean()), float(alphas.std(ddof=1) / np.sqrt(len(alphas)))
    sizes, adjacency = ring_adjacency(networks[0])
    shared = np.asarray(adjacency.sum(axis=1)).ravel()
    has_neighbours = shared > 0
    deviation = (sizes - sizes.mean())[has_neighbours]
    product = sizes[has_neighbours] * (adjacency @ sizes)[has_neighbours] / shared[has_neighbours]
    slope = sizes.mean() * (1.0 - alphas[0])
    residual = product - product.mean() - slope * (deviation - deviation.mean())
    error = np.sqrt(np.mean(residual**2) / np.sum((deviation - deviation.mean()) ** 2)) / sizes.mean()
    return float(alphas[0]), float(error)


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
