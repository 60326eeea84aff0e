"""What an evaluation found, as a table and as JSON values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import pandas as pd

from hf_cf.inference.metadata import MODEL

OVERALL = "all"
ERROR_METRICS = ("rmse", "mae", "mse")


@dataclass(frozen=True)
class Measurement:
    """One number.

    Attributes
    ----------
    system : str
        ``"model"``, or the name of a baseline.
    metric : str
        ``"rmse"``, ``"mae"`` (stars), ``"mse"`` (squared stars), or a ranking metric with the
        length of the lists, such as ``"ndcg@10"``.
    by, group : str
        ``"all"``; or ``"user activity"`` or ``"item popularity"`` and the group's range of
        training ratings, such as ``"20 to 49"``.
    value : float
    low, high : float
        Bounds of its confidence interval; NaN where it has none.
    count : int
        Held-out ratings behind an error, users behind a ranking metric.
    """

    system: str
    metric: str
    by: str
    group: str
    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    measurements : tuple of Measurement
        The model first, then the baselines.
    protocol : dict
        How it was measured, plain JSON values: ``model``, ``data``, ``k``, ``relevant_from``,
        ``train_ratings``, ``test_ratings``, ``left_out_known`` and ``left_out_new_users``
        (ratings), ``users``, ``users_ranked``, ``catalogue`` (items), ``resamples``,
        ``confidence``, ``seed``, and ``recommend``, the options that the lists were made with.
    """

    measurements: tuple[Measurement, ...]
    protocol: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = [
            f"{one.metric} {one.value:.4f}"
            for one in self.measurements
            if one.system == MODEL and one.by == OVERALL
        ]
        return f"Evaluation({', '.join(shown)})"

    def value(
        self, metric: str, system: str = MODEL, by: str = OVERALL, group: str = OVERALL
    ) -> float:
        """One number, such as ``value("ndcg@10")`` or ``value("rmse", "item mean")``.

        Raises
        ------
        KeyError
            It was not measured.
        """
        for one in self.measurements:
            if (one.metric, one.system, one.by, one.group) == (metric, system, by, group):
                return one.value
        raise KeyError(f"no {metric} of {system!r} by {by}, {group}")

    def to_frame(self) -> pd.DataFrame:
        """One row a measurement; the columns are the fields of `Measurement`."""
        return pd.DataFrame([asdict(one) for one in self.measurements])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``protocol``, and one record a measurement in ``measurements``.

        Bounds that do not exist are None.
        """
        return {"protocol": dict(self.protocol), "measurements": _records(self.to_frame())}


@dataclass(frozen=True, eq=False)
class Curves:
    """Figures of several systems, each at several numbers: of ratings, or of questions.

    Attributes
    ----------
    table : DataFrame
        One row a number and a system: the number in the column `by`, ``system``, and its figures.
    protocol : dict
        How it was measured, plain JSON values.
    """

    by: ClassVar[str]
    unit: ClassVar[str]
    table: pd.DataFrame
    protocol: Mapping[str, Any]

    def _at(self, metric: str, number: int, system: str) -> float:
        """One figure; a `KeyError` says that it was not measured."""
        rows = self.table[(self.table[self.by] == number) & (self.table["system"] == system)]
        if not len(rows):
            raise KeyError(f"{system!r} was not measured with {number} {self.unit}")
        return float(rows[metric].iloc[0])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``protocol``, and the rows in ``measurements``; None for NaN."""
        return {"protocol": dict(self.protocol), "measurements": _records(self.table)}


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Rows as plain JSON values; None for NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
