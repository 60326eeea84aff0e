"""Lists of ratings that visitors bring along, matched to a model's films."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rapidfuzz import fuzz, process

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.scale import LIKES, RatingScale
from hf_cf.data.titles import normalise
from hf_cf.space.list_files import is_wish, read_file

_MOST_NAMED = 200
_MOST_MISSPELT = 500  # titles that are compared with all of their year
_LIKE = 0.7  # share of the highest rating from which on a rating is a like
_SAME = 92.0  # likeness of a title that is spelt otherwise
_IN_BRACKETS = re.compile(r"\((?:a\.k\.a\.\s*)?([^()]+)\)")
_SECOND_TITLE = re.compile(r"\s*\(.*\)\s*$")
_PARTS = re.compile(r":|\s-\s")

_Places = dict[str, list[int]]


@dataclass(frozen=True)
class Missing:
    """A line of a list that was left out, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class ReadList:
    """What was found in a list.

    Attributes
    ----------
    ratings : dict of item id to stars
        In the order of the list; of several ratings of a film the last.
    saved : list of item ids
        What the list holds for later: a watch list, a shelf of books to read.
    missing : list of Missing
        The first 200.
    n_missing : int
        How many there were.
    """

    ratings: dict[Any, float]
    saved: list[Any]
    missing: list[Missing]
    n_missing: int


class _NotFoundError(Exception):
    """Why a line is left out, in words."""


class ListReader:
    """Reads lists for one catalogue.

    Parameters
    ----------
    catalogue : Catalogue
        Where films share a title, the better known wins, unless year or maker say otherwise.
    scale : RatingScale
        Ratings become the nearest step of it.
    """

    def __init__(self, catalogue: Catalogue, scale: RatingScale) -> None:
        self._scale = scale
        self._left = 0  # of the titles that may be compared with all of their year
        table = catalogue.table.sort_values("n_ratings", ascending=False, kind="stable")
        self._ids: list[Hashable] = table["id"].tolist()
        self._titles: list[str] = table["title"].tolist()
        years = table["year"].tolist() if "year" in table else [None] * len(table)
        self._years = [None if pd.isna(year) else int(year) for year in years]
        creators = catalogue.creators
        self._creators = None if creators is None else creators.loc[table.index].tolist()
        self._by_id = {str(item): at for at, item in enumerate(self._ids)}
        self._by_number = {
            column: {_digits(str(number)): at for at, number in enumerate(table[column])}
            for column in ("imdb_id", "tmdb_id")
            if column in table
        }
        self._by_name: _Places = {}
        self._by_part: _Places = {}
        self._of_year: dict[int, list[int]] = {}
        self._names = []
        for at, title in enumerate(self._titles):
            others = {normalise(own)[0] for own in _IN_BRACKETS.findall(title) if not own.isdigit()}
            self._names.append(normalise(_without_second(title))[0])
            for name in {normalise(title)[0], self._names[at], *others}:
                self._by_name.setdefault(name, []).append(at)
            parts = _PARTS.split(_without_second(title))
            if len(parts) > 1:
                for part in {normalise(parts[0])[0], normalise(parts[-1])[0]}:
                    self._by_part.setdefault(part, []).append(at)
            year = self._years[at]
            if year is not None:
                self._of_year.setdefault(year, []).append(at)

    def read(self, text: Any) -> ReadList:
        """Read a list: columns Name (or Title), Year and Rating, or Item and Rating.

        Ids decide where both are there. Lists as Letterboxd, IMDb, Goodreads, MyAnimeList and Trakt
        export them are told by their columns, and their ratings are brought to the model's scale;
        a 0 of theirs is no rating. A list of titles alone is one for later; where there are only
        likes, it is of likes.

        Raises
        ------
        InvalidInput
            The text is no such list, or too long.
        """
        file = read_file(text)
        ratings: dict[Any, float] = {}
        saved: dict[Any, None] = {}
        missing: list[Missing] = []
        self._left = _MOST_MISSPELT
        for line in file.lines:
            try:
                item = self._ids[self._place(line)]
                stars = None
                if not file.has_ratings and self._scale == LIKES:
                    stars = self._scale.max
                elif file.has_ratings:
                    stars = self._stars(line.get("rating", "").strip(), file.out_of, is_wish(line))
            except _NotFoundError as why:
                missing.append(Missing(_named(line), str(why)))
                continue
            if stars is None:
                saved[item] = None
            else:
                ratings.pop(item, None)
                ratings[item] = stars
        later = [item for item in saved if item not in ratings]
        return ReadList(ratings, later, missing[:_MOST_NAMED], len(missing))

    def _place(self, line: Mapping[str, str]) -> int:
        """Where the film of a line stands."""
        for name in ("item", "isbn"):
            at = self._by_id.get(line.get(name, "").strip().strip('="'))
            if at is not None:
                return at
        for column, places in self._by_number.items():
            number = _digits(line.get(column, ""))
            if number and number in places:
                return places[number]
        title = line.get("title", "").strip()[:300]
        if not title:
            raise _NotFoundError("not in this model" if line.get("item") else "no name")
        name, in_title = normalise(title)
        year = line.get("year", "").strip() or in_title
        candidates = self._by_name.get(name, []) if name else []
        candidates = candidates or self._by_name.get(normalise(_without_second(title))[0], [])
        candidates = self._by_creator(candidates, line.get("creator", ""))
        if year.isascii() and year[:4].isdigit():
            return self._of_that_year(name, int(year[:4]), candidates)
        if candidates:
            return candidates[0]
        parts = self._by_part.get(name, []) if name else []
        if len(parts) == 1:
            return parts[0]
        if parts:
            some = ", ".join(self._titles[at] for at in parts[:3])
            raise _NotFoundError(f"ambiguous without a year: {some}")
        raise _NotFoundError("not in this model")

    def _of_that_year(self, name: str, year: int, candidates: list[int]) -> int:
        # Sources differ by a year on when a film came out.
        for places in (candidates, self._by_part.get(name, [])):  # Star Wars, of 1977
            apart = [(abs(own - year), at) for at in places if (own := self._years[at]) is not None]
            nearest = min(apart, key=lambda one: one[0], default=(2, -1))
            if nearest[0] <= 1:
                return nearest[1]
            undated = [at for at in places if self._years[at] is None]
            if undated:
                return undated[0]
        at = self._spelt_otherwise(name, year)
        if at is not None:
            return at
        if candidates:
            raise _NotFoundError(f"only of another year here: {self._titles[candidates[0]]}")
        raise _NotFoundError("not in this model")

    def _spelt_otherwise(self, name: str, year: int) -> int | None:
        """A film of that year with almost this name."""
        if self._left <= 0 or not name:
            return None
        self._left -= 1
        places = [at for near in (year, year - 1, year + 1) for at in self._of_year.get(near, [])]
        found = process.extractOne(
            name, [self._names[at] for at in places], scorer=fuzz.ratio, score_cutoff=_SAME
        )
        return places[found[2]] if found else None

    def _by_creator(self, candidates: list[int], creator: str) -> list[int]:
        if len(candidates) < 2 or self._creators is None or not creator.strip():
            return candidates
        own = normalise(creator[:300])[0]
        known = [(at, self._creators[at]) for at in candidates]
        same = [
            at for at, who in known if fuzz.token_set_ratio(own, normalise(str(who))[0]) >= _SAME
        ]
        return same or candidates

    def _stars(self, text: str, out_of: float | None, is_for_later: bool) -> float | None:
        """A rating on the model's scale; None for what is kept for later."""
        scale = self._scale
        try:
            stars = float(text or 0) if out_of is not None else float(text)
        except ValueError:
            if is_for_later and not text:
                return None
            raise _NotFoundError(f"no rating {text!r}" if text else "no rating") from None
        share = stars / (scale.max if out_of is None else out_of)
        if stars == 0 and (out_of is not None or scale.min > 0 or scale == LIKES):
            if is_for_later:
                return None
            raise _NotFoundError("no rating")
        least = 0.0 if out_of is not None else min(0.0, scale.min)
        most = scale.max if out_of is None else out_of
        if not math.isfinite(stars) or not least <= stars <= most:
            low = scale.min if out_of is None else 0
            raise _NotFoundError(f"rating {text[:20]} is outside {low:g} to {most:g}")
        if scale == LIKES:
            if share < _LIKE:
                raise _NotFoundError("rated low, and here are only likes")
            return scale.max
        if out_of is not None:
            stars = share * scale.max
            if scale.min < 0:
                stars = scale.min + share * (scale.max - scale.min)
        steps = math.floor((stars - scale.min) / scale.step + 0.5)
        return min(scale.max, max(scale.min, scale.min + steps * scale.step))


def _named(line: Mapping[str, str]) -> str:
    name = (line.get("title") or line.get("item") or "a line without a name").strip()[:100]
    year = line.get("year", "").strip()[:10]
    return f"{name} ({year})" if year else name


def _without_second(title: str) -> str:
    """A title without its year and what else stands in brackets: ``Seven (a.k.a. Se7en)``."""
    return _SECOND_TITLE.sub("", title) or title


def _digits(text: str) -> str:
    """The number in an id, of tt0114709 and 0114709 alike; empty where there is none."""
    digits = text.strip().removeprefix("tt").removesuffix(".0").lstrip("0")
    return digits if digits.isdigit() else ""
