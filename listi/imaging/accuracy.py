"""Errors of the network that is read from a rendered image, and their effect on the threshold map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from ..analysis.comparison import correlation
from ..network.network import Network
from ..probing.probe import probe
from .circle import SPACING, largest_circle, map_points, relaxed_freely
from .picture import Imaged, patch_in
from .render import Rendered, render

CLOSE = 0.3  # an atom this near to its true position is right [Å]
MATCHED = 1.0  # a point further from every true Si matches none [Å]
BORDER = 5.0  # Si nearer to the border of an image are not compared [Å]: their neighbours may be outside the image


def accuracy(rendered: Rendered, imaged: Imaged) -> dict[str, float]:
    """Compare what was read from a rendered image with the truth.

    Returns
    -------
    dict
        "atoms": share of the true Si that were read within 0.3 Å, minus that of false Si; "error": root mean square
        distance [Å] of the Si that were read; "bonds": share of the true bonds that were read, or share of the bonds
        read that are true, whichever is smaller. Si within 5 Å of the border are left out, and bonds that end there.
    """
    size = np.array(rendered.pixels.shape[::-1]) * rendered.scale
    places = imaged.silicon * rendered.scale
    true_inside, inside = (np.all((p > BORDER) & (p < size - BORDER), axis=1) for p in (rendered.silicon, places))
    distance = cKDTree(places).query(rendered.silicon)[0][true_inside]
    distance_to_true, whose = cKDTree(rendered.silicon).query(places)
    whose[distance_to_true > MATCHED] = -1
    false = np.sum(inside & (whose < 0))
    bonds = imaged.patch.bonds
    true, read = _pairs(rendered.bonds), _pairs(whose[bonds])
    true_bonds_inside = _pairs(rendered.bonds[true_inside[rendered.bonds].all(axis=1)])
    read_inside = _pairs(whose[bonds[inside[bonds].all(axis=1)]])
    return {
        "atoms": float((np.sum(distance < CLOSE) - false) / len(distance)),
        "error": float(np.sqrt(np.mean(distance[distance < MATCHED] ** 2))),
        "bonds": min(
            len(true_bonds_inside & read) / max(1, len(true_bonds_inside)),
            len(read_inside & true) / max(1, len(read_inside)),
        ),
    }


def _pairs(bonds: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(bond) for bond in np.sort(bonds, axis=1).tolist()}


def against_noise(patch: Network, doses: Sequence[float], seed: int = 0, spacing: float = SPACING) -> xr.Dataset:
    """Read a patch from images of increasing noise, and compare atoms, bonds and the probed map with the truth.

    Maps are those of both patches with free edges relaxed, at the same points of the largest circle.

    Parameters
    ----------
    patch : Network
        As imaged.
    doses : sequence of float
        As in `render`; every image has a drift of 2 %.
    seed : int
        Of the noise of the first image; each further image has the next seed.
    spacing : float
        Of the points [Å].

    Returns
    -------
    Dataset over dose
        ``atoms``, ``bonds``, ``error`` as in `accuracy`, and ``correlation`` of the maps; NaN where no network was
        recognised in the image.
    """
    true = relaxed_freely(patch).patch
    points = map_points(true, largest_circle(true), spacing)
    thresholds = probe(true, points=points).threshold.values
    results = xr.Dataset(
        {name: ("dose", np.full(len(doses), np.nan)) for name in ("atoms", "bonds", "error", "correlation")},
        coords={"dose": ("dose", list(doses), {"units": "counts/angstrom^2"})},
    )
    for number, dose in enumerate(doses):
        rendered = render(patch, dose=dose, drift=0.02, seed=seed + number)
        try:
            imaged = patch_in(rendered.pixels, rendered.scale)
        except ValueError:
            continue
        for name, value in accuracy(rendered, imaged).items():
            results[name][number] = value
        results["correlation"][number] = _correlation(true, points, thresholds, rendered, imaged)
    return results


def _correlation(true: Network, points: np.ndarray, thresholds, rendered: Rendered, imaged: Imaged) -> float:
    """Correlation of thresholds in the true patch with those at the same points of the patch that was read."""
    read = relaxed_freely(imaged.patch).patch
    distance, whose = cKDTree(rendered.silicon).query(imaged.silicon * rendered.scale)
    true_silicon = np.column_stack([true.positions[true.silicon][whose], np.ones(len(whose))])[distance < MATCHED]
    read_silicon = read.positions[read.silicon][distance < MATCHED]
    points_read = np.column_stack([points, np.ones(len(points))]) @ np.linalg.lstsq(true_silicon, read_silicon)[0]
    thresholds_read = probe(read, points=points_read).threshold.values
    return correlation(thresholds, thresholds_read)
