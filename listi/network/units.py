"""Units that datasets carry: lengths in angstrom, energy and stress in the potential's own reduced units."""

LENGTH_UNIT = "angstrom"
ENERGY_UNIT = "reduced energy"
STRESS_UNIT = "reduced energy/angstrom^2"
