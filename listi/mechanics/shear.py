"""Athermal quasistatic shear of a whole sample: stress-strain curve, events and non-affine displacements.

The protocol is plain: deform cell and atoms by one small step, move to an energy minimum, repeat. As long as the
minimum only moves, Newton's method finds it. Where it is gone, the sample falls: by overdamped motion, which is the
limit of slow loading (`listi.mechanics.fall`). An *event* is a step that is irreversible (undoing it does not lead
back to the configuration before) and lowers the stress; no residual of a minimiser can imitate that. Between events
the minimum moves smoothly with strain, and is followed in increments of many steps; one that cannot be followed is
halved until single steps of the plain protocol remain, so that events, their strain and their order are those of the
plain protocol.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..network.bonds import bonds_left
from ..network.geometry import is_integer, minimum_image
from ..network.network import MAXIMUM_BOND, Network
from ..network.units import ENERGY_UNIT, LENGTH_UNIT, STRESS_UNIT, dataset
from .arithmetic import logarithm
from .fall import fall as overdamped
from .forms import SILICA
from .load import stretch as stretch_of
from .potential import Potential
from .system import System, system_of
from .tolerances import (
    MIN_EVENT_DISPLACEMENT_SAMPLE,
    PREDICTOR_TOLERANCE_SAMPLE,
    REVERSIBILITY_TOLERANCE,
    SKIN_SAMPLE,
    TOLERANCE,
)

LONGEST = 64  # steps in one increment at most
NEAR = 0.1  # distance from where it is expected within which Newton's method may find a minimum [Å]
NOISE = 1e-6  # of the atoms, with which a fall is repeated [Å]
SAME = 1e-3  # two minima that differ by less are the same [Å]
FALLS = {"overdamped": overdamped, "newton": System.relax}
Fall = Callable[[System], object]


@dataclass
class _Event:
    step: int
    atom: int
    drop: float
    displacement: float
    non_affine: np.ndarray
    configuration: np.ndarray
    cell: np.ndarray
    certain: bool


@dataclass
class ShearedSample:
    """A sample under shear: its strain and configuration, and how the minimum moves with strain."""

    system: System
    strain_step: float
    fall: Fall = overdamped
    repeats: int = 0  # of every fall, with noise
    step: int = 0
    cell: np.ndarray = field(init=False)
    rate: np.ndarray | None = None  # non-affine displacement per unit strain, in the present coordinates
    bend: np.ndarray | None = None  # its change per unit strain

    def __post_init__(self) -> None:
        self.cell = self.system.cell.copy()

    def deform(self, steps: int) -> None:
        """Deform cell and atoms affinely by a number of steps (negative: back)."""
        self.step += steps
        stretch = stretch_of(logarithm(1.0 + self.strain_step), self.step)
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

    def state(self) -> tuple:
        """Step, positions and cell, as `restore` takes them."""
        return self.step, self.system.positions, self.system.cell

    def restore(self, saved: tuple) -> None:
        self.step, self.system.positions, self.system.cell = saved

    def follow(self, steps: int) -> bool:
        """Follow the minimum over an increment of steps; return False, without moving, if it cannot be followed."""
        saved = self.state()
        start = self.system.positions
        strain = steps * self.strain_step
        if self.rate is None:
            self.rate = self.find_rate()
        guess = self.rate * strain
        if self.bend is not None:
            guess = guess + 0.5 * strain**2 * self.bend
        self.system.positions = start + guess
        self.deform(steps)
        if self.system.correct(TOLERANCE, NEAR):
            ratio = self.system.cell / saved[2]
            rate = self.find_rate()
            mean = 0.5 * (self.rate + rate / ratio)
            deviation = self.without_drift(self.system.positions / ratio - start - mean * strain)
            if np.max(np.abs(deviation)) < PREDICTOR_TOLERANCE_SAMPLE:
                self.bend = (rate - self.rate) / strain
                self.rate = rate
                return True
        self.restore(saved)
        return False

    def plain_step(self) -> _Event | None:
        """One step of the plain protocol; the event, if it was one."""
        saved = self.state()
        before = self.shear_stress()
        self.deform(1)
        affine = self.system.positions
        fell = self.find_minimum()
        moved = self.without_drift(self.system.positions - affine)
        self.rate = self.bend = None
        length = np.sqrt(np.sum(moved * moved, axis=1))
        drop = before - self.shear_stress()
        if length.max() < MIN_EVENT_DISPLACEMENT_SAMPLE or drop <= 0.0 or self._reversible(saved):
            return None
        atom, here = int(np.argmax(length)), self.state()
        certain = not fell or self._is_certain(affine)
        return _Event(self.step, atom, drop, float(length[atom]), moved, here[1].copy(), here[2].copy(), certain)

    def find_minimum(self) -> bool:
        """Move to the minimum where the system belongs after a step: the one close by, or where it falls.

        Returns
        -------
        bool
            Whether it fell.
        """
        start = self.system.positions
        if self.system.correct(TOLERANCE, NEAR):
            return False
        self.system.positions = start
        self.fall(self.system)
        return True

    def without_drift(self, displacement: np.ndarray) -> np.ndarray:
        """Subtract the mean of a displacement, unless some atoms are fixed."""
        return displacement - displacement.mean(axis=0) if self.system.mobile is None else displacement

    def _reversible(self, saved: tuple) -> bool:
        here = self.state()
        self.deform(-1)
        self.find_minimum()
        difference = self.without_drift(self.system.positions - saved[1])
        self.restore(here)
        return bool(np.max(np.abs(difference)) < REVERSIBILITY_TOLERANCE)

    def _is_certain(self, start: np.ndarray) -> bool:
        """Whether repeated falls from about the same start end in the same minimum."""
        here = self.state()
        for seed in range(self.repeats):
            noise = np.random.default_rng(np.random.SeedSequence(seed)).uniform(-NOISE, NOISE, start.shape)
            self.system.positions = start + noise * self.system.movable[:, None]
            self.fall(self.system)
            difference = self.without_drift(self.system.positions - here[1])
            self.restore(here)
            if np.max(np.abs(difference)) > SAME:
                return False
        return True


def deform(
    network: Network,
    strain_step: float = 1e-4,
    max_strain: float = 0.1,
    n_events: int = 6,
    min_strain: float = 0.0,
    free_centre: tuple[float, float] | None = None,
    free_radius: float | None = None,
    every_step: bool = False,
    fall: str | Fall = "overdamped",
    repeats: int = 0,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Shear a sample quasistatically until a number of events has come, or further.

    Per step, x is scaled by (1 + strain_step) and y by its inverse, cell and atoms affinely (pure shear at constant
    area), then the sample goes to its energy minimum. Strain is the number of steps times `strain_step`.

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
        Take every single step by the plain protocol instead of following the minimum in increments: slow, for checks.
    fall : str or callable
        Where the sample goes when its minimum is gone: "overdamped" (along dx/dt = F, the limit of slow loading) or
        "newton" (to a minimum downhill, which rounding may choose); or a function that moves a
        `listi.mechanics.system.System` to a minimum.
    repeats : int
        How often every fall of an event is repeated, with noise of 1e-6 Å on its start. Each costs as much as the fall,
        some 3 s for 9600 atoms.
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
        (event, atom, xy) with their ``event_cell``. With `repeats`, ``event_certain``: whether repeated falls ended in
        the same minimum.

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
    _check(strain_step, max_strain, n_events, min_strain, free_centre, free_radius)
    fall = _check_fall(fall, repeats)
    first, last = round(min_strain / strain_step), round(max_strain / strain_step)
    mobile = None if free_radius is None else _inside(network, free_centre, free_radius)
    if network.cell[1] / stretch_of(logarithm(1.0 + strain_step), last) < 2 * (potential.cutoff + SKIN_SAMPLE):
        raise ValueError(
            f"cell: {network.cell.tolist()} Å is too small to be strained by {max_strain}: half its height would be "
            f"less than the potential's cutoff of {potential.cutoff:g} Å and {SKIN_SAMPLE} Å"
        )
    system = system_of(network, potential, mobile)
    system.relax()
    curve, events = _shear(ShearedSample(system, strain_step, fall, int(repeats)), first, last, n_events, every_step)
    shear = _dataset(network, strain_step, curve, events)
    if repeats:
        text = f"whether {repeats} repeated falls, with noise of {NOISE:g} Å, ended in the same minimum"
        certain = np.array([event.certain for event in events], dtype=np.int8)
        shear["event_certain"] = "event", certain, {"units": "1", "long_name": text}
    return shear


def _shear(sample: ShearedSample, first: int, last: int, n_events: int, every_step: bool) -> tuple[list, list[_Event]]:
    """Shear to the last event, but to the step `first` and not beyond `last`.

    Returns the visited (step, stress, energy) and the events.
    """
    system = sample.system
    curve = [(0, sample.shear_stress(), system.energy_forces()[0])]
    events: list[_Event] = []
    increment = 8
    while sample.step < (last if len(events) < n_events else first):
        increment = min(increment, (last if len(events) < n_events else first) - sample.step)
        if every_step or increment < 2:
            event = sample.plain_step()
            increment = 2
            if event is not None:
                events.append(event)
        elif sample.follow(increment):
            increment = min(2 * increment, LONGEST)
        else:
            increment //= 2
            continue
        curve.append((sample.step, sample.shear_stress(), system.energy_forces()[0]))
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
    if not is_integer(n_events) or n_events < 1:
        raise ValueError(f"n_events: {n_events!r} is not a whole number >= 1")
    if (free_centre is None) != (free_radius is None):
        raise ValueError("free_centre, free_radius: give both or neither")
    if free_centre is not None and not (np.shape(free_centre) == (2,) and np.all(np.isfinite(free_centre))):
        raise ValueError(f"free_centre: {free_centre!r} is not two finite coordinates")
    if free_radius is not None and not (np.isfinite(free_radius) and free_radius > 0):
        raise ValueError(f"free_radius: {free_radius} is not > 0 Å")


def _check_fall(fall: str | Fall, repeats: int) -> Fall:
    if (isinstance(fall, str) and fall not in FALLS) or not (isinstance(fall, str) or callable(fall)):
        raise ValueError(f"fall: {fall!r} is not one of {', '.join(FALLS)}, and no function of a system")
    if not is_integer(repeats) or repeats < 0:
        raise ValueError(f"repeats: {repeats!r} is not a whole number >= 0")
    return FALLS[fall] if isinstance(fall, str) else fall


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
    return dataset(
        variables,
        coords={
            "strain": ("strain", [c[0] * strain_step for c in curve], "1", "strain"),
            "event": ("event", np.arange(1, n + 1), "1", "event number"),
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
        centre[n] = np.mod(start + np.sum(squared[:, None] * from_start, axis=0) / squared.sum(), network.cell)
    return size, centre


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
        If there is no such event, it is of another sample, or no configurations were kept.

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
