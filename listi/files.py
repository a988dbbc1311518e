"""Plain files: written whole or not at all, with sums that tell changes; and a lock on a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

SUMS = "SHA256SUMS"
LOCK = ".lock"
_UNFINISHED = ".part"


class DataError(ValueError):
    """A file that is missing, damaged, not what it should be, or cannot be written."""


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


def remove_unfinished(folder: str | Path) -> None:
    """Remove what killed writers left under temporary names, while nobody writes in the folder."""
    for leftover in Path(folder).rglob(f".*{_UNFINISHED}"):
        leftover.unlink(missing_ok=True)


def canonical(value: object) -> str:
    """JSON text that is the same for the same values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """What JSON does not know as what it knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def checksum(value: object) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_json(path: str | Path, values: Mapping) -> None:
    """Write a mapping as JSON with the file's name and a checksum at its end.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    plain = json.loads(canonical(values))
    write_bytes(path, _with_checksum({**plain, "file": Path(path).name}).encode())


def _with_checksum(values: dict) -> str:
    total = checksum(values)
    return json.dumps({**values, "checksum": total}, indent=2, ensure_ascii=False) + "\n"


def read_json(path: str | Path) -> dict:
    """Read what `write_json` wrote, without name and checksum.

    Raises
    ------
    DataError
        If the file is missing, has another name, or differs in any byte from what was written.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        values = json.loads(text)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON, cut off or altered: {error}") from error
    if not isinstance(values, dict) or "checksum" not in values:
        raise DataError(f"{path}: has no checksum: altered, or written by another program")
    values.pop("checksum")
    if text != _with_checksum(values):
        raise DataError(f"{path}: altered since it was written (checksum differs)")
    name = values.pop("file", path.name)  # earlier files do not say it
    if name != path.name:
        raise DataError(f"{path}: was written as {name}; swapped or renamed")
    return values


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


def read_checksums(folder: str | Path) -> dict[Path, str]:
    """Return the sums that a folder's SHA256SUMS gives, by file.

    Raises
    ------
    DataError
        If it cannot be read or a line of it is not a sum and a name.
    """
    path = Path(folder) / SUMS
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    sums = {}
    for number, line in enumerate(lines, 1):
        total, separator, name = line[:64], line[64:66], line[66:]
        if separator != "  " or not name or set(total) - set("0123456789abcdef"):
            raise DataError(f"{path}: line {number} is not a SHA-256 and a file name")
        sums[Path(folder) / name] = total
    return sums


def verify_listed(folder: Path, checked: Mapping[Path, str]) -> dict[Path, str]:
    """Compare a folder with its SHA256SUMS; `checked` holds what is known of its files already."""
    try:
        listed = read_checksums(folder)
    except DataError as error:
        return {folder / SUMS: str(error)}
    found = {}
    for path, total in listed.items():
        if not path.is_file():
            found[path] = f"{path}: missing, but listed in {SUMS}"
        elif sha256(path) != total:
            found[path] = checked.get(path) or f"{path}: altered since it was written (SHA-256 differs)"
        else:
            found[path] = checked.get(path, "") if path.suffix == ".nc" else ""
    unlisted = [path for path in files_in(folder) if path not in listed]
    return {**found, **{path: f"{path}: not listed in {SUMS}" for path in unlisted}}


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold a folder for this process; the lock ends with the process, however that ends.

    Raises
    ------
    DataError
        If another process holds it, saying which, or the folder cannot be written.
    """
    path = Path(folder) / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = path.read_text("utf-8").strip() or "another process"
            raise DataError(f"{folder}: in use by {holder}; wait for it, or give another --output") from error
        os.truncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_locked(folder: str | Path) -> bool:
    """Whether a process holds the folder at the moment."""
    path = Path(folder) / LOCK
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


_SEAL = b"\nsha256 "  # in front of the sum that closes a file


SEAL_LENGTH = len(_SEAL) + 64 + 1


def seal(data: bytes) -> bytes:
    """Return the line that closes a file: the SHA-256 of all bytes before it."""
    return _SEAL + hashlib.sha256(data).hexdigest().encode() + b"\n"


def unsealed(path: Path) -> bytes:
    """Return the bytes of a file before its closing line.

    Raises
    ------
    DataError
        If the file is missing or differs in any byte from what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    body, last = data[:-SEAL_LENGTH], data[-SEAL_LENGTH:]
    if not last.startswith(_SEAL):
        raise DataError(f"{path}: does not end with its checksum: cut off, or written by another program")
    if last != seal(body):
        raise DataError(f"{path}: altered since it was written (SHA-256 differs)")
    return body
