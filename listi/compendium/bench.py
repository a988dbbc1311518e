"""`listi bench`: how long things take on this machine, each relative to a reference measured in the same run.

The reference is LAMMPS (extra ``test``) for relaxation, probing and remote deformation, and this code itself for the
others. Times are CPU times of one core after a first call, which compiles, or wall times where the row says so.
"""

from __future__ import annotations

import functools
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from .. import __version__
from ..files import PACKAGE, write_json
from ..generation.generate import generate
from ..mechanics import lammps
from ..mechanics.shear import deform, relax
from ..mechanics.system import System
from ..network.bonds import bond_orientational_order
from ..network.geometry import wrap
from ..network.network import Network
from ..network.rings import aboav_weaire
from ..probing.probe import probe

Row = tuple[str, float, str]  # what, value, unit

SIZES = ((1, 1), (2, 2), (4, 4), (5, 8))  # copies along x and y of a glass of 2400 atoms: up to 96 000
GENERATED = ((20, 24), (40, 48), (80, 96))  # rings along x and y of the samples timed: 2400, 9600, 38 400 atoms
# Rings along x and y of samples for the study of growth: 600 to 104 000 atoms.
RINGS = ((10, 12), (20, 24), (40, 48), (80, 96), (130, 160))
N_PROBES = 200  # probes timed
N_LAMMPS_PROBES = 10  # of them, those that LAMMPS does too
N_LAMMPS_STEPS = 20  # steps of 1e-4 of the deformation that LAMMPS does
NOISE = 0.01  # displacement of the atoms from the minimum to which they are relaxed [Å]


def run(parts: Sequence[str], output: Path, with_lammps: bool = True) -> dict:
    """Run benchmarks, print a table and write JSON.

    Parameters
    ----------
    parts : sequence of str
        Names in `PARTS`; all if empty.
    output : Path
        JSON file, written anew after each benchmark.
    with_lammps : bool
        Whether LAMMPS does the same for comparison.

    Returns
    -------
    dict
        The content of the file: `parts`, for each the rows (what, value, unit); version, machine, processor and cores.

    Raises
    ------
    ValueError
        If a part is unknown or LAMMPS is not installed; nothing has been measured then.
    """
    for name in parts:
        if name not in PARTS:
            raise ValueError(f"PART: {name!r} is not allowed; it must be one of {', '.join(PARTS)}")
    if with_lammps:
        try:
            lammps.start()
        except RuntimeError as error:
            raise ValueError(f"{error}; or leave it out by --no-lammps") from error
    record = {"version": __version__, "machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()}
    record["parts"] = {}
    for name in parts or PARTS:
        rows = PARTS[name](with_lammps)
        record["parts"][name] = rows
        print(name)
        for label, value, unit in rows:
            print(f"  {label:<58s} {value:12.4g} {unit}", flush=True)
        write_json(output, record)
    return record


def _processor() -> str:
    """Name of the kind of processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or another kind of processor
        return platform.processor() or platform.machine()


def _seconds(function: Callable[[], object], repeats: int = 1, clock: Callable[[], float] = time.process_time) -> float:
    """Least time of one call [s]."""
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


def _compared(what: str, seconds: float, reference: str, other: float) -> list[Row]:
    """Rows of a time, that of the reference, and their ratio."""
    return [(what, seconds, "s"), (reference, other, "s"), (f"{reference} / {what}", other / seconds, "")]


@functools.cache
def _glass(nx: int = 40, ny: int = 48) -> tuple[Network, float]:
    """A glass, 9600 atoms by default, and the time that its generation took [s]."""
    generate(10, 12, seed=1)  # compiles what has not been compiled
    start = time.process_time()
    return generate(nx, ny, seed=1), time.process_time() - start


def _points(network: Network, n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.0, 1.0, (n, 2)) * network.cell


def _generation(with_lammps: bool) -> list[Row]:
    rows: list[Row] = []
    sizes, times = [], []
    for rings in GENERATED:
        network, seconds = _glass(*rings)
        force = _seconds(System(network.positions, network.species, network.cell).energy_forces, 20)
        rows.append((f"a sample of {network.n_atoms} atoms", seconds, "s"))
        rows.append((f"the same in force evaluations of {network.n_atoms} atoms", seconds / force, ""))
        sizes.append(network.n_atoms)
        times.append(seconds)
    exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0] if len(sizes) > 1 else np.nan
    return [*rows, ("exponent of the number of atoms", float(exponent), "")]


def _relaxation(with_lammps: bool) -> list[Row]:
    network, _ = _glass()
    noise = np.random.default_rng(0).normal(0.0, NOISE, network.positions.shape)
    shaken = network.replace(positions=network.positions + noise)
    what = f"relaxation of 9600 atoms moved by {NOISE} Å"
    seconds = _seconds(lambda: relax(shaken), 3)
    if not with_lammps:
        return [(what, seconds, "s")]
    lmp = lammps.build(shaken)
    lmp.command("min_modify dmax 0.05 line quadratic")
    return _compared(what, seconds, "by LAMMPS cg", _seconds(lambda: lammps.strain_to(lmp, network.cell, 0)))


def _deformation(with_lammps: bool) -> list[Row]:
    network, _ = _glass()
    deform(_glass(10, 12)[0], max_strain=0.001)
    sheared: list[xr.Dataset] = []
    seconds = _seconds(lambda: sheared.append(deform(network, n_events=6)))
    what = "to the sixth event in steps of 1e-4, 9600 atoms"
    steps = round(float(sheared[0].event_strain[-1]) / 1e-4)
    if not with_lammps:
        return [(what, seconds, "s"), ("steps", steps, "")]
    lmp = lammps.build(network)
    lmp.command("min_modify dmax 0.05 line quadratic")
    few = range(1, N_LAMMPS_STEPS + 1)
    other = _seconds(lambda: [lammps.strain_to(lmp, network.cell, step) for step in few])
    reference = f"by LAMMPS cg, from {N_LAMMPS_STEPS} steps"
    return [*_compared(what, seconds, reference, other * steps / N_LAMMPS_STEPS), ("steps", steps, "")]


def _probing(with_lammps: bool) -> list[Row]:
    network, _ = _glass()
    points = _points(network, N_PROBES)
    probe(network, points=points[:1], workers=1)
    results: list[xr.Dataset] = []
    seconds = _seconds(lambda: results.append(probe(network, points=points, workers=1))) / N_PROBES
    if not with_lammps:
        return [("a probe", seconds, "s")]
    strains: list[float] = []
    other = _seconds(
        lambda: strains.extend(lammps.probe(network, p, 11.0, 1e-3, 1e-8) for p in points[:N_LAMMPS_PROBES])
    )
    agree = np.abs(strains - results[0].critical_strain.values[:N_LAMMPS_PROBES]) < 1.1e-3
    return [
        *_compared("a probe", seconds, "by LAMMPS in steps of 1e-3", other / N_LAMMPS_PROBES),
        ("probes with the instability in the same step", float(agree.mean()), ""),
    ]


def _map(with_lammps: bool) -> list[Row]:
    network, _ = _glass()
    probe(network, points=_points(network, 1), workers=1)
    one, two = (
        _seconds(lambda w=workers: probe(network, grid=(50, 50), workers=w), clock=time.perf_counter)
        for workers in (1, 2)
    )
    return _compared("a map of 50 x 50 by probing on two cores, wall time", two, "on one core, wall time", one)


def _prediction(with_lammps: bool) -> list[Row]:
    from ..learning.predict import predict  # TensorFlow takes seconds to import

    network, _ = _glass()
    points = _points(network, N_PROBES)
    probe(network, points=points[:1])
    probed = _seconds(lambda: probe(network, points=points), clock=time.perf_counter) / N_PROBES * 2500
    first = _seconds(lambda: predict(network), clock=time.perf_counter)
    seconds = _seconds(lambda: predict(network), 5, time.perf_counter)
    return [
        *_compared("a map of 50 x 50 by listi, wall time", seconds, "by probing on all cores, wall time", probed),
        ("the first map, TensorFlow and the network loaded, wall time", first, "s"),
    ]


FIRST_CALLS = """
import listi
glass = listi.relax(listi.generate(10, 12, seed=1))
listi.probe(glass, points=[[5.0, 5.0]])
listi.deform(glass, max_strain=1e-3)
"""


def _first_call(with_lammps: bool) -> list[Row]:
    """In processes of their own, with an empty folder of compiled kernels and with what the first one left there."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as kernels:
        environment = {**os.environ, "NUMBA_CACHE_DIR": kernels, "PYTHONPATH": path}
        command = [sys.executable, "-c", FIRST_CALLS]
        first, second = (
            _seconds(lambda: subprocess.run(command, env=environment, check=True), clock=time.perf_counter)
            for _ in range(2)
        )
    what = "generate, relax, probe and deform 600 atoms, kernels compiled, wall time"
    return _compared(what, second, "the same in a new environment, wall time", first)


def repeat(network: Network, nx: int, ny: int) -> Network:
    """Return nx x ny copies of a sample side by side, which is at an energy minimum as the sample is."""
    copies = np.stack(np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"), -1).reshape(-1, 2)
    first, second = network.bonds.T
    positions = wrap(network.positions, network.cell)
    across = -np.rint((positions[second] - positions[first]) / network.cell).astype(int)
    there = (copies[:, None] + across) % (nx, ny)
    bonds = np.stack(
        [
            first + network.n_atoms * np.arange(len(copies))[:, None],
            second + network.n_atoms * (there[..., 0] * ny + there[..., 1]),
        ],
        -1,
    )
    return Network(
        (positions + (copies * network.cell)[:, None]).reshape(-1, 2),
        np.tile(network.species, len(copies)),
        bonds.reshape(-1, 2),
        network.cell * (nx, ny),
    )


def measure_sizes(
    copies: Sequence[tuple[int, int]], n_probes: int, rings: tuple[int, int] = (20, 24), seed: int = 1
) -> dict[int, dict[str, float]]:
    """CPU time of one force evaluation and one probe [s], and bytes kept for forces, in samples of several sizes.

    Parameters
    ----------
    copies : sequence of (int, int)
        Numbers of copies of the same glass along x and y.
    n_probes : int
        Probes timed in each copy, at the same points: a sample twice as large has twice as many, as a map has.
    rings : (int, int)
        Of that glass along x, and its rows of rings.
    seed : int
        Of that glass.

    Returns
    -------
    dict
        Number of atoms to ``force`` [s], ``probe`` [s] and ``memory`` [bytes] of positions, forces and neighbour list.
    """
    measured = {}
    glass = generate(*rings, seed=seed)
    points = _points(glass, n_probes)
    for nx, ny in copies:
        network = repeat(glass, nx, ny)
        system = System(network.positions, network.species, network.cell)
        forces = system.energy_forces()[1]
        corners = np.array([(i, j) for i in range(nx) for j in range(ny)]) * glass.cell
        everywhere = np.concatenate([points + corner for corner in corners])
        probe(network, points=points[:1], workers=1)
        measured[network.n_atoms] = {
            "force": _seconds(system.energy_forces, 20),
            "probe": _seconds(lambda n=network, p=everywhere: probe(n, points=p, workers=1), 2) / len(everywhere),
            "memory": system.partner.nbytes + system.first.nbytes + system.positions.nbytes + forces.nbytes,
        }
    return measured


def measure_growth(rings: tuple[int, int], seed: int = 0, n_events: int = 6) -> dict[str, float]:
    """Measure the cost of generating a sample and shearing it to an event, and properties of the sample.

    Parameters
    ----------
    rings : (int, int)
        Rings along x, rows of rings along y.
    seed : int
        Of the sample.
    n_events : int
        Events after which the deformation ends.

    Returns
    -------
    dict
        ``atoms``; CPU times ``generate`` and ``shear`` [s]; ``memory`` [bytes], the most that this process has held so
        far; ``strain`` of the last event; ``alpha``, the Aboav-Weaire parameter, ``order``, the bond-orientational
        order, and ``tension``, the mean normal stress [energy/Å²] of the undeformed sample.
    """
    deform(generate(8, 10, seed=0), n_events=1)  # compiles what is not cached
    made: list[Network] = []
    sheared: list[xr.Dataset] = []
    times = {"generate": _seconds(lambda: made.append(generate(*rings, seed=seed)))}
    network = made[0]
    times["shear"] = _seconds(lambda: sheared.append(deform(network, n_events=n_events)))
    stress = System(network.positions, network.species, network.cell).stress()
    unit = 1 if sys.platform == "darwin" else 1024
    return times | {
        "atoms": network.n_atoms,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "strain": float(sheared[0].event_strain[-1]),
        "alpha": aboav_weaire(network),
        "order": float(bond_orientational_order(network.positions, network.bonds, network.cell)),
        "tension": 0.5 * float(np.trace(stress)),
    }


def _size(with_lammps: bool) -> list[Row]:
    rows: list[Row] = []
    for n, row in measure_sizes(SIZES, N_PROBES).items():
        rows.append((f"force evaluation per atom, {n} atoms", 1e9 * row["force"] / n, "ns"))
        rows.append((f"one probe, {n} atoms", 1e3 * row["probe"], "ms"))
        rows.append((f"memory per atom, {n} atoms", row["memory"] / n, "bytes"))
    return rows


PARTS = {
    "generation": _generation,
    "relaxation": _relaxation,
    "deformation": _deformation,
    "probing": _probing,
    "map": _map,
    "prediction": _prediction,
    "first call": _first_call,
    "size": _size,
}
