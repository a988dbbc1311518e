"""Athermal quasistatic shear of a whole sample: stress-strain curve, events and non-affine displacements.

The protocol is plain: deform cell and atoms by one small step, move to the energy minimum downhill, repeat. An
*event* is a step that is irreversible (undoing it does not lead back to the configuration before) and lowers the
stress; no residual of a minimiser can imitate that. Between events the minimum moves smoothly with strain, and is
followed in steps as long as its curvature allows; a stretch that cannot be followed is halved until single steps
of the plain protocol remain, so that events, their strain and their order are those of the plain protocol.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..network.bonds import bonds_left
from ..network.geometry import is_whole, minimum_image
from ..network.network import MAXIMUM_BOND, Network
from ..network.units import ENERGY_UNIT, LENGTH_UNIT, STRESS_UNIT
from .forms import SILICA
from .load import stretch as stretch_of
from .potential import Potential
from .system import System, system_of
from .tolerances import RETURNED, TOLERANCE
from .tolerances import SMOOTH_SAMPLE as SMOOTH
from .tolerances import STILL_SAMPLE as STILL

LONGEST = 64  # steps in one stretch at most


@dataclass
class _Event:
    step: int
    atom: int
    drop: float
    displacement: float
    non_affine: np.ndarray
    configuration: np.ndarray
    cell: np.ndarray


@dataclass
class Walk:
    """A sample under shear: where it stands, and how the minimum moves with strain."""

    system: System
    strain_step: float
    step: int = 0
    cell: np.ndarray = field(init=False)
    rate: np.ndarray | None = None  # non-affine displacement per unit strain, in the coordinates of now
    bend: np.ndarray | None = None  # its change per unit strain

    def __post_init__(self) -> None:
        self.cell = self.system.cell.copy()

    def deform(self, steps: int) -> None:
        """Deform cell and atoms affinely by a number of steps (negative: back)."""
        self.step += steps
        stretch = stretch_of(self.strain_step, self.step)
        target = self.cell * np.array([stretch, 1.0 / stretch])
        self.system.positions = self.system.positions * (target / self.system.cell)
        self.system.cell = target

    def shear_stress(self) -> float:
        """(sigma_xx - sigma_yy) / 2 [energy/Å²]."""
        stress = self.system.stress()
        return float(stress[0, 0] - stress[1, 1]) / 2.0

    def find_rate(self) -> np.ndarray:
        """Non-affine velocity of the minimum with strain [Å]."""
        self.system.linearise()
        return self.system.affine_response(np.array([1.0, -1.0]))

    def keep(self) -> tuple:
        return self.step, self.system.positions, self.system.cell

    def restore(self, kept: tuple) -> None:
        self.step, self.system.positions, self.system.cell = kept

    def follow(self, steps: int) -> bool:
        """Follow the minimum over a stretch of steps; stay in place and say False if it cannot be followed."""
        kept = self.keep()
        start = self.system.positions
        strain = steps * self.strain_step
        if self.rate is None:
            self.rate = self.find_rate()
        guess = self.rate * strain
        if self.bend is not None:
            guess = guess + 0.5 * strain**2 * self.bend
        self.system.positions = start + guess
        self.deform(steps)
        if self.system.correct(TOLERANCE, SMOOTH * 10):
            stretch = self.system.cell / kept[2]
            rate = self.find_rate()
            mean = 0.5 * (self.rate + rate / stretch)
            deviation = self.system.positions / stretch - start - mean * strain
            if np.max(np.abs(deviation - deviation.mean(axis=0))) < SMOOTH:
                self.bend = (rate - self.rate) / strain
                self.rate = rate
                return True
        self.restore(kept)
        return False

    def plain_step(self) -> _Event | None:
        """One step of the plain protocol; the event, if it was one."""
        kept = self.keep()
        before = self.shear_stress()
        self.deform(1)
        affine = self.system.positions
        self.system.relax()
        moved = self.system.positions - affine
        if self.system.mobile is None:
            moved -= moved.mean(axis=0)
        self.rate = self.bend = None
        length = np.linalg.norm(moved, axis=1)
        drop = before - self.shear_stress()
        if length.max() < STILL or drop <= 0.0 or self._reversible(kept):
            return None
        atom = int(np.argmax(length))
        return _Event(
            self.step, atom, drop, float(length[atom]), moved, self.system.positions.copy(), self.system.cell.copy()
        )

    def _reversible(self, kept: tuple) -> bool:
        here = self.keep()
        self.deform(-1)
        self.system.relax()
        difference = self.system.positions - kept[1]
        if self.system.mobile is None:
            difference -= difference.mean(axis=0)
        self.restore(here)
        return bool(np.max(np.abs(difference)) < RETURNED)


def deform(
    network: Network,
    strain_step: float = 1e-4,
    max_strain: float = 0.1,
    n_events: int = 6,
    min_strain: float = 0.0,
    free_centre: tuple[float, float] | None = None,
    free_radius: float | None = None,
    every_step: bool = False,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Shear a sample quasistatically until a number of events has come, or further.

    Per step, x is scaled by (1 + strain_step) and y by its inverse, cell and atoms affinely (pure shear at constant
    area), then the energy is minimised. Strain is the number of steps times `strain_step`.

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
    min_strain : float
        Strain up to which to go on although they have come.
    free_centre, free_radius : (float, float) and float, optional
        Only atoms in this circle [Å] are relaxed, the others follow the affine deformation (the imaged patch of
        the paper's Fig. 10).
    every_step : bool
        Walk every single step by the plain protocol instead of following smooth stretches: slow, for checks.
    potential : Potential
        What atoms do to each other; the paper's by default.

    Returns
    -------
    xarray.Dataset
        Over ``strain`` (the strains visited): ``stress`` (sigma_xx - sigma_yy)/2 and ``energy`` per atom. Over
        ``event``: ``event_strain`` (the first strain after it), ``event_position`` (of the atom that moved furthest,
        in the undeformed cell), ``event_atom``, ``event_stress_drop``, ``event_displacement``, ``event_size`` (the
        number of atoms that share it: the participation number (sum u²)² / sum u⁴ of the displacements u),
        ``event_centre`` (of the atoms, weighted by u²), and the fields ``non_affine`` and ``configuration`` over
        (event, atom, xy) with their ``event_cell``.

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.
    ConvergenceError
        If a minimisation does not reach its tolerance.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=2)
    >>> shear.event_strain.values.round(3)
    array([0.029, 0.041])
    """
    _check(strain_step, max_strain, n_events, min_strain, free_centre, free_radius)
    mobile = None if free_radius is None else _inside(network, free_centre, free_radius)
    if network.cell[1] / (1.0 + max_strain) ** 1.01 < 2 * potential.cutoff + 1.5:
        raise ValueError(
            f"cell: {network.cell.tolist()} Å is too small to be strained by {max_strain}: half its height would be "
            f"less than the potential's cutoff of {potential.cutoff:g} Å"
        )
    system = system_of(network, potential, mobile)
    system.relax()
    first, last = round(min_strain / strain_step), round(max_strain / strain_step)
    curve, events = _shear(Walk(system, strain_step), first, last, n_events, every_step)
    return _dataset(network, strain_step, curve, events)


def _shear(walk: Walk, first: int, last: int, n_events: int, every_step: bool) -> tuple[list, list[_Event]]:
    """Walk to the last event, but to the step `first` and not beyond `last`.

    Returns the visited (step, stress, energy) and the events.
    """
    system = walk.system
    curve = [(0, walk.shear_stress(), system.energy_forces()[0])]
    events: list[_Event] = []
    stretch = 8
    while walk.step < (last if len(events) < n_events else first):
        stretch = min(stretch, (last if len(events) < n_events else first) - walk.step)
        if every_step or stretch < 2:
            event = walk.plain_step()
            stretch = 2
            if event is not None:
                events.append(event)
        elif walk.follow(stretch):
            stretch = min(2 * stretch, LONGEST)
        else:
            stretch //= 2
            continue
        curve.append((walk.step, walk.shear_stress(), system.energy_forces()[0]))
    return curve, events


def _inside(network: Network, centre, radius: float) -> np.ndarray:
    distance = np.linalg.norm(minimum_image(network.positions - np.asarray(centre), network.cell), axis=1)
    mobile = distance < radius
    if not mobile.any():
        raise ValueError(f"free_radius: no atom within {radius} Å of {tuple(centre)}")
    return mobile


def _check(strain_step, max_strain, n_events, min_strain, free_centre, free_radius) -> None:
    if not (np.isfinite(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step} is not in 0 < strain_step <= 0.01")
    if not (np.isfinite(max_strain) and strain_step <= max_strain <= 1.0):
        raise ValueError(f"max_strain: {max_strain} is not in strain_step <= max_strain <= 1")
    if not (np.isfinite(min_strain) and 0.0 <= min_strain <= max_strain):
        raise ValueError(f"min_strain: {min_strain} is not in 0 <= min_strain <= max_strain")
    if not is_whole(n_events) or n_events < 1:
        raise ValueError(f"n_events: {n_events!r} is not a whole number >= 1")
    if (free_centre is None) != (free_radius is None):
        raise ValueError("free_centre, free_radius: give both or neither")
    if free_centre is not None and not (np.shape(free_centre) == (2,) and np.all(np.isfinite(free_centre))):
        raise ValueError(f"free_centre: {free_centre!r} is not two finite coordinates")
    if free_radius is not None and not (np.isfinite(free_radius) and free_radius > 0):
        raise ValueError(f"free_radius: {free_radius} is not > 0 Å")


def _dataset(network: Network, strain_step: float, curve: list, events: list[_Event]) -> xr.Dataset:
    n, n_atoms = len(events), network.n_atoms
    atoms = np.array([e.atom for e in events], dtype=np.int64)

    def stack(rows, shape, dtype=float):
        return np.array(rows, dtype=dtype).reshape(shape)

    size, centre = _extent(network, events)
    fields = (n, n_atoms, 2)
    non_affine = stack([e.non_affine for e in events], fields, np.float32)
    configuration = stack([e.configuration for e in events], fields)
    variables = {
        "stress": ("strain", [c[1] for c in curve], STRESS_UNIT, "shear stress (sigma_xx - sigma_yy)/2"),
        "energy": ("strain", [c[2] / n_atoms for c in curve], ENERGY_UNIT, "potential energy per atom"),
        "event_strain": ("event", stack([e.step * strain_step for e in events], n), "1", "strain just after the event"),
        "event_position": (
            ("event", "xy"),
            network.positions[atoms],
            LENGTH_UNIT,
            "position in the undeformed cell of the atom that moved furthest",
        ),
        "event_atom": ("event", atoms, "1", "number of the atom that moved furthest"),
        "event_stress_drop": ("event", stack([e.drop for e in events], n), STRESS_UNIT, "drop of the shear stress"),
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
    return xr.Dataset(
        {k: (d, v, {"units": u, "long_name": name}) for k, (d, v, u, name) in variables.items()},
        coords={
            "strain": ("strain", [c[0] * strain_step for c in curve], {"units": "1", "long_name": "strain"}),
            "event": ("event", np.arange(1, n + 1), {"units": "1", "long_name": "event number"}),
            "xy": ["x", "y"],
        },
        attrs={"cell": network.cell, "strain_step": strain_step},
    )


def _extent(network: Network, events: list[_Event]) -> tuple[np.ndarray, np.ndarray]:
    """Participation number (n,) of every event and its centre (n, 2) [Å] in the undeformed cell."""
    size, centre = np.empty(len(events)), np.empty((len(events), 2))
    for n, event in enumerate(events):
        squared = np.sum(event.non_affine**2, axis=1)
        size[n] = squared.sum() ** 2 / np.sum(squared**2)
        start = network.positions[event.atom]
        from_start = minimum_image(network.positions - start, network.cell)
        centre[n] = np.mod(start + squared @ from_start / squared.sum(), network.cell)
    return size, centre


def state_after(network: Network, shear: xr.Dataset, event: int) -> Network:
    """Return the sample as it stands just after an event: a network like any other, broken bonds left out.

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
        In the cell of then, at its energy minimum: `listi.relax`, `probe` and `deform` go on from it. Atoms keep
        their numbers; bonds are read from the positions, so Si may have two neighbours.

    Raises
    ------
    ValueError
        If there is no such event, it is of another sample, or no configurations were kept.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=1)
    >>> after = listi.relax(listi.state_after(glass, shear, event=1))
    >>> after.cell.round(1).tolist()
    [54.4, 53.3]
    """
    if "configuration" not in shear:
        raise ValueError("shear: holds no configuration; deform the sample again to have its states")
    if event not in shear.event:
        raise ValueError(f"event: {event!r} is not one of {shear.event.values.tolist()}")
    if shear.sizes["atom"] != network.n_atoms:
        raise ValueError(f"shear: is of {shear.sizes['atom']} atoms, not of the {network.n_atoms} of the network")
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
