"""The potentials of this package as a calculator of ASE."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from .forms import SILICA
from .potential import Potential
from .system import System


class ListiCalculator(Calculator):
    """Energy, forces and stress of a flat glass for ASE: its optimisers, filters and dynamics.

    ASE takes energies for eV. They are in the potential's own reduced unit, and so are forces and stresses, with Å.
    Atoms lie in the xy plane of a rectangular cell that is periodic along x and y, as `listi.to_ase` makes it; nothing
    depends on z. The stress is that of ASE: per volume, tension positive, in the order xx, yy, zz, yz, xz, xy. It needs
    a thickness, the edge of the cell along z, 1 Å in what `listi.to_ase` returns.

    Parameters
    ----------
    potential : Potential
        What atoms do to each other; the paper's by default. Its `symbols` are the elements that it knows.

    Examples
    --------
    >>> import listi
    >>> from ase.optimize import FIRE
    >>> atoms = listi.to_ase(listi.generate(nx=10, ny=12))
    >>> atoms.calc = listi.ListiCalculator()
    >>> atoms.rattle(0.01)
    >>> bool(FIRE(atoms, logfile=None).run(fmax=0.01))
    True
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, potential: Potential = SILICA, **kwargs) -> None:
        super().__init__(**kwargs)
        self.potential = potential
        self._system: System | None = None

    def calculate(self, atoms: Atoms | None = None, properties=("energy",), system_changes=all_changes) -> None:
        """Compute energy, forces and stress; called by ASE.

        Raises
        ------
        ValueError
            If the cell is not a rectangle periodic along x and y or is too small, an element is not one of the
            potential's, or the stress is wanted of a cell without thickness.
        """
        super().calculate(atoms, properties, system_changes)
        if self._system is None or {"numbers", "cell", "pbc"} & set(system_changes):
            self._system = self._new_system()
        system = self._system
        system.positions = self.atoms.positions[:, :2].copy()
        energy, in_plane = system.energy_forces()
        self.results = {"energy": energy, "forces": np.column_stack([in_plane, np.zeros(len(in_plane))])}
        thickness = self.atoms.cell[2, 2]
        if thickness > 0.0:
            (xx, xy), (_, yy) = system.stress() / thickness
            self.results["stress"] = np.array([xx, yy, 0.0, 0.0, 0.0, xy])
        elif "stress" in properties:
            raise ValueError(f"atoms: cell {self.atoms.cell.tolist()} has no thickness along z, which a stress needs")

    def _new_system(self) -> System:
        atoms, symbols = self.atoms, self.potential.symbols
        if not np.all(atoms.pbc[:2]):
            raise ValueError(f"atoms: pbc {atoms.pbc.tolist()}; the cell must be periodic along x and y")
        cell = np.array(atoms.cell)
        if np.any(np.abs(cell - np.diag(np.diag(cell))) > 1e-9):
            raise ValueError(f"atoms: cell {cell.tolist()} is not a rectangle along x and y")
        for number, symbol in enumerate(atoms.get_chemical_symbols()):
            if symbol not in symbols:
                raise ValueError(f"atoms: atom {number} is {symbol}; the potential has {', '.join(symbols)}")
        species = [symbols.index(symbol) for symbol in atoms.get_chemical_symbols()]
        return System(atoms.positions[:, :2], species, np.diag(cell)[:2], potential=self.potential)
