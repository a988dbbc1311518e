"""From the pixels of an image to the patch of glass that it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network.bonds import BOND
from ..network.geometry import is_number
from ..network.network import Network
from ..network.patch import patch_of_silicon
from .connect import connect
from .detect import atoms_in, find_spacing

TOLERATED = 0.15  # share by which a given scale may differ from that of the bonds


@dataclass(frozen=True)
class Imaged:
    """A patch as an image shows it.

    Attributes
    ----------
    patch : Network
        Scaled to a mean Si-Si distance of 3.05 Å, drift taken out, O at the middles of bonds; not relaxed. Its first
        atoms are the Si, in the order of `silicon`.
    silicon : ndarray, shape (n, 2)
        The Si in the image: x from its left and y from its bottom edge [pixels].
    scale : float
        Edge of a pixel [Å], if the mean Si-Si distance is 3.05 Å.
    drift : ndarray, shape (2,)
        Distortion of the image that was taken out: its strain along x less along y over two, and its shear strain.
    repairs : dict
        As `connect.Connected`.
    """

    patch: Network
    silicon: np.ndarray
    scale: float
    drift: np.ndarray
    repairs: dict[str, int]


def patch_in(pixels: np.ndarray, scale: float | None = None, dark: bool = False) -> Imaged:
    """Read the patch of silica that an image shows (the paper's Methods).

    Si are found by the operator of Marr and Hildreth and joined to their neighbours. Bonds of silica are equally long
    in all directions; where those of the image are not, the stage has drifted, and what is needed to make them so is
    taken out (lengths over both axes are changed, angles of the image as a whole are not known).

    Parameters
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
        Grey image; the first row is the top.
    scale : float, optional
        Edge of a pixel [Å], within 15 %; estimated from the image without it.
    dark : bool
        Whether atoms are dark on a bright ground.

    Raises
    ------
    ValueError
        If the image shows no network of silica, or none at this scale.
    """
    if scale is not None and not (is_number(scale) and scale > 0.0):
        raise ValueError(f"scale: {scale!r} is not > 0 Å a pixel")
    spacing = find_spacing(pixels, dark) if scale is None else BOND / scale
    try:
        connected = connect(atoms_in(pixels, spacing, dark), spacing)
    except ValueError as error:
        if scale is not None:
            _check_scale(pixels, scale, dark, error)
        raise
    first, second = connected.points[connected.bonds.T]
    length = np.linalg.norm(second - first, axis=1).mean()
    if abs(length / spacing - 1.0) > TOLERATED:
        raise ValueError(
            f"scale: {BOND / spacing:g} Å a pixel makes the mean Si-Si distance {length / spacing * BOND:.2f} Å; "
            f"it must be {BOND} Å within {TOLERATED:.0%}: is the scale right?"
        )
    drift = _distortion(connected.points, connected.bonds)
    undone = np.linalg.inv(np.array([[1.0 + drift[0], drift[1]], [drift[1], 1.0 - drift[0]]]))
    patch = patch_of_silicon(connected.points @ undone, connected.bonds)
    return Imaged(patch, connected.points, BOND / length, drift, connected.repairs)


def _check_scale(pixels: np.ndarray, scale: float, dark: bool, error: ValueError) -> None:
    """Raise an error that says so if the image, by itself, shows a network at another scale."""
    try:
        estimate = BOND / find_spacing(pixels, dark)
    except ValueError:
        return
    if abs(estimate / scale - 1.0) > TOLERATED:
        raise ValueError(
            f"scale: {scale:g} Å a pixel contradicts the image, in which Si are {BOND} Å apart at {estimate:.3g} Å a "
            f"pixel; no network is seen at the given scale ({error})"
        ) from error


def _distortion(points: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Return the strains (2,) that make bonds longer along some direction: length = a (1 + e cos 2t + g sin 2t)."""
    x, y = np.diff(points[bonds], axis=1)[:, 0].T
    length, angle = np.hypot(x, y), 2.0 * np.arctan2(y, x)
    mean, along, across = np.linalg.lstsq(np.column_stack([np.ones_like(x), np.cos(angle), np.sin(angle)]), length)[0]
    return np.array([along, across]) / mean
