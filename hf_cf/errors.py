"""The errors that callers catch: few, in one place, each saying what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class DataFormatError(ValueError):
    """Ratings, or a file that should hold them, cannot be read.

    Attributes
    ----------
    message : str
        What is wrong, without where.
    file : str
        The file, or ``"DataFrame"`` for a table that the caller passed.
    line : int or None
        The line of the file, counted from 1 with its header; the row of a DataFrame, from 0.
    column : str or None
        The column's name, or its number from 1 in a file without a header.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path = "DataFrame",
        line: int | None = None,
        column: str | int | None = None,
    ) -> None:
        self.message, self.file, self.line = message, str(file), line
        self.column = None if column is None else str(column)
        row = "row" if self.file == "DataFrame" else "line"
        where = [self.file]
        where += [f"{row} {line}"] if line is not None else []
        where += [f"column {column}"] if column is not None else []
        super().__init__(f"{', '.join(where)}: {message}")


class DownloadError(OSError):
    """A dataset is not in the cache and could not be downloaded."""


class ModelFormatError(ValueError):
    """A model folder does not hold what it should.

    Attributes
    ----------
    file : str
        The file at fault.
    """

    def __init__(self, message: str, *, file: str | Path) -> None:
        self.file = str(file)
        super().__init__(f"{self.file}: {message}")


class SaveError(OSError):
    """Something could not be written to the disk; what was there before is whole.

    Its ``errno`` is that of the system, where there was one.
    """


class HubError(OSError):
    """The Hugging Face Hub does not have a model, does not give or take it, or is out of reach."""


class _UnknownId(KeyError):
    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which hides line breaks and adds quotes.
        return str(self.args[0])


class UnknownUser(_UnknownId):
    """No user of the model has this id."""


class UnknownItem(_UnknownId):
    """No item of the model has this id or title.

    Attributes
    ----------
    nearest : list of str
        The catalogue's nearest titles, best first; empty where none is near.
    """

    def __init__(self, message: str, nearest: Sequence[str] = ()) -> None:
        self.nearest = list(nearest)
        super().__init__(message)


class InvalidArgument(ValueError):
    """A value that a caller gave is not one that is taken; the message says which, and what is."""


def demand_at_least_1(n: int, name: str = "n") -> None:
    """Raise InvalidArgument where a number of things is asked for that is none."""
    if n < 1:
        raise InvalidArgument(f"{name} is {n}; it must be at least 1")
