"""The two lattices of a network in the making, switched and relaxed together. Lengths in Å."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..mechanics.forms import SILICA
from ..mechanics.system import ConvergenceError, System
from ..network.bonds import COORDINATION_RADIUS, bond_orientational_order
from ..network.geometry import minimum_image, wrap
from ..network.network import OXYGEN, SILICON
from .dual import Dual, bond_ends, honeycomb
from .neighbourhood import Atoms, centre_rings
from .switching import metropolis

_SMALL_FORCE = 1e-6  # largest force component after a relaxation of the whole sample [energy/Å]
_NEWTON_STEPS = 50  # after which the sample counts as torn
_SPARED = 20.0  # distance from a tear within which a batch of switches is not made again


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
    """

    def __init__(self, nx: int, ny: int, radius: float) -> None:
        self.dual, self.radius, self.made, self.torn = honeycomb(nx, ny), radius, 0, 0
        ends = bond_ends(self.dual)
        silicon = _centroids(self.dual)
        along = minimum_image(silicon[ends[:, 1]] - silicon[ends[:, 0]], self.dual.cell)
        positions = np.concatenate([silicon, silicon[ends[:, 0]] + 0.5 * along])
        species = np.repeat([SILICON, OXYGEN], [len(silicon), len(ends)]).astype(np.int8)
        self.atoms = Atoms(positions, species, self.dual.cell, SILICA.table, np.full(len(positions), -1))

    def switch(self, bonds, chances, target, alpha: float, temperature: float, most: int) -> int:
        """Propose to switch bonds until `most` have been; the whole sample is relaxed afterwards.

        Where it tears in that, the batch is made again without the bonds around.

        Parameters
        ----------
        bonds, chances, target, alpha, temperature, most
            As in `switching.metropolis`.

        Returns
        -------
        int
            Number of bonds proposed.
        """
        kept = [array.copy() for array in (*self.dual, self.atoms.positions)]
        spared, reach = np.zeros(len(self.dual.owner), dtype=bool), _SPARED
        while True:
            open_ = np.flatnonzero(~spared[bonds])
            proposed, made, torn = metropolis.compiled(SILICA)(
                self.dual, self.atoms, bonds[open_], chances[open_], target, alpha, temperature, self.radius, most
            )
            self.torn += torn
            bad = self.relax() if made else np.empty(0, dtype=np.int64)
            if not bad.size:
                self.made += made
                return len(bonds) if proposed == len(open_) else int(open_[proposed])
            self.torn += made
            for array, old in zip((*self.dual, self.atoms.positions), kept, strict=True):
                array[...] = old
            while np.all(spared[around := self._bonds_near(bad, reach)]):  # it tears by bonds further away
                reach *= 1.5
            spared |= around

    def order(self) -> float:
        """Return the bond-orientational order: how much of the crystal's directions is left."""
        return bond_orientational_order(self.atoms.positions, bond_ends(self.dual), self.dual.cell)

    def relax(self) -> np.ndarray:
        """Relax all atoms, ring centres following; return the Si at which the network tears, if any."""
        system = System(self.atoms.positions, self.atoms.species, self.dual.cell)
        for _ in range(_NEWTON_STEPS):
            try:
                system.relax(_SMALL_FORCE, steps=1)
                at_minimum = True
            except ConvergenceError:
                at_minimum = False
            bad = misbonded(system.positions, self.dual, system.cell)
            if bad.size:
                return bad
            if at_minimum:
                self.atoms.positions[:] = system.positions
                centre_rings(self.dual, self.atoms.positions)
                return bad
        forces = np.abs(system.energy_forces()[1]).max(axis=1)
        return np.array([np.argmax(forces[: len(self.dual.corners)])])  # it goes on falling

    def _bonds_near(self, silicon: np.ndarray, reach: float) -> np.ndarray:
        """Mark the bonds whose O is within `reach` of one of the Si."""
        oxygen = self.atoms.positions[len(self.dual.corners) :]
        away = minimum_image(oxygen[:, None] - self.atoms.positions[silicon], self.dual.cell)
        return np.any(np.linalg.norm(away, axis=2) < reach, axis=1)


def _centroids(dual: Dual) -> np.ndarray:
    """Centroids (n_si, 2) of the triangles of ring centres."""
    first = dual.centres[dual.corners[:, 0]]
    others = [minimum_image(dual.centres[dual.corners[:, k]] - first, dual.cell) for k in (1, 2)]
    return first + (others[0] + others[1]) / 3.0


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
