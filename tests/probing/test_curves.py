"""Curves of the discs of a map are those of the plain walk, by other code, and of the map's own protocol."""

import numpy as np
import pytest

import listi
from listi.mechanics.forms import SILICA, silica
from listi.mechanics.load import make_load
from listi.mechanics.system import System
from listi.network.geometry import minimum_image
from listi.probing.curves import curves
from listi.probing.cutout import Atoms, Settings
from listi.probing.many import follow_one


def test_curves_are_those_of_the_plain_walk(glass):
    probing = listi.probe(glass, grid=(3, 2), workers=1)
    found = curves(glass, probing, parts=5)
    assert dict(found.sizes) == {"x": 3, "y": 2, "part": 6}
    np.testing.assert_allclose(found.strain[..., -1], probing.critical_strain)
    for i, j in ((0, 0), (2, 1)):
        walked = listi.trace(glass, np.array([probing.x[i], probing.y[j]]))
        steps = np.rint(found.strain[i, j].values / 1e-4).astype(int)
        np.testing.assert_allclose(found.stress[i, j], walked.stress[steps], atol=1e-9)
        assert 0.18 < steps[1] / steps[-1] < 0.22


def deformed(mode, strain, step):
    """Deformation gradient after steps that add up to a strain, and the weight of xx, xy and yy in the stress."""
    stretch = (1.0 + step) ** round(strain / step)
    return {
        "pure shear": (np.diag([stretch, 1.0 / stretch]), [0.5, 0.0, -0.5]),
        "simple shear": (np.array([[1.0, strain], [0.0, 1.0]]), [0.0, 1.0, 0.0]),
        "uniaxial tension": (np.diag([stretch, 1.0]), [1.0, 0.0, 0.0]),
    }[mode]


@pytest.mark.parametrize("mode", ["pure shear", "simple shear", "uniaxial tension"])
def test_every_load_strains_a_disc_as_it_says(glass, mode):
    """The disc alone in an empty cell, deformed at once and relaxed by the code for whole samples."""
    strain, r_free = 0.004, 7.0
    probing = listi.probe(glass, grid=(2, 1), r_free=r_free, mode=mode, workers=1)
    probing.critical_strain[:] = 2 * strain  # so that the middle of the curve is where it is wanted
    found = curves(glass, probing, parts=2)
    point = np.array([float(probing.x[1]), 0.0])
    gradient, weight = deformed(mode, strain, 1e-4)
    vector = minimum_image(glass.positions - point, glass.cell)
    distance = np.linalg.norm(vector, axis=1)
    disc = distance < r_free + SILICA.cutoff
    free = distance[disc] < r_free
    system = System(vector[disc] @ gradient.T + 40.0, glass.species[disc], [80.0, 80.0], free)
    system.relax()
    expected = np.sum(system.virials()[free] @ weight) / (np.pi * r_free**2)
    assert float(found.stress[1, 0, 1]) == pytest.approx(expected, rel=1e-9)
    assert abs(expected / float(probing.initial_stress[1, 0]) - 1) > 1e-3


def test_curves_follow_the_protocol_of_the_map(glass):
    """Another load, in springs, in longer steps: the walk of a disc that is made so by hand."""
    how = {"r_free": 6.0, "mode": "simple shear", "angle": 20.0, "strain_step": 2e-4, "tether": 3.0}
    probing = listi.probe(glass, grid=(2, 1), workers=1, **how)
    probing.critical_strain[:] = 0.008
    found = curves(glass, probing, parts=2)
    load, settings = make_load("simple shear", 20.0, 2e-4), Settings(6.0, 3.0, 20, 1e-10, 0.5, 1.0)
    atoms = Atoms(glass.positions, glass.species, glass.cell, SILICA.table)
    _, walked, _ = follow_one(atoms, np.array([float(probing.x[1]), 0.0]), load, settings, True)
    assert float(found.stress[1, 0, 1]) == pytest.approx(float(walked[20] @ load.weight), rel=1e-7)
    for name in ("tether", "tolerance", "max_strain", "potential"):
        del probing.attrs[name]
    with pytest.raises(ValueError, match="^probing: does not say its max_strain, potential, tether, tolerance"):
        curves(glass, probing)


def test_a_map_of_another_potential_or_cell_is_refused(glass):
    probing = listi.probe(glass, grid=(1, 1), workers=1)
    with pytest.raises(ValueError, match="^potential: .* is not the one that the map was probed with"):
        curves(glass, probing, potential=silica(charge=(1.4, -0.9, 0.62)))
    with pytest.raises(ValueError, match=r"^probing: is of a cell of \[.*\] Å, not of \["):
        curves(glass.replace(cell=glass.cell + 0.1, bonds=None), probing)


def test_a_disc_without_a_threshold_has_no_curve(glass):
    probing = listi.probe(glass, grid=(2, 1), workers=1)
    lost = probing.where(probing.x > 0)
    found = curves(glass, lost, parts=3)
    assert found.stress[0].isnull().all() and found.stress[1].notnull().all()


@pytest.mark.parametrize("parts", [0, 2.5])
def test_parts_must_be_a_whole_number(glass, parts):
    with pytest.raises(ValueError, match="parts: .* is not a whole number > 0"):
        curves(glass, listi.probe(glass, grid=(1, 1), workers=1), parts)
