"""Homogeneous loads: how far cell and atoms are deformed after a number of small steps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ..network.geometry import is_number
from .arithmetic import cosine_and_sine, exp, logarithm
from .jit import JIT

_GRADIENT = {  # of the affine velocity per unit strain, and the weight of stress : gradient in the stress of the load
    "pure shear": ([[1.0, 0.0], [0.0, -1.0]], 0.5),
    "simple shear": ([[0.0, 1.0], [0.0, 0.0]], 1.0),
    "uniaxial tension": ([[1.0, 0.0], [0.0, 0.0]], 1.0),
    "biaxial tension": ([[1.0, 0.0], [0.0, 1.0]], 0.5),
}
MODES = tuple(_GRADIENT)
STRESS_NAMES = {  # of the stress of each mode, in the frame of the load
    "pure shear": "shear stress (sigma_xx - sigma_yy)/2",
    "simple shear": "shear stress sigma_xy",
    "uniaxial tension": "stress sigma_xx",
    "biaxial tension": "mean normal stress (sigma_xx + sigma_yy)/2",
}


class Load(NamedTuple):
    """A load in a direction, in small steps.

    Attributes
    ----------
    mode : int
        Number in `MODES`.
    velocity : ndarray, shape (2, 2)
        Gradient of the affine velocity per unit strain.
    weight : ndarray, shape (3,)
        The stress of the load is this times the stress (xx, xy, yy): in the frame of the load (sigma_xx - sigma_yy)/2
        for pure shear, sigma_xy, sigma_xx and (sigma_xx + sigma_yy)/2 for the other modes.
    strain_step : float
        Strain of one step.
    logarithm : float
        Of 1 + strain_step.
    """

    mode: int
    velocity: np.ndarray
    weight: np.ndarray
    strain_step: float
    logarithm: float


def make_load(mode: str = "pure shear", angle: float = 0.0, strain_step: float = 1e-4) -> Load:
    """Return a load.

    Parameters
    ----------
    mode : str
        "pure shear" (x grows by 1 + d per step, y shrinks by it), "simple shear", "uniaxial tension" (y fixed) or
        "biaxial tension" (both grow).
    angle : float
        Direction against x, anticlockwise [degrees].
    strain_step : float
        Strain of one step, d.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """
    _check_mode(mode)
    if not is_number(angle):
        raise ValueError(f"angle: {angle!r} is not a finite number of degrees")
    if not (is_number(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step!r} is not in 0 < strain_step <= 0.01")
    matrix, weight = _GRADIENT[mode]
    velocity = rotated(np.array(matrix), angle)
    of_stress = weight * np.array([velocity[0, 0], velocity[0, 1] + velocity[1, 0], velocity[1, 1]])
    return Load(MODES.index(mode), velocity, of_stress, float(strain_step), logarithm(1.0 + strain_step))


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is not one of {', '.join(MODES)}")


def principal_directions(mode: str, angle: float = 0.0) -> tuple[float, float]:
    """Return what a mode of load is in its principal directions, as far as it does not rotate the sample.

    Its velocity gradient has the strain rates d + s and d - s there: d dilates, s shears.

    Returns
    -------
    direction : float
        Of the largest strain rate, against x, anticlockwise [degrees].
    dilation : float
        d / (d + s): 0 in pure and simple shear, 0.5 in uniaxial, 1 in biaxial tension.
    """
    _check_mode(mode)
    (xx, xy), (yx, yy) = _GRADIENT[mode][0]
    shear = math.hypot(0.5 * (xx - yy), 0.5 * (xy + yx))
    dilation = 0.5 * (xx + yy)
    return float(angle) + 0.5 * math.degrees(math.atan2(xy + yx, xx - yy)), dilation / (dilation + shear)


def rotated(matrix: np.ndarray, angle: float) -> np.ndarray:
    """Return a tensor (2, 2) rotated anticlockwise by an angle [degrees]."""
    return _rotated(matrix, *cosine_and_sine(angle))


def _rotated(matrix: np.ndarray, c: float, s: float) -> np.ndarray:
    """Rotate a tensor (2, 2) anticlockwise by an angle of this cosine and sine."""
    (xx, xy), (yx, yy) = matrix
    return np.array(
        [
            [c * c * xx - c * s * (xy + yx) + s * s * yy, c * c * xy + c * s * (xx - yy) - s * s * yx],
            [c * c * yx + c * s * (xx - yy) - s * s * xy, s * s * xx + c * s * (xy + yx) + c * c * yy],
        ]
    )


class CellUnderLoad:
    """How a load deforms a cell whose first edge stays along x: the frame turns with that edge.

    Parameters
    ----------
    mode, angle, strain_step
        As for `make_load`.
    """

    def __init__(self, mode: str = "pure shear", angle: float = 0.0, strain_step: float = 1e-4) -> None:
        self.load = make_load(mode, angle, strain_step)
        self.mode, self.angle, self.strain_step = mode, float(angle), self.load.strain_step
        (xx, xy), (yx, yy) = self.load.velocity
        self.tilts = bool(xy != 0.0 or yx != 0.0)
        self._powers = np.array([xx, yy])  # 1, 0 or -1, where nothing tilts

    def deformation(self, steps: float) -> np.ndarray:
        """Deformation (xx, yy, xy) of the cell after a number of steps: the upper triangle U of F = R U."""
        if not self.tilts:
            factor = stretch(self.load.logarithm, steps)
            return np.array([*np.where(self._powers > 0, factor, np.where(self._powers < 0, 1.0 / factor, 1.0)), 0.0])
        xx, xy, yx, yy = gradient(self.load, steps)
        length, c, s = self._turn(steps)
        return np.array([length, (xx * yy - xy * yx) / length, c * xy + s * yy])

    def velocity(self, steps: int) -> np.ndarray:
        """Gradient (2, 2) of the affine velocity per unit strain in the turning frame, an upper triangle."""
        if not self.tilts:
            return self.load.velocity
        _, c, s = self._turn(steps)
        (xx, xy), (yx, yy) = _rotated(self.load.velocity, c, -s)
        return np.array([[xx, xy + yx], [0.0, yy]])

    def stress(self, stress: np.ndarray, steps: int) -> float:
        """Stress of the load [energy/Å²], from the stress tensor (2, 2) in the turning frame."""
        _, c, s = self._turn(steps)
        (xx, xy), (_, yy) = _rotated(stress, c, s) if self.tilts else stress
        weight = self.load.weight
        return float(weight[0] * xx + weight[1] * xy + weight[2] * yy)

    def _turn(self, steps: float) -> tuple[float, float, float]:
        """By how much the first edge is longer, and the cosine and sine of the angle by which it has turned."""
        xx, _, yx, _ = gradient(self.load, steps)
        length = math.sqrt(xx * xx + yx * yx)
        return length, xx / length, yx / length


@numba.njit(**JIT)
def stretch(logarithm, steps):
    """Factor (1 + strain_step)^steps by which all modes but simple shear stretch the direction of the load."""
    return exp(steps * logarithm)


@numba.njit(**JIT)
def gradient(load, steps):
    """Deformation gradient (xx, xy, yx, yy) after a number of steps."""
    velocity = load.velocity
    lxx, lxy, lyx, lyy = velocity[0, 0], velocity[0, 1], velocity[1, 0], velocity[1, 1]
    if load.mode == 1:  # simple shear: I + strain L
        e = steps * load.strain_step
        return 1.0 + e * lxx, e * lxy, e * lyx, 1.0 + e * lyy
    stretched = stretch(load.logarithm, steps)
    if load.mode == 0:  # L has eigenvalues +1 and -1: cosh + L sinh
        c, s = 0.5 * (stretched + 1.0 / stretched), 0.5 * (stretched - 1.0 / stretched)
        return c + s * lxx, s * lxy, s * lyx, c + s * lyy
    e = stretched - 1.0  # L is a projector
    return 1.0 + e * lxx, e * lxy, e * lyx, 1.0 + e * lyy


@numba.njit(**JIT)
def increment(load, begin, end):
    """Deformation gradient (xx, xy, yx, yy) that takes the state after `begin` steps to the one after `end`."""
    old, new = gradient(load, begin), gradient(load, end)
    determinant = old[0] * old[3] - old[1] * old[2]
    return (
        (new[0] * old[3] - new[1] * old[2]) / determinant,
        (new[1] * old[0] - new[0] * old[1]) / determinant,
        (new[2] * old[3] - new[3] * old[2]) / determinant,
        (new[3] * old[0] - new[2] * old[1]) / determinant,
    )
