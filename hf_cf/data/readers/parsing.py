"""Fast reading of delimited files: pyarrow parses, numpy receives, nothing loops over rows."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from tqdm import tqdm

from hf_cf.data.readers.diagnosis import diagnose, explain_columns, line_of_row, split_line
from hf_cf.data.readers.layouts import TableFormat
from hf_cf.data.readers.packed import File, PackedFile
from hf_cf.data.scale import RatingScale, distinct
from hf_cf.errors import DataFormatError

READ_ERRORS = (
    pa.ArrowException,
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    UnicodeError,
    NotImplementedError,
    RuntimeError,
)
"""What a damaged file or zip makes the libraries raise. RuntimeError: a zip with a password."""

# Blocks are parsed in parallel: enough of them for all cores, none so large that others wait.
_BLOCKS = 8
_SMALLEST_BLOCK, _LARGEST_BLOCK = 1 << 18, 8 << 20
_SHOW_PROGRESS_FROM = 100 << 20
_MANY_ROWS = 1_000_000
_ONE_SEPARATOR = b"\x1f"


def read_columns(file: File, table_format: TableFormat) -> pa.Table:
    """Columns of a delimited file, named and typed as `table_format` says.

    Raises
    ------
    DataFormatError
        The file, the line and the column that cannot be read, and why.
    """
    try:
        positions, width = locate_columns(file, table_format)
        table = _parse(file, table_format, positions, width)
    except READ_ERRORS as error:
        raise diagnose(file, table_format, str(error)) from error
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and not table_format.fields[name].nullable:
            row = pc.index(pc.is_null(column), True).as_py()
            raise row_error(file, table_format, row, name, "the value is missing")
    return table


def read_ratings(
    file: File, table_format: TableFormat, scale: RatingScale
) -> dict[str, npt.NDArray[Any]]:
    """Columns ``user``, ``item``, ``rating`` and perhaps ``timestamp`` as arrays, checked.

    Raises
    ------
    DataFormatError
        The file holds no ratings, or one that is not a number of `scale`.
    """
    table = read_columns(file, table_format)
    if not len(table):
        raise DataFormatError("there are no ratings in this file", file=str(file))
    columns, n = {}, len(table)
    for name in table.column_names:
        columns[name] = to_numpy(table.column(name))
        # Each column is freed once it is copied: at 25 million ratings this halves the peak.
        table = table.drop_columns(name)
        give_back_memory(n)
    given = distinct(columns["rating"])
    steps = (given - np.float32(scale.min)) / np.float32(scale.step)
    on_scale = (steps >= 0) & (steps <= len(scale.levels) - 1) & (steps == np.rint(steps))
    if not on_scale.all():
        row = int(np.isin(columns["rating"], given[on_scale], invert=True).argmax())
        raise row_error(
            file,
            table_format,
            row,
            "rating",
            f"{columns['rating'][row]:g} is not a rating from {scale.min:g} to {scale.max:g} in "
            f"steps of {scale.step:g}. If these are your own ratings on another scale, name a "
            'column, such as rating_col="rating", and the file is read as a plain table',
        )
    return columns


def locate_columns(file: File, table_format: TableFormat) -> tuple[dict[str, int], int]:
    """Position of each column that the file has, and the number of columns in a line."""
    if table_format.width:
        return {n: f.at for n, f in table_format.fields.items() if isinstance(f.at, int)}, (
            table_format.width
        )
    header = read_header(file, table_format)
    positions: dict[str, int] = {}
    for name, wanted in table_format.fields.items():
        if isinstance(wanted.at, int):
            positions[name] = wanted.at
            continue
        found = [header.index(alias) for alias in wanted.at if alias in header]
        if found:
            positions[name] = found[0]
        elif not wanted.optional:
            raise explain_columns(file, header, wanted.at, table_format.separator)
    return positions, len(header)


def read_header(file: File, table_format: TableFormat) -> list[str]:
    """Names in the first line of a file."""
    with open_bytes(file) as stream:
        line = stream.readline(1 << 20)
    if not line.strip():
        raise DataFormatError(
            "the file is empty, or begins with an empty line; the first line must name the columns",
            file=str(file),
            line=1,
        )
    try:
        text = line.decode("utf-8-sig" if table_format.encoding == "utf-8" else "latin-1")
    except UnicodeDecodeError as error:
        raise diagnose(file, table_format, str(error)) from error
    text, quoted = text.rstrip("\r\n"), table_format.quoted
    return [name.strip() for name in split_line(text, table_format.separator, quoted=quoted)]


@contextmanager
def open_bytes(file: File) -> Iterator[Any]:
    """A file, open for reading bytes; what goes wrong in opening it becomes a DataFormatError."""
    try:
        stream = file.open("rb")
    except (*READ_ERRORS, KeyError) as error:
        raise DataFormatError(f"the file cannot be opened: {error}", file=str(file)) from error
    with stream:
        yield stream


def row_error(
    file: File, table_format: TableFormat, row: int, name: str, message: str
) -> DataFormatError:
    """The error about one value of a file that was parsed: finds the line of the row."""
    at = table_format.fields[name].at
    return DataFormatError(
        message,
        file=str(file),
        line=line_of_row(file, table_format, row),
        column=at + 1 if isinstance(at, int) else at[0],
    )


def give_back_memory(n_rows: int) -> None:
    """Give the system back what pyarrow has freed, where it is enough to be worth the time."""
    if n_rows >= _MANY_ROWS:
        pa.default_memory_pool().release_unused()


def to_numpy(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """One array of all the chunks of a column without missing values."""
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts) if parts else column.to_numpy()


def _parse(
    file: File, table_format: TableFormat, positions: dict[str, int], width: int
) -> pa.Table:
    names = [f"unread {position}" for position in range(width)]
    for name, position in positions.items():
        names[position] = name
    separator = table_format.separator
    two_characters = len(separator) > 1
    parse_options = csv.ParseOptions(
        delimiter=_ONE_SEPARATOR.decode() if two_characters else separator,
        quote_char='"' if table_format.quoted else False,
    )
    read_options = csv.ReadOptions(
        column_names=names,
        skip_rows=0 if table_format.width else 1,
        encoding="utf8" if table_format.encoding == "utf-8" else table_format.encoding,
        block_size=max(_SMALLEST_BLOCK, min(_LARGEST_BLOCK, _size(file) // _BLOCKS)),
    )
    convert_options = csv.ConvertOptions(
        column_types={name: table_format.fields[name].type for name in positions},
        include_columns=list(positions),
        null_values=[""],
        strings_can_be_null=False,
        decimal_point=table_format.decimal,
    )

    def parse() -> pa.Table:
        with open_bytes(file) as raw:
            total = _size(file)
            shown: AbstractContextManager[Any] = nullcontext(raw)
            if total >= _SHOW_PROGRESS_FROM:
                shown = tqdm.wrapattr(raw, "read", total=total, desc=file.name, disable=None)
            with shown as stream:
                separated = _OneSeparator(stream, separator.encode()) if two_characters else stream
                return csv.read_csv(separated, read_options, parse_options, convert_options)

    try:
        return parse()
    except pa.ArrowInvalid:
        # A line break inside quotes is rare, and looking for it slows every other file down.
        if not table_format.quoted or width < 2:
            raise
        parse_options.newlines_in_values = True
        return parse()


def _size(file: File) -> int:
    if isinstance(file, (Path, PackedFile)):
        return file.stat().st_size
    return file.root.getinfo(file.at).file_size


class _OneSeparator(io.RawIOBase):
    """A stream whose separator of two characters is translated to one, which pyarrow needs."""

    def __init__(self, stream: Any, separator: bytes) -> None:
        self._stream, self._separator = stream, separator

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        part: bytes = self._stream.read(size)
        # A part that ends in the separator's first character may have been cut inside it.
        while part.endswith(self._separator[:1]) and (more := self._stream.read(1)):
            part += more
        return part.replace(self._separator, _ONE_SEPARATOR)
