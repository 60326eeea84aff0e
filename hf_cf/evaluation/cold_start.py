"""How soon a model is good for people whom it was not trained on, compared with baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import (
    Biases,
    damped_biases,
    item_mean,
    popularity,
    same_order_for_all,
)
from hf_cf.evaluation.report import Curves
from hf_cf.evaluation.simulated_visitors import SimulatedVisitors
from hf_cf.inference.metadata import BIASES, ITEM_MEAN, MODEL, MOST_POPULAR, RETRAINED, WITH_PROFILE
from hf_cf.recommender import Recommender

GIVEN = (0, 1, 2, 3, 5, 10, 20, 50)
USER_DAMPING = 5.0


class ColdStart(Curves):
    """What `cold_start` found, by the number of ratings given.

    The columns of its table are ``given``, ``system``, ``rmse`` (stars; NaN for what predicts none)
    and ``ndcg`` (at k; NaN for what does not rank).
    """

    by, unit = "given", "ratings"

    def value(self, metric: str, given: int, system: str = MODEL) -> float:
        """One figure: ``value("rmse", 10)`` or ``value("ndcg", 3, "most popular")``.

        Raises
        ------
        KeyError
            It was not measured.
        """
        return self._at(metric, given, system)


def cold_start(
    rec: Recommender,
    train: Ratings,
    test: Ratings,
    *,
    given: Sequence[int] = GIVEN,
    retrain: Callable[[Ratings], Recommender] | None = None,
    k: int = 10,
    relevant_from: float | None = None,
    seed: int = 0,
) -> ColdStart:
    """Measure what a model tells people whom it was not trained on, after a few ratings.

    Each person's ratings are shuffled. The second half is predicted and ranked, the same at every
    point; of the first half so many are given, or all of them where there are fewer. Lists hold k
    of all items that were not given; relevant are held-out ratings of `relevant_from` stars and
    more, and people without any are left out of the ranking.

    Beside the model stand, where the data has features of its users, the same model with each
    person's `profile`; the item mean; the damped biases, with the person's bias taken from
    what they gave; the most popular items; and, where `retrain` is given, a model trained from
    scratch with the given ratings among the others, to which the same people are known users.

    Parameters
    ----------
    rec : Recommender
        Trained on `train`.
    train, test : Ratings
        Of different people: ``ratings.split(by="user")``. Where `test` also served as validation
        ratings, it has tuned the model's prior, and the figures are a little too good.
    given : sequence of int
        Numbers of ratings given.
    retrain : callable, optional
        Trains a recommender on ratings.
    k : int
        Length of the lists.
    relevant_from : float, optional
        In stars; four fifths of the scale where not given.
    seed : int
        Seed of the shuffle.

    Raises
    ------
    ValueError
        `test` holds ratings of people in `train`, or there are none with at least two ratings.
    """
    visitors = SimulatedVisitors.split(
        rec, train, test, k=k, relevant_from=relevant_from, seed=seed
    )
    systems = _Systems(visitors)
    rows: list[dict[str, Any]] = []
    for n in given:
        some = visitors.first(n)
        for system, rmse, ndcg in systems.of(some):
            rows.append({"given": n, "system": system, "rmse": rmse, "ndcg": ndcg})
        if retrain is not None and n:
            rmse, ndcg = _of_known(retrain(_together(visitors, some)), visitors)
            rows.append({"given": n, "system": RETRAINED, "rmse": rmse, "ndcg": ndcg})
    return ColdStart(pd.DataFrame(rows), visitors.protocol(seed))


class _Systems:
    """The model and its baselines, measured on the same people."""

    def __init__(self, visitors: SimulatedVisitors) -> None:
        self.visitors, train = visitors, visitors.train
        self.mean, self.biases = item_mean(train), damped_biases(train, user_damping=USER_DAMPING)
        self.popularity = popularity(train, at_least=visitors.threshold)

    def of(self, given: History) -> Iterator[tuple[str, float, float]]:
        """System, RMSE and nDCG of all but retraining."""
        new, nan = self.visitors, float("nan")
        yield MODEL, new.rmse(new.model_stars(given)), new.ndcg(new.model_lists(given))
        known = new.features()
        if known is not None:
            stars, lists = new.model_stars(given, known), new.model_lists(given, known)
            yield WITH_PROFILE, new.rmse(stars), new.ndcg(lists)
        if new.rec.trained.scorer.predicts_stars:
            items, owners = new.target.items, new.target.user_codes()
            yield ITEM_MEAN, new.rmse(self.mean.predict(np.zeros_like(items), items)), nan
            with_bias = _with_users(self.biases, given)
            yield BIASES, new.rmse(with_bias.predict(owners, items)), nan
        top = same_order_for_all(self.popularity, given.take(new.ranked), new.k)
        yield MOST_POPULAR, nan, new.ndcg(top)


def _of_known(rec: Recommender, visitors: SimulatedVisitors) -> tuple[float, float]:
    """RMSE and nDCG of a model to which the people are known."""
    target, asked = visitors.target, visitors.ids[visitors.ranked]
    stars = rec.predict(visitors.ids[target.user_codes()], rec.items.decode(target.items))
    if rec.ranking is None:
        return visitors.rmse(stars), float("nan")
    top = visitors.lists_in(rec.recommend(asked, n=visitors.k))
    return visitors.rmse(stars), visitors.ndcg(top)


def _with_users(biases: Biases, given: History) -> Biases:
    """The same biases of items, with those of other people, taken from what they gave."""
    owners, n = given.user_codes(), given.n_rows
    left = given.stars - biases.mean - biases.items[given.items]
    counts = np.bincount(owners, minlength=n)
    return replace(biases, users=np.bincount(owners, left, n) / (counts + USER_DAMPING))


def _together(visitors: SimulatedVisitors, given: History) -> Ratings:
    train, owners = visitors.train, visitors.people[given.user_codes()]
    return replace(
        train,
        user_codes=np.concatenate([train.user_codes, owners.astype(np.int32)]),
        item_codes=np.concatenate([train.item_codes, given.items]),
        stars=np.concatenate([train.stars, given.stars]),
        timestamps=None,
    )
