"""The numbers that decide what is a minimum, a smooth step and an event; the same for samples and for discs.

Forces are in units of the potential's `force_scale`, which is 1 for silica. Lengths are in Å, whatever the potential:
they fit where its cutoff is not far from the 10 Å of silica.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .potential import Potential

TOLERANCE = 1e-10  # largest force component at a minimum [force_scale]
INPUT_FORCE_TOLERANCE = 1e-6  # largest force component that a sample may carry when it comes in [force_scale]
REVERSIBILITY_TOLERANCE = 1e-4  # an undone step that ends this close to where it began was reversible [Å]

# An increment of strain is predicted from the tangents at its ends: in a disc by how they grow towards a saddle-node
# bifurcation, in a sample by their mean. The worse predictor must agree better.
PREDICTOR_TOLERANCE_DISC = 0.02  # allowed difference between displacement and its prediction from the end tangents [Å]
PREDICTOR_TOLERANCE_SAMPLE = 0.01

# A step in which no atom moves further (beyond the affine deformation) is no event [Å]. It is larger for a sample:
# undoing a step costs as much as the step, and events of a sample move some atom by angstroms.
MIN_EVENT_DISPLACEMENT_DISC = 0.002
MIN_EVENT_DISPLACEMENT_SAMPLE = 0.01

# Extra reach of neighbour lists [Å]: no result depends on it. A disc's list is cheap to make and used often.
SKIN_DISC = 0.5
SKIN_SAMPLE = 0.6

CUTOFFS = (2.0, 50.0)  # cutoffs for which these lengths will do [Å]


def check_lengths(potential: Potential) -> None:
    """Refuse a potential in another unit of length than about an angstrom.

    Raises
    ------
    ValueError
        If its cutoff is not in `CUTOFFS`.
    """
    if not CUTOFFS[0] <= potential.cutoff <= CUTOFFS[1]:
        raise ValueError(
            f"potential: cutoff {potential.cutoff:g} Å is not in {CUTOFFS[0]:g} <= cutoff <= {CUTOFFS[1]:g} Å, for "
            "which steps and tolerances are made; give all lengths in Å, or in a unit in which the cutoff is about 10"
        )
