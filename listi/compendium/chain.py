"""The chain of notebooks: which steps are up to date, what they made, and whether it is unchanged.

Templates in `notebooks/` are never changed. A run has an output folder with

    parameters.json   the resolved parameters
    notebooks/        the executed notebooks
    data/, figures/   what they made
    chain/NN.json     what each step was made from and what it made

A step is up to date if its notebook, the modules of this package that it imports, its parameters and the data of the
steps it needs are what they were, and all that it made is still there as it was. Contents are compared, not dates.

General tools (doit, pytask, snakemake) compare whole files and allow one step per file. Here three steps add groups to
the same sample files, so variables are compared. `running` executes the steps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..files import PACKAGE, DataError, as_path, checksum, files_in, is_locked, read_json, sha256
from . import netcdf, parameters, sample_files
from .notebooks import ChainError, Step, root

RESULTS = "results"
PARAMETERS = "parameters.json"
OURS = (PARAMETERS, "chain", "notebooks", "data", "figures")  # what a run makes


@dataclass
class State:
    """State of a step: `why` is empty if it is up to date, otherwise it says why it is not."""

    step: Step
    why: str
    record: dict = field(default_factory=dict)


def output_folder(profile: str | Path, output: str | Path | None = None) -> Path:
    """Return the absolute output folder of a profile, `results/<profile>` unless another is given.

    Raises
    ------
    ChainError
        If the folder holds things that no run of the chain made.
    """
    folder = as_path(output) if output is not None else root() / RESULTS / Path(profile).stem
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise ChainError(f"{folder}: is a file; --output must be a folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strange = [name for name in names if name not in OURS and not name.startswith(".")]
    if strange:
        raise ChainError(f"{folder}: holds {strange[0]}, which listi run did not make; give another --output")
    return folder


def state(all_steps: list[Step], values: Mapping, output: Path) -> list[State]:
    """Return the state of every step for these parameters."""
    records = {step.number: record_of(output, step) for step in all_steps}
    states: dict[str, State] = {}
    for step in all_steps:
        record = records[step.number]
        why = _why(step, values, output, record, records)
        outdated = [number for number in step.needs if states[number].why]
        if not why and outdated:
            why = f"needs {outdated[0]}, which is not up to date"
        states[step.number] = State(step, why, record)
    return list(states.values())


def record_file(output: Path, step: Step) -> Path:
    """File in which the last run of a step is recorded."""
    return output / "chain" / f"{step.number}.json"


def record_of(output: Path, step: Step) -> dict:
    """Record of a step's last run; empty if there is none or it is damaged."""
    try:
        return read_json(record_file(output, step))
    except DataError:
        return {}


def _why(step: Step, values: Mapping, output: Path, record: dict, records: dict) -> str:
    """Why a step must run; "" if it is up to date."""
    if record.get("state") != "done":
        interrupted = dict.fromkeys(("running", "interrupted"), "was interrupted")
        return {"failed": "failed", **interrupted}.get(record.get("state"), "not run")
    if record["name"] != step.name or record["page"] != step.page:
        return "notebook changed"
    for source, written in record["code"].items():
        if _contents(PACKAGE.parent / source).get("") != written:
            return f"{source} changed"
    if record["parameters"] != own_parameters(step, values):
        return "parameters changed"
    if record["inputs"] != inputs_of(step, records):
        return "data it needs changed"
    for relative, written in record["made"].items():
        contents = _contents(output / relative)
        if any(contents.get(name) != total for name, total in written.items()):
            return f"{relative} is missing or was changed"
    return ""


def own_parameters(step: Step, values: Mapping) -> dict:
    """The parameters that decide a step's results."""
    return {name: values[name] for name in step.defaults if name not in parameters.EXECUTION_PARAMETERS}


def inputs_of(step: Step, records: Mapping[str, dict]) -> str:
    """Checksum of the data that the steps it needs have made."""
    made = [records[number].get("made", {}) for number in step.needs]
    return checksum([{name: sums for name, sums in files.items() if name.startswith("data/")} for files in made])


def _contents(path: Path) -> dict[str, str]:
    """Checksums of the contents of a file: of every variable of a NetCDF file, of the bytes of any other."""
    if not path.is_file():
        return {}
    status = path.stat()
    return _contents_at(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _contents_at(path: Path, *_unchanged: int) -> dict[str, str]:
    """The same, remembered as long as the file is not touched."""
    if path.suffix != ".nc":
        return {"": sha256(path)}
    try:
        return netcdf.variable_checksums(netcdf.read(path)[1])
    except DataError:
        return {}


def made_by(output: Path, step: Step) -> dict[str, dict[str, str]]:
    """Contents of those files of the output folder that this step makes."""
    made = {}
    for path in [*files_in(output / "data"), *files_in(output / "figures"), executed_file(output, step)]:
        relative = path.relative_to(output).as_posix()
        sums = {
            name: total
            for name, total in _contents(path).items()
            if step.is_made_here(f"{relative}/{name}".rstrip("/"))
        }
        if sums:
            made[relative] = sums
    return made


def executed_file(output: Path, step: Step) -> Path:
    """File of the executed notebook."""
    return output / "notebooks" / f"{step.name}.ipynb"


def figures(record: Mapping) -> list[str]:
    """Figures that a step made, relative to the output folder."""
    return [relative for relative in record.get("made", {}) if relative.startswith("figures/")]


def progress(current: State, output: Path) -> str:
    """State of a step in one word: done, stale, missing, failed, running or interrupted."""
    word = current.record.get("state", "missing")
    if word == "running":
        return "running" if is_locked(output) else "interrupted"
    if word == "done":
        return "stale" if current.why else "done"
    return word


def verify(folder: str | Path) -> dict[Path, str]:
    """Check a folder as `sample_files.verify` does, and everything that steps of the chain recorded in it.

    Returns
    -------
    dict
        The problem of each file that was checked; "" if there is none.

    Raises
    ------
    DataError
        If there is no such folder, or nothing in it that can be checked.
    """
    folder = Path(folder)
    problems = sample_files.verify(folder)
    if not problems:
        raise DataError(f"{folder}: holds no files that can be verified")
    for place in sorted(folder.rglob("chain/[0-9][0-9].json")):
        if not problems[place]:
            problems |= _verify_record(place, problems)
    return dict(sorted(problems.items()))


def _verify_record(place: Path, problems: Mapping[Path, str]) -> dict[Path, str]:
    """Compare the files of one step with its record."""
    output, record = place.parent.parent, read_json(place)
    checked = {}
    for relative, written in record.get("made", {}).items():
        path = output / relative
        contents = _contents(path)
        if not path.is_file():
            checked[path] = f"{path}: missing; {record['name']} made it"
        elif problems.get(path):
            checked[path] = problems[path]
        elif any(contents.get(name) != total for name, total in written.items()):
            checked[path] = f"{path}: not as {record['name']} made it"
        else:
            checked[path] = ""
    return checked
