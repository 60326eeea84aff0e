"""Which items of a catalogue may be recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_cf.data.catalogue import Catalogue
from hf_cf.errors import InvalidArgument


@dataclass(frozen=True)
class Filters:
    """Conditions that an item must meet, all of them; the defaults let every item pass.

    Attributes
    ----------
    genres : sequence of str
        At least one of these, in any case.
    years : (int, int), optional
        First and last year, both included; items without a year do not pass.
    exclude : sequence of ids or titles
        Items that do not pass.
    min_ratings : int
        Least number of ratings in the training data.
    items : sequence of ids or titles, optional
        Only these pass, such as what is in stock.
    """

    genres: Sequence[str] = ()
    years: tuple[int, int] | None = None
    exclude: Sequence[Any] = ()
    min_ratings: int = 0
    items: Sequence[Any] | None = None

    def hidden(self, catalogue: Catalogue) -> npt.NDArray[np.bool_]:
        """Which codes do not pass, bool, shape (n_items,), ``#na#`` among them.

        Raises
        ------
        ValueError
            No item has any of the genres, or the catalogue has no genres or years.
        UnknownItem
            `exclude` or `items` names something that the catalogue does not have.
        """
        whole = np.full(1 + len(catalogue.table), self.items is not None)
        if self.items is not None:
            whole[catalogue.codes(_several(self.items))] = False
        whole[0], hidden = True, whole[1:]
        if self.min_ratings:
            hidden |= catalogue.n_ratings < self.min_ratings
        if self.genres:
            hidden |= ~_has_genre(catalogue, _several(self.genres))
        if self.years is not None:
            if "year" not in catalogue.table:
                raise InvalidArgument("this catalogue has no years to filter by")
            first, last = self.years
            hidden |= ~((catalogue.years >= first) & (catalogue.years <= last))
        whole[catalogue.codes(_several(self.exclude))] = True
        return whole


def _several(values: Sequence[Any]) -> list[Any]:
    """A list; of a single text, of that text."""
    return [values] if isinstance(values, str) else list(values)


def _has_genre(catalogue: Catalogue, wanted: list[str]) -> npt.NDArray[np.bool_]:
    if "genres" not in catalogue.table:
        raise InvalidArgument("this catalogue has no genres to filter by")
    keys = {genre.casefold() for genre in wanted}
    kinds, kind_of_item = catalogue.genres
    passing = np.array([not keys.isdisjoint(kind.casefold().split("|")) for kind in kinds], bool)
    if not passing.any():
        known = sorted({genre for kind in kinds for genre in kind.split("|")})
        have = ", ".join(filter(None, known))
        raise InvalidArgument(f"no item is of the genre {' or '.join(wanted)}; there are {have}")
    return passing[kind_of_item]
