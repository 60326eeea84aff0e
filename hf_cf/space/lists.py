"""Lists of ratings that visitors bring along as CSV text, matched to a model's films."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_cf.data.readers.column_names import USUAL_NAMES
from hf_cf.data.scale import RatingScale
from hf_cf.data.titles import normalise
from hf_cf.space.errors import InvalidInput

LONGEST_FILE = 2_000_000
MOST_LINES = 20_000
_MOST_NAMED = 50
_OWN_RATINGS = {"yourrating": 10.0, "myrating": 5.0, "myscore": 10.0}
"""Columns of one's own ratings, and out of how many: of IMDb, Goodreads, MyAnimeList."""
_OUT_OF = {"letterboxduri": 5.0, "traktid": 10.0, "ratedat": 10.0}
"""Columns that tell out of how many the column ``rating`` is: Letterboxd, Trakt."""
_IN_BRACKETS = re.compile(r"\((?:a\.k\.a\.\s*)?([^()]+)\)")
_SECOND_TITLE = re.compile(r"\s*\(.*\)\s*$")


@dataclass(frozen=True)
class ReadList:
    """What was found in a list.

    Attributes
    ----------
    ratings : dict of item id to stars
        In the order of the list; of several ratings of a film the last.
    missing : list of str
        Films that the model does not have, and lines without a rating: the first 50.
    n_missing : int
        How many there were.
    """

    ratings: dict[Any, float]
    missing: list[str]
    n_missing: int


class ListReader:
    """Reads lists for one catalogue.

    Parameters
    ----------
    films : sequence of (id, title, year)
        The catalogue, the better known first: they win where films share a title.
    scale : RatingScale
        Ratings become the nearest step of it.
    """

    def __init__(self, films: Sequence[tuple[Any, str, int | None]], scale: RatingScale) -> None:
        self._scale = scale
        self.ids = {item for item, _, _ in films}
        self._by_id = {str(item): item for item in self.ids}
        self._by_name: dict[str, list[tuple[int | None, Any]]] = {}
        self._by_beginning: dict[str, list[tuple[int | None, Any]]] = {}
        for item, title, year in films:
            others = {normalise(own)[0] for own in _IN_BRACKETS.findall(title) if not own.isdigit()}
            for name in {normalise(title)[0], normalise(_without_second(title))[0], *others}:
                self._by_name.setdefault(name, []).append((year, item))
            beginning, colon, _ = title.partition(":")
            if colon:
                self._by_beginning.setdefault(normalise(beginning)[0], []).append((year, item))

    def read(self, text: str) -> ReadList:
        """Read CSV with the columns Name (or Title), Year and Rating, or Item and Rating.

        Ids decide where both are there. Lists as Letterboxd, IMDb, Goodreads, MyAnimeList and Trakt
        export them are told by their columns, and their ratings are brought to the model's scale;
        a 0 is no rating.

        Raises
        ------
        InvalidInput
            The text is no such table, or too long.
        """
        ratings: dict[Any, float] = {}
        missing: list[str] = []
        lines, out_of = _lines(text)
        for line in lines:
            item, stars = self._item(line), self._stars(line.get("rating", ""), out_of)
            if item is None or stars is None:
                missing.append(_named(line, item is not None))
            else:
                ratings.pop(item, None)
                ratings[item] = stars
        return ReadList(ratings, missing[:_MOST_NAMED], len(missing))

    def _item(self, line: Mapping[str, str]) -> Any:
        item = self._by_id.get(line.get("item", "").strip())
        if item is not None:
            return item
        title = line.get("title", "")[:300]
        name, year = normalise(title)
        year = line.get("year", "").strip() or year
        candidates = self._by_name.get(name, []) if name else []
        candidates = candidates or self._by_name.get(normalise(_without_second(title))[0], [])
        if not year.isascii() or not year.isdigit():
            return candidates[0][1] if candidates else None
        # Sources differ by a year on when a film came out.
        candidates = candidates or self._by_beginning.get(name, [])  # Star Wars, of 1977
        apart = [(abs(own - int(year[:4])), item) for own, item in candidates if own is not None]
        nearest = min(apart, key=lambda one: one[0], default=(2, None))
        return nearest[1] if nearest[0] <= 1 else None

    def _stars(self, text: str, out_of: float | None) -> float | None:
        try:
            stars = float(text)
        except ValueError:
            return None
        scale = self._scale
        if out_of is not None:
            stars *= scale.max / out_of
        if not math.isfinite(stars) or not 0 < stars <= scale.max:
            return None
        steps = math.floor(stars / scale.step + 0.5)
        return min(scale.max, max(scale.min, steps * scale.step))


def _lines(text: Any) -> tuple[list[dict[str, str]], float | None]:
    """The lines of a CSV as dicts with those of item, title, year and rating that there are.

    And out of how many the ratings are; None for those of the model's own scale.
    """
    if not isinstance(text, str):
        raise InvalidInput("the list is no text")
    if len(text) > LONGEST_FILE:
        raise InvalidInput(
            f"the list has {len(text):,} characters; at most {LONGEST_FILE:,} are read"
        )
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
    try:
        header = next(rows, [])
        columns = _columns(header)
        found: list[dict[str, str]] = []
        for row in rows:
            if len(found) == MOST_LINES:
                raise InvalidInput(f"the list has more than {MOST_LINES:,} lines")
            if any(cell.strip() for cell in row):
                found.append({name: row[at] for name, at in columns.items() if at < len(row)})
    except csv.Error as error:
        raise InvalidInput(f"the list is no CSV: {error}") from None
    plain = [_plain(name) for name in header]
    known = _OWN_RATINGS if any(name in _OWN_RATINGS for name in plain) else _OUT_OF
    return found, next((known[name] for name in plain if name in known), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _columns(header: list[str]) -> dict[str, int]:
    plain = [_plain(name) for name in header]
    found: dict[str, int] = {}
    # The first rank holds ids only; names of an item are titles here.
    ranks = {name: USUAL_NAMES[name] for name in ("title", "year", "rating")}
    for name, usual in {"item": USUAL_NAMES["item"][:1], **ranks}.items():
        matches = [alias for rank in usual for alias in rank if alias in plain]
        if matches:
            found[name] = plain.index(matches[0])
    own = [name for name in plain if name in _OWN_RATINGS]
    if own:
        found["rating"] = plain.index(own[0])
        found.pop("item", None)  # the ids are that site's, not the model's
    if "rating" not in found or not {"item", "title"} & found.keys():
        have = ", ".join(name.strip()[:40] for name in header[:8]) or "nothing"
        raise InvalidInput(
            "the first line must name the columns Name and Rating, or Item and Rating; "
            f"it has {have}"
        )
    return found


def _named(line: Mapping[str, str], is_known: bool) -> str:
    name = (line.get("title") or line.get("item") or "a line without a name").strip()[:100]
    year = line.get("year", "").strip()[:10]
    rating = line.get("rating", "").strip()[:20]
    shown = f"{name} ({year})" if year else name
    return f"{shown}: no rating {rating!r}" if is_known else shown


def _without_second(title: str) -> str:
    """A title without its year and what else stands in brackets: ``Seven (a.k.a. Se7en)``."""
    return _SECOND_TITLE.sub("", title) or title
