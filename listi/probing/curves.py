"""Stress-strain curves of all discs of a threshold map, at a few strains each."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .. import parallel
from ..mechanics.forms import SILICA
from ..mechanics.load import Load
from ..mechanics.potential import Potential
from ..mechanics.system import system_of
from ..network.geometry import grid_product
from ..network.network import Network
from ..network.units import STRESS_UNIT
from .branch import TOO_STRONG
from .cutout import Atoms, Settings
from .many import empty_results, probe_many
from .probe import BLOCK, stress_of
from .protocol import read_protocol, variable

PARTS = 12  # into which a curve is divided


def curves(
    network: Network,
    probing: xr.Dataset,
    parts: int = PARTS,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Stress of every disc on its way to the first instability.

    Each disc is followed as in `listi.probe`, and stopped at equal parts of its critical strain: half of `parts` times
    the work of a map. Its first and last points are those of the map.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    probing : Dataset over (x, y)
        Its map by `listi.probe`, which says how it was probed.
    parts : int
        Into which a curve is divided.
    scheduler, workers
        See `listi.parallel.run`; the result does not depend on them.
    potential : Potential
        As for `listi.probe`.

    Returns
    -------
    xarray.Dataset
        ``strain`` and ``stress`` over (x, y, part), part = 0, ..., parts. NaN where a disc has no threshold or could
        not be followed.

    Raises
    ------
    ValueError
        If `parts` is not a whole number > 0, the map does not say how it was probed, it was probed in another cell or
        with another potential, or the sample is not at a minimum.
    """
    if not isinstance(parts, int) or parts < 1:
        raise ValueError(f"parts: {parts!r} is not a whole number > 0")
    load, settings, points, last = probed_again(network, probing, potential)
    probing = probing.transpose("x", "y", ...)
    steps = np.rint(np.arange(parts + 1) / parts * last[:, None])
    blocks = [
        (network, points[k : k + BLOCK], steps[k : k + BLOCK, 1:-1], load, settings, potential)
        for k in range(0, len(points), BLOCK)
    ]
    between = np.concatenate(parallel.run(_stresses, blocks, scheduler, workers, label="curves"))
    ends = (probing[name].values.reshape(-1, 1) for name in ("initial_stress", "critical_stress"))
    stress = np.hstack([next(ends), between, next(ends)])
    shape, dims = (*probing.threshold.shape, parts + 1), ("x", "y", "part")
    return xr.Dataset(
        {
            "strain": variable(dims, (steps * load.strain_step).reshape(shape), "1", "strain of the disc"),
            "stress": variable(dims, stress.reshape(shape), STRESS_UNIT, "its shear stress"),
        },
        coords={"x": probing.x, "y": probing.y},
    )


def probed_again(
    network: Network, probing: xr.Dataset, potential: Potential
) -> tuple[Load, Settings, np.ndarray, np.ndarray]:
    """Load, settings, points (n, 2) [Å] and steps to the critical state (n,) of the discs of a map."""
    load, settings = read_protocol(probing, network.cell, potential)
    system_of(network, potential)
    points = grid_product(probing.x.values, probing.y.values)
    steps = probing.critical_strain.transpose("x", "y").values.ravel() / load.strain_step
    return load, settings, points, steps


def _stresses(block: tuple) -> np.ndarray:
    """Stress of the load after given numbers of steps (n_points, n), each disc followed from its undeformed state."""
    network, points, steps, load, settings, potential = block
    atoms = Atoms(network.positions, network.species, network.cell, potential.table)
    probe_discs = probe_many
    stress = np.full(steps.shape, np.nan)
    for (row, column), step in np.ndenumerate(steps):
        if np.isnan(step):
            continue
        results = empty_results(1)
        probe_discs(atoms, points[row : row + 1], load, settings._replace(max_steps=int(step)), None, results)
        if results.status[0] == TOO_STRONG:
            stress[row, column] = stress_of(load, results.critical)[0]
    return stress
