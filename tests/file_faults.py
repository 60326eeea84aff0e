"""Faults in file operations, in the manner of SQLite: the n-th one under a folder goes wrong.

Python's own operations are seen through its audit events, before they happen; the flush to the disk
and the writers in other languages, which raise none, are wrapped.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import safetensors.torch

import hf_cf.storage.model_folder
import hf_cf.storage.tables
import hf_cf.training.checkpoint

_EVENTS = {
    "open", "os.chmod", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.scandir", "shutil.copyfile",
}  # fmt: skip


class Interrupted(BaseException):
    """Ends a program at once, as Ctrl-C does; nobody catches it."""


def _raise(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


KINDS: dict[str, Callable[[], Callable[[], None]]] = {
    "the disk is full": lambda: _raise(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    "the disk fails": lambda: _raise(OSError(errno.EIO, os.strerror(errno.EIO))),
    "interrupted": lambda: _raise(Interrupted()),
    "killed": lambda: lambda: os.kill(os.getpid(), signal.SIGKILL),
}
"""What goes wrong; a disk that fails does so from then on, the others once."""


@dataclass
class Faults:
    """Counts operations, and lets the one numbered `at` go wrong."""

    folder: str
    at: int | None
    happen: Callable[[], None]
    lasting: bool = False
    seen: int = 0
    met: bool = False

    def count(self) -> None:
        self.seen += 1
        if self.at is not None and (self.seen == self.at or (self.lasting and self.seen > self.at)):
            self.met = True
            self.happen()


_now: Faults | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _now is not None and event in _EVENTS:
        paths = [os.fsdecode(a) for a in arguments[:2] if isinstance(a, str | bytes | os.PathLike)]
        if any(path.startswith(_now.folder) for path in paths):
            _now.count()


sys.addaudithook(_audit)


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if _now is not None:
            _now.count()
        return function(*arguments, **named)

    return call


@contextmanager
def faults(folder: Path, kind: str, at: int | None) -> Iterator[Faults]:
    """Let the `at`-th operation under a folder go wrong; none where it is None, which counts."""
    global _now  # noqa: PLW0603 - an audit hook cannot be taken away, only be told to rest
    wrapped = [
        (os, "fsync", os.fsync),
        (hf_cf.storage.model_folder, "save_file", safetensors.torch.save_file),
        (hf_cf.training.checkpoint, "save_file", safetensors.torch.save_file),
        (hf_cf.storage.tables.pq, "write_table", hf_cf.storage.tables.pq.write_table),
    ]
    patches = [mock.patch.object(owner, name, _counted(real)) for owner, name, real in wrapped]
    for patch in patches:
        patch.start()
    _now = Faults(str(folder), at, KINDS[kind](), kind == "the disk fails")
    try:
        yield _now
    finally:
        _now = None
        for patch in patches:
            patch.stop()


@contextmanager
def files_cut_at(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: a write ends in its middle, whatever language it is in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def in_child(act: Callable[[], None]) -> int:
    """Do something in a copy of this process, and return what `os.waitpid` says of its end."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]
