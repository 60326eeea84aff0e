"""People whom a model was not trained on: what they may tell it, and what it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes
from hf_cf.evaluation import metrics
from hf_cf.evaluation.protocol import threshold_of
from hf_cf.inference.answers import recommend
from hf_cf.inference.users import Visitors
from hf_cf.recommender import Recommender


@dataclass(frozen=True, eq=False)
class SimulatedVisitors:
    """Held-out people; the first half of their ratings may be observed, the second is predicted.

    Attributes
    ----------
    rec : Recommender
        Trained on `train`.
    train : Ratings
        In the item codes of `rec`, with the people's codes among its users.
    people : int64 array, shape (n,)
        User codes of `train`.
    observed, target : History
        First and second half of the people's ratings in a random order; row p is ``people[p]``.
    relevant : History
        Of `target` those with at least `threshold` stars; its rows are those of `ranked`.
    ranked : int64 array
        Rows of people with relevant ratings; the others are left out of the ranking.
    k : int
        Length of the lists.
    threshold : float
        In stars.
    """

    rec: Recommender
    train: Ratings
    people: npt.NDArray[np.int64]
    observed: History
    target: History
    relevant: History
    ranked: npt.NDArray[np.int64]
    k: int
    threshold: float

    @classmethod
    def split(
        cls,
        rec: Recommender,
        train: Ratings,
        test: Ratings,
        *,
        k: int,
        relevant_from: float | None,
        seed: int,
    ) -> SimulatedVisitors:
        """Shuffle each person's ratings, and halve them.

        Raises
        ------
        ValueError
            `test` holds ratings of people in `train`, or there are none with at least two ratings.
        """
        train, test = unseen_users(rec, train, test)
        test = test.take(test.user_counts()[test.user_codes] >= 2)
        if not len(test):
            raise ValueError("nobody has two ratings to measure with")
        history, people = shuffled(test, seed)
        owners = history.user_codes()
        first = history.places() < (np.diff(history.starts) // 2)[owners]
        threshold = threshold_of(rec, relevant_from)
        target = history.where(~first)
        relevant = target.where(target.stars >= np.float32(threshold))
        ranked = np.flatnonzero(np.diff(relevant.starts))
        return cls(
            rec, train, people, history.where(first), target, relevant.take(ranked), ranked,
            k, threshold,
        )  # fmt: skip

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Raw ids of the people."""
        return self.train.users.decode(self.people)

    def first(self, n: int) -> History:
        """The first n of what each may tell, or all where there are fewer."""
        return self.observed.where(self.observed.places() < n)

    def features(self) -> Tensor | None:
        """What is known of the people besides ratings, (n, p); None where the model takes none."""
        table = self.train.user_features
        if self.rec.trained.scorer.profiles is None or table is None:
            return None
        return self.rec.trained.scorer.profiles.read_table(table.loc[self.people])

    def model_stars(self, given: History, features: Tensor | None = None) -> Stars:
        """Stars that the model predicts for `target` when `given` is observed of the people."""
        scorer = self.rec.trained.scorer
        if not scorer.predicts_stars:
            return np.full(len(self.target), np.nan, np.float32)
        vectors = scorer.vectors(Visitors(given, features)).rating
        owners = torch.from_numpy(self.target.user_codes()).long().to(scorer.device)
        return scorer.stars(vectors[owners], scorer.rows(self.target.items)).numpy(force=True)

    def model_lists(self, given: History, features: Tensor | None = None) -> Codes:
        """What the model recommends those of `ranked`, item codes, shape (len(ranked), k)."""
        asking = Visitors(given, features).take(self.ranked)
        found = recommend(self.rec.trained, asking, self.k, approximate=False)
        return found.lists(len(self.ranked), self.k)

    def lists_in(self, table: pd.DataFrame) -> Codes:
        """Lists in a table of recommendations for people of `ranked`; zeros for the others."""
        asked = self.ids[self.ranked]
        top = np.zeros((len(asked), self.k), np.int32)
        place = table.groupby("user").cumcount().to_numpy()
        row_of = pd.Index(asked).get_indexer(pd.Index(table["user"]))
        top[row_of, place] = self.rec.items.encode(table["item"])
        return top

    def rmse(self, stars: Stars) -> float:
        """Error of predictions for `target`, in stars."""
        error = stars.astype(np.float64) - self.target.stars
        return float(np.sqrt(np.mean(error**2)))

    def ndcg(self, top: Codes) -> float:
        """Mean nDCG of lists for those of `ranked`."""
        hits = metrics.find_hits(top, self.relevant)
        return float(metrics.ndcg(hits, np.diff(self.relevant.starts)).mean())

    def protocol(self, seed: int) -> dict[str, Any]:
        """How it is measured, plain JSON values."""
        return {
            "model": self.rec.model.name,
            "data": self.rec.source.name,
            "k": self.k,
            "relevant_from": self.threshold,
            "train_users": int((self.train.user_counts() > 0).sum()),
            "test_users": len(self.people),
            "test_ratings": len(self.target),
            "seed": seed,
        }


def unseen_users(rec: Recommender, train: Ratings, test: Ratings) -> tuple[Ratings, Ratings]:
    """Bring both into the item codes of a model, with those test ratings whose items it knows.

    Raises
    ------
    ValueError
        `test` holds ratings of users in `train`.
    """
    train = train.recode(train.users, rec.items)
    test = test.recode(train.users, rec.items)
    test = test.take((test.user_codes > 0) & (test.item_codes > 0))
    if (train.user_counts()[test.user_counts() > 0] > 0).any():
        raise ValueError(
            'the held-out users have ratings in training; split with by="user", --split user'
        )
    return train, test


def shuffled(test: Ratings, seed: int) -> tuple[History, npt.NDArray[np.int64]]:
    """Each user's ratings in a random order, without empty rows, and the user code of each row."""
    rows = np.random.default_rng(seed).permutation(len(test))
    history = History.from_ratings(test.take(rows))
    people = np.flatnonzero(np.diff(history.starts))
    return history.take(people), people
