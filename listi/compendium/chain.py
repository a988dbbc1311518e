"""The chain of notebooks: what is up to date, running side by side, resuming.

Templates in `notebooks/` are never changed. A run has an output folder with

    parameters.json   the resolved parameters
    notebooks/        the executed notebooks
    data/, figures/   what they made
    chain/NN.json     what each step was made from and what it made

A step is up to date if its notebook, the modules of this package that it imports, its parameters and the data of the
steps it needs are what they were, and all that it made is still there as it was. Contents are compared, not dates.

General tools (doit, pytask, snakemake) compare whole files and allow one step per file. Here three steps add groups to
the same sample files, so variables are compared; the order and what may run at the same time come from `graphlib`.
"""

from __future__ import annotations

import datetime
import functools
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from dask.system import cpu_count

from ..files import (
    PACKAGE,
    DataError,
    checksum,
    files_in,
    is_locked,
    locked,
    read_json,
    remove_unfinished,
    sha256,
    write_json,
)
from . import netcdf, parameters, provenance, sample_files
from .notebooks import ChainError, Step, execute, root, steps, stop, verdict
from .profiles import resolve

RESULTS = "results"
PARAMETERS = "parameters.json"
MAX_RUNNING = 4  # notebooks at the same time, also where there are more cores: a notebook takes up to 2 GB
_OURS = (PARAMETERS, "chain", "notebooks", "data", "figures")  # what a run makes


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
    """Return the state of every step for these parameters."""
    records = {step.number: _record(output, step) for step in all_steps}
    states: dict[str, State] = {}
    for step in all_steps:
        record = records[step.number]
        why = _why(step, values, output, record, records)
        outdated = [number for number in step.needs if states[number].why]
        if not why and outdated:
            why = f"needs {outdated[0]}, which is not up to date"
        states[step.number] = State(step, why, record)
    return list(states.values())


def _record(output: Path, step: Step) -> dict:
    """Record of a step's last run; empty if there is none or it is damaged."""
    try:
        return read_json(output / "chain" / f"{step.number}.json")
    except DataError:
        return {}


def _why(step: Step, values: Mapping, output: Path, record: dict, records: dict) -> str:
    """Why a step must run; "" if it is up to date."""
    if record.get("state") != "done":
        return {"failed": "failed", "running": "was interrupted", "interrupted": "was interrupted"}.get(
            record.get("state"), "not run"
        )
    if record["name"] != step.name or record["page"] != step.page:
        return "notebook changed"
    for source, written in record["code"].items():
        if _contents(PACKAGE.parent / source).get("") != written:
            return f"{source} changed"
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


def _made(output: Path, step: Step) -> dict[str, dict[str, str]]:
    """Contents of those files of the output folder that this step makes."""
    made = {}
    for path in [*files_in(output / "data"), *files_in(output / "figures"), _executed(output, step)]:
        relative = path.relative_to(output).as_posix()
        sums = {
            name: total
            for name, total in _contents(path).items()
            if step.is_made_here(f"{relative}/{name}".rstrip("/"))
        }
        if sums:
            made[relative] = sums
    return made


def _executed(output: Path, step: Step) -> Path:
    return output / "notebooks" / f"{step.name}.ipynb"


class Watch:
    """Is informed of what a run does; this one ignores it."""

    def begin(self, step: Step, why: str) -> None:
        """A step begins, for this reason."""

    def cell(self, step: Step, number: int, count: int) -> None:
        """A cell of the step is executed next; `number` counts from 1. Called from several threads."""

    def end(self, step: Step, record: Mapping) -> None:
        """A step has ended, with this record."""


def run(
    profile: str | Path = "demo",
    changes: Mapping[str, object] | None = None,
    only: str | None = None,
    fresh: bool = False,
    output: str | Path | None = None,
    notebooks: str | Path | None = None,
    watch: Watch | None = None,
) -> list[State]:
    """Execute the notebooks that are not up to date, those that do not need one another at the same time.

    Parameters
    ----------
    profile : str or path
        "demo", "paper" or a YAML file.
    changes : mapping, optional
        Parameters to change, by name.
    only : str, optional
        Number of the only notebook to execute, or of the first and the last, as "00-11".
    fresh : bool
        Start over: remove what earlier runs made (with `only`: execute even if up to date).
    output : path, optional
        Output folder, `results/<profile>` by default.
    notebooks : path, optional
        Folder of the templates.
    watch : Watch, optional
        Is informed when steps and their cells begin and end.

    Returns
    -------
    list of State
        One per step, `record` filled in.

    Raises
    ------
    ValueError
        If a parameter is refused; nothing has been done then.
    ChainError
        If a notebook fails (notebooks that are running then are executed to their end), or one of `only` needs another
        that is not up to date.
    DataError
        If another run holds the output folder, or it cannot be written.
    """
    values = resolve(profile, changes)
    all_steps = steps(notebooks and Path(notebooks))
    chosen = choose(all_steps, only)
    output = output_folder(profile, output)
    fresh_start = fresh and only is None
    if fresh_start and not (output / PARAMETERS).is_file() and any((output / name).exists() for name in _OURS):
        raise ChainError(f"{output}: has no {PARAMETERS}, so listi run did not make it; remove it by hand")
    with locked(output):
        remove_unfinished(output)
        if fresh_start:
            _remove(output)
        before = state(all_steps, values, output)
        _check_needs(chosen, before)
        for name in ("notebooks", "data", "figures"):
            (output / name).mkdir(exist_ok=True)
        write_json(output / PARAMETERS, {"profile": str(profile), "parameters": values})
        _mark_interrupted(output, before)
        job = _Job(all_steps, values, output, "--fresh" if fresh else "", watch or Watch())
        job.execute(chosen, expected_seconds(before, profile, changes))
        return state(all_steps, values, output)


def choose(all_steps: list[Step], only: str | None) -> list[Step]:
    """Return the steps that `only` names, a number or a range of numbers; all of them if it is None.

    Raises
    ------
    ValueError
        If there is no such step.
    """
    if only is None:
        return all_steps
    numbers = [step.number for step in all_steps]
    first, dash, last = (text.strip() for text in str(only).partition("-"))
    first, last = first.zfill(2), (last if dash else first).zfill(2)
    if first not in numbers or last not in numbers or last < first:
        raise ValueError(
            f"only: {only!r} is not allowed; it must be one of {', '.join(numbers)},"
            f" or a range such as {numbers[0]}-{numbers[-1]}"
        )
    return [step for step in all_steps if first <= step.number <= last]


def _check_needs(chosen: list[Step], states: list[State]) -> None:
    """Refuse steps that need one which is neither up to date nor chosen."""
    numbers = {step.number for step in chosen}
    others = {now.step.number: now for now in states if now.why and now.step.number not in numbers}
    for step in chosen:
        for number in step.needs:
            if number in others:
                needed = others[number]
                raise ChainError(f"{step.name} needs {needed.step.name}, which is not up to date: {needed.why}")


def _remove(output: Path) -> None:
    """Remove what earlier runs made, the parameters last: without them, nothing would be removed again."""
    for name in reversed(_OURS):
        path = output / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _mark_interrupted(output: Path, states: list[State]) -> None:
    """Correct the records of steps that an earlier run was executing when it was killed."""
    for now in states:
        if now.record.get("state") == "running":
            write_json(_place(output, now.step), {**now.record, "state": "interrupted"})


def _place(output: Path, step: Step) -> Path:
    return output / "chain" / f"{step.number}.json"


def expected_seconds(
    states: list[State], profile: str | Path = "demo", changes: Mapping | None = None
) -> dict[str, float | None]:
    """Return the seconds that each step will take, from its last run or from the notebook (demo); None if unknown."""
    known = str(profile) == "demo" and not changes
    return {
        now.step.number: now.record["seconds"]
        if now.record.get("state") == "done"
        else now.step.seconds
        if known
        else None
        for now in states
    }


def time_left(all_steps: list[Step], seconds: Mapping[str, float]) -> float:
    """Estimate how long steps take that run side by side [s].

    Parameters
    ----------
    all_steps : list of Step
        In order.
    seconds : mapping
        What is left of each step that has not ended, by its number.
    """
    longest = max(_to_the_end(all_steps, seconds).values(), default=0.0)
    return max(longest, sum(seconds.values()) / min(cpu_count(), MAX_RUNNING))


def _to_the_end(all_steps: list[Step], seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the beginning of each step to the end of the last that needs it, directly or not."""
    times: dict[str, float] = {}
    for step in reversed(all_steps):
        after = [times[other.number] for other in all_steps if step.number in other.needs]
        times[step.number] = (seconds.get(step.number) or 0.0) + max(after, default=0.0)
    return times


@dataclass
class _Job:
    """Executes steps, each as soon as those that it needs have ended."""

    all_steps: list[Step]
    values: Mapping
    output: Path
    reason: str  # to execute a step that is up to date
    watch: Watch
    running: dict[Future, tuple[Step, dict, float]] = field(default_factory=dict)

    def execute(self, chosen: list[Step], seconds: Mapping[str, float | None]) -> None:
        """Execute these steps; after a failure, only those that are running are executed to their end."""
        named = {step.number: step for step in chosen}
        order = TopologicalSorter({step.number: [n for n in step.needs if n in named] for step in chosen})
        order.prepare()
        urgency = _to_the_end(self.all_steps, seconds)
        ready: list[str] = []
        errors: list[BaseException] = []
        most = min(cpu_count(), MAX_RUNNING)
        with ThreadPoolExecutor(most) as pool:
            try:
                while self.running or (order.is_active() and not errors):
                    ready = sorted([*ready, *order.get_ready()], key=lambda number: -urgency[number])
                    while ready and len(self.running) < most and not errors:
                        number = ready.pop(0)
                        if not self._begin(named[number], pool):
                            order.done(number)
                            break  # others may be ready, and more urgent
                    else:
                        for step, error in self._ended():
                            order.done(step.number)
                            errors += [error] if error else []
            except BaseException:
                while self.running and wait(self.running, timeout=0.2).not_done:
                    stop()
                raise
        if errors:
            raise errors[0]

    def _begin(self, step: Step, pool: ThreadPoolExecutor) -> bool:
        """Begin to execute a step if it is not up to date; return whether it was begun."""
        now = next(now for now in state(self.all_steps, self.values, self.output) if now.step is step)
        if not (why := now.why or self.reason):
            return False
        records = {other.number: _record(self.output, other) for other in self.all_steps}
        record = {
            "name": step.name,
            "page": step.page,
            "parameters": _own(step, self.values),
            "inputs": _inputs(step, records),
            "made": now.record.get("made", {}),
            "started": _now(),
            **provenance.provenance(),
        }
        write_json(_place(self.output, step), {**record, "state": "running"})
        # All cores for the first, half of them for a second, so that there are few more workers than cores.
        workers = self.values["workers"] or max(1, cpu_count() // (len(self.running) + 1))
        own = {**self.values, "data_dir": "../data", "figure_dir": "../figures", "workers": workers}
        own = {name: own[name] for name in step.defaults}
        self.watch.begin(step, why)
        on_cell = functools.partial(self.watch.cell, step)
        future = pool.submit(execute, step.path, _executed(self.output, step), own, on_cell)
        self.running[future] = step, record, time.monotonic()
        return True

    def _ended(self) -> list[tuple[Step, BaseException | None]]:
        """Wait for steps to end and record what they made."""
        ended = []
        for future in wait(self.running, return_when=FIRST_COMPLETED).done:
            step, record, begin = self.running.pop(future)
            record |= {"seconds": time.monotonic() - begin, "finished": _now()}
            error = future.exception()
            if error is None:
                cells, code = future.result()
                record |= {"code": code, "verdict": verdict(cells), "made": _made(self.output, step), "state": "done"}
            else:
                record |= {"error": str(error), "state": "failed"}
            write_json(_place(self.output, step), record)
            self.watch.end(step, record)
            ended.append((step, error))
        return ended


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def figures(record: Mapping) -> list[str]:
    """Figures that a step made, relative to the output folder."""
    return [relative for relative in record.get("made", {}) if relative.startswith("figures/")]


def progress(now: State, output: Path) -> str:
    """State of a step in one word: done, stale, missing, failed, running or interrupted."""
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
    if not found:
        raise DataError(f"{folder}: holds no files that can be verified")
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
