"""One disc under load, followed to its first instability (Numba): the engine of `listi.probing`.

The minimum that began as the undeformed disc is followed by Newton's method with exact Hessians. A stretch of steps
counts only if

* every Hessian on the way is positive definite (its Cholesky factor exists), and
* the displacement over the stretch agrees with what the tangents at its two ends say,

so that neither noise nor a jump to another minimum can pass for, or hide, an instability. A stretch that fails is
shortened down to a quarter of one step. Near an instability the tangent grows as the inverse square root of the
distance to it; where tangents grow, stretches are predicted, judged and chosen by that law.
"""

from __future__ import annotations

import numba
import numpy as np

from .mechanics import TOLERANCE
from .pairs import JIT, bins
from .potential import CUTOFF, pairs_of_atom

SMOOTH = 0.02  # allowed difference between a stretch and what its end tangents say [Å]
FIRST = 100  # steps of the first stretch
LONGEST = 300  # steps of a stretch at most
SKIN = 0.5  # extra reach of the pair list [Å]
FOUND, TOO_STRONG, EMPTY = range(3)  # how a probe ended: at an instability, past max_strain, without free atoms


@numba.njit(**JIT)
def _gradient(mode, velocity, strain_step, steps):
    """Deformation gradient (xx, xy, yx, yy) after a number of steps."""
    lxx, lxy, lyx, lyy = velocity[0, 0], velocity[0, 1], velocity[1, 0], velocity[1, 1]
    if mode == 1:  # simple shear: I + strain L
        e = steps * strain_step
        return 1.0 + e * lxx, e * lxy, e * lyx, 1.0 + e * lyy
    stretch = (1.0 + strain_step) ** steps
    if mode == 0:  # L has eigenvalues +1 and -1: cosh + L sinh
        c, s = 0.5 * (stretch + 1.0 / stretch), 0.5 * (stretch - 1.0 / stretch)
        return c + s * lxx, s * lxy, s * lyx, c + s * lyy
    e = stretch - 1.0  # L is a projector
    return 1.0 + e * lxx, e * lxy, e * lyx, 1.0 + e * lyy


@numba.njit(**JIT)
def list_pairs(r, n_free, reach, first, partner):
    """Pairs of a free atom with any other closer than `reach`, each once."""
    total = 0
    limit = reach * reach
    for i in range(n_free):
        xi, yi = r[i, 0], r[i, 1]
        for j in range(i + 1, len(r)):
            dx, dy = r[j, 0] - xi, r[j, 1] - yi
            if dx * dx + dy * dy < limit:
                partner[total] = j
                total += 1
        first[i + 1] = total


@numba.njit(**JIT)
def _pairs(r, species, i, first, partner, dx, dy, tension, energy, second):
    """Distance vectors, U'/r, U and U'' of the listed pairs of free atom i; returns their number."""
    begin = first[i]
    count = first[i + 1] - begin
    xi, yi = r[i, 0], r[i, 1]
    for k in range(count):
        j = partner[begin + k]
        dx[k] = r[j, 0] - xi
        dy[k] = r[j, 1] - yi
        energy[k] = species[j]
    for k in range(count):
        tension[k] = dx[k] * dx[k] + dy[k] * dy[k]
    pairs_of_atom(tension, energy, second, species[i], count)
    return count


@numba.njit(**JIT)
def _forces(r, species, n_free, first, partner, work, forces):
    """Forces on the free atoms; returns the largest component."""
    forces[:] = 0.0
    dx, dy, tension, energy, second = work[0], work[1], work[2], work[3], work[4]
    for i in range(n_free):
        count = _pairs(r, species, i, first, partner, dx, dy, tension, energy, second)
        fx = fy = 0.0
        for k in range(count):
            gx, gy = tension[k] * dx[k], tension[k] * dy[k]
            fx += gx
            fy += gy
            j = partner[first[i] + k]
            if j < n_free:
                forces[j, 0] -= gx
                forces[j, 1] -= gy
        forces[i, 0] += fx
        forces[i, 1] += fy
    return np.max(np.abs(forces))


@numba.njit(**JIT)
def virial_of_free(r, species, n_free, first, partner, work):
    """Virial (xx, xy, yy) of the free atoms; pairs with a frozen atom count half [energy]."""
    dx, dy, tension, energy, second = work[0], work[1], work[2], work[3], work[4]
    vxx = vxy = vyy = 0.0
    for i in range(n_free):
        count = _pairs(r, species, i, first, partner, dx, dy, tension, energy, second)
        for k in range(count):
            weight = tension[k] if partner[first[i] + k] < n_free else 0.5 * tension[k]
            vxx += weight * dx[k] * dx[k]
            vxy += weight * dx[k] * dy[k]
            vyy += weight * dy[k] * dy[k]
    return vxx, vxy, vyy


@numba.njit(**JIT)
def _hessian(r, species, n_free, first, partner, velocity, work, matrix, end, rate):
    """Upper triangle of the Hessian of the free atoms, the end of each row's envelope, and the affine force rate.

    `rate` becomes the change of the forces per unit strain if every distance vector d changed by velocity @ d.
    """
    n = 2 * n_free
    for i in range(n):
        matrix[i, i:] = 0.0
    rate[:] = 0.0
    dx, dy, tension, energy, second = work[0], work[1], work[2], work[3], work[4]
    reach = 0
    for i in range(n_free):
        count = _pairs(r, species, i, first, partner, dx, dy, tension, energy, second)
        a = 2 * i
        reach = max(reach, i)
        for k in range(count):
            if second[k] == 0.0 and tension[k] == 0.0:  # beyond the cutoff
                continue
            j = partner[first[i] + k]
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
                reach = max(reach, j)
        end[a] = end[a + 1] = 2 * reach + 2


@numba.njit(**JIT)
def _cholesky(matrix, end):
    """Replace the upper triangle by U with U^T U = matrix, within its envelope; False if not positive definite."""
    n = len(end)
    begin = 0
    for k in range(n):
        while end[begin] <= k:
            begin += 1
        stop = end[k]
        row = matrix[k]
        i = begin
        while i + 4 <= k:
            r0, r1, r2, r3 = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
            u0, u1, u2, u3 = r0[k], r1[k], r2[k], r3[k]
            for j in range(k, end[i + 3]):
                row[j] -= (u0 * r0[j] + u1 * r1[j]) + (u2 * r2[j] + u3 * r3[j])
            i += 4
        while i < k:
            r0 = matrix[i]
            u0 = r0[k]
            for j in range(k, end[i]):
                row[j] -= u0 * r0[j]
            i += 1
        if not row[k] > 1e-12:
            return False
        scale = 1.0 / np.sqrt(row[k])
        for j in range(k, stop):
            row[j] *= scale
    return True


@numba.njit(**JIT)
def _solve(upper, end, x):
    """Solve U^T U x = right in place; `x` holds the right-hand side, flat."""
    n = len(end)
    for i in range(n):
        row = upper[i]
        value = x[i] / row[i]
        x[i] = value
        for j in range(i + 1, end[i]):
            x[j] -= value * row[j]
    for i in range(n - 1, -1, -1):
        row = upper[i]
        s0 = s1 = s2 = s3 = 0.0
        j = i + 1
        while j + 4 <= end[i]:
            s0 += row[j] * x[j]
            s1 += row[j + 1] * x[j + 1]
            s2 += row[j + 2] * x[j + 2]
            s3 += row[j + 3] * x[j + 3]
            j += 4
        while j < end[i]:
            s0 += row[j] * x[j]
            j += 1
        x[i] = (x[i] - ((s0 + s1) + (s2 + s3))) / row[i]


@numba.njit(**JIT)
def _share(last, now, apart, ahead):
    """Displacement ahead beyond `ahead` times the tangent of now, per difference of the last two tangents.

    The tangents, `apart` in strain, have the squared lengths `last` and `now`. Where they grow, they are taken to
    grow as the inverse square root of the distance to an instability, else linearly.
    """
    if now > last * 1.001:
        left = apart / (now / last - 1.0)  # distance from here to the instability
        if left > ahead:
            slow, fast = 0.5 / np.sqrt(left + apart), 0.5 / np.sqrt(left)
            return (np.sqrt(left) - np.sqrt(left - ahead) - fast * ahead) / (fast - slow)
    return 0.5 * ahead * ahead / apart


@numba.njit(**JIT)
def _place_frozen(r, reference, n_free, gradient):
    """Put the frozen atoms where the affine deformation takes them."""
    fxx, fxy, fyx, fyy = gradient
    for j in range(n_free, len(r)):
        r[j, 0] = fxx * reference[j, 0] + fxy * reference[j, 1]
        r[j, 1] = fyx * reference[j, 0] + fyy * reference[j, 1]


@numba.njit(**JIT)
def _follow(reference, species, n_free, mode, velocity, strain_step, max_steps, r, log):
    """Follow the minimum of one disc to its first instability.

    Parameters
    ----------
    reference : ndarray, shape (m, 2)
        Undeformed positions about the centre [Å], the `n_free` free atoms first.
    r : ndarray, shape (m, 2)
        Out: the critical configuration.
    log : ndarray of int64, shape (2,)
        Out: number of Hessians factorised and of force evaluations.

    Returns
    -------
    steps : int
        Last step at which the minimum exists.
    status : int
        FOUND, or TOO_STRONG if no instability came within `max_steps`.
    virial0, virial : tuple of float
        Virial of the free atoms at the start and in the critical state [energy].
    """
    m = len(reference)
    n = 2 * n_free
    work = np.empty((5, m))
    first = np.zeros(n_free + 1, np.int64)
    partner = np.empty(n_free * m, np.int64)
    matrix = np.zeros((n, n))
    end = np.empty(n, np.int64)
    forces = np.empty((n_free, 2))
    rate = np.zeros((n_free, 2))
    new_rate = np.empty((n_free, 2))
    last_rate = np.zeros((n_free, 2))
    listed = reference.copy()
    x = reference[:n_free].copy()
    whole = x.copy()  # the minimum at the last whole step
    base = np.empty((n_free, 2))
    guess = np.empty((n_free, 2))

    r[:] = reference
    list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
    virial0 = virial_of_free(r, species, n_free, first, partner, work)
    _hessian(r, species, n_free, first, partner, velocity, work, matrix, end, rate)
    log[0] += 1
    if not _cholesky(matrix, end):
        return 0, FOUND, virial0, virial0
    _solve(matrix, end, rate.reshape(n))
    last_rate[:] = rate
    softness = np.sum(rate * rate)
    last_softness, last_strain = softness, -1.0

    at = 0.0  # steps taken; whole except while a single step is cut into quarters
    stretch = float(FIRST)
    while at < max_steps:
        target = min(at + stretch, float(max_steps))
        if stretch >= 1.0:
            target = np.floor(target)
        here = at * strain_step
        strain = target * strain_step - here
        share = _share(last_softness, softness, here - last_strain, strain)
        old = _gradient(mode, velocity, strain_step, at)
        new = _gradient(mode, velocity, strain_step, target)
        determinant = old[0] * old[3] - old[1] * old[2]
        axx = (new[0] * old[3] - new[1] * old[2]) / determinant
        axy = (new[1] * old[0] - new[0] * old[1]) / determinant
        ayx = (new[2] * old[3] - new[3] * old[2]) / determinant
        ayy = (new[3] * old[0] - new[2] * old[1]) / determinant
        for i in range(n_free):
            base[i, 0] = axx * x[i, 0] + axy * x[i, 1]
            base[i, 1] = ayx * x[i, 0] + ayy * x[i, 1]
            for c in range(2):
                r[i, c] = x[i, c] + strain * rate[i, c] + share * (rate[i, c] - last_rate[i, c])
            px, py = r[i, 0], r[i, 1]
            r[i, 0] = axx * px + axy * py
            r[i, 1] = ayx * px + ayy * py
            guess[i, 0] = r[i, 0]
            guess[i, 1] = r[i, 1]
        _place_frozen(r, reference, n_free, new)

        converged = False
        apart = np.inf  # how far the atoms are from where the Hessian was factorised
        last = np.inf
        for _ in range(30):
            moved = 0.0
            for j in range(m):
                d0, d1 = r[j, 0] - listed[j, 0], r[j, 1] - listed[j, 1]
                moved = max(moved, d0 * d0 + d1 * d1)
            if 4.0 * moved > SKIN * SKIN:
                list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
                listed[:] = r
            largest = _forces(r, species, n_free, first, partner, work, forces)
            log[1] += 1
            if largest < TOLERANCE and apart < 0.5 * SMOOTH:
                converged = True
                break
            if not np.isfinite(largest):
                break
            if largest < TOLERANCE or largest > 0.1 * last or apart == np.inf:
                _hessian(r, species, n_free, first, partner, velocity, work, matrix, end, new_rate)
                log[0] += 1
                if not _cholesky(matrix, end):
                    break
                apart = 0.0
            last = largest
            _solve(matrix, end, forces.reshape(n))
            apart += np.max(np.abs(forces))
            far = 0.0
            for i in range(n_free):
                for c in range(2):
                    r[i, c] += forces[i, c]
                    far = max(far, abs(r[i, c] - guess[i, c]))
            if far > 10.0 * SMOOTH:
                break
        accepted = converged
        if converged:
            _solve(matrix, end, new_rate.reshape(n))
            new_softness = np.sum(new_rate * new_rate)
            share = _share(softness, new_softness, strain, -strain)
            worst = 0.0
            for i in range(n_free):
                tx = axx * rate[i, 0] + axy * rate[i, 1]
                ty = ayx * rate[i, 0] + ayy * rate[i, 1]
                dx = r[i, 0] - base[i, 0] - strain * new_rate[i, 0] + share * (new_rate[i, 0] - tx)
                dy = r[i, 1] - base[i, 1] - strain * new_rate[i, 1] + share * (new_rate[i, 1] - ty)
                worst = max(worst, abs(dx), abs(dy))
            accepted = worst < SMOOTH
        if accepted:
            for i in range(n_free):
                for c in range(2):
                    x[i, c] = r[i, c]
                    last_rate[i, c] = rate[i, c]
                    rate[i, c] = new_rate[i, c]
            last_softness, last_strain, softness = softness, here, new_softness
            allowed = 2.0 * stretch
            if softness > last_softness:
                allowed = min(allowed, 0.7 * strain / (softness / last_softness - 1.0) / strain_step)
            at = target
            if at == np.floor(at):
                whole[:] = x
                stretch = min(max(allowed, 1.0), float(LONGEST))
                stretch = np.floor(stretch)
        elif stretch > 1.0:
            stretch = np.floor(0.5 * stretch)
        elif stretch == 1.0:
            stretch = 0.25
        else:
            break
    steps = int(np.floor(at))
    status = TOO_STRONG if at >= max_steps else FOUND
    # The critical configuration is the one at the last whole step.
    _place_frozen(r, reference, n_free, _gradient(mode, velocity, strain_step, float(steps)))
    for i in range(n_free):
        r[i, 0], r[i, 1] = whole[i, 0], whole[i, 1]
    list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
    return steps, status, virial0, virial_of_free(r, species, n_free, first, partner, work)


@numba.njit(**JIT)
def _cut_out(positions, cell, order, start, nx, ny, centre, r_free, angle_x, angle_y, found):
    """Atoms within r_free + cutoff of `centre`: the free ones first, each kind sorted along a direction.

    Sorting along one direction keeps the envelope of the Hessian narrow. Returns the reference positions about
    the centre, the number of free atoms; atom numbers go into `found`.
    """
    reach = r_free + CUTOFF
    count = 0
    bx = int(np.floor(centre[0] / cell[0] * nx))
    by = int(np.floor(centre[1] / cell[1] * ny))
    half_x = int(np.ceil(reach / cell[0] * nx))
    half_y = int(np.ceil(reach / cell[1] * ny))
    for sx in range(min(2 * half_x + 1, nx)):
        for sy in range(min(2 * half_y + 1, ny)):
            b = ((bx - half_x + sx) % nx) * ny + (by - half_y + sy) % ny
            for k in range(start[b], start[b + 1]):
                dx = positions[order[k], 0] - centre[0]
                dy = positions[order[k], 1] - centre[1]
                dx -= cell[0] * np.floor(dx / cell[0] + 0.5)
                dy -= cell[1] * np.floor(dy / cell[1] + 0.5)
                if dx * dx + dy * dy < reach * reach:
                    found[count] = order[k]
                    count += 1
    reference = np.empty((count, 2))
    key = np.empty(count)
    n_free = 0
    for k in range(count):
        dx = positions[found[k], 0] - centre[0]
        dy = positions[found[k], 1] - centre[1]
        dx -= cell[0] * np.floor(dx / cell[0] + 0.5)
        dy -= cell[1] * np.floor(dy / cell[1] + 0.5)
        reference[k, 0], reference[k, 1] = dx, dy
        key[k] = angle_x * dx + angle_y * dy
        if dx * dx + dy * dy < r_free * r_free:
            n_free += 1
        else:
            key[k] += 1e6
    rank = np.argsort(key)
    found[:count] = found[:count][rank]
    return reference[rank], n_free


@numba.njit(**JIT)
def probe_block(positions, species, cell, centres, r_free, mode, velocity, strain_step, max_steps, out, status):
    """Probe every centre; rows of `out`: stress xx, xy, yy at first, the same in the critical state, critical strain."""
    _, start, order, nx, ny = bins(positions, cell, 5.0)
    found = np.empty(len(positions), np.int64)
    log = np.zeros(2, np.int64)
    area = np.pi * r_free * r_free
    for p in range(len(centres)):
        reference, n_free = _cut_out(
            positions, cell, order, start, nx, ny, centres[p], r_free, 0.8, 0.6, found
        )
        if n_free == 0:
            out[p] = np.nan
            status[p] = EMPTY
            continue
        r = np.empty_like(reference)
        steps, status[p], before, after = _follow(
            reference, species[found[: len(reference)]], n_free, mode, velocity, strain_step, max_steps, r, log
        )
        for c in range(3):
            out[p, c], out[p, 3 + c] = before[c] / area, after[c] / area
        out[p, 6] = steps * strain_step
    return log
