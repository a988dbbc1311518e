"""Cut-outs as the networks read them: sequences, images and graphs, three views of the same atoms and bonds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numba
import numpy as np

from .cutouts import Cutouts

PADDING = 99.0  # coordinate of the padded rows of a sequence [Å]: outside every disc
PIXELS = 64  # edge of an image; 220 in the paper
SILICON_RADIUS = 0.6  # drawn radius of a Si [Å]; the paper gives none
BOND_WIDTH = 0.4  # drawn width of a bond [Å]; the paper gives none
SILICON_GREY, BOND_GREY = 255, 128  # on black

# The four mirror images of a cut-out: pure shear along the axes cannot tell x from -x or y from -y.
SIGNS = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]], dtype=np.float32)


@dataclass(frozen=True)
class Inputs:
    """What a network reads of some points of a sample.

    Attributes
    ----------
    points : dict of ndarray
        By name, arrays with one row per point.
    sample : dict of ndarray
        Arrays that all points share, of the sample as a whole; none for networks that read cut-outs.
    """

    points: dict[str, np.ndarray]
    sample: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.points.values())))

    def take(self, index: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Return the inputs for some of the points."""
        return {**{name: array[index] for name, array in self.points.items()}, **self.sample}


def joined(parts: Sequence[Inputs]) -> Inputs:
    """Join the inputs of several samples that share nothing with other points of their sample."""
    return Inputs({name: np.concatenate([part.points[name] for part in parts]) for name in parts[0].points})


def sequences(cut: Cutouts) -> np.ndarray:
    """Return the positions in the order of the atoms, padded with `PADDING`, (n, n_max, 2) [Å]."""
    return np.where(cut.mask[:, :, None], cut.positions, PADDING).astype(np.float32)


def graphs(cut: Cutouts) -> dict[str, np.ndarray]:
    """Return nodes (n, n_max, 2) [Å], adjacency (n, n_max, n_max), mask (n, n_max), 1 for atoms."""
    return {
        "nodes": cut.positions.astype(np.float32),
        "adjacency": cut.adjacency,
        "mask": cut.mask.astype(np.uint8),
    }


def images(cut: Cutouts, pixels: int = PIXELS) -> np.ndarray:
    """Draw the cut-outs: Si as discs joined by lines, grey on black, edges blended over one pixel.

    The image shows the square around the disc of R_free, x to the right and y upwards. Bonds that leave the disc are
    not drawn; the graph does not have them either.

    Parameters
    ----------
    cut : Cutouts
        What to draw.
    pixels : int
        Edge of the image; the paper's is 220.

    Returns
    -------
    ndarray of uint8, shape (n, pixels, pixels, 1)

    Raises
    ------
    ValueError
        If `pixels` is not a whole number > 0.
    """
    if pixels != int(pixels) or pixels < 1:
        raise ValueError(f"pixels: {pixels!r} is not a whole number > 0")
    canvas = np.zeros((len(cut), pixels, pixels), dtype=np.uint8)
    _draw(canvas, cut.positions, cut.adjacency, cut.mask, cut.r_free)
    return canvas[..., None]


@numba.njit(nogil=True)
def _draw(canvas, positions, adjacency, mask, r_free):
    for n in range(len(canvas)):
        for i in range(mask.shape[1]):
            if not mask[n, i]:
                continue
            _capsule(canvas[n], positions[n, i], positions[n, i], SILICON_RADIUS, SILICON_GREY, r_free)
            for j in range(i):
                if adjacency[n, i, j]:
                    _capsule(canvas[n], positions[n, i], positions[n, j], 0.5 * BOND_WIDTH, BOND_GREY, r_free)


@numba.njit(nogil=True)
def _capsule(image, a, b, radius, grey, r_free):
    """Draw all points within `radius` of the segment a-b; where shapes overlap, the brighter one shows."""
    n = len(image)
    size = 2.0 * r_free / n  # of a pixel [Å]
    reach = radius + size
    columns = (
        _clip((min(a[0], b[0]) - reach + r_free) / size, n),
        _clip((max(a[0], b[0]) + reach + r_free) / size, n),
    )
    rows = (
        _clip((r_free - max(a[1], b[1]) - reach) / size, n),
        _clip((r_free - min(a[1], b[1]) + reach) / size, n),
    )
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    for row in range(rows[0], rows[1] + 1):
        y = r_free - (row + 0.5) * size - a[1]
        for column in range(columns[0], columns[1] + 1):
            x = (column + 0.5) * size - r_free - a[0]
            along = 0.0 if length2 == 0.0 else min(max((x * dx + y * dy) / length2, 0.0), 1.0)
            distance = np.hypot(x - along * dx, y - along * dy)
            cover = min(max((radius - distance) / size + 0.5, 0.0), 1.0)
            image[row, column] = max(image[row, column], np.uint8(cover * grey + 0.5))


@numba.njit(nogil=True)
def _clip(index, n):
    return min(max(int(np.floor(index)), 0), n - 1)


def mirrored(x: dict[str, np.ndarray], signs: np.ndarray) -> dict[str, np.ndarray]:
    """Mirror the inputs of a network; the thresholds stay the same.

    Atoms keep their numbers and with them their place in the sequence. A network that reads the whole sample has the
    signs among its inputs, and mirrors what it reads itself. Inputs of other names stay as they are.

    Parameters
    ----------
    x : dict of ndarray
        What `Inputs.take` returns.
    signs : ndarray, shape (n, 2)
        Factors of x and y of every point, +1 or -1 (rows of `SIGNS`); all the same for points that share a sample.
    """
    if "signs" in x:
        return x | {"signs": x["signs"] * signs[:1]}
    if "nodes" in x:
        return x | {"nodes": x["nodes"] * signs[:, None]}
    if "sequence" in x:
        sequence = x["sequence"]
        return x | {"sequence": np.where(sequence == PADDING, sequence, sequence * signs[:, None])}
    if "image" in x:
        image = x["image"].copy()
        for axis in (0, 1):
            chosen = signs[:, axis] < 0
            image[chosen] = np.flip(image[chosen], axis=2 - axis)
        return x | {"image": image}
    return x
