"""Atoms in an image, by the operator of Marr and Hildreth (Proc. R. Soc. Lond. B 207, 187 (1980)).

The image is filtered with the Laplacian of a Gaussian. Its zero crossings surround bright spots on any background that
varies slowly; the strongest point within, refined below a pixel, is the position of an atom.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_laplace
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from ..network.geometry import as_array

WIDTH = 0.3  # of the Gaussian, in Si-Si distances: placed atoms best of .22 to .38 at all noises tried
NEAREST = 0.6  # no two Si are closer, in Si-Si distances
WEAKEST = 0.4  # of the median response: a weaker maximum is no Si
FLAT = 1e-6  # of the largest response: weaker maxima are rounding errors of flat areas, such as a microscope's data bar
FEWEST = 20  # atoms that an image must show
COARSEST = 1.5  # pixels in the Gaussian at least: atoms of an image with fewer cannot be placed within a pixel


def atoms_in(pixels: np.ndarray, spacing: float, dark: bool = False) -> np.ndarray:
    """Find the Si in an image.

    Parameters
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
        Grey image; the first row is the top.
    spacing : float
        Si-Si distance [pixels], within some 10 %.
    dark : bool
        Whether atoms are dark on a bright ground.

    Returns
    -------
    ndarray, shape (n, 2)
        x from the left edge and y from the bottom edge of the image [pixels].

    Raises
    ------
    ValueError
        If the image is not a grey image, atoms are too small for its pixels, or fewer than 20 are found.
    """
    pixels = _checked(pixels)
    sigma = WIDTH * spacing
    if not sigma >= COARSEST:
        raise ValueError(f"spacing: {spacing:.3g} pixels between Si is too coarse; at least {COARSEST / WIDTH:.2g}")
    response = gaussian_laplace(pixels, sigma) * (1.0 if dark else -1.0)
    min_distance = max(1, int(0.7 * NEAREST * spacing))
    peaks = peak_local_max(
        response, min_distance=min_distance, threshold_abs=FLAT * response.max(), exclude_border=int(np.ceil(sigma))
    )
    strength = response[tuple(peaks.T)]
    strong = strength > WEAKEST * np.median(strength) if len(strength) else np.zeros(0, dtype=bool)
    places = _refined(response, peaks[strong])
    places = places[_strongest(places, strength[strong], NEAREST * spacing)]
    if len(places) < FEWEST:
        raise ValueError(f"pixels: {len(places)} atoms found, at least {FEWEST} are needed; the image shows no network")
    return np.column_stack([places[:, 1] + 0.5, len(pixels) - 0.5 - places[:, 0]])


def _checked(pixels: np.ndarray) -> np.ndarray:
    pixels = as_array("pixels", pixels)
    if pixels.ndim != 2 or min(pixels.shape) < 32:
        raise ValueError(f"pixels: shape {pixels.shape} is not (n_rows, n_columns) of a grey image, each at least 32")
    if not np.all(np.isfinite(pixels)):
        raise ValueError(f"pixels: {np.count_nonzero(~np.isfinite(pixels))} values are not finite; all must be")
    if pixels.min() == pixels.max():
        raise ValueError(f"pixels: all are {pixels.min():g}; the image shows nothing")
    return pixels - pixels.min()  # the filter, cut off at a few widths, takes a large constant for a signal


def _refined(response: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return the maxima (n, 2) of the parabolas through each peak and its eight neighbours [rows, columns]."""
    row, column = peaks.T
    near = {(i, j): response[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    gradient = 0.5 * np.stack([near[1, 0] - near[-1, 0], near[0, 1] - near[0, -1]], axis=-1)
    curve_i = near[1, 0] - 2.0 * near[0, 0] + near[-1, 0]
    curve_j = near[0, 1] - 2.0 * near[0, 0] + near[0, -1]
    mixed = 0.25 * (near[1, 1] - near[1, -1] - near[-1, 1] + near[-1, -1])
    determinant = curve_i * curve_j - mixed**2
    step_i = mixed * gradient[:, 1] - curve_j * gradient[:, 0]
    step_j = mixed * gradient[:, 0] - curve_i * gradient[:, 1]
    curved = determinant > 0.0  # elsewhere, as on a saturated atom, no parabola has a maximum
    step_i, step_j = (np.divide(step, determinant, out=np.zeros_like(step), where=curved) for step in (step_i, step_j))
    return peaks + np.clip(np.column_stack([step_i, step_j]), -1.0, 1.0)


def _strongest(places: np.ndarray, strength: np.ndarray, nearest: float) -> np.ndarray:
    """Return the numbers of the places that stay when, of two nearer than `nearest`, the stronger does."""
    dropped = np.zeros(len(places), dtype=bool)
    order = np.argsort(-strength, kind="stable")
    neighbours = cKDTree(places).query_ball_point(places, nearest) if len(places) else []
    for place in order:
        if not dropped[place]:
            dropped[[n for n in neighbours[place] if n != place]] = True
    return np.flatnonzero(~dropped)


def find_spacing(pixels: np.ndarray, dark: bool = False) -> float:
    """Estimate the Si-Si distance [pixels] of an image: that with which the detected atoms are most evenly apart.

    Raises
    ------
    ValueError
        If no distance fits the atoms that are detected with it.
    """
    pixels = _checked(pixels)
    tried = np.geomspace(COARSEST / WIDTH, min(pixels.shape) / 8.0, 30)
    least_spread, best = np.inf, None
    for spacing in tried:
        try:
            atoms = atoms_in(pixels, spacing, dark)
        except ValueError:
            continue
        nearest = cKDTree(atoms).query(atoms, k=4)[0][:, 1:]
        typical = np.median(nearest)
        spread = np.median(np.abs(nearest - typical)) / typical
        if abs(typical / spacing - 1.0) < 0.15 and spread < least_spread:
            least_spread, best = spread, typical
    if best is None:
        raise ValueError("pixels: no Si-Si distance fits the image; its scale is needed")
    return float(best)
