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
from hf_cf.data.ratings import Ratings
from hf_cf.models import BayesianFactorization
from hf_cf.models.solver import Prior, SparseRows, solve_rows
from hf_cf.training.factor_prior import LinkedPrior, to
from hf_cf.training.rating_rows import rating_rows
from hf_cf.training.sessions import WINDOWS, SessionSampler
from hf_cf.training.settings import TrainingSettings

Floats = npt.NDArray[Any]

_GPU_ENTRIES = 2**23
_ENTRIES = 2**15  # ratings that are predicted at once: their factors stay in the cache
_PATTERN_BYTES = 64 * 2**20  # of the table that says who rated what
_RIDGE = 3.0  # of the regression of who rates an item on the item's features, in items
_LEAST_SPREAD = 1e-3  # of ratings that are all equal, as a share of their mean
_START = 0.3  # standard deviation of the factors that sampling starts from, where the ratings' is 1


class Chain:
    """The state of the sampler, and how it moves on.

    All that is random in a sweep comes from the seed and the sweep's number, so that a chain can
    be taken up at any sweep.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        train: Ratings,
        device: torch.device | str = "cpu",
    ) -> None:
        rows = rating_rows(train, device)
        self.seed, self.freedom = settings.seed, settings.noise_freedom
        self.n_factors, self.device = settings.n_factors, torch.device(device)
        stars = rows.by_user.values
        self.mean = float(stars.mean(dtype=torch.float64))
        by_user, by_item = (
            replace(side, values=side.values - self.mean) for side in (rows.by_user, rows.by_item)
        )
        self.owner, self.item_order = rows.users, rows.item_order
        del rows, stars
        self.counts = by_user.indptr.diff().numpy(force=True)
        # In squared units of the scale, as biases are; a product of two factors is in its units.
        spread = float(by_user.values.var()) if len(by_user.values) > 1 else 0.0
        variance = max(spread, (_LEAST_SPREAD * max(abs(self.mean), _LEAST_SPREAD)) ** 2)
        units = np.full(self.n_factors + 1, variance**0.5)
        units[-1] = variance
        self.implicit_items = _most_rated(by_item, by_user.n_rows, settings.implicit)
        self.implicit_users = _most_rated(by_user, by_item.n_rows, settings.implicit)
        self.features: list[tuple[Feature, ...]] = [(), ()]
        if settings.features:
            self.features = [find_features(train.user_features), find_features(train.catalogue)]
        self.users = _Side(
            by_user,
            self.implicit_items,
            self.features[0],
            train.user_features,
            units,
            by_ratings=False,
        )
        # People ask about items that they would choose, which are rated more often than most.
        self.items = _Side(
            by_item,
            self.implicit_users,
            self.features[1],
            train.catalogue,
            units,
            by_ratings=True,
        )
        start = np.random.default_rng([settings.seed, 2**31])
        for side in (self.users, self.items):
            drawn = start.standard_normal(side.factors.shape, np.float32)
            drawn *= np.float32(_START * variance**0.25)
            side.factors = to(drawn, side.factors)
            side.factors[:, -1] = 0
        self.variance, self.precision = variance, 1 / variance
        self.user_weights = torch.ones(by_user.n_rows, device=device)
        self.thin, self.burn_in = settings.thin, settings.burn_in
        self.sessions: SessionSampler | None = None
        if settings.dates:
            if train.timestamps is None:
                raise ValueError("dates=True needs ratings with times, and these have none")
            known = (train.user_codes > 0) & (train.item_codes > 0)
            times = train.timestamps[known][np.argsort(train.user_codes[known], kind="stable")]
            self.stars = by_user.values
            self.sessions = SessionSampler(self.owner.numpy(force=True), times, start)
            self._subtract_sessions()

    def empty_model(self, n_samples: int) -> BayesianFactorization:
        """Build the model that `n_samples` states of this chain go into."""
        with torch.random.fork_rng():
            model = BayesianFactorization(
                len(self.users.factors), len(self.items.factors), self.n_factors, n_samples,
                len(self.implicit_items), len(self.implicit_users),
                to_json(self.features[0]), to_json(self.features[1]), self.freedom,
                *(() if self.sessions is None else (WINDOWS, self.sessions.counts())),
            )  # fmt: skip
        model.mean.fill_(self.mean)
        model.implicit_items.copy_(self.implicit_items)
        model.implicit_users.copy_(self.implicit_users)
        model.average_items.copy_(self.users.average_pattern)
        model.average_users.copy_(self.items.average_pattern)
        model.expected_users.copy_(self.items.expected_pattern)
        return model.to(self.device).eval().requires_grad_(False)

    def sweep(self, number: int) -> Tensor:
        """Draw everything once; return the users' means given the items drawn, (n, k + 1)."""
        rng = np.random.default_rng([self.seed, number])
        self.items.prior.sample(self.items.factors, rng)
        weights = self._weights(self.items.rows.columns)
        noise = self._item_noise(number, rng)
        self.items.solve(self.users.factors, weights, noise)
        self._draw_noise(rng)
        if self.sessions is not None:
            precisions = self.precision * self.user_weights.double().numpy(force=True)
            self.sessions.sample(self._errors().numpy(force=True), precisions, rng)
            if number >= self.burn_in:
                self.sessions.average()
            self._subtract_sessions()
        self.users.prior.sample(self.users.factors, rng)
        return self._draw_users(number)

    def keep(self, model: BayesianFactorization, number: int, user_means: Tensor) -> None:
        """Put the state after a sweep into a model as one of its samples."""
        users, items = model.tables()
        for tables, factors in ((users, user_means), (items, self.items.factors)):
            width = slice(number * self.n_factors, (number + 1) * self.n_factors)
            tables[0].weight.data[:, width] = factors[:, :-1]
            tables[1].weight.data[:, number] = factors[:, -1]
        for at, (name, side) in enumerate((("user", self.users), ("item", self.items))):
            prior = side.prior
            getattr(model, f"{name}_mean")[number] = prior.mean
            getattr(model, f"{name}_precision")[number] = prior.precision
            width = slice(number * len(prior.mean), (number + 1) * len(prior.mean))
            getattr(model, f"{name}_link")[:, width] = prior.weights
            model.link_precision[at, number] = prior.link_precision
        model.rating_precision[number] = self.precision
        noise = model.user_noise.weight.data
        variance = 1 / (self.precision * self.user_weights)
        noise[:, 0] += (variance - noise[:, 0]) / (number + 1)  # the mean over the samples so far
        noise[:, 1] = self.user_weights
        if self.sessions is not None and model.sittings is not None:
            self.sessions.copy_to(model.sittings)

    def go_back_to(self, model: BayesianFactorization, n_samples: int) -> None:
        """Take up the chain where a model had so many samples, the last of them after `sweeps`."""
        number = n_samples - 1
        kept = {name: tensor.to(self.device) for name, tensor in model.state_dict().items()}
        factors = kept["item_factors.weight"].view(-1, model.n_samples, self.n_factors)[:, number]
        biases = kept["item_bias.weight"][:, number, None]
        self.items.factors = torch.cat([factors, biases], 1)
        for at, (name, side) in enumerate((("user", self.users), ("item", self.items))):
            prior = side.prior
            prior.mean = kept[f"{name}_mean"][number].clone()
            prior.precision = kept[f"{name}_precision"][number].clone()
            width = slice(number * len(prior.mean), (number + 1) * len(prior.mean))
            prior.weights = kept[f"{name}_link"][:, width].clone()
            prior.link_precision = float(kept["link_precision"][at, number])
        self.precision = float(kept["rating_precision"][number])
        self.user_weights = kept["user_noise.weight"][:, 1].clone()
        if self.sessions is not None and model.sittings is not None:
            self.sessions.go_back_to(model.sittings, int(model.sweeps) - self.burn_in)
            self._subtract_sessions()
        self._draw_users(int(model.sweeps) - 1)

    def _draw_users(self, number: int) -> Tensor:
        # Own random numbers: a chain that resumes samples the users of its last sweep again.
        rng = np.random.default_rng([self.seed, number, 1])
        noise = rng.standard_normal(self.users.factors.shape, np.float32)
        return self.users.solve(self.items.factors, self._weights(self.owner), noise)

    def _item_noise(self, number: int, rng: np.random.Generator) -> Floats:
        """Samples for the items; of unrated ones every other kept sweep has the opposite.

        So the mean over samples of what nobody has rated is nearly the mean of its prior.
        """
        noise = rng.standard_normal(self.items.factors.shape, np.float32)
        unrated = ~self.items.prior.trained.numpy(force=True)
        pair, second = divmod(number // self.thin, 2)
        paired = np.random.default_rng([self.seed, pair, 2])
        drawn = paired.standard_normal((unrated.sum(), noise.shape[1]), np.float32)
        noise[unrated] = -drawn if second else drawn
        return noise

    def _weights(self, users: Tensor) -> Tensor | float:
        """Precision of every rating, whose users are given in the order of the ratings."""
        if not self.freedom:
            return self.precision
        return (self.user_weights * self.precision).index_select(0, users)

    def _draw_noise(self, rng: np.random.Generator) -> None:
        """Draw the precision of all ratings and how it differs between users."""
        squares = self._squared_errors()
        if self.freedom:
            shape = (self.freedom + self.counts) / 2
            rate = (self.freedom + self.precision * squares) / 2
            self.user_weights = to(rng.standard_gamma(shape) / rate, self.user_weights)
        total = float((self.user_weights.double().numpy(force=True) * squares).sum())
        drawn = rng.standard_gamma(1 + len(self.owner) / 2) / (self.variance + total / 2)
        self.precision = float(np.float32(drawn))  # as a model keeps it

    def _squared_errors(self) -> Floats:
        """Sum of squared errors of every user's ratings, float64, (n_users,)."""
        squares = self._errors().square_().double()
        # Segment by segment, so that a GPU too adds in the same order each time.
        sums = torch.segment_reduce(squares, "sum", offsets=self.users.rows.indptr, initial=0)
        return sums.numpy(force=True)

    def _errors(self) -> Tensor:
        """Residual of every rating, in the order of the users, (n,)."""
        users = widened(self.users.factors, first=True)
        items = widened(self.items.factors, first=False)
        rows = self.users.rows
        return rows.values - dots(users, items, self.owner, rows.columns)

    def _subtract_sessions(self) -> None:
        """Let factors and biases explain each rating less its sessions' effects."""
        assert self.sessions is not None
        left = self.stars - torch.from_numpy(self.sessions.total).to(self.device)
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
        rows: SparseRows,
        implicit: Tensor,
        features: tuple[Feature, ...],
        table: pd.DataFrame | None,
        units: Floats,
        *,
        by_ratings: bool,
    ) -> None:
        counts = rows.indptr.diff()
        pattern, self.average_pattern = _pattern(rows, implicit, by_ratings=by_ratings)
        known = pattern.new_zeros(rows.n_rows, 0)
        if features and table is not None:
            design = design_matrix(features, table)
            known = to(np.vstack([np.zeros_like(design[:1]), design]), pattern)
        self.expected_pattern = _expected(known, pattern, counts if by_ratings else counts > 0)
        if by_ratings:
            # Who will rate an item without ratings is predicted from the item's features.
            pattern[counts == 0] = known[counts == 0] @ self.expected_pattern
        self.prior = LinkedPrior(torch.cat([known, pattern], 1), counts > 0, units)
        self.rows = rows
        self.factors = pattern.new_zeros(rows.n_rows, len(units))

    def solve(self, others: Tensor, weights: Tensor | float, noise: Floats) -> Tensor:
        """Draw the factors given those of the other side; return the mean of their posterior."""
        design = torch.cat([others[:, :-1], torch.ones_like(others[:, :1])], 1)
        prior = Prior(precision=self.prior.precision, mean=self.prior.row_means())
        solved = solve_rows(
            replace(self.rows, weights=weights), design, prior,
            offsets=others[:, -1].contiguous(), noise=to(noise, others),
        )  # fmt: skip
        assert solved.sample is not None
        self.factors = solved.sample
        return solved.mean


def dots(users: Tensor, items: Tensor, user_codes: Tensor, item_codes: Tensor) -> Tensor:
    """Products of rows of two tables, side by side: codes of shape (n,) to (n,)."""
    entries = _ENTRIES if users.device.type == "cpu" else _GPU_ENTRIES
    found = [
        torch.linalg.vecdot(users.index_select(0, own), items.index_select(0, theirs))
        for own, theirs in zip(user_codes.split(entries), item_codes.split(entries), strict=True)
    ]
    return torch.cat(found) if found else users.new_zeros(0)


def widened(factors: Tensor, *, first: bool) -> Tensor:
    """Factors (p, b) as (p, b, 1) or (p, 1, b): products of both kinds are stars less the mean."""
    ones, size = torch.ones_like(factors[:, :1]), factors.shape[1] - 1
    parts = [factors, ones] if first else [factors[:, :size], ones, factors[:, size:]]
    return torch.cat(parts, 1)


def _pattern(rows: SparseRows, columns: Tensor, *, by_ratings: bool) -> tuple[Tensor, Tensor]:
    """Whether each of some columns stands in a row, over the root of the row's length, (n, p).

    Less the average row, (p,), which is the second result: a row without ratings, of which nothing
    is known, is then zero, and stands where the average row does. With `by_ratings` that is the
    average over ratings, not over rows.
    """
    counts = rows.indptr.diff()
    codes = torch.cat([rows.columns, columns]).max() + 1 if len(columns) else 1
    place = counts.new_full((int(codes),), -1)
    place[columns] = torch.arange(len(columns), device=place.device)
    owners = torch.arange(rows.n_rows, device=place.device).repeat_interleave(counts)
    at = place.index_select(0, rows.columns) if len(columns) else owners.new_full(owners.shape, -1)
    inside = at >= 0
    owners = owners[inside]
    pattern = torch.zeros(rows.n_rows, len(columns), device=place.device)
    pattern[owners, at[inside]] = counts[owners].float().rsqrt()
    rated = counts > 0
    shares = (counts if by_ratings else rated).float()
    average = shares @ pattern / shares.sum().clamp_min(1)
    pattern -= rated[:, None] * average
    return pattern, average


def _expected(known: Tensor, pattern: Tensor, shares: Tensor) -> Tensor:
    """Weights of a ridge regression of rows of a pattern on their features, (f, p).

    A row counts in proportion to its share.
    """
    some = shares > 0
    weights = shares / (shares.sum() / some.sum().clamp_min(1)).clamp_min(1e-12)
    weighted = known.T * weights.to(known.dtype)
    identity = torch.eye(known.shape[1], device=known.device)
    return torch.linalg.solve(weighted @ known + _RIDGE * identity, weighted @ pattern)


def _most_rated(rows: SparseRows, n_others: int, most: int) -> Tensor:
    """Codes with the most ratings, as many as the table of the others' patterns has room for."""
    counts = rows.indptr.diff()
    room = _PATTERN_BYTES // (4 * n_others)
    codes = counts.argsort(descending=True, stable=True)[: min(most, room)]
    return codes[counts[codes] > 0]
