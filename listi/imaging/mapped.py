"""Where in an image the glass is weak: threshold maps of the patch that it shows, in the coordinates of the image."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..network.geometry import grid_product
from ..network.network import Network
from ..probing.probe import probe
from .circle import changed_bonds, gridded, inner_points, relaxed_freely
from .picture import Imaged, patch_in

DISTINCT = 11.0  # two weak spots are at least so far apart [Å]: the radius of a probed disc
PIXEL = {"units": "pixel", "long_name": "column from the left edge, row from the top edge of the image"}


@dataclass(frozen=True)
class MappedImage:
    """An image of a glass, the patch that it shows, and maps of its thresholds.

    Attributes
    ----------
    pixels : ndarray, shape (n_rows, n_columns)
        The image; the first row is the top.
    imaged : Imaged
        What was read from it.
    patch : Network
        The patch at its energy minimum, the Si in the same order.
    maps : dict of DataArray over (x, y)
        Thresholds at points of the patch [Å], NaN at its edges; the first is that by which spots are weak.
    """

    pixels: np.ndarray
    imaged: Imaged
    patch: Network
    maps: dict[str, xr.DataArray]

    def __repr__(self) -> str:
        rows, columns = self.pixels.shape
        return f"Image of {columns} x {rows} pixels; {self.patch!r}; maps: {', '.join(self.maps)}"

    @property
    def silicon(self) -> np.ndarray:
        """Column and row (n, 2) of every Si [pixels], from the left and the top edge of the image."""
        x, y = self.imaged.silicon.T
        return np.column_stack([x, len(self.pixels) - y])

    @property
    def transform(self) -> np.ndarray:
        """Matrix (2, 3) from x, y [Å] in the patch, and 1, to column and row [pixels].

        By least squares over the Si, which differ from it by half an ångström: the energy minimum moves them.
        """
        places = self.patch.positions[: len(self.silicon)]
        return np.linalg.lstsq(np.column_stack([places, np.ones(len(places))]), self.silicon)[0].T

    def in_pixels(self, points: np.ndarray) -> np.ndarray:
        """Return column and row (n, 2) [pixels] of points (n, 2) of the patch [Å]."""
        return np.column_stack([points, np.ones(len(points))]) @ self.transform.T

    def weakest(self, n: int = 5) -> xr.Dataset:
        """Return the weakest spots by the first map, no two closer than 11 Å.

        Returns
        -------
        Dataset over spot
            ``position`` in the patch [Å], ``pixel`` (column, row), and the threshold in every map by its name.
        """
        first = next(iter(self.maps.values())).transpose("x", "y")
        points, values = grid_product(first.x.values, first.y.values), first.values.ravel()
        chosen: list[int] = []
        for point in np.argsort(values, kind="stable")[: np.count_nonzero(np.isfinite(values))]:
            if all(np.linalg.norm(points[point] - points[other]) >= DISTINCT for other in chosen[:n]):
                chosen.append(int(point))
        spots = points[chosen[:n]]
        x, y = (xr.DataArray(spots[:, k], dims="spot") for k in (0, 1))
        return xr.Dataset(
            {
                "position": (("spot", "xy"), spots, {"units": "angstrom", "long_name": "position in the patch"}),
                "pixel": (("spot", "pixel_axis"), self.in_pixels(spots), PIXEL),
                **{name: threshold.sel(x=x, y=y).drop_vars(("x", "y")) for name, threshold in self.maps.items()},
            },
            {"spot": np.arange(1, len(spots) + 1), "xy": ["x", "y"], "pixel_axis": ["column", "row"]},
        )

    def to_dataset(self) -> xr.Dataset:
        """Return the maps with ``silicon`` (column and row of every Si), ``transform`` and the weakest spots."""
        about = {"units": "1", "long_name": "column and row [pixel] of x, y [angstrom] in the patch and 1"}
        spots = self.weakest()[["position", "pixel"]].rename(position="spot_position", pixel="spot_pixel")
        return xr.Dataset(
            {
                **self.maps,
                "silicon": (("silicon_atom", "pixel_axis"), self.silicon, PIXEL),
                "transform": (("pixel_axis", "term"), self.transform, about),
                **spots.data_vars,
            }
        )

    def summary(self) -> str:
        """Return what was read from the image and its weakest spots, line by line."""
        imaged, spots = self.imaged, self.weakest()
        lines = [
            f"{len(imaged.silicon)} Si, {len(imaged.patch.bonds)} bonds; a pixel is {imaged.scale:.4g} Å by the bonds",
            "repaired: " + ", ".join(f"{number} {what}" for what, number in imaged.repairs.items()),
            "strain of the image taken out: {:.2%} and {:.2%}".format(*imaged.drift),
            f"bonds changed by the energy minimum: {changed_bonds(imaged.patch, self.patch)}",
            f"weakest spots, threshold in 1e-3 reduced energy/Å² ({', '.join(self.maps)}):",
        ]
        for spot in spots.spot.values:
            column, row = spots.pixel.sel(spot=spot).values
            thresholds = ", ".join(f"{1e3 * float(spots[name].sel(spot=spot)):.1f}" for name in self.maps)
            left, top = column * imaged.scale, row * imaged.scale
            lines.append(
                f"  {spot}: column {column:.0f}, row {row:.0f} of the image, {left:.1f} Å from its left edge and "
                f"{top:.1f} Å from its top edge; threshold {thresholds}"
            )
        return "\n".join(lines)


def map_image(
    pixels: np.ndarray, scale: float | None = None, dark: bool = False, model: str | os.PathLike | None = "listi"
) -> MappedImage:
    """Map the thresholds of the patch of silica that an image shows, relaxed with free edges.

    Parameters
    ----------
    pixels, scale, dark
        As in `listi.imaging.picture.patch_in`.
    model : str or path, optional
        Network that predicts a map, before it is probed: a file, or the name of one that ships. None: no prediction.

    Returns
    -------
    MappedImage
        With the maps "predicted" and "probed", at points 4.3 Å apart that are 11 Å or more from the edges.

    Raises
    ------
    ValueError
        If the image shows no network of silica, or a patch that is too small.
    DataError
        If there is no such model.

    Examples
    --------
    >>> import listi
    >>> from listi.imaging.mapped import map_image
    >>> from listi.imaging.render import render
    >>> image = render(listi.generate(nx=16, ny=18), field=60.0)
    >>> mapped = map_image(image.pixels, image.scale, model=None)
    >>> mapped.weakest(2).pixel.shape
    (2, 2)
    """
    if model is not None:
        from ..learning import models

        models.find(model)  # refuses an unknown name before any work
    imaged = patch_in(pixels, scale, dark)
    patch = relaxed_freely(imaged.patch).patch
    points, maps = inner_points(patch), {}
    if model is not None:
        from ..learning.predict import predict

        maps["predicted"] = gridded(predict(patch, model, points=points).threshold)
    maps["probed"] = gridded(probe(patch, points=points).threshold)
    return MappedImage(np.asarray(pixels, dtype=float), imaged, patch, maps)
