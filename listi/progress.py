"""Progress bars: on a terminal from the start, in a notebook for work of more than two seconds, elsewhere none."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without ipywidgets, bars in notebooks are of text
    from tqdm.auto import tqdm

DELAY = 2.0  # s, after which a bar appears in a notebook


def progress(label: str | None, total: int | None = None, **how: Any) -> tqdm:
    """Return a bar for a `with` statement; its `update()` moves it, and it is removed in the end.

    Only the main thread of the first process shows bars. `TQDM_DISABLE=1` in the environment turns them off.

    Parameters
    ----------
    label : str or None
        Text in front of the bar.
    total : int, optional
        Number of updates; unknown if not given.
    **how
        Other arguments of tqdm.
    """
    is_main = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    is_notebook = type(sys.stderr).__module__ == "ipykernel.iostream"
    if not is_main or not (is_notebook or (sys.stderr is not None and sys.stderr.isatty())):
        how["disable"] = True
    return tqdm(desc=label, total=total, leave=False, delay=DELAY if is_notebook else 0.0, **how)
