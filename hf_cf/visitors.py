"""What somebody unknown has rated, checked before a model sees it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from hf_cf.catalogue import Catalogue
from hf_cf.ratings import Codes, RatingScale, Stars

VisitorRatings: TypeAlias = (
    Mapping[Hashable, float] | Iterable[tuple[Hashable, float]] | pd.DataFrame
)
"""Ratings of somebody unknown: ``{item: stars}``, pairs, or a table ``item``, ``rating``."""

MOST_RATINGS = 10_000


def visitor_codes(
    ratings: VisitorRatings, catalogue: Catalogue, scale: RatingScale
) -> tuple[Codes, Stars]:
    """Item codes and stars of a visitor's ratings, both of shape (n,).

    Raises
    ------
    UnknownItem
        An item is no id and no title of the catalogue.
    ValueError
        `ratings` has another shape, a rating is outside the scale or no number, an item is rated
        twice, or there are more than `MOST_RATINGS` of them.
    """
    pairs = _pairs(ratings)
    if len(pairs) > MOST_RATINGS:
        raise ValueError(f"{len(pairs):,} ratings; at most {MOST_RATINGS:,} are taken")
    codes = catalogue.codes(item for item, _ in pairs)
    stars = np.array([_checked(item, value, scale) for item, value in pairs], np.float32)
    known, counts = np.unique(codes, return_counts=True)
    if len(known) < len(codes):
        twice = catalogue.describe(known[counts > 1])["title"][0]
        raise ValueError(f"{twice!r} is rated more than once")
    return codes, stars


def _pairs(ratings: VisitorRatings) -> list[tuple[Any, Any]]:
    try:
        if isinstance(ratings, pd.DataFrame):
            return list(zip(ratings["item"], ratings["rating"], strict=True))
        pairs = ratings.items() if isinstance(ratings, Mapping) else ratings
        return [(item, value) for item, value in pairs]
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            "ratings are {item: stars}, pairs of item and stars, or a table with the columns item "
            "and rating"
        ) from None


def _checked(item: Any, value: Any, scale: RatingScale) -> float:
    try:
        stars = float(value)
    except (TypeError, ValueError):
        stars = float("nan")
    if not scale.min <= stars <= scale.max:
        raise ValueError(
            f"{value!r} for {item!r} is not a rating from {scale.min:g} to {scale.max:g}"
        )
    return stars
