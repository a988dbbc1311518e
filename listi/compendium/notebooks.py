"""Notebooks: read as steps of the chain, executed through papermill, templates untouched."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..files import PACKAGE, checksum, repository, sha256, write_bytes
from . import parameters

PATTERN = "[0-9][0-9]_*.ipynb"
_SAVED_FIGURE = re.compile(r'figure_dir, "(\w+)"')  # as in figures.save(figure, figure_dir, "fig1")


class ChainError(Exception):
    """A step that failed or cannot run, with notebook, cell and error."""


@dataclass(frozen=True)
class Step:
    """One notebook of the chain.

    Attributes
    ----------
    number, name : str
        "03" and "03_local_probing".
    path : Path
        The template.
    defaults : dict
        Names and defaults of its parameters cell.
    needs : tuple of str
        Numbers of the steps whose data it reads (`metadata.listi.needs` of the notebook).
    makes : tuple of str
        Patterns of what it makes in the output folder: itself executed, the figures that its cells save, and the data
        in `metadata.listi.makes`. In a NetCDF file they name variables, as "data/samples/*.nc/shear/*" does.
    seconds : float or None
        How long it takes at the demo profile (`metadata.listi.seconds`).
    page : str
        Sum over the sources of all its cells.
    """

    number: str
    name: str
    path: Path
    defaults: dict
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    seconds: float | None
    page: str

    def is_made_here(self, name: str) -> bool:
        """Whether this step makes the file, or the variable of a NetCDF file, of this name in the output folder."""
        return any(fnmatchcase(name, pattern) for pattern in self.makes)


def root() -> Path:
    """Return the checkout, which has `notebooks/`; errors as `listi.files.repository`."""
    return repository()


def steps(folder: Path | None = None) -> list[Step]:
    """Return the notebooks of a folder in order, each read and its parameters checked.

    Raises
    ------
    ChainError
        If a notebook cannot be read or its parameters cell disagrees with `listi.compendium.parameters`.
    """
    folder = root() / "notebooks" if folder is None else Path(folder)
    earlier: dict[str, Step] = {}
    for path in sorted(folder.glob(PATTERN)):
        try:
            earlier[path.name[:2]] = _step(path, earlier)
        except (ValueError, SyntaxError, KeyError, TypeError) as error:
            raise ChainError(f"{path.name}: {error}") from error
    return list(earlier.values())


def _step(path: Path, earlier: Mapping[str, Step]) -> Step:
    metadata = json.loads(path.read_text("utf-8"))["metadata"].get("listi", {})
    cells = read_cells(path)
    sources = [source for _, source, _ in cells]
    figures = [f"figures/{name}.*" for source in sources for name in _SAVED_FIGURE.findall(source)]
    data = [f"data/{pattern}" for pattern in metadata.get("makes", ())]
    return Step(
        number=path.name[:2],
        name=path.stem,
        path=path,
        defaults=parameters.read_cell("\n".join(source for _, source, tags in cells if "parameters" in tags)),
        needs=_checked_needs(metadata, earlier),
        makes=(f"notebooks/{path.name}", *figures, *data),
        seconds=metadata.get("seconds"),
        page=checksum(sources),
    )


def _checked_needs(metadata: Mapping, earlier: Mapping[str, Step]) -> tuple[str, ...]:
    """Return the needs of a notebook; all must be earlier steps that make data."""
    if "needs" not in metadata:
        raise ValueError("metadata.listi.needs is missing; it lists the steps whose data the notebook reads")
    needs = tuple(metadata["needs"])
    if not set(needs) <= set(earlier):
        raise ValueError(f"needs {', '.join(needs)}; allowed are earlier steps: {', '.join(earlier)}")
    for number in needs:
        if not any(pattern.startswith("data/") for pattern in earlier[number].makes):
            raise ValueError(f"needs {number}, which makes no data; is its metadata.listi.makes missing?")
    return needs


def read_cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """Return type, source and tags of every cell of a notebook (nbformat takes 2 s to import)."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]


# Executed after the last cell: the modules of this package that the notebook has imported, directly or not.
_IMPORTED = """
import sys
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").partition(".")[0] == "listi" and getattr(module, "__file__", None):
        print(module.__file__)
"""
_running: set = set()  # clients of notebooks that are being executed


def execute(
    template: Path,
    executed: Path,
    values: Mapping[str, object],
    on_cell: Callable[[int, int], object] = lambda number, count: None,
) -> tuple[list, dict[str, str]]:
    """Execute a notebook in the folder of the executed one.

    Parameters
    ----------
    template, executed : Path
        The notebook, and the file to write. If a cell fails, it is written with the error.
    values : mapping
        Values for its parameters cell.
    on_cell : callable
        Called with the number of each cell, from 1, and the number of cells before the cell is executed.

    Returns
    -------
    cells : list
        Cells of the executed notebook.
    code : dict
        SHA-256 of each source file of this package that the notebook imported, by its path as in "listi/files.py".

    Raises
    ------
    ChainError
        Naming the notebook, the cell and the error.
    """
    import nbformat  # these take seconds to import
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import raise_for_execution_errors
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    papermill_engines.register("listi", _engine())
    imported = nbformat.v4.new_code_cell(_IMPORTED, metadata={"tags": [], "papermill": {}})
    notebook = load_notebook_node(str(template))
    sources = [cell.source for cell in notebook.cells]
    notebook.cells.append(imported)
    try:
        notebook = parameterize_notebook(notebook, dict(values), kernel_name="python3", language="python")
        imported, started = notebook.cells[-1], []

        def begin(cell, cell_index: int) -> None:
            started.append(cell)
            if cell is not imported:
                on_cell(cell_index + 1, len(notebook.cells) - 1)

        more = {"folder": executed.parent, "begin": begin, "progress_bar": False}
        papermill_engines.execute_notebook_with_engine("listi", notebook, "python3", **more)
        notebook.cells.remove(imported)
        write_bytes(executed, nbformat.writes(notebook).encode())
        raise_for_execution_errors(notebook, None)
    except PapermillExecutionError as error:
        number = sources.index(error.source) + 1 if error.source in sources else "of parameters"
        where = f"{template.name}, cell {number} (In [{error.exec_count}])"
        raise ChainError(f"{where}: {error.ename}: {error.evalue}") from error
    except Exception as error:  # the kernel died or did not start
        raise ChainError(f"{template.name}: {error}") from error
    files = "".join(output.text for output in imported.outputs).splitlines()
    code = {Path(file).relative_to(PACKAGE.parent).as_posix(): sha256(file) for file in sorted(set(files))}
    return notebook.cells, code


@functools.cache
def _engine() -> type:
    """Return the engine that papermill runs notebooks by: several at a time, each in a kernel of this environment."""
    from jupyter_client.kernelspec import KernelSpecManager
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine

    class _Client(PapermillNotebookClient):
        def execute(self, **how):  # papermill's asks the kernel for its language in the end, also one that was killed
            self.reset_execution_trackers()
            with self.setup_kernel(**how):
                self.papermill_execute_cells()

    class _SideBySide(Engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, folder=None, begin=None, **_):
            client = _Client(
                nb_man,
                kernel_name=kernel_name,
                resources={"metadata": {"path": str(folder)}},  # papermill's `cwd` is that of the whole process
                extra_arguments=["--log-level=CRITICAL"],  # a kernel that is shut down is no error
                startup_timeout=600,
                iopub_timeout=600,  # where outputs come late, the machine is busy
                on_cell_start=begin,
                shutdown_kernel="immediate",  # after the last cell nothing is left to be done
            )
            with tempfile.TemporaryDirectory(prefix="listi-") as sockets:  # a short path, as sockets want it
                manager = client.create_kernel_manager()
                manager.transport = "ipc"  # closed to other users
                manager.connection_file = os.path.join(sockets, "kernel.json")
                manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[])  # no python3 but this one
                _running.add(client)
                try:
                    client.execute(env=_environment())
                finally:
                    _running.remove(client)

    return _SideBySide


def _environment() -> dict[str, str]:
    """Variables of a kernel: this package; TensorFlow quiet, on one core as other notebooks run meanwhile; no bars."""
    tensorflow = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    return {**tensorflow, **os.environ, "PYTHONPATH": path, "TQDM_DISABLE": "1"}


def stop() -> None:
    """Kill the kernels of all notebooks that this process is executing; `execute` then raises ChainError."""
    for client in list(_running):
        with contextlib.suppress(AttributeError, OSError):  # the kernel has not started yet, or has ended
            os.kill(client.km.provisioner.pid, signal.SIGKILL)


def verdict(cells: list) -> str:
    """Return what the tagged last cell printed after "verdict:"; empty if it says nothing."""
    tagged = [c for c in cells if "nbval-check-output" in c.metadata.get("tags", [])]
    texts = [out.get("text", "") for cell in tagged[-1:] for out in cell.outputs]
    found = re.search(r"^verdict:\s*(.*)$", "".join(texts), re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip() if found else ""
