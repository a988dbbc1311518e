"""The first instability of a disc under load (Numba): the engine of `listi.probing`.

The minimum that began as the undeformed disc is followed by Newton's method with exact Hessians. A stretch of steps
counts only if

* every Hessian on the way is positive definite (its Cholesky factor exists), and
* the displacement over the stretch agrees with what the tangents at its two ends say,

so that neither noise nor a jump to another minimum can pass for, or hide, an instability. A stretch that fails is
shortened. Near an instability the tangent grows as the inverse square root of the distance to it; where tangents
grow, stretches are predicted, judged and chosen by that law. A quarter of one step that meets no minimum is the end if
the law held over the stretch before and puts the instability within this one, but not at its very beginning; else
stretches get shorter still: the minimum may be soft for a moment and go on.

`walk` is the plain protocol that this must agree with: every step taken, each to the minimum downhill.
"""

from __future__ import annotations

import numba
import numpy as np

from ..mechanics.dense_cholesky import cholesky, solve
from ..mechanics.disc import descend, evaluate_hessian, make, minimise, stress
from ..mechanics.jit import JIT
from ..mechanics.neighbours import bins
from ..mechanics.potential import CUTOFF

SMOOTH = 0.02  # allowed difference between a stretch and what its end tangents say [Å]
SMALL = 0.005  # the same over stretches of a step at most [Å]
REACH = 3.0 * SMOOTH  # how far a minimum may be from where it is expected [Å]
FIRST = 100  # steps of the first stretch
LONGEST = 200  # steps of a stretch at most
SURE = 0.25  # allowed misfit of that law over the last stretch, if an instability is to be taken for sure
NEAR = 4.0  # a stretch that is the end is shorter than this many times the way to the instability by that law
SHORTEST = 1 / 1024  # shortest stretch [steps]
ROUGH = 1e-7  # largest force component on stretches of more than 4 steps [energy/Å]
STILL = 0.002  # a plain step in which no atom moves further was smooth [Å]
RETURNED = 1e-4  # an undone plain step that ends this close to where it began was reversible [Å]
BIG = 0.02  # a plain step in which an atom moves further is looked at closely [Å]
FINE = 100  # parts of such a step
FOUND, TOO_STRONG, EMPTY, STUCK = range(4)  # a probe ended at an instability, past max_strain, empty, unconverged


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
def _increment(mode, velocity, strain_step, begin, end):
    """Deformation gradient (xx, xy, yx, yy) that takes the state after `begin` steps to the one after `end`."""
    old = _gradient(mode, velocity, strain_step, begin)
    new = _gradient(mode, velocity, strain_step, end)
    determinant = old[0] * old[3] - old[1] * old[2]
    return (
        (new[0] * old[3] - new[1] * old[2]) / determinant,
        (new[1] * old[0] - new[0] * old[1]) / determinant,
        (new[2] * old[3] - new[3] * old[2]) / determinant,
        (new[3] * old[0] - new[2] * old[1]) / determinant,
    )


@numba.njit(**JIT)
def _place(disc, x, u, mode, strain_step, at, target):
    """Deform the minimum `x` after `at` steps, displaced by `u`, affinely to the state after `target` steps."""
    r, anchor, reference = disc.r, disc.anchor, disc.reference
    axx, axy, ayx, ayy = _increment(mode, disc.velocity, strain_step, at, target)
    for i in range(len(x)):
        px, py = x[i, 0] + u[i, 0], x[i, 1] + u[i, 1]
        r[i, 0] = axx * px + axy * py
        r[i, 1] = ayx * px + ayy * py
    fxx, fxy, fyx, fyy = _gradient(mode, disc.velocity, strain_step, target)
    for j in range(len(r)):
        anchor[j, 0] = fxx * reference[j, 0] + fxy * reference[j, 1]
        anchor[j, 1] = fyx * reference[j, 0] + fyy * reference[j, 1]
    r[len(x) :] = anchor[len(x) :]


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
def follow(disc, mode, strain_step, max_steps, tolerance):
    """Follow the minimum of one disc to its first instability, in stretches; `disc` ends in the critical state.

    Returns
    -------
    steps : int
        Last step at which the minimum exists.
    status : int
        FOUND, TOO_STRONG if no instability came within `max_steps`, or STUCK if the forces did not vanish.
    """
    n_free = len(disc.forces)
    n = 2 * n_free
    r = disc.r
    x = r[:n_free].copy()
    whole = x.copy()  # the minimum at the last whole step
    base, u = np.empty((n_free, 2)), np.zeros((n_free, 2))

    evaluate_hessian(disc)
    if not cholesky(disc.matrix, disc.end):
        return 0, FOUND
    solve(disc.matrix, disc.end, disc.rate.reshape(n))
    rate = disc.rate.copy()
    last_rate = rate.copy()
    softness = np.sum(rate * rate)
    last_softness, last_strain = softness, -1.0
    left = last_left = np.inf  # distance to an instability by that law
    sure = False  # whether it came closer by as much as strain grew

    at = 0.0  # steps taken; whole except while a single step is cut into parts
    stretch = float(FIRST)
    while at < max_steps:
        target = min(at + stretch, float(max_steps))
        if stretch >= 1.0:
            target = np.floor(target)
        here = at * strain_step
        strain = target * strain_step - here
        axx, axy, ayx, ayy = _increment(mode, disc.velocity, strain_step, at, target)
        for i in range(n_free):
            base[i, 0] = axx * x[i, 0] + axy * x[i, 1]
            base[i, 1] = ayx * x[i, 0] + ayy * x[i, 1]
        share = _share(last_softness, softness, here - last_strain, strain)
        u[:] = strain * rate + share * (rate - last_rate)
        _place(disc, x, u, mode, strain_step, at, target)
        rough = stretch > 4.0
        accepted = minimise(disc, max(ROUGH, tolerance) if rough else tolerance, REACH, 0.5 * SMOOTH)
        if accepted:
            solve(disc.matrix, disc.end, disc.rate.reshape(n))
            new_softness = np.sum(disc.rate * disc.rate)
            if rough and strain < strain_step * (new_softness / softness - 1.0):  # forces nearly vanish beyond it too
                accepted = minimise(disc, tolerance, REACH, 0.5 * SMOOTH)
                solve(disc.matrix, disc.end, disc.rate.reshape(n))
        met = accepted  # a minimum close by, of this branch or not
        if accepted:
            new_rate = disc.rate
            new_softness = np.sum(new_rate * new_rate)
            share = _share(softness, new_softness, strain, -strain)
            worst = 0.0
            for i in range(n_free):
                tx = axx * rate[i, 0] + axy * rate[i, 1]
                ty = ayx * rate[i, 0] + ayy * rate[i, 1]
                dx = r[i, 0] - base[i, 0] - strain * new_rate[i, 0] + share * (new_rate[i, 0] - tx)
                dy = r[i, 1] - base[i, 1] - strain * new_rate[i, 1] + share * (new_rate[i, 1] - ty)
                worst = max(worst, abs(dx), abs(dy))
            accepted = worst < (SMOOTH if stretch > 1.0 else SMALL)
        if accepted:
            x[:] = r[:n_free]
            last_rate[:] = rate
            rate[:] = disc.rate
            last_softness, last_strain, softness = softness, here, new_softness
            last_left, left = left, strain / max(softness / last_softness - 1.0, 1e-9)
            sure = abs((last_left - left) / strain - 1.0) < SURE
            at = target
            ahead = 0.6 * left / strain_step
            if at == np.floor(at):
                whole[:] = x
                stretch = np.floor(max(1.0, min(2.0 * stretch, ahead, float(LONGEST))))
            else:
                stretch = min(2.0 * stretch, max(0.25, ahead), np.floor(at) + 1.0 - at)
        elif stretch > 1.0:
            stretch = np.floor(max(1.0, 0.25 * stretch))
        elif stretch > 0.25 or (stretch > SHORTEST and (met or not sure or not left < strain < NEAR * left)):
            stretch *= 0.25
        else:
            break
    # The critical configuration is the one at the last whole step.
    u[:] = 0.0
    _place(disc, whole, u, mode, strain_step, np.floor(at), np.floor(at))
    if not minimise(disc, tolerance, REACH, np.inf):
        return int(at), STUCK
    return int(at), TOO_STRONG if at >= max_steps else FOUND


@numba.njit(**JIT)
def _plain_step(disc, x, mode, strain_step, begin, end, tolerance):
    """One plain step from the minimum `x` to the minimum downhill after the affine deformation.

    Returns
    -------
    moved : float
        Largest non-affine displacement component [Å]; infinite if no minimum was found.
    returned : bool
        Whether undoing the step leads back to `x`. `disc` ends where the step led.
    """
    n_free = len(x)
    still = np.zeros((n_free, 2))
    _place(disc, x, still, mode, strain_step, begin, end)
    affine = disc.r[:n_free].copy()
    if not descend(disc, tolerance):
        return np.inf, False
    found = disc.r[:n_free].copy()
    moved = np.max(np.abs(found - affine))
    if moved < STILL:
        return moved, True
    _place(disc, found, still, mode, strain_step, end, begin)
    if not descend(disc, tolerance):
        return np.inf, False
    returned = np.max(np.abs(disc.r[:n_free] - x)) < RETURNED
    _place(disc, found, still, mode, strain_step, end, end)
    return moved, returned


@numba.njit(**JIT)
def walk(disc, mode, strain_step, max_steps, tolerance):
    """Walk one disc step by step, each to the minimum downhill, until a step that undoing does not undo.

    A step that can be undone may still hold two instabilities, there and back, less than a step apart: where atoms
    move more than `BIG` it is taken again in `FINE` parts. Parameters and results are those of `follow`.
    """
    n_free = len(disc.forces)
    x = disc.r[:n_free].copy()
    for step in range(max_steps):
        moved, returned = _plain_step(disc, x, mode, strain_step, float(step), step + 1.0, tolerance)
        next_x = disc.r[:n_free].copy()
        if returned and moved > BIG:
            part = x.copy()
            for k in range(FINE):
                begin, end = step + k / FINE, step + (k + 1.0) / FINE
                moved, returned = _plain_step(disc, part, mode, strain_step, begin, end, tolerance)
                part[:] = disc.r[:n_free]
                if not returned:
                    break
        if not returned:
            _place(disc, x, np.zeros((n_free, 2)), mode, strain_step, float(step), float(step))
            return step, FOUND if np.isfinite(moved) else STUCK
        x[:] = next_x
    return max_steps, TOO_STRONG


@numba.njit(**JIT)
def _cut_out(positions, cell, order, start, nx, ny, centre, r_free, tethered, found):
    """Atoms within r_free + cutoff of `centre`: the free ones first, each kind sorted along a direction.

    Sorting along one direction keeps the envelope of the Hessian narrow. Returns the reference positions about
    the centre and which lie within r_free; atom numbers go into `found`. With `tethered` all are free.
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
    inside = np.empty(count, np.bool_)
    for k in range(count):
        dx = positions[found[k], 0] - centre[0]
        dy = positions[found[k], 1] - centre[1]
        dx -= cell[0] * np.floor(dx / cell[0] + 0.5)
        dy -= cell[1] * np.floor(dy / cell[1] + 0.5)
        reference[k, 0], reference[k, 1] = dx, dy
        inside[k] = dx * dx + dy * dy < r_free * r_free
        key[k] = 0.8 * dx + 0.6 * dy
        if not (inside[k] or tethered):
            key[k] += 1e6
    rank = np.argsort(key)
    found[:count] = found[:count][rank]
    return reference[rank], inside[rank]


@numba.njit(**JIT)
def _begin(positions, species, cell, grid, centre, r_free, tether, velocity, skin, found, log, out):
    """Disc about a centre, and its stress at first in `out`; has no free atom if none is inside."""
    order, start, nx, ny = grid
    reference, inside = _cut_out(positions, cell, order, start, nx, ny, centre, r_free, tether > 0.0, found)
    n_inside = np.sum(inside)
    n_free = len(reference) if tether > 0.0 and n_inside else n_inside
    disc = make(reference, species[found[: len(reference)]], inside, n_free, tether, velocity, skin, log)
    out[0], out[1], out[2] = stress(disc, np.pi * r_free * r_free)
    return disc


@numba.njit(**JIT)
def probe_block(
    positions, species, cell, centres, r_free, tether, mode, velocity, strain_step, max_steps, tolerance, skin,
    walked, out, status,
):  # fmt: skip
    """First instability of the disc about every centre: followed if `walked` is None, walked if it is True.

    None rather than False, as Numba then leaves `walk` out of what it compiles. Rows of `out`: stress xx, xy, yy at
    first, the same in the critical state, critical strain. Returns the numbers of Hessians and of force evaluations.
    """
    _, start, order, nx, ny = bins(positions, cell, 5.0)
    found = np.empty(len(positions), np.int64)
    log = np.zeros(2, np.int64)
    for p in range(len(centres)):
        disc = _begin(
            positions, species, cell, (order, start, nx, ny), centres[p], r_free, tether, velocity, skin,
            found, log, out[p],
        )  # fmt: skip
        if len(disc.forces) == 0:
            out[p] = np.nan
            status[p] = EMPTY
            continue
        if walked is None:
            steps, status[p] = follow(disc, mode, strain_step, max_steps, tolerance)
        else:
            steps, status[p] = walk(disc, mode, strain_step, max_steps, tolerance)
        out[p, 3], out[p, 4], out[p, 5] = stress(disc, np.pi * r_free * r_free)
        out[p, 6] = steps * strain_step
    return log
