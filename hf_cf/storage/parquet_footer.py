"""The metadata in a Parquet footer that decides whether a file may be decoded at all.

pyarrow tells them too, but some of its accessors (``FileMetaData.row_group(i).column(j)`` and its
``compression``) end the whole process when the footer was forged: the exception of the C++ library
has no way out there. Opening a file and decoding it do turn such exceptions into errors.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

_MAGIC = b"PAR1"
_LONGEST_FOOTER = 1 << 23
_DEEPEST = 16
_UNCOMPRESSED = 0

# Types of Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

_Struct = dict[int, tuple[int, Any]]
"""Types and values by the numbers of the fields."""


def rows_in_footer(path: Path) -> int:
    """How many rows a Parquet file of uncompressed columns claims, once its footer was checked.

    Raises
    ------
    ValueError
        The file is no Parquet file, or encrypted, compressed or spread over other files; or its
        row groups and columns do not add up, or claim more bytes than the file has.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < 12 or file.read(4) != _MAGIC:
            raise ValueError("it does not start like one")
        file.seek(size - 8)
        length, magic = struct.unpack("<I4s", file.read(8))
        if magic != _MAGIC:
            raise ValueError("it does not end like one")
        if not 0 < length <= min(size - 12, _LONGEST_FOOTER):
            raise ValueError(f"a footer of {length:,} bytes in {size:,}")
        file.seek(size - 8 - length)
        footer = _Reader(file.read(length)).struct()

    if 8 in footer:
        raise ValueError("it is encrypted")
    n_rows = _get(footer, 3, _I64, "the number of rows")
    # The first is the root; what has children (5) stores no values.
    n_columns = sum(5 not in column for column in _structs(footer, 2, "the columns")[1:])
    found = 0
    for group in _structs(footer, 4, "the row groups"):
        rows = _get(group, 3, _I64, "the rows of a row group")
        chunks = _structs(group, 1, "the columns of a row group")
        if rows < 0 or len(chunks) != n_columns:
            raise ValueError(f"a row group has {rows:,} rows and {len(chunks)} columns")
        for chunk in chunks:
            _check_chunk(chunk, rows, size)
        found += rows
    if found != n_rows:
        raise ValueError(f"its row groups have {found:,} rows; the footer says {n_rows:,}")
    return found


def _check_chunk(chunk: _Struct, rows: int, size: int) -> None:
    if chunk.keys() & {1, 8, 9}:
        raise ValueError("a column is encrypted, or stands in another file")
    column = _get(chunk, 3, _STRUCT, "what a column holds")
    codec = _get(column, 4, _I32, "the compression of a column")
    if codec != _UNCOMPRESSED:
        raise ValueError(f"a column is compressed (codec {codec})")
    values = _get(column, 5, _I64, "the number of values of a column")
    if values != rows:
        raise ValueError(f"a column has {values:,} values in {rows:,} rows")
    for number in (6, 7):
        claimed = _get(column, number, _I64, "the size of a column")
        if not 0 <= claimed <= size:
            raise ValueError(f"a column claims {claimed:,} bytes")


def _get(found: _Struct, number: int, kind: int, meaning: str) -> Any:
    found_kind, value = found.get(number, (None, None))
    if found_kind != kind:
        raise ValueError(f"its footer does not tell {meaning}")
    return value


def _structs(found: _Struct, number: int, meaning: str) -> list[_Struct]:
    kind, values = _get(found, number, _LIST, meaning)
    if kind != _STRUCT:
        raise ValueError(f"its footer does not tell {meaning}")
    return list(values)


class _Reader:
    """Thrift's compact protocol. Text is passed over, and so are lists of anything but structs."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def struct(self, depth: int = 0) -> _Struct:
        if depth > _DEEPEST:
            raise ValueError("its footer is nested too deep")
        found: _Struct = {}
        number = 0
        while head := self.byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self.whole()
            # Readers disagree on which of two counts, and wrap other numbers around.
            if number in found or not 0 < number < 1 << 15:
                raise ValueError("a field of its footer stands twice, or has no number")
            found[number] = (kind, self.value(kind, depth))
        return found

    def value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self.whole()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self.list(depth + 1)
        if kind == _MAP:
            raise ValueError("its footer holds a map")
        if kind not in (_BYTE, _DOUBLE, _BINARY):
            raise ValueError("its footer is broken")
        self.skip(1 if kind == _BYTE else 8 if kind == _DOUBLE else self.varint())
        return None

    def list(self, depth: int) -> tuple[int, list[Any]]:
        head = self.byte()
        kind, count = head & 15, head >> 4
        if count == 15:
            count = self.varint()
        if depth > _DEEPEST or count > len(self.raw) - self.at:  # each takes a byte or more
            raise ValueError(f"a list of {count:,} in its footer")
        if kind in (_TRUE, _FALSE):
            self.skip(count)
            return kind, []
        values = [self.value(kind, depth) for _ in range(count)]
        return kind, values if kind == _STRUCT else []

    def byte(self) -> int:
        self.skip(1)
        return self.raw[self.at - 1]

    def skip(self, count: int) -> None:
        if count > len(self.raw) - self.at:
            raise ValueError("its footer is cut short")
        self.at += count

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of its footer is too long")

    def whole(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)
