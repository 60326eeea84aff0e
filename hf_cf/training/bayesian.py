"""Gibbs sampling for Bayesian matrix factorization with features."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hf_cf.features import Feature, design_matrix, find_features, to_json
from hf_cf.history import History
from hf_cf.models import BayesianFactorization
from hf_cf.ratings import Codes, Ratings
from hf_cf.settings import TrainingSettings
from hf_cf.solver import Prior, SparseRows, solve_rows
from hf_cf.training.link import LinkedPrior

Floats = npt.NDArray[Any]

_ENTRIES = 1_000_000  # ratings whose errors are computed at once
_PATTERN_BYTES = 64 * 2**20  # of the table that says who rated what
_START = 0.3  # standard deviation of the factors that sampling starts from

WATCHED = 1000
"""Ratings whose predictions tell whether the draws have converged."""

MOST_R_HAT = 1.2
"""Bound of their split R-hat, nineteen in twenty of which should lie below it."""


def train_bayesian(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    *,
    progress: bool = True,
    resume: BayesianFactorization | None = None,
) -> tuple[BayesianFactorization, list[dict[str, float]]]:
    """Draw factors, biases, links and noise from their posterior, one given the others.

    The model of Salakhutdinov and Mnih (2008), with biases: Gaussian ratings, Gaussian factors
    around a mean. As in Macau (Simm et al. 2017) the mean is linear in features: those of the
    catalogue and of users, and who rated what. The ratings of every user have a noise of their
    own, with an inverse variance Gamma distributed around that of all.

    Of a kept sweep the items, the priors, and the users' conditional means become a draw of the
    model.

    Parameters
    ----------
    settings : TrainingSettings
        ``epochs`` sweeps after ``burn_in``, of which every ``thin``-th is kept.
    train : Ratings
        With the catalogue and user features where known.
    valid : Ratings, optional
        Their running error is shown.
    progress : bool
        Whether to show a bar.
    resume : BayesianFactorization, optional
        Trained on the same ratings with the same settings: its draws are kept, and ``epochs``
        more sweeps are made from where it ended.

    Returns
    -------
    model : BayesianFactorization
        In evaluation mode, on the CPU.
    epochs : list of dict
        One record a kept sweep: ``epoch`` (the sweep), ``seconds``, and of the mean over the
        draws so far ``valid_mse``, ``valid_mae``, ``valid_loss`` with validation ratings.
    """
    chain = Chain(settings, train)
    first = settings.burn_in if resume is None else int(resume.sweeps)
    last = first + settings.epochs
    most = most_samples(settings, chain.empty_model(1))
    n_old = 0 if resume is None else min(resume.n_samples, max(0, most - 1))
    thin = max(settings.thin, -(-settings.epochs // (most - n_old)))
    n_new = max(1, settings.epochs // thin)
    chain.thin = thin
    model = chain.empty_model(n_old + n_new)
    if resume is not None:
        _copy_draws(resume, model, n_old)
        chain.go_back_to(resume)
    running = None if valid is None else _RunningErrors(valid, resume, chain.mean)
    records: list[dict[str, float]] = []
    started = time.perf_counter()
    bar = tqdm(
        range(0 if resume is None else first, last), desc="bayesian_mf", disable=not progress
    )
    for sweep in bar:
        user_means = chain.sweep(sweep)
        left = last - 1 - sweep
        if left % thin or left >= n_new * thin:
            continue
        chain.keep(model, n_old + n_new - 1 - left // thin, user_means)
        record = {"epoch": sweep + 1.0, "seconds": time.perf_counter() - started}
        started = time.perf_counter()
        if running is not None:
            record |= running.after(user_means, chain.items.factors)
            bar.set_postfix(valid_rmse=f"{record['valid_mse'] ** 0.5:.4f}")
        records.append(record)
    model.sweeps.fill_(last)
    return model.eval().requires_grad_(False), records


def most_samples(settings: TrainingSettings, single: BayesianFactorization) -> int:
    """How many draws fit in ``max_mb``, for a model with one: at least 1."""
    sizes = {name: t.numel() * t.element_size() for name, t in single.state_dict().items()}
    return max(1, int(settings.max_mb * 1e6 / sum(sizes.values())))


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
            self.by_user, self.implicit_items, self.features[0], train.user_features, self.n_factors
        )
        self.items = _Side(
            self.by_item, self.implicit_users, self.features[1], train.catalogue, self.n_factors
        )
        start = np.random.default_rng([settings.seed, 2**31])
        for side in (self.users, self.items):
            drawn = start.standard_normal(side.factors.shape, np.float32) * np.float32(_START)
            side.factors = torch.from_numpy(drawn)
            side.factors[:, -1] = 0
        self.precision = 1 / max(float(stars.var()), 1e-6)
        self.user_weights = torch.ones(n_users)
        self.thin = settings.thin

    def empty_model(self, n_samples: int) -> BayesianFactorization:
        """Build the model that `n_samples` draws of this chain go into."""
        with torch.random.fork_rng():
            model = BayesianFactorization(
                len(self.users.factors), len(self.items.factors), self.n_factors, n_samples,
                len(self.implicit_items), len(self.implicit_users),
                to_json(self.features[0]), to_json(self.features[1]), self.freedom,
            )  # fmt: skip
        model.mean.fill_(self.mean)
        model.implicit_items.copy_(torch.from_numpy(self.implicit_items))
        model.implicit_users.copy_(torch.from_numpy(self.implicit_users))
        return model

    def sweep(self, number: int) -> Tensor:
        """Draw everything once; return the users' means given the items drawn, (n, k + 1)."""
        rng = np.random.default_rng([self.seed, number])
        self.items.prior.sample(self.items.factors, rng)
        weights = self._weights(self.by_item.items)
        noise = self._item_noise(number, rng)
        self.items.solve(self.users.factors, weights, noise)
        self._draw_noise(rng)
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

    def go_back_to(self, model: BayesianFactorization) -> None:
        """Take up the chain at the last draw of a model."""
        draw = model.n_samples - 1
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
        users = _widened(self.users.factors, first=True)
        items = _widened(self.items.factors, first=False)
        sums = torch.zeros(len(users), dtype=torch.float64)
        columns, stars = torch.from_numpy(self.by_user.items), torch.from_numpy(self.by_user.stars)
        for begin in range(0, len(stars), _ENTRIES):
            rows = slice(begin, begin + _ENTRIES)
            owner = self.owner[rows]
            left = stars[rows] - (users[owner] * items[columns[rows]]).sum(1)
            sums.index_add_(0, owner, left.square_().double())
        return sums.numpy()


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
    ) -> None:
        n = len(ratings.starts) - 1
        parts = [_pattern(ratings, implicit)]
        if features and table is not None:
            design = design_matrix(features, table)
            parts.insert(0, np.vstack([np.zeros_like(design[:1]), design]))
        trained = torch.from_numpy(np.diff(ratings.starts) > 0)
        self.prior = LinkedPrior(torch.from_numpy(np.hstack(parts)), trained, n_factors + 1)
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


class _RunningErrors:
    """Errors of the mean prediction over the draws so far."""

    def __init__(self, valid: Ratings, resume: BayesianFactorization | None, mean: float) -> None:
        self.users = torch.from_numpy(valid.user_codes)
        self.items = torch.from_numpy(valid.item_codes)
        self.stars = torch.from_numpy(valid.stars)
        self.total, self.draws, self.mean = torch.zeros(len(valid)), 0, mean
        if resume is not None:
            self.draws = resume.n_samples
            for rows in torch.arange(len(valid)).split(_ENTRIES // resume.n_samples + 1):
                pairs = torch.stack([self.users[rows], self.items[rows]], 1).long()
                self.total[rows] = resume(pairs) * self.draws

    def after(self, users: Tensor, items: Tensor) -> dict[str, float]:
        """Errors after another draw, of which the factors are given."""
        users, items = _widened(users, first=True), _widened(items, first=False)
        self.draws += 1
        for begin in range(0, len(self.total), _ENTRIES):
            rows = slice(begin, begin + _ENTRIES)
            predicted = (users[self.users[rows]] * items[self.items[rows]]).sum(1) + self.mean
            self.total[rows] += predicted
        left = (self.total / self.draws - self.stars).double()
        mse = float(left.square().mean())
        return {"valid_loss": mse, "valid_mse": mse, "valid_mae": float(left.abs().mean())}


def watched_r_hat(model: BayesianFactorization, ratings: Ratings, *, seed: int = 0) -> float:
    """`r_hat` of predictions for ratings, with a warning where it says that draws are too few."""
    found = r_hat(model, ratings, seed=seed)
    if found > MOST_R_HAT:
        warnings.warn(
            f"the sampling has not converged: R-hat of the predictions is {found:.2f}, and should "
            f"be below {MOST_R_HAT:g}. Go on with fit(..., resume=rec), or set epochs higher",
            stacklevel=3,
        )
    return found


def r_hat(model: BayesianFactorization, ratings: Ratings, *, seed: int = 0) -> float:
    """Split R-hat (Gelman et al. 2013, section 11.4) of predictions, its 95% quantile.

    The draws are cut into a first and a second half. Where both are draws from one distribution
    the ratio of the spread of all to that within the halves is near 1.
    """
    known = np.flatnonzero((ratings.user_codes > 0) & (ratings.item_codes > 0))
    rows = np.random.default_rng(seed).permutation(known)[:WATCHED]
    users = model.user_vectors(torch.from_numpy(ratings.user_codes[rows]).long())
    stars = model.stars_of_draws(users, torch.from_numpy(ratings.item_codes[rows]).long())
    half = stars.shape[1] // 2
    if half < 2 or not len(rows):
        return 99.0  # two draws have no spread to speak of
    halves = torch.stack([stars[:, :half], stars[:, -half:]]).double()
    within = halves.var(2).mean(0)
    total = (half - 1) / half * within + halves.mean(2).var(0)
    return float((total / within).sqrt().quantile(0.95))


def _widened(factors: Tensor, *, first: bool) -> Tensor:
    """Factors (p, b) as (p, b, 1) or (p, 1, b): products of both kinds are stars less the mean."""
    ones, size = torch.ones_like(factors[:, :1]), factors.shape[1] - 1
    parts = [factors, ones] if first else [factors[:, :size], ones, factors[:, size:]]
    return torch.cat(parts, 1)


def _pattern(ratings: History, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Whether each of some columns stands in a row, over the root of the row's length, (n, p)."""
    n = len(ratings.starts) - 1
    place = np.full(max(int(ratings.items.max(initial=0)), int(columns.max(initial=0))) + 1, -1)
    place[columns] = np.arange(len(columns))
    at = place[ratings.items]
    inside = at >= 0
    owners = ratings.user_codes()[inside]
    pattern = np.zeros((n, len(columns)), np.float32)
    pattern[owners, at[inside]] = 1 / np.sqrt(np.diff(ratings.starts)[owners])
    return pattern


def _most_rated(rows: History, n_others: int, most: int) -> npt.NDArray[np.int64]:
    """Codes with the most ratings, as many as the table of the others' patterns has room for."""
    counts = np.diff(rows.starts)
    room = _PATTERN_BYTES // (4 * n_others)
    codes = np.argsort(-counts, kind="stable")[: min(most, room)]
    return codes[counts[codes] > 0]


def _copy_draws(old: BayesianFactorization, new: BayesianFactorization, last: int) -> None:
    """Copy the last draws of a model into the first ones of another."""
    old_tables = [*old.tables()[0][:2], *old.tables()[1]]
    new_tables = [*new.tables()[0][:2], *new.tables()[1]]
    pairs = [(a.weight, b.weight.data, 1) for a, b in zip(old_tables, new_tables, strict=True)]
    pairs += [
        (getattr(old, name), getattr(new, name), axis)
        for name, axis in (
            ("user_mean", 0), ("item_mean", 0), ("user_precision", 0), ("item_precision", 0),
            ("user_link", 1), ("item_link", 1), ("link_precision", 1), ("rating_precision", 0),
        )
    ]  # fmt: skip
    for source, target, axis in pairs:
        width = source.shape[axis] // old.n_samples * last
        target.narrow(axis, 0, width).copy_(source.narrow(axis, source.shape[axis] - width, width))
