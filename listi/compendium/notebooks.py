"""Notebooks: read as steps of the chain, executed through papermill, templates untouched."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import PACKAGE, checksum, repository
from . import parameters

PATTERN = "[0-9][0-9]_*.ipynb"


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
        Numbers of the steps whose data it reads (`metadata.listi.needs` of the notebook; all
        earlier ones if it does not say).
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
    seconds: float | None
    page: str


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
    found: list[Step] = []
    for path in sorted(folder.glob(PATTERN)):
        try:
            found.append(_step(path, tuple(step.number for step in found)))
        except (ValueError, SyntaxError, KeyError, TypeError) as error:
            raise ChainError(f"{path.name}: {error}") from error
    return found


def _step(path: Path, earlier: tuple[str, ...]) -> Step:
    ours = json.loads(path.read_text("utf-8"))["metadata"].get("listi", {})
    needs = tuple(ours.get("needs", earlier))
    if not set(needs) <= set(earlier):
        raise ValueError(f"needs {', '.join(needs)}; allowed are earlier steps: {', '.join(earlier)}")
    cells = read_cells(path)
    own = [source for _, source, tags in cells if "parameters" in tags]
    return Step(
        number=path.name[:2],
        name=path.stem,
        path=path,
        defaults=parameters.read_cell("\n".join(own)),
        needs=needs,
        seconds=ours.get("seconds"),
        page=checksum([source for _, source, _ in cells]),
    )


def read_cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """Return type, source and tags of every cell of a notebook (nbformat takes 2 s to import)."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]


def execute(template: Path, executed: Path, parameters: Mapping[str, object]) -> list:
    """Execute a notebook in the folder of the executed one.

    Parameters
    ----------
    template, executed : Path
        The notebook, and the file to write; up to the error if there is one.
    parameters : mapping
        Values for its parameters cell.

    Returns
    -------
    list
        Cells of the executed notebook.

    Raises
    ------
    ChainError
        Naming the notebook, the cell and the error.
    """
    import papermill  # takes a second to import
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    unfinished = executed.with_name(f".{executed.stem}.unfinished.ipynb")
    try:
        with _environment():
            notebook = papermill.execute_notebook(
                template.absolute(),
                unfinished,
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                config=Config(
                    KernelManager={"transport": "ipc"},  # closed to other users
                    NotebookClient={"extra_arguments": ["--log-level=CRITICAL"]},  # shutting down is no error
                ),
                cwd=executed.parent,
                progress_bar=False,
            )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":  # Ctrl-C in a terminal reaches the kernel, too
            raise KeyboardInterrupt from error
        os.replace(unfinished, executed)
        sources = [source for _, source, _ in read_cells(template)]
        number = sources.index(error.source) + 1 if error.source in sources else "of parameters"
        where = f"{template.name}, cell {number} (In [{error.exec_count}])"
        raise ChainError(f"{where}: {error.ename}: {error.evalue}") from error
    except Exception as error:  # the kernel died or did not start, or the file cannot be written
        raise ChainError(f"{template.name}: {error}") from error
    os.replace(unfinished, executed)
    return notebook.cells


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Variables of the kernel: this environment's python3, this package, quiet TensorFlow."""
    before = dict(os.environ)
    path = [str(PACKAGE.parent), *filter(None, [before.get("PYTHONPATH")])]
    os.environ |= {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": os.pathsep.join(path)}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with tempfile.TemporaryDirectory(prefix="listi-") as sockets:
            os.environ["JUPYTER_RUNTIME_DIR"] = sockets  # short, and on a disk that knows sockets
            yield
    finally:
        os.environ.clear()
        os.environ |= before


def verdict(cells: list) -> str:
    """Return what the tagged last cell printed after "verdict:"; empty if it says nothing."""
    tagged = [c for c in cells if "nbval-check-output" in c.metadata.get("tags", [])]
    texts = [out.get("text", "") for cell in tagged[-1:] for out in cell.outputs]
    found = re.search(r"^verdict:\s*(.*)$", "".join(texts), re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip() if found else ""
