"""Results are plain xarray with units that pint-xarray reads, and their plots say what is drawn."""

import matplotlib
import pint_xarray  # noqa: F401 (adds .pint)
import pytest

import listi


@pytest.fixture(scope="module")
def results(glass):
    shear = listi.deform(glass, n_events=1)
    rate = listi.stress_rate(glass, grid=(4, 4))
    probed = listi.probe(glass, grid=(4, 4))
    return {
        "network": glass.to_xarray(),
        "deform": shear,
        "probe": probed,
        "yield_stress": listi.yield_stress(glass, points=[[20.0, 20.0]], angles=[0.0]),
        "trace": listi.trace(glass, [20.0, 20.0]),
        "stress_rate": rate.to_dataset(),
        "strain_to_failure": listi.strain_to_failure(probed.threshold, rate).to_dataset(),
        "goodness": listi.goodness(probed.threshold, shear.event_position).to_dataset(),
        "follow": listi.follow(glass, shear, lambda state: listi.stress_rate(state, grid=(4, 4))),
        "per_atom": listi.per_atom(glass, shear),
        "score": listi.score(lambda network: rate, [listi.Sample(glass, shear, probed)]),
    }


def test_every_result_has_units_that_pint_knows(results):
    registry = listi.unit_registry()
    for name, result in results.items():
        for variable in result.data_vars.values():
            assert {"units", "long_name"} <= set(variable.attrs), f"{name}: {variable.name}"
        quantified = result.pint.quantify(unit_registry=registry)
        assert all(variable.pint.units is not None for variable in quantified.data_vars.values())
        back = quantified.pint.dequantify()
        assert dict(back.sizes) == dict(result.sizes)


def test_stresses_and_lengths_convert_and_reduced_energies_only_when_told(results):
    registry = listi.unit_registry()
    threshold = results["probe"].pint.quantify(unit_registry=registry).threshold
    per_area = threshold.pint.to("reduced_energy / nanometer**2").pint.dequantify()
    assert per_area.values == pytest.approx(100.0 * results["probe"].threshold.values)
    with pytest.raises(Exception, match="Cannot convert"):
        threshold.pint.to("newton / meter")
    registry = listi.unit_registry()
    registry.define("reduced_energy = 2 eV")
    told = results["probe"].pint.quantify(unit_registry=registry).threshold.pint.to("newton / meter")
    assert told.pint.dequantify().values == pytest.approx(2 * 16.0217663 * results["probe"].threshold.values)


def test_plots_carry_names_and_units(results):
    matplotlib.use("agg")
    drawn = results["probe"].threshold.plot(x="x")
    assert drawn.axes.get_xlabel() == "x of the probe [angstrom]"
    assert drawn.axes.get_ylabel() == "y of the probe [angstrom]"
    assert drawn.colorbar.ax.get_ylabel().replace("\n", " ") == "local stress threshold [reduced energy/angstrom^2]"
    drawn.axes.figure.clear()
    (line,) = results["deform"].stress.plot()
    assert line.axes.get_xlabel() == "strain [1]"
    assert "[reduced energy/angstrom^2]" in line.axes.get_ylabel().replace("\n", " ")
