"""Tables in memory, whatever library they are of, as checked columns of ratings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.catalogue_columns import demand_distinct_names
from hf_cf.data.guesses import Feedback, checked_strengths
from hf_cf.data.scale import RatingScale, Stars
from hf_cf.data.times import Timestamps, seconds
from hf_cf.errors import DataFormatError

TAKEN = (
    "a pandas or polars DataFrame, a pyarrow Table, a Dataset of Hugging Face, a dict of columns, "
    "or a scipy sparse matrix of users by items"
)


@dataclass(frozen=True, eq=False)
class RatingColumns:
    """Columns of raw ids and ratings, checked.

    Attributes
    ----------
    users, items : array, shape (n,)
        Raw ids.
    stars : float32 array, shape (n,)
    timestamps : int64 array, shape (n,), optional
    scale : RatingScale
    feedback : {"explicit", "implicit"}
    """

    users: npt.NDArray[Any]
    items: npt.NDArray[Any]
    stars: Stars
    timestamps: Timestamps | None
    scale: RatingScale
    feedback: Feedback


def as_frame(table: Any, what: str = "ratings") -> pd.DataFrame:
    """A table of some library as a pandas DataFrame.

    Raises
    ------
    DataFormatError
        It is none that can be read, or two of its columns have one name.
    """
    frame = _as_frame(table, what)
    demand_distinct_names(frame)
    return frame


def read_frame(
    table: Any,
    *,
    scale: Any = None,
    feedback: Feedback | None = None,
    missing: float | None = None,
    time_is_named: bool = True,
) -> RatingColumns:
    """Check a table ``user``, ``item`` [, ``rating``, ``timestamp``]; see `Ratings.from_frame`."""
    frame = as_frame(table)
    for column in ("user", "item"):
        if column not in frame.columns:
            have = ", ".join(map(str, frame.columns))
            raise DataFormatError(
                f"the column is missing; it has {have}. Rename columns so that there are "
                "user, item and, where there are any, rating",
                column=column,
            )
    if missing is not None and "rating" in frame:
        equal = pd.to_numeric(frame["rating"], errors="coerce").eq(missing).fillna(False)
        frame = frame[~np.asarray(equal, bool)]
    if frame.empty:
        raise DataFormatError("there are no ratings")
    for column in ("user", "item"):
        _demand_ids(frame[column])
    given = _numbers(frame["rating"]) if "rating" in frame else None
    check = partial(_check, frame)
    stars, kind, found = checked_strengths(given, len(frame), feedback, scale, check)
    times = _times(frame, time_is_named) if "timestamp" in frame else None
    users, items = (frame[name].to_numpy() for name in ("user", "item"))
    return RatingColumns(users, items, stars, times, found, kind)


def _as_frame(table: Any, what: str) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, Mapping):
        try:
            return pd.DataFrame(dict(table))
        except ValueError as error:
            raise DataFormatError(f"the columns do not make a table: {error}") from error
    if hasattr(table, "tocoo"):
        matrix = table.tocoo()
        return pd.DataFrame({"user": matrix.row, "item": matrix.col, "rating": matrix.data})
    for convert in ("to_pandas", "toPandas"):
        if hasattr(table, convert):
            frame = getattr(table, convert)()
            if isinstance(frame, pd.DataFrame):
                return frame
    raise DataFormatError(f"{type(table).__name__} is no table of {what}; give {TAKEN}")


def _demand_ids(values: pd.Series[Any]) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        row = int(missing.argmax())
        raise DataFormatError("the id is missing", line=row, column=str(values.name))
    if values.dtype == object:
        containers = values.map(lambda value: isinstance(value, (list, tuple, dict, set)))
        if containers.any():
            row = int(containers.to_numpy().argmax())
            shown = repr(values.iloc[row])[:40]
            raise DataFormatError(
                f"{shown} is no id, which is a number or text; make one row of each entry, as "
                "df.explode does",
                line=row,
                column=str(values.name),
            )


def _numbers(values: pd.Series[Any]) -> Stars:
    numbers = pd.to_numeric(values, errors="coerce") if values.dtype != bool else values
    # A copy: pandas lends out its own memory read-only, of which PyTorch warns.
    stars = numbers.to_numpy(np.float32, na_value=np.nan, copy=True)
    _check(values.to_frame("rating"), ~np.isfinite(stars), "is not a rating")
    return stars


def _check(frame: pd.DataFrame, bad: npt.NDArray[np.bool_], why: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        value = frame["rating"].iloc[row]
        raise DataFormatError(f"{str(value)!r} {why}", line=row, column="rating")


def _times(frame: pd.DataFrame, is_named: bool) -> Timestamps | None:
    times, bad = seconds(frame["timestamp"])
    if not bad.any():
        return times
    row = int(bad.argmax())
    value = frame["timestamp"].iloc[row]
    if is_named:
        raise DataFormatError(f"{str(value)!r} is not a time", line=row, column="timestamp")
    warnings.warn(
        f"the times are left out: {str(value)!r}, in row {row}, is not a time", stacklevel=4
    )
    return None
