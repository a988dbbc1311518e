"""Units that datasets carry: lengths in angstrom, energy and stress in the potential's own reduced units."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

LENGTH_UNIT = "angstrom"
ENERGY_UNIT = "reduced energy"
STRESS_UNIT = "reduced energy/angstrom^2"


def unit_registry() -> pint.UnitRegistry:
    """Return a registry in which `pint` and `pint-xarray` know the units of the results, reduced energy included.

    A reduced energy is a unit by itself: no conversion to SI has been published. Whoever has one says so by
    ``registry.define("reduced_energy = 3.2 eV")`` and converts.

    Raises
    ------
    ModuleNotFoundError
        If pint is not installed: ``pip install pint-xarray``.

    Examples
    --------
    >>> import pint_xarray  # adds `.pint` to datasets
    >>> import listi
    >>> shear = listi.open_sample(0).shear.pint.quantify(unit_registry=listi.unit_registry())
    >>> print(shear.stress.max().data.to("reduced_energy / nanometer**2").units)
    reduced_energy / nanometer ** 2
    """
    import pint  # optional dependency

    registry: pint.UnitRegistry = pint.UnitRegistry(
        force_ndarray_like=True, preprocessors=[lambda text: text.replace(ENERGY_UNIT, "reduced_energy")]
    )
    registry.define("reduced_energy = [reduced_energy]")
    return registry
