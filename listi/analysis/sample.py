"""A sample and all that is known of it, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from ..network.network import Network


@dataclass(frozen=True)
class Sample:
    """What a sample file holds.

    Attributes
    ----------
    network : Network
        The undeformed glass.
    shear, probing, predictions : Dataset or None
        Results of `listi.deform`, `listi.probe` and of the networks; None where there are none yet.
    attrs : dict
        Provenance: name, seed, parameters, schema, checksum, versions, commit, created, ...
    """

    network: Network
    shear: xr.Dataset | None
    probing: xr.Dataset | None
    predictions: xr.Dataset | None
    attrs: dict
