"""What separates the columns of a file, whether its first line names them, and its decimal mark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hf_cf.data.readers.column_names import is_usual_name
from hf_cf.data.readers.diagnosis import SEPARATORS, split_line
from hf_cf.data.readers.packed import PackedFile
from hf_cf.errors import DataFormatError

_LINES = 50
_NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_ORDER = ("user", "item", "rating", "timestamp")
_TIME_FROM = 10_000_000  # seconds since 1970: April of that year; no rating is as large


@dataclass(frozen=True)
class Dialect:
    """How the lines of a file fall into columns.

    Attributes
    ----------
    separator : str
    names : tuple of str
        Of the columns; numbers from 1 in a file without a header.
    has_header : bool
    rows : list of list of str
        The first rows of data.
    decimal : str
        The decimal mark.
    """

    separator: str
    names: tuple[str, ...]
    has_header: bool
    rows: list[list[str]]
    decimal: str

    @property
    def usual_order(self) -> dict[str, str]:
        """Which column holds what in a file without a header: user, item, rating, time."""
        order = list(_ORDER)
        if len(self.names) == 3 and all(_is_time(row[2]) for row in self.rows):
            order.remove("rating")
        return dict(zip(order, self.names, strict=False))


def sniff(file: PackedFile) -> Dialect:
    """Find out how a file of text is formatted, from its first lines.

    Raises
    ------
    DataFormatError
        It is empty, or nothing separates its columns.
    """
    lines = [line for line in file.head().splitlines()[: _LINES + 1] if line.strip()]
    if not lines:
        raise DataFormatError("the file is empty", file=str(file), line=1)
    separator = _separator(file, lines)
    rows = [split_line(line, separator) for line in lines]
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    has_header = _is_header(first, rest)
    if not has_header:
        rest = [first, *rest]
    names = first if has_header else [str(number + 1) for number in range(len(first))]
    cells = [cell for row in rest for cell in row]
    decimal = "," if separator != "," and any(map(_DECIMAL_COMMA.fullmatch, cells)) else "."
    return Dialect(separator, tuple(name.strip() for name in names), has_header, rest, decimal)


def _separator(file: PackedFile, lines: list[str]) -> str:
    """The separator by which most lines have the same number of columns, and the most of them."""
    best, found = (0.0, 0), ""
    for separator in SEPARATORS:
        widths = [len(split_line(line, separator)) for line in lines]
        width = max(set(widths), key=widths.count)
        if width < 2:
            continue
        agreeing = widths.count(width) / len(widths)
        # A comma in "4,5" is a decimal mark where tabs separate the columns.
        score = (round(agreeing, 1), width if separator != " " else 1)
        if score > best:
            best, found = score, separator
    if not found:
        known = ", ".join(SEPARATORS.values())
        raise DataFormatError(
            f"cannot tell what separates the columns: the first line, {lines[0][:80]!r}, has none "
            f"of {known}",
            file=str(file),
            line=1,
        )
    return found


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first line names the columns: usual names, or text above numbers."""
    if any(map(is_usual_name, first)):
        return True
    for column, name in enumerate(first if rest else ()):
        below = [row[column] for row in rest]
        if not _NUMBER.fullmatch(name) and all(map(_NUMBER.fullmatch, below)):
            return True
    return not any(map(_NUMBER.fullmatch, first))


def _is_time(cell: str) -> bool:
    digits = cell.strip()
    return digits.isdecimal() and len(digits) < 20 and int(digits) >= _TIME_FROM
