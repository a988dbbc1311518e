"""Times against the number of atoms, and `listi bench` with LAMMPS.

    python notebooks/studies/cost.py [--only scaling benchmark]

completes the tables below in `data/paper/studies`, one measurement at a time; notebook 13 shows them.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from listi.compendium import bench
from listi.compendium.studies import Study, command

RINGS = {5 * nx * ny: (nx, ny) for nx, ny in bench.RINGS}  # by the number of atoms


def growth_rows(atoms: int) -> list[dict]:
    """Times, memory and structure of a glass of some size, in a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        row = pool.submit(bench.measure_growth, RINGS[atoms]).result()
    units = {"generate": "generate_s", "shear": "shear_s", "memory": "memory_bytes", "strain": "sixth_event_strain"}
    return [{units.get(name, name): value for name, value in row.items() if name != "atoms"}]


def sizes(folder: Path) -> list[int]:
    """Numbers of atoms, which do not depend on the folder."""
    return list(RINGS)


def benchmark_rows(part: str) -> list[dict]:
    """What `listi bench` measures of one part."""
    with tempfile.TemporaryDirectory() as folder:
        measured = bench.run((part,), Path(folder) / "bench.json")["parts"][part]
    return [dict(zip(("what", "value", "unit"), row, strict=True)) for row in measured]


def parts(folder: Path) -> list[str]:
    """Parts of `listi bench`, which do not depend on the folder."""
    return list(bench.PARTS)


STUDIES = {"scaling": Study(growth_rows, sizes, "atoms"), "benchmark": Study(benchmark_rows, parts, "part")}

if __name__ == "__main__":
    command(STUDIES, __doc__, workers=1)  # one measurement at a time
