"""Plain files: where those that ship are, written whole or not at all, checksums, and a lock on a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

SUMS = "SHA256SUMS"
CRATE = "ro-crate-metadata.json"  # what archives read; its name and content are theirs, SUMS has its checksum
LOCK = ".lock"
_UNFINISHED = ".part"
PACKAGE = Path(__file__).parent


class DataError(ValueError):
    """A file that is missing, damaged, not what it should be, or cannot be written."""


def repository() -> Path:
    """Return the checkout that one works in, the folder that holds `data/paper`.

    It is the working folder or the nearest one above it; failing that, the one that the package lies in.

    Raises
    ------
    DataError
        If none of them holds `data/paper`.
    """
    for folder in (Path.cwd(), *Path.cwd().parents, PACKAGE.parent):
        if (folder / "data" / "paper").is_dir():
            return folder
    raise DataError("data/paper: not found here, above here or beside the package; it comes with the repository")


def shipped() -> Path:
    """Return the folder of the data that ship with the repository."""
    return repository() / "data" / "paper"


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is whole or not there.

    Raises
    ------
    DataError
        If the folder or the disk does not take it; what was there before is unchanged.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)  # not there any more if all went well


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written: {error.strerror}; what was there is unchanged")


def remove_unfinished(folder: str | Path, beginning: str = "") -> None:
    """Remove what killed writers of files with that beginning left, while nobody writes these in the folder."""
    for leftover in Path(folder).rglob(f".{beginning}*{_UNFINISHED}"):
        leftover.unlink(missing_ok=True)


def canonical(value: object) -> str:
    """JSON text that is the same for the same values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """What JSON does not know as what it knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def checksum(value: object) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_json(path: str | Path, values: Mapping) -> None:
    """Write a mapping as JSON with a checksum of its content.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    plain = json.loads(canonical(values))
    text = json.dumps({**plain, "checksum": checksum(plain)}, indent=2, ensure_ascii=False)
    write_bytes(path, f"{text}\n".encode())


def read_json(path: str | Path) -> dict:
    """Read what `write_json` wrote.

    Raises
    ------
    DataError
        If the file is missing, cut off, or its content is not what was written.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON, cut off or altered: {error}") from error
    if not isinstance(values, dict) or "checksum" not in values:
        raise DataError(f"{path}: has no checksum: altered, or written by another program")
    if values.pop("checksum") != checksum(values):
        raise DataError(f"{path}: altered since it was written (checksum differs)")
    return values


def check_zip(path: str | Path) -> None:
    """Refuse a zip file, such as a saved model, in which the checksum (CRC-32) of a member is wrong.

    Raises
    ------
    DataError
        If it is missing, cut off or altered.
    """
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except Exception as error:  # whatever zipfile finds wrong
        raise DataError(f"{path}: not a whole zip file: {error}") from error
    if damaged:
        raise DataError(f"{path}: altered since it was written (CRC-32 of {damaged} differs)")


def sha256(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: str | Path) -> list[Path]:
    """All files of a folder and those below, sorted, without hidden ones and lists of sums."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != SUMS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def write_checksums(folder: str | Path) -> None:
    """Write SHA256SUMS over all files of a folder that ships (`sha256sum -c` reads it too)."""
    folder = Path(folder)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files_in(folder)]
    write_bytes(folder / SUMS, "".join(lines).encode())


def update_checksums(folder: str | Path, written: Sequence[Path]) -> None:
    """Replace the lines of files that were just written in a folder's SHA256SUMS, if it has one; all others stay."""
    path = Path(folder) / SUMS
    if path.is_file():
        lines = dict(line.split("  ", 1)[::-1] for line in path.read_text("utf-8").splitlines())
        lines |= {file.relative_to(folder).as_posix(): sha256(file) for file in written}
        write_bytes(path, "".join(f"{lines[name]}  {name}\n" for name in sorted(lines)).encode())


def verify_checksums(folder: Path) -> dict[Path, str]:
    """Compare a folder with its SHA256SUMS: every file listed or there, with what is wrong with it, "" if nothing."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        listed = {folder / name: total for total, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        return {folder / SUMS: f"{folder / SUMS}: cannot be read: {error}"}
    found = {path: f"{path}: not listed in {SUMS}" for path in files_in(folder) if path not in listed}
    for path, total in listed.items():
        if not path.is_file():
            found[path] = f"{path}: missing, but listed in {SUMS}"
        else:
            found[path] = "" if sha256(path) == total else f"{path}: altered since it was written (SHA-256 differs)"
    return found


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold a folder for this process; the lock ends with the process, however that ends.

    Raises
    ------
    DataError
        If another process holds it for more than a second, saying which, or the folder cannot be written.
    """
    path = Path(folder) / LOCK
    lock = FileLock(path, timeout=1.0)  # `is_locked` holds it too, for an instant
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        holder = path.read_text("utf-8").strip() or "another process"
        raise DataError(f"{folder}: in use by {holder}; wait for it, or give another --output") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        lock.release()


def is_locked(folder: str | Path) -> bool:
    """Whether a process holds the folder at the moment; the folder may be read-only."""
    path = Path(folder) / LOCK
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
