"""The one way to dask: independent tasks, locally or on a cluster, results in the items' order."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
from dask.callbacks import Callback
from tqdm import tqdm

if TYPE_CHECKING:
    from distributed import Client, Future

PATIENCE = 10.0  # seconds in which a scheduler must answer
_OFTEN = 10_000_000  # bytes of copies of an array in all items from which it is sent once


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
        What to work on. Tasks share nothing and are never combined, so the results do not depend on
        how many workers there are. Large arrays that many items (tuples) share are sent to a cluster
        once.
    scheduler : str, optional
        Address of a `dask.distributed` scheduler ("tcp://host:port"), such as the
        `scheduler_address` of a dask-jobqueue cluster; local without one. Its workers need the same
        environment and, where tasks write files, the same file system. Tasks wait until there are
        workers; those of a worker that dies are done again.
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
    ConnectionError
        If the scheduler does not answer or goes away.
    """
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ValueError(f"workers: {workers!r} is not a whole number > 0")
    if scheduler is not None and "://" not in scheduler:
        raise ValueError(f"scheduler: {scheduler!r} is not an address like tcp://host:8786")
    shown = {"desc": label, "disable": not sys.stderr.isatty(), "file": sys.stderr}
    if scheduler is not None:
        return _run_on_cluster(function, items, scheduler, shown)
    tasks = [dask.delayed(function, pure=False)(item) for item in items]
    local: dict[str, Any] = {"scheduler": "threads"}
    if processes:  # one task at a time: by default dask hands out six, and others idle at the end
        local = {"scheduler": "processes", "chunksize": 1, "initializer": end_with_parent}
    with tqdm(total=len(tasks), **shown) as bar, Callback(posttask=lambda *_: bar.update()):
        return list(dask.compute(*tasks, num_workers=workers or cores(), **local))


def end_with_parent() -> None:
    """Let this worker process end as soon as the one that started it has, however that ended."""

    def wait(parent) -> None:
        parent.join()
        os._exit(1)

    parent = multiprocessing.parent_process()
    threading.Thread(target=wait, args=(parent,), daemon=True).start()


def _run_on_cluster(function: Callable, items: Sequence, address: str, shown: dict) -> list:
    from distributed import as_completed  # an optional dependency, needed on clusters only

    with _client(address) as client:
        own = partial(_on_worker, function)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
            futures = client.map(own, _shared_once(client, items), pure=False)
        place = {future.key: number for number, future in enumerate(futures)}
        results: list[Any] = [None] * len(futures)
        with tqdm(total=len(futures), **shown) as bar:
            for future, result in as_completed(futures, client.loop, with_results=True):
                if isinstance(result, CancelledError):  # the scheduler has forgotten us
                    raise ConnectionError(f"scheduler: {address} went away; start again to go on")
                results[place[future.key]] = result
                future.release()  # the result is here: no later death of its worker matters
                bar.update()
    return results


def _on_worker(function: Callable, item: Any) -> Any:
    """Call the function where tasks of its own, and xarray's locks on files, stay on the worker.

    Set for good: the end of a `with` would end it for the other threads of the worker too.
    """
    dask.config.set(scheduler="threads")
    return function(item)


def _client(address: str) -> Client:
    """Connect to a scheduler; a new connection takes about 20 ms, and none grows stale."""
    from distributed import Client

    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"scheduler: {address} does not answer within {PATIENCE:g} s; is it running?") from error


def _shared_once(client: Client, items: Sequence) -> list:
    """The items with one copy on the cluster in place of each array that they would hold too often.

    The copy is a task itself: a worker that dies with it costs sending it again. Small arrays go with each item, as
    the scheduler hands tasks that share a copy to the worker that has it, and a few would not reach the others.
    """
    held = [part for item in items if isinstance(item, tuple) for part in item if isinstance(part, np.ndarray)]
    arrays = {id(part): part for part in held}
    counts = Counter(id(part) for part in held)
    sent: dict[int, Future] = {
        key: client.submit(np.asarray, array, pure=False)
        for key, array in arrays.items()
        if counts[key] > 1 and counts[key] * array.nbytes > _OFTEN
    }
    return [tuple(sent.get(id(part), part) for part in item) if isinstance(item, tuple) else item for item in items]
