"""How a map is probed: checked before work, and recorded with the map, so that its discs can be followed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..mechanics.forms import SILICA
from ..mechanics.load import Load, make_load
from ..mechanics.potential import Potential
from ..mechanics.tolerances import SKIN_DISC, TOLERANCE, check_lengths
from ..network.geometry import is_number
from .cutout import Settings

STIFFEST = 1e4  # tether [force_scale/Å]: as good as frozen; rounding spoils the forces beyond
PROTOCOL: dict[str, Any] = {  # parameters of `probe` that decide what each probe finds, and their defaults
    "mode": "pure shear",
    "angle": 0.0,
    "strain_step": 1e-4,
    "r_free": 11.0,
    "max_strain": 1.0,
    "tether": None,
    "tolerance": TOLERANCE,
}


def check_protocol(cell: np.ndarray, potential: Potential, **changes) -> tuple[Load, Settings]:
    """Return the load and what all discs of a map have in common.

    Parameters
    ----------
    cell : ndarray, shape (2,)
        Edge lengths of the sample [Å].
    potential : Potential
        Of the pairs.
    **changes
        Parameters of `probe` named in `PROTOCOL`, where they are not the default.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """
    mode, angle, strain_step, r_free, max_strain, tether, tolerance = (PROTOCOL | changes).values()
    load, scale = make_load(mode, angle, strain_step), potential.force_scale
    check_lengths(potential)
    if not (is_number(r_free) and r_free > 0):
        raise ValueError(f"r_free: {r_free!r} is not > 0 Å")
    largest, edges = np.min(cell) / 2 - potential.cutoff, f"{cell[0]:.5g} x {cell[1]:.5g} Å"
    if largest <= 0:
        raise ValueError(f"cell: {edges} is not more than twice the cutoff, {potential.cutoff:g} Å, along both axes")
    if r_free > largest:
        raise ValueError(f"r_free: {r_free} Å is not <= {largest:.4g} Å, half of the cell of {edges} minus the cutoff")
    if not (is_number(max_strain) and strain_step <= max_strain <= 5.0):
        raise ValueError(f"max_strain: {max_strain!r} is not in strain_step <= max_strain <= 5")
    if tether is not None and not (is_number(tether) and 0 < tether <= STIFFEST * scale):
        raise ValueError(f"tether: {tether!r} is not in 0 < tether <= {STIFFEST * scale:g} energy/Å²")
    if not (is_number(tolerance) and 1e-13 <= tolerance <= 1e-4):
        raise ValueError(f"tolerance: {tolerance!r} is not in 1e-13 <= tolerance <= 1e-4")
    steps = round(max_strain / strain_step)
    return load, Settings(float(r_free), float(tether or 0.0), steps, float(tolerance * scale), SKIN_DISC, scale)


def protocol_attrs(cell: np.ndarray, potential: Potential, every_step: bool = False, **changes) -> dict:
    """Return what is recorded with a map: the cell [Å], all of `PROTOCOL`, and numbers that tell potentials apart.

    `tether` is 0 in a frozen surrounding; NetCDF knows neither None nor truth values.
    """
    how = PROTOCOL | changes
    recorded = {"every_step": int(every_step), "potential": _numbers(potential)}
    return {"cell": cell, **how, "tether": float(how["tether"] or 0.0), **recorded}


def read_protocol(probing: xr.Dataset, cell: np.ndarray, potential: Potential = SILICA) -> tuple[Load, Settings]:
    """Return load and settings of the discs of a map, to follow them again.

    Raises
    ------
    ValueError
        If the map does not say them, is of a sample in another cell, or was probed with another potential.
    """
    require_protocol(probing)
    attrs = probing.attrs
    if not np.array_equal(attrs["cell"], cell):
        raise ValueError(f"probing: is of a cell of {np.asarray(attrs['cell']).tolist()} Å, not of {cell.tolist()} Å")
    if not np.allclose(attrs["potential"], _numbers(potential), rtol=1e-6, atol=0.0):
        raise ValueError(f"potential: {potential!r} is not the one that the map was probed with")
    how = {name: attrs[name] for name in PROTOCOL}
    return check_protocol(cell, potential, **how | {"tether": how["tether"] or None})


def require_protocol(probing: xr.Dataset, **wanted) -> Mapping:
    """Return the record of a map, if it says all of it and has the values that are wanted.

    Raises
    ------
    ValueError
        Naming what is missing, or the first value that differs.
    """
    if missing := {"cell", "potential", *PROTOCOL} - probing.attrs.keys():
        raise ValueError(f"probing: does not say its {', '.join(sorted(missing))}; listi.probe makes maps that do")
    for name, value in wanted.items():
        if probing.attrs[name] != value:
            raise ValueError(f"probing: was made with {name} = {probing.attrs[name]!r}; {value!r} is needed here")
    return probing.attrs


def variable(dims: str | tuple[str, ...], values: np.ndarray, units: str, long_name: str) -> tuple:
    """Return a variable of a dataset with its unit and meaning."""
    return dims, values, {"units": units, "long_name": long_name}


def _numbers(potential: Potential) -> list[float]:
    """Cutoff, and energies of all pairs at a few distances."""
    distances = np.array([0.15, 0.3, 0.6]) * potential.cutoff
    pairs = [(a, b) for a in range(potential.n_species) for b in range(a, potential.n_species)]
    return [potential.cutoff, *(float(energy) for pair in pairs for energy in potential.pair(distances, *pair)[0])]
