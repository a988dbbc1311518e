"""A sample with its results, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import xarray as xr

from ..files import DataError
from ..network.network import Network


@dataclass(frozen=True)
class Sample:
    """A glass and its results: what a sample file holds.

    Attributes
    ----------
    network : Network
        The undeformed glass.
    shear, probing, predictions : Dataset or None
        Results of `listi.deform`, `listi.probe` and of the networks; None where there are none yet.
    attrs : dict
        Provenance: name, seed, parameters, schema, checksum, versions, commit, created, ...

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> own = listi.Sample(glass, shear=listi.deform(glass, n_events=1))
    >>> own.shear.sizes["event"]
    1
    """

    network: Network
    shear: xr.Dataset | None = None
    probing: xr.Dataset | None = None
    predictions: xr.Dataset | None = None
    attrs: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = [f"Sample {self.attrs['name']}" if "name" in self.attrs else "Sample", f"{self.network!r}"]
        if self.shear is not None:
            strain = self.shear.event_strain.values
            parts.append(
                f"{len(strain)} event{'s' * (len(strain) != 1)}"
                + (f" up to strain {strain.max():.3g}" if len(strain) else "")
            )
        if self.probing is not None:
            parts.append("probed at " + " x ".join(map(str, self.probing.threshold.shape)) + " points")
        if self.predictions is not None:
            maps = [str(name) for name, values in self.predictions.items() if {"x", "y"} <= set(values.coords)]
            parts.append("maps: " + ", ".join(maps))
        return "; ".join(parts)

    def _repr_html_(self) -> str:
        """The same line over a small picture of the network, for notebooks."""
        return self.network._repr_html_().replace(repr(self.network), repr(self), 1)


def threshold_of(sample: Sample, source: str) -> xr.DataArray:
    """Threshold map over (x, y) of a sample: by probing, or by the network of that name.

    Raises
    ------
    DataError
        If the sample holds no such map.
    """
    group, name = ("probing", "threshold") if source == "probing" else ("predictions", source)
    held = getattr(sample, group)
    if held is None or name not in held:
        file = sample.attrs.get("name", "sample")
        raise DataError(f"{file}: holds no thresholds by {source}")
    return held[name]
