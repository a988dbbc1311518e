"""Print checksums of a small chain, a line each: a sample, its events, probes of it, and the other box.

    python tests/same_bits.py

They must be the same on every x86-64 processor with AVX2. `tests/test_same_bits.py` compares them under settings that
make libraries and compiler choose other instructions; on another machine, compare the lines by eye.
"""

import hashlib

import numpy as np

import listi


def checksum(*arrays: np.ndarray) -> str:
    """First digits of the SHA-256 of the bytes of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def chain(nx: int = 20, ny: int = 24, n_events: int = 3, n_probes: int = 200) -> None:
    """Compute and print."""
    glass = listi.generate(nx=nx, ny=ny, seed=1)
    print("generation", checksum(glass.positions, glass.bonds, glass.cell), flush=True)
    box = listi.generate(nx=10, ny=12, seed=1, box="zero-pressure")
    print("zero pressure", checksum(box.positions, box.cell), flush=True)
    shear = listi.deform(glass, n_events=n_events, repeats=1)
    variables = [shear[name].values for name in sorted(shear.data_vars)]
    print("deformation", checksum(*variables), shear.event_atom.values.tolist(), flush=True)
    points = np.random.default_rng(1).random((n_probes, 2)) * glass.cell
    for angle, mode, kept in ((0.0, "pure shear", points), (30.0, "simple shear", points[:20])):
        probed = listi.probe(glass, points=kept, angle=angle, mode=mode)
        variables = [probed[name].values for name in sorted(probed.data_vars)]
        print("probing,", mode, checksum(*variables), flush=True)
    tethered = listi.probe(glass, points=points[:5], tether=1.0)
    print("probing, tethered", checksum(tethered.threshold.values, tethered.peak_stress.values), flush=True)
    goodness = listi.goodness(listi.probe(glass, grid=(5, 5)).threshold, shear.event_position)
    print("goodness", checksum(goodness.values), flush=True)


if __name__ == "__main__":
    chain()
