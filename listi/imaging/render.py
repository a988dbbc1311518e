"""Images of a glass as a microscope might take them, with known positions of all atoms: to test reading of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ..network.geometry import is_number
from ..network.network import SILICON, Network

OXYGEN_CONTRAST = 0.35  # intensity of an O in units of a Si: about (8/14)^1.9, as in annular dark field
BACKGROUND = 0.5  # of the support, in units of a Si's peak
UNEVEN = 0.5  # the background varies by this share across the image


@dataclass(frozen=True)
class Rendered:
    """An image and the truth behind it.

    Attributes
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
        Counts; the first row is the top, with the largest y.
    scale : float
        Edge of a pixel [Å].
    silicon : ndarray, shape (n, 2)
        Positions of the Si in the image: x from its left and y from its bottom edge [Å].
    bonds : ndarray, shape (m, 2)
        Pairs of those Si.
    """

    pixels: np.ndarray
    scale: float
    silicon: np.ndarray
    bonds: np.ndarray


def render(
    network: Network,
    field: float | None = None,
    dose: float = 200.0,
    scale: float = 0.25,
    blur: float = 0.7,
    angle: float = 0.0,
    drift: float = 0.0,
    seed: int = 0,
) -> Rendered:
    """Draw the middle of a glass as a bright-atom image with blur, shot noise and an uneven background.

    Parameters
    ----------
    network : Network
        A periodic sample, which fills the field, or a patch in vacuum.
    field : float, optional
        Edge of the square that is imaged [Å]; without it, the cell, without periodic images.
    dose : float
        Counts per Å² where the intensity is that of a Si's peak: 200 are 12.5 in a pixel of 0.25 Å, so that a Si
        stands out from the background by 3 times the noise of one pixel.
    scale : float
        Edge of a pixel [Å].
    blur : float
        Standard deviation of an atom's image [Å]; 0.7 is a width at half height of 1.65 Å.
    angle : float
        By which the glass is rotated anticlockwise [degrees].
    drift : float
        Shear of the image, dx/dy, as of a stage that drifts while lines are scanned.
    seed : int
        Of the noise.

    Raises
    ------
    ValueError
        If a parameter is not > 0, or no atom is in the image.
    """
    for name, value in {"dose": dose, "scale": scale, "blur": blur}.items():
        if not (is_number(value) and value > 0.0):
            raise ValueError(f"{name}: {value!r} is not > 0")
    size = network.cell if field is None else np.full(2, float(field))
    positions, species, bonds = _visible(network, size, angle, drift, margin=4.0 * blur)
    shape = np.ceil(size / scale).astype(int)
    atoms = _splat(positions / scale, np.where(species == SILICON, 1.0, OXYGEN_CONTRAST), shape)
    atoms = gaussian_filter(atoms, blur / scale, mode="constant") * (2.0 * np.pi * (blur / scale) ** 2)
    expected = dose * scale**2 * (atoms + _background(shape))
    counts = np.random.default_rng(seed).poisson(expected).astype(float)
    inside = np.all((positions >= 0.0) & (positions < size), axis=1) & (species == SILICON)
    number = np.cumsum(inside) - 1
    bonds = bonds[inside[bonds].all(axis=1)]
    return Rendered(counts.T[::-1], scale, positions[inside], number[bonds])


def _visible(network: Network, size: np.ndarray, angle: float, drift: float, margin: float) -> tuple[np.ndarray, ...]:
    """Return positions, species and bonds of all atoms in the image or at most `margin` [Å] outside it."""
    positions, bonds = _three_by_three(network)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.array([[1.0, drift], [0.0, 1.0]]) @ np.array([[cosine, -sine], [sine, cosine]])
    positions = (positions - network.cell / 2) @ matrix.T + size / 2
    visible = np.all((positions > -margin) & (positions < size + margin), axis=1)
    if not visible.any():
        raise ValueError(f"field: {size.tolist()} Å shows no atom")
    number = np.cumsum(visible) - 1
    return positions[visible], np.tile(network.species, 9)[visible], number[bonds[visible[bonds].all(axis=1)]]


def _three_by_three(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and bonds of the cell with its eight neighbours; bonds that leave these are left out."""
    copies = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    first, second = network.bonds.T
    crossed = np.round((network.positions[first] - network.positions[second]) / network.cell).astype(int)
    bonds = []
    for number, copy in enumerate(copies):
        copy_of_second = copy + crossed
        present = np.abs(copy_of_second).max(axis=1) <= 1
        other = second + (copy_of_second + 1) @ [3, 1] * network.n_atoms
        bonds.append(np.column_stack([first + number * network.n_atoms, other])[present])
    positions = network.positions + copies[:, None] * network.cell
    return positions.reshape(-1, 2), np.concatenate(bonds)


def _splat(positions: np.ndarray, weights: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Distribute weights at positions [pixels] over the four nearest pixels; shape (n_columns, n_rows)."""
    pixels = np.zeros(shape)
    corner = np.floor(positions - 0.5).astype(int)
    part = positions - 0.5 - corner
    for i in (0, 1):
        for j in (0, 1):
            at = corner + [i, j]
            share = weights * np.abs(1 - i - part[:, 0]) * np.abs(1 - j - part[:, 1])
            within = np.all((at >= 0) & (at < shape), axis=1)
            np.add.at(pixels, tuple(at[within].T), share[within])
    return pixels


def _background(shape: np.ndarray) -> np.ndarray:
    """Return an uneven background (n_columns, n_rows) in units of a Si's peak: a slope and a slow wave."""
    x, y = (np.linspace(-1.0, 1.0, n) for n in shape)
    wave = 0.5 * (x[:, None] + np.sin(2.0 * x[:, None] + 3.0 * y[None]))
    return BACKGROUND * (1.0 + UNEVEN * wave)
