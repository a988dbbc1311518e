"""Reading a map at the resolution of an event, and its softest spots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from ..network.geometry import grid_product, minimum_image
from .discs import R_FREE

# Standard deviation of the Gaussian that reads a map at the resolution of an event [Å]. The position of an event is
# that of the atom that moves furthest, some Å from the bond that fails. Of 0, 0.5, ..., 8 Å it is the width at which
# the probed map has the highest mean goodness on the 40 training samples of data/paper (0.928; 0.895 as it is; 0.925
# or more from 4 to 5.5 Å; notebooks/studies/benchmark.py --width).
EVENT_RESOLUTION = 5.0
APART = 2.0 * R_FREE  # distinct spots are further from each other [Å]


def blurred(threshold_map: xr.DataArray, cell: np.ndarray, width: float = EVENT_RESOLUTION) -> xr.DataArray:
    """Return a map blurred by a periodic Gaussian.

    Parameters
    ----------
    threshold_map : DataArray over (x, y)
        On a regular grid that fills the cell. Points without a value (NaN) have no weight, and stay without one.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    width : float
        Standard deviation [Å]; 0 leaves the map as it is.

    Raises
    ------
    ValueError
        If the width is negative or not finite.
    """
    if not 0.0 <= width < np.inf:
        raise ValueError(f"width: {width} Å is not a finite length >= 0 Å")
    field = threshold_map.transpose("x", "y")
    sigma = width * np.array(field.shape) / cell
    valued = np.isfinite(field.values)
    total, weight = (
        gaussian_filter(values, sigma, mode="wrap") for values in (np.where(valued, field, 0.0), valued.astype(float))
    )
    values = np.divide(total, weight, out=np.full(field.shape, np.nan), where=valued)
    return field.copy(data=values).transpose(*threshold_map.dims)


def softest_spots(threshold_map: xr.DataArray, cell: np.ndarray, apart: float = APART) -> Iterator[tuple[int, int]]:
    """Yield the distinct soft spots of a map, softest first, as indices along x and y.

    Each is the softest grid point further than `apart` [Å] from all before; points without a value (NaN) are left out.
    """
    field = threshold_map.transpose("x", "y")
    points, values = grid_product(field.x.values, field.y.values), field.values.ravel().copy()
    while not np.all(np.isnan(values)):
        softest = int(np.nanargmin(values))
        yield divmod(softest, field.shape[1])
        values[np.linalg.norm(minimum_image(points - points[softest], cell), axis=1) <= apart] = np.nan
