"""The splits, the measure and the ranking head that benchmarks of lists have in common."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als

RELEVANT = 4.0
DISCOUNT = 1 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Table:
    """Ratings with codes from 0, one array a column."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    times: np.ndarray

    def part(self, chosen: np.ndarray) -> Table:
        """Take the chosen rows."""
        return Table(*(column[chosen] for column in vars(self).values()))

    def dense(self, shape: tuple[int, int]) -> np.ndarray:
        """Spread the ratings over a matrix of users by items; 0 is not rated."""
        matrix = np.zeros(shape, np.float32)
        matrix[self.users, self.items] = self.ratings
        return matrix


Split = tuple[Table, Table]


def random_split(table: Table, seed: int) -> Split:
    order = np.random.default_rng(seed).permutation(len(table.users))
    n_test = int(len(order) * 0.2)
    return table.part(order[n_test:]), table.part(order[:n_test])


def time_split(table: Table, seed: int) -> Split:
    """The last fifth of each user is the test part; the seed breaks ties of the clock."""
    shuffled = np.random.default_rng(seed).permutation(len(table.users))
    order = shuffled[np.lexsort((table.times[shuffled], table.users[shuffled]))]
    users = table.users[order]
    counts = np.bincount(users)
    place = np.arange(len(users)) - (counts.cumsum() - counts)[users]
    late = place >= np.ceil(counts * 0.8)[users]
    return table.part(order[~late]), table.part(order[late])


def ndcg(scores: np.ndarray, given: np.ndarray, test: np.ndarray) -> float:
    """Mean nDCG@10 with binary gain over the users with relevant held-out items."""
    relevant = test >= RELEVANT
    users = relevant.any(1)
    scores = np.where(given > 0, -np.inf, scores)[users]
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    gains = np.take_along_axis(relevant[users], top, axis=1) @ DISCOUNT
    ideal = DISCOUNT.cumsum()[np.minimum(relevant[users].sum(1), 10) - 1]
    return float((gains / ideal).mean())


def most_popular(given: np.ndarray, seed: int) -> np.ndarray:
    return np.tile((given >= RELEVANT).sum(0).astype(float), (len(given), 1))


def hf_cf_ranking(given: np.ndarray, seed: int, **settings: Any) -> np.ndarray:
    config = replace(ImplicitALSConfig(seed=seed), **settings)
    users, items = np.nonzero(given)
    model, vectors = fit_implicit_als(
        (users + 1).astype(np.int32),
        (items + 1).astype(np.int32),
        given[users, items],
        n_users=len(given) + 1,
        n_items=given.shape[1] + 1,
        config=config,
    )
    return model.scores(vectors)[1:, 1:].numpy()


def grid(**choices: list[Any]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def read(path: Path) -> Table:
    layout: dict[str, Any] = {} if path.suffix == ".csv" else {"sep": "\t", "header": None}
    frame = pd.read_csv(path, **layout)
    users, items, ratings, times = (frame.iloc[:, column].to_numpy() for column in range(4))
    return Table(
        np.unique(users, return_inverse=True)[1],
        np.unique(items, return_inverse=True)[1],
        ratings.astype(np.float32),
        times,
    )
