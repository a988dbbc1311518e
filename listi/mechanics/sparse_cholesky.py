"""Sparse Cholesky factor of a network's Hessian by nested dissection of the periodic cell.

The cell is cut by strips as wide as the interaction reaches; atoms of a strip are eliminated after the parts it
separates (George, SIAM J. Numer. Anal. 10, 345 (1973)). Each part or strip is one dense front whose elimination is
left to LAPACK, in single precision, and kept in whole numbers of 16 bits: a solve takes as long as reading the factor
from memory. The factor serves as a preconditioner, the iteration around it is in double precision.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy.linalg.blas import ssyrk, strsm
from scipy.linalg.lapack import spotrf
from threadpoolctl import threadpool_limits

from .jit import JIT

# How many threads of BLAS share a sum decides its last bits, and how many do depends on what else runs. The limit is
# the whole process's and stays: taken back by one thread, it would be missing in another that is still at work.
threadpool_limits(1, "blas")

LEAF = 120  # parts with fewer atoms are not cut further


class IndefiniteError(ValueError):
    """The matrix is not positive definite."""


class Factor:
    """Cholesky factor of the Hessian given by its pair blocks.

    Parameters
    ----------
    positions, cell
        As in `listi.Network`; they only decide the order of elimination.
    first, partner, blocks
        Half neighbour list and the pair stiffness (n_pairs, 3) from `listi.mechanics.pair_sums`.
    reach : float
        Distance [Å] beyond which pairs are left out: strips are as wide as this.
    mobile : ndarray of bool, optional
        Atoms whose rows and columns are kept; all by default, with a weak spring on every atom in place of the
        two translations that cost no energy.

    Raises
    ------
    IndefiniteError
        If the matrix is not positive definite (to single precision).
    """

    def __init__(self, positions, cell, first, partner, blocks, reach, mobile=None) -> None:
        n = len(positions)
        keep = np.ones(n, dtype=bool) if mobile is None else mobile
        row, column = _pairs_within(reach, positions, cell, first, partner)
        near = np.flatnonzero(row >= 0)
        row, column, blocks = row[near], column[near], blocks[near]
        diagonal = np.zeros((n, 3))
        for c in range(3):
            diagonal[:, c] = np.bincount(row, blocks[:, c], n) + np.bincount(column, blocks[:, c], n)
        if mobile is None:
            diagonal[:, [0, 2]] += 1e-6 * np.mean(diagonal[:, [0, 2]])
        used = keep[row] & keep[column] & np.any(blocks != 0.0, axis=1)
        row, column, blocks = row[used], column[used], blocks[used]
        self._kept = keep
        parts = _dissect(np.flatnonzero(keep), np.mod(positions, cell), cell, reach, (True, True))
        self._factorise(n, parts, row, column, blocks, diagonal)

    def _factorise(self, n, parts, row, column, blocks, diagonal) -> None:
        node = np.full(n, -1)
        for number, (atoms, _) in enumerate(parts):
            node[atoms] = number
        swap = node[row] > node[column]
        early, late = np.where(swap, column, row), np.where(swap, row, column)
        order = np.argsort(node[early], kind="stable")
        early, late, blocks = early[order], late[order], blocks[order]
        begin = np.searchsorted(node[early], np.arange(len(parts) + 1))
        local = np.empty(n, dtype=np.int64)
        updates: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        fronts: list[tuple] = []
        for number, (atoms, children) in enumerate(parts):
            pairs = slice(begin[number], begin[number + 1])
            boundary = _boundary(node, number, late[pairs], [updates[c][0] for c in children])
            members = np.concatenate([atoms, boundary])
            local[members] = np.arange(len(members))
            front = np.zeros((2 * len(members), 2 * len(members)), dtype=np.float32, order="F")
            _assemble(front, local, atoms, diagonal, early[pairs], late[pairs], blocks[pairs])
            for child in children:
                child_atoms, update = updates.pop(child)
                _extend_add(front, local[child_atoms], update)
            columns, update = _eliminate(front, 2 * len(atoms))
            updates[number] = boundary, update
            fronts.append(((2 * members[:, None] + np.arange(2)).ravel(), *columns))
        begin = np.cumsum([0] + [len(front[0]) for front in fronts])
        own = np.array([len(front[1]) for front in fronts])
        self._fronts = begin, own, *(np.concatenate(parts) for parts in zip(*fronts, strict=True))

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve for one right-hand side (n_atoms, 2); entries of atoms outside the factor are zero."""
        x = right.astype(np.float32).ravel()
        _substitute(*self._fronts, x)
        return np.where(self._kept[:, None], x.reshape(-1, 2), 0.0).astype(right.dtype)


@numba.njit(**JIT)
def _pairs_within(reach, positions, cell, first, partner):
    """Atoms of each pair, both -1 where they are further apart than `reach`."""
    row, column = np.full(len(partner), -1), np.full(len(partner), -1)
    for i in range(len(positions)):
        for k in range(first[i], first[i + 1]):
            j = partner[k]
            dx, dy = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
            dx -= cell[0] * np.rint(dx / cell[0])
            dy -= cell[1] * np.rint(dy / cell[1])
            if dx * dx + dy * dy < reach * reach:
                row[k], column[k] = i, j
    return row, column


def _dissect(atoms, positions, cell, reach, periodic) -> list[tuple[np.ndarray, list[int]]]:
    """Order of elimination: (atoms, numbers of the children) of every part, children before parents."""
    parts: list[tuple[np.ndarray, list[int]]] = []

    def cut(atoms, periodic) -> int:
        children = []
        if len(atoms) > LEAF:
            separator, pieces, remaining = _separate(atoms, positions, cell, reach, periodic)
            children = [cut(piece, remaining) for piece in pieces if len(piece)]
            atoms = separator
        parts.append((atoms, children))
        return len(parts) - 1

    cut(atoms, periodic)
    return parts


def _separate(atoms, positions, cell, reach, periodic):
    """Cut a part by a strip as wide as pairs reach (two around a periodic direction), across its longer side."""
    spans = [cell[c] if periodic[c] else np.ptp(positions[atoms, c]) for c in (0, 1)]
    axis = int(np.argmax(spans)) if periodic[0] == periodic[1] else int(np.argmax(periodic))
    x = positions[atoms, axis]
    if periodic[axis]:
        half = cell[axis] / 2
        strip = np.mod(x, half) < reach
        pieces = [atoms[~strip & (x < half)], atoms[~strip & (x >= half)]]
        periodic = tuple(p and c != axis for c, p in enumerate(periodic))
        return atoms[strip], pieces, periodic
    middle = np.median(x)
    left, right = x < middle - reach / 2, x >= middle + reach / 2
    return atoms[~left & ~right], [atoms[left], atoms[right]], periodic


def _boundary(node, number, partners, inherited) -> np.ndarray:
    """Atoms eliminated later that are coupled to this part, directly or through its children."""
    mark = np.zeros(len(node), dtype=bool)
    mark[partners] = True
    for atoms in inherited:
        mark[atoms] = True
    mark[node == number] = False
    return np.flatnonzero(mark)


@numba.njit(**JIT)
def _assemble(front, local, atoms, diagonal, early, late, blocks):
    """Write the Hessian entries of a part's own atoms into the lower triangle of its front."""
    for i in range(len(atoms)):
        front[2 * i, 2 * i] = diagonal[atoms[i], 0]
        front[2 * i + 1, 2 * i] = diagonal[atoms[i], 1]
        front[2 * i + 1, 2 * i + 1] = diagonal[atoms[i], 2]
    for p in range(len(early)):
        a, b = local[early[p]], local[late[p]]
        low, high = min(a, b), max(a, b)
        front[2 * high, 2 * low] -= blocks[p, 0]
        front[2 * high + 1, 2 * low] -= blocks[p, 1]
        front[2 * high, 2 * low + 1] -= blocks[p, 1]
        front[2 * high + 1, 2 * low + 1] -= blocks[p, 2]


@numba.njit(**JIT)
def _extend_add(front, place, update):
    """Add a child's remainder (lower triangle) at `place` into the lower triangle of its parent's front."""
    for column in range(2 * len(place)):
        c = 2 * place[column // 2] + column % 2
        for row in range(column, 2 * len(place)):
            r = 2 * place[row // 2] + row % 2
            if r >= c:
                front[r, c] += update[row, column]
            else:
                front[c, r] += update[row, column]


def _eliminate(front, p):
    """Factorise the first p rows of a front: their packed columns, and what is left for its parent."""
    lower, info = spotrf(np.asfortranarray(front[:p, :p]), lower=1, overwrite_a=1) if p else (front[:0, :0], 0)
    if info != 0:
        raise IndefiniteError("the Hessian is not positive definite")
    side = np.empty((len(front) - p, p), dtype=np.float32, order="F")
    rest = np.asfortranarray(front[p:, p:])
    if side.size:
        side = strsm(1.0, lower, front[p:, :p], side=1, lower=1, trans_a=1)
        rest = ssyrk(-1.0, side, beta=1.0, c=rest, lower=1, overwrite_c=1)
    return _pack(lower, side), rest


@numba.njit(**JIT)
def _pack(lower, side):
    """Inverse diagonal, a scale for each column, and the columns below the diagonal in whole numbers of that scale."""
    p, b = len(lower), len(side)
    inverse, scale = np.empty(p, dtype=np.float32), np.empty(p, dtype=np.float32)
    packed = np.empty(p * (p - 1) // 2 + p * b, dtype=np.int16)
    at = 0
    for j in range(p):
        inverse[j] = 1.0 / lower[j, j]
        largest = np.float32(1e-30)
        for i in range(j + 1, p):
            largest = max(largest, abs(lower[i, j]))
        for i in range(b):
            largest = max(largest, abs(side[i, j]))
        scale[j] = largest / np.float32(32767.0)
        unit = np.float32(32767.0) / largest
        for i in range(j + 1, p):
            packed[at] = np.int16(np.rint(lower[i, j] * unit))
            at += 1
        for i in range(b):
            packed[at] = np.int16(np.rint(side[i, j] * unit))
            at += 1
    return inverse, scale, packed


@numba.njit(fastmath={"reassoc", "contract"}, **JIT)  # a preconditioner's rounding may differ between machines
def _substitute(begin, own, rows, inverse, scale, packed, x):
    """Solve in place, forward through the fronts and back.

    Parameters
    ----------
    begin, own, rows
        Front f holds the coordinates ``rows[begin[f]:begin[f + 1]]``, and eliminates the first ``own[f]`` of them.
    inverse, scale, packed
        From `_pack`, front after front.
    x : ndarray, shape (2 n_atoms,)
        The right-hand side, then the solution.
    """
    part = np.empty(np.max(begin[1:] - begin[:-1]), dtype=np.float32)
    at = column = 0
    for f in range(len(own)):
        here = rows[begin[f] : begin[f + 1]]
        for i in range(len(here)):
            part[i] = x[here[i]]
        for j in range(own[f]):
            part[j] *= inverse[column]
            value = part[j] * scale[column]
            below = part[j + 1 : len(here)]
            entries = packed[at : at + len(below)]
            for i in range(len(below)):
                below[i] -= np.float32(entries[i]) * value
            at += len(below)
            column += 1
        for i in range(len(here)):
            x[here[i]] = part[i]
    for f in range(len(own) - 1, -1, -1):
        here = rows[begin[f] : begin[f + 1]]
        for i in range(len(here)):
            part[i] = x[here[i]]
        for j in range(own[f] - 1, -1, -1):
            below = part[j + 1 : len(here)]
            at -= len(below)
            column -= 1
            entries = packed[at : at + len(below)]
            total = np.float32(0.0)
            for i in range(len(below)):
                total += np.float32(entries[i]) * below[i]
            part[j] = (part[j] - total * scale[column]) * inverse[column]
        for i in range(own[f]):
            x[here[i]] = part[i]
