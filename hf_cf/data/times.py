"""Times of ratings, however they are written, as seconds since 1970."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Timestamps = npt.NDArray[np.int64]

NO_TIME = -1
"""The time of a rating without one."""

# The unit follows from the size: 1e11 seconds are the year 5138, 1e11 milliseconds 1973.
_UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))
_LARGEST = 1e20
_ENOUGH = 50_000  # values tell their unit


def seconds(values: pd.Series[Any]) -> tuple[Timestamps, npt.NDArray[np.bool_]]:
    """Seconds since 1970, int64, and where a value is there that is no time.

    Taken are numbers in seconds, milliseconds, microseconds or nanoseconds, ``datetime64`` of any
    unit and zone (without one: UTC), ISO text, and dates in any order that pandas reads; the day
    stands first only where no month can. A missing value is `NO_TIME`.
    """
    missing = values.isna().to_numpy()
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        return _of_dates(values, missing)
    if pd.api.types.is_bool_dtype(values.dtype):
        return np.full(len(values), NO_TIME), ~missing
    numbers = values if pd.api.types.is_numeric_dtype(values.dtype) else _numbers(values)
    if numbers is not None:
        return _of_numbers(numbers, missing)
    texts = values.astype(object).where(~missing)
    dates = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    for day_first in (False, True):
        if not (dates.isna().to_numpy() & ~missing).any():
            break
        dates = pd.to_datetime(texts, format="mixed", dayfirst=day_first, utc=True, errors="coerce")
    return _of_dates(dates, missing)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Text that spells numbers, but for a few; None where it spells something else."""
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if 2 * numbers.notna().sum() > values.notna().sum() else None


def _of_numbers(
    values: pd.Series[Any], missing: npt.NDArray[np.bool_]
) -> tuple[Timestamps, npt.NDArray[np.bool_]]:
    if pd.api.types.is_integer_dtype(values.dtype) and not missing.any():
        whole = values.to_numpy(np.int64)
        divisor = _divisor(float(np.median(_some(whole))))
        return whole if divisor == 1 else whole // divisor, np.zeros(len(whole), bool)
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    good = np.abs(numbers) < _LARGEST
    bad = ~missing & ~good
    divisor = _divisor(float(np.median(_some(numbers[good])))) if good.any() else 1
    found = np.full(len(numbers), NO_TIME)
    found[good] = np.floor(numbers[good] / divisor).astype(np.int64)
    return found, bad


def _some(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Evenly spaced values, a hundred thousand at most."""
    return values[:: max(1, len(values) // _ENOUGH)]


def _divisor(typical: float) -> int:
    return next((divisor for least, divisor in _UNITS if abs(typical) >= least), 1)


def _of_dates(
    values: pd.Series[Any], missing: npt.NDArray[np.bool_]
) -> tuple[Timestamps, npt.NDArray[np.bool_]]:
    unreadable = values.isna().to_numpy()
    found = values.dt.as_unit("s").astype("int64").to_numpy().copy()
    found[unreadable] = NO_TIME
    return found, unreadable & ~missing
