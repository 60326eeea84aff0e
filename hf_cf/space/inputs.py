"""JSON values that visitors and programs send, checked before a model sees them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from hf_cf.inference.filters import Filters
from hf_cf.inference.top_n import Familiarity, ListOptions
from hf_cf.space.errors import InvalidInput, quoted

MOST_RATINGS = 2_000
MOST_ITEMS = 1_000
MOST_SHOWN = 100
LONGEST_TEXT = 300


@dataclass(frozen=True)
class Wanted:
    """What a list of recommendations should be like."""

    n: int
    choice: ListOptions
    filters: Filters

    @classmethod
    def checked(
        cls,
        n: Any,
        genres: Any,
        years: Any,
        novelty: Any,
        diversity: Any,
        exclude: Any,
        min_ratings: Any,
        familiarity: Any = None,
    ) -> Wanted:
        """Check what a call says of its list; InvalidInput names the value that is wrong."""
        return cls(
            integer(n, "n"),
            ListOptions(
                novelty=fraction(novelty, "novelty"),
                diversity=fraction(diversity, "diversity"),
                familiarity=one_of(familiarity, "familiarity", get_args(Familiarity)),
            ),
            Filters(
                texts(genres, "genres"),
                span_of_years(years),
                items(exclude, "exclude"),
                integer(min_ratings, "min_ratings", 0, 10**9),
            ),
        )


def integer(value: Any, name: str, least: int = 1, most: int = MOST_SHOWN) -> int:
    """An integer within bounds; 5.0 counts as one, true does not."""
    number = _number(value)
    if number is None or number != int(number) or not least <= number <= most:
        raise InvalidInput(f"{name} is {quoted(value)}; it must be an integer, {least} to {most}")
    return int(number)


def fraction(value: Any, name: str) -> float:
    """A number from 0 to 1."""
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise InvalidInput(f"{name} is {quoted(value)}; it must be a number from 0 to 1")
    return number


def one_of(value: Any, name: str, choices: Sequence[str]) -> Any:
    """One of a few texts, or none."""
    if value is not None and value not in choices:
        raise InvalidInput(f"{name} is {quoted(value)}; it must be one of {', '.join(choices)}")
    return value


def flag(value: Any, name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} is {quoted(value)}; it must be true or false")
    return value


def text(value: Any, name: str) -> str:
    """A short text."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {quoted(value)}; it must be text")
    if len(value) > LONGEST_TEXT:
        raise InvalidInput(
            f"{name} has {len(value):,} characters; at most {LONGEST_TEXT} are taken"
        )
    return value


def item(value: Any, name: str = "item") -> int | str:
    """An item's id or title."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InvalidInput(f"{name} is {quoted(value)}; it must be an id or a title")
    if isinstance(value, str):
        return text(value, name)
    if not -(2**63) <= value < 2**63:
        raise InvalidInput(f"{name} is {quoted(value)}; no id is so large")
    return value


def items(value: Any, name: str, most: int = MOST_ITEMS) -> list[int | str]:
    """A list of items' ids or titles; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{name} is {quoted(value)}; it must be a list of ids or titles")
    if len(value) > most:
        raise InvalidInput(f"{name} has {len(value):,} entries; at most {most:,} are taken")
    return [item(entry, f"an entry of {name}") for entry in value]


def texts(value: Any, name: str) -> list[str]:
    """A list of short texts; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or len(value) > MOST_SHOWN:
        raise InvalidInput(f"{name} is {quoted(value)}; it must be a list of at most {MOST_SHOWN}")
    return [text(entry, f"an entry of {name}") for entry in value]


def span_of_years(value: Any) -> tuple[int, int] | None:
    """First and last year, both included, or none."""
    if value is None or value == []:
        return None
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InvalidInput(f"years is {quoted(value)}; it must be a first and a last year")
    first, last = (integer(year, "a year", 0, 9999) for year in value)
    if first > last:
        raise InvalidInput(f"years is {quoted(value)}; the first year comes after the last")
    return first, last


def ratings(value: Any) -> dict[Hashable, float]:
    """Ratings as ``{title or id: stars}`` or ``[{"item": ..., "rating": ...}]``."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple)):
        pairs = [_pair(entry) for entry in value[: MOST_RATINGS + 1]]
    else:
        raise InvalidInput(
            f"ratings is {quoted(value)}; it must be like {{'Heat (1995)': 4}} "
            "or [{'item': 'Heat (1995)', 'rating': 4}]"
        )
    if len(value) > MOST_RATINGS:
        raise InvalidInput(f"{len(value):,} ratings; at most {MOST_RATINGS:,} are taken")
    found: dict[Hashable, float] = {}
    for key, stars in pairs:
        name, number = item(key, "a rated item"), _number(stars)
        if number is None:
            raise InvalidInput(f"the rating of {quoted(name)} is {quoted(stars)}, not a number")
        if name in found:
            raise InvalidInput(f"{quoted(name)} is rated more than once")
        found[name] = number
    return found


def profile(value: Any) -> dict[str, Any] | None:
    """What else is known of somebody, such as ``{"age": 25}``; null or empty is nothing."""
    if value is None or value == {}:
        return None
    if not isinstance(value, Mapping) or len(value) > MOST_SHOWN:
        raise InvalidInput(f"profile is {quoted(value)}; it must be like {{'age': 25}}")
    for own in value.values():
        if not isinstance(own, str) and _number(own) is None:
            raise InvalidInput(f"profile is {quoted(value)}; its values must be texts or numbers")
        if isinstance(own, str):
            text(own, "a value of profile")
    return dict(value)


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, Mapping) and {"item", "rating"} <= entry.keys():
        return entry["item"], entry["rating"]
    raise InvalidInput(f"{quoted(entry)} is not a rating; it must have an item and a rating")


def _number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
