"""Held-out and training ratings in the codes of a model, and which of them count."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.recommender import Recommender


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training and held-out ratings in the codes of a model.

    Attributes
    ----------
    train : Ratings
        Those of users and items that the model knows.
    test : Ratings
        Held-out ratings of users with training ratings; code 0 is an item unknown to the model.
    history : History
        `train`, one row a user code: what the lists leave out.
    left_out_known : int
        Held-out ratings left out because they are in `train` or in the model's history.
    left_out_new_users : int
        Held-out ratings left out because their user has no training ratings.
    """

    train: Ratings
    test: Ratings
    history: History
    left_out_known: int
    left_out_new_users: int

    @classmethod
    def prepare(cls, rec: Recommender, train: Ratings | None, test: Ratings) -> HeldOut:
        """Bring both into the codes of a model; without `train`, take the model's history.

        Raises
        ------
        ValueError
            There are no training ratings, or no held-out ratings are left.
        """
        trained_on = [] if rec.history is None else [_as_ratings(rec.history, rec)]
        if train is not None:
            train = train.recode(rec.users, rec.items)
            trained_on.insert(0, train.take((train.user_codes > 0) & (train.item_codes > 0)))
        if not trained_on:
            raise ValueError(
                "this model has no history of who rated what; give the ratings that it was "
                "trained on"
            )
        train = trained_on[0]
        test = test.recode(rec.users, rec.items)
        if not len(train):
            raise ValueError("the model knows no user and item of the training ratings together")
        if not np.array_equal(train.item_counts()[1:], rec.catalogue["n_ratings"]):
            warnings.warn(
                "these are not the ratings that the model was trained on: its catalogue counts "
                "others for some items. If it was trained on held-out ones, the results are too "
                "good; use the split and seed of its training",
                stacklevel=3,
            )
        given, new = len(test), train.user_counts()[test.user_codes] == 0
        test = test.take(~new)
        known = np.zeros(len(test), bool)
        for ratings in filter(len, trained_on):
            known |= _among(test, ratings)
        test = test.take(~known)
        if not len(test):
            raise ValueError(
                f"none of the {given:,} held-out ratings can be measured on: {new.sum():,} are by "
                f"users without training ratings, and {known.sum():,} are in the training ratings"
            )
        if known.any():
            warnings.warn(
                f"{known.sum():,} held-out ratings left out: they are in the training ratings. "
                "Hold out what the model was not trained on, with the split and seed of its "
                "training",
                stacklevel=3,
            )
        return cls(train, test, History.from_ratings(train), int(known.sum()), int(new.sum()))

    def relevant(self, threshold: float) -> History:
        """Held-out ratings of `threshold` stars and more, one row a user code."""
        # Stars are float32: compared with a float64 threshold, 0.8 stars would not be 0.8.
        chosen = self.test.take(self.test.stars >= np.float32(threshold))
        return History.from_codes(
            chosen.user_codes, chosen.item_codes, chosen.stars, len(chosen.users)
        )


def _as_ratings(history: History, rec: Recommender) -> Ratings:
    return Ratings(
        user_codes=history.user_codes(),
        item_codes=history.items,
        stars=history.stars,
        users=rec.users,
        items=rec.items,
        catalogue=rec.catalogue,
        scale=rec.scale,
        source=rec.source,
    )


def _among(some: Ratings, others: Ratings) -> npt.NDArray[np.bool_]:
    """Which pairs of user and item stand in `others`, too."""
    pairs, sought = (
        ratings.user_codes.astype(np.int64) * len(ratings.items) + ratings.item_codes
        for ratings in (others, some)
    )
    pairs.sort()
    at = np.searchsorted(pairs, sought)
    return pairs[np.minimum(at, len(pairs) - 1)] == sought
