"""Items by what people type: a title, its initials, a number in a series, a year, a maker."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rapidfuzz import fuzz, process

from hf_cf.data.titles import normalise, series_of
from hf_cf.data.trigrams import N_INITIALS, Trigrams, initials

_LONGEST = 300
_LEAST_LIKENESS = 60.0  # of 100, for what is found
_CANDIDATES = 1000
_INITIALED = 200  # of the titles that begin with initials, those that are looked at
_SURE = 90.0  # likeness from which on a text is taken to name what it is compared with
_MAKER = 75.0  # the same, for the name of a maker
_NEAR = 80.0  # the same, for titles that are checked a second time
_PART, _SORTED, _AMONG = 0.92, 0.95, 0.88
"""What counts a part of a title, its words in another order, and some of its words."""
_KNOWN = 1.5  # likeness for each factor e of ratings
_YEAR_ALONE = re.compile(r"(?:18|19|20)\d\d")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_NUMBERED = re.compile(
    rf"(.+?)(?: (?:part|episode|chapter|book|no|vol(?:ume)?))? (\d\d?|{'|'.join(_ROMAN)})"
)
_IN_BRACKETS = re.compile(r"\(([^()]+)\)")
_SHARE = 0.1  # of the ratings of the best known, with which a title counts among its series
_ARTICLES = ("the ", "a ", "an ")

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Found = tuple[Codes, Floats, Floats]
"""Rows, their likeness, and what their order follows."""


class TitleIndex:
    """Finds catalogue rows by title: exactly, or the nearest.

    Parameters
    ----------
    titles : Series
        Titles by item code.
    popularity : array, shape (n,)
        Ratings of each item, in the order of `titles`; it decides between equal matches.
    years : Series, optional
        Years of the items whose titles do not say them.
    creators : Series, optional
        Who made each item; missing where it is not known.
    """

    def __init__(
        self,
        titles: pd.Series,
        popularity: npt.NDArray[np.int64],
        years: pd.Series[Any] | None = None,
        creators: pd.Series[Any] | None = None,
    ) -> None:
        self._codes = titles.index.to_numpy()
        self._titles = titles
        self._popularity = popularity
        self._years, self._creators = years, creators

    def exact(self, title: str) -> list[int]:
        """Codes of the items with exactly this title; more than one where items share it."""
        return self._by_title.get(title, [])

    @cached_property
    def _by_title(self) -> dict[str, list[int]]:
        codes: dict[str, list[int]] = {}
        for code, own in zip(self._codes.tolist(), self._titles.tolist(), strict=True):
            codes.setdefault(own, []).append(code)
        return codes

    def nearest(self, text: str, n: int = 5) -> tuple[Codes, Floats]:
        """Codes of the items that are nearest to `text`, best first, and how near.

        Parameters
        ----------
        text : str
            As somebody types it, in any case: a title, misspelt, in part, or without its year;
            initials (``lotr``); a series and a number (``harry potter 3``); a year; a maker.
        n : int
            Most items to return.
        """
        words, year = normalise(text[:_LONGEST])
        if not words or not len(self._codes):
            return np.zeros(0, np.int64), np.zeros(0)
        index = self._index
        found = [index.titled(words, year), index.numbered(words, year), index.made_by(words)]
        if _YEAR_ALONE.fullmatch(words):
            found += [index.of_year(int(words), n), index.beginning(words, n)]
        likest = found[0][1].max(initial=0)
        if likest < 100:
            found.append(index.with_initials(words))
        if likest < _SURE:  # lotr 3, lotr return of the king
            spelt = index.spelt_out(words)
            if spelt:
                found += [index.titled(spelt, year), index.numbered(spelt, year)]
        rows, likeness, score = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.flatnonzero(likeness >= _LEAST_LIKENESS)
        order = order[np.argsort(-score[order], kind="stable")]
        _, first = np.unique(rows[order], return_index=True)
        best = order[np.sort(first)[:n]]
        return self._codes[rows[best]], likeness[best]

    @cached_property
    def _index(self) -> _Index:
        named = [normalise(title) for title in self._titles.tolist()]
        years = np.array([int(year) if year else 0 for _, year in named], np.int16)
        if self._years is not None:
            known = self._years.to_numpy(np.float64, na_value=0.0)
            years = np.where(years == 0, known, years).astype(np.int16)
        names = [name for name, _ in named]
        return _Index(names, years, self._popularity, self._titles, self._creators)


class _Index:
    """What a search of titles needs; of a million titles it takes some seconds to make."""

    def __init__(
        self,
        names: list[str],
        years: npt.NDArray[np.int16],
        popularity: npt.NDArray[np.int64],
        titles: pd.Series,
        creators: pd.Series[Any] | None,
    ) -> None:
        self._names, self._years, self._titles = names, years, titles
        self._crowd = np.log1p(popularity)
        self._preference = self._crowd / max(1.0, float(self._crowd.max(initial=0)))
        self._trigrams = Trigrams(names)
        self._initials = initials(names)
        self._has_article = np.fromiter((name.startswith(_ARTICLES) for name in names), bool)
        self._makers: Trigrams | None = None
        if creators is not None:
            self._maker_of, makers = pd.factorize(creators)
            self._maker_names = [normalise(str(maker))[0] for maker in makers]
            self._makers = Trigrams(self._maker_names)

    def titled(self, words: str, year: str) -> _Found:
        """Titles that are like these words."""
        rows = self._candidates(words)
        names = [self._names[row] for row in rows]
        whole, likeness = _likeness(words, names)
        of_year = self._years[rows] == int(year or -1)
        if year:
            # A number that is not the film's year may be a part of its title: Blade Runner 2049.
            also = np.setdiff1d(self._candidates(f"{words} {year}"), rows)
            rows = np.concatenate([rows, also])
            names += [self._names[row] for row in also]
            whole, likeness = _likeness(words, names)
            of_year = self._years[rows] == int(year)
            with_number, likeness_with_number = _likeness(f"{words} {year}", names)
            likeness = np.where(
                of_year, likeness, np.maximum(0.95 * likeness, likeness_with_number)
            )
            whole = np.where(of_year, whole, np.maximum(0.95 * whole, with_number))
        # Of titles that match nearly as well, the one of that year and the best known comes first.
        return rows, likeness, self._score(rows, likeness, whole) + 25 * of_year

    def of_year(self, year: int, n: int) -> _Found:
        """The best known of a year."""
        rows = np.flatnonzero(self._years == year)
        rows = rows[np.argsort(-self._crowd[rows], kind="stable")[:n]]
        likeness = np.full(len(rows), 95.0)
        return rows, likeness, self._score(rows, likeness, likeness)

    def beginning(self, word: str, n: int) -> _Found:
        """The best known titles that begin with a word, above those of a year: 2001, of 1968."""
        rows = self._candidates(word)
        rows = np.array([row for row in rows if self._names[row].split()[0] == word], np.int64)
        rows = rows[np.argsort(-self._crowd[rows], kind="stable")[:n]]
        likeness = np.full(len(rows), 95.0)
        return rows, likeness, self._score(rows, likeness, likeness) + 20

    def made_by(self, words: str) -> _Found:
        """What those have made whose names are like these words."""
        if self._makers is None:
            return _NOTHING
        makers = self._makers.candidates(words, _CANDIDATES, np.zeros(len(self._maker_names)))
        whole, likeness = _likeness(words, [self._maker_names[maker] for maker in makers])
        of_maker = np.zeros(len(self._maker_names) + 1)  # the last stands for nobody
        of_maker[makers] = np.where(likeness >= _MAKER, likeness, 0)
        whole_of = np.zeros_like(of_maker)
        whole_of[makers] = whole
        likeness = of_maker[self._maker_of]
        rows = np.flatnonzero(likeness)
        return (
            rows,
            likeness[rows],
            self._score(rows, likeness[rows], whole_of[self._maker_of[rows]]),
        )

    def numbered(self, words: str, year: str) -> _Found:
        """The third of a series: that with a 3 or III in its title, or else the third by year."""
        match = None if year else _NUMBERED.fullmatch(words)
        if not match:
            return _NOTHING
        number = _number(match[2])
        rows = self._candidates(match[1])
        _, likeness = _likeness(match[1], [self._names[row] for row in rows])
        rows = rows[likeness >= _NEAR]
        said = [_numbers_in(self._names[row], match[1]) for row in rows]
        series = series_of(match[1])
        members = [
            at for at, row in enumerate(rows) if self._years[row] and self._is_of(row, series)
        ]
        # Titles that few people know, such as a box set or a spin-off, are not counted.
        least = max((self._crowd[rows[at]] for at in members), default=0) + math.log(_SHARE)
        members = [at for at in members if self._crowd[rows[at]] >= least]
        wanted = [at for at, numbers in enumerate(said) if number in numbers]
        if 1 < number <= len(members):
            members.sort(key=lambda at: (self._years[rows[at]], -self._crowd[rows[at]]))
            third = members[number - 1]
            wanted += [] if said[third] else [third]
        rows = rows[wanted]
        likeness = np.full(len(rows), 95.0)
        return rows, likeness, self._score(rows, likeness, likeness) + 20

    def with_initials(self, words: str) -> _Found:
        """Titles, or series, of which these are the initials."""
        letters_only = words.replace(" ", "")
        rows = self._of_initials(letters_only) if len(letters_only) == len(words) else []
        likeness = np.full(len(rows), 100 * _PART)
        found = np.array(rows, np.int64)
        return found, likeness, self._score(found, likeness, likeness)

    def spelt_out(self, words: str) -> str | None:
        """The words with initials at their start spelt out; None where there are none."""
        first, _, rest = words.partition(" ")
        rows = self._of_initials(first) if rest else []
        if not rows:
            return None
        name = self._names[max(rows, key=lambda row: self._crowd[row])]
        own = _without_article(name).split()
        return " ".join([*own[: len(first)], rest])

    def _of_initials(self, text: str) -> list[int]:
        """Rows of the best known titles that begin with these initials, with or without The."""
        if not 2 <= len(text) < N_INITIALS:
            return []
        (typed,) = initials([" ".join(text)])
        mask = np.uint64((1 << 8 * len(text)) - 1)
        bare = (self._initials >> np.uint64(8)) & mask
        rows = np.flatnonzero(
            (self._initials & mask == typed) | (self._has_article & (bare == typed))
        )
        rows = rows[np.argsort(-self._crowd[rows], kind="stable")[:_INITIALED]]
        return [row for row in rows.tolist() if self._is_named_by(row, text)]

    def _is_named_by(self, row: int, text: str) -> bool:
        """Whether initials are those of a whole title, of its series, or words of one letter."""
        words, k = self._names[row].split(), len(text)
        bare = _without_article(self._names[row]).split()
        of_series = len(self._series(row).split())
        if any(word[0] != letter for word, letter in zip(words, text, strict=False)):
            words = bare
        in_front = len(words) - len(bare)
        return k in (len(words), of_series + in_front) or all(len(word) == 1 for word in words[:k])

    def _is_of(self, row: int, series: str) -> bool:
        others = map(series_of, _IN_BRACKETS.findall(self._titles.iloc[row]))
        return any(fuzz.ratio(own, series) >= _SURE for own in (self._series(row), *others))

    def _series(self, row: int) -> str:
        return series_of(self._titles.iloc[row])

    def _candidates(self, words: str) -> Codes:
        return self._trigrams.candidates(words, _CANDIDATES, self._preference)

    def _score(self, rows: Codes, likeness: Floats, whole: Floats) -> Floats:
        return likeness + 0.1 * whole + _KNOWN * self._crowd[rows]


_NOTHING: _Found = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def _without_article(name: str) -> str:
    for article in _ARTICLES:
        if name.startswith(article):
            return name[len(article) :]
    return name


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _ROMAN.index(text) + 1


def _numbers_in(name: str, series: str) -> set[int]:
    """The numbers that stand in a title, those in the name of its series left out."""
    words = set(name.split()) - set(series.split())
    return {_number(word) for word in words if word.isdecimal() or word in _ROMAN}


def _likeness(words: str, names: list[str]) -> tuple[Floats, Floats]:
    """How like each name is to `words` as a whole, and at best, from 0 to 100, shape (n,)."""
    if not names:
        return np.zeros(0), np.zeros(0)
    whole = process.cdist([words], names, scorer=fuzz.ratio)[0].astype(np.float64)
    sorted_words = process.cdist([words], names, scorer=fuzz.token_sort_ratio)[0]
    # With a space before them, parts are found at the start of a word only.
    spaced = [f" {name}" for name in names]
    part = process.cdist([f" {words}"], spaced, scorer=fuzz.partial_ratio)[0]
    among = process.cdist([words], names, scorer=fuzz.token_set_ratio)[0]
    # A short title inside a long query is no match: only what was typed may be a part.
    part = np.maximum(_PART * part, _AMONG * among)
    part = np.where([len(name) >= len(words) for name in names], part, 0)
    return whole, np.maximum.reduce([whole, _SORTED * sorted_words, part])
