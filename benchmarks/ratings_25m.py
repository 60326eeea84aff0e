"""Generate synthetic ratings shaped like MovieLens 25M.

MovieLens 25M may not be redistributed, and a speed benchmark needs its shape, not its opinions:
162,541 users with at least 20 ratings each, 59,047 items of which most have very few, and
25,000,095 ratings between 0.5 and 5 in half stars. The stars come from planted tastes plus noise,
so that a model that fits them can be told from one that does not.

Run as a script to write an ``.npz``::

    python benchmarks/ratings_25m.py --out ratings.npz
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

N_USERS = 162_541
N_ITEMS = 59_047
N_RATINGS = 25_000_095

MIN_PER_USER = 20
TASTES = 8
NOISE = 0.75
USERS_PER_BLOCK = 4_096
# Above this length, drawing again and again what a row lacks is slower than ordering all items.
LONG_ROW = 800


@dataclass(frozen=True)
class SyntheticRatings:
    """Ratings in user order.

    Attributes
    ----------
    users, items : ndarray of int32, shape (n_ratings,)
        Codes from 1; code 0 is ``#na#`` and rated by nobody. Users ascend, and so do the items
        of one user.
    ratings : ndarray of float32, shape (n_ratings,)
        Stars from 0.5 to 5 in half stars.
    n_users, n_items : int
        Rows of a table of each, ``#na#`` included.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    n_users: int
    n_items: int


def generate(
    n_users: int = N_USERS, n_items: int = N_ITEMS, n_ratings: int = N_RATINGS, seed: int = 0
) -> SyntheticRatings:
    """Draw ratings with the activity and popularity of MovieLens 25M.

    The memory needed is that of the result (12 bytes a rating) and of one block of users.

    Parameters
    ----------
    n_users, n_items, n_ratings : int
        Sizes without ``#na#``; `n_ratings` is met exactly.
    seed : int
        The same seed gives the same ratings.
    """
    rng = np.random.default_rng(seed)
    lengths = _row_lengths(n_users, n_items, n_ratings, rng)
    popularity = _item_popularity(n_items, rng)
    cumulative = np.cumsum(popularity)
    user_tastes = rng.normal(0, 0.35, (n_users, TASTES)).astype(np.float32)
    item_tastes = rng.normal(0, 0.6, (n_items, TASTES)).astype(np.float32)
    user_bias = rng.normal(0, 0.4, n_users).astype(np.float32)
    item_bias = rng.normal(0, 0.4, n_items).astype(np.float32)

    starts = np.concatenate([[0], np.cumsum(lengths)])
    users = np.repeat(np.arange(n_users, dtype=np.int32), lengths)
    items = np.empty(n_ratings, np.int32)
    ratings = np.empty(n_ratings, np.float32)
    for first in range(0, n_users, USERS_PER_BLOCK):
        last = min(first + USERS_PER_BLOCK, n_users)
        span = slice(starts[first], starts[last])
        block = _draw_items(lengths[first:last], popularity, cumulative, rng)
        items[span] = block
        who = users[span]
        stars = 3.5 + user_bias[who] + item_bias[block]
        for taste in range(TASTES):
            stars += user_tastes[who, taste] * item_tastes[block, taste]
        stars += rng.normal(0, NOISE, len(block)).astype(np.float32)
        ratings[span] = np.clip(np.round(stars * 2) / 2, 0.5, 5)
    return SyntheticRatings(
        users + np.int32(1), items + np.int32(1), ratings, n_users + 1, n_items + 1
    )


def _row_lengths(
    n_users: int, n_items: int, n_ratings: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Ratings per user: log-normal above the minimum, summing to `n_ratings`."""
    minimum = min(MIN_PER_USER, n_ratings // n_users)
    most = int(n_items * 0.55)
    weight = rng.lognormal(0, 1.45, n_users)
    extra = weight / weight.sum() * (n_ratings - minimum * n_users)
    lengths = np.minimum(minimum + extra.astype(np.int64), most)
    while (missing := n_ratings - int(lengths.sum())) > 0:
        lucky = rng.choice(
            np.flatnonzero(lengths < most), min(missing, n_users // 2), replace=False
        )
        lengths[lucky] += 1
    return lengths


def _item_popularity(n_items: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Relative popularity by rank, in random item order: a flat head and a steep tail."""
    rank = np.arange(1, n_items + 1)
    popularity = np.exp(-8.0 * rank / n_items) / (rank + n_items / 1000) + 4e-7
    return np.asarray(rng.permutation(popularity / popularity.sum()))


def _draw_items(
    lengths: NDArray[np.int64],
    popularity: NDArray[np.float64],
    cumulative: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Distinct items for each row, popular ones more often; one row after another, ascending."""
    n_items = len(popularity)
    short = lengths <= LONG_ROW
    finished = []
    pending = np.empty(0, np.int64)
    need = np.where(short, lengths, 0)
    while need.any():
        row = np.repeat(np.arange(len(lengths)), np.where(need > 0, need + need // 2 + 2, 0))
        item = np.searchsorted(cumulative, rng.random(len(row)) * cumulative[-1])
        drawn = np.unique(row * n_items + np.minimum(item, n_items - 1))
        if len(pending):
            place = np.minimum(np.searchsorted(pending, drawn), len(pending) - 1)
            drawn = drawn[pending[place] != drawn]
        # A row keeps a random part of what it drew anew; the rest was one draw too many.
        drawn = drawn[np.lexsort((rng.random(len(drawn)), drawn // n_items))]
        owner = drawn // n_items
        kept = drawn[np.arange(len(drawn)) - np.searchsorted(owner, owner) < need[owner]]
        need = need - np.bincount(kept // n_items, minlength=len(lengths))
        pending = np.sort(np.concatenate([pending, kept]))
        waits = need[pending // n_items] > 0
        finished.append(pending[~waits])
        pending = pending[waits]
    for row_code in np.flatnonzero(~short):
        waiting = rng.standard_exponential(n_items, dtype=np.float32) / popularity
        chosen = np.argpartition(waiting, lengths[row_code])[: lengths[row_code]]
        finished.append(row_code * n_items + chosen)
    return (np.sort(np.concatenate(finished)) % n_items).astype(np.int32)


def main() -> None:
    """Write the ratings to an ``.npz`` file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    made = generate(seed=options.seed)
    np.savez(options.out, users=made.users, items=made.items, ratings=made.ratings)


if __name__ == "__main__":
    main()
