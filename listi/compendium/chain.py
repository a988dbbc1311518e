"""The chain of notebooks: their order, what is up to date, running and resuming.

Templates in `notebooks/` are never changed. A run has an output folder with

    parameters.json   the resolved parameters
    notebooks/        the executed notebooks
    data/, figures/   what they made
    chain/NN.json     what each step was made from and what it made

A step is up to date if its notebook, the code it uses, its parameters and the data of the steps it
needs are what they were, and all that it made is still there as it was. Contents are compared, not
clocks.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..files import DataError, checksum, files_in, is_locked, locked, read_json, remove_unfinished, sha256, write_json
from . import parameters, provenance, sample_files
from .notebooks import ChainError, Step, execute, root, steps, verdict
from .profiles import resolve

RESULTS = "results"
PARAMETERS = "parameters.json"
_OURS = (PARAMETERS, "chain", "notebooks", "data", "figures")  # what a run makes


@dataclass
class State:
    """How a step stands: `why` is empty if it is up to date, else it says why it is not."""

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
    folder = Path(output) if output is not None else root() / RESULTS / Path(profile).stem
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise ChainError(f"{folder}: is a file; --output must be a folder")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strange = [name for name in there if name not in _OURS and not name.startswith(".")]
    if strange:
        raise ChainError(f"{folder}: holds {strange[0]}, which listi run did not make; give another --output")
    return folder


def state(all_steps: list[Step], values: Mapping, output: Path) -> list[State]:
    """Return how every step stands with these parameters."""
    records = {step.number: _record(output, step) for step in all_steps}
    found: dict[str, State] = {}
    for step in all_steps:
        record = records[step.number]
        why = _why(step, values, output, record, records)
        behind = [n for n in step.needs if found[n].why]
        if not why and behind:
            why = f"needs {behind[0]}, which is not up to date"
        found[step.number] = State(step, why, record)
    return list(found.values())


def _record(output: Path, step: Step) -> dict:
    """What is written of a step's last run; empty if there is nothing whole."""
    try:
        return read_json(output / "chain" / f"{step.number}.json")
    except DataError:
        return {}


def _why(step: Step, values: Mapping, output: Path, record: dict, records: dict) -> str:
    """Why a step must run; "" if it is up to date."""
    if record.get("state") != "done":
        return {"failed": "failed", "running": "was interrupted"}.get(record.get("state"), "not run")
    if record["name"] != step.name or record["page"] != step.page:
        return "notebook changed"
    if record["code"] != provenance.code_version():
        return "code changed"
    if record["parameters"] != _own(step, values):
        return "parameters changed"
    if record["inputs"] != _inputs(step, records):
        return "data it needs changed"
    for relative, written in record["made"].items():
        there = _contents(output / relative)
        if any(there.get(name) != total for name, total in written.items()):
            return f"{relative} is missing or was changed"
    return ""


def _own(step: Step, values: Mapping) -> dict:
    """The parameters that decide a step's results."""
    return {name: values[name] for name in step.defaults if name not in parameters.EXECUTION_PARAMETERS}


def _inputs(step: Step, records: Mapping[str, dict]) -> str:
    """Sum over the data that the steps it needs have made."""
    made = [records[number].get("made", {}) for number in step.needs]
    return checksum([{k: v for k, v in one.items() if k.startswith("data/")} for one in made])


def _contents(path: Path) -> dict[str, str]:
    """Sums of what a file holds: of every variable of a sample file, of other files as a whole."""
    if not path.is_file():
        return {}
    now = path.stat()
    return _contents_at(path, now.st_ino, now.st_size, now.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _contents_at(path: Path, *_unchanged: int) -> dict[str, str]:
    """The same, remembered while the file is not touched."""
    if path.suffix != ".nc":
        return {"": sha256(path)}
    try:
        return sample_files.variable_checksums(path)
    except DataError:
        return {}


def _made(output: Path, step: Step, all_steps: list[Step]) -> dict[str, dict[str, str]]:
    """Contents of the output folder that no other step has made."""
    claims: dict[str, dict[str, str]] = {}
    for other in all_steps:
        if other is not step:
            for relative, written in _record(output, other).get("made", {}).items():
                claims.setdefault(relative, {}).update(written)
    made = {}
    for path in [*files_in(output / "data"), *files_in(output / "figures"), _executed(output, step)]:
        relative = path.relative_to(output).as_posix()
        mine = {n: s for n, s in _contents(path).items() if n not in claims.get(relative, {})}
        if mine:
            made[relative] = mine
    return made


def _executed(output: Path, step: Step) -> Path:
    return output / "notebooks" / f"{step.name}.ipynb"


def run(
    profile: str | Path = "demo",
    changes: Mapping[str, object] | None = None,
    only: str | None = None,
    fresh: bool = False,
    output: str | Path | None = None,
    notebooks: str | Path | None = None,
    watch: Callable[[Step, str, float | None], contextlib.AbstractContextManager] | None = None,
) -> list[State]:
    """Execute the notebooks that are not up to date, in order.

    Parameters
    ----------
    profile : str or path
        "demo", "paper" or a YAML file.
    changes : mapping, optional
        Parameters to change, by name.
    only : str, optional
        Number of the one notebook to execute.
    fresh : bool
        Start over: remove what earlier runs made (with `only`: execute even if up to date).
    output : path, optional
        Output folder, `results/<profile>` by default.
    notebooks : path, optional
        Folder of the templates.
    watch : callable, optional
        Called with step, reason and expected seconds; its context spans the execution.

    Returns
    -------
    list of State
        One per step, `record` filled in.

    Raises
    ------
    ValueError
        If a parameter is refused; nothing has been done then.
    ChainError
        If a notebook fails, or `only` needs a step that is not up to date.
    DataError
        If another run holds the output folder, or it cannot be written.
    """
    values = resolve(profile, changes)
    all_steps = steps(notebooks and Path(notebooks))
    chosen = _chosen(all_steps, only)
    output = output_folder(profile, output)
    fresh_start = fresh and only is None
    if fresh_start and not (output / PARAMETERS).is_file() and any((output / name).exists() for name in _OURS):
        raise ChainError(f"{output}: has no {PARAMETERS}, so listi run did not make it; remove it by hand")
    with locked(output):
        remove_unfinished(output)
        if fresh_start:
            _remove(output)
        write_json(output / PARAMETERS, {"profile": str(profile), "parameters": values})
        for step in chosen:
            now = {s.step.number: s for s in state(all_steps, values, output)}
            if only is not None:
                _check_needs(step, now)
            why = now[step.number].why or ("asked for" if fresh else "")
            if why:
                expected = expected_seconds(now[step.number], profile, changes)
                with watch(step, why, expected) if watch else contextlib.nullcontext():
                    _execute(step, values, output, all_steps)
        return state(all_steps, values, output)


def _chosen(all_steps: list[Step], only: str | None) -> list[Step]:
    if only is None:
        return all_steps
    chosen = [step for step in all_steps if step.number == str(only).zfill(2)]
    if not chosen:
        numbers = ", ".join(step.number for step in all_steps)
        raise ValueError(f"only: {only!r} is not allowed; it must be one of {numbers}")
    return chosen


def _check_needs(step: Step, now: Mapping[str, State]) -> None:
    for number in step.needs:
        if now[number].why:
            needed = now[number]
            raise ChainError(f"{step.name} needs {needed.step.name}, which is not up to date: {needed.why}")


def expected_seconds(now: State, profile: str | Path = "demo", changes: Mapping | None = None) -> float | None:
    """Seconds that a step will take, by its last run or the notebook (demo); None if unknown."""
    if now.record.get("state") == "done":
        return now.record["seconds"]
    return now.step.seconds if str(profile) == "demo" and not changes else None


def _remove(output: Path) -> None:
    """Remove what earlier runs made, the parameters last: without them, nothing would be removed again."""
    for name in reversed(_OURS):
        path = output / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _execute(step: Step, values: Mapping, output: Path, all_steps: list[Step]) -> None:
    """Execute one notebook and write down what it was made from and what it made."""
    for name in ("notebooks", "data", "figures"):
        (output / name).mkdir(exist_ok=True)
    records = {s.number: _record(output, s) for s in all_steps}
    record = {
        "name": step.name,
        "page": step.page,
        "code": provenance.code_version(),
        "parameters": _own(step, values),
        "inputs": _inputs(step, records),
        "made": records[step.number].get("made", {}),
        "started": _now(),
        **provenance.provenance(),
    }
    place = output / "chain" / f"{step.number}.json"
    write_json(place, {**record, "state": "running"})
    start = time.monotonic()
    try:
        places = {"data_dir": "../data", "figure_dir": "../figures"}
        own = {name: {**values, **places}[name] for name in step.defaults}
        cells = execute(step.path, _executed(output, step), own)
    except KeyboardInterrupt:
        raise  # what is left "running" without a run is "interrupted"
    except BaseException as error:
        seconds = time.monotonic() - start
        write_json(place, {**record, "state": "failed", "error": str(error), "seconds": seconds})
        raise
    record |= {"seconds": time.monotonic() - start, "finished": _now(), "verdict": verdict(cells)}
    write_json(place, {**record, "made": _made(output, step, all_steps), "state": "done"})


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def figures(record: Mapping) -> list[str]:
    """Figures that a step made, relative to the output folder."""
    return [relative for relative in record.get("made", {}) if relative.startswith("figures/")]


def progress(now: State, output: Path) -> str:
    """Say how a step stands in one word: done, stale, missing, failed, running or interrupted."""
    word = now.record.get("state", "missing")
    if word == "running":
        return "running" if is_locked(output) else "interrupted"
    if word == "done":
        return "stale" if now.why else "done"
    return word


def verify(folder: str | Path) -> dict[Path, str]:
    """Check a folder as `sample_files.verify` does, and everything that steps of the chain recorded in it.

    Returns
    -------
    dict
        Every file that was checked, with "" if it is whole, else what is wrong.
    """
    folder = Path(folder)
    found = sample_files.verify(folder)
    for place in sorted(folder.rglob("chain/[0-9][0-9].json")):
        if not found[place]:
            found |= _verify_record(place, found)
    return dict(sorted(found.items()))


def _verify_record(place: Path, found: Mapping[Path, str]) -> dict[Path, str]:
    """Compare the files of one step with what it wrote."""
    output, record = place.parent.parent, read_json(place)
    checked = {}
    for relative, written in record.get("made", {}).items():
        path = output / relative
        there = _contents(path)
        if not path.is_file():
            checked[path] = f"{path}: missing; {record['name']} made it"
        elif found.get(path):
            checked[path] = found[path]
        elif any(there.get(name) != total for name, total in written.items()):
            checked[path] = f"{path}: not as {record['name']} made it"
        else:
            checked[path] = ""
    return checked
