"""The box in which a sample has no pressure. Lengths in Å."""

from __future__ import annotations

import numpy as np

from ..mechanics.system import ConvergenceError, System, minimise

_RELEASED = 1e-9  # normal stress that counts as none [energy/Å²]
_BULK, _SHEAR = 0.26, 0.05  # first guess of the moduli: the crystal's [energy/Å²]


def release(positions: np.ndarray, species: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relax atoms and cell to zero normal stress, by Broyden's method in the two strains.

    Parameters
    ----------
    positions, species, cell
        As in `listi.Network`.

    Returns
    -------
    tuple of ndarray
        Positions and cell.

    Raises
    ------
    ConvergenceError
        If a normal stress stays above 1e-9 energy/Å².
    """
    stiffness = np.array([[_BULK + _SHEAR, _BULK - _SHEAR], [_BULK - _SHEAR, _BULK + _SHEAR]])
    stress = np.diag(System(positions, species, cell).stress())
    for _ in range(50):
        if np.max(np.abs(stress)) < _RELEASED:
            return positions, cell
        strain = np.linalg.solve(stiffness, -stress)
        stretch = np.exp(strain * min(1.0, 0.01 / np.max(np.abs(strain))))
        cell = cell * stretch
        positions = minimise(positions * stretch, species, cell)
        before, stress = stress, np.diag(System(positions, species, cell).stress())
        step = np.log(stretch)
        stiffness = stiffness + np.outer(stress - before - stiffness @ step, step) / (step @ step)
    raise ConvergenceError(f"no zero-pressure box: a normal stress of {np.max(np.abs(stress)):.3g} is left")
