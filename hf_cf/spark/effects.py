"""Damped user and item effects in Spark: `hf_cf.baselines.damped_biases` where ratings are many."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Effects:
    """How far each user rates, and each item is rated, from the mean.

    Attributes
    ----------
    mean : float
        Of the ratings, in stars.
    users, items : DataFrame
        ``user`` or ``item`` (code) and ``effect`` (stars); those without ratings are not in them.
    """

    mean: float
    users: DataFrame
    items: DataFrame

    def residuals(self, ratings: DataFrame) -> DataFrame:
        """``user``, ``item`` and ``rating``, less what mean, user and item explain of it."""
        users = self.users.withColumnRenamed("effect", "of_user")
        items = self.items.withColumnRenamed("effect", "of_item")
        left = F.col("rating") - self.mean - F.col("of_user") - F.col("of_item")
        return (
            ratings.join(users, "user")
            .join(items, "item")
            .select("user", "item", left.cast("float").alias("rating"))
        )


def damped_effects(
    ratings: DataFrame, *, user_damping: float = 5.0, item_damping: float = 2.0, sweeps: int = 5
) -> Effects:
    """Fit the effects as `hf_cf.baselines.damped_biases` does, items first, by turns.

    Parameters
    ----------
    ratings : DataFrame
        ``user``, ``item`` (codes), ``rating``.
    user_damping, item_damping : float
        An effect counts as if so many ratings more had been given that show none.
    sweeps : int
        Alternations; each reads the ratings twice.
    """
    centre = ratings.agg(F.avg(F.col("rating").cast("double")).alias("mean")).first()
    assert centre is not None
    mean: float = centre["mean"]
    off = F.col("rating").cast("double") - mean
    items = _damped(ratings, "item", off, item_damping)
    users = _without(ratings, items, "user", off, user_damping)
    for _ in range(sweeps - 1):
        items = _without(ratings, users, "item", off, item_damping)
        users = _without(ratings, items, "user", off, user_damping)
    return Effects(mean, users, items)


def _without(
    ratings: DataFrame, other: DataFrame, side: str, off: Column, damping: float
) -> DataFrame:
    """Effects of one side from what those of the other side leave."""
    key = next(name for name in other.columns if name != "effect")
    return _damped(ratings.join(other, key), side, off - F.col("effect"), damping)


def _damped(ratings: DataFrame, side: str, left: Column, damping: float) -> DataFrame:
    effect = F.sum(left) / (F.count(F.lit(1)) + damping)
    # Kept, or each sweep would run all the sweeps before it again.
    return ratings.groupBy(side).agg(effect.alias("effect")).persist()
