"""The items of a model: ids and titles to codes, codes to tables that people read."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.title_search import TitleIndex
from hf_cf.data.titles import series_of
from hf_cf.data.vocab import Codes, Vocab
from hf_cf.errors import UnknownItem, demand_at_least_1

_FEW = 10_000
_CREATORS = ("creator", "author", "artist", "director", "band", "developer", "brand")


class Catalogue:
    """Items by raw id or by title.

    Parameters
    ----------
    items : Vocab
        Raw ids and codes.
    table : DataFrame
        One row an item, indexed by code: ``id``, ``title``, ``n_ratings`` and what else is known.
    """

    def __init__(self, items: Vocab, table: pd.DataFrame) -> None:
        self.items, self.table = items, table
        years = table.get("year")
        self._titles = TitleIndex(table["title"], self.n_ratings, years, self.creators)
        self._series: dict[int, str] = {}

    @cached_property
    def _title_of(self) -> npt.NDArray[np.object_]:
        # pandas keeps text in Arrow; taking it out costs a millisecond per 10,000 titles, and
        # several times the memory, which a model that is only loaded does without.
        return self.table["title"].to_numpy(object)

    @cached_property
    def n_ratings(self) -> npt.NDArray[np.int64]:
        """Ratings of each item in the training data, shape (n,), without ``#na#``."""
        return self.table["n_ratings"].to_numpy()

    @cached_property
    def years(self) -> npt.NDArray[np.float64]:
        """Year of each item, shape (n,), without ``#na#``; NaN where it is not known."""
        return self.table["year"].to_numpy(np.float64, na_value=np.nan)

    @cached_property
    def creators(self) -> pd.Series[Any] | None:
        """Who made each item: author, artist, director; None where no column says so."""
        by_name = {str(name).casefold().removesuffix("s"): name for name in self.table}
        column = next((by_name[name] for name in _CREATORS if name in by_name), None)
        return None if column is None else self.table[column]

    @cached_property
    def genres(self) -> tuple[list[str], npt.NDArray[np.intp]]:
        """Every combination of genres, as ``Comedy|Drama``, and which of them each item is."""
        kind_of_item, kinds = pd.factorize(self.table["genres"].fillna(""))
        return kinds.tolist(), kind_of_item

    def codes(self, raw: Any) -> Codes:
        """Codes of raw ids or titles, int32, shape (n,).

        Raises
        ------
        UnknownItem
            One of them is no id and no title, or the title of several items.
        """
        raw = plain_ids(raw)
        codes = self._by_id_or_title(raw)
        for at in np.flatnonzero(codes == 0):
            codes[at] = self._code_of_title(raw[at])
        return codes

    def known_codes(self, raw: Any) -> Codes:
        """Codes of raw ids or titles as `codes` finds them, 0 for those that it would refuse."""
        raw = plain_ids(raw)
        codes = self._by_id_or_title(raw)
        for at in np.flatnonzero(codes == 0):
            same = self._titles.exact(raw[at]) if isinstance(raw[at], str) else []
            codes[at] = same[0] if len(same) == 1 else 0
        return codes

    def _by_id_or_title(self, raw: list[Any]) -> Codes:
        """Codes of ids and of titles as they are written; 0 for others."""
        if not raw:
            return np.zeros(0, np.int32)
        # A visitor's few names are looked up one by one: pandas would take longer to start.
        if len(raw) <= _FEW and all(type(name) in (int, str) for name in raw):
            codes = np.array([self._by_name.get(name, 0) for name in raw], np.int32)
        else:
            codes = np.zeros(len(raw), np.int32)
        missing = np.flatnonzero(codes == 0)
        if len(missing):
            codes[missing] = self.items.encode(pd.Index(raw, dtype=object)[missing])
        return codes

    def find(self, text: str, n: int) -> pd.DataFrame:
        """Rows of the table that are nearest to `text`, best first, and ``likeness``."""
        demand_at_least_1(n)
        codes, likeness = self._titles.nearest(str(text), n)
        return self.table.loc[codes].reset_index(drop=True).assign(likeness=likeness)

    def describe(self, codes: npt.NDArray[Any], **columns: Any) -> pd.DataFrame:
        """Table of items in the order of `codes`: ``item`` (raw id), ``title``, more columns."""
        titles = self._title_of[codes - 1]
        return pd.DataFrame({"item": self.items.ids[codes - 1], "title": titles, **columns})

    def series_of(self, code: int) -> str:
        """Name of the series that an item is of, by its title; see `titles.series_of`."""
        series = self._series.get(code)
        if series is None:
            series = self._series[code] = series_of(self._title_of[code - 1])
        return series

    @cached_property
    def _by_name(self) -> dict[int | str, int]:
        """Codes by raw id, by title where a single item has it, and by the text of an integer id.

        Text that is a title is that title, though it may spell another item's integer id: the
        film "300" is not item 300.
        """
        ids = self.items.ids.tolist()
        codes = range(1, len(ids) + 1)
        by_title = dict(zip(self._title_of.tolist(), codes, strict=True))
        if len(by_title) < len(ids):
            times = Counter(self._title_of.tolist())
            by_title = {title: code for title, code in by_title.items() if times[title] == 1}
        by_text = dict(zip(map(str, ids), codes, strict=True))
        by_id: dict[int | str, int] = dict(zip(ids, codes, strict=True))
        return {**by_text, **by_title, **by_id}

    def _code_of_title(self, name: Any) -> int:
        codes = self._titles.exact(name) if isinstance(name, str) else []
        if len(codes) == 1:
            return codes[0]
        if codes:
            ids = ", ".join(str(self.items.decode(code)) for code in codes)
            raise UnknownItem(f"{name!r} is the title of several items; use an id: {ids}", [name])
        nearest = self.find(name, 3)["title"].tolist() if isinstance(name, str) else []
        hint = f"; the nearest titles are {', '.join(map(repr, nearest))}" if nearest else ""
        raise UnknownItem(f"there is no item {name!r}{hint}", nearest)


def plain_ids(raw: Any) -> list[Any]:
    """Raw ids as Python's own values, as a message should show them, not as numpy's scalars."""
    if isinstance(raw, (np.ndarray, pd.Series, pd.Index)):
        return raw.tolist()
    return [value.item() if isinstance(value, np.generic) else value for value in raw]
