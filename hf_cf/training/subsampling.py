"""Users drawn at random, where the ratings of all would take long and tell little more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import Codes

ENOUGH = 1_000_000
"""Ratings that an error is measured on while training; the final one is on all."""


def by_users_drawn(users: Codes, n_users: int, most: int, seed: int) -> NDArray[np.bool_]:
    """Which ratings are by users drawn at random, about `most` of them; all if there are fewer.

    Parameters
    ----------
    users : int32 array, shape (n,)
        The user code of each rating.
    n_users : int
        Number of codes.
    most : int
        Ratings to keep, in expectation.
    seed : int
        Seed of the draw.
    """
    if len(users) <= most:
        return np.ones(len(users), bool)
    drawn = np.random.default_rng(seed).random(n_users) < most / len(users)
    if not drawn[users].any():  # a single user with millions of ratings
        drawn[users[0]] = True
    return drawn[users]


def enough(ratings: Ratings, seed: int) -> Ratings:
    """Ratings to measure an error on while training: of users drawn, where there are many."""
    if len(ratings) <= ENOUGH:
        return ratings
    return ratings.take(by_users_drawn(ratings.user_codes, len(ratings.users), ENOUGH, seed))
