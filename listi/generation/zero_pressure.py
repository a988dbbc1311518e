"""The box in which a sample has no pressure. Lengths in Å."""

from __future__ import annotations

import numpy as np

from ..mechanics.system import ConvergenceError, System

_RELEASED = 1e-9  # normal stress that counts as none [energy/Å²]
_BULK, _SHEAR = 0.26, 0.05  # first guess of the moduli: the crystal's [energy/Å²]
_LARGEST_STRAIN = 0.01  # in one step


def relax_cell(positions: np.ndarray, species: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    system = System(positions, species, cell)
    stiffness = np.array([[_BULK + _SHEAR, _BULK - _SHEAR], [_BULK - _SHEAR, _BULK + _SHEAR]])
    stress = np.diag(system.stress())
    for _ in range(50):
        if np.max(np.abs(stress)) < _RELEASED:
            return system.positions, system.cell
        (a, b), (c, d) = stiffness
        x, y = -stress
        strain = np.array([d * x - b * y, a * y - c * x]) / (a * d - b * c)
        strain *= min(1.0, _LARGEST_STRAIN / np.max(np.abs(strain)))
        system.cell, system.positions = system.cell * (1.0 + strain), system.positions * (1.0 + strain)
        system.relax()
        before, stress = stress, np.diag(system.stress())
        expected = stiffness[:, 0] * strain[0] + stiffness[:, 1] * strain[1]
        stiffness = stiffness + np.outer(stress - before - expected, strain) / (strain[0] ** 2 + strain[1] ** 2)
    raise ConvergenceError(f"no zero-pressure box: a normal stress of {np.max(np.abs(stress)):.3g} is left")
