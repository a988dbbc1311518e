"""`listi bench`: how long things take here, as ratios to a reference in the same run.

LAMMPS (extra ``test``) is the reference of force evaluation, probing and remote deformation. Every time is the
process's own CPU time on one core after a first call that compiles, unless it says otherwise; that call is reported
apart.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from .. import __version__
from ..files import write_json
from ..generation.generate import generate
from ..mechanics import lammps
from ..mechanics.shear import deform
from ..mechanics.system import System
from ..network.bonds import bond_orientational_order
from ..network.geometry import wrap
from ..network.network import Network
from ..network.rings import aboav_weaire, ring_sizes, ring_statistics
from ..probing.probe import probe

SIZES = ((1, 1), (2, 2), (4, 4), (5, 8))  # copies along x and y of a glass of 2400 atoms: up to 96 000
# Rings along x and y of samples timed from the crystal on: 600 to 104 000 atoms.
RINGS = ((10, 12), (20, 24), (40, 48), (80, 96), (130, 160))
STEPS = 400  # of 1e-4, of the remote deformation timed: the paper's


@dataclass(frozen=True)
class Amounts:
    """How much of each is measured: probes, those of them that LAMMPS does too, and its steps of a deformation."""

    probes: int
    reference_probes: int
    reference_steps: int


def run(parts: Sequence[str], probes: int, reference_probes: int, reference_steps: int, output: Path) -> dict:
    """Run the benchmarks named, print a table and write JSON.

    Parameters
    ----------
    parts : sequence of str
        Names in `PARTS`; all if empty.
    probes, reference_probes, reference_steps : int
        As in `Amounts`.
    output : Path
        JSON file, written anew after each benchmark.

    Returns
    -------
    dict
        What is written: `parts`, of each the rows (what, value, unit); version, machine and cores.

    Raises
    ------
    ValueError
        If a part is unknown or a number out of range; nothing has been measured then.
    """
    for name in parts:
        if name not in PARTS:
            raise ValueError(f"PART: {name!r} is not allowed; it must be one of {', '.join(PARTS)}")
    if probes < 1:
        raise ValueError(f"--probes: {probes} is not allowed; it must be at least 1")
    for name, number, most in (("probes", reference_probes, probes), ("steps", reference_steps, STEPS)):
        if not 1 <= number <= most:
            raise ValueError(f"--reference-{name}: {number} is not allowed; it must be from 1 to {most}")
    record = {"version": __version__, "machine": platform.machine(), "cores": os.cpu_count(), "parts": {}}
    for name in parts or PARTS:
        rows = PARTS[name](Amounts(probes, reference_probes, reference_steps))
        record["parts"][name] = rows
        print(name)
        for label, value, unit in rows:
            print(f"  {label:<58s} {value:12.4g} {unit}", flush=True)
        write_json(output, record)
    return record


def _seconds(function: Callable[[], object], repeats: int = 1, clock: Callable[[], float] = time.process_time) -> float:
    """Least time of one call [s]."""
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


def _points(network: Network, n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.0, 1.0, (n, 2)) * network.cell


def _generation(_: Amounts) -> list[tuple[str, float, str]]:
    compile_and_run = _seconds(lambda: generate(10, 12, seed=1))
    made: list[Network] = []
    seconds = _seconds(lambda: made.append(generate(40, 48, seed=1)))
    statistics = ring_statistics(ring_sizes(made[0]))
    return [
        ("first call, 600 atoms, compiling what is not cached", compile_and_run, "s"),
        ("one sample of 9600 atoms", seconds, "s"),
        ("fraction of 6-rings in it", statistics[6], ""),
        ("Aboav-Weaire parameter of it", aboav_weaire(made[0]), ""),
    ]


def _force(_: Amounts) -> list[tuple[str, float, str]]:
    network = generate(40, 48, seed=1)
    system = System(network.positions, network.species, network.cell)
    system.energy_forces()
    ours = _seconds(system.energy_forces, 50)
    lmp = lammps.build(network)
    lammps.evaluate(lmp)

    def evaluate_many() -> None:
        lmp.command("run 200 pre no post no")  # no integrator is set: the atoms rest, the forces are evaluated

    theirs = _seconds(evaluate_many, 3) / 200
    return [
        ("force evaluation, 9600 atoms", 1e3 * ours, "ms"),
        ("the same in LAMMPS", 1e3 * theirs, "ms"),
        ("ours / LAMMPS", ours / theirs, ""),
    ]


def _probing(amounts: Amounts) -> list[tuple[str, float, str]]:
    network = generate(40, 48, seed=1)
    points = _points(network, amounts.probes)
    first = _seconds(lambda: probe(network, points=points[:1], workers=1))
    found = []
    ours = _seconds(lambda: found.append(probe(network, points=points, workers=1))) / amounts.probes
    theirs, agree = 0.0, 0
    for k in range(amounts.reference_probes):
        strain = []
        theirs += _seconds(lambda k=k, s=strain: s.append(lammps.probe(network, points[k], 11.0, 1e-3, 1e-8)))
        agree += abs(strain[0] - float(found[0].critical_strain[k])) < 1.1e-3
    theirs /= amounts.reference_probes
    return [
        ("first probe, compiling what is not cached", first, "s"),
        ("one probe", 1e3 * ours, "ms"),
        ("the same in LAMMPS, strain step 1e-3", 1e3 * theirs, "ms"),
        ("LAMMPS / ours", theirs / ours, ""),
        ("probes with the instability in the same step", agree / amounts.reference_probes, ""),
        ("a map of 50 x 50 on one core", 2500 * ours, "s"),
    ]


def _prediction(amounts: Amounts) -> list[tuple[str, float, str]]:
    from ..learning.predict import predict  # TensorFlow takes seconds to import

    network = generate(40, 48, seed=1)
    first = _seconds(lambda: predict(network), clock=time.perf_counter)
    ours = _seconds(lambda: predict(network), 5, time.perf_counter)
    predict(network, "listi_large")
    large = _seconds(lambda: predict(network, "listi_large"), 5, time.perf_counter)
    points = _points(network, amounts.probes)
    probe(network, points=points[:1])
    probed = _seconds(lambda: probe(network, points=points), clock=time.perf_counter) / amounts.probes * 2500
    return [
        ("first map by listi, TensorFlow and the network loaded, wall time", first, "s"),
        ("a map of 50 x 50 by listi, wall time", ours, "s"),
        ("the same by listi_large, wall time", large, "s"),
        ("the same by probing on all cores, wall time", probed, "s"),
        ("probing / listi", probed / ours, ""),
    ]


def _cores(amounts: Amounts) -> list[tuple[str, float, str]]:
    network = generate(40, 48, seed=1)
    points = _points(network, max(amounts.probes, 400))
    probe(network, points=points[:1], workers=1)
    one, two = (_seconds(lambda w=w: probe(network, points=points, workers=w), 3, time.perf_counter) for w in (1, 2))
    return [("probing, one worker / two workers, wall time", one / two, "")]


def _deformation(amounts: Amounts) -> list[tuple[str, float, str]]:
    network = generate(40, 48, seed=1)
    deform(generate(10, 12, seed=1), max_strain=0.001)
    found = []
    ours = _seconds(lambda: found.append(deform(network, max_strain=STEPS * 1e-4, n_events=100)))
    lmp = lammps.build(network)
    lmp.command("min_modify dmax 0.05 line quadratic")
    steps, jumped = amounts.reference_steps, []

    def walk() -> None:
        for step in range(1, steps + 1):
            moved = lammps.strain_to(lmp, network.cell, 1e-4, step, 1e-9)
            if np.max(np.linalg.norm(moved - moved.mean(axis=0), axis=1)) > 0.1:
                jumped.append(step)

    theirs = _seconds(walk) * STEPS / steps
    left = np.max(np.abs(lammps.evaluate(lmp)[1]))
    return [
        (f"{STEPS} steps of 1e-4, 9600 atoms", ours, "s"),
        ("events on the way", found[0].sizes["event"], ""),
        (f"LAMMPS cg, of which it did {steps} steps", theirs, "s"),
        ("of these, steps in which an atom jumped by 0.1 Å", len(jumped), ""),
        ("largest force left by LAMMPS (by ours: below 1e-10)", left, "energy/Å"),
        ("LAMMPS / ours", theirs / ours, ""),
    ]


def repeat(network: Network, nx: int, ny: int) -> Network:
    """Return nx x ny copies of a sample side by side: a larger one of the same spots, at a minimum as it is."""
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
        How often the same glass stands along x and y: every size has the same spots.
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
    found = {}
    glass = generate(*rings, seed=seed)
    points = _points(glass, n_probes)
    for nx, ny in copies:
        network = repeat(glass, nx, ny)
        system = System(network.positions, network.species, network.cell)
        forces = system.energy_forces()[1]
        corners = np.array([(i, j) for i in range(nx) for j in range(ny)]) * glass.cell
        everywhere = np.concatenate([points + corner for corner in corners])
        probe(network, points=points[:1], workers=1)
        found[network.n_atoms] = {
            "force": _seconds(system.energy_forces, 20),
            "probe": _seconds(lambda n=network, p=everywhere: probe(n, points=p, workers=1), 2) / len(everywhere),
            "memory": system.partner.nbytes + system.first.nbytes + system.positions.nbytes + forces.nbytes,
        }
    return found


def measure_growth(rings: tuple[int, int], seed: int = 0, n_events: int = 6) -> dict[str, float]:
    """Generate a sample and shear it to an event: what it takes, and what it is like.

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


def _size(amounts: Amounts) -> list[tuple[str, float, str]]:
    rows = []
    for n, row in measure_sizes(SIZES, amounts.probes).items():
        rows.append((f"force evaluation per atom, {n} atoms", 1e9 * row["force"] / n, "ns"))
        rows.append((f"one probe, {n} atoms", 1e3 * row["probe"], "ms"))
        rows.append((f"memory per atom, {n} atoms", row["memory"] / n, "bytes"))
    return rows


PARTS = {
    "generation": _generation,
    "force": _force,
    "probing": _probing,
    "prediction": _prediction,
    "cores": _cores,
    "deformation": _deformation,
    "size": _size,
}
