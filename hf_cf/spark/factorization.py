"""Both heads: trained on a sample of users on the driver, and on all of them on the executors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import Vocab
from hf_cf.evaluation.baselines import chosen_damping
from hf_cf.inference.calibration import calibrated_prior
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.trained_model import trained_vectors
from hf_cf.models import BiasedFactorization, ImplicitALS, NoStars
from hf_cf.models.ridge import factors_from_features
from hf_cf.spark.alternation import AlternationState, Stars, alternated
from hf_cf.spark.batches import Batches, map_batches
from hf_cf.spark.blocks import RATINGS, HeldOut, as_bytes, from_bytes, ratings_of
from hf_cf.spark.coding import Coded
from hf_cf.training.against_biases import blended_with_biases, chosen_biases
from hf_cf.training.als import put_sides, train_als
from hf_cf.training.fitting import give_untrained_rows_the_mean, item_features
from hf_cf.training.ranking import (
    FACTORS,
    FACTORS_OF_MANY,
    SAMPLE,
    ExpectedFactors,
    ImplicitALSConfig,
    fit_implicit_als,
)
from hf_cf.training.rating_rows import rating_rows
from hf_cf.training.settings import TrainingSettings, settings_for


@dataclass(frozen=True)
class SparkSettings:
    """Settings of `fit`; all others are those of ``als`` and of the ranking head on one machine.

    Attributes
    ----------
    factors : int
        Of the rating model.
    iterations : int, optional
        Alternations of the rating model; where not given, as many as ``als`` makes.
    ranking_factors : int, optional
        Of the ranking head; where not given, as many as on one machine: fewer of many ratings.
    ranking_iterations : int
        Of the ranking head.
    sampled_ratings : int
        The driver trains on the ratings of users drawn at random, about so many; where there are
        no more, on all.
    last_alternations : int
        Alternations over all ratings, on the executors, where the driver has seen a sample.
    seed : int
        Of the first factors, and of the draws of users.
    """

    factors: int = 20
    iterations: int | None = None
    ranking_factors: int | None = None
    ranking_iterations: int = 10
    sampled_ratings: int = SAMPLE
    last_alternations: int = 2
    seed: int = 42

    def of_stars(self, n_ratings: int) -> TrainingSettings:
        """Settings of ``als``."""
        settings = settings_for("als", n_ratings=n_ratings, n_factors=self.factors, seed=self.seed)
        return replace(settings, epochs=self.iterations) if self.iterations else settings

    def of_ranking(self, coded: Coded) -> ImplicitALSConfig:
        """Settings of the ranking head."""
        implicit = coded.feedback == "implicit"
        config = ImplicitALSConfig.of_interactions() if implicit else ImplicitALSConfig()
        many = coded.n_ratings > self.sampled_ratings
        return replace(
            config,
            factors=self.ranking_factors or (FACTORS_OF_MANY if many else FACTORS),
            iterations=self.ranking_iterations,
            seed=self.seed,
        )


def sampled(
    coded: Coded, held_out: HeldOut, settings: SparkSettings, catalogue: pd.DataFrame
) -> tuple[Ratings, Ratings]:
    """Bring the ratings of a sample of users to the driver: what to train on, and what is held out.

    The raw ids of these users are their codes among all.

    Parameters
    ----------
    coded : Coded
        All ratings.
    held_out : HeldOut
        Which of them are held out; the users concerned are in every sample.
    settings : SparkSettings
    catalogue : DataFrame
        Of all items, in code order.
    """
    share = max(settings.sampled_ratings / coded.n_ratings, held_out.share)
    first = coded.first

    def draw(batches: Batches) -> Iterator[pa.RecordBatch]:
        for number, ratings in ratings_of(batches):
            owners = ratings.user_codes() + np.int32(first[number])
            drawn = held_out.numbers_of(owners) < share
            columns = (owners[drawn], ratings.items[drawn], ratings.stars[drawn])
            numbers = pa.array([number], pa.int64())
            names = ["block", "users", "items", "stars"]
            yield pa.record_batch([numbers, *map(as_bytes, columns)], names)

    schema = "block bigint, users binary, items binary, stars binary"
    drawn = map_batches(coded.blocks.select("block", *RATINGS), draw, schema).toArrow()
    users, items_rated, stars = (
        np.concatenate([from_bytes(value, kind) for value in drawn.sort_by("block")[name]])
        for name, kind in (("users", np.int32), ("items", np.int32), ("stars", np.float32))
    )
    vocab, codes = Vocab.build(users)
    ratings = Ratings(
        codes, items_rated, stars, vocab, coded.items, catalogue,
        scale=coded.scale, feedback=coded.feedback,
    )  # fmt: skip
    held = held_out.among(users, items_rated)
    return ratings.take(~held), ratings.take(held)


def trained(
    train: Ratings,
    valid: Ratings,
    coded: Coded,
    held_out: HeldOut,
    settings: SparkSettings,
    cores: int,
    say: Callable[[str], None],
) -> Scorer:
    """Both heads, calibrated for visitors, without users.

    Parameters
    ----------
    train, valid : Ratings
        Of the sample of users; `valid` may have no rows.
    coded : Coded
        All ratings.
    held_out : HeldOut
        Which of them `valid` stands for.
    settings : SparkSettings
    cores : int
        Tasks that run at once.
    say : callable
        Is told what has been done.
    """
    module: BiasedFactorization | NoStars = NoStars(len(train.users), len(train.items))
    stars = None
    whole = len(train) + len(valid) == coded.n_ratings
    if train.feedback == "explicit":
        own = settings.of_stars(coded.n_ratings)
        module, _ = train_als(own, train, None, progress=False)
        factors, biases = module.tables()[1]
        items = torch.cat([factors.weight, biases.weight], 1)
        stars = Stars(items, float(module.mean), chosen_damping(train), own)
    config, features = settings.of_ranking(coded), item_features(train)
    ranking, _ = fit_implicit_als(
        train.user_codes, train.item_codes, train.stars,
        n_users=len(train.users), n_items=len(train.items),
        item_features=features if whole else None,
        low=train.scale.min, high=train.scale.max, feedback=train.feedback, config=config,
    )  # fmt: skip
    say(f"both heads are trained on {len(train):,} ratings")
    if not whole:
        heads, expected = AlternationState(stars, ranking), None
        for at in range(settings.last_alternations):
            say(f"alternation {at + 1} of {settings.last_alternations} over all ratings begins")
            if at == settings.last_alternations - 1 and features.shape[1]:
                counts = torch.from_numpy(coded.item_counts)
                expected = ExpectedFactors(
                    factors_from_features(torch.from_numpy(features), ranking.item_factors, counts),
                    config.feature_share,
                    config.feature_weight,
                )
            heads = alternated(heads, coded, held_out, cores, expected)
        if isinstance(module, BiasedFactorization) and heads.stars is not None:
            module = _with_items(module, train, heads.stars)
        given = History.from_ratings(train)
        rows = (torch.from_numpy(each) for each in (given.starts, given.items, given.stars))
        known = torch.from_numpy(train.user_counts() > 0)
        ranking.average_user.copy_(ranking.user_vectors(*rows)[known].mean(0))
    if isinstance(module, BiasedFactorization):
        if whole and len(valid):
            blended_with_biases(module, chosen_biases(train), valid)
        counted = coded.item_counts if not whole else train.item_counts()
        give_untrained_rows_the_mean(module, train, counted)
    return _calibrated(module, ranking.eval(), train, valid, settings.seed)


def _with_items(module: BiasedFactorization, train: Ratings, stars: Stars) -> BiasedFactorization:
    """The rating model with these items, and with the users of the sample that follow from them."""
    rows = rating_rows(train, "cpu").by_user
    put_sides(module, stars.half(rows, stars.items, stars.damping.user), stars.items)
    return module


def _calibrated(
    module: BiasedFactorization | NoStars,
    ranking: ImplicitALS,
    train: Ratings,
    valid: Ratings,
    seed: int,
) -> Scorer:
    """Put the heads together, with a prior of visitors and without users."""
    prior = module.own_prior() if isinstance(module, NoStars) else None
    if prior is None:
        vectors = trained_vectors(module, train)
        asked = valid if len(valid) else train
        pairs = torch.from_numpy(np.stack([asked.user_codes, asked.item_codes], 1)).long()
        errors = module(pairs) - torch.from_numpy(asked.stars)
        noise = max(float(errors.square().mean()), 1e-6 * (train.scale.max - train.scale.min) ** 2)
        prior = calibrated_prior(module, vectors, valid if len(valid) else None, noise, seed=seed)
    head = RankingHead(ranking, ranking.average_user[None].clone())
    none = module.user_vectors(torch.zeros(1, dtype=torch.int64))
    return Scorer(RatingHead(module.with_user_vectors(none), prior), head, train.scale)
