"""The columns of a catalogue in their one form: titles and genres text, years Int32."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.errors import DataFormatError


def checked_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A catalogue with ``title``, ``year`` and ``genres``, where it has them, in their one form.

    Titles are text, without HTML entities; missing or blank ones are missing. A year that is no
    integer is missing. Genres are text joined by ``|``: given as lists, or joined by ``,`` or
    ``;`` where no ``|`` occurs; missing ones are empty.

    Raises
    ------
    DataFormatError
        Two columns have the same name.
    """
    demand_distinct_names(table)
    changed: dict[str, Any] = {}
    if "title" in table:
        changed["title"] = _titles(table["title"])
    if "year" in table:
        changed["year"] = _years(table["year"])
    if "genres" in table:
        changed["genres"] = _genres(table["genres"])
    return table.assign(**changed) if changed else table


def demand_distinct_names(table: pd.DataFrame) -> None:
    """Raise DataFormatError where two columns of a table have the same name."""
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise DataFormatError("two columns have this name; leave one out", column=str(repeated[0]))


def wrong_columns(table: pd.DataFrame) -> str | None:
    """The name of a column that is not in its form; None where all are."""
    for name in ("title", "genres"):
        if name in table and not (
            isinstance(table[name].dtype, pd.StringDtype)
            or pd.api.types.infer_dtype(table[name], skipna=True) in ("string", "empty")
        ):
            return name
    if "year" in table and not (
        pd.api.types.is_integer_dtype(table["year"].dtype) or table["year"].isna().all()
    ):
        return "year"
    return None


def _titles(values: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(values.dtype, pd.StringDtype):
        titles = values
    else:
        titles = values.astype(object).map(str, na_action="ignore")
    entities = titles.str.contains("&", regex=False, na=False)
    if entities.any():
        titles = titles.where(~entities, titles.map(html.unescape, na_action="ignore"))
    blank = titles.str.strip().eq("").fillna(False)
    return titles.mask(blank.astype(bool)) if blank.any() else titles


def _years(values: pd.Series[Any]) -> pd.Series[Any]:
    if values.dtype == pd.Int32Dtype():
        return values
    numbers = pd.to_numeric(values.astype(object), errors="coerce").astype(np.float64)
    return numbers.where((numbers % 1 == 0) & (numbers.abs() < 10_000)).astype("Int32")


def _genres(values: pd.Series[Any]) -> pd.Series[Any]:
    # Few different values stand in many rows, so each is looked at once.
    if pd.api.types.infer_dtype(values, skipna=True) not in ("string", "categorical", "empty"):
        values = values.map(_joined)
    codes, distinct = pd.factorize(values.astype(object))
    texts = ["" if pd.isna(value) else str(value) for value in distinct]
    if not any("|" in text for text in texts):
        for separator in (";", ","):
            if any(separator in text for text in texts):
                texts = [text.replace(separator, "|") for text in texts]
    texts = ["|".join(filter(None, map(str.strip, text.split("|")))) for text in texts]
    return pd.Series(pd.array([*texts, ""], dtype="str").take(codes), index=values.index)


def _joined(value: Any) -> Any:
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return "|".join(map(str, value))
    return None if pd.isna(value) else str(value)
