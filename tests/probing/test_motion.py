"""How the atoms of a disc move: as in plain shear, step by step."""

import numpy as np

import listi
from listi.mechanics.forms import SILICA
from listi.mechanics.load import gradient, make_load
from listi.network.geometry import minimum_image
from listi.probing.cutout import Atoms, Settings
from listi.probing.many import follow_one
from listi.probing.motion import motion


def walked(glass, point, steps, r_free=11.0, tether=0.0):
    """Non-affine displacement of the free atoms after plain steps, and their places in the undeformed disc."""
    load, settings = make_load(), Settings(r_free, tether, steps, 1e-11, 0.5, 1.0)
    atoms = Atoms(glass.positions, glass.species, glass.cell, SILICA.table)
    disc, _, _ = follow_one(atoms, point, load, settings, True)
    n_free = len(disc.forces)
    xx, xy, yx, yy = gradient(load, float(steps))
    affine = disc.reference[:n_free] @ np.array([[xx, xy], [yx, yy]]).T
    return disc.reference[:n_free], disc.r[:n_free] - affine


def test_atoms_move_as_in_plain_shear(glass):
    probing = listi.probe(glass, grid=(2, 2), workers=1)
    found = motion(glass, probing, workers=1)
    for i, j in ((0, 1), (1, 0)):
        own, point = found.isel(x=i, y=j), np.array([probing.x[i], probing.y[j]])
        atoms = own.atom.values[own.atom.values >= 0]
        assert np.all(np.diff(atoms) > 0)
        steps = round(float(probing.critical_strain[i, j]) / 1e-4)
        (places, first), (_, before), (_, last) = (walked(glass, point, n) for n in (1, steps - 1, steps))
        from_centre = minimum_image(glass.positions[atoms] - point, glass.cell)
        order = [int(np.argmin(np.linalg.norm(places - place, axis=1))) for place in from_centre]
        np.testing.assert_allclose(places[order], from_centre, atol=1e-9)
        response, displacement, direction = (own[name].values[: len(atoms)] for name in listi.probing.motion.MOVES)
        np.testing.assert_allclose(response, first[order] / 1e-4, atol=0.01 * np.abs(response).max())
        np.testing.assert_allclose(displacement, last[order], atol=1e-6)
        step = (last - before)[order]
        assert np.sum(direction * step) / np.linalg.norm(step) > 0.9  # it turns quickly at the instability
        assert abs(np.linalg.norm(direction) - 1.0) < 1e-12
        assert own.response[len(atoms) :].isnull().all()


def test_tethered_atoms_move_too(glass):
    """All atoms within reach of the disc; stopped early, as walking so many is slow."""
    probing = listi.probe(glass, grid=(1, 1), r_free=6.0, tether=3.0, workers=1)
    probing.critical_strain[:] = 0.002
    found = motion(glass, probing, workers=1).isel(x=0, y=0)
    places, moved = walked(glass, np.zeros(2), 20, 6.0, 3.0)
    from_centre = minimum_image(glass.positions[found.atom], glass.cell)
    order = [int(np.argmin(np.linalg.norm(places - place, axis=1))) for place in from_centre]
    assert sorted(order) == list(range(len(places)))
    np.testing.assert_allclose(found.displacement, moved[order], atol=1e-7)


def test_a_disc_without_a_threshold_has_no_motion(glass):
    probing = listi.probe(glass, grid=(2, 1), workers=1)
    found = motion(glass, probing.where(probing.x > 0), workers=1)
    assert found.displacement[0].isnull().all() and (found.atom[0] >= 0).any()
    there = found.atom[1] >= 0
    assert (
        found.displacement[1].where(there, 0.0).notnull().all() and found.displacement[1].where(~there).isnull().all()
    )
