"""A free circle in a patch of glass: its first event under shear, and how well a map predicts it (Fig. 10).

A patch is not periodic, so its edges must be held. As in the paper, only the atoms in a circle are relaxed under shear;
all atoms around it follow the affine deformation. An image does not show the tension in a patch; `READINGS` are the
ways to prepare it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from ..analysis.prediction_goodness import goodness
from ..mechanics.shear import deform
from ..mechanics.system import System
from ..network.bonds import BOND, COORDINATION_RADIUS, bonds_through_oxygen
from ..network.geometry import grid_product
from ..network.network import Network
from ..network.patch import edge_silicon, in_one_piece
from ..probing.probe import probe

RIM = 10.0  # least width of the glass around a circle [Å]: the cutoff of the potential
SPACING = 4.3  # of probes [Å]; the paper's
LARGEST_RING = 8.0  # no point of the glass is further than this from a Si [Å]


class State(NamedTuple):
    """A patch at an energy minimum.

    Attributes
    ----------
    patch : Network
    held : ndarray of bool, shape (n_atoms,)
        Atoms that are held from outside, with forces on them; perhaps none.
    """

    patch: Network
    held: np.ndarray


class Circle(NamedTuple):
    """Where atoms are free: centre (2,) and radius [Å]."""

    centre: np.ndarray
    radius: float


def relaxed_freely(patch: Network) -> State:
    """Minimise the energy with free edges: the patch shrinks until no tension is left (the paper's Methods).

    Raises
    ------
    ConvergenceError
        If the energy does not reach a minimum.
    """
    return _minimised(in_one_piece(patch), np.zeros(patch.n_atoms, dtype=bool))


def held_at_edges(patch: Network) -> State:
    """Minimise the energy while the Si at the edges and their O stay: the patch keeps its size, and so a tension.

    Raises
    ------
    ConvergenceError
        If the energy does not reach a minimum.
    """
    patch = in_one_piece(patch)
    edge = cKDTree(patch.positions[edge_silicon(patch)])
    return _minimised(patch, edge.query(patch.positions)[0] < COORDINATION_RADIUS)


def stretched(patch: Network) -> State:
    """Minimise the energy with free edges, scale back to a mean Si-Si distance of 3.05 Å, and hold the edges there.

    Raises
    ------
    ConvergenceError
        If an energy does not reach a minimum.
    """
    free = relaxed_freely(patch).patch
    first, second = free.positions[free.bonds.T]
    scale = BOND / np.linalg.norm(first - second, axis=1).mean()
    return held_at_edges(free.replace(positions=free.positions * scale, cell=free.cell * scale))


def _minimised(patch: Network, held: np.ndarray) -> State:
    """Minimise the energy with respect to all but the held atoms, and find the bonds that are left."""
    system = System(patch.positions, patch.species, patch.cell, ~held)
    system.relax()
    bonds = bonds_through_oxygen(system.positions, patch.species, patch.cell)
    return State(patch.replace(positions=system.positions, bonds=bonds), held)


def changed_bonds(before: Network, after: Network) -> int:
    """Return how many bonds only one of two networks of the same atoms has; 0 if their topology is the same."""
    first, second = ({tuple(bond) for bond in np.sort(n.bonds, axis=1).tolist()} for n in (before, after))
    return len(first ^ second)


READINGS: dict[str, Callable[[Network], State]] = {
    "free edges": relaxed_freely,
    "held edges": held_at_edges,
    "stretched": stretched,
}


def transposed(state: State) -> State:
    """Return the mirror image with x and y exchanged: shear that elongates x there elongates y here."""
    patch = state.patch
    return State(patch.replace(positions=patch.positions[:, ::-1], cell=patch.cell[::-1]), state.held)


def largest_circle(patch: Network, rim: float = RIM) -> Circle:
    """Return the largest circle that leaves a rim of this width [Å] up to the nearest Si at the edges.

    Raises
    ------
    ValueError
        If the patch is too small for it.
    """
    points, distance = _depth(patch)
    best = int(np.argmax(distance))
    if distance[best] <= rim:
        raise ValueError(f"rim: {rim} Å leaves nothing of a patch that is {distance[best]:.3g} Å deep")
    return Circle(points[best], float(distance[best] - rim))


def circles(patch: Network, radius: float, rim: float = RIM) -> list[Circle]:
    """Return circles of a radius [Å] all over a patch, neighbours at least a radius apart; the deepest comes first.

    Raises
    ------
    ValueError
        If none fits.
    """
    points, distance = _depth(patch)
    order = np.argsort(-distance, kind="stable")
    points, distance = points[order], distance[order]
    points = points[distance >= radius + rim]
    if not len(points):
        raise ValueError(
            f"radius: {radius} Å with a rim of {rim} Å does not fit; the patch is {distance[0]:.3g} Å deep"
        )
    chosen = points[:1]
    while True:
        apart = np.linalg.norm(points[:, None] - chosen[None], axis=2).min(axis=1)
        if apart.max() < radius:
            return [Circle(point, radius) for point in chosen]
        chosen = np.vstack([chosen, points[np.argmax(apart)]])


def _depth(patch: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 2) 1 Å apart inside a patch, and their distance (n,) from the nearest Si at its edges [Å]."""
    points = _grid_over(patch, 1.0)
    distance = _from_edges(patch, points)
    return points[distance > 0.0], distance[distance > 0.0]


def _grid_over(patch: Network, spacing: float) -> np.ndarray:
    """Return the points (n, 2) of a square grid [Å] over the atoms of a patch, wherever they are in its cell."""
    low, high = patch.positions.min(axis=0) - LARGEST_RING, patch.positions.max(axis=0) + LARGEST_RING
    return grid_product(
        *(np.arange(np.ceil(a / spacing), np.floor(b / spacing) + 1) * spacing for a, b in zip(low, high, strict=True))
    )


def _from_edges(patch: Network, points: np.ndarray) -> np.ndarray:
    """Return the distance (n,) of points from the nearest Si at an edge [Å]; -1 outside the patch."""
    inside = cKDTree(patch.positions[patch.silicon]).query(points)[0] < LARGEST_RING
    return np.where(inside, cKDTree(patch.positions[edge_silicon(patch)]).query(points)[0], -1.0)


def first_event(state: State, circle: Circle, strain_step: float = 1e-4, max_strain: float = 0.3) -> xr.Dataset:
    """Shear a patch, free in a circle only, up to its first event: `listi.deform`, with its errors.

    Later events are not computed: the frozen surroundings distort them (the paper).
    """
    x, y = circle.centre
    return deform(state.patch, strain_step, max_strain, 1, free_centre=(x, y), free_radius=circle.radius)


def map_points(patch: Network, circle: Circle, spacing: float = SPACING) -> np.ndarray:
    """Return the points (n, 2) [Å] of a square grid in a circle, the circle's centre among them."""
    steps = np.arange(-int(circle.radius // spacing), int(circle.radius // spacing) + 1) * spacing
    points = grid_product(steps, steps)
    return circle.centre + points[np.hypot(*points.T) <= circle.radius]


def inner_points(patch: Network, depth: float = 11.0, spacing: float = SPACING) -> np.ndarray:
    """Return the points (n, 2) [Å] of a square grid that are at least `depth` [Å] from the Si at the edges.

    Raises
    ------
    ValueError
        If there are none.
    """
    points = _grid_over(patch, spacing)
    points = points[_from_edges(patch, points) >= depth]
    if not len(points):
        raise ValueError(f"depth: no point of the patch is {depth} Å from its edges")
    return points


def gridded(threshold: xr.DataArray) -> xr.DataArray:
    """Return thresholds at points of a square grid over (x, y), NaN where there is no point."""
    x, y = (np.round(threshold[name].values, 6) for name in "xy")
    return threshold.assign_coords(x=("point", x), y=("point", y)).set_index(point=["x", "y"]).unstack("point")


def examine(
    state: State,
    circle: Circle,
    strain_step: float = 1e-4,
    max_strain: float = 0.3,
    spacing: float = SPACING,
    maps: Mapping[str, Callable[[Network, np.ndarray], xr.DataArray]] | None = None,
) -> xr.Dataset:
    """First events in a circle under pure shear along x and along y, and the goodness of the probed map for each.

    Parameters
    ----------
    state : State
        A patch at its minimum, as one of `READINGS` makes it.
    circle : Circle
        Where atoms are free; thresholds are ranked among the points in it.
    strain_step, max_strain : float
        As in `listi.deform`.
    spacing : float
        Of the map's points [Å].
    maps : mapping of functions (patch, points) -> DataArray over point, optional
        Other maps than that of local probing, such as a network's.

    Returns
    -------
    Dataset over direction ("x", "y": what the shear elongates)
        ``event_strain``, ``event_position`` in the patch, ``event_displacement``, ``goodness``, NaN if there is none;
        ``threshold`` over (direction, point), NaN where no disc could be probed, at ``x`` and ``y``;
        ``goodness_<name>`` of every other map.

    Raises
    ------
    ConvergenceError
        If an energy does not reach a minimum under shear.
    """
    points = map_points(state.patch, circle, spacing)
    rows = []
    for turn in (1, -1):
        prepared = state if turn == 1 else transposed(state)
        shear = first_event(prepared, Circle(circle.centre[::turn], circle.radius), strain_step, max_strain)
        held = prepared.held if prepared.held.any() else None
        threshold = probe(prepared.patch, points=points[:, ::turn], held=held).threshold
        others = {name: predict(prepared.patch, points[:, ::turn]) for name, predict in (maps or {}).items()}
        rows.append(_scored(prepared.patch, shear, threshold, others, turn))
    examined = xr.concat(rows, xr.Variable("direction", ["x", "y"]))
    return examined.assign_coords(x=("point", points[:, 0]), y=("point", points[:, 1]))


def _scored(
    patch: Network, shear: xr.Dataset, threshold: xr.DataArray, others: Mapping[str, xr.DataArray], turn: int
) -> xr.Dataset:
    """Return the first event of one direction, if any, and the goodness of the maps for it."""
    first = shear.reindex(event=[1]).isel(event=0, drop=True)
    has_event = shear.sizes["event"] > 0
    attrs = {"units": "1", "long_name": "goodness of the first event"}
    maps = {"goodness": threshold, **{f"goodness_{name}": threshold_map for name, threshold_map in others.items()}}
    scores = {
        name: ((), float(goodness(values, shear.event_position[:1], patch.cell)[0]) if has_event else np.nan, attrs)
        for name, values in maps.items()
    }
    return xr.Dataset(
        {
            "event_strain": first.event_strain,
            "event_position": ("xy", first.event_position.values[::turn]),
            "event_displacement": first.event_displacement,
            **scores,
            "threshold": ("point", threshold.values, threshold.attrs),
        }
    )
