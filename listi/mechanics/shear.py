"""Deformation of a whole sample: stress-strain curve, events and non-affine displacements; the state after an event.

How the sample is followed: `listi.mechanics.quasistatic`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr

from ..network.bonds import bonds_left
from ..network.geometry import is_integer, is_number, minimum_image
from ..network.network import MAXIMUM_BOND, Network, check_network
from ..network.units import ENERGY_UNIT, LENGTH_UNIT, STRESS_UNIT, dataset
from .forms import SILICA
from .load import STRESS_NAMES, CellUnderLoad
from .potential import Potential
from .quasistatic import FALLS, NOISE, Curve, Event, Fall, LoadedSample, load_to
from .system import System, system_of
from .tolerances import SKIN_SAMPLE


def deform(
    network: Network,
    strain_step: float = 1e-4,
    max_strain: float = 0.1,
    n_events: int = 6,
    mode: str = "pure shear",
    angle: float = 0.0,
    fall: str | Fall = "overdamped",
    free_width: bool = False,
    min_strain: float = 0.0,
    free_centre: tuple[float, float] | None = None,
    free_radius: float | None = None,
    every_step: bool = False,
    repeats: int = 0,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Deform a sample quasistatically until a number of events has come, or further.

    Per step, cell and atoms are deformed affinely, by default x scaled by (1 + strain_step) and y by its inverse (pure
    shear at constant area), then the sample goes to its energy minimum. Strain is the number of steps times
    `strain_step`.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    strain_step : float
        Strain of one step; the paper's is 1e-4.
    max_strain : float
        Strain at which to stop if the events have not come.
    n_events : int
        Number of events after which to stop; the paper's is 6.
    mode : str
        "pure shear"; "simple shear"; "uniaxial tension", its width fixed, or free with `free_width`; or "biaxial
        tension": the words of `listi.probe`.
    angle : float
        Direction of the load against x, anticlockwise [degrees]: pure shear at 90 stretches y.
    fall : str or callable
        Where the sample goes when its minimum is gone: "overdamped" (along dx/dt = F, the limit of slow loading) or
        "newton" (to a minimum downhill, which rounding may choose); or a function that moves a
        `listi.mechanics.system.System` to a minimum.
    free_width : bool
        For uniaxial tension along x or y: the edge of the cell across the load moves until there is no stress on it.
        It does so before the first step, too: begin with a glass at zero pressure.
    min_strain : float
        Strain up to which to go on although they have come.
    free_centre, free_radius : (float, float) and float, optional
        Only atoms in this circle [Å] are relaxed, the others follow the affine deformation (the imaged patch of
        the paper's Fig. 10).
    every_step : bool
        Take every single step by the plain protocol instead of following the minimum in increments: slow, for checks.
    repeats : int
        How often every fall of an event is repeated, with noise of 1e-6 Å on its start. Each costs as much as the fall,
        some 3 s for 9600 atoms.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Returns
    -------
    xarray.Dataset
        Over ``strain`` (the strains visited): ``stress`` of the load, which is (sigma_xx - sigma_yy)/2 for pure shear
        along x, sigma_xy for simple shear, sigma_xx or (sigma_xx + sigma_yy)/2 for tension; and ``energy`` per atom.
        Over ``event``: ``event_strain`` (the first strain after it), ``event_position`` (of the atom that moved
        furthest, in the undeformed cell), ``event_atom``, ``event_stress_drop``, ``event_displacement``,
        ``event_size`` (the number of atoms that share it: the participation number (sum u²)² / sum u⁴ of the
        displacements u), ``event_centre`` (of the atoms, weighted by u²), and the fields ``non_affine`` and
        ``configuration`` over (event, atom, xy) with their ``event_cell``. Where the load tilts the cell, the frame of
        these fields turns with its first edge, which stays along x, and ``event_tilt`` is the shift of its upper edge.
        With `repeats`, ``event_certain``: whether repeated falls ended in the same minimum.

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.
    ConvergenceError
        If a minimum is not reached, or a fall does not end.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=2)
    >>> shear.event_strain.values.round(3)
    array([0.024, 0.043])
    """
    check_network(network)
    _check(strain_step, max_strain, n_events, min_strain, free_centre, free_radius)
    mobile = None if free_radius is None else _inside(network, free_centre, free_radius)
    sample = loaded(network, strain_step, max_strain, mode, angle, fall, free_width, repeats, mobile, potential)
    first, last = round(min_strain / strain_step), round(max_strain / strain_step)
    return described(network, sample, *load_to(sample, first, last, n_events, every_step))


def loaded(
    network: Network,
    strain_step: float,
    max_strain: float,
    mode: str,
    angle: float,
    fall: str | Fall,
    free_width: bool,
    repeats: int = 0,
    mobile: np.ndarray | None = None,
    potential: Potential = SILICA,
) -> LoadedSample:
    """Return a sample at its minimum, ready to be loaded to `max_strain`; parameters as for `deform`, checked.

    Raises
    ------
    ValueError
        If a parameter makes no sense, the cell would become too small or the sample is not at a minimum.
    """
    _check(strain_step, max_strain)
    fall = _check_fall(fall, repeats)
    load = CellUnderLoad(mode, angle, strain_step)
    across = _across(load) if free_width else None
    _check_cell(network, load, round(max_strain / strain_step), potential)
    system = system_of(network, potential, mobile)
    system.relax()
    return LoadedSample(system, load, fall, int(repeats), across)


def _across(load: CellUnderLoad) -> int:
    """Number of the edge across the load, which is to be free."""
    if load.mode != "uniaxial tension" or load.tilts:
        raise ValueError(
            "free_width: True is for mode='uniaxial tension' along an edge of the cell, angle 0 or 90 only"
        )
    return int(load.load.velocity[0, 0] != 0.0)


def _check_cell(network: Network, load: CellUnderLoad, last: int, potential: Potential) -> None:
    needed = 2 * (potential.cutoff + SKIN_SAMPLE)
    for step in np.linspace(0, last, 9).round().astype(int):
        edges = network.cell * load.deformation(int(step))[:2]
        if np.any(edges < needed):
            raise ValueError(
                f"cell: {network.cell.tolist()} Å is too small to be strained by {last * load.strain_step:g}: it would "
                f"be {edges.round(2).tolist()} Å, less than the {needed:g} Å that the potential needs"
            )


def _inside(network: Network, centre, radius: float) -> np.ndarray:
    distance = np.linalg.norm(minimum_image(network.positions - np.asarray(centre), network.cell), axis=1)
    mobile = distance < radius
    if not mobile.any():
        raise ValueError(f"free_radius: no atom within {radius} Å of {tuple(centre)}")
    return mobile


def _check(strain_step, max_strain, n_events=1, min_strain=0.0, free_centre=None, free_radius=None) -> None:
    if not (is_number(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step!r} is not in 0 < strain_step <= 0.01")
    if not (is_number(max_strain) and strain_step <= max_strain <= 1.0):
        raise ValueError(f"max_strain: {max_strain!r} is not in strain_step <= max_strain <= 1")
    if not (is_number(min_strain) and 0.0 <= min_strain <= max_strain):
        raise ValueError(f"min_strain: {min_strain!r} is not in 0 <= min_strain <= max_strain")
    if not is_integer(n_events) or n_events < 1:
        raise ValueError(f"n_events: {n_events!r} is not a whole number >= 1")
    if (free_centre is None) != (free_radius is None):
        raise ValueError("free_centre, free_radius: give both or neither")
    if free_centre is not None and not (np.shape(free_centre) == (2,) and all(map(is_number, free_centre))):
        raise ValueError(f"free_centre: {free_centre!r} is not two finite coordinates")
    if free_radius is not None and not (is_number(free_radius) and free_radius > 0):
        raise ValueError(f"free_radius: {free_radius!r} is not > 0 Å")


def _check_fall(fall: str | Fall, repeats: int) -> Fall:
    if (isinstance(fall, str) and fall not in FALLS) or not (isinstance(fall, str) or callable(fall)):
        raise ValueError(f"fall: {fall!r} is not one of {', '.join(FALLS)}, and no function of a system")
    if not is_integer(repeats) or repeats < 0:
        raise ValueError(f"repeats: {repeats!r} is not a whole number >= 0")
    return FALLS[fall] if isinstance(fall, str) else fall


def described(network: Network, sample: LoadedSample, curve: Curve, events: list[Event]) -> xr.Dataset:
    """Return curve and events of a sample as `deform` does."""
    load, strain_step = sample.load, sample.load.strain_step
    n, n_atoms = len(events), network.n_atoms
    atoms = np.array([e.atom for e in events], dtype=np.int64)

    def stack(rows, shape, dtype=float):
        return np.array(rows, dtype=dtype).reshape(shape)

    size, centre = _extent(network, events)
    fields = (n, n_atoms, 2)
    non_affine = stack([e.non_affine for e in events], fields, np.float32)
    configuration = stack([e.configuration for e in events], fields)
    variables = {
        "stress": ("strain", [c[1] for c in curve], STRESS_UNIT, STRESS_NAMES[load.mode]),
        "energy": ("strain", [c[2] / n_atoms for c in curve], ENERGY_UNIT, "potential energy per atom"),
        "event_strain": ("event", stack([e.step * strain_step for e in events], n), "1", "strain just after the event"),
        "event_position": (
            ("event", "xy"),
            network.positions[atoms],
            LENGTH_UNIT,
            "position in the undeformed cell of the atom that moved furthest",
        ),
        "event_atom": ("event", atoms, "1", "number of the atom that moved furthest"),
        "event_stress_drop": ("event", stack([e.drop for e in events], n), STRESS_UNIT, "drop of the stress"),
        "event_displacement": (
            "event",
            stack([e.displacement for e in events], n),
            LENGTH_UNIT,
            "largest non-affine displacement in the event",
        ),
        "event_size": ("event", size, "1", "participation number of the event: atoms that share it"),
        "event_centre": (
            ("event", "xy"),
            centre,
            LENGTH_UNIT,
            "centre of the event in the undeformed cell, atoms weighted by their squared displacement",
        ),
        "event_cell": (("event", "xy"), stack([e.cell for e in events], (n, 2)), LENGTH_UNIT, "cell after the event"),
        "non_affine": (("event", "atom", "xy"), non_affine, LENGTH_UNIT, "non-affine displacement in the event"),
        "configuration": (("event", "atom", "xy"), configuration, LENGTH_UNIT, "positions just after the event"),
    }
    if load.tilts:
        text = "shift of the upper edge of the cell along x after the event"
        variables["event_tilt"] = "event", stack([e.tilt for e in events], n), LENGTH_UNIT, text
    if sample.repeats:
        text = f"whether {sample.repeats} repeated falls, with noise of {NOISE:g} Å, ended in the same minimum"
        variables["event_certain"] = "event", stack([e.certain for e in events], n, np.int8), "1", text
    how = {"mode": load.mode, "angle": load.angle}
    return dataset(
        variables,
        coords={
            "strain": ("strain", [c[0] * strain_step for c in curve], "1", "strain"),
            "event": ("event", np.arange(1, n + 1), "1", "event number"),
            "xy": ["x", "y"],
        },
        attrs={"cell": network.cell, "strain_step": strain_step, **how}
        | ({} if sample.across is None else {"free_width": 1}),
    )


def _extent(network: Network, events: list[Event]) -> tuple[np.ndarray, np.ndarray]:
    """Participation number (n,) of every event and its centre (n, 2) [Å] in the undeformed cell."""
    size, centre = np.empty(len(events)), np.empty((len(events), 2))
    for n, event in enumerate(events):
        squared = np.sum(event.non_affine**2, axis=1)
        size[n] = squared.sum() ** 2 / np.sum(squared**2)
        start = network.positions[event.atom]
        from_start = minimum_image(network.positions - start, network.cell)
        centre[n] = np.mod(start + np.sum(squared[:, None] * from_start, axis=0) / squared.sum(), network.cell)
    return size, centre


def load_of(shear: xr.Dataset) -> dict[str, Any]:
    """Return mode and angle of a deformation; those stored before there was a choice are of pure shear along x."""
    return {"mode": shear.attrs.get("mode", "pure shear"), "angle": float(shear.attrs.get("angle", 0.0))}


def state_after(network: Network, shear: xr.Dataset, event: int) -> Network:
    """Return the sample just after an event, as a network without the broken bonds.

    Parameters
    ----------
    network : Network
        The undeformed sample.
    shear : xarray.Dataset
        What `deform` made of it, with its ``configuration``.
    event : int
        Number of the event, from 1.

    Returns
    -------
    Network
        In the deformed cell, at its energy minimum: `listi.relax`, `probe` and `deform` take it. Atoms keep
        their numbers; bonds are read from the positions, so Si may have two neighbours.

    Raises
    ------
    ValueError
        If there is no such event, it is of another sample, no configurations were kept, or the cell is tilted.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=1)
    >>> after = listi.relax(listi.state_after(glass, shear, event=1))
    >>> after.cell.round(1).tolist()
    [54.1, 53.6]
    """
    if "configuration" not in shear:
        raise ValueError("shear: holds no configuration; deform the sample again to have its states")
    if event not in shear.event:
        raise ValueError(f"event: {event!r} is not one of {shear.event.values.tolist()}")
    if shear.sizes["atom"] != network.n_atoms:
        raise ValueError(f"shear: is of {shear.sizes['atom']} atoms, not of the {network.n_atoms} of the network")
    if "event_tilt" in shear:
        raise ValueError(
            f"shear: {shear.attrs['mode']} at {shear.attrs['angle']:g} degrees tilts the cell; a Network has none"
        )
    then = shear.sel(event=event)
    cell = then.event_cell.values
    positions = np.mod(then.configuration.values, cell)
    return Network(positions, network.species, bonds_left(network, positions, cell), cell)


def relax(network: Network, potential: Potential = SILICA) -> Network:
    """Return the network at the energy minimum downhill, in the same cell.

    A network that tears on the way is returned with its bonds read from the positions, with a warning.

    Parameters
    ----------
    network : Network
        Any configuration.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Raises
    ------
    ConvergenceError
        If the minimisation does not reach its tolerance.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> stretched = listi.relax(glass.replace(positions=1.001 * glass.positions, cell=1.001 * glass.cell))
    >>> stretched.cell.round(1).tolist(), bool((stretched.bonds == glass.bonds).all())
    ([52.9, 55.0], True)
    """
    check_network(network)
    system = System(network.positions, network.species, network.cell, potential=potential)
    system.relax()
    bonds = network.bonds
    first, second = system.positions[bonds.T]
    length = np.linalg.norm(minimum_image(first - second, network.cell), axis=1)
    if np.any(length > MAXIMUM_BOND):
        longest = int(np.argmax(length))
        warnings.warn(
            f"network: tears when relaxed: {np.sum(length > MAXIMUM_BOND)} bonds are longer than {MAXIMUM_BOND} Å, "
            f"the longest, of atoms {bonds[longest].tolist()}, is {length[longest]:.3g} Å; bonds are read again",
            stacklevel=2,
        )
        bonds = bonds_left(network, system.positions, network.cell)
    return network.replace(positions=system.positions, bonds=bonds)
