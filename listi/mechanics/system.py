"""A network under forces: energy, stress, Hessian, and the energy minimum by Newton's method.

Newton's linear systems are solved by conjugate gradients whose preconditioner is a
sparse Cholesky factor of a Hessian met earlier, so that a solve takes a few iterations.
"""

from __future__ import annotations

import numpy as np

from ..network.network import Network, check_network
from .arithmetic import dot
from .forms import SILICA
from .neighbours import neighbour_list
from .pair_sums import (
    PairHessian,
    PairList,
    affine_force_rate,
    atom_virials,
    energy_forces,
    hessian_product,
    pair_stiffness,
)
from .potential import Potential
from .sparse_cholesky import Factor, IndefiniteError
from .tolerances import INPUT_FORCE_TOLERANCE, TOLERANCE, check_lengths
from .tolerances import SKIN_SAMPLE as SKIN

NEAR = 0.7  # share of the cutoff within which pairs enter the factor: the others cost more than they help
ITERATIONS_WITH_NEW_FACTOR = 6  # iterations that a solve takes with a new factor
REFACTOR_COST = 40  # of a new factor, in iterations: so many more are spent before the old one is given up
SHIFTS = (1e-6, 1e-5, 1e-4, 1e-3)  # springs on all atoms, in units of the mean diagonal of the Hessian
CONVEX_SHIFTS = (1e-6, 1e-4, 1e-2, 1.0)
LARGEST_STEP = 0.2  # no atom moves further in one Newton step [Å]
# Of a correction by Newton's method to the one before, at most, where it is taken to end in the right minimum.
CONTRACTION = 0.25
ROUNDING = 1e-9  # corrections smaller than this are rounding [Å]
TINY = 1e-300  # so that no curvature is divided by


class ConvergenceError(RuntimeError):
    """A minimisation ended above its tolerance; the message holds the residual."""


class System:
    """Positions in a cell with everything that Newton's method reuses from step to step.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å]; copied.
    species : ndarray, shape (n_atoms,)
        0 = Si, 1 = O.
    cell : ndarray, shape (2,)
        Edge lengths [Å], each more than twice the cutoff plus the skin.
    mobile : ndarray of bool, shape (n_atoms,), optional
        Atoms that may move; the others stay where they are put. All, by default.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Attributes
    ----------
    positions, cell
        May be changed from outside.
    tilt : float
        Shift along x of the upper edge of the cell against the lower [Å]: the cell is spanned by (cell[0], 0) and
        (tilt, cell[1]). Zero at first; may be changed from outside.

    Raises
    ------
    ValueError
        If the cell is too small for the minimum image, or a species has no row in the potential.
    """

    def __init__(self, positions, species, cell, mobile=None, potential: Potential = SILICA) -> None:
        self.positions = np.array(positions, dtype=float)
        self.species = np.ascontiguousarray(species, dtype=np.int8)
        self.cell = np.array(cell, dtype=float)
        self.tilt = 0.0
        self.mobile = None if mobile is None or np.all(mobile) else np.asarray(mobile, dtype=bool)
        self.potential = potential
        self._list_radius = potential.cutoff + SKIN  # of the neighbour list [Å]
        potential.check_species(self.species)
        check_lengths(potential)
        self._check_cell()
        self._table = potential.table
        self._listed: np.ndarray | None = None
        self._listed_box = self.box
        self._factor: Factor | None = None
        self._excess = 0  # iterations beyond ITERATIONS_WITH_NEW_FACTOR since the factor was made
        self._blocks = np.empty((0, 3))
        self.movable = np.ones(len(self.positions), dtype=bool) if self.mobile is None else self.mobile
        self._frozen = ~self.movable

    def _check_cell(self) -> None:
        if np.any(self.cell < 2 * self._list_radius):
            raise ValueError(
                f"cell: {self.cell.tolist()} Å is too small for the potential's cutoff of {self.potential.cutoff:g} Å; "
                f"each edge needs {2 * self._list_radius:g} Å"
            )

    @property
    def box(self) -> np.ndarray:
        """The cell as `PairList` takes it: width, height, tilt [Å]."""
        return np.array([*self.cell, self.tilt])

    def _refresh_list(self) -> None:
        """Rebuild the neighbour list when two atoms may have come closer by more than the skin.

        A pair at a distance of `_list_radius` when listed has since come closer by the strain times that.
        """
        if self._listed is not None:
            deformation = between(self._listed_box, self.box)
            moved = self.positions - transformed(self._listed, deformation)
            moved -= moved.mean(axis=0)
            strained = np.max(np.abs(1.0 - 1.0 / deformation[:2])) + abs(deformation[2])
            if 2.0 * np.sqrt(np.max(np.sum(moved**2, axis=1))) + strained * self._list_radius < SKIN:
                return
        self._check_cell()
        self.first, self.partner = neighbour_list(self.positions, self.box, self._list_radius)
        self._listed, self._listed_box = self.positions.copy(), self.box

    @property
    def _pairs(self) -> PairList:
        """What every kernel over pairs takes."""
        return PairList(self.positions, self.species, self.box, self._table, self.first, self.partner)

    def energy_forces(self) -> tuple[float, np.ndarray]:
        """Return the energy and the forces (n_atoms, 2), zero on atoms that may not move; keeps the virial."""
        self._refresh_list()
        forces = np.empty_like(self.positions)
        energy, self._virial = energy_forces(self._pairs, forces)
        if self.mobile is not None:
            forces[self._frozen] = 0.0
        return energy, forces

    def stress(self) -> np.ndarray:
        """Return the stress tensor (2, 2) [energy/Å²], tension positive."""
        self.energy_forces()
        vxx, vxy, vyy = self._virial
        return np.array([[vxx, vxy], [vxy, vyy]]) / np.prod(self.cell)

    def virials(self) -> np.ndarray:
        """Return the share of every atom in stress times area, xx, xy, yy, shape (n_atoms, 3) [energy].

        Half of a pair's virial belongs to either atom.
        """
        self._refresh_list()
        virials = np.empty((len(self.positions), 3))
        atom_virials(self._pairs, virials)
        return virials

    def linearise(self) -> PairHessian:
        """Evaluate, keep and return the Hessian at the present positions; valid until the next call."""
        self._refresh_list()
        if len(self._blocks) != len(self.partner):
            self._blocks = np.empty((len(self.partner), 3))
        pair_stiffness(self._pairs, self._blocks, False)
        self._hessian = PairHessian(self.first, self.partner, self._blocks, self._frozen)
        return self._hessian

    def hessian_product(self, vector: np.ndarray) -> np.ndarray:
        """Multiply the Hessian of the last `linearise` with `vector` (n_atoms, 2)."""
        out = np.empty_like(vector)
        hessian_product(self._hessian, vector, out)
        return out

    def refactor(self) -> None:
        """Factorise the Hessian of the last `linearise`, shifted as far as makes it positive definite.

        Without the pairs that are left out, it need not be so at a minimum. If a small shift does not help, its convex
        part is factorised.

        Raises
        ------
        ConvergenceError
            If nothing helps, as where forces are not finite.
        """
        reach, blocks = NEAR * self.potential.cutoff, self._blocks
        self._excess = 0
        for convex, shifts in ((False, SHIFTS), (True, CONVEX_SHIFTS)):
            if convex:
                blocks = np.empty_like(self._blocks)
                pair_stiffness(self._pairs, blocks, True)
            for shift in shifts:
                try:
                    self._factor = Factor(
                        self.positions, self.box, self.first, self.partner, blocks, reach, self.mobile, shift
                    )
                    return
                except IndefiniteError:
                    continue
        raise ConvergenceError("the Hessian cannot be factorised, however it is shifted")

    def solve(self, right: np.ndarray, relative: float = 1e-8) -> tuple[np.ndarray, bool]:
        """Solve Hessian x = right by preconditioned conjugate gradients.

        Returns
        -------
        solution : ndarray, shape (n_atoms, 2)
        curved_down : bool
            True if a direction of negative curvature was met; the solution then goes down it as far as it would
            if the curvature had the other sign, but no atom further than `LARGEST_STEP`.

        Raises
        ------
        ConvergenceError
            If a thousand iterations with a new factor do not lead there.
        """
        if self._factor is None or self._excess > REFACTOR_COST:
            self.refactor()
        solution, curved_down, slow = self._conjugate_gradients(right, relative)
        if slow:  # too far from the configuration that was factorised
            self.refactor()
            solution, curved_down, slow = self._conjugate_gradients(right, relative, patience=1000)
        if slow:
            raise ConvergenceError("no solution of a linear system in 1000 iterations")
        return solution, curved_down

    def _precondition(self, residual: np.ndarray) -> np.ndarray:
        z = self._factor.solve(residual)
        if self.mobile is None:
            z -= z.mean(axis=0)  # translations cost no energy
        return z

    def _conjugate_gradients(self, right, relative, patience=25):
        solution = np.zeros_like(right)
        residual = right.copy()
        z = self._precondition(residual)
        direction = z.copy()
        rz = dot(residual, z)
        product = np.empty_like(right)
        goal = relative * relative * rz
        for iteration in range(patience):
            hessian_product(self._hessian, direction, product)
            curvature = dot(direction, product)
            if curvature <= 0.0:
                furthest = LARGEST_STEP / np.max(np.abs(direction))
                return solution + min(furthest, rz / max(-curvature, TINY)) * direction, True, False
            alpha = rz / curvature
            solution += alpha * direction
            residual -= alpha * product
            z = self._precondition(residual)
            self._excess += iteration >= ITERATIONS_WITH_NEW_FACTOR
            rz, last = dot(residual, z), rz
            if rz <= goal:
                return solution, False, False
            direction *= rz / last
            direction += z
        return solution, False, True

    def affine_response(self, gradient: np.ndarray) -> np.ndarray:
        """Non-affine velocity (n_atoms, 2) [Å] of the minimum per unit of homogeneous strain `gradient` (2, 2).

        Solves Hessian u = d(force)/d(strain) at frozen scaled coordinates, after `linearise`.
        """
        rate = np.empty_like(self.positions)
        affine_force_rate(self._pairs, self._blocks, gradient, rate)
        if self.mobile is not None:
            rate[self._frozen] = 0.0
        return self.solve(rate, relative=1e-4)[0]

    def correct(self, tolerance: float, max_displacement: float, steps: int = 8) -> bool:
        """Newton's method without safeguards, for a start close to the minimum.

        It must contract as it does where the Hessian hardly changes: every correction is at most `CONTRACTION` of
        the one before. That estimates, without proving it, that the energy is convex between start and end, where
        overdamped motion ends in the same minimum (Deuflhard, Newton Methods for Nonlinear Problems, Springer 2004,
        section 2.1).

        Returns
        -------
        bool
            False if the curvature is not positive, corrections do not contract, an atom leaves the start by more
            than `max_displacement` [Å], or the forces are not below `tolerance` after `steps`: no minimum close by.
        """
        start, last = self.positions, np.inf
        tolerance *= self.potential.force_scale
        for _ in range(steps):
            _, forces = self.energy_forces()
            if np.max(np.abs(forces)) < tolerance:
                return True
            self.linearise()
            move, curved_down = self.solve(forces, relative=1e-3)
            length = np.max(np.abs(move))
            if curved_down or length > CONTRACTION * last + ROUNDING:
                return False
            self.positions, last = self.positions + move, length
            if np.max(np.abs(self.positions - start)) > max_displacement:
                return False
        return False

    def relax(self, tolerance: float = TOLERANCE, steps: int = 2000) -> int:
        """Move to the energy minimum downhill from here.

        Newton steps with a cap on the displacement and a line search that lets the energy fall only; near the
        minimum, where energies no longer resolve the difference, the force along the step must shrink instead.

        Returns
        -------
        int
            Number of Newton steps.

        Raises
        ------
        ConvergenceError
            If the largest force component is not below `tolerance` after `steps`.
        """
        scale = self.potential.force_scale
        energy, forces = self.energy_forces()
        for step in range(steps):
            largest = np.max(np.abs(forces))
            if largest < tolerance * scale:
                return step
            self.linearise()
            move, curved_down = self.solve(forces, relative=min(1e-2, max(1e-8, largest / scale)))
            furthest = LARGEST_STEP / np.max(np.abs(move))
            found = self._line_search(energy, forces, move * min(1.0, furthest))
            if found is None and curved_down:  # at a saddle: energies so close to it do not differ
                found = self._line_search(energy, forces, move * furthest)
            if found is None:
                raise ConvergenceError(f"no descent along a Newton step; largest force {largest:.3g}")
            energy, forces = found
        raise ConvergenceError(
            f"largest force {np.max(np.abs(forces)):.3g} after {steps} steps; wanted < {tolerance * scale:g}"
        )

    def _line_search(self, energy, forces, move) -> tuple[float, np.ndarray] | None:
        """Go along `move` as far as energy falls; the energy and forces there, or None (and back) if it does not."""
        start, slope = self.positions, dot(forces, move)
        noise = 1e-12 * abs(energy)  # rounding of the sum over pairs
        for halving in range(30):
            self.positions = start + move * 0.5**halving
            new_energy, new_forces = self.energy_forces()
            if new_energy < energy - 1e-4 * slope * 0.5**halving:
                return new_energy, new_forces
            if new_energy <= energy + noise and abs(dot(new_forces, move)) <= 0.9 * abs(slope):
                return new_energy, new_forces
        self.positions = start
        return None


def between(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the deformation (xx, yy, xy) that takes one cell (width, height, tilt) to another."""
    width, height = new[0] / old[0], new[1] / old[1]
    return np.array([width, height, (new[2] - width * old[2]) / old[1]])


def transformed(vectors: np.ndarray, deformation: np.ndarray) -> np.ndarray:
    """Return vectors (n, 2) after a deformation (xx, yy, xy)."""
    image = vectors * deformation[:2]
    image[:, 0] += deformation[2] * vectors[:, 1]
    return image


def transformed_back(vectors: np.ndarray, deformation: np.ndarray) -> np.ndarray:
    """Return the vectors (n, 2) that a deformation (xx, yy, xy) takes to the given ones."""
    image = vectors / deformation[:2]
    image[:, 0] -= deformation[2] / deformation[0] * image[:, 1]
    return image


def system_of(network: Network, potential: Potential = SILICA, mobile: np.ndarray | None = None) -> System:
    """Return the system of a sample that is at an energy minimum.

    Raises
    ------
    ValueError
        If it is not, or as `System`.
    """
    check_network(network)
    system = System(network.positions, network.species, network.cell, mobile, potential)
    largest = np.max(np.abs(system.energy_forces()[1]))
    allowed = INPUT_FORCE_TOLERANCE * potential.force_scale
    if largest > allowed:
        raise ValueError(
            f"network: largest force {largest:.3g} > {allowed:g}, not at an energy minimum; "
            "relax it first with listi.relax(network)"
        )
    return system
