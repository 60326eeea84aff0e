"""Damped user and item effects in Spark, as `damped_biases` of `hf_cf.evaluation.baselines`."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
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
    ratings: DataFrame,
    staging: str,
    *,
    user_damping: float = 5.0,
    item_damping: float = 2.0,
    sweeps: int = 5,
) -> Effects:
    """Fit the effects as `hf_cf.evaluation.baselines.damped_biases` does, items first, alternating.

    Parameters
    ----------
    ratings : DataFrame
        ``user``, ``item`` (codes), ``rating``.
    staging : str
        Folder to write the effects of each turn to; were they kept in memory only, every turn
        would depend on all before it, a chain that is too deep for Java's stack.
    user_damping, item_damping : float
        An effect counts as if so many ratings more had been given that show none.
    sweeps : int
        Alternations; each reads the ratings twice.
    """
    centre = ratings.agg(F.avg(F.col("rating").cast("double")).alias("mean")).first()
    assert centre is not None
    mean: float = centre["mean"]
    left = F.col("rating").cast("double") - mean
    damping = {"user": user_damping, "item": item_damping}
    found: dict[str, DataFrame] = {}
    for sweep in range(sweeps):
        for side, other in (("item", "user"), ("user", "item")):
            rest = ratings.withColumn("left", left)
            if other in found:
                rest = rest.join(found[other], other).withColumn("left", left - F.col("effect"))
            effect = F.sum("left") / (F.count(F.lit(1)) + damping[side])
            path = f"{staging}/{side}s-{sweep}"
            rest.groupBy(side).agg(effect.alias("effect")).write.parquet(path)
            found[side] = ratings.sparkSession.read.parquet(path)
    return Effects(mean, found["user"], found["item"])
