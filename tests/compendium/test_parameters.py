"""Parameters: the table, profiles, and 300 seeded bad sets by every way in."""

import json
import math
import random

import pytest

from listi import cli
from listi.compendium import parameters, profiles
from listi.mechanics.forms import SILICA

DEMO, PAPER = profiles.profile("demo"), profiles.profile("paper")
SETTABLE = sorted(set(parameters.PARAMETERS) - set(parameters.PLACES))


def test_profiles_name_every_parameter():
    assert set(DEMO) == set(PAPER) == set(SETTABLE)


def test_paper_profile_has_the_papers_values():
    ours = {
        "max_strain": 0.1,  # the paper stops at 0.04; ours goes on until the sixth event has come
        "n_probes": 500,  # of our studies; the paper has none
        "listi_epochs": 80,  # of our network
    }
    for name, value in PAPER.items():
        paper = parameters.PARAMETERS[name].paper
        assert value == ours.get(name, DEMO[name] if paper is None else paper), name


def test_cutoff_is_the_potentials():
    assert SILICA.cutoff == parameters._INTERACTION_CUTOFF


def test_a_file_changes_only_what_it_names(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("nx: 024\nstrain_step: 1e-3  # PyYAML alone takes this for a text\nr_free: 12\n")
    assert profiles.resolve(file, {"ny": 30}) == {
        **DEMO,
        "nx": 24,
        "strain_step": 1e-3,
        "r_free": 12.0,
        "ny": 30,
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("strain_step=1e-4", ("strain_step", 1e-4)),
        ("r_free=12", ("r_free", 12.0)),
        ("mirror=false", ("mirror", False)),
        ("scheduler=tcp://127.0.0.1:8786", ("scheduler", "tcp://127.0.0.1:8786")),
        ("scheduler=", ("scheduler", "")),
        ("seed=010", ("seed", 10)),
        ("seed=08", ("seed", 8)),
        ("seed=+0012", ("seed", 12)),
        ("alpha=-.5", ("alpha", -0.5)),
        ("r_free=011.50", ("r_free", 11.5)),
    ],
)
def test_assignment(text, read):
    assert profiles.assignment(text) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nx=2", "nx: 2 is not allowed; it must be a whole number from 8 to 10000"),
        ("nx=40.0", "nx: 40.0 is not allowed; it must be a whole number from 8 to 10000"),
        ("ny=25", "ny: 25 is not allowed; it must be an even whole number from 10 to 10000"),
        ("mirror=yes", "mirror: 'yes' is not allowed; it must be true or false"),
        ("mirror=on", "mirror: 'on' is not allowed; it must be true or false"),
        ("nx=1_000", "nx: '1_000' is not allowed; it must be a whole number from 8 to 10000"),
        ("nx=1:30", "nx: '1:30' is not allowed; it must be a whole number from 8 to 10000"),
        ("nx=0x10", "nx: '0x10' is not allowed; it must be a whole number from 8 to 10000"),
        ("nx=0o20", "nx: '0o20' is not allowed; it must be a whole number from 8 to 10000"),
        ("seed=1.0", "seed: 1.0 is not allowed; it must be a whole number from 0 to 4294967295"),
        ("gird_x=9", "gird_x: no parameter has this name; did you mean grid_x?"),
        ("nx", "--set: 'nx' is not allowed; it must be name=value"),
        ("data_dir=x", "data_dir: 'x' is not allowed here; it follows from the output folder"),
    ],
)
def test_refusal_names_parameter_value_and_what_is_allowed(text, message):
    with pytest.raises(ValueError) as refusal:
        profiles.assignment(text)
    assert str(refusal.value) == message


def test_r_free_must_fit_the_cell():
    assert profiles.resolve("demo", {"nx": 9, "r_free": 13.7})
    with pytest.raises(ValueError, match="r_free: 13.8 is not allowed; it must be at most 13.77 Å"):
        profiles.resolve("demo", {"nx": 9, "r_free": 13.8})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nx: 20\nnx: 30\n", "nx: given twice"),
        ("- nx\n", "not a YAML mapping"),
        ("", "not a YAML mapping"),
        ("nx: [20\n", "not YAML"),
        ("nx: !!python/object/apply:os.getcwd []\n", "not YAML"),
    ],
)
def test_profile_file_is_refused(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"profile .*bad.yaml: {message}"):
        profiles.resolve(file)


def test_cell_is_read_without_executing_it():
    lines = [parameters.line(name, value) for name, value in DEMO.items()]
    assert lines[0] == "nx: int = 20  # rings along x [1]; paper 40"
    assert parameters.read_cell("\n".join(lines)) == DEMO
    for bad in (
        "nx: int = 10 + 10",
        "nx: float = 20.0",
        "nx = 20",
        "nx: int = print()",
        "import os",
    ):
        with pytest.raises(ValueError):
            parameters.read_cell(bad)


def test_notebook_check_sees_what_papermill_lets_through():
    quiet = {"In": [], "Out": {}, "_i1": "", "print": print, "nx": 20}
    assert parameters.check_notebook(quiet) == {"nx": 20}
    with pytest.raises(ValueError, match="mirror: 'true' is not allowed"):
        parameters.check_notebook({**quiet, "mirror": "true"})
    with pytest.raises(ValueError, match="n_trian: no parameter has this name"):
        parameters.check_notebook({**quiet, "n_trian": 3})


def _bad(random_number: random.Random) -> dict:
    """A parameter set with exactly one thing wrong with it."""
    name = random_number.choice([*SETTABLE, "unknown"])
    if name == "unknown":
        typo = random_number.choice(SETTABLE) + random_number.choice("xyz_")
        return {typo: random_number.choice([1, "text", True])}
    parameter = parameters.PARAMETERS[name]
    wrong_type = [None, [1], {"a": 1}, [], "12" if parameter.type is not str else 12]
    if parameter.type is bool:
        wrong_type += [0, 1, "yes", 1.0]
    elif parameter.type is str:
        wrong_type += [True, "no such thing", 1.5]
    else:
        above = random_number.uniform(1.0, 100.0)
        wrong_type += [True, math.nan, math.inf, parameter.high + 1 + int(above), -1 - int(above)]
        wrong_type += [parameter.low - 1e-9, 20.5, "many"] if parameter.type is int else [1e9, "1,5"]
        wrong_type += [21] if parameter.even else []
    return {name: random_number.choice(wrong_type)}


BAD = [_bad(random.Random(number)) for number in range(300)]


def _as_text(value: object) -> str:
    return json.dumps(value).replace("NaN", ".nan").replace("Infinity", ".inf")


@pytest.mark.parametrize("way", ["call", "file", "set", "notebook"])
def test_300_bad_sets_are_refused_before_anything_is_written(way, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, bad in enumerate(BAD):
        ((name, value),) = bad.items()
        if way == "set":
            assert cli.main(["run", "--set", f"{name}={_as_text(value)}"]) == 2, bad
            message = capsys.readouterr().err
        else:
            with pytest.raises(ValueError) as refusal:
                if way == "call":
                    profiles.resolve("demo", bad)
                elif way == "notebook":
                    parameters.check_notebook({**DEMO, **bad})
                else:
                    file = tmp_path / "bad.yaml"
                    file.write_text(f"{name}: {_as_text(value)}\n")
                    try:
                        profiles.resolve(file)
                    finally:
                        file.unlink()
            message = str(refusal.value)
        assert name in message and message.count("\n") <= 1, (number, bad, message)
        assert not list(tmp_path.iterdir()), bad
