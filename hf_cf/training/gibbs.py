"""One chain of the Gibbs sampler for Bayesian matrix factorization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.features import Feature, design_matrix, find_features, to_json
from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import Codes
from hf_cf.models import BayesianFactorization
from hf_cf.models.solver import Prior, SparseRows, solve_rows
from hf_cf.training.factor_prior import LinkedPrior
from hf_cf.training.sessions import WINDOWS, SittingSampler
from hf_cf.training.settings import TrainingSettings

Floats = npt.NDArray[Any]

_ENTRIES = 2**15  # ratings that are predicted at once: their factors stay in the cache
_PATTERN_BYTES = 64 * 2**20  # of the table that says who rated what
_RIDGE = 3.0  # of the regression of who rates an item on the item's features, in items
_START = 0.3  # standard deviation of the factors that sampling starts from


class Chain:
    """The state of the sampler, and how it moves on.

    All that is random in a sweep comes from the seed and the sweep's number, so that a chain can
    be taken up at any sweep.
    """

    def __init__(self, settings: TrainingSettings, train: Ratings) -> None:
        known = (train.user_codes > 0) & (train.item_codes > 0)
        users, items = train.user_codes[known], train.item_codes[known]
        self.seed, self.freedom = settings.seed, settings.noise_freedom
        self.n_factors = settings.n_factors
        self.mean = float(train.stars[known].mean(dtype=np.float64))
        stars = train.stars[known] - np.float32(self.mean)
        n_users, n_items = len(train.users), len(train.items)
        self.by_user = History.from_codes(users, items, stars, n_users)
        self.by_item = History.from_codes(items, users, stars, n_items)
        self.owner = torch.from_numpy(self.by_user.user_codes())
        self.implicit_items = _most_rated(self.by_item, n_users, settings.implicit)
        self.implicit_users = _most_rated(self.by_user, n_items, settings.implicit)
        self.features: list[tuple[Feature, ...]] = [(), ()]
        if settings.features:
            self.features = [find_features(train.user_features), find_features(train.catalogue)]
        self.users = _Side(
            self.by_user,
            self.implicit_items,
            self.features[0],
            train.user_features,
            self.n_factors,
            by_ratings=False,
        )
        # Films that are asked about are films that people choose, and these are the better ones.
        self.items = _Side(
            self.by_item,
            self.implicit_users,
            self.features[1],
            train.catalogue,
            self.n_factors,
            by_ratings=True,
        )
        start = np.random.default_rng([settings.seed, 2**31])
        for side in (self.users, self.items):
            drawn = start.standard_normal(side.factors.shape, np.float32) * np.float32(_START)
            side.factors = torch.from_numpy(drawn)
            side.factors[:, -1] = 0
        self.precision = 1 / max(float(stars.var()), 1e-6)
        self.user_weights = torch.ones(n_users)
        self.thin, self.burn_in = settings.thin, settings.burn_in
        self.sittings: SittingSampler | None = None
        if settings.dates:
            if train.timestamps is None:
                raise ValueError("dates=True needs ratings with times, and these have none")
            times = train.timestamps[known][np.argsort(users, kind="stable")]
            self.sittings = SittingSampler(self.by_user.user_codes(), times, start)
            self.item_order = np.lexsort((np.argsort(users, kind="stable"), self.by_user.items))
            self._take_off_sittings()

    def empty_model(self, n_samples: int) -> BayesianFactorization:
        """Build the model that `n_samples` draws of this chain go into."""
        with torch.random.fork_rng():
            model = BayesianFactorization(
                len(self.users.factors), len(self.items.factors), self.n_factors, n_samples,
                len(self.implicit_items), len(self.implicit_users),
                to_json(self.features[0]), to_json(self.features[1]), self.freedom,
                *(() if self.sittings is None else (WINDOWS, self.sittings.counts())),
            )  # fmt: skip
        model.mean.fill_(self.mean)
        model.implicit_items.copy_(torch.from_numpy(self.implicit_items))
        model.implicit_users.copy_(torch.from_numpy(self.implicit_users))
        model.average_items.copy_(torch.from_numpy(self.users.average_pattern))
        model.average_users.copy_(torch.from_numpy(self.items.average_pattern))
        model.expected_users.copy_(torch.from_numpy(self.items.expected_pattern))
        return model.eval().requires_grad_(False)

    def sweep(self, number: int) -> Tensor:
        """Draw everything once; return the users' means given the items drawn, (n, k + 1)."""
        rng = np.random.default_rng([self.seed, number])
        self.items.prior.sample(self.items.factors, rng)
        weights = self._weights(self.by_item.items)
        noise = self._item_noise(number, rng)
        self.items.solve(self.users.factors, weights, noise)
        self._draw_noise(rng)
        if self.sittings is not None:
            precisions = self.precision * self.user_weights.double().numpy()
            self.sittings.sample(self._errors().numpy(), precisions, rng)
            if number >= self.burn_in:
                self.sittings.average()
            self._take_off_sittings()
        self.users.prior.sample(self.users.factors, rng)
        return self._draw_users(number)

    def keep(self, model: BayesianFactorization, draw: int, user_means: Tensor) -> None:
        """Put the state after a sweep into a model as one of its draws."""
        users, items = model.tables()
        for tables, factors in ((users, user_means), (items, self.items.factors)):
            width = slice(draw * self.n_factors, (draw + 1) * self.n_factors)
            tables[0].weight.data[:, width] = factors[:, :-1]
            tables[1].weight.data[:, draw] = factors[:, -1]
        for at, (name, side) in enumerate((("user", self.users), ("item", self.items))):
            prior = side.prior
            getattr(model, f"{name}_mean")[draw] = prior.mean
            getattr(model, f"{name}_precision")[draw] = prior.precision
            width = slice(draw * len(prior.mean), (draw + 1) * len(prior.mean))
            getattr(model, f"{name}_link")[:, width] = prior.weights
            model.link_precision[at, draw] = prior.link_precision
        model.rating_precision[draw] = self.precision
        noise = model.user_noise.weight.data
        variance = 1 / (self.precision * self.user_weights)
        noise[:, 0] += (variance - noise[:, 0]) / (draw + 1)  # the mean over the draws so far
        noise[:, 1] = self.user_weights
        if self.sittings is not None and model.sittings is not None:
            self.sittings.copy_to(model.sittings)

    def go_back_to(self, model: BayesianFactorization, n_draws: int) -> None:
        """Take up the chain where a model had so many draws, the last of them after `sweeps`."""
        draw = n_draws - 1
        self.items.factors = torch.cat(
            [
                model.item_factors.weight.view(-1, model.n_samples, self.n_factors)[:, draw],
                model.item_bias.weight[:, draw, None],
            ],
            1,
        ).clone()
        for at, (name, side) in enumerate((("user", self.users), ("item", self.items))):
            prior = side.prior
            prior.mean = getattr(model, f"{name}_mean")[draw].clone()
            prior.precision = getattr(model, f"{name}_precision")[draw].clone()
            width = slice(draw * len(prior.mean), (draw + 1) * len(prior.mean))
            prior.weights = getattr(model, f"{name}_link")[:, width].clone()
            prior.link_precision = float(model.link_precision[at, draw])
        self.precision = float(model.rating_precision[draw])
        self.user_weights = model.user_noise.weight[:, 1].clone()
        if self.sittings is not None and model.sittings is not None:
            self.sittings.go_back_to(model.sittings, int(model.sweeps) - self.burn_in)
            self._take_off_sittings()
        self._draw_users(int(model.sweeps) - 1)

    def _draw_users(self, number: int) -> Tensor:
        # A stream of its own: a chain that is taken up draws the users of its last sweep again.
        rng = np.random.default_rng([self.seed, number, 1])
        noise = rng.standard_normal(self.users.factors.shape, np.float32)
        return self.users.solve(self.items.factors, self._weights(self.owner), noise)

    def _item_noise(self, number: int, rng: np.random.Generator) -> Floats:
        """Draws for the items; of unrated ones every other kept sweep has the opposite.

        So the mean over draws of what nobody has rated is nearly the mean of its prior.
        """
        noise = rng.standard_normal(self.items.factors.shape, np.float32)
        unrated = ~self.items.prior.trained.numpy()
        pair, second = divmod(number // self.thin, 2)
        paired = np.random.default_rng([self.seed, pair, 2])
        drawn = paired.standard_normal((unrated.sum(), noise.shape[1]), np.float32)
        noise[unrated] = -drawn if second else drawn
        return noise

    def _weights(self, users: Codes | Tensor) -> Tensor | float:
        """Precision of every rating, whose users are given in the order of the ratings."""
        if not self.freedom:
            return self.precision
        return (self.user_weights * self.precision)[users]

    def _draw_noise(self, rng: np.random.Generator) -> None:
        """Draw the precision of all ratings and how it differs between users."""
        squares = self._squared_errors()
        counts = np.diff(self.by_user.starts)
        if self.freedom:
            shape = (self.freedom + counts) / 2
            rate = (self.freedom + self.precision * squares) / 2
            self.user_weights = torch.from_numpy(rng.standard_gamma(shape) / rate).float()
        total = float((self.user_weights.double().numpy() * squares).sum())
        drawn = rng.standard_gamma(1 + len(self.owner) / 2) / (1 + total / 2)
        self.precision = float(np.float32(drawn))  # as a model keeps it

    def _squared_errors(self) -> Floats:
        """Sum of squared errors of every user's ratings, float64, (n_users,)."""
        sums = torch.zeros(len(self.users.factors), dtype=torch.float64)
        return sums.index_add_(0, self.owner, self._errors().square_().double()).numpy()

    def _errors(self) -> Tensor:
        """What is left of every rating, in the order of the users, (n,)."""
        users = widened(self.users.factors, first=True)
        items = widened(self.items.factors, first=False)
        rows = self.users.rows
        return rows.values - dots(users, items, self.owner, rows.columns)

    def _take_off_sittings(self) -> None:
        """Let factors and biases explain what the sittings leave of every rating."""
        assert self.sittings is not None
        left = torch.from_numpy(self.by_user.stars - self.sittings.total)
        self.users.rows = replace(self.users.rows, values=left)
        self.items.rows = replace(self.items.rows, values=left[self.item_order])


class _Side:
    """Users, or items: their ratings in rows, their factors, and what these depend on.

    Attributes
    ----------
    factors : Tensor, shape (n, k + 1)
        The bias last.
    """

    def __init__(
        self,
        ratings: History,
        implicit: npt.NDArray[np.int64],
        features: tuple[Feature, ...],
        table: pd.DataFrame | None,
        n_factors: int,
        *,
        by_ratings: bool,
    ) -> None:
        n, counts = len(ratings.starts) - 1, np.diff(ratings.starts)
        pattern, self.average_pattern = _pattern(ratings, implicit, by_ratings=by_ratings)
        known = np.zeros((n, 0), np.float32)
        if features and table is not None:
            design = design_matrix(features, table)
            known = np.vstack([np.zeros_like(design[:1]), design])
        self.expected_pattern = _expected(known, pattern, counts if by_ratings else counts > 0)
        if by_ratings:
            # Of who will rate an item that nobody has rated, its features are the best guess.
            pattern[counts == 0] = known[counts == 0] @ self.expected_pattern
        both = torch.from_numpy(np.hstack([known, pattern]))
        self.prior = LinkedPrior(both, torch.from_numpy(counts > 0), n_factors + 1)
        self.rows = SparseRows(
            *map(torch.from_numpy, (ratings.starts, ratings.items, ratings.stars))
        )
        self.factors = torch.zeros(n, n_factors + 1)

    def solve(self, others: Tensor, weights: Tensor | float, noise: Floats) -> Tensor:
        """Draw the factors given those of the other side; return the mean of their posterior."""
        design = torch.cat([others[:, :-1], torch.ones_like(others[:, :1])], 1)
        prior = Prior(precision=self.prior.precision, mean=self.prior.row_means())
        solved = solve_rows(
            replace(self.rows, weights=weights), design, prior,
            offsets=others[:, -1].contiguous(), noise=torch.from_numpy(noise),
        )  # fmt: skip
        assert solved.sample is not None
        self.factors = solved.sample
        return solved.mean


def dots(users: Tensor, items: Tensor, user_codes: Tensor, item_codes: Tensor) -> Tensor:
    """Products of rows of two tables, side by side: codes of shape (n,) to (n,)."""
    found = [
        torch.linalg.vecdot(users.index_select(0, own), items.index_select(0, theirs))
        for own, theirs in zip(user_codes.split(_ENTRIES), item_codes.split(_ENTRIES), strict=True)
    ]
    return torch.cat(found) if found else users.new_zeros(0)


def widened(factors: Tensor, *, first: bool) -> Tensor:
    """Factors (p, b) as (p, b, 1) or (p, 1, b): products of both kinds are stars less the mean."""
    ones, size = torch.ones_like(factors[:, :1]), factors.shape[1] - 1
    parts = [factors, ones] if first else [factors[:, :size], ones, factors[:, size:]]
    return torch.cat(parts, 1)


def _pattern(
    ratings: History, columns: npt.NDArray[np.int64], *, by_ratings: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Whether each of some columns stands in a row, over the root of the row's length, (n, p).

    Less the average row, (p,), which is the second result: a row without ratings, of which nothing
    is known, is then zero, and stands where the average row does. With `by_ratings` that is the
    average over ratings, not over rows.
    """
    counts = np.diff(ratings.starts)
    place = np.full(max(int(ratings.items.max(initial=0)), int(columns.max(initial=0))) + 1, -1)
    place[columns] = np.arange(len(columns))
    at = place[ratings.items]
    inside = at >= 0
    owners = ratings.user_codes()[inside]
    pattern = np.zeros((len(counts), len(columns)), np.float32)
    pattern[owners, at[inside]] = 1 / np.sqrt(counts[owners])
    rated = counts > 0
    shares = counts if by_ratings else rated
    average = (shares.astype(np.float32) @ pattern) / np.float32(max(1, shares.sum()))
    pattern -= rated[:, None].astype(np.float32) * average
    return pattern, average


def _expected(
    known: npt.NDArray[np.float32], pattern: npt.NDArray[np.float32], shares: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Weights of a ridge regression of rows of a pattern on their features, (f, p).

    A row counts in proportion to its share.
    """
    weights = shares / max(shares.mean(where=shares > 0), 1e-12) if shares.any() else shares
    weighted = known.T * weights.astype(np.float32)
    return np.linalg.solve(
        weighted @ known + _RIDGE * np.eye(known.shape[1], dtype=np.float32), weighted @ pattern
    )


def _most_rated(rows: History, n_others: int, most: int) -> npt.NDArray[np.int64]:
    """Codes with the most ratings, as many as the table of the others' patterns has room for."""
    counts = np.diff(rows.starts)
    room = _PATTERN_BYTES // (4 * n_others)
    codes = np.argsort(-counts, kind="stable")[: min(most, room)]
    return codes[counts[codes] > 0]
