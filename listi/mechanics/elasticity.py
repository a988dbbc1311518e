"""Energy, forces, stress, Hessian and elastic moduli of a network under a pair potential.

With the energy U(r) of a pair at distance r, pairs ij once each, d the vector from i to j, and A the area of the cell:

    E        = sum U(r)
    F_i      = -dE/dx_i
    sigma_ab = (1/A) sum U'(r) d_a d_b / r                       tension positive
    H        = d²E / dx_i dx_j
    C_ab,cd  = d sigma_ab / d eps_cd                             of the relaxed sample

Lengths are in Å and energies in the potential's own reduced unit.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.sparse import coo_array, csr_array

from ..network.geometry import minimum_image
from ..network.network import Network, check_network
from ..network.units import STRESS_UNIT, dataset
from .forms import SILICA
from .potential import Potential
from .system import System, system_of

COMPONENTS = ("xx", "yy", "xy")
# Unit strains: two elongations, and a shear by the angle 1 without rotation.
_STRAINS = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.5], [0.5, 0.0]]])


def energy(network: Network, potential: Potential = SILICA) -> float:
    """Return the potential energy, the sum of U(r) over all pairs [energy].

    Parameters
    ----------
    network : Network
        Any configuration.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Raises
    ------
    ValueError
        If a species has no row in the potential, or the cell is smaller than twice the cutoff and 1.2 Å.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> listi.energy(glass) < listi.energy(glass.replace(positions=1.001 * glass.positions))
    True
    """
    return _system(network, potential).energy_forces()[0]


def forces(network: Network, potential: Potential = SILICA) -> np.ndarray:
    """Return the forces F_i = -dE/dx_i on all atoms, shape (n_atoms, 2) [energy/Å].

    Parameters, errors
        As `energy`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> bool(abs(listi.forces(glass)).max() < 1e-8)
    True
    """
    return _system(network, potential).energy_forces()[1]


def stress(network: Network, potential: Potential = SILICA) -> np.ndarray:
    """Return the stress tensor (1/A) sum U'(r) d_a d_b / r, shape (2, 2) [energy/Å²]; tension is positive.

    Parameters, errors
        As `energy`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12, box="zero-pressure")
    >>> bool(abs(listi.stress(glass).diagonal()).max() < 1e-8)
    True
    """
    return _system(network, potential).stress()


def hessian(network: Network, potential: Potential = SILICA) -> csr_array:
    """Return the second derivatives of the energy, d²E / dx_i dx_j.

    A pair contributes K = U'' n n^T + (U'/r) (1 - n n^T), with n = d/r: K to the blocks (i, i) and (j, j), and -K to
    (i, j) and (j, i).

    Parameters, errors
        As `energy`.

    Returns
    -------
    scipy.sparse.csr_array, shape (2 n_atoms, 2 n_atoms)
        x and y of atom i are the rows 2 i and 2 i + 1 [energy/Å²].

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> matrix = listi.hessian(glass)
    >>> matrix.shape, bool(abs(matrix - matrix.T).max() < 1e-10)
    ((1200, 1200), True)
    """
    i, j, _, stiffness = _pairs(_system(network, potential))
    n = 2 * network.n_atoms
    rows, columns, values = [], [], []
    for first, second, sign in ((i, i, 1.0), (j, j, 1.0), (i, j, -1.0), (j, i, -1.0)):
        for a in range(2):
            for b in range(2):
                rows.append(2 * first + a)
                columns.append(2 * second + b)
                values.append(sign * stiffness[:, a, b])
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(coo_array(entries, shape=(n, n)))


def elastic_moduli(network: Network, potential: Potential = SILICA) -> xr.Dataset:
    """Elastic moduli of a sample at its energy minimum: how its stress changes with strain, atoms relaxed.

    If every vector d becomes (1 + eps) d, forces change by Xi eps, and the atoms move by u = H^-1 Xi eps until they
    vanish again. With the area that grows by the trace of eps,

        C_ab,cd = (1/A) [d(sum U' d_a d_b / r) / d eps_cd - Xi_ab . H^-1 Xi_cd] - sigma_ab delta_cd

    the affine moduli of Born, the non-affine correction (Lutsko, J. Appl. Phys. 65, 2991 (1989)), and a term of the
    stress that the sample is under. Because of the last, C of a sample under stress is not symmetric.

    Parameters
    ----------
    network : Network
        At its energy minimum.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Returns
    -------
    xarray.Dataset
        ``stiffness`` and its affine part ``affine_stiffness`` over (stress, strain), the components xx, yy, xy of
        either; the strain xy is the shear angle, 2 eps_xy. ``bulk_modulus``, d(mean normal stress)/d(ln A), and
        ``shear_modulus``, the mean of those of pure and of simple shear, which agree in an isotropic sample
        [energy/Å²].

    Raises
    ------
    ValueError
        If the sample is not at a minimum, or as `energy`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> moduli = listi.elastic_moduli(glass)
    >>> bool(moduli.bulk_modulus > moduli.shear_modulus > 0.0)
    True
    """
    system = system_of(network, potential)
    area, tension = np.prod(system.cell), system.stress()
    affine, rates = _affine_response(system)
    moves = np.stack([system.solve(rate)[0] for rate in rates])
    non_affine = np.einsum("anc,bnc->ab", rates, moves)
    initial = np.outer([tension[0, 0], tension[1, 1], tension[0, 1]], [1.0, 1.0, 0.0])
    born, stiffness = affine / area - initial, (affine - non_affine) / area - initial
    (xx, xy), (yx, yy) = stiffness[:2, :2]
    pure, over = 0.25 * (xx + yy - xy - yx), ("stress", "strain")
    return dataset(
        {
            "stiffness": (over, stiffness, STRESS_UNIT, "change of the stress with strain, atoms relaxed"),
            "affine_stiffness": (over, born, STRESS_UNIT, "change of the stress with strain, atoms moved affinely"),
            "bulk_modulus": ((), 0.25 * (xx + yy + xy + yx), STRESS_UNIT, "bulk modulus"),
            "shear_modulus": ((), 0.5 * (pure + stiffness[2, 2]), STRESS_UNIT, "shear modulus"),
        },
        coords={"stress": list(COMPONENTS), "strain": list(COMPONENTS)},
    )


def _system(network: Network, potential: Potential) -> System:
    check_network(network)
    return System(network.positions, network.species, network.cell, potential=potential)


def _pairs(system: System) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i and j of all pairs, their distance vectors d (n_pairs, 2) and stiffness K (n_pairs, 2, 2)."""
    pairs = system.linearise()
    i, j = np.repeat(np.arange(len(system.positions)), np.diff(pairs.first)), pairs.partner.astype(np.int64)
    d = minimum_image(system.positions[j] - system.positions[i], system.cell)
    return i, j, d, pairs.blocks[:, [[0, 1], [1, 2]]]


def _affine_response(system: System) -> tuple[np.ndarray, np.ndarray]:
    """Change of the virial (3, 3) and of the forces (3, n_atoms, 2) per unit of each strain, atoms moved affinely.

    A pair exerts f = (U'/r) d, which changes by K eps d; since K d = U'' d, U'/r is the trace of K less U''.
    """
    i, j, d, stiffness = _pairs(system)
    squared = np.sum(d * d, axis=1)
    second = np.einsum("pa,pab,pb->p", d, stiffness, d) / squared
    f = (np.trace(stiffness, axis1=1, axis2=2) - second)[:, None] * d
    n, affine, rates = len(system.positions), np.empty((3, 3)), []
    for c, strain in enumerate(_STRAINS):
        d_change = d @ strain
        f_change = np.einsum("pab,pb->pa", stiffness, d_change)
        virial = f_change.T @ d + f.T @ d_change
        affine[:, c] = virial[0, 0], virial[1, 1], 0.5 * (virial[0, 1] + virial[1, 0])
        on_atoms = [np.bincount(i, f_change[:, a], n) - np.bincount(j, f_change[:, a], n) for a in range(2)]
        rates.append(np.stack(on_atoms, axis=1))
    return affine, np.stack(rates)
