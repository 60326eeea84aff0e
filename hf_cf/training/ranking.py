"""Fitting of the ranking head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hf_cf.data.guesses import Feedback
from hf_cf.models.normal_equations import SparseRows
from hf_cf.models.ranking import ImplicitALS, effective_number, recency, row_weights
from hf_cf.models.ridge import factors_from_features
from hf_cf.models.threads import on_usable_threads
from hf_cf.training.rating_rows import by_column, sorted_rows
from hf_cf.training.subsampling import users_drawn

MANY = 5_000_000
"""Ratings from which on most iterations see a sample of the users."""

SAMPLE = 2_500_000
"""Ratings of that sample."""

LAST = 2
"""Iterations after it, of all ratings."""

FACTORS, FACTORS_OF_MANY = 96, 64


@dataclass(frozen=True)
class ImplicitALSConfig:
    """Settings of `fit_implicit_als`; the defaults were tuned on validation parts of MovieLens.

    Attributes
    ----------
    factors : int, optional
        Length of user and item vectors; `FACTORS` where not given, and `FACTORS_OF_MANY` of more
        than `MANY` ratings, where the time counts.
    iterations : int
        Alternations between users and items.
    preference : tuple of 5 floats
        What a rating of 1 to 5 stars says about wanting to watch such items: 1 is wanting to,
        0 what is assumed of the items nobody mentioned, less is not wanting to.
    weight : tuple of 5 floats
        How much a rating of 1 to 5 stars counts.
    unobserved : float
        Weight of "not liked" for each pair of a user and an item, where a rating weighs 1.
    regularization : float
        Strength of the shrinkage towards zero.
    exponent : float
        How the shrinkage grows with the number of ratings of a user or item: 1 in proportion,
        0 not at all.
    average_weight : float
        How much the average user counts against a user's own ratings, in units of their weights.
    few_ratings : float
        Number of ratings after which not having rated an item counts half of what it will.
    recent_ratings : float
        Number of newer ratings of the same user by which a rating loses half of what it can lose,
        in the vectors of known users, where times are known.
    old_weight : float
        What it counts in the end, relative to the newest one's 1.
    strength_power : float
        How the weight of an interaction grows with its strength, relative to the median: as this
        power of it. Ratings are no strengths.
    feature_share : float
        How much of the factor that an item's features predict its own starts from, 0 to 1. Less
        than 1, since an item that hardly anybody rated is less popular than most.
    feature_weight : float
        Sum of the weights of an item's ratings from which on these count more than its features.
    seed : int
        Seed of the first item factors.
    """

    factors: int | None = None
    iterations: int = 10
    preference: tuple[float, ...] = (-0.5, -0.5, 0.4, 0.8, 1.0)
    weight: tuple[float, ...] = (0.1, 0.1, 0.6, 0.9, 1.0)
    unobserved: float = 0.2
    regularization: float = 0.03
    exponent: float = 1.0
    average_weight: float = 1.0
    few_ratings: float = 2.0
    recent_ratings: float = 8.0
    old_weight: float = 0.5
    strength_power: float = 0.25
    feature_share: float = 0.6
    feature_weight: float = 20.0
    seed: int = 0

    @classmethod
    def of_interactions(cls) -> ImplicitALSConfig:
        """The defaults for likes, plays and purchases, tuned on validation parts of Last.fm."""
        return cls(unobserved=0.05)


@on_usable_threads()
def fit_implicit_als(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    ratings: NDArray[np.float32],
    *,
    n_users: int,
    n_items: int,
    times: NDArray[np.int64] | None = None,
    item_features: NDArray[np.float32] | None = None,
    low: float = 0.5,
    high: float = 5.0,
    feedback: Feedback = "explicit",
    config: ImplicitALSConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | str = "cpu",
) -> tuple[ImplicitALS, Tensor]:
    """Fit the ranking head to ratings.

    What items have in common is seen in a part of the users: of more than `MANY` ratings all but
    the last iterations see those of users drawn at random, about `SAMPLE` ratings, and the average
    user is theirs.

    Beside the given arrays it needs up to 70 bytes a rating: 1.7 GB for 25 million ratings.

    Parameters
    ----------
    users, items : ndarray of int32, shape (n_ratings,)
        Codes, in any order; code 0 is ``#na#`` and is not rated.
    ratings : ndarray of float32, shape (n_ratings,)
        Stars from `low` to `high`.
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    times : ndarray of int64, shape (n_ratings,), optional
        Seconds. The newest ratings count most in the users' vectors, and in nothing else.
    item_features : ndarray of float32, shape (n_items, p), optional
        What is known of the items besides their ratings (`design_matrix`), zero for ``#na#``. The
        last iteration starts the factors of rarely rated and of unrated items from it.
    low, high : float
        The rating scale.
    feedback : {"explicit", "implicit"}
        Whether `ratings` are stars, or strengths of interactions.
    config : ImplicitALSConfig, optional
        Settings; the defaults if not given.
    progress : callable, optional
        Called after each iteration with the number of iterations done and to do.
    device : torch.device or str
        Where to compute. The model comes back on this device.

    Returns
    -------
    model : ImplicitALS
    user_vectors : Tensor, shape (n_users, factors)
        What ``model.user_vectors`` gives for the ratings of each user, with `times` by their
        recency; the average user for those without ratings, ``#na#`` among them.
    """
    settings = asdict(config or ImplicitALSConfig())
    iterations, seed = settings.pop("iterations"), settings.pop("seed")
    if settings["factors"] is None:
        settings["factors"] = FACTORS if len(ratings) <= MANY else FACTORS_OF_MANY
    if feedback == "implicit":
        settings["typical_strength"] = max(float(np.median(ratings)), 1e-6)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, iterations)

    half_life, least = settings.pop("recent_ratings"), settings.pop("old_weight")
    share, weight = settings.pop("feature_share"), settings.pop("feature_weight")
    model = ImplicitALS(n_items, low=low, high=high, **settings).to(device)
    if times is not None:  # which then is the order of each user's ratings, too
        by_time = np.argsort(times, kind="stable")
        users, items, ratings = users[by_time], items[by_time], ratings[by_time]
    rows = sorted_rows(users, items, ratings, n_users, n_items, device)
    by_user = some = rows.by_user
    generator = torch.Generator().manual_seed(seed)
    size = model.vector_size
    item_factors = torch.randn(n_items, size, generator=generator).to(device) * 0.1 / size**0.5
    first = 0
    if len(ratings) > MANY:
        drawn = users_drawn(by_user.indptr.diff().numpy(force=True), SAMPLE, seed)
        some = by_user.take(torch.from_numpy(np.flatnonzero(drawn)).to(device))
        first = max(0, iterations - LAST)
        done = range(1, first + 1)
        item_factors = _alternate(model, some, by_column(some, n_items), item_factors, done, report)
    by_item = rows.by_item
    del rows
    done = range(first + 1, iterations + 1)
    expected = None
    if item_features is not None and item_features.shape[1] and share:
        features, counts = torch.from_numpy(item_features).to(device), by_item.indptr.diff()

        def expected(factors: Tensor) -> ExpectedFactors:
            return ExpectedFactors(factors_from_features(features, factors, counts), share, weight)

    item_factors = _alternate(model, by_user, by_item, item_factors, done, report, expected)
    del by_item

    model.set_items(item_factors)
    rated = some.indptr.diff() > 0
    if rated.any():
        known = model.user_vectors(some.indptr, some.columns, some.values)
        model.average_user.copy_(known[rated].mean(0))
    importance = None if times is None else recency(by_user.indptr, half_life, least)
    return model, model.user_vectors(
        by_user.indptr, by_user.columns, by_user.values, importance=importance
    )


@dataclass(frozen=True, eq=False)
class ExpectedFactors:
    """What the items' features say of their factors, (n_items, k).

    How far it counts is said by `ImplicitALSConfig`: its ``feature_share`` and ``feature_weight``.
    """

    factors: Tensor
    share: float
    weight: float

    def means(self, own: Tensor) -> Tensor:
        """Where items start from whose ratings weigh `own`, (n,); zero for well-known ones."""
        known = self.share * self.weight / (self.weight + own)
        return known.to(self.factors)[:, None] * self.factors


def _alternate(
    model: ImplicitALS,
    by_user: SparseRows,
    by_item: SparseRows,
    item_factors: Tensor,
    numbers: range,
    report: Callable[[int], None],
    expected: Callable[[Tensor], ExpectedFactors] | None = None,
) -> Tensor:
    """Users for given items, then items for those users, and again; the items' factors.

    In the last iteration the items start from what is `expected` given their factors, (n_items, k).
    Sets the effective number of items that the model counts with to that of these ratings.
    """
    user_rows, item_rows = (
        model.graded(rows.indptr, rows.columns, rows.values) for rows in (by_user, by_item)
    )
    effective_users = effective_number(user_rows)
    model.settings["effective_items"] = effective_items = effective_number(item_rows)
    for number in numbers:
        gram = model.settings["unobserved"] * item_factors.T @ item_factors
        user_factors = model.solve(user_rows, item_factors, gram, effective_items)
        gram = model.settings["unobserved"] * user_factors.T @ user_factors
        means = None
        if expected is not None and number == numbers[-1]:
            means = expected(item_factors).means(row_weights(item_rows))
        item_factors = model.solve(item_rows, user_factors, gram, effective_users, means)
        report(number)
    return item_factors
