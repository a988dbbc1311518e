"""Maps of what the structure alone might tell about where a glass breaks: baselines for `listi.score`.

Each predictor is a function of (network, points, r_free) that returns one value per point (n_points,): a mean or an
extreme over the disc that `listi.probe` would free there, with its sign chosen so that low means soft if the usual
conjecture holds. A negative goodness says that the conjecture is wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial import Voronoi

from ..mechanics.system import System, system_of
from ..network.geometry import grid_product, minimum_image, wrap
from ..network.network import Network
from ..network.rings import rings
from .discs import R_FREE, disc_max, disc_mean, disc_variance, membership
from .load import check_in_one_piece, pairs_of, respond
from .sample import Sample, threshold_of

Baseline = Callable[..., np.ndarray]
UNSTRESSED = 3.01465  # Si-Si distance of the honeycomb crystal at zero pressure [Å]
N_MODES = 30  # softest vibrational modes whose participation is summed
N_SOURCES = 500  # Si from which shortest paths are found at a time: memory of some 10 MB per 1000 Si
LARGEST_STRAIN = 1.0  # larger strains to failure all rank as this one
PENALTY = 1.0  # of the ridge regression, on standardised descriptors


def density(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the mean area of an atom's Voronoi cell (free volume), minus the mean of its species [Å²]."""
    areas = voronoi_areas(network)
    mean = np.bincount(network.species, areas) / np.maximum(np.bincount(network.species), 1)
    return _mean_of_atoms(network, points, r_free, mean[network.species] - areas)


def voronoi_areas(network: Network) -> np.ndarray:
    """Area of the Voronoi cell of every atom, shape (n_atoms,) [Å²]; they fill the periodic cell."""
    positions, n = wrap(network.positions, network.cell), network.n_atoms
    images = [positions + network.cell * [i, j] for i in (0, -1, 1) for j in (0, -1, 1)]
    diagram = Voronoi(np.concatenate(images))
    inner = (diagram.ridge_points < n).any(axis=1)
    pairs = diagram.ridge_points[inner]
    begin, end = diagram.vertices[np.array(diagram.ridge_vertices)[inner]].transpose(1, 0, 2)
    distance = np.linalg.norm(diagram.points[pairs[:, 0]] - diagram.points[pairs[:, 1]], axis=1)
    triangle = 0.25 * distance * np.linalg.norm(end - begin, axis=1)  # from an atom to the wall between two
    return np.bincount(pairs.ravel(), np.repeat(triangle, 2), 9 * n)[:n]


def ring_size(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the mean size of the rings whose centre is in the disc."""
    _require_bonds(network)
    found = rings(network)
    centres = np.array([_centre(network.positions[ring], network.cell) for ring in found])
    sizes = np.array([len(ring) for ring in found], dtype=float)
    return -disc_mean(sizes, membership(centres, network.cell, points, r_free))


def bond_variance(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the variance of the Si-Si distances of bonds whose middle is in the disc [Å²]."""
    vector, inside = _bonds_in_discs(network, points, r_free)
    return -disc_variance(np.linalg.norm(vector, axis=1), inside)


def longest_bond(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the largest Si-Si distance of the bonds whose middle is in the disc [Å]."""
    vector, inside = _bonds_in_discs(network, points, r_free)
    return -disc_max(np.linalg.norm(vector, axis=1)[inside.indices], inside)


def stretched_bond(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the largest elongation of a bond in the disc along x: beyond the unstressed length, times |cos a| [Å].

    The bond that is nearest to breaking, if it also lies so that the shear stretches it further.
    """
    vector, inside = _bonds_in_discs(network, points, r_free)
    length = np.linalg.norm(vector, axis=1)
    along_x = (length - UNSTRESSED) * np.abs(vector[:, 0]) / length
    return -disc_max(along_x[inside.indices], inside)


def initial_stress(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the local shear stress (sigma_xx - sigma_yy)/2, as a mean of the virials of atoms [energy]."""
    virials = System(network.positions, network.species, network.cell).virials()
    return _mean_of_atoms(network, points, r_free, 0.5 * (virials[:, 2] - virials[:, 0]))


def local_modulus(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Local stress per unit remote strain (`listi.stress_rate`), as a stiffness: compliant discs are low."""
    return _mean_of_atoms(network, points, r_free, respond(network).virial_rate)


def soft_modes(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the mean participation in the softest vibrational modes.

    The sum of the squared eigenvectors of the `N_MODES` lowest eigenvalues of the Hessian, translations left out
    (Widmer-Cooper, Perry, Harrowell, Reichman, Nature Physics 4, 711 (2008)).
    """
    system = system_of(network)
    check_in_one_piece(pairs_of(system), network.n_atoms)
    shape, n = network.positions.shape, network.positions.size

    def solve(force: np.ndarray) -> np.ndarray:
        force = force.reshape(shape)
        return system.solve(force - force.mean(axis=0), relative=1e-5)[0].ravel()

    inverse = LinearOperator((n, n), matvec=solve, dtype=float)
    start = np.random.default_rng(0).normal(size=n)
    _, modes = eigsh(inverse, min(N_MODES, n // 10), which="LA", v0=start, tol=1e-3)
    participation = np.sum(modes.reshape(*shape, -1) ** 2, axis=(1, 2))
    return _mean_of_atoms(network, points, r_free, -participation)


def geodesic_betweenness(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Minus the mean betweenness of the bonds in the disc: shortest paths between Si that run along a bond.

    The length of a path is that of its bonds. Bonds of high geodesic edge betweenness break first in disordered
    lattices (Berthier, Porter, Daniels, PNAS 116, 16742 (2019)).
    """
    vector, inside = _bonds_in_discs(network, points, r_free)
    ends, number = np.unique(network.bonds, return_inverse=True)
    first, second = number.reshape(network.bonds.shape).T
    n, length = len(ends), np.linalg.norm(vector, axis=1)
    graph = csr_array((length, (first, second)), (n, n))
    order = np.argsort(first * n + second)
    keys, on_bond = (first * n + second)[order], np.zeros(len(order))
    for begin in range(0, n, N_SOURCES):
        sources = np.arange(begin, min(n, begin + N_SOURCES))
        distance, before = dijkstra(graph, directed=False, indices=sources, return_predecessors=True)
        row, paths = np.arange(len(sources)), np.ones_like(distance)
        for node in np.argsort(-distance, axis=1).T:  # from the furthest inwards: paths through a node pass the next
            joins = before[row, node] >= 0
            paths[row[joins], before[row, node][joins]] += paths[row, node][joins]
        joins = before >= 0
        to, fro = np.broadcast_to(np.arange(n), before.shape)[joins], before[joins]
        forward = fro * n + to
        place = np.searchsorted(keys, forward).clip(max=len(keys) - 1)
        place = np.where(keys[place] == forward, place, np.searchsorted(keys, to * n + fro).clip(max=len(keys) - 1))
        on_bond += np.bincount(place, paths[joins], len(keys))
    betweenness = np.empty(len(order))
    betweenness[order] = on_bond / (n * (n - 1))
    return -disc_mean(betweenness, inside)


def shortest_winding_path(network: Network, points: np.ndarray, r_free: float = R_FREE) -> np.ndarray:
    """Length of the shortest closed path of bonds around the cell along x that meets the disc [Å].

    Such a path is pulled straight, and so loaded, before longer ones (Yu, Jackson, Macromolecules 58, 1728 (2025)).
    """
    _require_bonds(network)
    vector, cell = _bond_vectors(network), network.cell
    ends, number = np.unique(network.bonds, return_inverse=True)
    first, second = number.reshape(network.bonds.shape).T
    at = wrap(network.positions[ends], cell)
    across = np.rint((at[first] + vector - at[second])[:, 0] / cell[0]).astype(int)  # +1: over the right border
    # Unfold the cell to five copies along x. A closed path from Si i passes a Si v with a bond across the border:
    # from v to i in copy c, and on to v in copy 1, which is as long as from v to i in copy c - 1.
    copies, n = np.arange(5), len(ends)
    source, target = (copies[:, None] * n + first).ravel(), ((copies[:, None] + across) * n + second).ravel()
    valid = (target >= 0) & (target < len(copies) * n)
    length = np.tile(np.linalg.norm(vector, axis=1), len(copies))
    graph = csr_array((length[valid], (source[valid], target[valid])), (len(copies) * n, len(copies) * n))
    middle = 2 * n + np.unique(first[across != 0])
    away = dijkstra(graph, directed=False, indices=middle).reshape(len(middle), len(copies), n)
    around = (away[:, 1:] + away[:, :-1]).min(axis=(0, 1))
    inside = membership(at, cell, points, r_free)
    return -disc_max(-around[inside.indices], inside)


DESCRIPTORS: dict[str, Baseline] = {
    function.__name__: function
    for function in (density, ring_size, bond_variance, longest_bond, stretched_bond, initial_stress)
}
PREDICTORS: dict[str, Baseline] = DESCRIPTORS | {
    function.__name__: function for function in (shortest_winding_path, local_modulus, geodesic_betweenness, soft_modes)
}


def ridge(samples: Sequence[Sample], descriptors: Mapping[str, Baseline] = DESCRIPTORS) -> Baseline:
    """Fit a ridge regression of probed thresholds on descriptors, and return it as a predictor.

    Parameters
    ----------
    samples : sequence of Sample
        Training samples, probed on a grid.
    descriptors : mapping
        Predictors whose values at a point the threshold there is predicted from.
    """
    described, targets = [], []
    for sample in samples:
        threshold = threshold_of(sample, "probing").transpose("x", "y")
        described.append(_described(sample.network, grid_product(threshold.x.values, threshold.y.values), descriptors))
        targets.append(threshold.values.ravel())
    x, y = np.concatenate(described), np.concatenate(targets)
    valued = np.isfinite(y)
    x, y = x[valued], y[valued]
    mean, spread = x.mean(axis=0), x.std(axis=0)
    x = (x - mean) / spread
    weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ (y - y.mean()))

    def predict_ridge(network: Network, points: np.ndarray) -> np.ndarray:
        return (_described(network, points, descriptors) - mean) / spread @ weights + y.mean()

    return predict_ridge


def over_load(threshold: Callable[..., xr.DataArray | np.ndarray], r_free: float = R_FREE) -> Callable[..., xr.Dataset]:
    """Return a predictor of thresholds divided by the local stress rate, with the strains to failure.

    Parameters
    ----------
    threshold : predictor
        Of thresholds, of (network, points) or of a network alone, as in `listi.score`; such as
        `listi.analysis.score.stored_map`.
    r_free : float
        Radius of the discs [Å].
    """
    takes_points = "points" in inspect.signature(threshold).parameters

    def predict_over_load(network: Network, points: np.ndarray) -> xr.Dataset:
        returned = threshold(network, points=points) if takes_points else threshold(network)
        if isinstance(returned, xr.DataArray) and set(returned.dims) == {"x", "y"}:
            returned = returned.transpose("x", "y")
        values = np.asarray(returned).ravel()
        inside = membership(network.positions, network.cell, points, r_free)
        rate = inside @ respond(network).virial_rate / (np.pi * r_free**2)
        strain = np.divide(values, rate, out=np.full(len(rate), np.nan), where=rate > 0.0)
        softness = np.fmin(strain, LARGEST_STRAIN)  # also where a point is not loaded, and so has no strain
        return xr.Dataset({"threshold": ("point", softness), "strain_to_failure": ("point", strain)})

    return predict_over_load


def _described(network: Network, points: np.ndarray, descriptors: Mapping[str, Baseline]) -> np.ndarray:
    return np.column_stack([describe(network, points) for describe in descriptors.values()])


def _mean_of_atoms(network: Network, points: np.ndarray, r_free: float, values: np.ndarray) -> np.ndarray:
    return disc_mean(values, membership(network.positions, network.cell, points, r_free))


def _centre(corners: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return corners[0] + minimum_image(corners - corners[0], cell).mean(axis=0)


def _bond_vectors(network: Network) -> np.ndarray:
    first, second = network.positions[network.bonds.T]
    return minimum_image(second - first, network.cell)


def _bonds_in_discs(network: Network, points: np.ndarray, r_free: float) -> tuple[np.ndarray, csr_array]:
    """Vectors of all bonds (n_bonds, 2) [Å], and which have their middle in which disc."""
    _require_bonds(network)
    vector = _bond_vectors(network)
    middle = network.positions[network.bonds[:, 0]] + vector / 2
    return vector, membership(middle, network.cell, points, r_free)


def _require_bonds(network: Network) -> None:
    if len(network.bonds) == 0:
        raise ValueError("network: has no bonds; this predictor needs them")
