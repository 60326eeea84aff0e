"""The factors of both heads: MLlib's alternating least squares, as models of hf_cf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from hf_cf.data.scale import RatingScale
from hf_cf.models import BiasedFactorization, ImplicitALS
from hf_cf.spark.coding import Coded
from hf_cf.spark.effects import Effects
from hf_cf.spark.vectors import factors_of

_SAMPLED_USERS = 20_000
_CHECKPOINT_EVERY = 4  # iterations; each makes the chain of what it depends on longer


@dataclass(frozen=True)
class SparkSettings:
    """Settings of `fit`; the defaults were tuned on a validation part of MovieLens 100K's u1.base.

    Attributes
    ----------
    factors, iterations : int
        Of the rating model.
    regularization : float
        MLlib's ``regParam``: shrinkage of the factors, times the ratings of a user or item.
    user_damping, item_damping : float
        Shrinkage of the effects; see `hf_cf.evaluation.baselines.damped_biases`.
    sweeps : int
        Alternations between user and item effects.
    ranking_factors, ranking_iterations : int
        Of the ranking head.
    ranking_regularization : float
        The ranking head's ``regParam``.
    confidence : float
        MLlib's ``alpha``: how much a rating of weight 1 counts; an unmentioned item counts 1.
    weight : tuple of 5 floats
        How much 1 to 5 stars out of five say that such items are wanted; ratings of weight 0 say
        nothing.
    blocks : int
        Parts that users and items are cut into; at least as many as cores.
    seed : int
        Of the first factors, and of the draw of users for calibration.
    """

    factors: int = 40
    iterations: int = 10
    regularization: float = 0.15
    user_damping: float = 5.0
    item_damping: float = 2.0
    sweeps: int = 5
    ranking_factors: int = 64
    ranking_iterations: int = 10
    ranking_regularization: float = 0.3
    confidence: float = 2.0
    weight: tuple[float, float, float, float, float] = (0.0, 0.0, 0.3, 0.8, 1.0)
    blocks: int = 10
    seed: int = 42


def rating_model(
    effects: Effects, train: DataFrame, coded: Coded, settings: SparkSettings, staging: str
) -> tuple[BiasedFactorization, torch.Tensor]:
    """The model of stars without users, and the vectors of a sample of users."""
    size = settings.factors
    path = f"{staging}/residuals"
    effects.residuals(train).write.parquet(path)
    residuals = train.sparkSession.read.parquet(path)
    als = _als(residuals, size, settings.iterations, settings.regularization, settings)
    items = als.itemFactors.withColumnRenamed("id", "item").join(effects.items, "item")
    codes, factors, biases = factors_of(items, "item", coded.n_items, size, "effect")
    model = BiasedFactorization(1, coded.n_items, size)
    model.mean.fill_(effects.mean)
    users = _sample(als.userFactors, coded).withColumnRenamed("id", "user")
    _, user_factors, user_biases = factors_of(
        users.join(effects.users, "user"), "user", 1, size, "effect"
    )
    vectors = torch.from_numpy(np.hstack([user_factors, user_biases[:, None]]))
    with torch.no_grad():
        (of_user, user_bias), (of_item, item_bias) = model.tables()
        for table, values in ((of_item, factors), (item_bias, biases[:, None])):
            # What was not trained is like the mean of what was.
            table.weight.copy_(torch.from_numpy(values.mean(0)).expand_as(table.weight))
            table.weight[torch.from_numpy(codes).long()] = torch.from_numpy(values)
        of_user.weight.copy_(vectors[:, :-1].mean(0, keepdim=True))
        user_bias.weight.copy_(vectors[:, -1:].mean(0, keepdim=True))
    return model.eval().requires_grad_(False), vectors


def ranking_model(train: DataFrame, coded: Coded, settings: SparkSettings) -> ImplicitALS | None:
    """The ranking head whose equations are those of MLlib's implicit ALS.

    MLlib counts a rating of weight w with ``confidence * w``, added to the 1 of every item, and
    asks for 1 with both. In units of the rating's weight that is a preference of
    ``1 + 1 / (confidence * w)``, and ``1 / confidence`` for what was not mentioned. Its ridge
    counts ratings where `ImplicitALS` sums their weights, which on average comes to the same; one
    effective item keeps it above zero for a user whose ratings say nothing.
    """
    weight = _by_stars(settings.weight, coded.scale)
    wanted = train.withColumn("rating", weight.cast("float")).where(F.col("rating") > 0)
    mean = wanted.agg(F.avg("rating").alias("mean")).first()
    if mean is None or mean["mean"] is None:
        return None
    als = _als(
        wanted, settings.ranking_factors, settings.ranking_iterations,
        settings.ranking_regularization, settings, settings.confidence,
    )  # fmt: skip
    unobserved = 1 / settings.confidence
    least = min(value for value in settings.weight if value > 0)
    model = ImplicitALS(
        coded.n_items,
        factors=settings.ranking_factors,
        preference=[1 + unobserved / max(value, least) for value in settings.weight],
        weight=settings.weight,
        unobserved=unobserved,
        regularization=settings.ranking_regularization * unobserved / mean["mean"],
        exponent=1.0,
        effective_items=1.0,
        average_weight=1.0,
        low=coded.scale.min,
        high=coded.scale.max,
    )
    codes, factors, _ = factors_of(als.itemFactors, "id", coded.n_items, model.vector_size)
    table = torch.zeros(coded.n_items, model.vector_size)
    table[torch.from_numpy(codes).long()] = torch.from_numpy(factors)
    model.set_items(table)
    _, users, _ = factors_of(_sample(als.userFactors, coded), "id", 1, model.vector_size)
    model.average_user.copy_(torch.from_numpy(users).mean(0))
    return model.eval()


def _als(
    ratings: DataFrame, rank: int, iterations: int, ridge: float, settings: SparkSettings,
    confidence: float | None = None,
) -> ALSModel:  # fmt: skip
    als = ALS(
        rank=rank, maxIter=iterations, regParam=ridge, seed=settings.seed,
        numUserBlocks=settings.blocks, numItemBlocks=settings.blocks,
        implicitPrefs=confidence is not None, alpha=confidence or 1.0,
        userCol="user", itemCol="item", ratingCol="rating", checkpointInterval=_CHECKPOINT_EVERY,
    )  # fmt: skip
    return als.fit(ratings)


def _by_stars(curve: tuple[float, ...], scale: RatingScale) -> Column:
    """Read a curve that is given at 1 to 5 stars out of five, as `ImplicitALS` does."""
    floor = min(scale.min, 0.0)
    stars = (F.col("rating") - floor) * (5 / (scale.max - floor)) - 1
    stars = F.least(F.greatest(stars, F.lit(0.0)), F.lit(float(len(curve) - 1)))
    below = F.floor(stars).cast("int")
    knots = F.array(*map(F.lit, curve))
    gradients = F.array(*map(F.lit, [*np.diff(curve).tolist(), 0.0]))
    return F.element_at(knots, below + 1) + F.element_at(gradients, below + 1) * (stars - below)


def _sample(factors: DataFrame, coded: Coded) -> DataFrame:
    """At most about 20,000 users, the same on every call."""
    if coded.n_users <= _SAMPLED_USERS:
        return factors
    share = F.pmod(F.xxhash64("id"), F.lit(coded.n_users)) < _SAMPLED_USERS
    return factors.where(share)
