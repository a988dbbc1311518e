"""Compile the kernels of generation, relaxation, shear and probing, so that no notebook has to: `make env` does so.

Numba keeps compiled kernels on disk; `listi.mechanics.jit` says where.
"""

from __future__ import annotations

import sys
import time

from .. import files, parallel
from ..generation.generate import generate
from ..mechanics.shear import deform
from ..probing.probe import probe, trace
from . import sample_files


def compile_generation() -> None:
    """Generate a small glass."""
    generate(10, 12, seed=1)


def compile_probing() -> None:
    """Probe a small glass that ships, trace a probe, and deform it to its first event."""
    network = sample_files.load_sample(files.repository() / "data" / "demo" / "samples" / "sample_0000.nc").network
    probe(network, grid=(2, 2), workers=1)
    trace(network, network.cell / 2)
    deform(network, n_events=1)


def main() -> None:
    """Compile both at the same time."""
    begin = time.monotonic()
    print("Compiling kernels: one to two minutes on two cores.", flush=True)
    parallel.run(_call, [compile_probing, compile_generation], workers=2, processes=True, label="compiling")
    print(f"Kernels compiled in {time.monotonic() - begin:.0f} s.")


def _call(function) -> None:
    function()


if __name__ == "__main__":
    sys.exit(main())
