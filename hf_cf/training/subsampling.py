"""Users drawn at random, where the ratings of all would take long and tell little more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hf_cf.data.ratings import Ratings

ENOUGH = 1_000_000
"""Ratings that an error is measured on while training; the final one is on all."""


def users_drawn(counts: NDArray[np.int64], most: int, seed: int) -> NDArray[np.bool_]:
    """Draw users at random who have about `most` ratings together; all if there are fewer.

    Parameters
    ----------
    counts : int64 array, shape (n_users,)
        Ratings of each user code.
    most : int
        Ratings to keep, in expectation.
    seed : int
        Seed of the draw.

    Returns
    -------
    bool array, shape (n_users,)
    """
    total = int(counts.sum())
    if total <= most:
        return np.ones(len(counts), bool)
    drawn = np.random.default_rng(seed).random(len(counts)) < most / total
    if not counts[drawn].any():  # a single user with millions of ratings
        drawn[counts.argmax()] = True
    return drawn


def enough(ratings: Ratings, seed: int) -> Ratings:
    """Ratings to measure an error on while training: of users drawn, where there are many."""
    if len(ratings) <= ENOUGH:
        return ratings
    drawn = users_drawn(np.bincount(ratings.user_codes, minlength=len(ratings.users)), ENOUGH, seed)
    return ratings.take(drawn[ratings.user_codes])
