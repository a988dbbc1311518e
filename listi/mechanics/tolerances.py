"""The numbers that decide what is a minimum, a smooth step and an event; the same for samples and for discs.

Forces are in units of the potential's `force_scale`, which is 1 for silica. Lengths are in Å, whatever the potential:
they fit where its cutoff is not far from the 10 Å of silica.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .potential import Potential

TOLERANCE = 1e-10  # largest force component at a minimum [force_scale]
AT_MINIMUM = 1e-6  # largest force component that a sample may carry when it comes in [force_scale]
RETURNED = 1e-4  # an undone step that ends this close to where it began was reversible [Å]

# A disc is followed by a law of how tangents grow towards an instability, a sample by the mean of two tangents: the
# worse guess must agree better.
SMOOTH_DISC = 0.02  # allowed difference between a stretch of steps and what its end tangents say [Å]
SMOOTH_SAMPLE = 0.01

# Steps in which no atom moves further (beyond the affine deformation) are smooth [Å]. A sample is watched at 0.01 only:
# undoing a step costs as much as the step, and events of a whole sample move some atom by angstroms.
STILL_DISC = 0.002
STILL_SAMPLE = 0.01

# Extra reach of neighbour lists [Å]: no result depends on it. A disc's list is cheap to make and looked at often.
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
