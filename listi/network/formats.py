"""Silica networks to and from ASE, extended XYZ and LAMMPS data files.

These formats hold atoms, not Si-Si bonds: a network that is read gets a bond where two Si share an O. The formats are
three-dimensional: atoms lie at z = 0 in a cell 1 Å thick that is not periodic along z. Quantities of atoms, as
`listi.per_atom` gathers them, are written too: one column each, vectors with z = 0.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..files import DataError, as_path, write_bytes
from .bonds import FREE_EDGES, SYMBOLS, check_scale, network_of
from .network import OXYGEN, Network, check_network

if TYPE_CHECKING:
    from ase import Atoms

FLAT = 0.1  # heights of the atoms of a flat glass differ by no more [Å]
TILT = 1e-4  # edges of a rectangle are parallel to x and y within this [Å]: files hold few digits
MASSES = (28.085, 15.999)  # standard atomic weights of Si and O [u]
TYPES_WITHOUT_ELEMENTS = (
    "; if they are types of LAMMPS, ase.io.read needs specorder=['Si', 'O'] for a dump, "
    "Z_of_type={1: 14, 2: 8} for a data file"
)
_RESERVED = {  # columns that atoms have in any case, and those that ASE takes for something else
    *("species", "symbols", "pos", "positions", "numbers", "Z", "move_mask", "charge", "charges", "initial_charges"),
    *("energy", "energies", "free_energy", "forces", "stress", "stresses", "dipole", "magmom", "magmoms"),
    *("polarization", "dielectric_tensor", "born_effective_charges"),
}


def to_ase(network: Network, quantities: xr.Dataset | None = None, symbols: Sequence[str] = SYMBOLS) -> Atoms:
    """Return the network as `ase.Atoms` at z = 0, periodic along x and y.

    Parameters
    ----------
    network : Network
    quantities : Dataset over atom, optional
        Each variable, over (atom) or (atom, xy), becomes one of `Atoms.arrays`; what is over xy gets a third
        component 0. From `listi.per_atom`, for example.
    symbols : sequence of str
        Chemical element of each species; `Potential.symbols` of a material of your own.

    Raises
    ------
    ValueError
        If there are more species than symbols, a symbol is no element, or a quantity is not of these atoms.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> atoms = listi.to_ase(glass)
    >>> atoms.get_chemical_formula()
    'O360Si240'
    """
    from ase import Atoms  # optional dependency

    _check_species(network, symbols)
    columns = _columns(network, quantities)
    atoms = Atoms(
        numbers=_atomic_numbers(symbols)[network.species],
        positions=np.column_stack([network.positions, np.zeros(network.n_atoms)]),
        cell=[*network.cell, 1.0],
        pbc=[True, True, False],
    )
    for name, values in columns.items():
        atoms.set_array(name, values)
    return atoms


def _atomic_numbers(symbols: Sequence[str]) -> np.ndarray:
    from ase.data import atomic_numbers

    for symbol in symbols:
        if symbol not in atomic_numbers:
            raise ValueError(f"symbols: {symbol!r} is no chemical element, and ASE has no other species")
    return np.array([atomic_numbers[symbol] for symbol in symbols])


def from_ase(atoms: Atoms, symbols: Sequence[str] = SYMBOLS, scale: float = 1.0, flatten: bool = False) -> Network:
    """Return the network of `ase.Atoms` in the xy plane; in silica, two Si that share an O are bonded.

    `ase.io.read` reads many formats. A LAMMPS file without elements needs to be read with
    ``specorder=["Si", "O"]`` (dump) or ``Z_of_type={1: 14, 2: 8}`` (data). `listi.network_of` makes a network of Si
    without O.

    Parameters
    ----------
    atoms : ase.Atoms
        In a rectangular cell, its edges along x and y in any order and direction, periodic along both.
    symbols : sequence of str
        Chemical element of each species. Elements other than Si and O make a network without bonds.
    scale : float
        Factor by which all lengths are multiplied: 10 for lengths in nm, 0.529177 for Bohr radii.
    flatten : bool
        Leave out the heights z, however much they differ, with a warning that says by how much.

    Raises
    ------
    ValueError
        If `atoms` is something else; if there are other elements, or no O; if the cell is not rectangular or not
        periodic along x and y; if the atoms are not in a plane; or as `listi.network_of`.

    Warns
    -----
    UserWarning
        As `listi.network_of`; and of the heights that are left out.

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
    from ase import Atoms

    if not isinstance(atoms, Atoms):
        raise ValueError(f"atoms: {type(atoms).__name__} is not ase.Atoms, which ase.io.read makes of a file")
    check_scale(scale)
    matches = atoms.get_atomic_numbers()[:, None] == _atomic_numbers(symbols)
    for atom in np.flatnonzero(~matches.any(axis=1))[:1]:
        hint = TYPES_WITHOUT_ELEMENTS if atoms.numbers.max() <= 2 else ""  # ASE takes types 1 and 2 for H and He
        raise ValueError(f"atoms: atom {atom} is {atoms.symbols[atom]}; allowed are {' and '.join(symbols)}{hint}")
    species = np.argmax(matches, axis=1)
    is_silica = tuple(symbols) == SYMBOLS
    if is_silica and not np.any(species == OXYGEN):
        raise ValueError("atoms: there is no O; listi.network_of makes a network of Si alone")
    cell, positions = _plane(atoms, flatten)
    if is_silica:
        return network_of(positions, cell, species, scale)
    return Network(positions * scale, species, None, cell * scale)


def _plane(atoms: Atoms, flatten: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cell (2,) and positions (n_atoms, 2) [Å]; refuses what is not flat, rectangular and periodic."""
    matrix = np.asarray(atoms.cell)
    if not np.all(atoms.pbc[:2]):
        raise ValueError(f"atoms: pbc {atoms.pbc.tolist()}; the cell must be periodic along x and y; {FREE_EDGES}")
    size = np.abs(matrix)
    along = size[:2, :2] > TILT  # which edge has which direction
    straight = np.array_equal(along, np.eye(2)) or np.array_equal(along, np.eye(2)[::-1])
    if not straight or np.any(size[:2, 2] > TILT) or np.any(size[2, :2] > TILT):
        raise ValueError(f"atoms: cell {matrix.tolist()} is not a rectangle along x and y{_turn_hint(matrix)}")
    x, y, z = atoms.get_positions().T
    if atoms.pbc[2] and matrix[2, 2]:
        z = z - matrix[2, 2] * np.round((z - z[0]) / matrix[2, 2])  # atoms at z = 0 and z = c are in one plane
    spread = np.ptp(z)
    if not np.isfinite(spread):
        raise ValueError(f"atoms: atom {np.flatnonzero(~np.isfinite(z))[0]} has no finite height z")
    if flatten and spread > 0.0:
        warnings.warn(f"atoms: heights z differ by {spread:.3g} Å; they are left out", stacklevel=3)
    elif spread > FLAT:
        raise ValueError(
            f"atoms: heights z differ by {spread:.3g} Å; in a flat glass by at most {FLAT} Å; "
            "flatten=True leaves them out"
        )
    return size[:2, :2].max(axis=0), np.column_stack([x, y])


def _turn_hint(matrix: np.ndarray) -> str:
    """Return how to turn a rectangle that lies obliquely in the xy plane; nothing for other cells."""
    first, second = matrix[:2]
    if (
        np.any(np.abs(matrix[:2, 2]) > TILT)
        or np.hypot(*first[:2]) <= TILT
        or abs(first @ second) > TILT * np.linalg.norm(second)
    ):
        return ""
    angle = np.degrees(np.arctan2(first[1], first[0]))
    return f"; atoms.rotate({-angle:.6g}, 'z', rotate_cell=True) turns it"


def write_extxyz(
    network: Network, path: str | Path, quantities: xr.Dataset | None = None, symbols: Sequence[str] = SYMBOLS
) -> None:
    """Write an extended XYZ file, coordinates to the last bit, for OVITO, `ase.io.read` and others.

    Parameters
    ----------
    network : Network
    path : path
        File to write, usually ending in .xyz, or in .xyz.gz if it is to be compressed.
    quantities : Dataset over atom, optional
        As for `to_ase`: each variable becomes a column by its name, to colour atoms by. Their units are in the
        file's second line.
    symbols : sequence of str
        As for `to_ase`; names that are no elements are written, too, but `ase.io.read` does not take them.

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
    _check_species(network, symbols)
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
            f"{symbols[s]} {x:.17g} {y:.17g} 0" + "".join(f" {v:.9g}" for value in values for v in np.ravel(value))
            for s, (x, y), *values in rows
        ),
    ]
    _write(path, lines)


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
            raise ValueError(
                f"quantities: {name!r} cannot be the name of a column: it is none, or has a meaning in the format"
            )
        values = quantities[name].transpose("atom", ...).values
        if values.dtype.kind not in "biuf":
            raise ValueError(f"quantities: {name} is {values.dtype}; only real numbers can be written")
        if values.dtype.kind == "b":
            values = values.astype(int)
        columns[name] = values if values.ndim == 1 else np.column_stack([values, np.zeros(network.n_atoms)])
    return columns


def read_extxyz(path: str | Path) -> Network:
    """Read an extended XYZ file of Si and O in a rectangular cell; raises as `from_ase`, and DataError."""
    return from_ase(_read(path, format="extxyz"))


def write_lammps_data(network: Network, path: str | Path, masses: Sequence[float] = MASSES) -> None:
    """Write a LAMMPS data file, `atom_style atomic`, species s as type s + 1, with the mass of each species.

    Raises
    ------
    ValueError
        If an atom is of a species without a mass.
    """
    _check_species(network, masses)
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
    _write(path, lines)


def read_lammps_data(path: str | Path, atom_style: str | None = None) -> Network:
    """Read a LAMMPS data file in which type 1 is Si and type 2 is O; raises as `from_ase`, and DataError.

    Parameters
    ----------
    path : path
    atom_style : str, optional
        "atomic", "charge", "full" or another of LAMMPS; by default as the file says after "Atoms #".
    """
    return from_ase(_read(path, format="lammps-data", atom_style=atom_style, Z_of_type={1: 14, 2: 8}))


def _read(path: str | Path, **how) -> Atoms:
    """Read a file by ASE, whose readers end in all kinds of errors; here they become a DataError."""
    from ase.io import read

    try:
        return read(as_path(path), **how)
    except Exception as error:
        raise DataError(f"{path}: cannot be read as {how['format']}: {str(error) or type(error).__name__}") from error


def _write(path: str | Path, lines: Sequence[str]) -> None:
    """Write lines, compressed if the name ends in .gz, as ASE, OVITO and LAMMPS read them."""
    data = ("\n".join(lines) + "\n").encode()
    write_bytes(path, gzip.compress(data, mtime=0) if as_path(path).suffix == ".gz" else data)


def _check_species(network: Network, kinds: Sequence) -> None:
    """Refuse species beyond the last of those whose symbols, or masses, are `kinds`."""
    check_network(network)
    names = kinds if isinstance(kinds[0], str) else range(len(kinds))
    for atom in np.flatnonzero(network.species >= len(kinds))[:1]:
        allowed = ", ".join(
            f"{number} ({name})" if name != number else f"{number}" for number, name in enumerate(names)
        )
        raise ValueError(f"network: atom {atom} has species {network.species[atom]}; allowed are {allowed}")
