"""The two lattices of a network in the making, switched and relaxed together. Lengths in Å."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ..mechanics.forms import SILICA
from ..mechanics.system import ConvergenceError, System
from ..network.bonds import COORDINATION_RADIUS, bond_orientational_order
from ..network.geometry import minimum_image, wrap
from ..network.network import OXYGEN, SILICON
from .dual import SPACING, Dual, bond_ends, count_contacts, honeycomb
from .neighbourhood import Atoms, centre_rings
from .switching import metropolis

_SMALL_FORCE = 1e-6  # largest force component after a relaxation of the whole sample [energy/Å]
_NEWTON_STEPS = 50  # after which the sample counts as torn
_SPARED = 20.0  # distance from a tear within which a batch of switches is not made again
_ONE_PART = 1920  # rings up to which a sample is switched as a whole
_PART = (20, 24)  # rings along x and y of the parts of a larger one, about
_LARGEST_RADIUS = 25.0  # [Å] in a sample switched in parts: less than half of what lies between two parts
_LOOSE = 2.0  # further distance [Å] that the atoms held around them reach beyond the cutoff
_TRIES = 3  # bonds at a weak spot that are tried before all that was switched elsewhere is put back
_MARGIN = 40.0  # distance from a part [Å] within which atoms are relaxed with it


class Part(NamedTuple):
    """A rectangle of the cell: its lower corner and edges, both of shape (2,) [Å]."""

    corner: np.ndarray
    edges: np.ndarray

    def around(self, positions: np.ndarray, cell: np.ndarray, margin: float | np.ndarray) -> np.ndarray:
        """Mark the positions within the rectangle or a margin around it, which may differ along x and y."""
        from_corner = np.mod(positions - self.corner + margin, cell)
        return np.all(from_corner <= self.edges + 2.0 * np.asarray(margin), axis=1)

    def distance(self, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Distance of positions from the rectangle, zero in it [Å]."""
        from_centre = np.abs(minimum_image(positions - self.corner - 0.5 * self.edges, cell))
        return np.linalg.norm(np.maximum(from_centre - 0.5 * self.edges, 0.0), axis=1)

    def margin(self) -> np.ndarray:
        """Distance [Å] along x and y within which atoms are relaxed with the part: halfway to the next one at most."""
        return np.minimum(_MARGIN, 0.5 * self.edges)


class Proposals(NamedTuple):
    """Bonds to switch in a part, in turn, with a random number for each, until `most` have been."""

    part: Part
    bonds: np.ndarray
    chances: np.ndarray
    most: int


class State(NamedTuple):
    """Copies of both lattices."""

    dual: Dual
    positions: np.ndarray


class Lattices:
    """The dual and the atoms of a network, a crystal at first.

    Parameters
    ----------
    nx, ny : int
        Rings along x, rows of rings along y.
    radius : float
        Of the neighbourhood that is relaxed after a switch.

    Attributes
    ----------
    dual : Dual
    atoms : neighbourhood.Atoms
        Si first, then the O on each bond.
    made, torn : int
        Numbers of switches made, and of those undone since the network would have torn.
    in_parts : bool
        Whether the sample is so large that it is switched in parts.
    """

    def __init__(self, nx: int, ny: int, radius: float) -> None:
        self.dual, self.radius, self.made, self.torn = honeycomb(nx, ny), radius, 0, 0
        self.in_parts = nx * ny > _ONE_PART
        ends = bond_ends(self.dual)
        silicon = _centroids(self.dual)
        along = minimum_image(silicon[ends[:, 1]] - silicon[ends[:, 0]], self.dual.cell)
        positions = np.concatenate([silicon, silicon[ends[:, 0]] + 0.5 * along])
        species = np.repeat([SILICON, OXYGEN], [len(silicon), len(ends)]).astype(np.int8)
        self.atoms = Atoms(positions, species, self.dual.cell, SILICA.table, np.full(len(positions), -1))

    def parts(self, random: np.random.Generator) -> list[Part]:
        """Choose what is switched in one turn: every other field along x and y of a board laid down at random.

        Between two of them lies as much that is not switched, so what a batch did in one can be undone, exactly,
        without the others. A sample no larger than the paper's is a single part.
        """
        cell = self.dual.cell
        if not self.in_parts:
            return [Part(np.zeros(2), cell)]
        numbers = np.rint(cell / (2.0 * SPACING * np.array(_PART))).astype(int)
        edges = np.where(numbers > 0, 0.5 * cell / np.maximum(numbers, 1), cell)  # the whole width of a narrow sample
        corner = random.random(2) * cell
        return [Part(np.mod(corner + 2.0 * edges * at, cell), edges) for at in np.ndindex(*np.maximum(numbers, 1))]

    def bonds_in(self, part: Part) -> np.ndarray:
        """Numbers of the bonds in a part."""
        return np.flatnonzero(part.around(self.atoms.positions[len(self.dual.corners) :], self.dual.cell, 0.0))

    def switch(self, proposals: Sequence[Proposals], target, alpha: float, temperature: float) -> list[int]:
        """Propose to switch a batch of bonds in each part; the whole sample is relaxed afterwards.

        Where that tears the network in or near a part that has been switched, the part is put back to where it was.
        Where it tears elsewhere, a spot that was there before bears next to nothing, and would stop whatever is done
        anywhere: one of the bonds there is switched too. Where the sample does not bear that, all is put back, and one
        of them is switched instead.

        Parameters
        ----------
        proposals : sequence of Proposals
            Parts, which do not overlap, and the bonds to try there.
        target, alpha, temperature
            As in `switching.metropolis`.

        Returns
        -------
        list of int
            Number of bonds proposed in each part.
        """
        if not self.in_parts:
            return [self._switch_in(proposals[0], target, alpha, temperature)[0]]
        kept = self._copy()
        done = [self._switch_in(one, target, alpha, temperature) for one in proposals]
        switched = np.array([made for _, made in done])
        relaxed = self.atoms.positions.copy()  # each part by itself
        while switched.any() and (bad := self.relax()).size:
            self.atoms.positions[:] = relaxed
            away = [one.part.distance(self.atoms.positions[bad], self.dual.cell).min() for one in proposals]
            undo = np.flatnonzero((switched > 0) & (np.array(away) < _MARGIN))
            for number in undo.tolist():
                self._put_back(kept, proposals[number].part)
            if not undo.size:
                if self._switch_at(bad[0], target, alpha, _TRIES):
                    break
                self._put_back(kept)
                self._switch_at(bad[0], target, alpha)
                undo = np.arange(len(switched))
            relaxed = self.atoms.positions.copy()
            self.made, self.torn = self.made - switched[undo].sum(), self.torn + switched[undo].sum()
            switched[undo] = 0
        return [proposed for proposed, _ in done]

    def _switch_at(self, silicon: int, target, alpha: float, tries: int | None = None) -> bool:
        """Switch the bond nearest to a Si that can be, whatever chi says, and that the whole sample bears.

        Returns
        -------
        bool
            False if none of all bonds near, or of so many that were tried, is such: all is then as before.
        """
        kept, n_si = self._copy(), len(self.dual.corners)
        away = np.linalg.norm(
            minimum_image(self.atoms.positions[n_si:] - self.atoms.positions[silicon], self.dual.cell), axis=1
        )
        near = np.argsort(away)[: np.count_nonzero(away < self.radius)]
        possible = (one for one in near if self._metropolis(np.array([one]), np.zeros(1), target, alpha, np.inf, 1)[1])
        for _ in itertools.islice(possible, tries):
            if not self.relax().size:
                self.made += 1
                return True
            self.torn += 1
            self._put_back(kept)
        return False

    def _metropolis(self, bonds, chances, target, alpha: float, temperature: float, most: int) -> tuple[int, int, int]:
        arguments = self.dual, self.atoms, bonds, chances, target, alpha, temperature, self.radius, most
        return metropolis.compiled(SILICA)(*arguments)

    def _copy(self) -> State:
        return State(Dual(*(array.copy() for array in self.dual)), self.atoms.positions.copy())

    def _put_back(self, kept: State, part: Part | None = None) -> None:
        """Put both lattices back to where they were, or what was relaxed with a part."""
        if part is None:
            for array, old in zip((*self.dual, self.atoms.positions), (*kept.dual, kept.positions), strict=True):
                array[...] = old
            return
        n_si, cell = len(self.dual.corners), self.dual.cell
        atoms = part.around(kept.positions, cell, part.margin())
        self.atoms.positions[atoms] = kept.positions[atoms]
        rings = part.around(kept.dual.centres, cell, part.margin())
        for rows, names in (
            (atoms[:n_si], ("corners", "neighbours", "sides")),
            (atoms[n_si:], ("owner",)),
            (rings, ("member", "sizes")),
        ):
            for name in names:
                getattr(self.dual, name)[rows] = getattr(kept.dual, name)[rows]
        count_contacts(self.dual)
        centre_rings(self.dual, self.atoms.positions)

    def _switch_in(self, one: Proposals, target, alpha: float, temperature: float) -> tuple[int, int]:
        """Switch bonds of a part and relax it; return how many were proposed and how many made.

        Where it tears in that, the batch is made again without the bonds around.
        """
        part, bonds, chances, most = one
        kept = self._copy()
        spared, reach = np.zeros(len(self.dual.owner), dtype=bool), _SPARED
        while True:
            open_ = np.flatnonzero(~spared[bonds])
            proposed, made, torn = self._metropolis(bonds[open_], chances[open_], target, alpha, temperature, most)
            self.torn += torn
            bad = self.relax(part) if made else np.empty(0, dtype=np.int64)
            if not bad.size:
                self.made += made
                return len(bonds) if proposed == len(open_) else int(open_[proposed]), made
            self.torn += made
            self._put_back(kept)
            while np.all(spared[around := self._bonds_near(bad, reach)]):  # it tears by bonds further away
                reach *= 1.5
            spared |= around

    def order(self) -> float:
        """Return the bond-orientational order: how much of the crystal's directions is left."""
        return bond_orientational_order(self.atoms.positions, bond_ends(self.dual), self.dual.cell)

    def relax(self, part: Part | None = None) -> np.ndarray:
        """Relax the atoms of a part and near it, or all; ring centres follow.

        Returns
        -------
        ndarray of int
            Si at which the network tears, if any; atoms are then where they were one step before.
        """
        positions, cell = self.atoms.positions, self.dual.cell
        mobile = np.ones(len(positions), dtype=bool)
        near = np.arange(len(positions))
        if part is not None:
            mobile = part.around(positions, cell, part.margin())
            near = np.flatnonzero(part.around(positions, cell, part.margin() + SILICA.cutoff + _LOOSE))
        system = System(positions[near], self.atoms.species[near], cell, mobile[near])
        moved = positions.copy()
        for _ in range(_NEWTON_STEPS):
            try:
                system.relax(_SMALL_FORCE, steps=1)
                at_minimum = True
            except ConvergenceError:
                at_minimum = False
            moved[near] = system.positions
            bad = misbonded(moved, self.dual, cell, near)
            if bad.size:
                return bad
            positions[:] = moved
            if at_minimum:
                centre_rings(self.dual, positions)
                return bad
        forces = np.abs(system.energy_forces()[1]).max(axis=1)
        forces[near >= len(self.dual.corners)] = -1.0
        return near[[np.argmax(forces)]]  # it goes on falling

    def _bonds_near(self, silicon: np.ndarray, reach: float) -> np.ndarray:
        """Mark the bonds whose O is within `reach` of one of the Si."""
        oxygen = self.atoms.positions[len(self.dual.corners) :]
        away = minimum_image(oxygen[:, None] - self.atoms.positions[silicon], self.dual.cell)
        return np.any(np.linalg.norm(away, axis=2) < reach, axis=1)


def largest_radius(nx: int, ny: int) -> float:
    """Radius [Å] with which a disc and what acts on it fit into the cell once, and stay near their part."""
    fits = 0.5 * min(nx * SPACING[0], ny * SPACING[1]) - SILICA.cutoff
    return min(fits, _LARGEST_RADIUS) if nx * ny > _ONE_PART else fits


def _centroids(dual: Dual) -> np.ndarray:
    """Centroids (n_si, 2) of the triangles of ring centres."""
    first = dual.centres[dual.corners[:, 0]]
    others = [minimum_image(dual.centres[dual.corners[:, k]] - first, dual.cell) for k in (1, 2)]
    return first + (others[0] + others[1]) / 3.0


def misbonded(positions: np.ndarray, dual: Dual, cell: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Si whose O within 1.8 Å are not those of its bonds, or whose bonds changed their order.

    Looks at the Si whose O are all `among` the given atoms.
    """
    ends, n_si = bond_ends(dual), len(dual.corners)
    present = np.ones(len(positions), dtype=bool)
    if among is not None:
        present[:] = False
        present[among] = True
    oxygen = np.flatnonzero(present[n_si:])
    silicon = np.flatnonzero(present[:n_si] & present[n_si + dual.sides].all(axis=1))
    wrapped = wrap(positions, cell)
    trees = cKDTree(wrapped[silicon], boxsize=cell), cKDTree(wrapped[n_si + oxygen], boxsize=cell)
    near = trees[0].sparse_distance_matrix(trees[1], COORDINATION_RADIUS, output_type="coo_matrix")
    found = silicon[near.row] * len(ends) + oxygen[near.col]  # beyond 32 bits from 93 000 atoms on
    wanted = silicon[:, None] * len(ends) + dual.sides[silicon]
    to = [minimum_image(positions[dual.neighbours[silicon, k]] - positions[silicon], cell) for k in range(3)]
    left_turns = sum(to[k - 1][:, 0] * to[k][:, 1] - to[k - 1][:, 1] * to[k][:, 0] > 0.0 for k in range(3))
    return np.union1d(np.setxor1d(found, wanted.ravel()) // len(ends), silicon[left_turns < 2])
