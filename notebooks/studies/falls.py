"""Sequences of events by several ways of falling after an instability.

    python notebooks/studies/falls.py OUTPUT.csv [--small 10] [--large 20]

Every line of the table is one event of one sample by one way; a table that is there is completed. Small samples are
made, of 20 x 24 rings with the seeds 0, 1, ...; large ones are the first of data/paper. By overdamped motion a sample
of 9600 atoms takes about 45 s of one core, and every fall that is repeated some 3 s more.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

import listi
from listi.compendium.sample_files import load_sample
from listi.files import shipped
from listi.mechanics import lammps, quasistatic
from listi.mechanics.fall import ERROR
from listi.mechanics.fall import fall as overdamped
from listi.mechanics.system import System
from listi.network.geometry import minimum_image

COLUMNS = ["size", "sample", "way", "event", "strain", "atom", "x", "y", "displacement", "certain", "seconds"]


def by_lammps(system: System, style: str) -> None:
    """Minimise with LAMMPS, until forces are below 1e-6 energy/Å; Newton's method does the rest."""
    start = np.mod(system.positions, system.cell)
    atoms = SimpleNamespace(n_atoms=len(start), positions=start, species=system.species, cell=system.cell)
    lmp = lammps.build(atoms)
    lmp.command("timestep 0.05")  # of FIRE: vibrations have periods of 1 and more, at masses of 1
    lmp.command(f"min_style {style}")
    lmp.command("minimize 0 1e-6 1000000 10000000")
    moved = minimum_image(np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)[:, :2] - start, system.cell)
    lmp.close()
    system.positions = system.positions + moved
    system.relax()


def shaken(network: listi.Network, seed: int) -> listi.Network:
    """Return the network with noise of 1e-10 Å on its atoms."""
    noise = np.random.default_rng(np.random.SeedSequence(seed)).uniform(-1e-10, 1e-10, network.positions.shape)
    return network.replace(positions=network.positions + noise)


def in_increments(network: listi.Network, longest: int):
    """Shear with increments of at most so many steps."""
    kept, quasistatic.LONGEST = quasistatic.LONGEST, longest
    try:
        return listi.deform(network)
    finally:
        quasistatic.LONGEST = kept


WAYS = {
    "overdamped": lambda network: listi.deform(network, repeats=1),
    "conjugate gradients": lambda network: listi.deform(network, fall=functools.partial(by_lammps, style="cg")),
    "FIRE": lambda network: listi.deform(network, fall=functools.partial(by_lammps, style="fire")),
    "Newton": lambda network: listi.deform(network, fall="newton"),
    "noise 1": lambda network: listi.deform(shaken(network, 1)),
    "increments of 16": lambda network: in_increments(network, 16),
    "error / 10": lambda network: listi.deform(network, fall=functools.partial(overdamped, error=ERROR / 10)),
    "error x 10": lambda network: listi.deform(network, fall=functools.partial(overdamped, error=ERROR * 10)),
    "error x 100": lambda network: listi.deform(network, fall=functools.partial(overdamped, error=ERROR * 100)),
    "increments of 8": lambda network: in_increments(network, 8),
    "noise 2": lambda network: listi.deform(shaken(network, 2)),
    "noise 3": lambda network: listi.deform(shaken(network, 3)),
    "strain step / 5": lambda network: listi.deform(network, strain_step=2e-5),
    "every step": lambda network: listi.deform(network, every_step=True),
}


def events(network: listi.Network, way: str) -> list[dict]:
    """Return the events of a sample by one way, a row each."""
    begin = time.process_time()
    found = WAYS[way](network)
    rows = []
    for n in range(found.sizes["event"]):
        event = found.isel(event=n)
        x, y = event.event_position.values
        certain = bool(event.event_certain) if "event_certain" in event else ""
        rows.append(
            {"event": n + 1, "strain": float(event.event_strain), "atom": int(event.event_atom), "x": x, "y": y}
            | {"displacement": float(event.event_displacement), "certain": certain}
        )
    return [row | {"seconds": round(time.process_time() - begin, 1)} for row in rows]


def main() -> None:
    """Complete the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--small", type=int, default=10)
    parser.add_argument("--large", type=int, default=20)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    asked = parser.parse_args()
    samples = [("small", k) for k in range(asked.small)] + [("large", k) for k in range(asked.large)]
    table = pd.read_csv(asked.output) if asked.output.is_file() else pd.DataFrame(columns=COLUMNS)
    done = set(zip(table["size"], table["sample"], table["way"], strict=True))
    small = functools.cache(lambda k: listi.generate(nx=20, ny=24, seed=k))
    for way in asked.ways:
        for size, k in samples:
            if (size, k, way) in done:
                continue
            network = small(k) if size == "small" else load_sample(shipped() / "samples" / f"sample_{k:04d}.nc").network
            rows = [{"size": size, "sample": k, "way": way} | row for row in events(listi.relax(network), way)]
            pd.DataFrame(rows, columns=COLUMNS).to_csv(
                asked.output, mode="a", header=not asked.output.is_file(), index=False
            )


if __name__ == "__main__":
    main()
