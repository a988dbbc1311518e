"""Local probing: strain a disc cut from the sample until its first instability; map the stress it took.

The disc of radius ``r_free`` is relaxed inside a frozen ring as wide as the cutoff that follows the affine
deformation (Patinet, Vandembroucq, Falk, Phys. Rev. Lett. 117, 045501 (2016)). Strain grows in steps of
``strain_step``; the critical state is the last step at which the minimum that began as the undeformed disc still
exists. The minimum is followed by Newton's method with exact Hessians: a stretch of steps counts only if

* every Hessian on the way is positive definite (its Cholesky factor exists), and
* the displacement over the stretch agrees with the mean of the tangents at its two ends,

so that neither noise nor a jump to another minimum can pass for, or hide, an instability. A stretch that fails is
shortened down to a quarter of one step. Near an instability the tangent grows as the inverse square root of the
distance to it, from which the length of the next stretch is chosen.
"""

from __future__ import annotations

import numba
import numpy as np
import xarray as xr

from . import tasks
from .deformation import AT_MINIMUM, Walk
from .mechanics import JIT, TOLERANCE, System, _bins
from .network import Network, minimum_image
from .potential import CUTOFF, LENGTH_UNIT, STRESS_UNIT, pairs_of_atom, tensions_of_atom

MODES = ("pure shear", "simple shear", "uniaxial tension")
SMOOTH = 0.02  # allowed difference between a stretch and the mean of its end tangents [Å]
FIRST = 100  # steps of the first stretch
LONGEST = 300  # steps of a stretch at most
SKIN = 0.5  # extra reach of the pair list [Å]
BLOCK = 50  # probes in one task

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
def _list_pairs(r, n_free, reach, first, partner):
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
def _tensions(r, species, i, first, partner, dx, dy, tension, oxygen):
    """Distance vectors and U'/r of the listed pairs of free atom i; returns their number."""
    begin = first[i]
    count = first[i + 1] - begin
    xi, yi = r[i, 0], r[i, 1]
    for k in range(count):
        j = partner[begin + k]
        dx[k] = r[j, 0] - xi
        dy[k] = r[j, 1] - yi
        oxygen[k] = species[j]
    for k in range(count):
        tension[k] = dx[k] * dx[k] + dy[k] * dy[k]
    tensions_of_atom(tension, oxygen, species[i], count)
    return count


@numba.njit(**JIT)
def _forces(r, species, n_free, first, partner, work, forces):
    """Forces on the free atoms; returns the largest component."""
    forces[:] = 0.0
    dx, dy, tension, oxygen = work[0], work[1], work[2], work[3]
    for i in range(n_free):
        count = _tensions(r, species, i, first, partner, dx, dy, tension, oxygen)
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
def _virial(r, species, n_free, first, partner, work):
    """Virial (xx, xy, yy) of the free atoms; pairs with a frozen atom count half [energy]."""
    dx, dy, tension, oxygen = work[0], work[1], work[2], work[3]
    vxx = vxy = vyy = 0.0
    for i in range(n_free):
        count = _tensions(r, species, i, first, partner, dx, dy, tension, oxygen)
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
    bend = np.zeros((n_free, 2))
    listed = reference.copy()
    x = reference[:n_free].copy()
    whole = x.copy()  # the minimum at the last whole step
    base = np.empty((n_free, 2))
    guess = np.empty((n_free, 2))

    r[:] = reference
    _list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
    virial0 = _virial(r, species, n_free, first, partner, work)
    _hessian(r, species, n_free, first, partner, velocity, work, matrix, end, rate)
    log[0] += 1
    if not _cholesky(matrix, end):
        return 0, FOUND, virial0, virial0
    _solve(matrix, end, rate.reshape(n))
    g_last = 1.0 / np.sum(rate * rate)
    g_strain = 0.0

    at = 0.0  # steps taken; whole except while a single step is cut into quarters
    stretch = float(FIRST)
    while at < max_steps:
        target = min(at + stretch, float(max_steps))
        if stretch >= 1.0:
            target = np.floor(target)
        strain = (target - at) * strain_step
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
                r[i, c] = x[i, c] + strain * (rate[i, c] + 0.5 * strain * bend[i, c])
            px, py = r[i, 0], r[i, 1]
            r[i, 0] = axx * px + axy * py
            r[i, 1] = ayx * px + ayy * py
            guess[i, 0] = r[i, 0]
            guess[i, 1] = r[i, 1]
        _place_frozen(r, reference, n_free, new)

        converged = False
        apart = np.inf  # how far the atoms are from where the Hessian was factorised
        last = np.inf
        for iteration in range(12):
            moved = 0.0
            for j in range(m):
                d0, d1 = r[j, 0] - listed[j, 0], r[j, 1] - listed[j, 1]
                moved = max(moved, d0 * d0 + d1 * d1)
            if 4.0 * moved > SKIN * SKIN:
                _list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
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
            worst = 0.0
            for i in range(n_free):
                tx = axx * rate[i, 0] + axy * rate[i, 1]
                ty = ayx * rate[i, 0] + ayy * rate[i, 1]
                dx = r[i, 0] - base[i, 0] - 0.5 * strain * (tx + new_rate[i, 0])
                dy = r[i, 1] - base[i, 1] - 0.5 * strain * (ty + new_rate[i, 1])
                worst = max(worst, abs(dx), abs(dy))
            accepted = worst < SMOOTH
        if accepted:
            for i in range(n_free):
                for c in range(2):
                    x[i, c] = r[i, c]
                    bend[i, c] = (new_rate[i, c] - rate[i, c]) / strain
                    rate[i, c] = new_rate[i, c]
            g = 1.0 / np.sum(rate * rate)
            here = target * strain_step
            allowed = 2.0 * stretch
            if g < g_last:
                allowed = min(allowed, 0.5 * g * (here - g_strain) / (g_last - g) / strain_step)
            g_last, g_strain = g, here
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
    _list_pairs(r, n_free, CUTOFF + SKIN, first, partner)
    return steps, status, virial0, _virial(r, species, n_free, first, partner, work)


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
def _probe_block(positions, species, cell, centres, r_free, mode, velocity, weight, strain_step, max_steps, out, status):
    """Probe every centre; rows of `out`: initial stress, critical stress, critical strain."""
    _, start, order, nx, ny = _bins(positions, cell, 5.0)
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
        for c, v in enumerate((before, after)):
            contracted = v[0] * velocity[0, 0] + v[1] * (velocity[0, 1] + velocity[1, 0]) + v[2] * velocity[1, 1]
            out[p, c] = weight * contracted / area
        out[p, 2] = steps * strain_step
    return log


def _velocity(mode: str, angle: float) -> tuple[int, np.ndarray, float]:
    """Number of the mode, its velocity gradient turned by `angle` [degrees], and the weight of stress : gradient."""
    gradient = {
        "pure shear": ([[1.0, 0.0], [0.0, -1.0]], 0.5),
        "simple shear": ([[0.0, 1.0], [0.0, 0.0]], 1.0),
        "uniaxial tension": ([[1.0, 0.0], [0.0, 0.0]], 1.0),
    }
    matrix, weight = gradient[mode]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[c, -s], [s, c]]) if angle else np.eye(2)
    return MODES.index(mode), turn @ np.array(matrix) @ turn.T, weight


def grid_points(cell: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [Å] of the grid lines along x and y: i L / n for i = 0..n-1."""
    return np.arange(grid[0]) * (cell[0] / grid[0]), np.arange(grid[1]) * (cell[1] / grid[1])


def probe(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    r_free: float = 11.0,
    mode: str = "pure shear",
    angle: float = 0.0,
    strain_step: float = 1e-4,
    max_strain: float = 1.0,
    scheduler: str | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    """Map of the local stress threshold.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    grid : (int, int)
        Number of probes along x and y, at i L / n; the paper's is 50 x 50.
    points : ndarray, shape (n, 2), optional
        Probe here [Å] instead of on a grid.
    r_free : float
        Radius of the disc that is relaxed [Å]; the paper's is 11.
    mode : str
        "pure shear" (x grows by 1 + d a step, y shrinks by it), "simple shear" or "uniaxial tension" (y fixed).
    angle : float
        Direction of the load against x, anticlockwise [degrees].
    strain_step : float
        Resolution of the critical state in strain; smooth stretches are not walked step by step.
    max_strain : float
        Strain by which an instability must have come.
    scheduler, workers
        See `listi.tasks.run`; the result does not depend on them.

    Returns
    -------
    xarray.Dataset
        Over (x, y) or (point,): ``initial_stress``, ``critical_stress`` (at the last step before the first
        instability), their difference ``threshold``, and ``critical_strain``. The stress is that of the load: for
        pure shear (sigma_xx - sigma_yy)/2 in the turned frame, from the virial of the free atoms (pairs with a
        frozen atom count half) over pi r_free². NaN where no atom is free (outside a patch with free edges).

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.
    RuntimeError
        If a probe meets no instability up to `max_strain`.
    """
    _check(network, grid, points, r_free, mode, angle, strain_step, max_strain)
    x, y = grid_points(network.cell, grid)
    centres = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2) if points is None else np.asarray(points)
    number, velocity, weight = _velocity(mode, angle)
    max_steps = round(max_strain / strain_step)

    arguments = network.positions, network.species, network.cell
    load = r_free, number, velocity, weight, strain_step, max_steps
    blocks = [(*arguments, centres[k : k + BLOCK].astype(float), *load) for k in range(0, len(centres), BLOCK)]
    results = tasks.run(_run_block, blocks, scheduler, workers, label="probing")
    values = np.concatenate([r[0] for r in results])
    status = np.concatenate([r[1] for r in results])
    if np.any(status == TOO_STRONG):
        where = centres[np.argmax(status == TOO_STRONG)]
        raise RuntimeError(f"probe at {where.tolist()} Å: no instability up to max_strain = {max_strain}")
    return _dataset(network, values, x, y, None if points is None else centres, r_free, mode, angle, strain_step)


def trace(
    network: Network, point: np.ndarray, r_free: float = 11.0, strain_step: float = 1e-4, max_strain: float = 1.0
) -> xr.Dataset:
    """Local stress-strain curve of one probe under pure shear, up to just after its first instability.

    Walks the plain protocol (`listi.deform` with ``every_step``) on the disc alone.

    Parameters
    ----------
    network, r_free, strain_step, max_strain
        As for `probe`.
    point : ndarray, shape (2,)
        Centre of the disc [Å].

    Returns
    -------
    xarray.Dataset
        ``stress`` over ``strain``, the scalar ``critical_strain``; over ``atom`` the ``positions`` of the disc's
        atoms about its centre [Å], their ``species`` and whether they are ``free``.

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.
    RuntimeError
        If no instability comes up to `max_strain`.
    """
    point = np.asarray(point, dtype=float)
    _check(network, (1, 1), point[None], r_free, "pure shear", 0.0, strain_step, max_strain)
    vector = minimum_image(network.positions - point, network.cell)
    distance = np.linalg.norm(vector, axis=1)
    inside = distance < r_free + CUTOFF
    order = np.flatnonzero(inside)[np.argsort(distance[inside] >= r_free, kind="stable")]
    reference, species, free = vector[order], network.species[order], distance[order] < r_free
    middle = 2.0 * (r_free + CUTOFF)  # in an empty cell wide enough for the disc to see no image
    walk = Walk(System(reference + middle, species, np.full(2, 2.0 * middle), free), strain_step)
    curve = []
    event = None
    while event is None:
        curve.append(_disc_stress(walk, species, int(free.sum()), r_free))
        if walk.step >= round(max_strain / strain_step):
            raise RuntimeError(f"probe at {point.tolist()} Å: no instability up to max_strain = {max_strain}")
        event = walk.plain_step()
    curve.append(_disc_stress(walk, species, int(free.sum()), r_free))
    strain = np.arange(len(curve)) * strain_step
    return xr.Dataset(
        {
            "stress": ("strain", curve, _attrs(STRESS_UNIT, "local shear stress (sigma_xx - sigma_yy)/2")),
            "critical_strain": ((), strain[-2], _attrs("1", "strain of the last step before the first instability")),
            "positions": (("atom", "xy"), reference, _attrs(LENGTH_UNIT, "position about the centre of the disc")),
            "species": ("atom", species, _attrs("1", "species: 0 = Si, 1 = O")),
            "free": ("atom", free, _attrs("1", "whether the atom is relaxed")),
        },
        coords={"strain": ("strain", strain, _attrs("1", "strain")), "xy": ["x", "y"]},
        attrs={"point": point, "r_free": r_free, "strain_step": strain_step},
    )


def _disc_stress(walk: Walk, species: np.ndarray, n_free: int, r_free: float) -> float:
    positions = walk.system.positions
    first, partner = np.zeros(n_free + 1, np.int64), np.empty(n_free * len(positions), np.int64)
    _list_pairs(positions, n_free, CUTOFF, first, partner)
    vxx, _, vyy = _virial(positions, species, n_free, first, partner, np.empty((5, len(positions))))
    return 0.5 * (vxx - vyy) / (np.pi * r_free**2)


def _run_block(block: tuple) -> tuple[np.ndarray, np.ndarray]:
    out = np.empty((len(block[3]), 3))
    status = np.empty(len(block[3]), dtype=np.int64)
    _probe_block(*block, out, status)
    return out, status


def _check(network, grid, points, r_free, mode, angle, strain_step, max_strain) -> None:
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in grid]
    if len(whole) != 2 or not all(whole):
        raise ValueError(f"grid: {tuple(grid)} is not two whole numbers >= 1")
    if points is not None:
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.all(np.isfinite(points)):
            raise ValueError(f"points: shape {points.shape} is not (n, 2) of finite coordinates with n > 0")
    if not (np.isfinite(r_free) and r_free > 0):
        raise ValueError(f"r_free: {r_free} is not > 0 Å")
    largest = np.min(network.cell) / 2 - CUTOFF
    if r_free > largest:
        raise ValueError(f"r_free: {r_free} Å is more than half the cell minus the cutoff, {largest:.4g} Å")
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    if not np.isfinite(angle):
        raise ValueError(f"angle: {angle} is not a finite number of degrees")
    if not (np.isfinite(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step} is not in 0 < strain_step <= 0.01")
    if not (np.isfinite(max_strain) and strain_step <= max_strain <= 5.0):
        raise ValueError(f"max_strain: {max_strain} is not in strain_step <= max_strain <= 5")
    force = np.max(np.abs(System(network.positions, network.species, network.cell).energy_forces()[1]))
    if force > AT_MINIMUM:
        raise ValueError(
            f"network: largest force {force:.3g} > {AT_MINIMUM:g}, not at an energy minimum; "
            "relax it first with listi.relax(network)"
        )


def _dataset(network, values, x, y, points, r_free, mode, angle, strain_step) -> xr.Dataset:
    if points is None:
        dims, shape = ("x", "y"), (len(x), len(y))
        coords = {name: (name, line, _attrs(LENGTH_UNIT, f"{name} of the probe")) for name, line in (("x", x), ("y", y))}
    else:
        dims, shape = ("point",), (len(points),)
        coords = {
            name: ("point", points[:, c], _attrs(LENGTH_UNIT, f"{name} of the probe")) for c, name in enumerate("xy")
        }
    initial, critical, strain = (values[:, c].reshape(shape) for c in range(3))
    return xr.Dataset(
        {
            "initial_stress": (dims, initial, _attrs(STRESS_UNIT, "local shear stress, undeformed")),
            "critical_stress": (dims, critical, _attrs(STRESS_UNIT, "local shear stress at the first instability")),
            "threshold": (dims, critical - initial, _attrs(STRESS_UNIT, "local stress threshold")),
            "critical_strain": (dims, strain, _attrs("1", "strain of the last step before the first instability")),
        },
        coords=coords,
        attrs={"cell": network.cell, "r_free": r_free, "mode": mode, "angle": angle, "strain_step": strain_step},
    )


def _attrs(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
