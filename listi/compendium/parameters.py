"""The table of the chain's parameters: type, unit, meaning, allowed values, the paper's value.

Notebooks, profiles, the command line and papermill all refer to this table. The parameters cell of a notebook has one
line `name: type = literal  # meaning [unit]; paper value` per parameter, as `line` writes it.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_INTERACTION_CUTOFF = 10.0  # of forms.SILICA [Å]; a test compares them, as the import would take a second
_RING_SPACING = (math.sqrt(3.0) * 3.05, 1.5 * 3.05)  # of the honeycomb along x and y [Å]


@dataclass(frozen=True)
class Parameter:
    """Type, meaning, unit and allowed values of a parameter.

    Attributes
    ----------
    type : type
        int, float, bool or str; a float may be written as a whole number, nothing else is converted.
    meaning : str
        A few words.
    unit : str
        Unit; "1" for numbers without one, "" for texts and switches.
    low, high : float
        Smallest and largest allowed number.
    even : bool
        Only even numbers.
    choices : tuple of str
        The allowed texts; any text if empty.
    pattern, like : str
        Regular expression that a text must match, and the same in words.
    paper : object
        The paper's value; None if it gives none.
    """

    type: type
    meaning: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    even: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = r"\S.*"
    like: str = "a text"
    paper: object = None

    def allowed(self) -> str:
        """Describe the allowed values in words."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return self.like
        kind = "a number" if self.type is float else "an even whole number" if self.even else "a whole number"
        low, high = (f"{bound:g}" if self.type is float else bound for bound in (self.low, self.high))
        return f"{kind} from {low} to {high}"

    def check(self, name: str, value: object) -> object:
        """Return the value, or raise ValueError naming parameter, value and allowed values."""
        whole_float = self.type is float and type(value) is int
        if not ((type(value) is self.type or whole_float) and self._in_range(value)):
            raise ValueError(f"{name}: {value!r} is not allowed; it must be {self.allowed()}")
        return float(value) if whole_float else value

    def _in_range(self, value) -> bool:
        if self.type is str:
            return value in self.choices if self.choices else re.fullmatch(self.pattern, value) is not None
        return self.type is bool or (self.low <= value <= self.high and not (self.even and value % 2))


_SAMPLES = {"type": int, "unit": "1", "high": 100_000}
_EPOCHS = {"type": int, "unit": "1", "low": 1, "high": 1_000_000}

PARAMETERS: dict[str, Parameter] = {
    "nx": Parameter(int, "rings along x", "1", 8, 10_000, paper=40),
    "ny": Parameter(int, "rows of rings along y", "1", 10, 10_000, even=True, paper=48),
    "n_train": Parameter(meaning="samples to train on", low=1, paper=40, **_SAMPLES),
    "n_validation": Parameter(meaning="samples to validate on", low=1, paper=5, **_SAMPLES),
    "n_test": Parameter(meaning="unseen samples to test on", low=1, paper=5, **_SAMPLES),
    "n_extra_test": Parameter(meaning="further unseen samples", low=0, paper=10, **_SAMPLES),
    "seed": Parameter(int, "seed of all random numbers", "1", 0, 2**32 - 1),
    "alpha": Parameter(float, "wanted Aboav-Weaire parameter", "1", -0.99, 0.99),
    "box": Parameter(str, "cell of the samples", choices=("as-generated", "zero-pressure")),
    "strain_step": Parameter(float, "strain per step of the remote deformation", "1", 1e-6, 0.01, paper=1e-4),
    "max_strain": Parameter(float, "strain at which the remote deformation stops", "1", 1e-4, 1.0, paper=0.04),
    "n_events": Parameter(int, "events after which it stops", "1", 1, 1_000, paper=6),
    "min_strain": Parameter(float, "strain up to which it goes on although they have come", "1", 0.0, 1.0, paper=0.04),
    "grid_x": Parameter(int, "probes along x", "1", 2, 10_000, paper=50),
    "grid_y": Parameter(int, "probes along y", "1", 2, 10_000, paper=50),
    "r_free": Parameter(float, "radius of the free atoms of a probe", "angstrom", 5.0, 100.0, paper=11.0),
    "n_probes": Parameter(int, "probes per sample in a study", "1", 1, 1_000_000),
    "lstm_epochs": Parameter(meaning="epochs of the LSTM", paper=1500, **_EPOCHS),
    "cnn_epochs": Parameter(meaning="epochs of the CNN", paper=300, **_EPOCHS),
    "gcn_epochs": Parameter(meaning="epochs of the GCN", paper=1000, **_EPOCHS),
    "listi_epochs": Parameter(meaning="epochs of the network of whole samples", **_EPOCHS),
    "batch_size": Parameter(int, "points per training step", "1", 1, 100_000),
    "learning_rate": Parameter(float, "learning rate of AdaMax", "1", 1e-6, 1.0, paper=1e-3),
    "cnn_pixels": Parameter(int, "edge of the CNN's image", "pixel", 28, 1_024, paper=220),
    "mirror": Parameter(bool, "train on mirror images too", paper=False),
    "image": Parameter(
        str, "image of silica to read, empty for the imaged patch", pattern=r"|\S.*\.\w+", like="empty or a file"
    ),
    "workers": Parameter(int, "local workers, 0 for every core", "1", 0, 10_000),
    "scheduler": Parameter(
        str,
        "dask scheduler, empty for local",
        pattern=r"|[a-z]+://\S+",
        like="empty or an address tcp://host:port",
    ),
    "data_dir": Parameter(str, "folder of the data", like="a folder"),
    "figure_dir": Parameter(str, "folder of the figures", like="a folder"),
}

PLACES = ("data_dir", "figure_dir")  # set by the chain from its output folder, in no profile
EXECUTION_PARAMETERS = (*PLACES, "workers", "scheduler")  # no result depends on these


def check(values: Mapping[str, object]) -> dict[str, object]:
    """Check every parameter by itself, then those that must fit together.

    Parameters
    ----------
    values : mapping
        Names and values, all or some of the table.

    Returns
    -------
    dict
        The values, as floats where the table says float.

    Raises
    ------
    ValueError
        Naming parameter, value and what is allowed, if a name is unknown or a value is of the wrong type or impossible.
    """
    checked = {name: known(name).check(name, value) for name, value in values.items()}
    _check_together(checked)
    return checked


def check_notebook(namespace: Mapping[str, object]) -> dict[str, object]:
    """Check a notebook's parameters; to be called with `globals()` after the parameters cell.

    Papermill only warns of unknown names, and passes the text "true" for `-p mirror true`.
    """
    plain = (bool, int, float, str, list, dict, tuple, type(None))
    of_jupyter = ("In", "Out")
    values = {k: v for k, v in namespace.items() if type(v) in plain and not k.startswith("_") and k not in of_jupyter}
    return check(values)


def known(name: object) -> Parameter:
    """Return the parameter of this name, or raise ValueError."""
    if name not in PARAMETERS:
        near = difflib.get_close_matches(str(name), PARAMETERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(PARAMETERS)}"
        raise ValueError(f"{name}: no parameter has this name; {hint}")
    return PARAMETERS[name]


def _check_together(values: Mapping[str, object]) -> None:
    if {"strain_step", "max_strain"} <= values.keys() and values["max_strain"] < values["strain_step"]:
        raise ValueError(
            f"max_strain: {values['max_strain']!r} is not allowed; it must be at least strain_step,"
            f" {values['strain_step']!r}"
        )
    if {"r_free", "nx", "ny"} <= values.keys():
        cell = (values["nx"] * _RING_SPACING[0], values["ny"] * _RING_SPACING[1])
        largest = min(cell) / 2 - _INTERACTION_CUTOFF
        if values["r_free"] > largest:
            raise ValueError(
                f"r_free: {values['r_free']!r} is not allowed; it must be at most {largest:.2f} Å,"
                f" half the smaller edge of the {cell[0]:.1f} x {cell[1]:.1f} Å cell minus the"
                f" cutoff of {_INTERACTION_CUTOFF:g} Å"
            )


def check_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Check parameters of a profile or of `--set`, each by itself."""
    for name in values:
        if name in PLACES:
            raise ValueError(f"{name}: {values[name]!r} is not allowed here; it follows from the output folder")
    return {name: known(name).check(name, value) for name, value in values.items()}


def line(name: str, default: object) -> str:
    """Write a parameter as the line of a notebook's parameters cell."""
    parameter = known(name)
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    paper = "gives none" if parameter.paper is None else parameter.paper
    of_paper = "" if name in EXECUTION_PARAMETERS else f"; paper {paper}"
    value = json.dumps(default) if parameter.type is str else repr(default)  # quotes as ruff format wants them
    return f"{name}: {parameter.type.__name__} = {value}  # {parameter.meaning}{unit}{of_paper}"


def read_cell(source: str) -> dict[str, object]:
    """Read a parameters cell without executing it.

    Parameters
    ----------
    source : str
        Lines `name: type = literal  # meaning [unit]; paper value`, blank lines and comments.

    Returns
    -------
    dict
        Names and checked defaults.

    Raises
    ------
    ValueError
        If a line is anything else, its type is not the table's, or its default is refused.
    """
    values: dict[str, object] = {}
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            raise ValueError(f"parameters cell: {ast.unparse(statement)!r} is not a line `name: type = literal`")
        name, kind = statement.target.id, ast.unparse(statement.annotation)
        if kind != known(name).type.__name__:
            raise ValueError(f"{name}: type {kind} is not allowed; it must be {known(name).type.__name__}")
        if name in values:
            raise ValueError(f"{name}: given twice; once is allowed")
        values[name] = ast.literal_eval(statement.value)
    return check(values)
