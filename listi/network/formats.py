"""Silica networks to and from ASE, extended XYZ and LAMMPS data files.

These formats hold atoms, not Si-Si bonds: a network that is read gets a bond where two Si share an O. The formats are
three-dimensional: atoms lie at z = 0 in a cell 1 Å thick that is not periodic along z.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .bonds import bonds_through_oxygen
from .network import OXYGEN, SILICON, Network

if TYPE_CHECKING:
    from ase import Atoms

SYMBOLS = ("Si", "O")
_MASSES = (28.085, 15.999)  # standard atomic weights [u]
_LAMMPS_TYPES = {1: 14, 2: 8}  # LAMMPS atom type -> atomic number


def to_ase(network: Network) -> Atoms:
    """Return the network as `ase.Atoms` at z = 0, periodic along x and y.

    Raises
    ------
    ValueError
        If there are other species than 0 = Si and 1 = O.
    """
    from ase import Atoms  # optional dependency

    _check_silica(network)
    return Atoms(
        numbers=np.array(list(_LAMMPS_TYPES.values()))[network.species],
        positions=np.column_stack([network.positions, np.zeros(network.n_atoms)]),
        cell=[*network.cell, 1.0],
        pbc=[True, True, False],
    )


def from_ase(atoms: Atoms) -> Network:
    """Return the network of `ase.Atoms` in the xy plane, bonds taken from shared O.

    Raises
    ------
    ValueError
        If there are other elements than Si and O, the cell is not rectangular, or an O has more than two Si.
    """
    numbers = atoms.get_atomic_numbers()
    foreign = np.flatnonzero(~np.isin(numbers, list(_LAMMPS_TYPES.values())))
    if foreign.size:
        raise ValueError(f"atoms: atom {foreign[0]} is {atoms.symbols[foreign[0]]}; allowed are Si and O")
    matrix = np.asarray(atoms.cell)
    if abs(matrix[0, 1]) > 1e-9 or abs(matrix[1, 0]) > 1e-9:
        raise ValueError(f"atoms: cell {matrix[:2, :2].tolist()} is not a rectangle along x and y")
    species, positions = np.where(numbers == 8, OXYGEN, SILICON), atoms.get_positions()[:, :2]
    cell = np.array([matrix[0, 0], matrix[1, 1]])
    if np.any(cell <= 0.0):
        raise ValueError(f"atoms: cell edges {cell.tolist()} are not > 0 Å")
    return Network(positions, species, bonds_through_oxygen(positions, species, cell), cell)


def write_extxyz(network: Network, path: str | Path) -> None:
    """Write an extended XYZ file, coordinates to the last bit; raises as `to_ase`."""
    _check_silica(network)
    width, height = network.cell
    lines = [
        f"{network.n_atoms}",
        f'Lattice="{width:.17g} 0 0 0 {height:.17g} 0 0 0 1" Properties=species:S:1:pos:R:3 pbc="T T F"',
        *(f"{SYMBOLS[s]} {x:.17g} {y:.17g} 0" for s, (x, y) in zip(network.species, network.positions, strict=True)),
    ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_extxyz(path: str | Path) -> Network:
    """Read an extended XYZ file of Si and O in a rectangular cell; raises as `from_ase`."""
    from ase.io import read

    return from_ase(read(path, format="extxyz"))


def write_lammps_data(network: Network, path: str | Path) -> None:
    """Write a LAMMPS data file, `atom_style atomic`, type 1 = Si, type 2 = O; raises as `to_ase`."""
    _check_silica(network)
    width, height = network.cell
    lines = [
        "two-dimensional silica network, lengths in angstrom",
        f"\n{network.n_atoms} atoms\n2 atom types\n",
        f"0 {width:.17g} xlo xhi\n0 {height:.17g} ylo yhi\n-0.5 0.5 zlo zhi",
        f"\nMasses\n\n1 {_MASSES[0]}\n2 {_MASSES[1]}",
        "\nAtoms # atomic\n",
        *(
            f"{number} {s + 1} {x:.17g} {y:.17g} 0"
            for number, (s, (x, y)) in enumerate(zip(network.species, network.positions, strict=True), start=1)
        ),
    ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_lammps_data(path: str | Path) -> Network:
    """Read a LAMMPS data file as `write_lammps_data` makes it; raises as `from_ase`."""
    from ase.io import read

    return from_ase(read(path, format="lammps-data", atom_style="atomic", Z_of_type=_LAMMPS_TYPES))


def _check_silica(network: Network) -> None:
    bad = np.flatnonzero(network.species > OXYGEN)
    if bad.size:
        raise ValueError(f"network: atom {bad[0]} has species {network.species[bad[0]]}; allowed are 0 (Si) and 1 (O)")
