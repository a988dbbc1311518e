"""A patch of glass with free edges, as an image shows it, instead of a periodic cell."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .bonds import BOND
from .geometry import as_array, is_number, minimum_image, wrap
from .network import MAXIMUM_BOND, OXYGEN, SILICON, Network
from .rings import outer_silicon

VACUUM = 20.0  # gap between a patch and its periodic images [Å]: beyond the cutoff also when strained


def free_patch(network: Network, size: float = 120.0, centre: np.ndarray | None = None) -> Network:
    """Cut a square patch with free edges out of a sample, like an imaged piece of glass (Fig. 10).

    Si with fewer than two bonds inside the square are removed until every Si has at least two, as in the imaged
    patches. Then everything but the largest connected piece is removed. An O stays if both its Si stay. The patch lies
    in the middle of a cell with vacuum around it, wide enough that nothing interacts across the borders.

    Parameters
    ----------
    network : Network
        The sample; atoms keep their order.
    size : float
        Edge length of the square [Å]; the paper's patch is 120 Å wide.
    centre : array, shape (2,), optional
        Middle of the square in the sample [Å]; by default the middle of its cell.

    Returns
    -------
    Network
        With cell edges size + 20 Å.

    Raises
    ------
    ValueError
        If there are other species than 0 = Si and 1 = O, or the square is not positive, does not fit into the cell, or
        holds no piece of network.
    """
    for atom in np.flatnonzero(network.species > OXYGEN)[:1]:
        raise ValueError(
            f"network: atom {atom} has species {network.species[atom]}; a patch is cut of 0 (Si) and 1 (O)"
        )
    largest = float(network.cell.min()) - MAXIMUM_BOND
    if not (is_number(size) and 0.0 < size <= largest):
        raise ValueError(f"size: {size!r} Å is not in (0, {largest:.6g}], the smaller cell edge less {MAXIMUM_BOND} Å")
    middle = network.cell / 2 if centre is None else as_array("centre", centre)
    if middle.shape != (2,) or not np.all(np.isfinite(middle)):
        raise ValueError(f"centre: {middle.tolist()} is not two finite coordinates")
    relative = minimum_image(network.positions - middle, network.cell)
    inside = np.all(np.abs(relative) <= size / 2, axis=1)
    kept, bonds = largest_cluster_without_dangling_bonds(network, inside)
    if not kept.any():
        raise ValueError(f"size: a square of {size} Å around {middle.tolist()} holds no ring of the network")
    kept |= _oxygen_on_bonds(network, bonds)
    number = np.cumsum(kept) - 1
    cell = np.full(2, size + VACUUM)
    return Network(relative[kept] + cell / 2, network.species[kept], number[bonds], cell)


def patch_of_silicon(silicon: np.ndarray, bonds: np.ndarray, bond_length: float = BOND) -> Network:
    """Make a patch from the silicon positions of an image, as in the paper's Methods.

    Lengths are scaled until the mean Si-Si bond is `bond_length`, an O is put at the middle of every bond, and the
    patch into the middle of a cell with vacuum around it. Nothing is relaxed.

    Parameters
    ----------
    silicon : array, shape (n, 2)
        Positions of the Si, in any unit.
    bonds : array, shape (m, 2)
        Which of them share an O.
    bond_length : float
        Mean Si-Si distance [Å]; the paper's is 3.05.

    Returns
    -------
    Network
        The Si in their order, then the O in the order of the bonds.

    Raises
    ------
    ValueError
        If there is no bond, `bond_length` is not positive, or as `Network`.
    """
    silicon, bonds = as_array("silicon", silicon), as_array("bonds", bonds, np.int64)
    if len(bonds) == 0:
        raise ValueError("bonds: there are none; a patch needs one at least")
    if not (is_number(bond_length) and bond_length > 0.0):
        raise ValueError(f"bond_length: {bond_length!r} is not > 0 Å")
    first, second = silicon[bonds.T]
    scale = bond_length / np.linalg.norm(first - second, axis=1).mean()
    positions = np.concatenate([silicon, 0.5 * (first + second)]) * scale
    species = np.repeat([SILICON, OXYGEN], [len(silicon), len(bonds)])
    return _in_vacuum(positions, species, bonds)


def in_one_piece(patch: Network) -> Network:
    """Return a patch with its atoms side by side, none of them beyond the vacuum in another periodic image.

    The border of the cell is put in the middle of the widest gap between atoms, along both axes.
    """
    places = np.sort(wrap(patch.positions, patch.cell), axis=0)
    gaps = np.diff(places, axis=0, append=places[:1] + patch.cell)
    widest, axes = gaps.argmax(axis=0), np.arange(2)
    border = places[widest, axes] + 0.5 * gaps[widest, axes] - patch.cell
    cells_off = np.floor((patch.positions - border) / patch.cell)
    return patch.replace(positions=patch.positions - cells_off * patch.cell) if cells_off.any() else patch


def edge_silicon(patch: Network) -> np.ndarray:
    """Return the numbers of the Si at a free edge: those that fewer rings meet at than bonds."""
    return outer_silicon(patch)


def _in_vacuum(positions: np.ndarray, species: np.ndarray, bonds: np.ndarray) -> Network:
    """Return a patch in a cell that is wider by `VACUUM` than its atoms."""
    corner = positions.min(axis=0) - VACUUM / 2
    return Network(positions - corner, species, bonds, np.ptp(positions, axis=0) + VACUUM)


def largest_cluster_without_dangling_bonds(network: Network, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest connected part of a network in which every Si has at least two bonds.

    Si with fewer than two bonds are left out until there are none, then all but the largest connected piece.

    Parameters
    ----------
    network : Network
    inside : ndarray of bool, shape (n_atoms,)
        Which atoms may stay.

    Returns
    -------
    kept : ndarray of bool, shape (n_atoms,)
        The Si that stay.
    bonds : ndarray, shape (n, 2)
        The bonds among them, in the network's numbers.
    """
    n_atoms = network.n_atoms
    kept = inside.copy()
    while True:
        bonds = network.bonds[kept[network.bonds].all(axis=1)]
        held = kept & (np.bincount(bonds.ravel(), minlength=n_atoms) >= 2)
        if np.array_equal(held, kept):
            break
        kept = held
    if len(bonds):
        graph = coo_array((np.ones(len(bonds)), bonds.T), shape=(n_atoms, n_atoms))
        piece = connected_components(graph, directed=False)[1]
        kept &= piece == np.bincount(piece).argmax()
        bonds = bonds[kept[bonds].all(axis=1)]
    return kept, bonds


def _oxygen_on_bonds(network: Network, bonds: np.ndarray) -> np.ndarray:
    """Return flags (n_atoms,) of the O whose two nearest Si are joined by one of `bonds`."""
    flags = np.zeros(network.n_atoms, dtype=bool)
    silicon, oxygen = network.silicon, np.flatnonzero(network.species == OXYGEN)
    wrapped = wrap(network.positions, network.cell)
    if len(oxygen):
        nearest = cKDTree(wrapped[silicon], boxsize=network.cell).query(wrapped[oxygen], k=2)[1]
        joined = {tuple(sorted(bond)) for bond in bonds.tolist()}
        flags[oxygen] = [tuple(sorted(pair)) in joined for pair in silicon[nearest].tolist()]
    return flags
