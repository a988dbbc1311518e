"""Plain files: where shipped files are, writing in one step, checksums, and a lock on a folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import stat
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

SUMS = "SHA256SUMS"
LOCK = ".lock"
_UNFINISHED = ".part"
PACKAGE = Path(__file__).parent


class DataError(ValueError):
    """A file that is missing, damaged, not what it should be, or cannot be written."""


def as_path(path: str | os.PathLike) -> Path:
    """Return the path of a file or folder; "~" at its beginning is the home folder, as in a shell.

    Raises
    ------
    ValueError
        If it is of another kind.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path: {type(path).__name__} is not the path of a file or folder")
    return Path(os.path.expanduser(path))


def repository() -> Path:
    """Return the checkout of this project, which has the notebooks and `data/paper`.

    It is the working folder or the nearest one above it that is a checkout, or else the one that contains the package.

    Raises
    ------
    DataError
        If none of them is a checkout.
    """
    for folder in (Path.cwd(), *Path.cwd().parents, PACKAGE.parent):
        if _is_checkout(folder):
            return folder
    raise DataError(
        f"{Path.cwd()} is not in a clone of the repository of listi, which the notebooks and data/paper come with; the"
        " installed package alone has neither. Change to a clone, or install listi from it by pip install -e"
    )


def _is_checkout(folder: Path) -> bool:
    """Whether a folder has the project file of listi; other projects have folders "notebooks" and "data/paper", too."""
    try:
        return 'name = "listi"' in (folder / "pyproject.toml").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False


def shipped() -> Path:
    """Return the folder of the data that ship with the repository."""
    return repository() / "data" / "paper"


def pretrained() -> dict[str, Path]:
    """Return the files of the pretrained networks by name: all in the repository, the default one without it."""
    try:
        folder = shipped() / "models"
    except DataError:
        folder = PACKAGE / "pretrained"
    return {file.stem: file for file in sorted(folder.glob("*.keras"))}


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it, so that there is never half a file.

    As with any program, "~" is the home folder, a symbolic link stays and what it points to is written, an existing
    file keeps its permissions and a new one has those of the umask.

    Raises
    ------
    DataError
        If the path is not that of a file, or it cannot be written there; an existing file is unchanged then.
    """
    target = Path(os.path.realpath(as_path(path)))
    name = os.fsdecode(os.fsencode(target.name)[:200])  # names have at most 255 bytes
    temporary = target.with_name(f".{name}.{uuid.uuid4().hex[:12]}{_UNFINISHED}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        permissions = _permissions(target)
        with open(temporary, "xb") as file:
            if permissions is not None:
                os.fchmod(file.fileno(), permissions)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # renamed if all went well


def _permissions(path: Path) -> int | None:
    """Return the permissions of an existing file, None if there is none; refuse what is not a writable file."""
    if not path.exists():
        return None
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError(None, "it is a folder, pipe or device")
    if not os.access(path, os.W_OK):
        raise OSError(None, "it is read-only")
    return stat.S_IMODE(mode)


def _unwritable(path: str | Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written: {error.strerror}; what was there is unchanged")


def remove_unfinished(folder: str | Path, beginning: str = "") -> None:
    """Remove temporary files of interrupted writes; nothing may be writing files of that beginning in the folder."""
    for leftover in Path(folder).rglob(f".{beginning}*{_UNFINISHED}"):
        leftover.unlink(missing_ok=True)


def canonical(value: object) -> str:
    """JSON text that is the same for the same values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """Convert what JSON has no type for."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def checksum(value: object) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write_json(path: str | Path, values: Mapping) -> None:
    """Write a mapping as JSON with a checksum of its content; NaN and infinity become null, as JSON has neither."""
    plain = json.loads(canonical(values), parse_constant=lambda name: None)
    text = json.dumps({**plain, "checksum": checksum(plain)}, indent=2, ensure_ascii=False)
    write_bytes(path, f"{text}\n".encode())


def read_json(path: str | Path) -> dict:
    """Read a JSON mapping, as `write_json` or anyone wrote it.

    Raises
    ------
    DataError
        If the file is missing, cut off, or its content does not agree with the checksum in it.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON, cut off or altered: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a JSON mapping")
    written = values.pop("checksum", None)
    if written not in (None, checksum(values)):
        raise DataError(f'{path}: altered since it was written (remove its line "checksum" if you edited it)')
    return values


def check_zip(path: str | Path) -> None:
    """Check the CRC-32 of every member of a zip file, such as a saved model; DataError if it is damaged or missing."""
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
    """Return all files in a folder and below, sorted, without hidden files and lists of checksums."""
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
    _write_sums(Path(folder), {path: sha256(path) for path in files_in(folder)})


def update_checksums(folder: str | Path, written: Iterable[Path]) -> None:
    """Renew the lines of files that were just written in a folder's SHA256SUMS, if it has one.

    All others keep theirs, so that a file that was damaged or replaced is still noticed.
    """
    folder = Path(folder)
    if (folder / SUMS).is_file():
        _write_sums(folder, _listed(folder) | {path: sha256(path) for path in written})


def _write_sums(folder: Path, sums: Mapping[Path, str]) -> None:
    lines = [f"{total}  {path.relative_to(folder).as_posix()}\n" for path, total in sorted(sums.items())]
    write_bytes(folder / SUMS, "".join(lines).encode())


def _listed(folder: Path) -> dict[Path, str]:
    """Return the checksums in SHA256SUMS."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        return {folder / name: total for total, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / SUMS}: cannot be read: {error}") from error


def verify_checksums(folder: Path) -> dict[Path, str]:
    """Compare a folder with its SHA256SUMS: every file listed or there, with what is wrong with it, "" if nothing."""
    try:
        listed = _listed(folder)
    except DataError as error:
        return {folder / SUMS: str(error)}
    problems = {path: f"{path}: not listed in {SUMS}" for path in files_in(folder) if path not in listed}
    for path, total in listed.items():
        if not path.is_file():
            problems[path] = f"{path}: missing, but listed in {SUMS}"
        else:
            problems[path] = "" if sha256(path) == total else f"{path}: altered since it was written (SHA-256 differs)"
    return problems


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Lock a folder for this process; the lock ends with the process, however that ends.

    Raises
    ------
    DataError
        If another process, which is named, holds the lock for more than a second, or the folder cannot be written.
    """
    path = Path(folder) / LOCK
    lock = FileLock(path, timeout=1.0)  # `is_locked` takes it too, for an instant
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        holder = path.read_text("utf-8").strip() or "another process"
        raise DataError(f"{folder}: in use by {holder}; wait for it, or choose another --output") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        lock.release()


def is_locked(folder: str | Path) -> bool:
    """Whether a process holds the lock of a folder, which may be read-only."""
    path = Path(folder) / LOCK
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
