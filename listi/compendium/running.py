"""Execute the steps of the chain that are not up to date, those that do not need one another at the same time."""

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

from ..files import locked, remove_unfinished, write_json
from . import chain, provenance
from .chain import State, record_file, record_of
from .notebooks import ChainError, Step, execute, steps, stop, verdict
from .profiles import resolve

MAX_RUNNING = 4  # notebooks at the same time, also where there are more cores: a notebook takes up to 2 GB


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
    output = chain.output_folder(profile, output)
    fresh_start = fresh and only is None
    if (
        fresh_start
        and not (output / chain.PARAMETERS).is_file()
        and any((output / name).exists() for name in chain.OURS)
    ):
        raise ChainError(f"{output}: has no {chain.PARAMETERS}, so listi run did not make it; remove it by hand")
    with locked(output):
        remove_unfinished(output)
        if fresh_start:
            _remove(output)
        before = chain.state(all_steps, values, output)
        _check_needs(chosen, before)
        for name in ("notebooks", "data", "figures"):
            (output / name).mkdir(exist_ok=True)
        write_json(output / chain.PARAMETERS, {"profile": str(profile), "parameters": values})
        _mark_interrupted(output, before)
        job = _Job(all_steps, values, output, "--fresh" if fresh else "", watch or Watch())
        job.execute(chosen, expected_seconds(before, profile, changes))
        return chain.state(all_steps, values, output)


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
    others = {current.step.number: current for current in states if current.why and current.step.number not in numbers}
    for step in chosen:
        for number in step.needs:
            if number in others:
                needed = others[number]
                raise ChainError(f"{step.name} needs {needed.step.name}, which is not up to date: {needed.why}")


def _remove(output: Path) -> None:
    """Remove what earlier runs made, the parameters last: without them, nothing would be removed again."""
    for name in reversed(chain.OURS):
        path = output / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _mark_interrupted(output: Path, states: list[State]) -> None:
    """Correct the records of steps that an earlier run was executing when it was killed."""
    for current in states:
        if current.record.get("state") == "running":
            write_json(record_file(output, current.step), {**current.record, "state": "interrupted"})


def expected_seconds(
    states: list[State], profile: str | Path = "demo", changes: Mapping | None = None
) -> dict[str, float | None]:
    """Return the seconds that each step will take, from its last run or from the notebook (demo); None if unknown."""
    known = str(profile) == "demo" and not changes
    return {
        current.step.number: current.record["seconds"]
        if current.record.get("state") == "done"
        else current.step.seconds
        if known
        else None
        for current in states
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
        current = next(
            current for current in chain.state(self.all_steps, self.values, self.output) if current.step is step
        )
        if not (why := current.why or self.reason):
            return False
        records = {other.number: record_of(self.output, other) for other in self.all_steps}
        record = {
            "name": step.name,
            "page": step.page,
            "parameters": chain.own_parameters(step, self.values),
            "inputs": chain.inputs_of(step, records),
            "made": current.record.get("made", {}),
            "started": _now(),
            **provenance.provenance(),
        }
        write_json(record_file(self.output, step), {**record, "state": "running"})
        # All cores for the first, half of them for a second, so that there are few more workers than cores.
        workers = self.values["workers"] or max(1, cpu_count() // (len(self.running) + 1))
        own = {**self.values, "data_dir": "../data", "figure_dir": "../figures", "workers": workers}
        own = {name: own[name] for name in step.defaults}
        self.watch.begin(step, why)
        on_cell = functools.partial(self.watch.cell, step)
        future = pool.submit(execute, step.path, chain.executed_file(self.output, step), own, on_cell)
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
                record |= {
                    "code": code,
                    "verdict": verdict(cells),
                    "made": chain.made_by(self.output, step),
                    "state": "done",
                }
            else:
                record |= {"error": str(error), "state": "failed"}
            write_json(record_file(self.output, step), record)
            self.watch.end(step, record)
            ended.append((step, error))
        return ended


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
