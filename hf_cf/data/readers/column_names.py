"""Which column of a table holds what, guessed from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hf_cf.errors import DataFormatError

USUAL_NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "user": (
        ("user", "userid", "useridx", "uid", "reviewerid", "customerid", "memberid", "profileid"),
        ("username", "reviewer", "customer", "member", "reviewername"),
    ),
    "item": (
        (
            *("item", "itemid", "iid", "movieid", "filmid", "asin", "productid", "bookid", "isbn"),
            *("businessid", "songid", "trackid", "gameid", "animeid", "recipeid", "articleid"),
        ),
        ("movie", "film", "product", "book", "song", "track", "game", "artist"),
        ("title", "movietitle", "booktitle", "name"),
        ("id",),
    ),
    "rating": (("rating", "ratings"), ("stars", "score", "overall"), ("bookrating", "value")),
    "timestamp": (
        ("timestamp", "unixreviewtime"),
        ("time", "date", "datetime", "ratedat", "createdat", "reviewtime"),
    ),
    "title": (("title", "movietitle", "booktitle"), ("name",)),
    "genres": (("genres", "genre"), ("category", "categories")),
    "year": (("year", "releaseyear", "yearofpublication"),),
}
"""Names of a column in order of preference, without case, spaces and punctuation.

Two columns of the same rank are ambiguous; one of an earlier rank goes first.
"""

REQUIRED = ("user", "item", "rating")
"""What every table of ratings has."""

_KEYWORDS = {
    "user": "user_col",
    "item": "item_col",
    "rating": "rating_col",
    "timestamp": "timestamp_col",
}


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
    plain: dict[str, list[str]] = {}
    for column in dict.fromkeys(header):
        plain.setdefault(re.sub(r"[\W_]", "", column.lower()), []).append(column)
    for name, ranks in USUAL_NAMES.items():
        if name in found:
            continue
        # Only an item's column can also be a column of the catalogue: its title, say.
        taken = {c for n, c in found.items() if name in _KEYWORDS or n != "item"}
        guess = _guess(path, name, ranks, plain, taken)
        if guess is not None:
            found[name] = guess
        elif name in REQUIRED:
            raise DataFormatError(
                f"no column looks like the {name}; the file has {have}. Say which it is with "
                f'{_KEYWORDS[name]}="..."',
                file=path,
                column=name,
            )
    return {name: found[name] for name in USUAL_NAMES if name in found}


def _guess(
    path: Path,
    name: str,
    ranks: tuple[tuple[str, ...], ...],
    plain: Mapping[str, list[str]],
    taken: set[str],
) -> str | None:
    """The column of the first rank of which the file has one; None where it has none."""
    for rank in ranks:
        matches = [c for alias in rank for c in plain.get(alias, []) if c not in taken]
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
