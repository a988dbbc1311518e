"""Threshold maps updated while a sample is sheared, to predict the next event after every event.

The paper's map is that of the undeformed sample and becomes stale: each event changes the glass around it, and strain
loads every disc. A fresh map is one of the sample after the previous event.

Not every disc needs to be probed for that. Where atoms have only followed the affine deformation since a disc was
probed, the disc is on the path of its probe: it has the same critical state, and is closer to it. Its threshold is its
critical stress minus its current stress, which costs one evaluation of the forces for all discs. How far atoms have
strayed from the affine deformation decides which discs are probed again. All atoms stray a little, so this is a matter
of tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from ..mechanics.forms import SILICA
from ..mechanics.load import make_load
from ..mechanics.potential import Potential
from ..mechanics.shear import load_of, relax, state_after
from ..mechanics.system import System
from ..network.geometry import grid_points, minimum_image
from ..network.network import Network
from ..network.units import STRESS_UNIT
from ..probing.probe import probe
from ..probing.protocol import PROTOCOL, read_protocol, require_protocol
from .discs import R_FREE, as_map, disc_max, membership, stress_of_discs
from .prediction_goodness import goodness

MOVED = 0.1  # atoms of a disc that strayed further from the affine deformation [Å] have it probed again
FRACTURED = 0.1  # share of the largest stress; below it a crack crosses the sample


def states(network: Network, shear: xr.Dataset, potential: Potential = SILICA) -> Iterator[Network]:
    """Yield the state of the sample before each event, at its energy minimum: the first is undeformed.

    Raises
    ------
    ValueError
        If `shear` holds no configurations.
    """
    yield network
    for event in shear.event.values[:-1]:
        yield relax(state_after(network, shear, int(event)), potential=potential)


class FreshMap:
    """Threshold map that is updated from state to state, probed again only where atoms have strayed.

    Parameters
    ----------
    grid : (int, int)
        Number of points along x and y; they move with the cell.
    r_free : float
        Radius of the free atoms of a probe [Å].
    moved : float
        Discs with an atom that strayed further are probed again [Å]; 0 probes all.
    probing : Dataset, optional
        What `listi.probe` returned on this grid for the first state, which is then not probed again.
    potential, mode, angle
        As for `listi.probe`.

    Raises
    ------
    ValueError
        If `moved` is negative, or the probing is of another grid or protocol.
    """

    def __init__(
        self,
        grid: tuple[int, int] = (50, 50),
        r_free: float = R_FREE,
        moved: float = MOVED,
        probing: xr.Dataset | None = None,
        potential: Potential = SILICA,
        mode: str = "pure shear",
        angle: float = 0.0,
    ) -> None:
        if not moved >= 0.0:
            raise ValueError(f"moved: {moved} Å is not >= 0 Å")
        self.grid, self.r_free, self.moved, self.potential = grid, r_free, moved, potential
        self.load: dict[str, Any] = {"mode": mode, "angle": float(angle)}
        self._weight = make_load(mode, angle).weight
        self.probed = 0.0  # share of the discs that were probed for the last map
        self._critical = np.full(np.prod(grid), np.nan)
        if probing is not None:
            self._critical = _critical(probing, grid, r_free, potential, self.load)
        self._last = np.zeros(len(self._critical), dtype=int)  # state in which each disc was last probed
        self._states: list[Network] = []

    def __call__(self, network: Network) -> xr.DataArray:
        """Return the threshold map of the next state of the same sample."""
        number = len(self._states)
        self._states.append(network)
        again = self._strayed(network) if number else np.isnan(self._critical)
        if again.any():
            points = grid_points(network.cell, self.grid)[again]
            found = probe(network, points=points, r_free=self.r_free, potential=self.potential, **self.load)
            self._critical[again] = found.critical_stress
        self._last[again] = number
        self.probed = float(again.mean())
        virials = System(network.positions, network.species, network.cell, potential=self.potential).virials()
        stress = stress_of_discs(virials, network.positions, network.cell, self.grid, self.r_free)
        threshold = self._critical - stress @ self._weight
        return as_map(threshold, network.cell, self.grid, "threshold", STRESS_UNIT, "local stress threshold")

    def _strayed(self, network: Network) -> np.ndarray:
        """Which discs hold an atom that moved against its neighbours since they were probed, shape (n_points,)."""
        strayed = np.zeros(len(self._last), dtype=bool)
        for number in np.unique(self._last):
            before, own = self._states[number], np.flatnonzero(self._last == number)
            whole = membership(before.positions, before.cell, self.grid, self.r_free + self.potential.cutoff)[own]
            shift = minimum_image(network.positions / network.cell - before.positions / before.cell, np.ones(2))
            strayed[own] = _spread(shift * network.cell, whole) > self.moved
        return strayed


def _critical(
    probing: xr.Dataset, grid: tuple[int, int], r_free: float, potential: Potential, load: Mapping
) -> np.ndarray:
    """Critical stress of every disc, (n_points,); NaN where a probe found none."""
    found = probing.critical_stress.transpose("x", "y")
    if found.shape != tuple(grid):
        raise ValueError(f"probing: has {found.shape} points; {tuple(grid)} are needed here")
    wanted = PROTOCOL | {"r_free": r_free, "tether": 0.0, **load}
    del wanted["max_strain"]  # decides only which discs have a threshold
    attrs = require_protocol(probing, **wanted)
    read_protocol(probing, np.asarray(attrs["cell"]), potential)
    return found.values.ravel().copy()


def _spread(moved: np.ndarray, inside: csr_array) -> np.ndarray:
    """Largest distance of the displacements (n_atoms, 2) in each disc from their mean, shape (n_points,) [Å]."""
    mean = (inside @ moved) / inside.sum(axis=1)[:, None]
    disc = np.repeat(np.arange(inside.shape[0]), np.diff(inside.indptr))
    return disc_max(np.linalg.norm(moved[inside.indices] - mean[disc], axis=1), inside)


def follow(
    network: Network,
    shear: xr.Dataset,
    indicator: Callable[[Network], xr.DataArray] | None = None,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Follow a deformation: before every event, a map of the current state, and how well it predicts the event.

    Parameters
    ----------
    network : Network
        The undeformed sample, at its energy minimum.
    shear : Dataset
        What `listi.deform` made of it, with its `configuration`; any number of events.
    indicator : callable, optional
        (network) -> map over (x, y), low where soft, such as ``lambda state: listi.predict(state, model).threshold``.
        By default a `FreshMap` for the load of the deformation: probing, where the sample has changed.
    potential : Potential
        That the sample was deformed with.

    Returns
    -------
    Dataset over event
        `fresh`, goodness of each event by the map of the state before it; `stale`, by the undeformed sample's map;
        `probed`, share of the discs probed for the fresh map (1 unless it is a `FreshMap`); `strain` of the event; and
        `maps` (event, x, y), the fresh maps, with x and y in the undeformed cell.

    Raises
    ------
    ValueError
        If `shear` holds no configurations, its load tilts the cell or is not that of a `FreshMap`, or a parameter makes
        no sense.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> shear = listi.deform(glass, n_events=2)
    >>> def compliance(state):
    ...     return -listi.stress_rate(state, grid=(10, 10))
    >>> followed = listi.follow(glass, shear, compliance)
    >>> followed.fresh.values.round(2)
    array([0.96, 0.48])
    """
    load = load_of(shear)
    indicator = FreshMap(potential=potential, **load) if indicator is None else indicator
    if isinstance(indicator, FreshMap) and indicator.load != load:
        raise ValueError(f"indicator: is a FreshMap of {indicator.load}; the deformation is of {load}")
    fields: list[xr.DataArray] = []
    fresh, probed = [], []
    for state, atom in zip(states(network, shear, potential), shear.event_atom.values, strict=True):
        field = indicator(state).transpose("x", "y")
        fresh.append(goodness(field, state.positions[[atom]], state.cell).item())
        probed.append(getattr(indicator, "probed", 1.0))
        fields.append(field.assign_coords({name: fields[0][name] for name in "xy"} if fields else {}))
    stale = goodness(fields[0], network.positions[shear.event_atom.values], network.cell)
    one = {"units": "1"}
    return xr.Dataset(
        {
            "stale": ("event", stale.values, one | {"long_name": "goodness by the undeformed sample's map"}),
            "fresh": ("event", fresh, one | {"long_name": "goodness by the map of the state before"}),
            "probed": ("event", probed, one | {"long_name": "share of the discs probed again"}),
            "strain": ("event", shear.event_strain.values, one | {"long_name": "strain just after the event"}),
            "maps": xr.concat(fields, xr.Variable("event", shear.event.values), combine_attrs="override"),
        },
        coords={"event": shear.event.values},
    )


def live_maps(
    network: Network, shear: xr.Dataset, grid: tuple[int, int] = (50, 50), r_free: float = R_FREE
) -> xr.DataArray:
    """Return the threshold map of the undeformed sample and of its state after every event, by a `FreshMap`.

    Parameters
    ----------
    network : Network
        The undeformed sample, at its energy minimum.
    shear : Dataset
        What `listi.deform` made of it, with its `configuration`.
    grid, r_free
        As for `FreshMap`.

    Returns
    -------
    DataArray over (state, x, y)
        State 0 is undeformed, n that after event n; x and y in the undeformed cell.

    Raises
    ------
    ValueError
        If `shear` holds no configurations, or a parameter makes no sense.
    """
    probed = FreshMap(grid, r_free, **load_of(shear))
    fields = [probed(state) for state in states(network, shear)]
    fields.append(probed(relax(state_after(network, shear, int(shear.event[-1])))))
    fields = [field.assign_coords({name: fields[0][name] for name in "xy"}) for field in fields]
    return xr.concat(fields, "state", combine_attrs="override")


def until_fractured(shear: xr.Dataset, share: float = FRACTURED) -> xr.Dataset:
    """Return the part of a deformation until the stress has fallen to a share of its peak: the sample is fractured.

    All of it if it does not fall so far: shear that keeps the area closes along y what it opens along x.
    """
    stress = shear.stress.values
    top = int(np.argmax(stress))
    low = top + np.flatnonzero(stress[top:] < share * stress[top])
    if low.size == 0:
        return shear
    strain = float(shear.strain[low[0]])
    return shear.isel(event=shear.event_strain.values <= strain, strain=slice(low[0] + 1))
