"""The slow second look at a file that could not be read: which line, which column, and why."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

import pyarrow as pa

from hf_cf.data.readers.layouts import Field, TableFormat
from hf_cf.data.readers.packed import File
from hf_cf.errors import DataFormatError

SEPARATORS = {
    ",": "a comma",
    ";": "a semicolon",
    "\t": "a tab",
    "|": "'|'",
    "::": "'::'",
    " ": "a blank",
}
"""The separators that files of ratings use, and what to call them."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_SHOWN = 40


def diagnose(file: File, table_format: TableFormat, cause: str) -> DataFormatError:
    """The error that tells why `file` cannot be read; `cause` where a second look finds nothing."""
    try:
        _check_lines(file, table_format)
    except DataFormatError as found:
        return found
    except Exception as error:  # Whatever a broken file makes a library raise ends here.
        return DataFormatError(
            f"the file cannot be read: {error}. It may be damaged; get it again", file=str(file)
        )
    return DataFormatError(f"the file cannot be read: {cause}", file=str(file))


def line_of_row(file: File, table_format: TableFormat, row: int) -> int | None:
    """The line, from 1, on which a row of data, from 0, begins."""
    try:
        records = _records(file, table_format)
        if not table_format.width:
            next(records)
        for position, (line, _) in enumerate(records):
            if position == row:
                return line
    except Exception:  # the error that is being reported then comes without its line
        return None
    return None


def split_line(text: str, separator: str, *, quoted: bool = True) -> list[str]:
    """The values of one line; Python takes quotes off where the separator is one character."""
    if quoted and len(separator) == 1:
        try:
            return next(csv.reader([text], delimiter=separator), [])
        except csv.Error:
            pass
    return text.split(separator)


def explain_columns(
    file: File,
    header: Sequence[str],
    wanted: Sequence[str],
    separator: str,
) -> DataFormatError:
    """The error for a header that lacks a column: a wrong separator is the usual reason."""
    found = ", ".join(header)
    if len(header) == 1:
        others = [name for s, name in SEPARATORS.items() if s != separator and s in header[0]]
        if others:
            return DataFormatError(
                f"the columns should be separated by {SEPARATORS[separator]}, but the first line "
                f"uses {others[0]}: {_shown(header[0])}",
                file=str(file),
                line=1,
            )
    return DataFormatError(
        f"the column is missing; the first line names {_shown(found, 300)}. "
        f"It may be called {', '.join(wanted)}",
        file=str(file),
        line=1,
        column=wanted[0],
    )


def _check_lines(file: File, table_format: TableFormat) -> None:
    width, header = table_format.width, [""] * table_format.width
    lines = 0
    for line, values in _records(file, table_format):
        lines += 1
        if not width:
            header = [value.strip() for value in values]
            width = len(header)
            continue
        if len(values) != width:
            _wrong_width(file, table_format, line, values, width)
        for field in table_format.fields.values():
            position = _position(field, header)
            if position is None:
                continue
            problem = _problem(values[position], field)
            if problem:
                column = header[position] if isinstance(field.at, tuple) else position + 1
                raise DataFormatError(problem, file=str(file), line=line, column=column)
    if not lines:
        raise DataFormatError("the file is empty", file=str(file))
    if lines == 1 and not table_format.width:
        raise DataFormatError("nothing follows the line of column names", file=str(file))


def _records(file: File, table_format: TableFormat) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of each line that is not empty."""
    if not table_format.quoted or len(table_format.separator) > 1:
        for line, text in enumerate(_lines(file, table_format), start=1):
            if whole := text.rstrip("\r\n"):
                yield line, whole.split(table_format.separator)
        return
    reader = csv.reader(_lines(file, table_format), delimiter=table_format.separator)
    while True:
        begins = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataFormatError(
                f"the line cannot be split into columns ({error}). Is a quote opened and not "
                "closed?",
                file=str(file),
                line=begins,
            ) from error
        if values:
            yield begins, values


def _lines(file: File, table_format: TableFormat) -> Iterator[str]:
    with file.open("rb") as stream:
        for line, raw in enumerate(stream, start=1):
            try:
                text = raw.decode(table_format.encoding)
            except UnicodeDecodeError as error:
                raise DataFormatError(
                    f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not "
                    f"{table_format.encoding}; save the file in that encoding",
                    file=str(file),
                    line=line,
                ) from error
            text = text.removeprefix("\ufeff") if line == 1 else text
            yield text if table_format.quoted else text.rstrip("\r\n")


def _position(field: Field, header: Sequence[str]) -> int | None:
    if isinstance(field.at, int):
        return field.at
    return next((header.index(alias) for alias in field.at if alias in header), None)


def _wrong_width(
    file: File,
    table_format: TableFormat,
    line: int,
    values: Sequence[str],
    width: int,
) -> NoReturn:
    text = table_format.separator.join(values)
    expected = SEPARATORS.get(table_format.separator, repr(table_format.separator))
    others = [
        name
        for separator, name in SEPARATORS.items()
        if separator != table_format.separator and text.count(separator) >= width - 1
    ]
    wrong_separator = len(values) == 1 and others
    reason = f"it uses {others[0]}" if wrong_separator else f"it has {len(values)}"
    raise DataFormatError(
        f"the line should have {width} values separated by {expected}, but {reason}: "
        f"{_shown(text)}",
        file=str(file),
        line=line,
    )


def _problem(value: str, field: Field) -> str:
    """What is wrong with a value; empty where nothing is."""
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    if not number:
        return ""
    if value == "":
        return "" if field.nullable else "the value is missing"
    if not _NUMBER.fullmatch(value):
        return f"{_shown(value)} is not a number"
    if pa.types.is_floating(field.type):
        return "" if math.isfinite(float(value)) else f"{_shown(value)} is not a finite number"
    bits = field.type.bit_width
    whole = re.fullmatch(r"\s*[+-]?\d{1,30}\s*", value)
    if not whole or not -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1):
        return f"{_shown(value)} is not an integer that fits in {bits} bits"
    return ""


def _shown(value: str, length: int = _SHOWN) -> str:
    return repr(value if len(value) <= length else value[:length] + "...")
