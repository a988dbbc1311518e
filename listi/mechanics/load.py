"""Homogeneous loads: how far cell and atoms are deformed after a number of small steps."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from .arithmetic import cosine_and_sine, exp, logarithm
from .jit import JIT

_GRADIENT = {  # of the affine velocity per unit strain, and the weight of stress : gradient in the stress of the load
    "pure shear": ([[1.0, 0.0], [0.0, -1.0]], 0.5),
    "simple shear": ([[0.0, 1.0], [0.0, 0.0]], 1.0),
    "uniaxial tension": ([[1.0, 0.0], [0.0, 0.0]], 1.0),
}
MODES = tuple(_GRADIENT)


class Load(NamedTuple):
    """A load in a direction, in small steps.

    Attributes
    ----------
    mode : int
        Number in `MODES`.
    velocity : ndarray, shape (2, 2)
        Gradient of the affine velocity per unit strain.
    weight : ndarray, shape (3,)
        The stress of the load is this times the stress (xx, xy, yy): for pure shear (sigma_xx - sigma_yy)/2 in the
        frame of the load.
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
        "pure shear" (x grows by 1 + d per step, y shrinks by it), "simple shear" or "uniaxial tension" (y fixed).
    angle : float
        Direction against x, anticlockwise [degrees].
    strain_step : float
        Strain of one step, d.

    Raises
    ------
    ValueError
        If a parameter makes no sense.
    """
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    if not np.isfinite(angle):
        raise ValueError(f"angle: {angle} is not a finite number of degrees")
    if not (np.isfinite(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step} is not in 0 < strain_step <= 0.01")
    matrix, weight = _GRADIENT[mode]
    velocity = rotated(np.array(matrix), angle)
    of_stress = weight * np.array([velocity[0, 0], velocity[0, 1] + velocity[1, 0], velocity[1, 1]])
    return Load(MODES.index(mode), velocity, of_stress, float(strain_step), logarithm(1.0 + strain_step))


def rotated(matrix: np.ndarray, angle: float) -> np.ndarray:
    """Return a tensor (2, 2) rotated anticlockwise by an angle [degrees]."""
    c, s = cosine_and_sine(angle)
    (xx, xy), (yx, yy) = matrix
    return np.array(
        [
            [c * c * xx - c * s * (xy + yx) + s * s * yy, c * c * xy + c * s * (xx - yy) - s * s * yx],
            [c * c * yx + c * s * (xx - yy) - s * s * xy, s * s * xx + c * s * (xy + yx) + c * c * yy],
        ]
    )


@numba.njit(**JIT)
def stretch(logarithm, steps):
    """Factor (1 + strain_step)^steps by which pure shear and uniaxial tension stretch the direction of the load."""
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
