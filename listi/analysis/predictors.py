"""Maps of what the structure alone might tell about where a glass breaks.

Each predictor is a function of (network, grid, r_free) that returns a map over (x, y): a mean over the disc that
`listi.probe` would free, with its sign chosen so that low means soft if the usual conjecture holds. So `listi.goodness`
takes each as it is, and a negative goodness says that the conjecture is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial import Voronoi

from ..mechanics.system import System, system_of
from ..network.geometry import minimum_image, wrap
from ..network.network import Network
from ..network.rings import rings
from .discs import R_FREE, as_map, disc_max, disc_mean, disc_variance, membership
from .load import check_in_one_piece, pairs_of, respond, shared

Grid = tuple[int, int]
UNSTRESSED = 3.01465  # Si-Si distance of the honeycomb crystal at zero pressure [Å]
N_MODES = 30  # softest vibrational modes whose participation is summed


def voronoi_areas(network: Network) -> np.ndarray:
    """Area of the Voronoi cell of every atom, shape (n_atoms,) [Å²]; they fill the periodic cell."""
    positions, n = wrap(network.positions, network.cell), network.n_atoms
    images = [positions + network.cell * [i, j] for i in (0, -1, 1) for j in (0, -1, 1)]
    diagram = Voronoi(np.concatenate(images))
    inner = (diagram.ridge_points < n).any(axis=1)
    pairs = diagram.ridge_points[inner]
    begin, end = diagram.vertices[np.array(diagram.ridge_vertices)[inner]].transpose(1, 0, 2)
    apart = np.linalg.norm(diagram.points[pairs[:, 0]] - diagram.points[pairs[:, 1]], axis=1)
    triangle = 0.25 * apart * np.linalg.norm(end - begin, axis=1)  # from an atom to the wall between two
    return np.bincount(pairs.ravel(), np.repeat(triangle, 2), 9 * n)[:n]


def density(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean area of an atom's Voronoi cell (free volume), each less the mean of its species [Å²]."""
    return _mean_of_atoms(network, grid, r_free, -_beyond_species(network, voronoi_areas(network)), "density")


def energy(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean potential energy of an atom, each less the mean of its species."""
    system = system_of(network)
    pairs = pairs_of(system)
    distance = np.linalg.norm(pairs.vector, axis=1)
    own = np.empty(len(distance))
    kinds = network.species[pairs.first] * system.potential.n_species + network.species[pairs.second]
    for kind in np.unique(kinds):
        a, b = divmod(int(kind), system.potential.n_species)
        own[kinds == kind] = system.potential.pair(distance[kinds == kind], a, b)[0]
    of_atom = shared(pairs, own, network.n_atoms)
    return _mean_of_atoms(network, grid, r_free, -_beyond_species(network, of_atom), "energy")


def initial_stress(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the local shear stress (sigma_xx - sigma_yy)/2: what is loaded already has less to go."""
    return _minus_virial(network, grid, r_free, [0.5, -0.5], "initial_stress")


def initial_tension(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the local tension (sigma_xx + sigma_yy)/2."""
    return _minus_virial(network, grid, r_free, [0.5, 0.5], "initial_tension")


def shear_modulus(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Local stress per unit elongation (`listi.stress_rate`), twice the shear modulus: compliant spots are low."""
    return _mean_of_atoms(network, grid, r_free, respond(network).virial_rate, "shear_modulus")


def affine_modulus(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Local shear modulus if atoms moved affinely (the Born term)."""
    return _mean_of_atoms(network, grid, r_free, respond(network).affine_rate, "affine_modulus")


def non_affinity(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean squared non-affine displacement per unit strain, of first order [Å²]."""
    squared = np.sum(respond(network).velocity ** 2, axis=1)
    return _mean_of_atoms(network, grid, r_free, -squared, "non_affinity")


def soft_modes(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean participation in the softest vibrational modes.

    The sum of the squared eigenvectors of the `N_MODES` lowest eigenvalues of the Hessian, translations left out
    (Widmer-Cooper, Perry, Harrowell, Reichman, Nature Physics 4, 711 (2008)).
    """
    system = system_of(network)
    check_in_one_piece(pairs_of(system), network.n_atoms)
    shape, n = network.positions.shape, network.positions.size

    def soften(force: np.ndarray) -> np.ndarray:
        force = force.reshape(shape)
        return system.solve(force - force.mean(axis=0), relative=1e-5)[0].ravel()

    inverse = LinearOperator((n, n), matvec=soften, dtype=float)
    start = np.random.default_rng(0).normal(size=n)
    _, modes = eigsh(inverse, min(N_MODES, n // 10), which="LA", v0=start, tol=1e-3)
    participation = np.sum(modes.reshape(*shape, -1) ** 2, axis=(1, 2))
    return _mean_of_atoms(network, grid, r_free, -participation, "soft_modes")


def ring_size(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean size of the rings whose centre is in the disc."""
    sizes, inside = _rings_in(network, grid, r_free)
    return _map(-disc_mean(sizes, inside), network, grid, "ring_size")


def ring_variance(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the variance of these sizes."""
    sizes, inside = _rings_in(network, grid, r_free)
    return _map(-disc_variance(sizes, inside), network, grid, "ring_variance")


def bond_variance(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the variance of the Si-Si distances of bonds whose middle is in the disc [Å²]."""
    vector, inside = _bonds_in(network, grid, r_free)
    return _map(-disc_variance(np.linalg.norm(vector, axis=1), inside), network, grid, "bond_variance")


def longest_bond(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the largest Si-Si distance of the bonds whose middle is in the disc [Å]."""
    vector, inside = _bonds_in(network, grid, r_free)
    length = np.linalg.norm(vector, axis=1)
    return _map(-disc_max(length[inside.indices], inside), network, grid, "longest_bond")


def stretched_bond(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the largest elongation of a bond in the disc along x: beyond the unstressed length, times |cos a| [Å].

    The bond that is nearest to breaking, if it also lies so that the shear stretches it further.
    """
    vector, inside = _bonds_in(network, grid, r_free)
    length = np.linalg.norm(vector, axis=1)
    along = (length - UNSTRESSED) * np.abs(vector[:, 0]) / length
    return _map(-disc_max(along[inside.indices], inside), network, grid, "stretched_bond")


def bond_alignment(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean of cos 2a over bonds at angle a to x: bonds along the stretch carry it (fabric tensor xx - yy)."""
    cosine, _, inside = _fabric(network, grid, r_free)
    return _map(-disc_mean(cosine, inside), network, grid, "bond_alignment")


def anisotropy(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the size of the deviator of the fabric tensor of the bonds, whatever its direction."""
    cosine, sine, inside = _fabric(network, grid, r_free)
    size = np.sqrt(disc_mean(cosine, inside) ** 2 + disc_mean(sine, inside) ** 2)
    return _map(-size, network, grid, "anisotropy")


def centrosymmetry(network: Network, grid: Grid, r_free: float) -> xr.DataArray:
    """Minus the mean of |sum d|² / sum |d|² over Si, d to its bonded Si: 0 where they balance, as in the crystal."""
    _need_bonds(network)
    vector = _bond_vectors(network)
    total, squared = np.zeros((network.n_atoms, 2)), np.zeros(network.n_atoms)
    for end, sign in ((0, 1.0), (1, -1.0)):
        np.add.at(total, network.bonds[:, end], sign * vector)
        np.add.at(squared, network.bonds[:, end], np.sum(vector**2, axis=1))
    bonded = np.flatnonzero(squared)
    values = np.sum(total[bonded] ** 2, axis=1) / squared[bonded]
    inside = membership(network.positions[bonded], network.cell, grid, r_free)
    return _map(-disc_mean(values, inside), network, grid, "centrosymmetry")


PREDICTORS: dict[str, Callable[[Network, Grid, float], xr.DataArray]] = {
    one.__name__: one
    for one in (
        density, ring_size, ring_variance, bond_variance, longest_bond, stretched_bond, bond_alignment, anisotropy,
        centrosymmetry, energy, initial_stress, initial_tension, shear_modulus, affine_modulus, non_affinity,
        soft_modes,
    )
}  # fmt: skip


def maps(
    network: Network,
    grid: Grid = (50, 50),
    r_free: float = R_FREE,
    predictors: Mapping[str, Callable[[Network, Grid, float], xr.DataArray]] = PREDICTORS,
) -> xr.Dataset:
    """Return the maps of all predictors over (x, y).

    Raises
    ------
    ValueError
        If the sample lacks what a predictor needs: bonds, an energy minimum, being in one piece.
    """
    return xr.Dataset({name: one(network, grid, r_free) for name, one in predictors.items()})


def _minus_virial(network: Network, grid: Grid, r_free: float, weight: Sequence[float], name: str) -> xr.DataArray:
    virials = System(network.positions, network.species, network.cell).virials()
    along_x, along_y = weight
    return _mean_of_atoms(network, grid, r_free, -(along_x * virials[:, 0] + along_y * virials[:, 2]), name)


def _mean_of_atoms(network: Network, grid: Grid, r_free: float, values: np.ndarray, name: str) -> xr.DataArray:
    inside = membership(network.positions, network.cell, grid, r_free)
    return _map(disc_mean(values, inside), network, grid, name)


def _beyond_species(network: Network, values: np.ndarray) -> np.ndarray:
    """Values of atoms less the mean of their species: discs hold more of one species or of the other."""
    mean = np.bincount(network.species, values) / np.maximum(np.bincount(network.species), 1)
    return values - mean[network.species]


def _rings_in(network: Network, grid: Grid, r_free: float):
    """Sizes of all rings, and which have their centre in which disc."""
    _need_bonds(network)
    around = rings(network)
    centres = np.array([_centre(network.positions[ring], network.cell) for ring in around])
    return np.array([len(ring) for ring in around], dtype=float), membership(centres, network.cell, grid, r_free)


def _centre(corners: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return corners[0] + minimum_image(corners - corners[0], cell).mean(axis=0)


def _bond_vectors(network: Network) -> np.ndarray:
    first, second = network.positions[network.bonds.T]
    return minimum_image(second - first, network.cell)


def _bonds_in(network: Network, grid: Grid, r_free: float):
    """Vectors of all bonds (n_bonds, 2) [Å], and which have their middle in which disc."""
    _need_bonds(network)
    vector = _bond_vectors(network)
    middle = network.positions[network.bonds[:, 0]] + vector / 2
    return vector, membership(middle, network.cell, grid, r_free)


def _fabric(network: Network, grid: Grid, r_free: float):
    """Cosine and sine of twice the angle of all bonds to x, and which are in which disc."""
    vector, inside = _bonds_in(network, grid, r_free)
    x, y = vector.T
    squared = x * x + y * y
    return (x * x - y * y) / squared, 2.0 * x * y / squared, inside


def _need_bonds(network: Network) -> None:
    if len(network.bonds) == 0:
        raise ValueError("network: has no bonds; this predictor needs them")


def _map(values: np.ndarray, network: Network, grid: Grid, name: str) -> xr.DataArray:
    return as_map(
        values, network.cell, grid, name, "1", f"{name.replace('_', ' ')}, low where soft if conjectures hold"
    )
