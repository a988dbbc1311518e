"""Units that datasets carry: lengths in angstrom, energy and stress in the potential's own reduced units."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    import pint

LENGTH_UNIT = "angstrom"
ENERGY_UNIT = "reduced energy"
STRESS_UNIT = "reduced energy/angstrom^2"


def dataset(
    variables: Mapping[str, tuple[Hashable, Any, str, str]],
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return a dataset whose variables have units and a description.

    Parameters
    ----------
    variables : mapping
        Dimensions, values, units and description (`long_name`) of each variable.
    coords : mapping, optional
        Coordinates: the same four, or values alone, as of ``xy``.
    attrs : mapping, optional
        Attributes of the dataset.
    """

    def described(variable):
        if not isinstance(variable, tuple):
            return variable
        dims, values, units, long_name = variable
        return dims, values, {"units": units, "long_name": long_name}

    return xr.Dataset(
        {name: described(variable) for name, variable in variables.items()},
        {name: described(coordinate) for name, coordinate in (coords or {}).items()},
        attrs,
    )


def unit_registry() -> pint.UnitRegistry:
    """Return a registry in which `pint` and `pint-xarray` know the units of the results, reduced energy included.

    A reduced energy is a unit by itself: no conversion to SI has been published. With one,
    ``registry.define("reduced_energy = 3.2 eV")`` makes it known.

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
