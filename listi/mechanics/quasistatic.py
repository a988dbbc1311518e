"""Athermal quasistatic deformation of a whole sample: how its minimum moves with strain, and where it is gone.

The protocol is plain: deform cell and atoms by one small step, move to an energy minimum, repeat. As long as the
minimum only moves, Newton's method finds it. Where it is gone, the sample falls: by overdamped motion, which is the
limit of slow loading (`listi.mechanics.fall`). An *event* is a step that is irreversible (undoing it does not lead
back to the configuration before) and lowers the stress; no residual of a minimiser can imitate that. Between events
the minimum moves smoothly with strain, and is followed in increments of many steps; one that cannot be followed is
halved until single steps of the plain protocol remain, so that events, their strain and their order are those of the
plain protocol.

With a free width, the cell's edge across the load is moved after every step until the stress on it vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..progress import progress
from .fall import fall as overdamped
from .load import CellUnderLoad
from .system import ConvergenceError, System, between, transformed, transformed_back
from .tolerances import (
    MIN_EVENT_DISPLACEMENT_SAMPLE,
    PREDICTOR_TOLERANCE_SAMPLE,
    REVERSIBILITY_TOLERANCE,
    TOLERANCE,
)

LONGEST = 64  # steps in one increment at most
NEAR = 0.1  # distance from where it is expected within which Newton's method may find a minimum [Å]
NOISE = 1e-6  # of the atoms, with which a fall is repeated [Å]
SAME = 1e-3  # two minima that differ by less are the same [Å]
WIDTH_TOLERANCE = 1e-8  # stress across the load where the width is free [force_scale/Å]
WIDTH_STEP = 1e-3  # change of the width at once, at most
WIDTH_TRIALS = 1000  # changes of the width after which it is given up
FALLS = {"overdamped": overdamped, "newton": System.relax}
Fall = Callable[[System], object]
Curve = list[tuple[int, float, float]]  # steps, stress of the load [energy/Å²] and energy


@dataclass
class Event:
    """An irreversible step: its number, which atom moved furthest and how far, and the state after it."""

    step: int
    atom: int
    drop: float
    displacement: float
    non_affine: np.ndarray
    configuration: np.ndarray
    cell: np.ndarray
    tilt: float
    certain: bool


class LoadedSample:
    """A sample under load: its strain and configuration, and how the minimum moves with strain.

    Parameters
    ----------
    system : System
        At a minimum; moved in place.
    load : CellUnderLoad
        Its load.
    fall : callable
        Moves a system to a minimum when its own is gone.
    repeats : int
        How often every fall is repeated, with noise.
    across : int, optional
        Number of the cell's edge that is free, across the load.
    """

    def __init__(
        self, system: System, load: CellUnderLoad, fall: Fall = overdamped, repeats: int = 0, across: int | None = None
    ) -> None:
        self.system, self.load, self.fall, self.repeats, self.across = system, load, fall, repeats, across
        self.step = 0
        self._falls = 0
        self.cell = system.cell.copy()
        self.rate: np.ndarray | None = None  # non-affine displacement per unit strain, in the present coordinates
        self.bend: np.ndarray | None = None  # its change per unit strain
        self.width = 1.0  # of the free edge, over what it was
        self.narrowing = 0.0  # change of the logarithm of the width per unit strain
        self._stiffness = 0.0  # change of the stress across with the logarithm of the width [energy/Å²]
        if across is not None:
            self._settle_width(may_fall=True)

    def deform(self, steps: int, widening: float = 1.0) -> None:
        """Deform cell and atoms affinely by a number of steps (negative: back), and the free edge by a factor."""
        self.step += steps
        self.width *= widening
        stretched = self.load.deformation(self.step)
        if self.across is not None:
            stretched[self.across] *= self.width
        target = np.array([*(self.cell * stretched[:2]), self.cell[1] * stretched[2]])
        self.system.positions = transformed(self.system.positions, between(self.system.box, target))
        self.system.cell, self.system.tilt = target[:2], float(target[2])

    def stress(self) -> float:
        """Stress of the load [energy/Å²]."""
        return self.load.stress(self.system.stress(), self.step)

    def find_rate(self) -> np.ndarray:
        """Non-affine velocity of the minimum with strain [Å]."""
        self.system.linearise()
        velocity = self.load.velocity(self.step)
        if self.across is not None:
            velocity = velocity.copy()
            velocity[self.across, self.across] = self.narrowing
        return self.system.affine_response(velocity)

    def state(self) -> tuple:
        """What `restore` takes."""
        return self.step, self.system.positions, self.system.cell, self.system.tilt, self.width

    def restore(self, saved: tuple) -> None:
        self.step, self.system.positions, self.system.cell, self.system.tilt, self.width = saved

    def follow(self, steps: int) -> bool:
        """Follow the minimum over an increment of steps; return False, without moving, if it cannot be followed."""
        saved, box = self.state(), self.system.box
        start = self.system.positions
        strain = steps * self.load.strain_step
        if self.rate is None:
            self.rate = self.find_rate()
        guess = self.rate * strain
        if self.bend is not None:
            guess = guess + 0.5 * strain**2 * self.bend
        self.system.positions = start + guess
        self.deform(steps, 1.0 + self.narrowing * strain)
        if self._to_minimum(may_fall=False):
            deformation = between(box, self.system.box)
            narrowing, self.narrowing = self.narrowing, (self.width / saved[-1] - 1.0) / strain
            rate = self.find_rate()
            mean = 0.5 * (self.rate + transformed_back(rate, deformation))
            back = transformed_back(self.system.positions, deformation)
            deviation = self.without_drift(back - start - mean * strain)
            if np.max(np.abs(deviation)) < PREDICTOR_TOLERANCE_SAMPLE:
                self.bend = (rate - self.rate) / strain
                self.rate = rate
                return True
            self.narrowing = narrowing
        self.restore(saved)
        return False

    def plain_step(self) -> Event | None:
        """One step of the plain protocol; the event, if it was one."""
        saved, before = self.state(), self.stress()
        self.deform(1, 1.0 + self.narrowing * self.load.strain_step)
        affine, box = self.state(), self.system.box
        fell = self.find_minimum()
        moved = self.without_drift(self.system.positions - transformed(affine[1], between(box, self.system.box)))
        self.rate = self.bend = None
        if not fell:
            self.narrowing = (self.width / saved[-1] - 1.0) / self.load.strain_step
        length = np.sqrt(np.sum(moved * moved, axis=1))
        drop = before - self.stress()
        if length.max() < MIN_EVENT_DISPLACEMENT_SAMPLE or drop <= 0.0 or self._reversible(saved):
            return None
        atom, certain = int(np.argmax(length)), not fell or self._is_certain(affine)
        configuration, cell = self.system.positions.copy(), self.system.cell.copy()
        return Event(self.step, atom, drop, float(length[atom]), moved, configuration, cell, self.system.tilt, certain)

    def find_minimum(self) -> bool:
        """Move to the minimum where the system belongs after a step: the one close by, or where it falls.

        Returns
        -------
        bool
            Whether it fell.
        """
        falls = self._falls
        self._to_minimum(may_fall=True)
        return self._falls > falls

    def _to_minimum(self, may_fall: bool) -> bool:
        """Move to a minimum, and the free edge, if there is one, to where nothing pulls it; False if there is none."""
        return self._minimum(may_fall) and (self.across is None or self._settle_width(may_fall))

    def _minimum(self, may_fall: bool) -> bool:
        """Move to the minimum close by, or to where the system falls; False, and nothing moves, if it may not fall."""
        start = self.system.positions
        if self.system.correct(TOLERANCE, NEAR):
            return True
        self.system.positions = start
        if may_fall:
            self.fall(self.system)
            self._falls += 1
        return may_fall

    def _settle_width(self, may_fall: bool) -> bool:
        """Move the free edge until the stress across the load vanishes; False if a minimum is lost on the way."""
        assert self.across is not None
        allowed = WIDTH_TOLERANCE * self.system.potential.force_scale
        stress = self._stress_across()
        for _ in range(WIDTH_TRIALS):
            if abs(stress) < allowed:
                return True
            change = -math.copysign(WIDTH_STEP, stress)
            if self._stiffness > 0.0:
                change = max(-WIDTH_STEP, min(WIDTH_STEP, -stress / self._stiffness))
            self.deform(0, 1.0 + change)
            if not self._minimum(may_fall):
                return False
            last, stress = stress, self._stress_across()
            self._stiffness = (stress - last) / change
        raise ConvergenceError(
            f"the stress across the load, {stress:.3g}, does not vanish at a width of {self.width:.3g} times the first"
        )

    def _stress_across(self) -> float:
        return float(self.system.stress()[self.across, self.across])

    def without_drift(self, displacement: np.ndarray) -> np.ndarray:
        """Subtract the mean of a displacement, unless some atoms are fixed."""
        return displacement - displacement.mean(axis=0) if self.system.mobile is None else displacement

    def _reversible(self, saved: tuple) -> bool:
        here = self.state()
        self.deform(-1, 1.0 - self.narrowing * self.load.strain_step)
        self.find_minimum()
        difference = self.without_drift(self.system.positions - saved[1])
        self.restore(here)
        return bool(np.max(np.abs(difference)) < REVERSIBILITY_TOLERANCE)

    def _is_certain(self, start: tuple) -> bool:
        """Whether repeated falls from about the same start end in the same minimum."""
        here = self.state()
        for seed in range(self.repeats):
            self.restore(start)
            shape = self.system.positions.shape
            noise = np.random.default_rng(np.random.SeedSequence(seed)).uniform(-NOISE, NOISE, shape)
            self.system.positions = self.system.positions + noise * self.system.movable[:, None]
            self.fall(self.system)
            if self.across is not None:
                self._settle_width(may_fall=True)
            difference = self.without_drift(self.system.positions - here[1])
            self.restore(here)
            if np.max(np.abs(difference)) > SAME:
                return False
        return True


def load_to(
    sample: LoadedSample,
    first: int,
    last: int,
    n_events: int,
    every_step: bool = False,
    is_over: Callable[[LoadedSample, Curve], bool] | None = None,
) -> tuple[Curve, list[Event]]:
    """Load a sample to the last of a number of events, but to the step `first` and not beyond `last`.

    `is_over`, called with the sample and the curve so far at every strain visited, may end it earlier.

    Returns
    -------
    curve : list of (int, float, float)
        Steps visited, the stress of the load [energy/Å²] and the energy there.
    events : list of Event
        In their order.
    """
    system = sample.system
    curve = [(0, sample.stress(), system.energy_forces()[0])]
    events: list[Event] = []
    increment = 8
    with progress("deforming", unit=" steps") as bar:
        while sample.step < (last if len(events) < n_events else first):
            increment = min(increment, (last if len(events) < n_events else first) - sample.step)
            if every_step or increment < 2:
                event = sample.plain_step()
                increment = 2
                if event is not None:
                    events.append(event)
                    bar.set_postfix(events=len(events), refresh=False)
            elif sample.follow(increment):
                increment = min(2 * increment, LONGEST)
            else:
                increment //= 2
                continue
            bar.update(sample.step - curve[-1][0])
            curve.append((sample.step, sample.stress(), system.energy_forces()[0]))
            if is_over is not None and is_over(sample, curve):
                break
    return curve, events
