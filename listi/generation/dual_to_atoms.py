"""From the dual of a network to its atoms at a minimum of the full potential. Lengths in Å."""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy.spatial import cKDTree

from ..mechanics import system
from ..mechanics.forms import SILICA
from ..mechanics.jit import JIT
from ..mechanics.kernels import CUTOFF, template
from ..mechanics.neighbours import neighbour_list
from ..mechanics.pair_sums import energy_forces
from ..network.bonds import COORDINATION_RADIUS
from ..network.geometry import minimum_image, wrap
from .dual import BOND, Dual, bond_ends, ring_pairs
from .switching import APOTHEM

_ANGLE_STIFFNESS = 0.05  # of the springs across the angles at a Si, in units of that of a bond
_TORN = 4.2  # length of a Si-Si bond that has come apart [Å]
_RELEASED = 1e-9  # normal stress that counts as none [energy/Å²]


def atoms(dual: Dual, ends: np.ndarray) -> np.ndarray:
    """Relax ring centres, put Si into the triangles, relax the bonds, put O onto them."""
    pairs = ring_pairs(dual)
    rest = APOTHEM[dual.sizes[pairs]].sum(axis=1)
    _relax_springs(dual.centres, pairs, rest, 2.0 / rest, dual.cell, 1e-6, 5000)
    first = dual.centres[dual.corners[:, 0]]
    others = [minimum_image(dual.centres[dual.corners[:, k]] - first, dual.cell) for k in (1, 2)]
    silicon = first + (others[0] + others[1]) / 3.0
    _relax_silicon(silicon, ends, dual)
    start, end = silicon[ends[:, 0]], silicon[ends[:, 1]]
    return np.concatenate([silicon, start + 0.5 * minimum_image(end - start, dual.cell)])


def _relax_silicon(silicon: np.ndarray, ends: np.ndarray, dual: Dual) -> None:
    """Relax springs on the bonds, and weak ones that hold the angles at a Si near 120°."""
    angles = np.concatenate([dual.neighbours[:, [k, k - 1]] for k in range(3)])
    rest = np.repeat([BOND, math.sqrt(3.0) * BOND], [len(ends), len(angles)])
    stiffness = np.repeat([1.0, _ANGLE_STIFFNESS], [len(ends), len(angles)])
    _relax_springs(silicon, np.concatenate([ends, angles]), rest, stiffness, dual.cell, 1e-4, 2000)


def minimise(positions: np.ndarray, species: np.ndarray, cell: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Newton's method; if it loses its way, again from closer to the minimum."""
    try:
        return system.minimise(positions, species, cell, steps=50)
    except system.ConvergenceError:
        approach.compiled(SILICA)(positions, species, SILICA.table, cell, ends, 1e-7, 100000)
        return system.minimise(positions, species, cell)


def release(positions: np.ndarray, species: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relax atoms and cell to zero normal stress, by Broyden's method in the two strains.

    Raises
    ------
    ConvergenceError
        If a normal stress stays above 1e-9 energy/Å².
    """
    bulk, shear = 0.26, 0.05  # first guess of the moduli: the crystal's [energy/Å²]
    stiffness = np.array([[bulk + shear, bulk - shear], [bulk - shear, bulk + shear]])
    stress = np.diag(system.System(positions, species, cell).stress())
    for _ in range(50):
        if np.max(np.abs(stress)) < _RELEASED:
            return positions, cell
        strain = np.linalg.solve(stiffness, -stress)
        stretch = np.exp(strain * min(1.0, 0.01 / np.max(np.abs(strain))))
        cell = cell * stretch
        positions = system.minimise(positions * stretch, species, cell)
        before, stress = stress, np.diag(system.System(positions, species, cell).stress())
        step = np.log(stretch)
        stiffness = stiffness + np.outer(stress - before - stiffness @ step, step) / (step @ step)
    raise system.ConvergenceError(f"no zero-pressure box: a normal stress of {np.max(np.abs(stress)):.3g} is left")


def misbonded(positions: np.ndarray, dual: Dual, cell: np.ndarray) -> np.ndarray:
    """Si whose O within 1.8 Å are not those of its bonds, or whose bonds changed their order."""
    ends, n_si = bond_ends(dual), len(dual.corners)
    wrapped = wrap(positions, cell)
    silicon, oxygen = (cKDTree(part, boxsize=cell) for part in (wrapped[:n_si], wrapped[n_si:]))
    near = silicon.sparse_distance_matrix(oxygen, COORDINATION_RADIUS, output_type="coo_matrix")
    found = near.row.astype(np.int64) * len(ends) + near.col  # beyond 32 bits from 93 000 atoms on
    wanted = (ends * len(ends) + np.arange(len(ends))[:, None]).ravel()
    to = [minimum_image(positions[dual.neighbours[:, k]] - positions[:n_si], cell) for k in range(3)]
    left_turns = sum(to[k - 1][:, 0] * to[k][:, 1] - to[k - 1][:, 1] * to[k][:, 0] > 0.0 for k in range(3))
    return np.union1d(np.setxor1d(found, wanted) // len(ends), np.flatnonzero(left_turns < 2))


@numba.njit(**JIT)
def _spring_forces(positions, ends, rest, stiffness, cell, forces):
    """Forces of springs (stiffness/2) (r - rest)² and their energy."""
    energy = 0.0
    forces[:] = 0.0
    for n in range(len(ends)):
        i, j = ends[n]
        dx, dy = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
        dx -= cell[0] * np.rint(dx / cell[0])
        dy -= cell[1] * np.rint(dy / cell[1])
        r = math.sqrt(dx * dx + dy * dy)
        energy += 0.5 * stiffness[n] * (r - rest[n]) ** 2
        pull = stiffness[n] * (r - rest[n]) / r
        forces[i, 0] += pull * dx
        forces[i, 1] += pull * dy
        forces[j, 0] -= pull * dx
        forces[j, 1] -= pull * dy
    return energy


@numba.njit(**JIT)
def _fire(positions, velocity, force, state):
    """One step of FIRE (Bitzek et al. 2006), unit masses; `state`: step, mixing, count."""
    if np.sum(force * velocity) > 0.0:
        scale = math.sqrt(np.sum(velocity * velocity) / np.sum(force * force))
        velocity *= 1.0 - state[1]
        velocity += state[1] * scale * force
        state[2] += 1.0
        if state[2] > 5.0:
            state[0] = min(1.1 * state[0], 0.4)
            state[1] *= 0.99
    else:
        velocity[:] = 0.0
        state[:] = 0.5 * state[0], 0.1, 0.0
    velocity += state[0] * force
    positions += state[0] * velocity * min(1.0, 0.05 / (state[0] * np.abs(velocity).max()))


@numba.njit(**JIT)
def _relax_springs(positions, ends, rest, stiffness, cell, tolerance, max_steps):
    """Minimise a spring network in place; return the steps taken."""
    velocity, force = np.zeros_like(positions), np.zeros_like(positions)
    state = np.array([0.1, 0.1, 0.0])
    for n in range(max_steps):
        _spring_forces(positions, ends, rest, stiffness, cell, force)
        if np.abs(force).max() < tolerance:
            return n
        _fire(positions, velocity, force, state)
    return max_steps


@numba.njit(**JIT)
def _longest_bond(positions, ends, cell):
    """Length of the longest bond [Å]."""
    longest = 0.0
    for i, j in ends:
        dx, dy = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
        dx -= cell[0] * np.rint(dx / cell[0])
        dy -= cell[1] * np.rint(dy / cell[1])
        longest = max(longest, math.sqrt(dx * dx + dy * dy))
    return longest


@template
def approach(positions, species, table, cell, ends, tolerance, max_steps):
    """Approach the minimum of the full potential in place, unless a bond tears; return steps."""
    skin = 0.6
    velocity, force = np.zeros_like(positions), np.zeros_like(positions)
    state = np.array([0.1, 0.1, 0.0])
    first, partner = neighbour_list(positions, cell, CUTOFF + skin)
    listed = positions.copy()
    for n in range(max_steps):
        # sqrt(2) / 3 of the skin at most along the diagonal: two atoms have not crossed all of it
        if np.abs(positions - listed).max() > skin / 3.0:
            first, partner = neighbour_list(positions, cell, CUTOFF + skin)
            listed[:] = positions
            if _longest_bond(positions, ends, cell) > _TORN:
                return n
        energy_forces(positions, species, table, cell, first, partner, force)
        if np.abs(force).max() < tolerance:
            return n
        _fire(positions, velocity, force, state)
    return max_steps
