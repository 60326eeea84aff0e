"""Files that are whole or not there, whatever ends the program that writes them.

New files are written into ``.NAME.writing``, a folder inside the one that they are for, flushed to
the disk. Renaming it to ``.NAME.written`` is the moment from which they count. Before it, nothing
has changed. After it, `latest` finds each file, in there or already in its place, and the next save
moves those that a dead process left. A lock file lets one process write at a time, so that whatever
lies there when the lock is taken is of a dead one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout
from safetensors import SafetensorError

from hf_cf.errors import SaveError

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between tries to rename a file that another program has open, which Windows refuses."""

SECONDS_BEFORE_WORDS, LONGEST_WAIT = 2.0, 600.0
"""How long another process is waited for without a word, and at all."""

_TEMPORARY = "hf_cf-"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new file to write, and put it into the place of `path` when all went well.

    Raises
    ------
    SaveError
        It could not be written; `path` is as it was.
    """
    with _staged(path.parent, path.name, path) as staging:
        yield staging / path.name
        _flush(staging)
        _patiently(lambda: (staging / path.name).replace(path))
        _flush_folder(path.parent)


def remove_orphans(path: Path) -> None:
    """Remove what is left of a process that died just after `replacing` had put a file in place."""
    if any((path.parent / f".{path.name}.{end}").exists() for end in ("writing", "lock")):
        with suppress(SaveError), _staged(path.parent, path.name, path):
            pass


@contextmanager
def replacing_together(folder: Path, name: str, stale: Iterable[str] = ()) -> Iterator[Path]:
    """Give a folder to write new files to, and put them into `folder` together.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; files of other names in it stay.
    name : str
        What the files are together, such as ``"model"``.
    stale : iterable of str
        Paths in `folder` that are removed unless they are written anew.

    Raises
    ------
    SaveError
        They could not be written; `folder` is as it was.
    """
    with _staged(folder, name, folder) as staging:
        yield staging
        _flush(staging)
        names = _files_in(staging)
        _patiently(lambda: staging.rename(_written(folder, name)))
        # From here on the new files count, so a failure is a warning and no error.
        try:
            _flush_folder(folder)
            _finish(folder, name)
            for path in set(stale) - set(names):
                (folder / path).unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(
                f"what was saved is whole and will be read, but lies in {_written(folder, name)} "
                f"for now ({error}); close what has files of {folder} open, and save again",
                stacklevel=2,
            )


@contextmanager
def saving(meant: Path) -> Iterator[None]:
    """Let errors of the disk come out as `SaveError`, which says what could not be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, SaveError):
            raise
        raise _explained(error, meant) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder among the system's temporary ones, which is gone afterwards.

    Those that processes left which were killed are removed, too.

    Raises
    ------
    SaveError
        The disk is full, or nothing may be written there.
    """
    among = Path(tempfile.gettempdir())
    folder = among / f"{_TEMPORARY}{secrets.token_hex(8)}"
    with ExitStack() as held:
        with saving(folder):
            for left in {path.with_suffix("") for path in among.glob(f"{_TEMPORARY}*")}:
                lock = left.with_suffix(".lock")
                with suppress(OSError, Timeout), FileLock(lock, timeout=0):
                    _remove(left)
                    lock.unlink(missing_ok=True)
            held.enter_context(_locked(folder.with_suffix(".lock"), folder))
            held.callback(_remove, folder)
            folder.mkdir(mode=0o700)
        yield folder


def latest(folder: Path, name: str, path: str) -> Path:
    """Find a file of a folder that `replacing_together` writes, in its place or not there yet."""
    moving = _written(folder, name) / path
    return moving if moving.is_file() else folder / path


def state_of(folder: Path, name: str) -> tuple[object, ...]:
    """Something that changes whenever files are put into a folder by `replacing_together`."""
    with suppress(OSError):
        # The names that are left to move, and the folder's own time, which every move changes.
        moving = _written(folder, name)
        return folder.stat().st_mtime_ns, *(sorted(_files_in(moving)) if moving.is_dir() else ())
    return ()


def _written(folder: Path, name: str) -> Path:
    return folder / f".{name}.written"


@contextmanager
def _staged(folder: Path, name: str, meant: Path) -> Iterator[Path]:
    """Hold the lock and an empty folder; errors of the disk come out as `SaveError`."""
    staging = folder / f".{name}.writing"
    new = False
    try:
        with saving(meant):
            new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
        with saving(meant), _locked(folder / f".{name}.lock", meant):
            try:
                _finish(folder, name)
                _remove(staging)
                for orphan in folder.glob(".*.[0-9]*.tmp"):  # as versions before 0.2 left them
                    orphan.unlink(missing_ok=True)
                staging.mkdir()
                yield staging
            finally:
                _remove(staging)
    finally:
        if new:
            with suppress(OSError):  # it is not empty, unless nothing was written
                folder.rmdir()


@contextmanager
def _locked(path: Path, meant: Path) -> Iterator[None]:
    lock = _acquired(path, meant)
    try:
        yield
    finally:
        # Removed while it is held: a process that waits for it sees that, and makes a new one.
        try:
            with suppress(OSError):
                path.unlink()
        finally:
            lock.release()


def _acquired(path: Path, meant: Path) -> BaseFileLock:
    lock: BaseFileLock = FileLock(path)
    try:
        lock.acquire(timeout=SECONDS_BEFORE_WORDS)
    except Timeout:
        warnings.warn(f"another process is writing to {meant}; waiting for it", stacklevel=6)
        try:
            lock.acquire(timeout=LONGEST_WAIT)
        except Timeout:
            raise SaveError(
                f"{meant} could not be written: another process has been writing to it for "
                f"{LONGEST_WAIT / 60:g} minutes. End that one, or save into another folder"
            ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        # Some network drives have none; a file that says who writes does as well.
        lock = SoftFileLock(path)
        lock.acquire(timeout=LONGEST_WAIT)
    return lock


def _finish(folder: Path, name: str) -> None:
    """Move files that count already into their places."""
    written = _written(folder, name)
    if written.is_symlink() or not written.is_dir():
        return
    for path in _files_in(written):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _patiently(partial((written / path).replace, target))
    _flush_folder(folder)
    shutil.rmtree(written)


def _remove(staging: Path) -> None:
    with suppress(OSError):
        staging.unlink() if staging.is_symlink() else shutil.rmtree(staging)


def _files_in(folder: Path) -> list[str]:
    return [
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder, onerror=_fail)
        for name in sorted(names)
    ]


def _fail(error: OSError) -> None:
    # Without this, a folder that cannot be listed would be taken to be empty.
    raise error


def _flush(staging: Path) -> None:
    """Have the disk keep all files of a folder, which everybody may then read who may read it."""
    mode = staging.stat().st_mode & 0o666
    for name in _files_in(staging):
        path = staging / name
        path.chmod(mode)  # safetensors writes a file that only its owner may read
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    for parent, _, _ in os.walk(staging, onerror=_fail):
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # which cannot open one, and keeps renames in order
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _patiently(rename: Callable[[], object]) -> None:
    for wait in WAITS:
        try:
            rename()
            return
        except PermissionError:
            time.sleep(wait)
    rename()


def _explained(error: OSError | SafetensorError, meant: Path) -> SaveError:
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", None) or str(error)
    if found := re.search(r"os error (\d+)", reason):  # how safetensors tells it
        number = int(found[1])
        reason = os.strerror(number)
    if number in _NO_SPACE:
        advice = "Free some space, or give another folder, and save again"
    elif number in _FORBIDDEN:
        advice = "Give a folder that you may write to"
    else:
        advice = "Save again, or into another folder"
    explained = SaveError(f"{meant} could not be written: {reason}. What was there is as it was. "
                          f"{advice}")  # fmt: skip
    explained.errno = number
    return explained
