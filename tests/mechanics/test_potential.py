"""Pair potentials against their formulas, published values, finite differences and LAMMPS; other potentials."""

import functools
import math
import pickle
import subprocess
import sys
from types import ModuleType

import numba
import numpy as np
import pytest

from listi.mechanics import kernels, lammps
from listi.mechanics.forms import SILICA, lennard_jones, silica, yukawa
from listi.mechanics.potential import Potential
from listi.mechanics.system import System
from listi.network.network import Network

# Roy, Heyde, Heuer 2018, as published: sigma [Å], q, V(10 Å), V'(10 Å) of Si-Si, Si-O, O-O
PAIRS = {
    (0, 0): (2.250, 1.500, 0.025544, -0.0070763),
    (0, 1): (1.075, -1.000, -0.017029, 0.0047175),
    (1, 1): (0.900, 0.670, 0.011410, -0.0031608),
}
KAPPA, CUTOFF = 1 / 5.649, 10.0
GLASS = lennard_jones(  # of Barbot et al. 2018
    [[2 * math.sin(math.pi / 5), 1.0], [1.0, 2 * math.sin(math.pi / 10)]], [[0.5, 1.0], [1.0, 0.5]], symbols=("L", "S")
)


def everyone(potential):
    return [(a, b) for a in range(potential.n_species) for b in range(a, potential.n_species)]


@pytest.mark.parametrize("ab", PAIRS)
def test_silica_at_the_cutoff(ab):
    np.testing.assert_allclose(SILICA.table.rows[ab][2], PAIRS[ab][2], atol=5e-7)
    np.testing.assert_allclose(SILICA.table.rows[ab][3], PAIRS[ab][3], atol=5e-8)


@pytest.mark.parametrize("ab", PAIRS)
@pytest.mark.parametrize("r", [0.95, 1.5, 3.05, 6.0, 9.9, 9.9999])
def test_energy_of_silica_is_the_formula(ab, r):
    sigma, q = PAIRS[ab][:2]

    def bare(x):
        return (sigma / x) ** 12 + q / x * math.exp(-KAPPA * x)

    slope = -12 * sigma**12 / CUTOFF**13 - q * math.exp(-KAPPA * CUTOFF) / CUTOFF * (1 / CUTOFF + KAPPA)
    expected = bare(r) - bare(CUTOFF) - slope * (r - CUTOFF)
    assert SILICA.pair(r, *ab)[0] == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("potential", [SILICA, silica(kappa=0.5, cutoff=8.0), GLASS], ids=["silica", "screened", "LJ"])
def test_derivatives_are_those_of_the_energy(potential):
    """Up to and across the cutoff, where energy and force are continuous and the curvature may jump."""
    h = 1e-4
    weights = np.array([1, -8, 8, -1]) / (12 * h)
    for a, b in everyone(potential):
        r = np.array([0.095, 0.15, 0.26, 0.305, 0.5, 0.9, 0.999, 1.001]) * potential.cutoff
        if potential is GLASS:
            r = np.array([0.9, 1.0, 1.2, 1.9, 2.1, 2.4, 2.6]) * [[2 * math.sin(math.pi / 5), 1, 0], [1, 0.618, 0]][a][b]
        _, first, second = potential.pair(r, a, b)
        shifted = [potential.pair(r + k * h, a, b) for k in (-2, -1, 1, 2)]
        np.testing.assert_allclose(first, weights @ [s[0] for s in shifted], rtol=1e-7, atol=2e-7)
        np.testing.assert_allclose(second, weights @ [s[1] for s in shifted], rtol=1e-7, atol=2e-6)


@pytest.mark.parametrize("potential", [SILICA, GLASS], ids=["silica", "LJ"])
def test_energy_and_force_vanish_at_the_cutoff(potential):
    for a, b in everyone(potential):
        just_inside, at = potential.pair([np.nextafter(potential.cutoff, 0), potential.cutoff], a, b)[:2]
        np.testing.assert_allclose([just_inside[0], at[0]], 0.0, atol=1e-15)
        assert just_inside[1] == at[1] == 0.0


def test_silicon_oxygen_well():
    r = np.linspace(1.3, 1.45, 1501)
    u = SILICA.pair(r, 0, 1)[0]
    assert r[np.argmin(u)] == pytest.approx(1.361, abs=5e-4)
    assert u.min() == pytest.approx(-0.4607, abs=5e-5)


def test_wide_ranges_of_the_screened_charge():
    """exp(-kappa r) is a polynomial, squared where kappa r_c is large: as good as the exponential everywhere."""
    for kappa, cutoff in ((1 / 5.649, 10.0), (1.0, 10.0), (3.0, 12.0)):
        function, constants = yukawa(kappa, cutoff)
        for r in np.linspace(0.5, cutoff, 40).tolist():
            assert function(r, 1 / r, 0.0, 1.0, *constants)[0] == pytest.approx(math.exp(-kappa * r) / r, rel=2e-14)


def three_species():
    """Power laws with another strength for each of the six pairs: no pair is the sum of anything."""
    strength = np.array([[1.0, 2.0, 4.0], [2.0, 8.0, 16.0], [4.0, 16.0, 32.0]])

    def function(r, inverse, k):
        i2 = inverse * inverse
        return k * i2 * i2, -4 * k * i2 * i2 * inverse, 20 * k * i2 * i2 * i2

    return Potential(function, strength[..., None], 4.0, ("A", "B", "C")), strength


@pytest.mark.parametrize(
    "make", [lambda: SILICA, lambda: GLASS, lambda: three_species()[0]], ids=["silica", "LJ", "three"]
)
def test_loops_over_pairs_agree_with_the_single_pair(make):
    potential, rng = make(), np.random.default_rng(0)
    n = potential.n_species
    r, other = rng.uniform(0.1, 1.1, 50) * potential.cutoff, rng.integers(0, n, 50)
    for species in range(n):
        expected = np.array([[v[0] for v in potential.pair(x, species, o)] for x, o in zip(r, other, strict=True)])
        energy, stiffness = np.empty(50), np.empty(50)
        for more in ((energy, None), (None, stiffness), (None, None)):
            tension = r**2
            kernels.pairs_of_atom(tension, other.astype(float), *more, potential.table, species, 50)
            np.testing.assert_allclose(tension * r, expected[:, 1], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(energy, expected[:, 0], rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(stiffness, expected[:, 2], rtol=1e-11, atol=1e-14)


def test_three_species_summed_by_hand():
    potential, strength = three_species()
    positions = np.array([[1.0, 1.0], [2.5, 1.0], [1.0, 3.0]])
    system = System(positions, [0, 1, 2], [20.0, 20.0], potential=potential)
    energy, forces = system.energy_forces()
    total = 0.0
    for a, b in ((0, 1), (0, 2), (1, 2)):
        r, k = np.linalg.norm(positions[a] - positions[b]), strength[a, b]
        total += k * r**-4 - k * 4.0**-4 + 4 * k * 4.0**-5 * (r - 4.0)
    assert energy == pytest.approx(total, rel=1e-13)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-14)


def test_lennard_jones_in_lammps():
    """A pair style of LAMMPS's own: nothing of our formula goes in."""
    rng = np.random.default_rng(2)
    places = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 1.2
    network = Network(places + rng.uniform(-0.15, 0.15, places.shape), rng.integers(0, 2, 100), None, [12.0, 12.0])
    energy, forces = System(network.positions, network.species, network.cell, potential=GLASS).energy_forces()
    s = {(1, 1): 2 * math.sin(math.pi / 5), (1, 2): 1.0, (2, 2): 2 * math.sin(math.pi / 10)}
    pairs = [f"pair_coeff {i} {j} {0.5 if i == j else 1.0} {s[i, j]!r} {2 * s[i, j]!r} {2.5 * s[i, j]!r}" for i, j in s]
    style = "\n".join(["pair_style lj/smooth 2.0 2.5", "pair_modify shift yes", *pairs])
    theirs = lammps.evaluate(lammps.build(network, GLASS, style))
    assert energy == pytest.approx(theirs[0], rel=1e-11)
    np.testing.assert_allclose(forces, theirs[1], rtol=1e-10, atol=1e-9)
    table = lammps.evaluate(lammps.build(network, GLASS))
    np.testing.assert_allclose(forces, table[1], rtol=1e-5, atol=1e-4)


def test_what_is_compiled_is_shared_by_potentials_of_one_form():
    """Whatever the parameters and the cutoff; the function of a large kappa r_c squares an exponential."""
    for other in (silica(charge=(1.4, -0.9, 0.6)), silica(cutoff=9.0), silica(kappa=0.1)):
        assert other.form == SILICA.form != silica(kappa=0.5).form
        assert other.table.loop == SILICA.table.loop
        r = 0.5 * other.cutoff
        assert other.pair(r, 0, 1)[0] != SILICA.pair(r, 0, 1)[0]


def test_potentials_go_to_other_processes():
    for potential in (SILICA, GLASS, three_species()[0]):
        again = pickle.loads(pickle.dumps(potential))
        assert again.form == potential.form and again.symbols == potential.symbols
        np.testing.assert_array_equal(again.parameters, potential.parameters)
        assert again.constants == potential.constants and again.cutoff == potential.cutoff
    script = "import pickle, sys; print(pickle.load(sys.stdin.buffer).form)"
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(SILICA), stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode().split() == [SILICA.form]


POWER = "v = k * inverse**6\n    return v, -6 * v * inverse, 42 * v * inverse * inverse"
READS = {  # a constant that a pair function reads, in every way that Numba compiles
    "global": f"K = VALUE\ndef function(r, inverse, k):\n    k = k * K\n    {POWER}",
    "default": f"def function(r, inverse, k, K=VALUE):\n    k = k * K\n    {POWER}",
    "module": f"const.K = VALUE\ndef function(r, inverse, k):\n    k = k * const.K\n    {POWER}",
    "module in a tuple": f"const.K = VALUE\ndef function(r, inverse, k, m=(const,)):\n    k = k * m[0].K\n    {POWER}",
    "module of a module": f"""const.inner = ModuleType("inner")
const.inner.K = VALUE
def function(r, inverse, k):
    k = k * const.inner.K
    {POWER}""",
    "outer function": f"""def outer(K):
    def function(r, inverse, k):
        k = k * K
        {POWER.replace("    ", "        ")}
    return function
function = outer(VALUE)""",
    "global of an inner function": f"""K = VALUE
def function(r, inverse, k):
    def inner(x):
        return x * K
    k = inner(k)
    {POWER}""",
    "global of a called function": f"""K = VALUE
@njit
def called(x):
    return x * K
def function(r, inverse, k):
    k = called(k)
    {POWER}""",
    "module of a function in a module": f"""const.K = VALUE
@njit
def called(x):
    return x * const.K
const.called = called
def function(r, inverse, k):
    k = const.called(k)
    {POWER}""",
}


def reading(source, value):
    """A potential whose function reads a constant."""
    names = {"const": ModuleType("const"), "ModuleType": ModuleType, "njit": numba.njit, "np": np}
    exec(source.replace("VALUE", repr(value)), names)
    return Potential(names["function"], [[[1.0]]], 5.0, symbols=("A",)), names


@pytest.mark.parametrize("source", READS.values(), ids=READS)
def test_functions_that_read_another_constant_have_kernels_of_their_own(source):
    one, same, other = (reading(source, value)[0] for value in (1.0, 1.0, 5.0))
    assert one.form == same.form != other.form


def test_energies_are_those_of_the_constant():
    for value in (1.0, 5.0):
        potential = reading(READS["module"], value)[0]
        system = System([[20.0, 20.0], [21.5, 20.0]], [0, 0], [40.0, 40.0], potential=potential)
        assert system.energy_forces()[0] == pytest.approx(potential.pair(1.5, 0, 0)[0], rel=1e-12)


def test_functions_of_which_kernels_would_be_wrong():
    potential, names = reading(READS["module"], 1.0)
    names["const"].K = 5.0
    with pytest.raises(ValueError, match="function: constants that function reads have changed"):
        _ = potential.table
    count = "n = VALUE\n    for _ in range(70):\n        n = n * 2\n    k = k * n / 2.0**70"
    overflow, _ = reading(f"def function(r, inverse, k):\n    {count}\n    {POWER}", 1)
    with pytest.raises(ValueError, match="function: function gives .* of A-A at r = 0.5 Å when it is compiled"):
        _ = overflow.table
    python_only, _ = reading(f"def function(r, inverse, k):\n    k = k + 0.0 * len(dir())\n    {POWER}", 1.0)
    with pytest.raises(ValueError, match="function: Numba cannot compile function"):
        _ = python_only.table


def test_kinds_of_functions():
    """A function that is named like what it calls, one that calls itself, compiled ones; others are refused by name."""
    named = f"def sqrt(r, inverse, k):\n    k = k + 0.0 * np.sqrt(r)\n    {POWER}\nfunction = sqrt"
    recursive = f"""@njit
def called(n):
    return 1.0 if n == 0 else 2.0 * called(n - 1)
def function(r, inverse, k):
    k = k * called(3) / 8.0
    {POWER}"""
    _ = reading(named, 1.0)[0].table
    assert reading(recursive, 1.0)[0].form != reading(named, 1.0)[0].form
    function = reading(READS["global"], 2.0)[0].function
    compiled = Potential(numba.njit(function), [[[1.0]]], 5.0, ("A",))
    assert compiled.form == Potential(function, [[[1.0]]], 5.0, ("A",)).form
    for other in (functools.partial(function, k=1.0), np.exp, "power"):
        with pytest.raises(TypeError, match="function: .* is not a Python function"):
            Potential(other, [[[1.0]]], 5.0, ("A",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoff": 0.0}, "cutoff: 0.0"),
        ({"cutoff": np.nan}, "cutoff: nan"),
        ({"symbols": ("A", "A")}, "symbols: .* is not a different name for each species"),
        ({"parameters": np.ones((1, 1, 1))}, "parameters: shape"),
        ({"parameters": [[[1.0], [np.nan]], [[np.nan], [1.0]]]}, "parameters: the pair A-B"),
        ({"parameters": [[[1.0], [2.0]], [[3.0], [1.0]]]}, "parameters: A-B and B-A differ"),
        ({"function": lambda r, inverse, k: (k * inverse, math.inf, 0.0)}, "function: .* all must be finite"),
    ],
)
def test_bad_potentials(change, message):
    given = {"function": lambda r, inverse, k: (k * inverse, 0.0, 0.0), "parameters": np.ones((2, 2, 1)), "cutoff": 5.0}
    with pytest.raises(ValueError, match=message):
        Potential(**({"symbols": ("A", "B")} | given | change))


def test_force_scale_is_one_for_silica_and_follows_the_energies():
    assert SILICA.force_scale == silica(charge=(1.4, -0.9, 0.62)).force_scale == 1.0
    for exponent in (-60, 17):
        other = Potential(SILICA.function, SILICA.parameters * 2.0**exponent, SILICA.cutoff, constants=SILICA.constants)
        assert other.force_scale == 2.0**exponent
    assert GLASS.force_scale == 8.0  # attracts by 2.39 at most, silica by 0.31
    assert three_species()[0].force_scale == 16.0  # repels by 4 k / r^5 - 4 k / 4^5 at r = 2, k = 32: 3.9
    with pytest.raises(ValueError, match="^function: no pair of A attracts"):
        _ = Potential(lambda r, inverse, k: (0.0, 0.0, 0.0), [[[1.0]]], 5.0, "A").force_scale


def test_lengths_in_another_unit_than_angstrom_are_refused(glass):
    for cutoff, factor in ((1.0, 0.1), (1000.0, 100.0)):  # nm, pm
        other = Potential(lambda r, inverse, k: (k * inverse, -k * inverse**2, k * inverse**3), [[[1.0]]], cutoff, "A")
        with pytest.raises(ValueError, match=rf"^potential: cutoff {cutoff:g} Å is not in 2 <= cutoff <= 50 Å"):
            System(glass.positions * factor, 0 * glass.species, glass.cell * factor, potential=other)


def test_samples_that_do_not_fit_a_potential(glass):
    for potential, message in ((silica(cutoff=40.0), "cell: .* cutoff of 40 Å"), (three_species()[0], None)):
        if message:
            with pytest.raises(ValueError, match=message):
                System(glass.positions, glass.species, glass.cell, potential=potential)
    with pytest.raises(ValueError, match="species: atom 0 has 2; the potential has 2 species"):
        System([[1.0, 1.0]], [2], [30.0, 30.0])
    with pytest.raises(ValueError, match="sigma: .* is not three numbers"):
        silica(sigma=(1.0, 2.0))
