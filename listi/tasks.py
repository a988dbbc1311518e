"""The one door to dask: independent tasks, run locally or on a cluster, results in the order of the items."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import dask
from tqdm.dask import TqdmCallback


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    scheduler: str | None = None,
    workers: int | None = None,
    processes: bool = False,
    label: str | None = None,
) -> list[Any]:
    """Apply `function` to every item as one dask task each.

    Parameters
    ----------
    function : callable
        Called with one item; importable by name where processes or a cluster run it.
    items : sequence
        What to work on. Tasks share nothing and are never combined, so the results do not depend on how many
        workers there are.
    scheduler : str, optional
        Address of a `dask.distributed` scheduler ("tcp://host:port"); local without one.
    workers : int, optional
        Number of local workers; all cores by default.
    processes : bool
        Use local processes instead of threads, for functions that hold the interpreter lock.
    label : str, optional
        Said in front of the progress bar (with the time left), which shows only on a terminal.

    Returns
    -------
    list
        One result an item, in order.

    Raises
    ------
    ValueError
        If `workers` is not a positive whole number or `scheduler` is not an address.
    """
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers: {workers!r} is not a whole number > 0")
    if scheduler is not None and "://" not in scheduler:
        raise ValueError(f"scheduler: {scheduler!r} is not an address like tcp://host:8786")
    tasks = [dask.delayed(function, pure=False)(item) for item in items]
    if scheduler is not None:
        from distributed import Client  # an optional dependency, needed on clusters only

        with Client(scheduler) as client:
            return client.gather(client.compute(tasks))
    local = "processes" if processes else "threads"
    with TqdmCallback(desc=label, disable=not sys.stderr.isatty(), file=sys.stderr):
        return list(dask.compute(*tasks, scheduler=local, num_workers=workers or cores()))
