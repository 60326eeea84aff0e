"""Which column of a table holds what, guessed from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hf_cf.errors import DataFormatError

USUAL_NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "user": (
        (
            *("user", "userid", "useridx", "uid", "reviewerid", "customerid", "memberid"),
            *("profileid", "visitorid", "accountid", "clientid", "sessionid", "playerid"),
        ),
        ("username", "reviewer", "customer", "member", "reviewername", "visitor", "player"),
    ),
    "item": (
        (
            *("item", "itemid", "iid", "movieid", "filmid", "asin", "productid", "bookid", "isbn"),
            *("businessid", "songid", "trackid", "gameid", "animeid", "recipeid", "articleid"),
            *("placeid", "restaurantid", "artistid", "showid", "appid", "stockcode", "jokeid"),
            *("podcastid", "beerid", "wineid", "hotelid", "courseid", "newsid", "videoid"),
        ),
        ("movie", "film", "product", "book", "song", "track", "game", "artist", "anime"),
        (
            *("title", "movietitle", "booktitle", "gametitle", "songtitle", "filmtitle"),
            *("producttitle", "name", "gamename", "productname", "artistname", "moviename"),
        ),
        ("id",),
    ),
    "rating": (
        ("rating",),
        ("star", "score", "overall", "preference"),
        ("bookrating", "value", "userrating", "userscore", "reviewscore", "vote"),
        (
            *("weight", "play", "playcount", "count", "listen", "listencount", "strength"),
            *("quantity", "minute", "hour", "hoursplayed", "playtime", "time", "view", "click"),
        ),
    ),
    "timestamp": (
        ("timestamp", "unixreviewtime", "unixtimestamp", "unixtime"),
        ("date", "datetime", "ratedat", "createdat", "reviewtime", "reviewdate", "time", "ts"),
    ),
    "title": (
        ("title", "movietitle", "booktitle", "gametitle", "songtitle", "filmtitle"),
        ("name", "productname", "artistname", "gamename", "moviename"),
    ),
    "genres": (("genre",), ("category", "categorie", "tag")),
    "year": (("year", "releaseyear", "yearofpublication", "publicationyear"),),
}
"""Names of a column in order of preference, without case, spaces, punctuation and plural's s.

Two columns of the same rank are ambiguous; one of an earlier rank goes first.
"""

REQUIRED = ("user", "item")
"""What every table of ratings or interactions has."""

_KEYWORDS = {
    "user": "user_col",
    "item": "item_col",
    "rating": "rating_col",
    "timestamp": "timestamp_col",
}
_FEWEST_WIDE = 4


def plain(name: str) -> str:
    """A column's name without case, spaces, punctuation, a type behind a colon, and plural's s."""
    return re.sub(r"[\W_]", "", name.partition(":")[0].lower()).removesuffix("s")


_KNOWN = {plain(alias) for ranks in USUAL_NAMES.values() for rank in ranks for alias in rank}


def is_usual_name(name: str) -> bool:
    """Whether a cell of a first line is a column's usual name."""
    return plain(name) in _KNOWN


def find_columns(path: Path, header: list[str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Name in the file of each column that it has, by the name that hf_cf gives it.

    Raises
    ------
    DataFormatError
        A column is missing or ambiguous; the message names the keyword that decides it.
    """
    have = ", ".join(header[:40]) + (", ..." if len(header) > 40 else "")
    found = {name: choice for name, choice in chosen.items() if choice is not None}
    for name, choice in found.items():
        keyword = f"{_KEYWORDS[name]}={choice!r}"
        if choice not in header:
            raise DataFormatError(
                f"{keyword} is not a column of the file; it has {have}", file=path, column=choice
            )
        if list(found.values()).count(choice) > 1:
            raise DataFormatError(
                f"{keyword} names a column that is also named for something else",
                file=path,
                column=choice,
            )
    by_plain: dict[str, list[str]] = {}
    for column in dict.fromkeys(header):
        by_plain.setdefault(plain(column), []).append(column)
    for name, ranks in USUAL_NAMES.items():
        if name in found:
            continue
        # Only an item's column can also be a column of the catalogue: its title, say.
        taken = {c for n, c in found.items() if name in _KEYWORDS or n != "item"}
        guess = _guess(path, name, ranks, by_plain, taken)
        if guess is not None:
            found[name] = guess
        elif name in REQUIRED:
            known = [column for column in found.values() if column in header]
            raise DataFormatError(
                _wide(known, header)
                or f"no column looks like the {name}; the file has {have}. Say which it is with "
                f"{_KEYWORDS[name]}=...",
                file=path,
                column=name,
            )
    return {name: found[name] for name in USUAL_NAMES if name in found}


def _guess(
    path: Path,
    name: str,
    ranks: tuple[tuple[str, ...], ...],
    by_plain: Mapping[str, list[str]],
    taken: set[str],
) -> str | None:
    """The column of the first rank of which the file has one; None where it has none."""
    for rank in ranks:
        aliases = dict.fromkeys(map(plain, rank))
        matches = [c for alias in aliases for c in by_plain.get(alias, []) if c not in taken]
        if len(matches) > 1 and name in _KEYWORDS:
            raise DataFormatError(
                f"{' and '.join(matches)} could each be the {name} column; say which with "
                f"{_KEYWORDS[name]}={matches[0]!r}",
                file=path,
                column=name,
            )
        if matches:
            return matches[0]
    return None


def _wide(known: list[str], header: list[str]) -> str | None:
    """What to do with a table that seems to have one column an item; None for another."""
    if len(known) > 1 or len(header) < _FEWEST_WIDE:
        return None
    user = known[0] if known else header[0]
    return (
        f"this looks like a wide table, with one column an item; read it with wide=True, or make "
        f"it long: df.melt(id_vars={user!r}, var_name='item', value_name='rating').dropna()"
    )
