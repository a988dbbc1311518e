"""The same bits under settings that make compiler and libraries choose other instructions."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm

SCRIPT = Path(__file__).with_name("same_bits.py")

# An older processor with the same vectors, whatever this one is; no FMA or AVX2 in the C library, kernels of SSE3 in
# OpenBLAS.
FOREIGN = {
    "NUMBA_CPU_NAME": "haswell" if llvm.get_host_cpu_name() != "haswell" else "znver3",
    "OPENBLAS_CORETYPE": "Prescott",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX",
    "NUMBA_OPT": "1",  # kernels that are optimised less, which takes less time, too
    "NUMBA_BOUNDSCHECK": "1",  # and that look whether they read beyond an array
}


def sums(settings):
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    run = subprocess.run([sys.executable, SCRIPT], env=own | settings, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.splitlines()


def test_sums_do_not_depend_on_the_processor_or_its_libraries():
    here = sums({})
    assert len(here) == 7
    assert sums(FOREIGN) == here
