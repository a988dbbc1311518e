"""How much of a rendered image's glass is read from it, and what errors do to maps."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from .picture import Imaged
from .render import Rendered

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
    judged_true, judged_read = (np.all((p > BORDER) & (p < size - BORDER), axis=1) for p in (rendered.silicon, places))
    distance = cKDTree(places).query(rendered.silicon)[0]
    away, whose = cKDTree(rendered.silicon).query(places)
    false = np.sum(judged_read & (away > MATCHED))
    found = judged_true & (distance < CLOSE)
    near = judged_true & (distance < MATCHED)
    bonds = imaged.patch.bonds
    return {
        "atoms": float((found.sum() - false) / judged_true.sum()),
        "error": float(np.sqrt(np.mean(distance[near] ** 2))),
        "bonds": _bonds_right(rendered.bonds, judged_true, bonds, judged_read, np.where(away > MATCHED, -1, whose)),
    }


def _bonds_right(true: np.ndarray, judged_true, read: np.ndarray, judged_read, whose: np.ndarray) -> float:
    """Return the share of bonds that are right; `whose` says which true Si a read one is, -1 if none."""
    true_set = {tuple(bond) for bond in np.sort(true[judged_true[true].all(axis=1)], axis=1).tolist()}
    read_set = {tuple(bond) for bond in np.sort(whose[read[judged_read[read].all(axis=1)]], axis=1).tolist()}
    every_true = {tuple(bond) for bond in np.sort(true, axis=1).tolist()}
    every_read = {tuple(bond) for bond in np.sort(whose[read], axis=1).tolist()}
    return min(
        len(true_set & every_read) / max(1, len(true_set)),
        len(read_set & every_true) / max(1, len(read_set)),
    )
