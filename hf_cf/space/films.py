"""A catalogue's films as JSON."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.catalogue import Catalogue

Json = dict[str, Any]

_EXACT = 2**53  # beyond it a browser rounds numbers


def as_sent(identifier: int | str) -> int | str:
    """An id as JSON: a number where a browser keeps it exactly, else text, which is taken too."""
    is_exact = isinstance(identifier, str) or -_EXACT <= identifier <= _EXACT
    return identifier if is_exact else str(identifier)


class Films:
    """The films of a catalogue by code, in columns of Python values that JSON can take.

    A film is ``{"item", "title", "year", "genres", "n_ratings"}``: id (see `as_sent`), text, number
    or null, list, number; and ``"creator"`` where a column says who made it: author, artist,
    director.

    Parameters
    ----------
    catalogue : Catalogue
        Of the model.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __getitem__(self, codes: npt.NDArray[np.integer[Any]]) -> list[Json]:
        """Films by code, shape (n,)."""
        films = []
        for row in (codes - 1).tolist():
            item, title, year, genres, n_ratings = self._rows[row]
            films.append(
                {
                    "item": item,
                    "title": title,
                    "year": year,
                    "genres": genres.split("|") if genres else [],
                    "n_ratings": n_ratings,
                }
                | ({} if self._creators is None else {"creator": self._creators[row]})
            )
        return films

    @cached_property
    def genres(self) -> list[str]:
        """Every genre of the catalogue in alphabetical order."""
        return sorted({genre for row in self._rows for genre in row[3].split("|")} - {""})

    @cached_property
    def years(self) -> list[int] | None:
        """The first and the last year of the catalogue; None where it has no years."""
        known = [row[2] for row in self._rows if row[2] is not None]
        return [min(known), max(known)] if known else None

    @cached_property
    def _creators(self) -> list[str | None] | None:
        """Who made each film; None where no column says so."""
        makers = self._catalogue.creators
        if makers is None:
            return None
        return [None if pd.isna(one) else str(one) for one in makers]

    @cached_property
    def _rows(self) -> list[tuple[Any, str, int | None, str, int]]:
        """Id, title, year, genres and number of ratings of each film."""
        table = self._catalogue.table
        n = len(table)
        years = table["year"].tolist() if "year" in table else [None] * n
        genres = table["genres"].fillna("").tolist() if "genres" in table else [""] * n
        return list(
            zip(
                [as_sent(identifier) for identifier in table["id"].tolist()],
                table["title"].tolist(),
                [None if pd.isna(year) else int(year) for year in years],
                genres,
                table["n_ratings"].tolist(),
                strict=True,
            )
        )
