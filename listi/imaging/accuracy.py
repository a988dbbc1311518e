"""How much of a rendered image's glass is read from it, and what errors do to its threshold map."""

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

CLOSE = 0.3  # an atom this near to its true place is found [Å]
MATCHED = 1.0  # a point further from every true Si is none of them [Å]
BORDER = 5.0  # Si nearer to the border of an image are not judged [Å]: their neighbours may be out of sight


def accuracy(rendered: Rendered, imaged: Imaged) -> dict[str, float]:
    """Compare what was read from a rendered image with the truth.

    Returns
    -------
    dict
        "atoms": share of the true Si found within 0.3 Å, less those that are no Si; "error": root mean square distance
        [Å] of the Si that were found; "bonds": share that is right of the true bonds, or of those read, whichever is
        less. Si within 5 Å of the border are not judged, nor bonds that end there.
    """
    size = np.array(rendered.pixels.shape[::-1]) * rendered.scale
    places = imaged.silicon * rendered.scale
    truly_judged, judged = (np.all((p > BORDER) & (p < size - BORDER), axis=1) for p in (rendered.silicon, places))
    distance = cKDTree(places).query(rendered.silicon)[0][truly_judged]
    away, whose = cKDTree(rendered.silicon).query(places)
    whose[away > MATCHED] = -1
    false = np.sum(judged & (whose < 0))
    bonds = imaged.patch.bonds
    true, read = _pairs(rendered.bonds), _pairs(whose[bonds])
    seen = _pairs(rendered.bonds[truly_judged[rendered.bonds].all(axis=1)])
    told = _pairs(whose[bonds[judged[bonds].all(axis=1)]])
    return {
        "atoms": float((np.sum(distance < CLOSE) - false) / len(distance)),
        "error": float(np.sqrt(np.mean(distance[distance < MATCHED] ** 2))),
        "bonds": min(len(seen & read) / max(1, len(seen)), len(told & true) / max(1, len(told))),
    }


def _pairs(bonds: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(bond) for bond in np.sort(bonds, axis=1).tolist()}


def against_noise(patch: Network, doses: Sequence[float], seed: int = 0, spacing: float = SPACING) -> xr.Dataset:
    """Read a patch from images ever more noisy, and compare atoms, bonds and the probed map with the truth.

    Maps are those of both patches with free edges relaxed, at the same points of the largest circle.

    Parameters
    ----------
    patch : Network
        As imaged.
    doses : sequence of float
        As in `render`; every image has a drift of 2 %.
    seed : int
        Of the noise of the first image; the others count on.
    spacing : float
        Of the points [Å].

    Returns
    -------
    Dataset over dose
        ``atoms``, ``bonds``, ``error`` as in `accuracy`, and ``correlation`` of the maps; NaN where the image was found
        to hold no network.
    """
    true = relaxed_freely(patch).patch
    points = map_points(true, largest_circle(true), spacing)
    thresholds = probe(true, points=points).threshold.values
    found = xr.Dataset(
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
            found[name][number] = value
        found["correlation"][number] = _correlation(true, points, thresholds, rendered, imaged)
    return found


def _correlation(true: Network, points: np.ndarray, thresholds, rendered: Rendered, imaged: Imaged) -> float:
    """Correlation of thresholds at points of the true patch with those at the same places of the one that was read."""
    read = relaxed_freely(imaged.patch).patch
    away, whose = cKDTree(rendered.silicon).query(imaged.silicon * rendered.scale)
    here = np.column_stack([true.positions[true.silicon][whose], np.ones(len(whose))])[away < MATCHED]
    there = read.positions[read.silicon][away < MATCHED]
    moved = np.column_stack([points, np.ones(len(points))]) @ np.linalg.lstsq(here, there)[0]
    again = probe(read, points=moved).threshold.values
    return correlation(thresholds, again)
