"""Titles as people type them, matched to titles as catalogues print them."""

from __future__ import annotations

import re
import unicodedata

from rapidfuzz import utils

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
    title = title.casefold()
    if not title.isascii():
        title = unicodedata.normalize("NFKD", title)
        title = "".join(c for c in title if not unicodedata.combining(c))
    title = title.strip()
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
