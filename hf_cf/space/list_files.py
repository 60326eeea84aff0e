"""Lists of ratings in the files that sites give: CSV, XML of MyAnimeList, JSON of Trakt."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from hf_cf.data.readers.column_names import USUAL_NAMES
from hf_cf.space.errors import InvalidInput

LONGEST_FILE = 2_000_000
MOST_LINES = 20_000

_OWN_RATINGS = {"yourrating": 10.0, "myrating": 5.0, "myscore": 10.0}
"""Columns of one's own ratings, and out of how many: of IMDb, Goodreads, MyAnimeList."""
_OUT_OF = {"letterboxduri": 5.0, "traktid": 10.0, "ratedat": 10.0}
"""Columns that tell out of how many the column ``rating`` is: Letterboxd, Trakt."""
_WISHES = re.compile(r"to-?read|plan to (?:watch|read)|want to (?:watch|read)|watchlist", re.I)
"""What a shelf or a status is called that holds things for later."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "title": (
        *(alias for rank in USUAL_NAMES["title"] for alias in rank),
        *("seriestitle", "animetitle", "mangatitle"),
    ),
    "year": tuple(alias for rank in USUAL_NAMES["year"] for alias in rank),
    "rating": tuple(alias for rank in USUAL_NAMES["rating"] for alias in rank),
    # The first rank holds ids only; names of an item are titles here.
    "item": USUAL_NAMES["item"][0],
    "creator": ("author", "authors", "artist", "director", "directors"),
    "imdb_id": ("const", "imdbid", "imdb"),
    "tmdb_id": ("tmdbid", "tmdb"),
    "isbn": ("isbn",),
    "shelf": ("exclusiveshelf", "mystatus", "status", "shelf"),
}
"""Columns that are read, each by its names in order of preference."""


@dataclass(frozen=True)
class ListFile:
    """What a file says.

    Attributes
    ----------
    lines : list of dict of str to str
        Of each line the ``title``, ``rating``, ``year``, ``item``, ``creator``, ``imdb_id``,
        ``tmdb_id``, ``isbn`` and ``shelf`` that it has.
    out_of : float, optional
        The highest rating of the site; None for a list in the model's own scale.
    has_ratings : bool
        False for a list of titles alone, or without a rating in any line, such as a watch list.
    """

    lines: list[dict[str, str]]
    out_of: float | None
    has_ratings: bool


def read_file(text: Any) -> ListFile:
    """Read the text of a file.

    Raises
    ------
    InvalidInput
        It is no such list, or too long.
    """
    if not isinstance(text, str):
        raise InvalidInput("the list is no text")
    if len(text) > LONGEST_FILE:
        raise InvalidInput(
            f"the list has {len(text):,} characters; at most {LONGEST_FILE:,} are read"
        )
    text = text.removeprefix("\ufeff").replace("\0", "")
    begins = text.lstrip()
    try:
        if begins.startswith(("<?xml", "<myanimelist")):
            return _of_records(_in_xml(text))
        if begins.startswith(("[", "{")):
            return _of_records(_in_json(text))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the list cannot be read: {error}") from None
    return _in_csv(text)


def is_wish(line: Mapping[str, str]) -> bool:
    """Whether a line is on a shelf of things for later."""
    return bool(_WISHES.fullmatch(line.get("shelf", "").strip()))


def _in_csv(text: str) -> ListFile:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next(rows, [])
        columns = _columns(header)
        lines: list[dict[str, str]] = []
        for row in rows:
            if any(cell.strip() for cell in row):
                _check_length(len(lines))
                lines.append({name: row[at] for name, at in columns.items() if at < len(row)})
    except csv.Error as error:
        raise InvalidInput(f"the list is no CSV: {error}") from None
    return ListFile(lines, _out_of(header), _has_ratings(lines))


def _of_records(records: Iterable[Mapping[str, str]]) -> ListFile:
    """The same of entries that have names and values."""
    lines: list[dict[str, str]] = []
    names: dict[str, None] = {}
    for record in records:
        _check_length(len(lines))
        names |= dict.fromkeys(record)
        header = list(record)
        values = list(record.values())
        lines.append({name: values[at] for name, at in _columns(header, demand=False).items()})
    _columns(list(names))
    return ListFile(lines, _out_of(names), _has_ratings(lines))


def _in_xml(text: str) -> Iterable[dict[str, str]]:
    """MyAnimeList: an element an entry, whose children are its values."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InvalidInput("the list declares a document type; export it again without")
    for entry in ElementTree.fromstring(text):
        found = {field.tag: (field.text or "") for field in entry}
        if any(name.endswith("_title") for name in found):
            yield found


def _in_json(text: str) -> Iterable[dict[str, str]]:
    """Trakt: objects whose film or show is an object again."""
    entries = json.loads(text)
    if isinstance(entries, dict):
        entries = [one for part in entries.values() if isinstance(part, list) for one in part]
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidInput("the list has an entry that is no object")
        yield dict(_values(entry))


def _values(entry: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in entry.items():
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            yield str(name), str(value)
    for kind in ("movie", "show", "ids"):
        if isinstance(entry.get(kind), dict):
            yield from _values(entry[kind])


def _columns(header: list[str], *, demand: bool = True) -> dict[str, int]:
    plain = [_plain(name) for name in header]
    found = {
        name: plain.index(alias)
        for name, aliases in _ALIASES.items()
        for alias in [next((alias for alias in aliases if alias in plain), None)]
        if alias is not None
    }
    own = next((name for name in plain if name in _OWN_RATINGS), None)
    if own:
        found["rating"] = plain.index(own)
        found.pop("item", None)  # the ids are that site's, not the model's
    if demand and not {"item", "title"} & found.keys():
        have = ", ".join(name.strip()[:40] for name in header[:8]) or "nothing"
        raise InvalidInput(
            "the first line must name the columns Name and Rating, or Item and Rating; "
            f"it has {have}"
        )
    return found


def _out_of(header: Iterable[str]) -> float | None:
    plain = [_plain(name) for name in header]
    known = _OWN_RATINGS if any(name in _OWN_RATINGS for name in plain) else _OUT_OF
    return next((known[name] for name in plain if name in known), None)


def _has_ratings(lines: list[dict[str, str]]) -> bool:
    return any(line.get("rating", "").strip() for line in lines)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _check_length(n_lines: int) -> None:
    if n_lines == MOST_LINES:
        raise InvalidInput(f"the list has more than {MOST_LINES:,} lines")
