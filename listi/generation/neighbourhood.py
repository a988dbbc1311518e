"""The atoms around a switch: placed from the dual, relaxed, and restored where they tear (Numba). Lengths in Å.

The dual is relaxed in its harmonic potential, sum (r - r0)² / r0 over neighbouring rings with r0 = (b/2) [cot(pi/n) +
cot(pi/m)]. The Si start from the centroids of its triangles and the O from the middles of the Si-Si bonds; from there
the atoms of a disc move to a minimum of the full potential while those around it stay.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..mechanics.arithmetic import cosine_and_sine
from ..mechanics.dense_cholesky import cholesky, solve
from ..mechanics.disc import evaluate_hessian, make, refresh_pairs
from ..mechanics.jit import INNER, PART
from ..mechanics.neighbours import order_of_disc
from ..mechanics.pair_sums import PairList, energy_forces
from ..network.bonds import BOND, COORDINATION_RADIUS
from .dual import LARGEST_RING, ring_members, ring_neighbours
from .glass import atoms_around, centre_ring, is_torn, offset, rebin

# Distance from the centre of a regular n-ring to its bonds, (b/2) cot(pi/n): two rings that share a
# bond rest at the sum of theirs.
_TURNS = [cosine_and_sine(180.0 / n) for n in range(2, LARGEST_RING + 2)]
APOTHEM = np.array([0.0, 0.0] + [0.5 * BOND * cosine / sine for cosine, sine in _TURNS])

_SETTLING = 8  # passes over the rings around a switch
_ROUNDS = 10  # passes over the Si in the harmonic network
_LONGEST_MOVE = 0.3  # of an atom in one Newton step
_NEWTON_STEPS = 60  # after which a switch is rejected
_SMALL_FORCE = (
    1e-3  # largest force component of a relaxed neighbourhood [energy/Å]: the forces at its rim are far larger
)
_BROKEN = 2.1  # Si-O bond that does not come back once it is so long
_FIRST_SHIFT = 0.04  # of the eigenvalues of a Hessian that is not positive definite [energy/Å²]
_SKIN = 0.5  # extra reach of the pair list


@numba.njit(**PART)
def _cut_out(glass, centre, radius):
    """Return the atoms within `radius` of `centre`, sorted along a direction, then those within the cutoff of them."""
    atoms = np.empty(len(glass.positions), np.int64)
    atoms = atoms[: atoms_around(glass, centre, radius + glass.table.cutoff, atoms)]
    order, _, n_free = order_of_disc(_vectors(glass, atoms, centre), radius, False)
    return atoms[order], n_free


@numba.njit(**INNER)
def _vectors(glass, atoms, centre):
    """Vectors from `centre` to atoms."""
    vectors = np.empty((len(atoms), 2))
    for k in range(len(atoms)):
        vectors[k, 0], vectors[k, 1] = offset(centre, glass.positions[atoms[k]], glass.cell)
    return vectors


@numba.njit(**INNER)
def _place(glass, atoms, positions):
    """Put atoms at positions, and into their bins."""
    for k in range(len(positions)):
        for c in range(2):
            glass.positions[atoms[k], c] = positions[k, c]
        rebin(glass, atoms[k])


@numba.njit(**PART)
def _settle(glass, four, found):
    """Relax the centres of the rings `four` and around them in the potential of the dual, one after the other."""
    dual = glass.dual
    moving, n_moving = np.empty(64, np.int64), 4
    moving[:4] = four
    for ring in four:
        for m in range(ring_neighbours(dual, ring, found)):
            if not np.any(moving[:n_moving] == found[m]):
                moving[n_moving] = found[m]
                n_moving += 1
    for ring in moving[:n_moving]:
        for other in found[: ring_neighbours(dual, ring, found)].copy():
            centre_ring(glass, other, found)
    for _ in range(_SETTLING):
        for ring in moving[:n_moving]:
            fx, fy, stiffness = 0.0, 0.0, 0.0
            for m in range(ring_neighbours(dual, ring, found)):
                dx, dy = offset(glass.centres[ring], glass.centres[found[m]], glass.cell)
                r = math.sqrt(dx * dx + dy * dy)
                r0 = APOTHEM[dual.sizes[ring]] + APOTHEM[dual.sizes[found[m]]]
                fx += (r - r0) / (r0 * r) * dx
                fy += (r - r0) / (r0 * r) * dy
                stiffness += 0.5 / r0  # bonds in all directions: half of each stiffness along x, half along y
            glass.centres[ring, 0] += fx / stiffness
            glass.centres[ring, 1] += fy / stiffness


@numba.njit(**PART)
def _put_atoms(glass, four, centre, radius, found):
    """Move the Si of the rings `four` to the centroids of their ring centres, and relax the harmonic Si network there.

    Then put O on the middle of their bonds. All atoms that move lie within `radius` of `centre`.
    """
    dual, x, n_si = glass.dual, glass.positions, len(glass.dual.corners)
    moved, n_moved = np.empty(64, np.int64), 0
    for ring in four:
        for m in range(ring_members(dual, ring, found)):
            if _is_near(x[found[m]], centre, radius, glass.cell) and not np.any(moved[:n_moved] == found[m]):
                moved[n_moved] = found[m]
                n_moved += 1
    for si in moved[:n_moved]:
        first = glass.centres[dual.corners[si, 0]]
        bx, by = offset(first, glass.centres[dual.corners[si, 1]], glass.cell)
        cx, cy = offset(first, glass.centres[dual.corners[si, 2]], glass.cell)
        x[si, 0], x[si, 1] = first[0] + (bx + cx) / 3.0, first[1] + (by + cy) / 3.0
    for _ in range(_ROUNDS):
        for si in moved[:n_moved]:
            fx = fy = 0.0
            for other in dual.neighbours[si]:
                dx, dy = offset(x[si], x[other], glass.cell)
                r = math.sqrt(dx * dx + dy * dy)
                fx += (1.0 - BOND / r) * dx
                fy += (1.0 - BOND / r) * dy
            x[si, 0] += fx / 1.5  # bonds in all directions: half of each stiffness along x, half along y
            x[si, 1] += fy / 1.5
    for si in moved[:n_moved]:
        for side in range(3):
            oxygen = n_si + dual.sides[si, side]
            if _is_near(x[oxygen], centre, radius, glass.cell):
                dx, dy = offset(x[si], x[dual.neighbours[si, side]], glass.cell)
                x[oxygen, 0], x[oxygen, 1] = x[si, 0] + 0.5 * dx, x[si, 1] + 0.5 * dy


@numba.njit(**INNER)
def _is_near(position, centre, radius, cell):
    dx, dy = offset(centre, position, cell)
    return dx * dx + dy * dy < radius * radius


@numba.njit(**PART)
def _bonds_within(glass, atoms, n_free):
    """Places in `atoms` of the two ends of the Si-O bonds of those that move, shape (n, 2)."""
    bonds, n, n_si = np.empty((3 * n_free, 2), np.int64), 0, len(glass.dual.corners)
    for k in range(len(atoms)):
        glass.place[atoms[k]] = k
    for k in range(n_free):
        if atoms[k] < n_si:
            for side in glass.dual.sides[atoms[k]]:
                bonds[n, 0], bonds[n, 1] = k, glass.place[n_si + side]
                n += 1
    return bonds[:n]


@numba.njit(**PART)
def _is_broken(r, bonds):
    """Is one of the bonds longer than any that comes back?"""
    for k in range(len(bonds)):
        dx, dy = r[bonds[k, 1], 0] - r[bonds[k, 0], 0], r[bonds[k, 1], 1] - r[bonds[k, 0], 1]
        if dx * dx + dy * dy > _BROKEN * _BROKEN:
            return True
    return False


@numba.njit(**INNER)
def _evaluate(disc, box, forces):
    """Write the forces; return the energy and the largest component of the forces on free atoms."""
    refresh_pairs(disc)
    pairs = PairList(disc.r, disc.species, box, disc.table, disc.first, disc.partner)
    energy = energy_forces(pairs, forces)[0]
    return energy, np.max(np.abs(forces[: len(disc.forces)]))


@numba.njit(**PART)
def _factorise(disc, shift):
    """Factorise the Hessian with `shift` on its diagonal, or as much as makes it positive definite; return that."""
    while True:
        evaluate_hessian(disc)
        for i in range(len(disc.matrix)):
            disc.matrix[i, i] += shift
        if cholesky(disc.matrix, disc.end):
            return shift
        shift = max(_FIRST_SHIFT, 2.0 * shift)


@numba.njit(**PART)
def _descend(disc, box, bonds):
    """Move the free atoms to a minimum by damped Newton steps, each of which lowers the energy; False if bonds break.

    A factor serves for as long as each step with it takes the forces down to a tenth.
    """
    r = disc.r[: len(disc.forces)]
    forces = np.empty_like(disc.r)
    step, shift, is_old = np.empty_like(r), 0.0, True
    energy, largest = _evaluate(disc, box, forces)
    for _ in range(_NEWTON_STEPS):
        if largest < _SMALL_FORCE:
            return True
        if is_old:
            shift = _factorise(disc, 0.0 if shift < 0.5 * _FIRST_SHIFT else 0.25 * shift)
        step[:] = forces[: len(r)]
        solve(disc.matrix, disc.end, step.reshape(2 * len(r)))
        furthest = np.max(np.abs(step))
        start, scale = r.copy(), min(1.0, _LONGEST_MOVE / furthest)
        is_old = scale < 1.0 or shift > 0.0
        last, previous = largest, energy
        while True:
            r[:] = start + scale * step
            energy, largest = _evaluate(disc, box, forces)
            if energy < previous:
                break
            scale *= 0.5
            is_old = True
            if scale * furthest < 1e-6:
                return False
        if _is_broken(disc.r, bonds):
            return False
        is_old = is_old or largest > 0.1 * last
    return False


@numba.njit(**PART)
def relax_neighbourhood(glass, centre, radius, four):
    """Relax the atoms around a switch that has been made in the dual; False, with all atoms put back, if they tear.

    Parameters
    ----------
    glass : Glass
    centre : ndarray, shape (2,)
        Position of the O on the bond switched.
    radius : float
        Distance from it within which atoms move.
    four : ndarray of int64, shape (4,)
        The rings that have lost or gained a member.
    """
    atoms, n_free = _cut_out(glass, centre, radius)
    found = np.empty(len(glass.positions), np.int64)
    before = glass.positions[atoms[:n_free]]
    _settle(glass, four, found)
    _put_atoms(glass, four, centre, radius, found)
    vectors = _vectors(glass, atoms, centre)
    disc = make(
        vectors, glass.species[atoms], glass.table, np.ones(len(vectors), np.bool_), n_free, 0.0,
        np.zeros((2, 2)), np.zeros(3), _SKIN,
    )  # fmt: skip
    box = np.array([glass.cell[0], glass.cell[1], 0.0])
    held = _descend(disc, box, _bonds_within(glass, atoms, n_free))
    if held:
        _place(glass, atoms, centre + disc.r[:n_free])
        for si in atoms[atoms < len(glass.dual.corners)]:
            near = _is_near(glass.positions[si], centre, radius + 2.0 * COORDINATION_RADIUS, glass.cell)
            held = held and not (near and is_torn(glass, si, found))
    if not held:
        _place(glass, atoms, before)
    return held
