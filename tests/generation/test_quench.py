"""The binary Lennard-Jones glass of Barbot et al. 2018: quenched, sheared, probed, and an event in LAMMPS."""

import math

import numpy as np
import pytest

from listi.generation.quench import quench
from listi.mechanics import lammps
from listi.mechanics.forms import lennard_jones
from listi.mechanics.shear import deform
from listi.network.geometry import minimum_image
from listi.network.network import Network
from listi.probing.probe import probe, trace

SIGMA = np.array([[2 * math.sin(math.pi / 5), 1.0], [1.0, 2 * math.sin(math.pi / 10)]])
POTENTIAL = lennard_jones(SIGMA, [[0.5, 1.0], [1.0, 0.5]], symbols=("L", "S"))


@pytest.fixture(scope="module")
def glass():
    return quench(POTENTIAL, SIGMA, (134, 166), 1.0244, seed=4)


def test_a_quenched_glass_is_at_a_minimum_the_same_again_and_amorphous(glass):
    again = quench(POTENTIAL, SIGMA, (134, 166), 1.0244, seed=4)
    np.testing.assert_array_equal(again.positions, glass.positions)
    assert glass.n_atoms / np.prod(glass.cell) == pytest.approx(1.0244)
    other = quench(POTENTIAL, SIGMA, (134, 166), 1.0244, seed=5)
    assert np.max(np.abs(other.positions - glass.positions)) > 1.0
    assert len(glass.bonds) == 0


def test_first_event_and_lammps(glass):
    """LAMMPS, with a pair style of its own, keeps the branch up to the same step and no further.

    Which minimum the fall ends in is the minimiser's choice; where it begins is not.
    """
    shear = deform(glass, n_events=1, potential=POTENTIAL)
    step = round(float(shear.event_strain[0]) / 1e-4)
    pairs = [
        f"pair_coeff {i + 1} {j + 1} {0.5 if i == j else 1.0} {s!r} {2 * s!r} {2.5 * s!r}"
        for i, j, s in ((0, 0, SIGMA[0, 0].item()), (0, 1, 1.0), (1, 1, SIGMA[1, 1].item()))
    ]
    lmp = lammps.build(glass, POTENTIAL, "\n".join(["pair_style lj/smooth 2.0 2.5", "pair_modify shift yes", *pairs]))
    lmp.command("min_modify dmax 0.02 line quadratic")
    moved = [lammps.strain_to(lmp, glass.cell, k) for k in (step - 2, step - 1, step)]
    _, before, event = [np.linalg.norm(m - m.mean(axis=0), axis=1) for m in moved]
    assert before.max() < 0.02 < 0.1 < event.max()
    assert np.linalg.norm(shear.non_affine[0], axis=1)[event.argmax()] > 0.1


def test_thresholds_are_those_of_plain_shear(glass):
    """Each probe as a plain shear of the disc alone in an empty cell, by other code and every single step.

    An event lowers the stress. Where the first instability does not, the first event comes later.
    """
    points = np.array([[4.0, 4.0], [12.0, 9.0]])
    found = probe(glass, points=points, r_free=4.0, max_strain=0.5, potential=POTENTIAL)
    for k, point in enumerate(points):
        vector = minimum_image(glass.positions - point, glass.cell)
        inside = np.linalg.norm(vector, axis=1) < 4.0 + POTENTIAL.cutoff
        disc = Network(vector[inside] + 15.0, glass.species[inside], None, [30.0, 30.0])
        circle = {"free_centre": (15.0, 15.0), "free_radius": 4.0}
        plain = deform(disc, max_strain=0.5, n_events=1, every_step=True, potential=POTENTIAL, **circle)
        last, after = trace(glass, point, r_free=4.0, potential=POTENTIAL).stress.values[-2:]
        ours, theirs = float(found.critical_strain[k]), float(plain.event_strain[0]) - 1e-4
        assert ours == pytest.approx(theirs, abs=1e-9) if after < last else ours < theirs


@pytest.mark.parametrize(
    ("change", "message"), [({"numbers": (3,)}, r"numbers: \(3,\)"), ({"density": -1.0}, "density: -1.0")]
)
def test_bad_input(change, message):
    given = {"potential": POTENTIAL, "diameters": SIGMA, "numbers": (10, 10), "density": 1.0}
    with pytest.raises(ValueError, match=message):
        quench(**(given | change))
