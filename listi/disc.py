"""A disc cut from a sample (Numba): its pairs, forces, Hessian, and Newton's method on its free atoms.

Free atoms are relaxed. The other atoms of the disc follow the affine deformation, or are tethered to where it would
take them by springs (`tether`); then they are free as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from .pairs import JIT
from .potential import CUTOFF, pairs_of_atom


class Disc(NamedTuple):
    """Arrays of one disc of m atoms; all are changed in place but the first seven.

    Attributes
    ----------
    reference : ndarray, shape (m, 2)
        Undeformed positions about the centre [Å], those of the free atoms first.
    species : ndarray, shape (m,)
        0 = Si, 1 = O.
    inside : ndarray of bool, shape (m,)
        Atoms within the radius over which stress is measured.
    tether : float
        Stiffness of the springs on free atoms that are not inside [energy/Å²]; 0 without springs.
    load : ndarray, shape (n_free, 2)
        Constant forces that hold tethered atoms in place in the undeformed state [energy/Å].
    velocity : ndarray, shape (2, 2)
        Gradient of the affine velocity per unit strain.
    skin : float
        Extra reach of the pair list [Å].
    r : ndarray, shape (m, 2)
        Present positions [Å].
    anchor : ndarray, shape (m, 2)
        Where the affine deformation takes the reference positions [Å].
    listed, first, partner
        Positions at which pairs were listed, and the list: pairs of a free atom with any later one.
    forces, rate : ndarray, shape (n_free, 2)
        Forces [energy/Å], and their change per unit affine strain.
    matrix : ndarray, shape (2 n_free, 2 n_free)
        Upper triangle of the Hessian, or its Cholesky factor.
    end : ndarray, shape (2 n_free,)
        End of the envelope of each row.
    work : ndarray, shape (5, m)
        Scratch of the pair loops.
    log : ndarray of int64, shape (2,)
        Numbers of Hessians factorised and of force evaluations.
    """

    reference: np.ndarray
    species: np.ndarray
    inside: np.ndarray
    tether: float
    load: np.ndarray
    velocity: np.ndarray
    skin: float
    r: np.ndarray
    anchor: np.ndarray
    listed: np.ndarray
    first: np.ndarray
    partner: np.ndarray
    forces: np.ndarray
    rate: np.ndarray
    matrix: np.ndarray
    end: np.ndarray
    work: np.ndarray
    log: np.ndarray


@numba.njit(**JIT)
def make(reference, species, inside, n_free, tether, velocity, skin, log):
    """Disc in its undeformed state."""
    m, n = len(reference), 2 * n_free
    disc = Disc(
        reference,
        species,
        inside,
        tether,
        np.zeros((n_free, 2)),
        velocity,
        skin,
        reference.copy(),
        reference.copy(),
        reference.copy(),
        np.zeros(n_free + 1, np.int64),
        np.empty(n_free * m, np.uint32),  # unsigned: an index that cannot be negative is not checked
        np.empty((n_free, 2)),
        np.empty((n_free, 2)),
        np.zeros((n, n)),
        np.empty(n, np.int64),
        np.empty((5, m)),
        log,
    )
    list_pairs(disc, CUTOFF + disc.skin)
    if tether > 0.0:
        evaluate_forces(disc)
        for i in range(n_free):
            if not inside[i]:
                disc.load[i] = -disc.forces[i]
    return disc


@numba.njit(**JIT)
def list_pairs(disc, reach):
    """Pairs of a free atom with any other closer than `reach`, each once."""
    r, first, partner = disc.r, disc.first, disc.partner
    total = 0
    limit = reach * reach
    for i in range(len(first) - 1):
        xi, yi = r[i, 0], r[i, 1]
        for j in range(i + 1, len(r)):
            dx, dy = r[j, 0] - xi, r[j, 1] - yi
            if dx * dx + dy * dy < limit:
                partner[total] = j
                total += 1
        first[i + 1] = total
    disc.listed[:] = r


@numba.njit(**JIT)
def refresh_pairs(disc):
    """List the pairs anew if two atoms may have come into reach since they were listed."""
    moved = 0.0
    for j in range(len(disc.r)):
        dx, dy = disc.r[j, 0] - disc.listed[j, 0], disc.r[j, 1] - disc.listed[j, 1]
        moved = max(moved, dx * dx + dy * dy)
    if 4.0 * moved > disc.skin * disc.skin:
        list_pairs(disc, CUTOFF + disc.skin)


@numba.njit(**JIT)
def _pairs(r, species, i, partners, dx, dy, tension, energy, second):
    """Distance vectors, U'/r, U and U'' of the pairs of free atom i with `partners`."""
    count = len(partners)
    xi, yi = r[i, 0], r[i, 1]
    for k in range(count):
        j = partners[k]
        dx[k] = r[j, 0] - xi
        dy[k] = r[j, 1] - yi
        energy[k] = species[j]
    for k in range(count):
        tension[k] = dx[k] * dx[k] + dy[k] * dy[k]
    pairs_of_atom(tension, energy, second, species[i], count)


@numba.njit(**JIT)
def evaluate_forces(disc):
    """Write the forces on the free atoms; return the largest component."""
    r, first, partner, forces = disc.r, disc.first, disc.partner, disc.forces
    dx, dy, tension, energy, second = disc.work[0], disc.work[1], disc.work[2], disc.work[3], disc.work[4]
    n_free = len(forces)
    disc.log[1] += 1
    forces[:] = 0.0
    for i in range(n_free):
        partners = partner[first[i] : first[i + 1]]
        _pairs(r, disc.species, i, partners, dx, dy, tension, energy, second)
        fx = fy = 0.0
        for k in range(len(partners)):
            gx, gy = tension[k] * dx[k], tension[k] * dy[k]
            fx += gx
            fy += gy
            j = partners[k]
            if j < n_free:
                forces[j, 0] -= gx
                forces[j, 1] -= gy
        forces[i, 0] += fx
        forces[i, 1] += fy
    if disc.tether > 0.0:
        for i in range(n_free):
            if not disc.inside[i]:
                for c in range(2):
                    forces[i, c] += disc.load[i, c] - disc.tether * (r[i, c] - disc.anchor[i, c])
    return np.max(np.abs(forces))


@numba.njit(**JIT)
def evaluate_energy(disc):
    """Energy of all pairs with a free atom, springs and constant forces."""
    dx, dy, tension, energy, second = disc.work[0], disc.work[1], disc.work[2], disc.work[3], disc.work[4]
    total = 0.0
    for i in range(len(disc.forces)):
        partners = disc.partner[disc.first[i] : disc.first[i + 1]]
        _pairs(disc.r, disc.species, i, partners, dx, dy, tension, energy, second)
        total += np.sum(energy[: len(partners)])
        if disc.tether > 0.0 and not disc.inside[i]:
            for c in range(2):
                away = disc.r[i, c] - disc.anchor[i, c]
                total += 0.5 * disc.tether * away * away - disc.load[i, c] * away
    return total


@numba.njit(**JIT)
def stress(disc, area):
    """Stress (xx, xy, yy) of the atoms inside; pairs with an atom outside count half."""
    dx, dy, tension, energy, second = disc.work[0], disc.work[1], disc.work[2], disc.work[3], disc.work[4]
    refresh_pairs(disc)
    xx = xy = yy = 0.0
    for i in range(len(disc.forces)):
        partners = disc.partner[disc.first[i] : disc.first[i + 1]]
        _pairs(disc.r, disc.species, i, partners, dx, dy, tension, energy, second)
        for k in range(len(partners)):
            weight = 0.5 * (disc.inside[i] + disc.inside[partners[k]]) * tension[k] / area
            xx += weight * dx[k] * dx[k]
            xy += weight * dx[k] * dy[k]
            yy += weight * dy[k] * dy[k]
    return xx, xy, yy


@numba.njit(**JIT)
def evaluate_hessian(disc):
    """Write the Hessian of the free atoms (upper triangle), its envelope, and the affine force rate.

    `rate` becomes the change of the forces per unit strain if every distance vector d changed by velocity @ d.
    """
    matrix, rate, velocity = disc.matrix, disc.rate, disc.velocity
    dx, dy, tension, energy, second = disc.work[0], disc.work[1], disc.work[2], disc.work[3], disc.work[4]
    n_free = len(rate)
    disc.log[0] += 1
    for i in range(2 * n_free):
        matrix[i, i:] = 0.0
    rate[:] = 0.0
    reach = 0
    for i in range(n_free):
        partners = disc.partner[disc.first[i] : disc.first[i + 1]]
        _pairs(disc.r, disc.species, i, partners, dx, dy, tension, energy, second)
        a = 2 * i
        reach = max(reach, i)
        for k in range(len(partners)):
            if second[k] == 0.0 and tension[k] == 0.0:  # beyond the cutoff
                continue
            j = partners[k]
            x, y, t = dx[k], dy[k], tension[k]
            c = (second[k] - t) / (x * x + y * y)
            kxx, kxy, kyy = c * x * x + t, c * x * y, c * y * y + t
            vx = velocity[0, 0] * x + velocity[0, 1] * y
            vy = velocity[1, 0] * x + velocity[1, 1] * y
            gx, gy = kxx * vx + kxy * vy, kxy * vx + kyy * vy
            rate[i, 0] += gx
            rate[i, 1] += gy
            matrix[a, a] += kxx
            matrix[a, a + 1] += kxy
            matrix[a + 1, a + 1] += kyy
            if j < n_free:
                b = 2 * j
                rate[j, 0] -= gx
                rate[j, 1] -= gy
                matrix[a, b] -= kxx
                matrix[a, b + 1] -= kxy
                matrix[a + 1, b] -= kxy
                matrix[a + 1, b + 1] -= kyy
                matrix[b, b] += kxx
                matrix[b, b + 1] += kxy
                matrix[b + 1, b + 1] += kyy
                reach = max(reach, int(j))
        disc.end[a] = disc.end[a + 1] = 2 * reach + 2
    if disc.tether > 0.0:
        for i in range(n_free):
            if not disc.inside[i]:
                matrix[2 * i, 2 * i] += disc.tether
                matrix[2 * i + 1, 2 * i + 1] += disc.tether
                x, y = disc.r[i, 0] - disc.anchor[i, 0], disc.r[i, 1] - disc.anchor[i, 1]
                rate[i, 0] -= disc.tether * (velocity[0, 0] * x + velocity[0, 1] * y)
                rate[i, 1] -= disc.tether * (velocity[1, 0] * x + velocity[1, 1] * y)


@numba.njit(**JIT)
def cholesky(matrix, end):
    """Replace the upper triangle by U with U^T U = matrix, within its envelope; False if not positive definite."""
    n = len(end)
    begin = 0
    for k in range(n):
        while end[begin] <= k:
            begin += 1
        i = begin
        while i < k:  # loops over slices vectorise
            if i + 4 <= k:
                stop = end[i + 3]
                row = matrix[k, k:stop]
                r0, r1, r2, r3 = matrix[i, k:stop], matrix[i + 1, k:stop], matrix[i + 2, k:stop], matrix[i + 3, k:stop]
                u0, u1, u2, u3 = r0[0], r1[0], r2[0], r3[0]
                for j in range(len(row)):
                    row[j] -= (u0 * r0[j] + u1 * r1[j]) + (u2 * r2[j] + u3 * r3[j])
                i += 4
            else:
                row, r0 = matrix[k, k : end[i]], matrix[i, k : end[i]]
                u0 = r0[0]
                for j in range(len(row)):
                    row[j] -= u0 * r0[j]
                i += 1
        if not matrix[k, k] > 1e-12:
            return False
        row = matrix[k, k : end[k]]
        scale = 1.0 / np.sqrt(row[0])
        for j in range(len(row)):
            row[j] *= scale
    return True


@numba.njit(**JIT)
def solve(upper, end, x):
    """Solve U^T U x = right in place; `x` holds the right-hand side, flat."""
    n = len(end)
    for i in range(n):
        row, below = upper[i, i : end[i]], x[i : end[i]]
        value = below[0] / row[0]
        for j in range(len(row)):
            below[j] -= value * row[j]
        below[0] = value
    for i in range(n - 1, -1, -1):
        row, above = upper[i, i + 1 : end[i]], x[i + 1 : end[i]]
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        whole = len(row) // 8
        for c in range(whole):
            j = 8 * c
            s0 += row[j] * above[j]
            s1 += row[j + 1] * above[j + 1]
            s2 += row[j + 2] * above[j + 2]
            s3 += row[j + 3] * above[j + 3]
            s4 += row[j + 4] * above[j + 4]
            s5 += row[j + 5] * above[j + 5]
            s6 += row[j + 6] * above[j + 6]
            s7 += row[j + 7] * above[j + 7]
        for j in range(8 * whole, len(row)):
            s0 += row[j] * above[j]
        x[i] = (x[i] - (((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))) / upper[i, i]


@numba.njit(**JIT)
def minimise(disc, tolerance, reach, close):
    """Newton's method from a guess close to a minimum, with a Hessian as old as will do.

    On success `matrix` holds the factor of a Hessian at most `close` [Å] from the minimum, and `rate` its affine
    force rate. False if a Hessian was not positive definite, or an atom went further than `reach` [Å].
    """
    r, forces = disc.r, disc.forces
    n_free = len(forces)
    guess = r[:n_free].copy()
    apart = np.inf  # how far the atoms are from where the Hessian was factorised
    last = np.inf
    for _ in range(30):
        refresh_pairs(disc)
        largest = evaluate_forces(disc)
        if largest < tolerance and apart <= close:
            return True
        if not np.isfinite(largest):
            return False
        if largest < tolerance or largest > 0.1 * last or apart == np.inf:
            evaluate_hessian(disc)
            if not cholesky(disc.matrix, disc.end):
                return False
            apart = 0.0
        last = largest
        solve(disc.matrix, disc.end, forces.reshape(2 * n_free))
        apart += np.max(np.abs(forces))
        r[:n_free] += forces
        if np.max(np.abs(r[:n_free] - guess)) > reach:
            return False
    return False


@numba.njit(**JIT)
def descend(disc, tolerance):
    """Move to the minimum downhill by damped Newton steps, each of which lowers the energy; False if that fails."""
    r, forces = disc.r, disc.forces
    n_free = len(forces)
    refresh_pairs(disc)
    energy = evaluate_energy(disc)
    largest = evaluate_forces(disc)
    start = np.empty((n_free, 2))
    shift = 0.0
    for _ in range(5000):
        if largest < tolerance:
            return True
        while True:  # a Hessian that is not positive definite is made so
            evaluate_hessian(disc)
            for i in range(2 * n_free):
                disc.matrix[i, i] += shift
            if cholesky(disc.matrix, disc.end):
                break
            shift = max(0.01, 2.0 * shift)
        shift = 0.0 if shift < 0.02 else 0.25 * shift
        solve(disc.matrix, disc.end, forces.reshape(2 * n_free))
        forces *= min(1.0, 0.05 / np.max(np.abs(forces)))
        start[:] = r[:n_free]
        step = forces.copy()
        lowered = False
        for halving in range(40):
            r[:n_free] = start + step * 0.5**halving
            refresh_pairs(disc)
            new_energy = evaluate_energy(disc)
            # Close to the minimum, energies differ by less than their rounding.
            if new_energy < energy or (largest < 1e-5 and new_energy < energy + 1e-12 * abs(energy)):
                lowered = True
                break
        if not lowered:
            return False
        energy = new_energy
        largest = evaluate_forces(disc)
    return False
