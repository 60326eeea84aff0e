"""What somebody unknown has rated, checked before a model sees it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from hf_cf.data.catalogue import Catalogue, plain_ids
from hf_cf.data.history import History
from hf_cf.data.scale import LIKES, RatingScale, Stars
from hf_cf.data.vocab import Codes
from hf_cf.errors import InvalidArgument

VisitorRatings: TypeAlias = (
    Mapping[Hashable, float] | Iterable[tuple[Hashable, float]] | pd.DataFrame
)
"""Ratings of somebody unknown: ``{item: stars}``, pairs, or a table ``item``, ``rating``.

A table with a third column, ``user``, holds the ratings of several visitors.
"""

OnUnknown: TypeAlias = Literal["raise", "skip"]
"""What to do with a rated item that the catalogue does not have."""


def visitors_history(
    ratings: VisitorRatings,
    catalogue: Catalogue,
    scale: RatingScale,
    on_unknown: OnUnknown = "raise",
) -> tuple[list[Any] | None, History]:
    """Names of visitors, in the order of their table, and their ratings, one row a visitor.

    The names are None for a single visitor, whose ratings have no column ``user``. With
    ``on_unknown="skip"`` ratings of items that the catalogue does not have are left out.

    Raises
    ------
    UnknownItem
        An item is no id and no title of the catalogue.
    ValueError
        `ratings` has another shape, a rating is outside the scale or no number, or a visitor has
        rated an item twice.
    """
    if on_unknown not in ("raise", "skip"):
        raise InvalidArgument(f"on_unknown={on_unknown!r}; choose from raise, skip")
    raw, values = _columns(ratings)
    names, owners = None, np.zeros(len(raw), np.int64)
    if isinstance(ratings, pd.DataFrame) and "user" in ratings.columns:
        owners, distinct = pd.factorize(ratings["user"])
        if (owners < 0).any():
            raise InvalidArgument("a rating has no user")
        names = plain_ids(distinct)
    codes, stars = _codes(raw, catalogue, on_unknown), _checked(raw, values, scale)
    if on_unknown == "skip":
        known = codes > 0
        owners, codes, stars = owners[known], codes[known], stars[known]
    pairs = np.sort(owners * len(catalogue.items) + codes)
    same = pairs[1:] == pairs[:-1]
    if same.any():
        twice = pairs[1:][same][:1] % len(catalogue.items)
        raise InvalidArgument(f"{catalogue.describe(twice)['title'][0]!r} is rated more than once")
    if names is None:
        return None, History(np.array([0, len(codes)]), codes, stars)
    return names, History.from_codes(owners.astype(np.int32), codes, stars, len(names))


def _columns(ratings: VisitorRatings) -> tuple[list[Any], list[Any]]:
    """Items and values, as they were given."""
    try:
        if isinstance(ratings, pd.DataFrame):
            return ratings["item"].tolist(), ratings["rating"].tolist()
        if isinstance(ratings, Mapping):
            return list(ratings.keys()), list(ratings.values())
        both = [(item, value) for item, value in ratings]
        return [item for item, _ in both], [value for _, value in both]
    except (KeyError, TypeError, ValueError):
        raise InvalidArgument(
            "ratings are {item: stars}, pairs of item and stars, or a table with the columns item "
            "and rating"
        ) from None


def _codes(raw: list[Any], catalogue: Catalogue, on_unknown: OnUnknown) -> Codes:
    """Codes of items; 0 for those to skip."""
    distinct = list(dict.fromkeys(raw))
    find = catalogue.known_codes if on_unknown == "skip" else catalogue.codes
    code_of = dict(zip(distinct, find(distinct).tolist(), strict=True))
    return np.array([code_of[item] for item in raw], np.int32)


def _checked(raw: list[Any], values: list[Any], scale: RatingScale) -> Stars:
    """Stars as numbers of the scale."""

    def number(value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            return float("nan")

    stars = np.fromiter(map(number, values), np.float32, len(values))
    if scale == LIKES:  # the strength of an interaction has no upper end
        wrong = ~((stars > 0) & np.isfinite(stars))
        if wrong.any():
            at = int(wrong.argmax())
            raise InvalidArgument(
                f"{values[at]!r} for {raw[at]!r} is no strength of an interaction; give a number "
                "above 0, or the items alone with liked="
            )
        return stars
    wrong = ~((stars >= scale.min) & (stars <= scale.max))
    if wrong.any():
        at = int(wrong.argmax())
        raise InvalidArgument(
            f"{values[at]!r} for {raw[at]!r} is not a rating from {scale.min:g} to {scale.max:g}"
        )
    return stars
