"""Sparse Cholesky factor of a network's Hessian by nested dissection of the periodic cell.

A Cholesky factor of a sparse matrix is less sparse than the matrix: eliminating an atom couples all its neighbours, as
springs in series couple their ends. How much, depends on the order of elimination. Cut the cell by a strip S as wide as
the interaction reaches. No pair joins the parts P and Q on its two sides, so that with the order P, Q, S

        [ H_PP   0    H_PS ]
    H = [  0    H_QQ  H_QS ]        P and Q are eliminated independently of each other, and what they leave
        [ H_SP  H_SQ  H_SS ]        on S is  H_SS - H_SP H_PP^-1 H_PS - H_SQ H_QQ^-1 H_QS

The parts are cut in the same way, until they are small (George, SIAM J. Numer. Anal. 10, 345 (1973)):

    +-----+---+-----+
    |  1  |   |  4  |
    +-----+   +-----+       the order of elimination: 1, 2, the strip 3 between them,
    |  3  | 7 |  6  |       4, 5, the strip 6, then the strip 7 (a second one closes the periodic cell)
    +-----+   +-----+
    |  2  |   |  5  |
    +-----+---+-----+

Each part or strip is one dense matrix, its front. The first rows are of its own atoms, the others of those atoms of
later strips that it is coupled to:

    F = [A  B]    A = U^T U,  V = U^-T B,  what is left for the strip that follows: C - V^T V
        [.  C]

The rows (U V) are the factor. They are quantised to int16, with a scale for each row, since a solve takes as long as
reading the factor from memory. A factor rounded like that is no exact one but a preconditioner: conjugate gradients
around it (`listi.mechanics.system`) are in double precision and take a few iterations. All sums have a fixed order, so
the factor is the same on every processor.
"""

from __future__ import annotations

import numba
import numpy as np

from .arithmetic import fma, lane_dot
from .jit import JIT, PART, uint64
from .neighbours import upright

LEAF = 120  # parts with fewer atoms are not cut further
PANEL = 64  # rows of a front that are eliminated together ...
TILE = 512  # ... from so many columns at a time: both stay in the cache


class IndefiniteError(ValueError):
    """The matrix is not positive definite."""


class Factor:
    """Cholesky factor of the Hessian given by its pair blocks.

    Parameters
    ----------
    positions, box
        As in `listi.mechanics.pair_sums.PairList`; they only decide the order of elimination.
    first, partner, blocks
        Half neighbour list and the pair stiffness (n_pairs, 3) from `listi.mechanics.pair_sums`.
    radius : float
        Distance [Å] beyond which pairs are left out: strips are as wide as this.
    mobile : ndarray of bool, optional
        Atoms whose rows and columns are kept; all by default.
    shift : float
        Stiffness of a spring on every atom, in units of the mean diagonal: in place of the two translations that cost
        no energy, or to make the matrix positive definite.

    Raises
    ------
    IndefiniteError
        If the matrix is not positive definite (to single precision).
    """

    def __init__(self, positions, box, first, partner, blocks, radius, mobile=None, shift=1e-6) -> None:
        n = len(positions)
        keep = np.ones(n, dtype=bool) if mobile is None else mobile
        row, column = _pairs_within(radius, positions, box, first, partner)
        near = np.flatnonzero(row >= 0)
        row, column, blocks = row[near], column[near], blocks[near]
        diagonal = np.zeros((n, 3))
        for c in range(3):
            diagonal[:, c] = np.bincount(row, blocks[:, c], n) + np.bincount(column, blocks[:, c], n)
        diagonal[:, [0, 2]] += shift * np.mean(np.abs(diagonal[:, [0, 2]]))
        used = keep[row] & keep[column] & np.any(blocks != 0.0, axis=1)
        row, column, blocks = row[used], column[used], blocks[used]
        self._kept = keep
        places, strip = upright(positions, box, radius)
        parts = _dissect(np.flatnonzero(keep), np.mod(places, box[:2]), box[:2], strip, (True, True))
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
            front, own = np.zeros((2 * len(members), 2 * len(members)), dtype=np.float32), 2 * len(atoms)
            _assemble(front, local, atoms, diagonal, early[pairs], late[pairs], blocks[pairs])
            for child in children:
                child_atoms, update = updates.pop(child)
                _extend_add(front, local[child_atoms], update)
            if not _eliminate(front, own):
                raise IndefiniteError("the Hessian is not positive definite")
            updates[number] = boundary, front[own:, own:].copy()
            fronts.append(((2 * members[:, None] + np.arange(2)).ravel(), *_pack(front, own)))
        begin = np.cumsum([0] + [len(front[0]) for front in fronts])
        eliminated = np.array([len(front[1]) for front in fronts])
        self._fronts = begin, eliminated, *(np.concatenate(parts) for parts in zip(*fronts, strict=True))

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve for one right-hand side (n_atoms, 2); entries of atoms outside the factor are zero."""
        x = right.astype(np.float32).ravel()
        _substitute(*self._fronts, x)
        return np.where(self._kept[:, None], x.reshape(-1, 2), 0.0).astype(right.dtype)


@numba.njit(**JIT)
def _pairs_within(radius, positions, box, first, partner):
    """Atoms of each pair, both -1 where they are further apart than `radius`."""
    row, column = np.full(len(partner), -1), np.full(len(partner), -1)
    for i in range(len(positions)):
        for k in range(first[i], first[i + 1]):
            j = partner[k]
            dx, dy = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
            rows = np.rint(dy / box[1])
            dy -= box[1] * rows
            dx -= box[2] * rows
            dx -= box[0] * np.rint(dx / box[0])
            if dx * dx + dy * dy < radius * radius:
                row[k], column[k] = i, j
    return row, column


def _dissect(atoms, positions, cell, radius, periodic) -> list[tuple[np.ndarray, list[int]]]:
    """Order of elimination: (atoms, numbers of the children) of every part, children before parents."""
    parts: list[tuple[np.ndarray, list[int]]] = []

    def cut(atoms, periodic) -> int:
        children = []
        if len(atoms) > LEAF:
            separator, pieces, remaining = _separate(atoms, positions, cell, radius, periodic)
            children = [cut(piece, remaining) for piece in pieces if len(piece)]
            atoms = separator
        parts.append((atoms, children))
        return len(parts) - 1

    cut(atoms, periodic)
    return parts


def _separate(atoms, positions, cell, radius, periodic):
    """Cut a part by a strip as wide as the interaction (two around a periodic direction), across its longer side."""
    spans = [cell[c] if periodic[c] else np.ptp(positions[atoms, c]) for c in (0, 1)]
    axis = int(np.argmax(spans)) if periodic[0] == periodic[1] else int(np.argmax(periodic))
    x = positions[atoms, axis]
    if periodic[axis]:
        half = cell[axis] / 2
        strip = np.mod(x, half) < radius
        pieces = [atoms[~strip & (x < half)], atoms[~strip & (x >= half)]]
        periodic = tuple(p and c != axis for c, p in enumerate(periodic))
        return atoms[strip], pieces, periodic
    middle = np.median(x)
    left, right = x < middle - radius / 2, x >= middle + radius / 2
    return atoms[~left & ~right], [atoms[left], atoms[right]], periodic


def _boundary(node, number, partners, inherited) -> np.ndarray:
    """Atoms eliminated later that are coupled to this part, directly or through its children, in that order."""
    mark = np.zeros(len(node), dtype=bool)
    mark[partners] = True
    for atoms in inherited:
        mark[atoms] = True
    mark[node == number] = False
    atoms = np.flatnonzero(mark)
    return atoms[np.argsort(node[atoms], kind="stable")]


@numba.njit(**JIT)
def _assemble(front, local, atoms, diagonal, early, late, blocks):
    """Write the Hessian entries of a part's own atoms into the upper triangle of its front."""
    for i in range(len(atoms)):
        front[2 * i, 2 * i] = diagonal[atoms[i], 0]
        front[2 * i, 2 * i + 1] = diagonal[atoms[i], 1]
        front[2 * i + 1, 2 * i + 1] = diagonal[atoms[i], 2]
    for p in range(len(early)):
        a, b = local[early[p]], local[late[p]]
        low, high = min(a, b), max(a, b)
        front[2 * low, 2 * high] -= blocks[p, 0]
        front[2 * low, 2 * high + 1] -= blocks[p, 1]
        front[2 * low + 1, 2 * high] -= blocks[p, 1]
        front[2 * low + 1, 2 * high + 1] -= blocks[p, 2]


@numba.njit(**JIT)
def _extend_add(front, place, update):
    """Add what a child has left at `place`, ascending, into the front of its parent (upper triangles)."""
    n = uint64(len(place))
    for i in range(n):
        for a in range(uint64(2)):
            row, add = front[uint64(2) * uint64(place[i]) + a], update[uint64(2) * i + a]
            for k in range(i, n):
                j = uint64(2) * uint64(place[k])
                row[j] += add[uint64(2) * k]
                row[j + uint64(1)] += add[uint64(2) * k + uint64(1)]


@numba.njit(**JIT)
def _eliminate(front, own):
    """Replace the first `own` rows by (U V), the others by what is left; False if not positive definite."""
    flat, n = front.reshape(-1), uint64(len(front))
    for begin in range(uint64(0), uint64(own), uint64(PANEL)):
        end = min(begin + uint64(PANEL), uint64(own))
        for k in range(begin, end):
            for i in range(begin, k):
                factor, x, y = -flat[i * n + k], k * n, i * n
                for j in range(k, n):
                    flat[x + j] = fma(factor, flat[y + j], flat[x + j])
            if not flat[k * n + k] > 0.0:
                return False
            scale = np.float32(1.0) / np.sqrt(flat[k * n + k])
            for j in range(k * n + k, k * n + n):
                flat[j] *= scale
        _subtract(flat, n, begin, end)
    return True


@numba.njit(**PART)
def _subtract(flat, n, begin, end):
    """Subtract the products of the rows from `begin` to `end` from all later rows, four from four at a time."""
    whole = begin + (end - begin) // uint64(4) * uint64(4)
    for k in range(whole, end):
        for r in range(end, n):
            factor, x, y = -flat[k * n + r], r * n, k * n
            for j in range(r, n):
                flat[x + j] = fma(factor, flat[y + j], flat[x + j])
    four = n - (n - end) % uint64(4)
    for r in range(four, n):
        for k in range(begin, whole):
            factor, x, y = -flat[k * n + r], r * n, k * n
            for j in range(r, n):
                flat[x + j] = fma(factor, flat[y + j], flat[x + j])
    for r in range(end, four, uint64(4)):
        x0 = r * n
        x1 = x0 + n
        x2 = x1 + n
        x3 = x2 + n
        for left in range(r, n, uint64(TILE)):
            right = min(left + uint64(TILE), n)
            for k in range(begin, whole, uint64(4)):
                y0 = k * n
                y1 = y0 + n
                y2 = y1 + n
                y3 = y2 + n
                a0, a1, a2, a3 = -flat[y0 + r], -flat[y1 + r], -flat[y2 + r], -flat[y3 + r]
                b0, b1, b2, b3 = -flat[y0 + r + 1], -flat[y1 + r + 1], -flat[y2 + r + 1], -flat[y3 + r + 1]
                c0, c1, c2, c3 = -flat[y0 + r + 2], -flat[y1 + r + 2], -flat[y2 + r + 2], -flat[y3 + r + 2]
                d0, d1, d2, d3 = -flat[y0 + r + 3], -flat[y1 + r + 3], -flat[y2 + r + 3], -flat[y3 + r + 3]
                for j in range(left, right):  # entries left of the diagonal are never read
                    f0, f1, f2, f3 = flat[y0 + j], flat[y1 + j], flat[y2 + j], flat[y3 + j]
                    flat[x0 + j] = fma(a3, f3, fma(a2, f2, fma(a1, f1, fma(a0, f0, flat[x0 + j]))))
                    flat[x1 + j] = fma(b3, f3, fma(b2, f2, fma(b1, f1, fma(b0, f0, flat[x1 + j]))))
                    flat[x2 + j] = fma(c3, f3, fma(c2, f2, fma(c1, f1, fma(c0, f0, flat[x2 + j]))))
                    flat[x3 + j] = fma(d3, f3, fma(d2, f2, fma(d1, f1, fma(d0, f0, flat[x3 + j]))))


@numba.njit(**JIT)
def _pack(front, own):
    """Inverse diagonal of (U V), a scale for each row, and what is right of the diagonal, quantised to int16."""
    n = len(front)
    inverse, scale = np.empty(own, dtype=np.float32), np.empty(own, dtype=np.float32)
    packed = np.empty(own * (2 * n - own - 1) // 2, dtype=np.int16)
    at = 0
    for k in range(own):
        row = front[k, k + 1 :]
        largest = np.float32(1e-30)
        for j in range(len(row)):
            largest = max(largest, abs(row[j]))
        inverse[k], scale[k] = np.float32(1.0) / front[k, k], largest / np.float32(32767.0)
        unit = np.float32(32767.0) / largest
        for j in range(len(row)):
            packed[at + j] = np.int16(np.rint(row[j] * unit))
        at += len(row)
    return inverse, scale, packed


@numba.njit(**JIT)
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
    at = row = uint64(0)
    for f in range(len(own)):
        start, n = uint64(begin[f]), uint64(begin[f + 1] - begin[f])
        for i in range(n):
            part[i] = x[rows[start + i]]
        for k in range(uint64(own[f])):
            part[k] *= inverse[row]
            value, right = -part[k] * scale[row], at - k - uint64(1)  # column j of the row is at right + j
            for j in range(k + uint64(1), n):
                part[j] = fma(np.float32(packed[right + j]), value, part[j])
            at += n - k - uint64(1)
            row += uint64(1)
        for i in range(n):
            x[rows[start + i]] = part[i]
    for f in range(len(own) - 1, -1, -1):
        start, n = uint64(begin[f]), uint64(begin[f + 1] - begin[f])
        for i in range(n):
            part[i] = x[rows[start + i]]
        for behind in range(uint64(1), uint64(own[f]) + uint64(1)):
            k = uint64(own[f]) - behind
            count = n - k - uint64(1)
            at -= count
            row -= uint64(1)
            part[k] = (part[k] - lane_dot(packed, at, part, k + uint64(1), count) * scale[row]) * inverse[row]
        for i in range(uint64(own[f])):
            x[rows[start + i]] = part[i]
