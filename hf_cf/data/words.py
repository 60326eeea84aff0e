"""What the items of a dataset are called, and what people do with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_VERBS = {
    "watch": ("watched", "seen"),
    "read": ("read", "read"),
    "listen to": ("listened to", "heard"),
    "play": ("played", "played"),
    "try": ("tried", "tried"),
    "eat": ("ate", "eaten"),
    "drink": ("drank", "had"),
    "buy": ("bought", "bought"),
    "see": ("saw", "seen"),
    "take": ("took", "taken"),
    "visit": ("visited", "visited"),
}
"""What people did, and have done, for each verb."""

_NOUNS = {
    # What a name of a column begins with, the noun, and its verb.
    r"movie|film": ("film", "watch"),
    r"show|series|episode": ("show", "watch"),
    r"anime": ("anime", "watch"),
    r"video": ("video", "watch"),
    r"book|isbn": ("book", "read"),
    r"manga": ("manga", "read"),
    r"article|news": ("article", "read"),
    r"artist": ("artist", "listen to"),
    r"band": ("band", "listen to"),
    r"album": ("album", "listen to"),
    r"song": ("song", "listen to"),
    r"track": ("track", "listen to"),
    r"podcast": ("podcast", "listen to"),
    r"joke": ("joke", "read"),
    r"game|boardgame|app(id|name)": ("game", "play"),
    r"restaurant": ("restaurant", "visit"),
    r"place|business|hotel": ("place", "visit"),
    r"recipe": ("recipe", "try"),
    r"beer": ("beer", "try"),
    r"wine": ("wine", "try"),
    r"course": ("course", "take"),
    r"product|asin|stockcode": ("product", "try"),
}
_SAME_IN_PLURAL = frozenset({"anime", "manga", "series", "news"})
_DEFAULT = ("title", "try")


@dataclass(frozen=True)
class ItemWords:
    """Words for the items of a dataset.

    Attributes
    ----------
    singular, plural : str
        ``"film"``, ``"films"``.
    verb, past, done : str
        What people do with one, did, and have done: ``"watch"``, ``"watched"``, ``"seen"``.
    """

    singular: str
    plural: str
    verb: str
    past: str
    done: str

    @classmethod
    def of(cls, noun: str = "", verb: str = "") -> ItemWords:
        """Words from a noun in the singular and a verb; ``"title"`` and its like where empty."""
        verb = verb or next((does for own, does in _NOUNS.values() if own == noun), _DEFAULT[1])
        noun = noun or _DEFAULT[0]
        past, done = _VERBS.get(verb) or (_regular(verb), _regular(verb))
        return cls(noun, _plural(noun), verb, past, done)

    @property
    def with_article(self) -> str:
        """``"a film"``, ``"an artist"``."""
        return f"{'an' if self.singular[0].casefold() in 'aeiou' else 'a'} {self.singular}"

    def instead_of_films(self, text: str) -> str:
        """A text that speaks of films, with these words."""

        def word(found: re.Match[str]) -> str:
            article, film = found[1] or "", found[2]
            own = self.plural if film.endswith("s") else self.singular
            if article:
                own = self.with_article
            return own[0].upper() + own[1:] if (article or film)[0].isupper() else own

        return re.sub(r"\b([Aa] )?([Ff]ilms?)\b", word, text)


def noun_of_columns(columns: Mapping[str, str]) -> str:
    """What the names of the columns of items and titles say that they are; empty if nothing."""
    for column in ("item", "title"):
        plain = re.sub(r"[\W_]", "", columns.get(column, "").casefold())
        for start, (noun, _) in _NOUNS.items():
            if re.match(start, plain):
                return noun
    return ""


def _plural(noun: str) -> str:
    if noun in _SAME_IN_PLURAL:
        return noun
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}{'es' if re.search(r'(s|x|z|ch|sh)$', noun) else 's'}"


def _regular(verb: str) -> str:
    first, space, rest = verb.partition(" ")
    if first.endswith("e"):
        first += "d"
    elif re.search(r"[^aeiou]y$", first):
        first = f"{first[:-1]}ied"
    else:
        first += "ed"
    return first + space + rest
