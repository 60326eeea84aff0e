"""What is said of a file of ratings, and what the ending of its name says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_cf.data.guesses import Feedback

ARROW, FRAMES = (".parquet",), (".json", ".jsonl", ".ndjson", ".xlsx")
TEXTS = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".tab")
PACKED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Wanted:
    """What is said of a file of ratings.

    Attributes
    ----------
    columns : mapping of str to str or None
        The name of the ``user``, ``item``, ``rating`` and ``timestamp`` column; None to guess it.
    title_required : bool
        Whether the file must have titles.
    scale, feedback, missing
        As `Ratings.from_frame` takes them.
    wide : bool
        Whether it has one column an item.
    """

    columns: Mapping[str, str | None]
    title_required: bool = False
    scale: Any = None
    feedback: Feedback | None = None
    missing: float | None = None
    wide: bool = False


def suffix_of(path: Path) -> str:
    """The ending that says what a file holds, without that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
