"""Run independent tasks by dask, locally or on a cluster; results are in the order of the items."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import dask
from dask.callbacks import Callback
from dask.system import cpu_count

from .progress import progress

if TYPE_CHECKING:
    from distributed import Client

TIMEOUT = 10.0  # s, in which a scheduler must answer
_KILLED = "{} killed, perhaps because memory ran out; use fewer workers, and start again to go on"


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
        What to work on. Tasks share nothing and are never combined, so the results do not depend on
        how many workers there are.
    scheduler : str, optional
        Address of a `dask.distributed` scheduler ("tcp://host:port"), such as the
        `scheduler_address` of a dask-jobqueue cluster; local without one. Its workers need the same
        environment and, where tasks write files, the same file system. Tasks wait until there are
        workers; those of a worker that dies are done again.
    workers : int, optional
        Number of local workers; by default, all cores that this process may use.
    processes : bool
        Use local processes instead of threads, for functions that hold the interpreter lock.
    label : str, optional
        Text in front of the progress bar.

    Returns
    -------
    list
        One result an item, in order.

    Raises
    ------
    ValueError
        If `workers` is not a positive whole number or `scheduler` is not an address.
    ConnectionError
        If the scheduler does not answer or goes away, or worker processes are killed, as when memory runs out.
    """
    if workers is not None and (not isinstance(workers, Integral) or isinstance(workers, bool) or workers < 1):
        raise ValueError(f"workers: {workers!r} is not a whole number > 0, or None for all cores")
    if scheduler is not None and not (isinstance(scheduler, str) and "://" in scheduler):
        raise ValueError(
            f"scheduler: {scheduler!r} is not an address like tcp://host:8786; that of a cluster is its "
            "scheduler_address, that of a client client.scheduler.address"
        )
    if scheduler is not None:
        return _run_on_cluster(function, items, scheduler, label)
    workers = int(workers or cpu_count())
    tasks = [dask.delayed(function, pure=False)(item) for item in items]
    with progress(label, len(tasks)) as bar, Callback(posttask=lambda *_: bar.update()):
        if processes:  # one task at a time: by default dask hands out six, and others idle at the end
            local = {"scheduler": "processes", "chunksize": 1, "initializer": end_with_parent}
            try:
                return list(dask.compute(*tasks, num_workers=workers, **local))
            except BrokenProcessPool as error:
                raise ConnectionError(f"workers: {_KILLED.format('a process was')}") from error
        with ThreadPoolExecutor(workers) as pool:  # threads that dask keeps would be missing in a forked process
            return list(dask.compute(*tasks, scheduler="threads", pool=pool))


def end_with_parent() -> None:
    """Let this worker process end as soon as the one that started it has, however that ended."""

    def wait(parent) -> None:
        parent.join()
        os._exit(1)

    parent = multiprocessing.parent_process()
    threading.Thread(target=wait, args=(parent,), daemon=True).start()


def _run_on_cluster(function: Callable, items: Sequence, address: str, label: str | None) -> list:
    from distributed import KilledWorker, as_completed  # an optional dependency, needed on clusters only

    with _client(address) as client:
        own = partial(_on_worker, function)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
            futures = client.map(own, items, pure=False)
        place = {future.key: number for number, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        with progress(label, len(futures)) as bar:
            try:
                for future, result in as_completed(futures, client.loop, with_results=True):
                    if isinstance(result, CancelledError):  # the scheduler has forgotten us
                        raise ConnectionError(f"scheduler: {address} went away; start again to go on")
                    results[place[future.key]] = result
                    future.release()  # the result is here: no later death of its worker matters
                    bar.update()
            except KilledWorker as error:  # each worker that was given one of the tasks
                raise ConnectionError(f"scheduler: {_KILLED.format(f'workers of {address} were')}") from error
    return results


def _on_worker(function: Callable, item: Any) -> Any:
    """Call the function where tasks of its own, and xarray's locks on files, stay on the worker.

    The setting is permanent, as leaving a `with` would undo it for the other threads of the worker too.
    """
    dask.config.set(scheduler="threads")
    return function(item)


def _client(address: str) -> Client:
    """Connect to a scheduler; each call connects anew, in about 20 ms, so that no connection is ever outdated."""
    from distributed import Client

    try:
        return Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"scheduler: {address} does not answer within {TIMEOUT:g} s; is it running?") from error
