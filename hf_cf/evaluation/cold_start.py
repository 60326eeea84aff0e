"""How soon a model is good for people whom it was not trained on, and beside what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.baselines import Biases, damped_biases, item_mean, popularity, same_order_for_all
from hf_cf.evaluation import metrics
from hf_cf.evaluation.protocol import BIASES, ITEM_MEAN, MOST_POPULAR, default_threshold
from hf_cf.evaluation.report import MODEL
from hf_cf.history import History
from hf_cf.ratings import Codes, Ratings, Stars
from hf_cf.recommender import Recommender

GIVEN = (0, 1, 2, 3, 5, 10, 20, 50)
RETRAINED = "retrained"
USER_DAMPING = 5.0


@dataclass(frozen=True, eq=False)
class ColdStart:
    """What `cold_start` found.

    Attributes
    ----------
    table : DataFrame
        One row a number of ratings given and a system: ``given``, ``system``, ``rmse`` (stars;
        NaN for what predicts none) and ``ndcg`` (at k; NaN for what does not rank).
    protocol : dict
        How it was measured, plain JSON values.
    """

    table: pd.DataFrame
    protocol: Mapping[str, Any]

    def value(self, metric: str, given: int, system: str = MODEL) -> float:
        """One number: ``value("rmse", 10)`` or ``value("ndcg", 3, "most popular")``."""
        rows = self.table[(self.table["given"] == given) & (self.table["system"] == system)]
        if not len(rows):
            raise KeyError(f"{system!r} was not measured with {given} ratings")
        return float(rows[metric].iloc[0])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: ``protocol`` and ``measurements``; None for NaN."""
        table = self.table.astype(object).where(self.table.notna(), None)
        return {"protocol": dict(self.protocol), "measurements": table.to_dict("records")}


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

    Beside the model stand the item mean; the damped biases, with the person's bias taken from
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
    train = train.recode(train.users, rec.items)
    test = test.recode(train.users, rec.items)
    test = test.take((test.user_codes > 0) & (test.item_codes > 0))
    counts = test.user_counts()
    if (train.user_counts()[counts > 0] > 0).any():
        raise ValueError(
            'the held-out people have ratings in training; split with by="user", --split user'
        )
    test = test.take(counts[test.user_codes] >= 2)
    if not len(test):
        raise ValueError("nobody has two ratings to measure with")
    test = test.take(np.random.default_rng(seed).permutation(len(test)))
    history = History.from_ratings(test)
    people = np.flatnonzero(np.diff(history.starts))
    history = history.take(people)
    owners = history.user_codes()
    position = np.arange(len(history)) - history.starts[owners]
    first = position < (np.diff(history.starts) // 2)[owners]
    target = _part(history, ~first)
    threshold = default_threshold(rec.scale) if relevant_from is None else relevant_from
    answers = _Answers(rec, train, people, target, k, threshold)
    rows: list[dict[str, Any]] = []
    for n in given:
        some = _part(history, first & (position < n))
        for system, rmse, ndcg in answers.of(some):
            rows.append({"given": n, "system": system, "rmse": rmse, "ndcg": ndcg})
        if retrain is not None and n:
            both = _together(train, people, some)
            rmse, ndcg = answers.of_known(retrain(both))
            rows.append({"given": n, "system": RETRAINED, "rmse": rmse, "ndcg": ndcg})
    protocol = {
        "model": rec.model.name,
        "data": rec.source.name,
        "k": k,
        "relevant_from": threshold,
        "train_users": int((train.user_counts() > 0).sum()),
        "test_users": len(people),
        "test_ratings": len(target),
        "seed": seed,
    }
    return ColdStart(pd.DataFrame(rows), protocol)


class _Answers:
    """Errors and rankings of every system for some people's held-out ratings."""

    def __init__(
        self,
        rec: Recommender,
        train: Ratings,
        people: npt.NDArray[np.int64],
        target: History,
        k: int,
        threshold: float,
    ) -> None:
        self.rec, self.people, self.target, self.k = rec, train.users.decode(people), target, k
        self.mean, self.biases = item_mean(train), damped_biases(train, user_damping=USER_DAMPING)
        self.popularity = popularity(train, at_least=threshold)
        relevant = _part(target, target.stars >= np.float32(threshold))
        self.ranked = np.flatnonzero(np.diff(relevant.starts))
        self.relevant = relevant.take(self.ranked)

    def of(self, given: History) -> Iterator[tuple[str, float, float]]:
        """System, RMSE and nDCG of all but retraining."""
        nan = float("nan")
        yield MODEL, self._rmse(self._model_stars(given)), self._ndcg(self._model_lists(given))
        items, owners = self.target.items, self.target.user_codes()
        yield ITEM_MEAN, self._rmse(self.mean.predict(np.zeros_like(items), items)), nan
        with_bias = _with_users(self.biases, given)
        yield BIASES, self._rmse(with_bias.predict(owners, items)), nan
        top = same_order_for_all(self.popularity, given.take(self.ranked), self.k)
        yield MOST_POPULAR, nan, self._ndcg(top)

    def of_known(self, rec: Recommender) -> tuple[float, float]:
        """RMSE and nDCG of a model to which the people are known."""
        stars = rec.predict(
            self.people[self.target.user_codes()], rec.items.decode(self.target.items)
        )
        asked = self.people[self.ranked]
        if rec.ranking is None:
            return self._rmse(stars), float("nan")
        return self._rmse(stars), self._ndcg(self._top(rec.recommend(asked, n=self.k), asked))

    def _model_stars(self, given: History) -> Stars:
        rec, parts = self.rec, []
        for row in range(len(self.people)):
            ratings = zip(rec.items.decode(given.of(row)[0]), given.of(row)[1], strict=True)
            asked = rec.items.decode(self.target.of(row)[0])
            parts.append(rec.predict(items=asked, ratings=ratings))
        return np.concatenate(parts)

    def _model_lists(self, given: History) -> Codes:
        rec, asked = self.rec, self.people[self.ranked]
        some = given.take(self.ranked)
        if not len(some):
            top = rec.items.encode(rec.recommend(ratings={}, n=self.k)["item"])
            return np.tile(top, (len(asked), 1))
        owners = some.user_codes()
        table = pd.DataFrame(
            {"user": asked[owners], "item": rec.items.decode(some.items), "rating": some.stars}
        )
        return self._top(rec.recommend(ratings=table, n=self.k), asked)

    def _top(self, table: pd.DataFrame, asked: npt.NDArray[Any]) -> Codes:
        """Lists in a table of recommendations, one row a person who was asked for."""
        top = np.zeros((len(asked), self.k), np.int32)
        place = table.groupby("user").cumcount().to_numpy()
        row_of = pd.Index(asked).get_indexer(pd.Index(table["user"]))
        top[row_of, place] = self.rec.items.encode(table["item"])
        return top

    def _rmse(self, stars: Stars) -> float:
        error = stars.astype(np.float64) - self.target.stars
        return float(np.sqrt(np.mean(error**2)))

    def _ndcg(self, top: Codes) -> float:
        hits = metrics.find_hits(top, self.relevant)
        return float(metrics.ndcg(hits, np.diff(self.relevant.starts)).mean())


def _part(history: History, chosen: npt.NDArray[np.bool_]) -> History:
    return History.from_codes(
        history.user_codes()[chosen],
        history.items[chosen],
        history.stars[chosen],
        len(history.starts) - 1,
    )


def _with_users(biases: Biases, given: History) -> Biases:
    """The same biases of items, with those of other people, taken from what they gave."""
    owners, n = given.user_codes(), len(given.starts) - 1
    left = given.stars - biases.mean - biases.items[given.items]
    counts = np.bincount(owners, minlength=n)
    return replace(biases, users=np.bincount(owners, left, n) / (counts + USER_DAMPING))


def _together(train: Ratings, people: npt.NDArray[np.int64], given: History) -> Ratings:
    return replace(
        train,
        user_codes=np.concatenate([train.user_codes, people[given.user_codes()].astype(np.int32)]),
        item_codes=np.concatenate([train.item_codes, given.items]),
        stars=np.concatenate([train.stars, given.stars]),
        timestamps=None,
    )
