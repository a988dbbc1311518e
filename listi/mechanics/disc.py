"""A disc cut from a sample (Numba): its pairs, forces, Hessian, and Newton's method on its free atoms.

Free atoms are relaxed. The other atoms of the disc follow the affine deformation, or are tethered to where it would
take them by springs (`tether`); then they are free as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from .dense_cholesky import cholesky, solve
from .jit import INNER, JIT, PART, uint64
from .kernels import PairTable, pairs_of_atom
from .load import gradient, increment
from .tolerances import PREDICTOR_TOLERANCE_DISC

MAX_MISFIT = 3.0 * PREDICTOR_TOLERANCE_DISC  # how far a minimum may be from where it is expected [Å]


class Disc(NamedTuple):
    """Arrays of one disc of m atoms; all are changed in place but the first ten.

    Attributes
    ----------
    reference : ndarray, shape (m, 2)
        Undeformed positions about the centre [Å], those of the free atoms first.
    species : ndarray, shape (m,)
        0 = Si, 1 = O.
    table : PairTable
        The potential.
    inside : ndarray of bool, shape (m,)
        Atoms within the radius over which stress is measured.
    tether : float
        Stiffness of the springs on free atoms that are not inside [energy/Å²]; 0 without springs.
    holding_forces : ndarray, shape (n_free, 2)
        Constant forces on the tethered atoms that balance those of the pairs in the undeformed state [energy/Å].
    velocity : ndarray, shape (2, 2)
        Gradient of the affine velocity per unit strain.
    weight : ndarray, shape (3,)
        The stress of the load is this times the stress (xx, xy, yy).
    skin : float
        Extra reach of the pair list [Å].
    force_scale : float
        The potential's.
    r : ndarray, shape (m, 2)
        Present positions [Å].
    anchor : ndarray, shape (m, 2)
        Where the affine deformation takes the reference positions [Å].
    gradient : ndarray, shape (2, 4)
        Deformation gradient (xx, xy, yx, yy) of the atoms around, at present and when pairs were listed.
    listed, first, partner
        Positions of the free atoms when pairs were listed, and the list: pairs of a free atom with any later one.
    forces, rate : ndarray, shape (n_free, 2)
        Forces [energy/Å], and their change per unit affine strain.
    matrix : ndarray, shape (2 n_free, 2 n_free)
        Upper triangle of the Hessian, or its Cholesky factor.
    end : ndarray, shape (2 n_free,)
        End of the envelope of each row.
    work : ndarray, shape (8, m + 7)
        Work arrays of the pair loops.
    virial : ndarray, shape (1,)
        Stress of the load when forces were last evaluated, times the area [energy].
    """

    reference: np.ndarray
    species: np.ndarray
    table: PairTable
    inside: np.ndarray
    tether: float
    holding_forces: np.ndarray
    velocity: np.ndarray
    weight: np.ndarray
    skin: float
    force_scale: float
    r: np.ndarray
    anchor: np.ndarray
    gradient: np.ndarray
    listed: np.ndarray
    first: np.ndarray
    partner: np.ndarray
    forces: np.ndarray
    rate: np.ndarray
    matrix: np.ndarray
    end: np.ndarray
    work: np.ndarray
    virial: np.ndarray


@numba.njit(**PART)
def make(reference, species, table, inside, n_free, tether, velocity, weight, skin, force_scale=1.0):
    """Disc in its undeformed state."""
    m, n = len(reference), 2 * n_free
    disc = Disc(
        reference,
        species,
        table,
        inside,
        tether,
        np.zeros((n_free, 2)),
        velocity,
        weight,
        skin,
        force_scale,
        reference.copy(),
        reference.copy(),
        np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]),
        reference[:n_free].copy(),
        np.zeros(n_free + 1, np.int64),
        np.empty(n_free * m, np.uint32),
        np.empty((n_free, 2)),
        np.empty((n_free, 2)),
        np.zeros((n, n)),
        np.full(n, n),
        np.empty((8, m + 7)),
        np.empty(1),
    )
    list_pairs(disc, disc.table.cutoff + disc.skin)
    if tether > 0.0:
        evaluate_forces(disc)
        for i in range(n_free):
            if not inside[i]:
                disc.holding_forces[i] = -disc.forces[i]
    return disc


@numba.njit(**JIT)
def apply_affine(disc, x, load, begin, end):
    """Deform the positions `x` (n_free, 2) after `begin` steps affinely to the state after `end` steps.

    The free atoms are put there, and the atoms around follow the load.
    """
    r, anchor, reference, n_free = disc.r, disc.anchor, disc.reference, len(x)
    axx, axy, ayx, ayy = increment(load, begin, end)
    for i in range(n_free):
        px, py = x[i, 0], x[i, 1]
        r[i, 0] = axx * px + axy * py
        r[i, 1] = ayx * px + ayy * py
    fxx, fxy, fyx, fyy = gradient(load, end)
    present = disc.gradient[0]
    present[0], present[1], present[2], present[3] = fxx, fxy, fyx, fyy
    for j in range(len(r)):
        anchor[j, 0] = fxx * reference[j, 0] + fxy * reference[j, 1]
        anchor[j, 1] = fyx * reference[j, 0] + fyy * reference[j, 1]
    r[n_free:] = anchor[n_free:]


@numba.njit(**INNER)
def list_pairs(disc, radius):
    """Pairs of a free atom with any other closer than `radius`, each once."""
    r, first, partner = disc.r, disc.first, disc.partner
    total = uint64(0)
    limit = radius * radius
    for i in range(uint64(len(first) - 1)):
        xi, yi = r[i, 0], r[i, 1]
        for j in range(i + uint64(1), uint64(len(r))):
            dx, dy = r[j, 0] - xi, r[j, 1] - yi
            partner[total] = j  # stays if counted; without a branch, which no processor could predict
            total += uint64(dx * dx + dy * dy < limit)
        first[i + 1] = total
    disc.listed[:] = r[: len(disc.listed)]
    disc.gradient[1] = disc.gradient[0]


@numba.njit(**INNER)
def refresh_pairs(disc):
    """List the pairs anew if two atoms may have come into reach since they were listed.

    The affine deformation shortens a distance by its smallest singular value at most, and the non-affine displacements
    by twice the largest of them.
    """
    r, listed = disc.r, disc.listed
    (fxx, fxy, fyx, fyy), (oxx, oxy, oyx, oyy) = disc.gradient
    determinant = oxx * oyy - oxy * oyx
    axx, axy = (fxx * oyy - fxy * oyx) / determinant, (fxy * oxx - fxx * oxy) / determinant
    ayx, ayy = (fyx * oyy - fyy * oyx) / determinant, (fyy * oxx - fyx * oxy) / determinant
    moved = 0.0
    for i in range(len(listed)):
        x, y = listed[i, 0], listed[i, 1]
        dx, dy = r[i, 0] - axx * x - axy * y, r[i, 1] - ayx * x - ayy * y
        moved = max(moved, dx * dx + dy * dy)
    plus, minus = (axx + ayy) ** 2 + (ayx - axy) ** 2, (axx - ayy) ** 2 + (ayx + axy) ** 2
    shortest = 0.5 * (np.sqrt(plus) - np.sqrt(minus))
    if shortest * (disc.table.cutoff + disc.skin) - 2.0 * np.sqrt(moved) < disc.table.cutoff:
        list_pairs(disc, disc.table.cutoff + disc.skin)


@numba.njit(**INNER, forceinline=True)  # or every call would count references to its arrays, atomically
def _pairs(disc, i, begin, count, energy, second):
    """Vectors (work[0], work[1]), U'/r (work[2]), and U and U'' unless None, of free atom i's pairs from `begin` on."""
    r, species, partner, work = disc.r, disc.species, disc.partner, disc.work
    dx, dy, tension, others = work[0], work[1], work[2], work[3]
    xi, yi = r[i, 0], r[i, 1]
    for k in range(count):
        j = partner[begin + k]
        dx[k] = r[j, 0] - xi
        dy[k] = r[j, 1] - yi
        others[k] = species[j]
    lanes = uint64(8) * ((count + uint64(7)) // uint64(8))
    for k in range(count, lanes):  # pairs beyond the cutoff, so that nothing is left over for one lane
        dx[k] = dy[k] = 2.0 * disc.table.cutoff
        others[k] = 0.0
    for k in range(lanes):
        tension[k] = dx[k] * dx[k] + dy[k] * dy[k]
    pairs_of_atom(tension, others, energy, second, disc.table, species[i], lanes)


@numba.njit(**INNER)
def evaluate_forces(disc):
    """Write the forces on the free atoms and the virial of the load; return the largest force component."""
    first, partner = disc.first, disc.partner
    dx, dy, tension, power = disc.work[0], disc.work[1], disc.work[2], disc.work[3]
    forces = disc.forces
    wxx, wxy, wyy = disc.weight[0], disc.weight[1], disc.weight[2]
    n_free = uint64(len(forces))
    forces[:] = 0.0
    virial = 0.0
    for i in range(n_free):
        begin = uint64(first[i])
        count = uint64(first[i + 1]) - begin
        _pairs(disc, i, begin, count, None, None)
        for k in range(count):  # no sums: vectorises
            x, y = dx[k], dy[k]
            dx[k], dy[k] = tension[k] * x, tension[k] * y
            power[k] = dx[k] * (wxx * x + wxy * y) + dy[k] * (wyy * y)
        fx = fy = own = 0.0
        near = count
        for k in range(count):
            j = uint64(partner[begin + k])
            if j >= n_free:  # and so are all that follow
                near = k
                break
            fx += dx[k]
            fy += dy[k]
            own += power[k]
            forces[j, 0] -= dx[k]
            forces[j, 1] -= dy[k]
        shared = own
        for k in range(near, count):
            fx += dx[k]
            fy += dy[k]
            own += power[k]
        forces[i, 0] += fx
        forces[i, 1] += fy
        virial += own + shared
    disc.virial[0] = 0.5 * virial  # pairs with a frozen atom count half
    if disc.tether > 0.0:
        _add_tether_forces(disc)
    return np.max(np.abs(forces))


@numba.njit(**INNER)
def _add_tether_forces(disc):
    """Add springs and constant forces on tethered atoms to the forces."""
    for i in range(len(disc.forces)):
        if not disc.inside[i]:
            for c in range(2):
                disc.forces[i, c] += disc.holding_forces[i, c] - disc.tether * (disc.r[i, c] - disc.anchor[i, c])


@numba.njit(**INNER)
def evaluate_energy(disc):
    """Energy of all pairs with a free atom, springs and constant forces."""
    first, energy = disc.first, disc.work[4]
    total = 0.0
    for i in range(len(disc.forces)):
        begin = uint64(first[i])
        count = uint64(first[i + 1]) - begin
        _pairs(disc, i, begin, count, energy, None)
        total += np.sum(energy[:count])
        if disc.tether > 0.0 and not disc.inside[i]:
            for c in range(2):
                away = disc.r[i, c] - disc.anchor[i, c]
                total += 0.5 * disc.tether * away * away - disc.holding_forces[i, c] * away
    return total


@numba.njit(**INNER)
def stress(disc, area):
    """Stress (xx, xy, yy) of the atoms inside; pairs with an atom outside count half."""
    first, partner = disc.first, disc.partner
    dx, dy, tension = disc.work[0], disc.work[1], disc.work[2]
    refresh_pairs(disc)
    xx = xy = yy = 0.0
    for i in range(len(disc.forces)):
        begin = uint64(first[i])
        count = uint64(first[i + 1]) - begin
        _pairs(disc, i, begin, count, None, None)
        for k in range(count):
            weight = 0.5 * (disc.inside[i] + disc.inside[partner[begin + k]]) * tension[k] / area
            xx += weight * dx[k] * dx[k]
            xy += weight * dx[k] * dy[k]
            yy += weight * dy[k] * dy[k]
    return xx, xy, yy


@numba.njit(**INNER)
def evaluate_hessian(disc):
    """Write the Hessian of the free atoms (upper triangle), its envelope, forces and affine force rate.

    Returns the largest force component, as `evaluate_forces` would. `rate` becomes
    the change of the forces per unit strain if every distance vector d changed by velocity @ d.
    """
    first, partner = disc.first, disc.partner
    matrix, forces, rate, velocity, work = disc.matrix, disc.forces, disc.rate, disc.velocity, disc.work
    dx, dy, tension, gx, gy, kxx, kxy, kyy = (
        work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    )  # fmt: skip
    lxx, lxy, lyx, lyy = velocity[0, 0], velocity[0, 1], velocity[1, 0], velocity[1, 1]
    n_free = uint64(len(rate))
    for i in range(2 * n_free):
        matrix[i, i : disc.end[i]] = 0.0
    forces[:] = 0.0
    rate[:] = 0.0
    furthest = uint64(0)  # atom that has a pair with any up to the present one
    for i in range(n_free):
        begin = uint64(first[i])
        count = uint64(first[i + 1]) - begin
        _pairs(disc, i, begin, count, None, gy)
        for k in range(count):  # no sums: vectorises
            x, y, t = dx[k], dy[k], tension[k]
            c = (gy[k] - t) / (x * x + y * y)
            kxx[k], kxy[k], kyy[k] = c * x * x + t, c * x * y, c * y * y + t
            vx, vy = lxx * x + lxy * y, lyx * x + lyy * y
            dx[k], dy[k] = t * x, t * y
            gx[k], gy[k] = kxx[k] * vx + kxy[k] * vy, kxy[k] * vx + kyy[k] * vy
        a, a1 = uint64(2) * i, uint64(2) * i + uint64(1)
        fx = fy = rx = ry = sxx = sxy = syy = 0.0
        for k in range(count):
            fx += dx[k]
            fy += dy[k]
            rx += gx[k]
            ry += gy[k]
            sxx += kxx[k]
            sxy += kxy[k]
            syy += kyy[k]
        forces[i, 0] += fx
        forces[i, 1] += fy
        rate[i, 0] += rx
        rate[i, 1] += ry
        matrix[a, a] += sxx
        matrix[a, a1] += sxy
        matrix[a1, a1] += syy
        furthest = max(furthest, i)
        for k in range(count):
            j = uint64(partner[begin + k])
            if j >= n_free:  # and so are all that follow
                break
            if kxx[k] == 0.0 and kyy[k] == 0.0:  # beyond the cutoff
                continue
            b, b1 = uint64(2) * j, uint64(2) * j + uint64(1)
            forces[j, 0] -= dx[k]
            forces[j, 1] -= dy[k]
            rate[j, 0] -= gx[k]
            rate[j, 1] -= gy[k]
            matrix[a, b] = -kxx[k]
            matrix[a, b1] = -kxy[k]
            matrix[a1, b] = -kxy[k]
            matrix[a1, b1] = -kyy[k]
            matrix[b, b] += kxx[k]
            matrix[b, b1] += kxy[k]
            matrix[b1, b1] += kyy[k]
            furthest = max(furthest, j)
        disc.end[a] = disc.end[a1] = uint64(2) * furthest + uint64(2)
    if disc.tether > 0.0:
        _add_tether_forces(disc)
        for i in range(n_free):
            if not disc.inside[i]:
                matrix[2 * i, 2 * i] += disc.tether
                matrix[2 * i + 1, 2 * i + 1] += disc.tether
                x, y = disc.r[i, 0] - disc.anchor[i, 0], disc.r[i, 1] - disc.anchor[i, 1]
                rate[i, 0] -= disc.tether * (lxx * x + lxy * y)
                rate[i, 1] -= disc.tether * (lyx * x + lyy * y)
    return np.max(np.abs(forces))


@numba.njit(**INNER)
def minimise(disc, tolerance, max_misfit, close):
    """Newton's method from a guess close to a minimum, with a Hessian kept for as long as it converges.

    On success `matrix` holds the factor of a Hessian at most `close` [Å] from the minimum, and `rate` its affine
    force rate. False if a Hessian was not positive definite, or an atom went further than `max_misfit` [Å].
    """
    r, forces = disc.r, disc.forces
    n_free = len(forces)
    guess = r[:n_free].copy()
    apart = np.inf  # how far the atoms are from where the Hessian was factorised
    last = np.inf
    for _ in range(30):
        refresh_pairs(disc)
        fresh = apart == np.inf and close < np.inf
        largest = evaluate_hessian(disc) if fresh else evaluate_forces(disc)
        if largest < tolerance and apart <= close:
            return True
        if not np.isfinite(largest):
            return False
        if largest < tolerance or largest > 0.1 * last or apart == np.inf:
            if not fresh:
                evaluate_hessian(disc)
            if not cholesky(disc.matrix, disc.end):
                return False
            apart = 0.0
        last = largest
        solve(disc.matrix, disc.end, forces.reshape(2 * n_free))
        apart += np.max(np.abs(forces))
        r[:n_free] += forces
        if np.max(np.abs(r[:n_free] - guess)) > max_misfit:
            return False
    return False


@numba.njit(**JIT)
def descend(disc, tolerance, longest, steps):
    """Move to the minimum downhill by damped Newton steps, each of which lowers the energy.

    No atom moves further than `longest` [Å] in one. False if energy does not fall, or forces have not fallen below
    `tolerance` after `steps`.
    """
    r, forces, scale = disc.r, disc.forces, disc.force_scale
    n_free = len(forces)
    refresh_pairs(disc)
    energy = evaluate_energy(disc)
    largest = evaluate_forces(disc)
    start = np.empty((n_free, 2))
    shift = 0.0
    for _ in range(steps):
        if largest < tolerance:
            return True
        while True:  # a Hessian that is not positive definite is made so
            evaluate_hessian(disc)
            for i in range(2 * n_free):
                disc.matrix[i, i] += shift
            if cholesky(disc.matrix, disc.end):
                break
            shift = max(0.01 * scale, 2.0 * shift)
        shift = 0.0 if shift < 0.02 * scale else 0.25 * shift
        solve(disc.matrix, disc.end, forces.reshape(2 * n_free))
        forces *= min(1.0, longest / np.max(np.abs(forces)))
        start[:] = r[:n_free]
        step = forces.copy()
        lowered = False
        for halving in range(40):
            r[:n_free] = start + step * 0.5**halving
            refresh_pairs(disc)
            new_energy = evaluate_energy(disc)
            # Close to the minimum, energies differ by less than their rounding.
            if new_energy < energy or (largest < 1e-5 * scale and new_energy < energy + 1e-12 * abs(energy)):
                lowered = True
                break
        if not lowered:
            return False
        energy = new_energy
        largest = evaluate_forces(disc)
    return False
