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
        for item, title, year in films:
            for name in {normalise(title)[0], normalise(_without_second(title))[0]}:
                self._by_name.setdefault(name, []).append((year, item))

    def read(self, text: str) -> ReadList:
        """Read CSV with the columns Name (or Title), Year and Rating, or Item and Rating.

        Ids decide where both are there. Letterboxd exports Date, Name, Year, Letterboxd URI and
        Rating, from half a star to five.

        Raises
        ------
        InvalidInput
            The text is no such table, or too long.
        """
        ratings: dict[Any, float] = {}
        missing: list[str] = []
        for line in _lines(text):
            item, stars = self._item(line), self._stars(line.get("rating", ""))
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
        name, year = normalise(line.get("title", "")[:300])
        year = line.get("year", "").strip() or year
        candidates = self._by_name.get(name, []) if name else []
        if not year.isascii() or not year.isdigit():
            return candidates[0][1] if candidates else None
        # Sources differ by a year on when a film came out.
        apart = [(abs(own - int(year[:4])), item) for own, item in candidates if own is not None]
        nearest = min(apart, key=lambda one: one[0], default=(2, None))
        return nearest[1] if nearest[0] <= 1 else None

    def _stars(self, text: str) -> float | None:
        try:
            stars = float(text)
        except ValueError:
            return None
        scale = self._scale
        if not math.isfinite(stars) or not 0 < stars <= scale.max:
            return None
        steps = math.floor(stars / scale.step + 0.5)
        return min(scale.max, max(scale.min, steps * scale.step))


def _lines(text: Any) -> list[dict[str, str]]:
    """The lines of a CSV as dicts with those of item, title, year and rating that there are."""
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
        columns = _columns(next(rows, []))
        found: list[dict[str, str]] = []
        for row in rows:
            if len(found) == MOST_LINES:
                raise InvalidInput(f"the list has more than {MOST_LINES:,} lines")
            if any(cell.strip() for cell in row):
                found.append({name: row[at] for name, at in columns.items() if at < len(row)})
    except csv.Error as error:
        raise InvalidInput(f"the list is no CSV: {error}") from None
    return found


def _columns(header: list[str]) -> dict[str, int]:
    plain = [re.sub(r"[\W_]", "", name.lower()) for name in header]
    found: dict[str, int] = {}
    # The first rank holds ids only; names of an item are titles here.
    ranks = {name: USUAL_NAMES[name] for name in ("title", "year", "rating")}
    for name, usual in {"item": USUAL_NAMES["item"][:1], **ranks}.items():
        matches = [alias for rank in usual for alias in rank if alias in plain]
        if matches:
            found[name] = plain.index(matches[0])
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
