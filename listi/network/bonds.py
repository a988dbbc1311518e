"""Bonds of silica from the positions of its atoms."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.spatial import cKDTree

from .geometry import as_array, is_number, minimum_image, wrap
from .network import MAXIMUM_BOND, OXYGEN, SILICON, Network

COORDINATION_RADIUS = 1.8  # an O within this distance of a Si [Å] is bonded to it
BOND = 3.05  # mean Si-Si distance [Å]; the paper's
BOND_TOLERANCE = 0.1  # the mean Si-Si distance of coordinates in Å differs from `BOND` by no larger share
LONGEST = 1.35  # of a bond, in Si-Si distances; a square ring has a diagonal of 1.41
SYMBOLS = ("Si", "O")  # of species 0 and 1
FREE_EDGES = "for pieces with free edges there are `listi image` and listi.imaging"


def network_of(
    positions: np.ndarray,
    cell: np.ndarray,
    species: np.ndarray | Sequence[str] | None = None,
    scale: float = 1.0,
) -> Network:
    """Return the network of silica whose atoms have these coordinates, with its bonds.

    With O among the atoms, two Si that share an O are bonded. From Si alone, near Si are bonded, the nearest first, at
    most three to a Si and no bond across another (`near_bonds`), and an O is put at the middle of every bond.

    Parameters
    ----------
    positions : array, shape (n_atoms, 2)
        Coordinates in the plane [Å].
    cell : array, shape (2,)
        Edge lengths of the periodic cell, its edges along x and y [Å].
    species : array or sequence of str, shape (n_atoms,), optional
        0 or "Si", 1 or "O"; all are Si without it.
    scale : float
        Factor by which positions and cell are multiplied: 10 for coordinates in nm, 0.529177 for Bohr radii.

    Returns
    -------
    Network
        The atoms in their order, then the O that were added, in the order of the bonds. No atom is moved: `listi.relax`
        minimises the energy.

    Raises
    ------
    ValueError
        If the atoms make no network: none are bonded, an O has more than two Si, or species are unknown; if `scale` is
        not > 0; or as `Network`.

    Warns
    -----
    UserWarning
        If the mean Si-Si distance differs from 3.05 Å by more than 10 %, with the `scale` that would cure it. If some
        Si do not have three bonds: at free edges, or because positions or cell are not right.

    Examples
    --------
    The bonds and O of a glass, from its Si alone:

    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> again = listi.network_of(glass.positions[glass.silicon], glass.cell)
    >>> again.n_atoms, len(again.bonds)
    (600, 360)
    >>> again = listi.relax(again)

    Coordinates in nm:

    >>> listi.network_of(glass.positions / 10, glass.cell / 10, glass.species, scale=10).n_atoms
    600
    """
    check_scale(scale)
    positions, cell = _checked(positions, cell)
    positions, cell, kinds = positions * scale, cell * scale, _species(species, len(positions))
    try:
        network = _bonded(positions, kinds, cell)
    except ValueError as error:
        raise ValueError(f"{error}{_unit_hint(positions[kinds == SILICON], cell, scale)}") from error
    _warn_of_distance(network, scale)
    odd = np.count_nonzero(np.bincount(network.bonds.ravel(), minlength=network.n_atoms)[network.silicon] != 3)
    if odd:
        warnings.warn(f"positions: {odd} of {len(network.silicon)} Si do not have three bonds", stacklevel=2)
    return network


def check_scale(scale: float) -> None:
    """Refuse, by a ValueError, what is not a factor of lengths."""
    if not (is_number(scale) and scale > 0.0):
        raise ValueError(f"scale: {scale!r} is not a factor > 0")


def _bonded(positions: np.ndarray, kinds: np.ndarray, cell: np.ndarray) -> Network:
    atoms = Network(positions, kinds, None, cell)
    if len(atoms.silicon) < len(kinds):
        network = atoms.replace(bonds=bonds_through_oxygen(positions, kinds, cell))
        missing = f"no two Si share an O within {COORDINATION_RADIUS} Å"
    else:
        network = _with_oxygen(atoms, near_bonds(wrap(positions, cell), LONGEST * BOND, cell))
        missing = f"no two Si are within {LONGEST * BOND:.3g} Å"
    if not len(network.bonds):
        raise ValueError(f"positions: {missing}; are they in Å, and is this silica?")
    return network


def _unit_hint(silicon: np.ndarray, cell: np.ndarray, scale: float) -> str:
    """Return what the distance of nearest Si says of the unit of length; nothing if it is that of silica."""
    if len(silicon) < 2:
        return ""
    nearest = np.median(cKDTree(wrap(silicon, cell), boxsize=cell).query(wrap(silicon, cell), k=2)[0][:, 1])
    if nearest == 0.0 or abs(nearest / BOND - 1.0) <= BOND_TOLERANCE:
        return ""
    return f" (nearest Si are {nearest:.3g} Å apart; scale={scale * BOND / nearest:.4g} would make this {BOND} Å)"


def _warn_of_distance(network: Network, scale: float) -> None:
    first, second = network.positions[network.bonds.T]
    mean = np.linalg.norm(minimum_image(second - first, network.cell), axis=1).mean()
    if abs(mean / BOND - 1.0) > BOND_TOLERANCE:
        warnings.warn(
            f"positions: the mean Si-Si distance is {mean:.3g} Å, in silica {BOND} Å; are they in Å? "
            f"scale={scale * BOND / mean:.4g} would make it {BOND} Å",
            stacklevel=3,
        )


def _with_oxygen(silicon: Network, bonds: np.ndarray) -> Network:
    """Put an O at the middle of every bond."""
    first, second = silicon.positions[bonds.T]
    middle = first + 0.5 * minimum_image(second - first, silicon.cell)
    species = np.repeat([SILICON, OXYGEN], [silicon.n_atoms, len(bonds)])
    return Network(np.concatenate([silicon.positions, middle]), species, bonds, silicon.cell)


def _checked(positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse coordinates that are not flat or have no rectangular cell."""
    places, edges = as_array("positions", positions), as_array("cell", np.nan if cell is None else cell)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ValueError(f"positions: shape {places.shape} is not (n_atoms, 2); a flat glass has x and y")
    if edges.shape != (2,) or not np.all(np.isfinite(edges)) or np.any(edges <= 0.0):
        raise ValueError(f"cell: {edges.tolist()} is not two edge lengths > 0 Å of a periodic rectangle; {FREE_EDGES}")
    if not np.all(np.isfinite(places)):
        bad = np.flatnonzero(~np.isfinite(places).all(axis=1))[0]
        raise ValueError(f"positions: atom {bad} is at {places[bad].tolist()}; all must be finite")
    return places, edges


def _species(species: np.ndarray | Sequence[str] | None, n_atoms: int) -> np.ndarray:
    """Species as numbers; unknown ones are refused."""
    kinds = np.zeros(n_atoms, dtype=int) if species is None else np.asarray(species)
    if kinds.shape != (n_atoms,):
        raise ValueError(f"species: shape {kinds.shape} is not ({n_atoms},), one entry per atom")
    names = np.array(SYMBOLS) if kinds.dtype.kind in "UO" else np.arange(len(SYMBOLS))
    matches = kinds[:, None] == names
    for atom in np.flatnonzero(~matches.any(axis=1))[:1]:
        raise ValueError(f"species: atom {atom} is {kinds[atom]}; allowed are 0 or 'Si', and 1 or 'O'")
    return np.argmax(matches, axis=1)


def near_bonds(points: np.ndarray, longest: float, cell: np.ndarray | None = None) -> np.ndarray:
    """Return bonds between near points, the shortest first, at most three to a point, none across another.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Positions of the Si; within the cell where there is one.
    longest : float
        Length of a bond at most, in the same unit.
    cell : ndarray, shape (2,), optional
        Edge lengths; nothing is periodic without it.

    Returns
    -------
    ndarray of int64, shape (m, 2)
    """
    pairs = cKDTree(points, boxsize=cell).query_pairs(longest, output_type="ndarray").astype(np.int64)
    along = _nearest_image(points[pairs[:, 1]] - points[pairs[:, 0]], cell)
    order = np.argsort(np.linalg.norm(along, axis=1), kind="stable")
    pairs, along = pairs[order], along[order]
    crossing = _crossing(points, pairs, along, longest, cell)
    taken, n_bonds = np.zeros(len(pairs), dtype=bool), np.zeros(len(points), dtype=int)
    for number, pair in enumerate(pairs):
        taken[number] = np.all(n_bonds[pair] < 3) and not taken[crossing[number]].any()
        n_bonds[pair] += taken[number]
    return pairs[taken]


def _nearest_image(difference: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    return difference if cell is None else minimum_image(difference, cell)


def _crossing(
    points: np.ndarray, pairs: np.ndarray, along: np.ndarray, longest: float, cell: np.ndarray | None
) -> list[list[int]]:
    """Return, for every pair of points, the numbers of the pairs whose lines cross its own between the ends."""
    middle = points[pairs[:, 0]] + 0.5 * along
    middle = middle if cell is None else wrap(middle, cell)
    near = cKDTree(middle, boxsize=cell).query_pairs(longest, output_type="ndarray")
    ends, others = pairs[near[:, 0]], pairs[near[:, 1]]
    apart = np.all(ends[:, :, None] != others[:, None, :], axis=(1, 2))
    between = _nearest_image(middle[near[:, 1]] - middle[near[:, 0]], cell)
    a, b = -0.5 * along[near[:, 0]], 0.5 * along[near[:, 0]]
    c, d = between - 0.5 * along[near[:, 1]], between + 0.5 * along[near[:, 1]]
    cross = apart & (_side(a, b, c) != _side(a, b, d)) & (_side(c, d, a) != _side(c, d, b))
    crossing: list[list[int]] = [[] for _ in pairs]
    for first, second in near[cross].tolist():
        crossing[first].append(second)
        crossing[second].append(first)
    return crossing


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Whether points lie to the left of lines from `start` to `end`."""
    along, towards = end - start, point - start
    return along[..., 0] * towards[..., 1] - along[..., 1] * towards[..., 0] > 0.0


def oxygen_coordination(network: Network, radius: float = COORDINATION_RADIUS) -> np.ndarray:
    """Return the number of O within `radius` [Å] of every Si, shape (n_silicon,)."""
    wrapped = wrap(network.positions, network.cell)
    oxygen = cKDTree(wrapped[network.species == OXYGEN], boxsize=network.cell)
    return oxygen.query_ball_point(wrapped[network.silicon], radius, return_length=True)


def bonds_through_oxygen(
    positions: np.ndarray,
    species: np.ndarray,
    cell: np.ndarray,
    radius: float = COORDINATION_RADIUS,
) -> np.ndarray:
    """Return the Si-Si bonds of a periodic network: the two Si within `radius` of each O, in the order of the O.

    Two O between the same two Si make one bond.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å].
    species : ndarray, shape (n_atoms,)
        0 = Si, 1 = O.
    cell : ndarray, shape (2,)
        Edge lengths [Å].
    radius : float
        Largest Si-O distance of bonded atoms [Å].

    Returns
    -------
    ndarray of int64, shape (n_bonds, 2)
        Lower atom number first. An O with a single Si, at a free edge, makes no bond.

    Raises
    ------
    ValueError
        If an O has more than two Si within `radius`.
    """
    near = _silicon_near_oxygen(positions, species, cell, radius)
    for atom, silicon in zip(np.flatnonzero(species == OXYGEN), near, strict=True):
        if len(silicon) > 2:
            raise ValueError(f"positions: O {atom} has {len(silicon)} Si within {radius} Å; at most 2 are allowed")
    pairs = dict.fromkeys(silicon for silicon in near if len(silicon) == 2)
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def _silicon_near_oxygen(
    positions: np.ndarray, species: np.ndarray, cell: np.ndarray, radius: float
) -> list[tuple[int, ...]]:
    """Numbers of the Si within `radius` of each O, ascending."""
    wrapped = wrap(positions, cell)
    silicon = np.flatnonzero(species == SILICON)
    tree = cKDTree(wrapped[silicon], boxsize=cell)
    near = tree.query_ball_point(wrapped[species == OXYGEN], radius, return_sorted=True)
    return [tuple(silicon[numbers].tolist()) for numbers in near]


def bonds_left(network: Network, positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the bonds of a network after its atoms have moved.

    In silica, where most bonds lead through an O, two Si that share an O are bonded. In other materials a bond of the
    network is left if it is not longer than `MAXIMUM_BOND`.

    Parameters
    ----------
    network : Network
        Before.
    positions, cell
        Positions of the atoms and edge lengths of the cell after the motion [Å].

    Returns
    -------
    ndarray of int64, shape (n_bonds, 2)

    Raises
    ------
    ValueError
        If an O of silica has more than two Si.
    """
    if not len(network.bonds):
        return network.bonds
    _, pairs, through_oxygen = intact_bonds(network, positions, cell)
    return bonds_through_oxygen(positions, network.species, cell) if through_oxygen else pairs


def intact_bonds(network: Network, positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return which bonds of a network are left after its atoms have moved, and all that there are now.

    As `bonds_left`, but an O may have three Si, which are then all bonded to each other.

    Returns
    -------
    intact : ndarray of bool, shape (n_bonds,)
    pairs : ndarray of int64, shape (n_pairs, 2)
        Bonded atoms, in silica also those that were not bonded before.
    through_oxygen : bool
        Whether bonds lead through an O.
    """
    near = _silicon_near_oxygen(positions, network.species, cell, COORDINATION_RADIUS)
    bridged = {pair for silicon in near for pair in combinations(silicon, 2)}
    intact = np.array([tuple(sorted(bond)) in bridged for bond in network.bonds.tolist()], dtype=bool)
    if intact.sum() > len(network.bonds) / 2:
        return intact, np.array(sorted(bridged)), True
    first, second = positions[network.bonds.T]
    intact = np.linalg.norm(minimum_image(first - second, cell), axis=1) <= MAXIMUM_BOND
    return intact, network.bonds[intact], False


def bond_orientational_order(positions: np.ndarray, bonds: np.ndarray, cell: np.ndarray) -> float:
    """Return |mean exp(6 i theta)| over the directions theta of the bonds.

    1 in a honeycomb of any orientation; about 1 / sqrt(n_bonds) where bonds have no preferred direction.

    Parameters
    ----------
    positions, bonds, cell
        As in `listi.Network`.
    """
    x, y = minimum_image(positions[bonds[:, 1]] - positions[bonds[:, 0]], cell).T
    squared = x * x + y * y
    c, s = (x * x - y * y) / squared, 2.0 * x * y / squared  # of twice the angle; their third power by hand, as exp
    cosine, sine = c * (c * c - 3.0 * s * s), s * (3.0 * c * c - s * s)  # and arctan2 differ between processors
    return float(np.sqrt(np.mean(cosine) ** 2 + np.mean(sine) ** 2))
