"""Silica networks to and from ASE, extended XYZ and LAMMPS data files.

These formats hold atoms, not Si-Si bonds: a network that is read gets a bond where two Si share an O. The formats are
three-dimensional: atoms lie at z = 0 in a cell 1 Å thick that is not periodic along z. Quantities of atoms, as
`listi.per_atom` gathers them, go along: one column each, vectors with z = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..files import write_bytes
from .bonds import SYMBOLS, bonds_through_oxygen
from .network import OXYGEN, SILICON, Network

if TYPE_CHECKING:
    from ase import Atoms

FLAT = 0.1  # heights of the atoms of a flat glass differ by no more [Å]
MASSES = (28.085, 15.999)  # standard atomic weights of Si and O [u]
_LAMMPS_TYPES = {1: 14, 2: 8}  # LAMMPS atom type -> atomic number
_RESERVED = ("species", "pos", "numbers", "positions")  # columns that atoms have anyway


def to_ase(network: Network, quantities: xr.Dataset | None = None) -> Atoms:
    """Return the network as `ase.Atoms` at z = 0, periodic along x and y.

    Parameters
    ----------
    network : Network
    quantities : Dataset over atom, optional
        Each variable, over (atom) or (atom, xy), becomes one of `Atoms.arrays`; what is over xy gets a third
        component 0. From `listi.per_atom`, for example.

    Raises
    ------
    ValueError
        If there are other species than 0 = Si and 1 = O, or a quantity is not of these atoms.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> atoms = listi.to_ase(glass)
    >>> atoms.get_chemical_formula()
    'O360Si240'
    """
    from ase import Atoms  # optional dependency

    _check_silica(network)
    columns = _columns(network, quantities)
    atoms = Atoms(
        numbers=np.array(list(_LAMMPS_TYPES.values()))[network.species],
        positions=np.column_stack([network.positions, np.zeros(network.n_atoms)]),
        cell=[*network.cell, 1.0],
        pbc=[True, True, False],
    )
    for name, values in columns.items():
        atoms.set_array(name, values)
    return atoms


def from_ase(atoms: Atoms) -> Network:
    """Return the network of `ase.Atoms` in the xy plane, bonds taken from shared O.

    `ase.io.read` reads many formats; of Si without O, `listi.network_of` makes a network.

    Raises
    ------
    ValueError
        If there are other elements than Si and O, or no O; if the cell is not rectangular or not periodic along x and
        y; if the atoms are not in a plane; or if an O has more than two Si.

    Examples
    --------
    >>> import ase
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> listi.from_ase(listi.to_ase(glass)).n_atoms
    600
    >>> listi.from_ase(ase.Atoms("GeO2"))
    Traceback (most recent call last):
    ValueError: atoms: atom 0 is Ge; allowed are Si and O
    """
    numbers = atoms.get_atomic_numbers()
    foreign = np.flatnonzero(~np.isin(numbers, list(_LAMMPS_TYPES.values())))
    if foreign.size:
        raise ValueError(f"atoms: atom {foreign[0]} is {atoms.symbols[foreign[0]]}; allowed are Si and O")
    species = np.where(numbers == 8, OXYGEN, SILICON)
    if not np.any(species == OXYGEN):
        raise ValueError("atoms: there is no O; listi.network_of makes a network of Si alone")
    cell, positions = _plane(atoms)
    return Network(positions, species, bonds_through_oxygen(positions, species, cell), cell)


def _plane(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Cell (2,) and positions (n_atoms, 2) [Å]; refuses what is not flat, rectangular and periodic."""
    matrix = np.asarray(atoms.cell)
    if not np.all(atoms.pbc[:2]):
        raise ValueError(f"atoms: pbc {atoms.pbc.tolist()}; the cell must be periodic along x and y")
    if np.any(np.abs(matrix - np.diag(np.diag(matrix))) > 1e-9):
        raise ValueError(f"atoms: cell {matrix.tolist()} is not a rectangle along x and y")
    cell = np.diag(matrix)[:2].copy()
    if np.any(cell <= 0.0):
        raise ValueError(f"atoms: cell edges {cell.tolist()} are not > 0 Å")
    x, y, z = atoms.get_positions().T
    if np.ptp(z) > FLAT:
        raise ValueError(f"atoms: heights z differ by {np.ptp(z):.3g} Å; in a flat glass by at most {FLAT} Å")
    return cell, np.column_stack([x, y])


def write_extxyz(network: Network, path: str | Path, quantities: xr.Dataset | None = None) -> None:
    """Write an extended XYZ file, coordinates to the last bit: OVITO opens it, and `ase.io.read`.

    Parameters
    ----------
    network : Network
    path : path
        File to write, usually ending in .xyz.
    quantities : Dataset over atom, optional
        As for `to_ase`: each variable becomes a column by its name, to colour atoms by. Their units stand in the
        file's second line.

    Raises
    ------
    ValueError
        As `to_ase`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> listi.write_extxyz(glass, "glass.xyz", listi.per_atom(glass))
    >>> import ase.io
    >>> sorted(ase.io.read("glass.xyz").arrays)
    ['largest_ring', 'numbers', 'positions', 'ring_size', 'shear_stress', 'tension']
    """
    _check_silica(network)
    columns = _columns(network, quantities)
    kinds = "".join(
        f":{name}:{'I' if column.dtype.kind in 'iu' else 'R'}:{column[0].size}" for name, column in columns.items()
    )
    units = "; ".join(f"{name} {quantities[name].attrs.get('units', '1')}" for name in columns)
    width, height = network.cell
    comment = f'Lattice="{width:.17g} 0 0 0 {height:.17g} 0 0 0 1" Properties=species:S:1:pos:R:3{kinds} pbc="T T F"'
    rows = zip(network.species, network.positions, *columns.values(), strict=True)
    lines = [
        f"{network.n_atoms}",
        comment + (f' units="{units}"' if units else ""),
        *(
            f"{SYMBOLS[s]} {x:.17g} {y:.17g} 0" + "".join(f" {v:.9g}" for value in values for v in np.ravel(value))
            for s, (x, y), *values in rows
        ),
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _columns(network: Network, quantities: xr.Dataset | None) -> dict[str, np.ndarray]:
    """Values of every quantity of atoms, shape (n_atoms,) or (n_atoms, 3)."""
    columns = {}
    for name in [] if quantities is None else map(str, quantities.data_vars):
        dims, sizes = quantities[name].dims, quantities[name].sizes
        if set(dims) not in ({"atom"}, {"atom", "xy"}) or sizes["atom"] != network.n_atoms:
            raise ValueError(
                f"quantities: {name} over {dict(sizes)} is not of {network.n_atoms} atoms, over atom or (atom, xy)"
            )
        if name in _RESERVED or not name.isidentifier():
            raise ValueError(f"quantities: {name!r} cannot be the name of a column")
        values = quantities[name].transpose("atom", ...).values
        if values.dtype.kind not in "iuf":
            values = values.astype(int)
        columns[name] = values if values.ndim == 1 else np.column_stack([values, np.zeros(network.n_atoms)])
    return columns


def read_extxyz(path: str | Path) -> Network:
    """Read an extended XYZ file of Si and O in a rectangular cell; raises as `from_ase`."""
    from ase.io import read

    return from_ase(read(path, format="extxyz"))


def write_lammps_data(network: Network, path: str | Path, masses: Sequence[float] = MASSES) -> None:
    """Write a LAMMPS data file, `atom_style atomic`, species s as type s + 1, with the mass of each species.

    Raises
    ------
    ValueError
        If an atom is of a species without a mass.
    """
    _check_silica(network, len(masses))
    width, height = network.cell
    lines = [
        "two-dimensional network, lengths in angstrom",
        f"\n{network.n_atoms} atoms\n{len(masses)} atom types\n",
        f"0 {width:.17g} xlo xhi\n0 {height:.17g} ylo yhi\n-0.5 0.5 zlo zhi",
        "\nMasses\n",
        *(f"{kind} {mass}" for kind, mass in enumerate(masses, start=1)),
        "\nAtoms # atomic\n",
        *(
            f"{number} {s + 1} {x:.17g} {y:.17g} 0"
            for number, (s, (x, y)) in enumerate(zip(network.species, network.positions, strict=True), start=1)
        ),
    ]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def read_lammps_data(path: str | Path) -> Network:
    """Read a LAMMPS data file as `write_lammps_data` makes it; raises as `from_ase`."""
    from ase.io import read

    return from_ase(read(path, format="lammps-data", atom_style="atomic", Z_of_type=_LAMMPS_TYPES))


def _check_silica(network: Network, n_species: int = len(SYMBOLS)) -> None:
    allowed = "0 (Si) and 1 (O)" if n_species == len(SYMBOLS) else f"0 to {n_species - 1}"
    for atom in np.flatnonzero(network.species >= n_species)[:1]:
        raise ValueError(f"network: atom {atom} has species {network.species[atom]}; allowed are {allowed}")
