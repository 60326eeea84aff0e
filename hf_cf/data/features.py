"""What is known of users and items besides their ratings, as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

KINDS = ("number", "category", "tags", "vector")
TEXT = "text embedding"
"""The column of the vectors that stand for an item's text; see `text_embedding`."""

MOST_VALUES = 100
MOST_KNOTS = 16
_NAMES = ("id", "title", "n_ratings")  # who it is, and what the ratings say of it


@dataclass(frozen=True)
class Feature:
    """A column of a table and the columns of numbers that it becomes.

    Attributes
    ----------
    column : str
        Name in the table.
    kind : {"number", "category", "tags", "vector"}
        A ``number`` is interpolated between knots: of its columns the two whose knots it lies
        between share a 1. A ``category`` has a 1 in the column of its value, and ``tags`` (text
        joined by ``|``) one in that of each. A ``vector`` is taken as it is.
    values : tuple of float or of str
        The knots, ascending, or the values, one a column; what each number of a vector is
        multiplied by.
    average : tuple of float
        What the columns are on average where anything is known; it is taken off, so that the
        zeros of what is missing, or has other values, stand for the average. Empty for none.
    """

    column: str
    kind: str
    values: tuple[Any, ...]
    average: tuple[float, ...] = ()

    def encode(self, values: pd.Series) -> npt.NDArray[np.float32]:
        """Numbers of a column of a table, shape (n, len(values))."""
        matrix = self._columns(values)
        if self.average:
            matrix -= _known(matrix)[:, None] * np.array(self.average, np.float32)
        return matrix

    def centred(self, values: pd.Series) -> Feature:
        """Return the feature with the average of a column of a table."""
        matrix = self._columns(values)
        known = matrix[_known(matrix)]
        return replace(self, average=tuple(known.mean(0).round(6).tolist()))

    def _columns(self, values: pd.Series) -> npt.NDArray[np.float32]:
        if self.kind == "number":
            return _between(pd.to_numeric(values, errors="coerce"), np.array(self.values))
        if self.kind == "vector":
            nothing = np.zeros(len(self.values), np.float32)
            rows = [each if isinstance(each, np.ndarray) else nothing for each in values]
            weights = np.array(self.values, np.float32)
            return np.array(rows, np.float32).reshape(-1, len(weights)) * weights
        texts, text_of_row = _texts(values)
        tags = [[text] if self.kind == "category" else text.split("|") for text in texts]
        return _ones(tags, self.values)[text_of_row]


def find_features(table: pd.DataFrame | None) -> tuple[Feature, ...]:
    """Find the columns of a catalogue or a table of users that can tell rows apart.

    Numbers such as a year or an age, texts with few values such as an occupation, and tags such
    as genres. What differs from row to row, such as links, is left out.
    """
    if table is None:
        return ()
    found = [_feature(table[name]) for name in table if name not in _NAMES]
    return tuple(feature.centred(table[feature.column]) for feature in found if feature is not None)


def design_matrix(features: Sequence[Feature], table: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Numbers of the rows of a table, shape (n, p); zeros for a column that it does not have."""
    parts = [np.zeros((len(table), 0), np.float32)]
    for feature in features:
        if feature.column in table:
            parts.append(feature.encode(table[feature.column]))
        else:
            parts.append(np.zeros((len(table), len(feature.values)), np.float32))
    return np.hstack(parts)


def n_columns(features: Sequence[Feature]) -> int:
    """Columns that features become."""
    return sum(len(feature.values) for feature in features)


def to_json(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Features as plain JSON values."""
    lists = ({"values": list(f.values), "average": list(f.average)} for f in features)
    return [{**asdict(f), **both} for f, both in zip(features, lists, strict=True)]


def from_json(features: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Features of what `to_json` gave."""
    return tuple(
        Feature(f["column"], f["kind"], tuple(f["values"]), tuple(f.get("average", ())))
        for f in features
    )


def _feature(values: pd.Series) -> Feature | None:
    name = str(values.name)
    known = values.dropna()
    if name == TEXT:
        sizes = {len(each) if isinstance(each, np.ndarray) else 0 for each in known}
        return Feature(name, "vector", (1.0,) * sizes.pop()) if len(sizes - {0}) == 1 else None
    if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        texts, _ = _texts(known)
        tags = sorted({tag for text in texts for tag in text.split("|") if tag})
        kind = "tags" if any("|" in text for text in texts) else "category"
        return Feature(name, kind, tuple(tags)) if 2 <= len(tags) <= MOST_VALUES else None
    numbers = known.to_numpy(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    distinct = np.unique(numbers)
    # Where nearly every row has its own number, it is an id.
    if not 2 <= len(distinct) <= max(20, len(numbers) // 2):
        return None
    knots = np.unique(np.quantile(numbers, np.linspace(0, 1, MOST_KNOTS)))
    if len(knots) < 2:
        knots = distinct[[0, -1]]
    return Feature(name, "number", tuple(knots.tolist()))


def _known(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.count_nonzero(matrix, axis=1) > 0


def _texts(values: pd.Series) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Distinct texts, and which of them each row has; that of what is missing is empty, last."""
    try:
        text_of_row, distinct = pd.factorize(values)
    except TypeError:  # lists and the like, which cannot be hashed
        text_of_row, distinct = pd.factorize(values.map(str, na_action="ignore"))
    return [*map(str, distinct), ""], text_of_row


def _ones(rows: Sequence[Sequence[str]], values: Sequence[str]) -> npt.NDArray[np.float32]:
    column_of = {value: column for column, value in enumerate(values)}
    cells = [
        (row, column_of[value])
        for row, texts in enumerate(rows)
        for value in texts
        if value in column_of
    ]
    matrix = np.zeros((len(rows), len(values)), np.float32)
    if cells:
        matrix[tuple(np.array(cells).T)] = 1
    return matrix


def _between(numbers: pd.Series, knots: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Hat functions at the knots; the first and the last reach beyond them."""
    known = numbers.to_numpy(np.float64, na_value=np.nan)
    x = np.clip(np.nan_to_num(known, nan=knots[0]), knots[0], knots[-1])
    right = np.clip(np.searchsorted(knots, x), 1, len(knots) - 1)
    share = (x - knots[right - 1]) / (knots[right] - knots[right - 1])
    matrix = np.zeros((len(x), len(knots)), np.float32)
    rows = np.arange(len(x))
    matrix[rows, right - 1] = 1 - share
    matrix[rows, right] = share
    matrix[np.isnan(known)] = 0
    return matrix
