"""Files as people have them, compressed or in any encoding, read as plain UTF-8."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_cf.errors import DataFormatError

_HEAD = 1 << 17
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
)
_OPEN: dict[str, Callable[[Any], Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class PackedFile:
    """A file of text with what stands between its bytes and UTF-8 with usual line ends.

    Attributes
    ----------
    path : Path
    packing : str, optional
        How it is compressed: ``gzip``, ``bz2``, ``xz``, ``zstd`` or ``zip``.
    encoding : str
        Of the text.
    bare_returns : bool
        Whether lines end in a carriage return alone.
    """

    path: Path
    packing: str | None = None
    encoding: str = "utf-8"
    bare_returns: bool = False

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def stat(self) -> Any:
        """Of the file on disk."""
        return self.path.stat()

    def open(self, mode: str = "rb") -> AbstractContextManager[Any]:
        """Its text as UTF-8 bytes, whose lines end in a line feed."""
        stream = _unpacked(self.path, self.packing)
        if self.encoding == "utf-8" and not self.bare_returns:
            return stream
        text = io.TextIOWrapper(stream, self.encoding, newline=None)
        return io.BufferedReader(_Utf8(text), _HEAD)

    def head(self) -> str:
        """The first lines, whole."""
        with self.open() as stream:
            try:
                start: bytes = stream.read(_HEAD)
            except UnicodeError as error:
                raise DataFormatError(
                    f"the file cannot be read as text: {error}", file=self.path
                ) from error
        lines = start.splitlines(keepends=True)
        if len(start) == _HEAD and len(lines) > 1:
            lines.pop()
        return b"".join(lines).decode("utf-8", errors="replace").removeprefix("\ufeff")


File = Path | zipfile.Path | PackedFile
"""A file on disk, inside a zip, or compressed."""


def look_at(path: Path) -> PackedFile:
    """Find out how a file is compressed and encoded, from its first bytes.

    Raises
    ------
    DataFormatError
        It cannot be unpacked.
    """
    try:
        with path.open("rb") as stream:
            first = stream.read(8)
        packing = next((name for magic, name in _MAGIC if first.startswith(magic)), None)
        with _unpacked(path, packing) as stream:
            start = stream.read(_HEAD)
    except DataFormatError:
        raise
    except Exception as error:  # whatever a damaged file makes a library raise
        raise DataFormatError(f"the file cannot be opened: {error}", file=path) from error
    # On old Macs lines end in a carriage return alone.
    bare_returns = b"\r" in start and b"\n" not in start
    encoding = _encoding(start)
    return PackedFile(
        path, packing, "utf-8" if encoding == "utf-8-sig" else encoding, bare_returns=bare_returns
    )


def _unpacked(path: Path, packing: str | None) -> Any:
    if packing is None:
        return path.open("rb")
    if packing in _OPEN:
        return _OPEN[packing](path)
    if packing == "zip":
        return _only_member(path)
    try:
        import zstandard
    except ModuleNotFoundError as error:
        raise DataFormatError(
            "the file is compressed by zstd; get what reads it with: pip install 'hf-cf[files]'",
            file=path,
        ) from error
    return io.BufferedReader(zstandard.open(path, "rb"))


def _only_member(path: Path) -> Any:
    archive = zipfile.ZipFile(path)
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX")
    ]
    if len(names) != 1:
        raise DataFormatError(
            f"the zip holds {len(names)} files and is not as GroupLens ships it; unpack it and "
            "name the file of ratings",
            file=path,
        )
    return archive.open(names[0])


def _encoding(start: bytes) -> str:
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(start).best()
        return "latin-1" if best is None else best.encoding
    return "utf-8"


class _Utf8(io.RawIOBase):
    """A stream of text as UTF-8 bytes."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._left = text, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = self._text.read(len(buffer)).encode("utf-8")
        n = min(len(buffer), len(self._left))
        buffer[:n], self._left = self._left[:n], self._left[n:]
        return n

    def close(self) -> None:
        self._text.close()
        super().close()
