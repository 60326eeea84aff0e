"""What a model must beat: the item's mean, damped user and item biases, the most popular items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale, Stars
from hf_cf.data.vocab import Codes
from hf_cf.models.threads import in_parallel, usable_threads

Offsets = npt.NDArray[np.float64]

_DAMPINGS = tuple(2.0**power for power in range(-1, 9))
_MOST_TO_CHOOSE_ON = 200_000


@dataclass(frozen=True, eq=False)
class Biases:
    """Predicts ``mean + users[u] + items[i]`` stars: who rates high, and what is rated high.

    Attributes
    ----------
    mean : float
        Mean of the training ratings, in stars.
    users : float64 array, shape (n_users,)
        How far each user rates from it, by code; 0 for ``#na#`` and for users without ratings.
    items : float64 array, shape (n_items,)
        How far each item is rated from it, likewise.
    scale : RatingScale
        Predictions stay within it.
    """

    mean: float
    users: Offsets
    items: Offsets
    scale: RatingScale

    def predict(self, users: Codes, items: Codes) -> Stars:
        """Stars of users and the items paired with them: codes, both (n,), to float32, (n,)."""
        stars = self.mean + self.users[users] + self.items[items]
        return np.clip(stars, self.scale.min, self.scale.max).astype(np.float32)


def item_mean(train: Ratings) -> Biases:
    """Every item's mean rating, whoever asks; the mean of all where an item has no rating."""
    _, items, doubles, mean = _known(train)
    codes, stars = torch.from_numpy(items), torch.from_numpy(doubles)
    return Biases(
        mean,
        np.zeros(len(train.users)),
        _means(codes, stars - mean, codes.bincount(minlength=len(train.items))).numpy(),
        train.scale,
    )


def damped_biases(
    train: Ratings, *, user_damping: float = 5.0, item_damping: float = 2.0, sweeps: int = 10
) -> Biases:
    """User and item biases, drawn towards 0 where there are few ratings.

    Minimises ``sum((r - mean - b_u - b_i)**2) + user_damping * sum(b_u**2) + item_damping *
    sum(b_i**2)``, as in Koren, Bell and Volinsky (2009), "Matrix Factorization Techniques for
    Recommender Systems", equation 4 without its factors. Each half is solved exactly in turn:
    ``b_i = sum(r - mean - b_u) / (n_i + item_damping)``, then the users likewise.

    Parameters
    ----------
    train : Ratings
        Those of an unknown user or item (``#na#``) are left out.
    user_damping, item_damping : float
        A bias counts as if so many ratings more had been given that show none. The defaults are
        the best on validation ratings of MovieLens 100K and ml-latest-small.
    sweeps : int
        Alternations; ten are enough for four digits.
    """
    *columns, mean = _known(train)
    # PyTorch's operations, unlike numpy's, leave the interpreter to other threads.
    users, items, stars = map(torch.from_numpy, columns)
    of_user = torch.zeros(len(train.users), dtype=torch.float64)
    n_of_item = items.bincount(minlength=len(train.items)) + item_damping
    n_of_user = users.bincount(minlength=len(of_user)) + user_damping
    away = stars - mean
    for _ in range(sweeps):
        of_item = _means(items, away - of_user[users], n_of_item)
        of_user = _means(users, away - of_item[items], n_of_user)
    return Biases(mean, of_user.numpy(), of_item.numpy(), train.scale)


class Damping(NamedTuple):
    """Damping of `damped_biases`, and the RMSE of cross-validation with it."""

    user: float
    item: float
    rmse: float


def chosen_damping(train: Ratings) -> Damping:
    """Damping of `damped_biases` with the lowest squared error in cross-validation.

    Users' and items' damping are chosen in turn from powers of two, twice. More than 200,000
    ratings are represented by a random part of them.

    Parameters
    ----------
    train : Ratings
        Nothing else is looked at.

    Returns
    -------
    Damping
        With fewer than two ratings 4 and 4, and an RMSE of 0.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.flatnonzero((train.user_codes > 0) & (train.item_codes > 0)))
    rows = rows[:_MOST_TO_CHOOSE_ON]
    found = {"user_damping": 4.0, "item_damping": 4.0}
    if len(rows) < 2:
        return Damping(4.0, 4.0, 0.0)
    wanted = int(np.clip(_MOST_TO_CHOOSE_ON // len(rows), 2, 10))
    fold = np.arange(len(rows)) % min(wanted, len(rows))
    folds = [
        (train.take(rows[fold != k]), train.take(rows[fold == k])) for k in range(fold.max() + 1)
    ]

    def squared_errors(dampings: list[dict[str, float]]) -> Offsets:
        by_fold = np.zeros((len(dampings), len(folds)))

        def measure(task: tuple[int, int]) -> None:
            part, rest = folds[task[1]]
            biases = damped_biases(part, **dampings[task[0]], sweeps=3)
            off = biases.predict(rest.user_codes, rest.item_codes) - rest.stars
            by_fold[task] = np.square(off, dtype=np.float64).sum()

        in_parallel(lambda: measure, list(np.ndindex(*by_fold.shape)), usable_threads())
        total: Offsets = by_fold.sum(1)
        return total

    least = 0.0
    for nearest in (len(_DAMPINGS), 1):  # of all values, then of those next to the best
        for name in ("item_damping", "user_damping"):
            at = _DAMPINGS.index(found[name])
            values = _DAMPINGS[max(0, at - nearest) : at + nearest + 1]
            tried = [found | {name: value} for value in values]
            errors = squared_errors(tried)
            found, least = tried[int(errors.argmin())], float(errors.min())
    return Damping(found["user_damping"], found["item_damping"], (least / len(rows)) ** 0.5)


def popularity(train: Ratings, at_least: float = -np.inf) -> npt.NDArray[np.int64]:
    """Ratings of `at_least` so many stars that each item has, by code, shape (n_items,)."""
    chosen = (train.stars >= at_least) & (train.user_codes > 0) & (train.item_codes > 0)
    return np.bincount(train.item_codes[chosen], minlength=len(train.items))


def same_order_for_all(scores: npt.NDArray[Any], rated: History, n: int) -> Codes:
    """The n best items that each user has not rated, where all users share one order.

    Of items with equal scores the one with the lower code comes first.

    Parameters
    ----------
    scores : array, shape (n_items,)
        By code; ``scores[0]``, that of ``#na#``, is not looked at.
    rated : History
        Row b holds what user b has rated, B rows.
    n : int
        Length of the lists.

    Returns
    -------
    int32 array, shape (B, n)
        Codes, best first; 0 where a user has fewer than n items left.
    """
    order = (np.argsort(-scores[1:], kind="stable") + 1).astype(np.int32)
    place = np.zeros(len(scores), np.int64)
    place[order] = np.arange(len(order))
    users, places = rated.user_codes().astype(np.int64), place[rated.items]
    places = places[np.lexsort((places, users))]
    # A rated item at place p with r rated ones before it has p - r unrated ones before it, so the
    # j-th unrated item stands as many places behind j as there are rated ones with p - r <= j.
    unrated_before = places - rated.places()
    keys = users * len(scores) + unrated_before
    wanted = np.arange(n)
    rows = np.arange(rated.n_rows)[:, None] * len(scores)
    behind = np.searchsorted(keys, rows + wanted, side="right") - rated.starts[:-1, None]
    at = wanted + behind
    return np.where(at < len(order), order[np.minimum(at, len(order) - 1)], np.int32(0))


def _known(train: Ratings) -> tuple[Codes, Codes, Offsets, float]:
    """Users, items, stars of the ratings without ``#na#``, and the mean of those stars."""
    users, items, stars = train.user_codes, train.item_codes, train.stars
    known = (users > 0) & (items > 0)
    if not known.all():
        users, items, stars = users[known], items[known], stars[known]
    if not len(stars):
        raise ValueError("there are no training ratings to take means of")
    doubles = stars.astype(np.float64)
    return users, items, doubles, float(doubles.mean())


def _means(codes: Tensor, values: Tensor, counts: Tensor) -> Tensor:
    """Sums of the values of each code over its count, (n_codes,); 0 where that is 0."""
    sums = codes.bincount(values, minlength=len(counts))
    return torch.where(counts > 0, sums / counts, 0.0)
