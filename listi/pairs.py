"""Sums over pairs in a periodic cell: neighbour list, energy, forces, virial and stiffness (Numba).

Sums run over a half neighbour list in a fixed order, without `fastmath`: the same input gives the same bits on
every machine.
"""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np

from .potential import pairs_of_atom

JIT = {"cache": True, "nogil": True, "error_model": "numpy"}


@numba.njit(**JIT)
def bins(positions, cell, reach):
    """Sort atoms into a grid of bins at least `reach` wide: bin of each atom, starts, members, grid shape."""
    n = len(positions)
    nx, ny = max(1, int(cell[0] / reach)), max(1, int(cell[1] / reach))
    bin_of = np.empty(n, np.int64)
    start = np.zeros(nx * ny + 1, np.int64)
    for i in range(n):
        fx = positions[i, 0] / cell[0]
        fy = positions[i, 1] / cell[1]
        bx = min(int((fx - np.floor(fx)) * nx), nx - 1)
        by = min(int((fy - np.floor(fy)) * ny), ny - 1)
        bin_of[i] = bx * ny + by
        start[bin_of[i] + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    member = np.empty(n, np.int64)
    for i in range(n):
        member[fill[bin_of[i]]] = i
        fill[bin_of[i]] += 1
    return bin_of, start, member, nx, ny


@numba.njit(**JIT)
def neighbour_list(positions, cell, reach):
    """Half neighbour list: pairs closer than `reach` under the minimum image, found through a grid of bins.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 2)
        Coordinates [Å]; need not lie inside the cell.
    cell : ndarray, shape (2,)
        Edge lengths [Å], each at least twice `reach`.
    reach : float
        Largest distance listed [Å].

    Returns
    -------
    first : ndarray of int64, shape (n_atoms + 1,)
        Partners of atom i stand in ``partner[first[i]:first[i + 1]]``.
    partner : ndarray of uint32, shape (n_pairs,)
        Atom numbers, each larger than i; every pair is listed once.
    """
    n = len(positions)
    bin_of, start, member, nx, ny = bins(positions, cell, reach)
    limit = reach * reach
    width, height = cell[0], cell[1]
    first = np.zeros(n + 1, np.int64)
    partner = np.empty(64 * n, np.uint32)
    total = 0
    for i in range(n):
        bx, by = bin_of[i] // ny, bin_of[i] % ny
        for sx in range(-1, 2) if nx > 2 else range(nx):
            cx = (bx + sx) % nx if nx > 2 else sx
            for sy in range(-1, 2) if ny > 2 else range(ny):
                b = cx * ny + ((by + sy) % ny if ny > 2 else sy)
                if total + start[b + 1] - start[b] > len(partner):
                    larger = np.empty(2 * len(partner) + n, np.uint32)
                    larger[:total] = partner[:total]
                    partner = larger
                for m in range(start[b], start[b + 1]):
                    j = member[m]
                    dx = positions[j, 0] - positions[i, 0]
                    dy = positions[j, 1] - positions[i, 1]
                    dx -= width * np.floor(dx / width + 0.5)
                    dy -= height * np.floor(dy / height + 0.5)
                    if j > i and dx * dx + dy * dy < limit:
                        partner[total] = j
                        total += 1
        first[i + 1] = total
    return first, partner[:total].copy()


@numba.njit(**JIT)
def _gather(positions, species, cell, i, first, partner, dx, dy, squared, oxygen):
    """Minimum-image distance vectors, their squares and the species of atom i's partners; their number."""
    begin = first[i]
    count = first[i + 1] - begin
    for k in range(count):
        j = partner[begin + k]
        dx[k] = positions[j, 0] - positions[i, 0]
        dy[k] = positions[j, 1] - positions[i, 1]
        oxygen[k] = species[j]
    for k in range(count):
        dx[k] -= cell[0] * np.floor(dx[k] / cell[0] + 0.5)
        dy[k] -= cell[1] * np.floor(dy[k] / cell[1] + 0.5)
        squared[k] = dx[k] * dx[k] + dy[k] * dy[k]
    return count


@numba.njit(**JIT)
def energy_forces(positions, species, cell, first, partner, forces):
    """Energy and virial; the forces are written into `forces`.

    Parameters
    ----------
    positions, species, cell
        As in `listi.Network`.
    first, partner
        From `neighbour_list`.
    forces : ndarray, shape (n_atoms, 2)
        Output [energy/Å].

    Returns
    -------
    energy : float
        Sum of U over pairs [energy].
    virial : tuple of float
        Sums of U'(r) d_a d_b / r over pairs for ab = xx, xy, yy [energy]; the stress is virial / area.
    """
    n = len(positions)
    widest = np.max(first[1:] - first[:-1])
    dx, dy = np.empty(widest), np.empty(widest)
    tension, energy = np.empty(widest), np.empty(widest)
    forces[:] = 0.0
    total = vxx = vxy = vyy = 0.0
    for i in range(n):
        begin = first[i]
        count = _gather(positions, species, cell, i, first, partner, dx, dy, tension, energy)
        pairs_of_atom(tension, energy, None, species[i], count)
        fx = fy = own = sxx = sxy = syy = 0.0  # sums an atom first: less rounding than one long sum
        for k in range(count):
            j = partner[begin + k]
            gx, gy = tension[k] * dx[k], tension[k] * dy[k]
            fx += gx
            fy += gy
            forces[j, 0] -= gx
            forces[j, 1] -= gy
            own += energy[k]
            sxx += gx * dx[k]
            sxy += gx * dy[k]
            syy += gy * dy[k]
        forces[i, 0] += fx
        forces[i, 1] += fy
        total += own
        vxx += sxx
        vxy += sxy
        vyy += syy
    return total, (vxx, vxy, vyy)


@numba.njit(**JIT)
def pair_stiffness(positions, species, cell, first, partner, blocks, convex):
    """Hessian of every pair energy with respect to the distance vector, as (xx, xy, yy) in `blocks` (n_pairs, 3).

    The Hessian of the system has minus these blocks off its diagonal and their sums on it. With `convex`, negative
    curvatures U'' and U'/r are set to zero, which makes the Hessian positive semidefinite.
    """
    widest = np.max(first[1:] - first[:-1])
    dx, dy = np.empty(widest), np.empty(widest)
    tension, energy, second = np.empty(widest), np.empty(widest), np.empty(widest)
    for i in range(len(positions)):
        begin = first[i]
        count = _gather(positions, species, cell, i, first, partner, dx, dy, tension, energy)
        pairs_of_atom(tension, energy, second, species[i], count)
        for k in range(count):
            t, s = tension[k], second[k]
            if convex:
                t, s = max(t, 0.0), max(s, 0.0)
            x, y = dx[k], dy[k]
            c = (s - t) / (x * x + y * y)
            blocks[begin + k, 0] = c * x * x + t
            blocks[begin + k, 1] = c * x * y
            blocks[begin + k, 2] = c * y * y + t


@numba.njit(**JIT)
def hessian_product(first, partner, blocks, vector, out):
    """Product of the Hessian with `vector` (n_atoms, 2) [Å], written into `out` [energy/Å]."""
    out[:] = 0.0
    for i in range(len(vector)):
        vx, vy = vector[i, 0], vector[i, 1]
        sx = sy = 0.0
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            dx, dy = vx - vector[j, 0], vy - vector[j, 1]
            gx = blocks[p, 0] * dx + blocks[p, 1] * dy
            gy = blocks[p, 1] * dx + blocks[p, 2] * dy
            sx += gx
            sy += gy
            out[j, 0] -= gx
            out[j, 1] -= gy
        out[i, 0] += sx
        out[i, 1] += sy


@numba.njit(**JIT)
def affine_force_rate(positions, cell, first, partner, blocks, gradient, out):
    """Change of the forces per unit of homogeneous strain at frozen scaled coordinates, written into `out`.

    Every distance vector d changes by ``gradient @ d`` (gradient diagonal, shape (2,)).
    """
    out[:] = 0.0
    for i in range(len(positions)):
        for p in range(first[i], first[i + 1]):
            j = partner[p]
            dx = positions[j, 0] - positions[i, 0]
            dy = positions[j, 1] - positions[i, 1]
            ax = gradient[0] * (dx - cell[0] * np.floor(dx / cell[0] + 0.5))
            ay = gradient[1] * (dy - cell[1] * np.floor(dy / cell[1] + 0.5))
            gx = blocks[p, 0] * ax + blocks[p, 1] * ay
            gy = blocks[p, 1] * ax + blocks[p, 2] * ay
            out[i, 0] += gx
            out[i, 1] += gy
            out[j, 0] -= gx
            out[j, 1] -= gy


def forget_stale_kernels(cache: Path, sources: Path = Path(__file__).parent) -> None:
    """Remove cached kernels older than any source file of the package.

    Numba compiles a kernel again when its own file has changed, but not when only a kernel that it calls has, in
    another file: after an update, old code would run.
    """
    newest = max(source.stat().st_mtime for source in sources.glob("*.py"))
    for index in cache.glob("*.nbi"):
        if index.stat().st_mtime < newest:
            index.unlink(missing_ok=True)


forget_stale_kernels(Path(energy_forces.stats.cache_path))
