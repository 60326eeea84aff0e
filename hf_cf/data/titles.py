"""Titles as people type them, matched to titles as catalogues print them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import numpy.typing as npt
import pandas as pd
from rapidfuzz import fuzz, process, utils

_YEAR = re.compile(r"\s*\(?((?:18|19|20)\d\d)\)?\s*$")
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)")
_SERIES_IN_BRACKETS = re.compile(r"\((?:the\s)?([^()#]{2,}?),?\s#\s?[\d.-]+[^()]*\)")
_VOLUME = re.compile(
    r"(?<=\w)[\s,]*(?::|\bpart\b|\bvol(?:ume)?\b|\bepisode\b|\band the\b|\s-\s|\b\d+\b|[²³]"
    r"|(?<=\s)(?:ii|iii|iv|v|vi|vii|viii|ix|x)\b).*$"
)
_TRAILING_ARTICLE = re.compile(
    r"^(.*),\s(the|an?|les?|la|l'|un|une|el|los|las|il|lo|gli|der|die|das|den|det|o|os|as)$"
)


def normalise(title: str) -> tuple[str, str]:
    """Split a title into plain lower-case words and its year, which may be empty.

    Examples
    --------
    >>> normalise("Misérables, Les (1995)")
    ('les miserables', '1995')
    """
    title = unicodedata.normalize("NFKD", title.casefold())
    title = "".join(c for c in title if not unicodedata.combining(c)).strip()
    year = ""
    match = _YEAR.search(title)
    if match and match.start() > 0:
        title, year = title[: match.start()], match[1]
    match = _TRAILING_ARTICLE.match(title)
    if match:
        title = f"{match[2]} {match[1]}"
    return " ".join(utils.default_process(title).split()), year


def series_of(title: str) -> str:
    """Name of the series that a title is of: its own, where it is of none.

    That is what stands in brackets before a number (``(Harry Potter, #1)``), or else before the
    first colon, dash, number, "Part" or "and the", without a plural's s.

    Examples
    --------
    >>> series_of("Godfather: Part II, The (1974)"), series_of("Aliens (1986)")
    ('godfather', 'alien')
    """
    lower = title.casefold()
    named = _SERIES_IN_BRACKETS.search(lower)
    if named:
        return normalise(named[1])[0]
    name = _IN_BRACKETS.sub("", lower).strip()
    cut = _VOLUME.sub("", name)
    words = normalise(cut if len(cut) > 1 else name)[0]
    return re.sub(r"^(the|an?)\s(?=.)", "", words).removesuffix("s") or lower


class TitleIndex:
    """Finds catalogue rows by title: exactly, or the nearest.

    Parameters
    ----------
    titles : Series
        Titles by item code.
    popularity : array, shape (n,)
        Ratings of each item, in the order of `titles`; it decides between equal matches.
    """

    def __init__(self, titles: pd.Series, popularity: npt.NDArray[np.int64]) -> None:
        self._codes = titles.index.to_numpy()
        self._titles = titles
        self._popularity = popularity
        self._by_title: dict[str, list[int]] | None = None
        self._normal: list[tuple[str, str]] | None = None

    def exact(self, title: str) -> list[int]:
        """Codes of the items with exactly this title; more than one where items share it."""
        if self._by_title is None:
            self._by_title = {}
            for code, own in zip(self._codes.tolist(), self._titles.tolist(), strict=True):
                self._by_title.setdefault(own, []).append(code)
        return self._by_title.get(title, [])

    def nearest(
        self, text: str, n: int = 5, cutoff: float = 60.0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Codes of the items whose titles are nearest to `text`, best first, and how near.

        Parameters
        ----------
        text : str
            A title as somebody types it: misspelt, in part, without its year, in any case.
        n : int
            Most items to return.
        cutoff : float
            Least likeness, from 0 to 100.
        """
        if self._normal is None:
            self._normal = [normalise(title) for title in self._titles.tolist()]
        words, year = normalise(text[:300])
        if not words:
            return np.zeros(0, np.int64), np.zeros(0)
        names = [name for name, _ in self._normal]
        whole, likeness = _likeness(words, names)
        of_year = np.array([year != "" and own == year for _, own in self._normal])
        if year:
            # A number that is not the film's year may be a part of its title: Blade Runner 2049.
            with_number, likeness_with_number = _likeness(f"{words} {year}", names)
            likeness = np.where(
                of_year, likeness, np.maximum(0.95 * likeness, likeness_with_number)
            )
            whole = np.where(of_year, whole, np.maximum(0.95 * whole, with_number))
        candidates = np.flatnonzero(likeness >= cutoff)
        # Among near equals people mean the film of that year, and the one that everybody knows.
        crowd = np.log1p(self._popularity[candidates])
        score = (
            likeness[candidates] + 0.1 * whole[candidates] + 25 * of_year[candidates] + 1.5 * crowd
        )
        best = candidates[np.argsort(-score, kind="stable")[:n]]
        return self._codes[best], likeness[best].astype(np.float64)


def _likeness(
    words: str, names: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How like each name is to `words` as a whole, and at best, from 0 to 100, shape (n,)."""
    whole = process.cdist([words], names, scorer=fuzz.ratio)[0]
    sorted_words = process.cdist([words], names, scorer=fuzz.token_sort_ratio)[0]
    # With a space before them, parts are found at the start of a word only.
    spaced = [f" {name}" for name in names]
    part = process.cdist([f" {words}"], spaced, scorer=fuzz.partial_ratio)[0]
    # A short title inside a long query is no match: only what was typed may be a part.
    part = np.where(np.char.str_len(names) >= len(words), part, 0)
    return whole, np.maximum(np.maximum(whole, 0.95 * sorted_words), 0.92 * part)
