"""Bayesian matrix factorization: the mean prediction over posterior samples of the factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from hf_cf.data.features import design_matrix, from_json, n_columns, to_json
from hf_cf.models.base import RatingModel, embedding, rebuilt
from hf_cf.models.posterior_rows import SampledRows, of_pattern
from hf_cf.models.sessions import Sessions
from hf_cf.models.user_prior import UserPrior

_NOISE_STEPS = 3
_GRADIENT_SAMPLES = 8
_ENTRIES = 2_000_000  # ratings times samples that are solved for at once


class BayesianFactorization(RatingModel):
    """The mean over posterior samples of a dot product of factors, plus biases, plus a mean.

    ``stars = mean + (1/S) sum_s (p_s . q_s + b_s + c_s)``: of sample s the user's factors p_s and
    bias b_s, the item's factors q_s and bias c_s. An item's are a sample from the posterior; a
    user's are the mean of their conditional posterior given the items of that sample, so that a
    known user and one who is folded in are the same thing.

    A user vector is all p_s, all b_s, then the variance of one of the user's ratings, in squared
    stars, and the weight of their ratings (Gamma distributed with mean 1) in the last sample.

    Parameters
    ----------
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    n_factors : int
        Factors k of one sample.
    n_samples : int
        Samples S.
    n_implicit_items, n_implicit_users : int
        How many items count as features of the users who rated them, and users of the items.
    user_features, item_features : sequence of mappings
        What else the prior means depend on, as `hf_cf.data.features.to_json` writes it.
    noise_freedom : float
        Degrees of freedom by which the noise differs between users; 0: it is the same for all.
    windows, n_sittings : sequence of int
        Lengths in seconds of users' sessions with effects of their own, and how many there are.
    """

    name = "bayesian_mf"
    has_own_prior = True
    user_factors: nn.Embedding
    user_bias: nn.Embedding
    item_factors: nn.Embedding
    item_bias: nn.Embedding
    user_noise: nn.Embedding
    mean: Tensor
    rating_precision: Tensor
    user_mean: Tensor
    user_precision: Tensor
    user_link: Tensor
    item_mean: Tensor
    item_precision: Tensor
    item_link: Tensor
    link_precision: Tensor
    implicit_items: Tensor
    implicit_users: Tensor
    average_items: Tensor
    average_users: Tensor
    expected_users: Tensor
    sweeps: Tensor

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int = 10,
        n_samples: int = 100,
        n_implicit_items: int = 0,
        n_implicit_users: int = 0,
        user_features: Sequence[Mapping[str, Any]] = (),
        item_features: Sequence[Mapping[str, Any]] = (),
        noise_freedom: float = 8.0,
        windows: Sequence[int] = (),
        n_sittings: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.user_features, self.item_features = from_json(user_features), from_json(item_features)
        self.settings = dict(
            n_users=n_users, n_items=n_items, n_factors=n_factors, n_samples=n_samples,
            n_implicit_items=n_implicit_items, n_implicit_users=n_implicit_users,
            user_features=to_json(self.user_features), item_features=to_json(self.item_features),
            noise_freedom=noise_freedom,
        )  # fmt: skip
        self.sittings = Sessions(windows, n_sittings) if windows else None
        if windows:
            self.settings |= {"windows": list(windows), "n_sittings": list(n_sittings)}
        self.n_factors, self.n_samples = n_factors, n_samples
        self.noise_freedom = noise_freedom
        size = n_factors + 1
        self.vector_size = n_samples * size + 2
        for side, rows in (("user", n_users), ("item", n_items)):
            self.add_module(f"{side}_factors", embedding(rows, n_samples * n_factors))
            self.add_module(f"{side}_bias", embedding(rows, n_samples))
        self.user_noise = embedding(n_users, 2)
        self.user_noise.weight.data.fill_(1.0)
        # The prior of every sample: Gaussians around a mean plus what the features say.
        for side in ("user", "item"):
            self.register_buffer(f"{side}_mean", torch.zeros(n_samples, size))
            self.register_buffer(
                f"{side}_precision", torch.eye(size).expand(n_samples, size, size).clone()
            )
        p_users = n_columns(self.user_features) + n_implicit_items
        p_items = n_columns(self.item_features) + n_implicit_users
        self.register_buffer("user_link", torch.zeros(p_users, n_samples * size))
        self.register_buffer("item_link", torch.zeros(p_items, n_samples * size))
        self.register_buffer("link_precision", torch.ones(2, n_samples))
        self.register_buffer("implicit_items", torch.zeros(n_implicit_items, dtype=torch.int64))
        self.register_buffer("implicit_users", torch.zeros(n_implicit_users, dtype=torch.int64))
        # The average row of each pattern; it stands for a user, or an item, without ratings.
        self.register_buffer("average_items", torch.zeros(n_implicit_items))
        self.register_buffer("average_users", torch.zeros(n_implicit_users))
        # The row of an item without ratings is predicted from its features.
        p_known = n_columns(self.item_features)
        self.register_buffer("expected_users", torch.zeros(p_known, n_implicit_users))
        self.register_buffer("rating_precision", torch.ones(n_samples))
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("sweeps", torch.tensor(0))

    @property
    def is_linear(self) -> bool:
        """Whether stars are linear in the user vector."""
        return True

    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """The tables with one row a user, and those with one row an item."""
        users = [getattr(self, name) for name in ("user_factors", "user_bias", "user_noise")]
        return users, [getattr(self, name) for name in ("item_factors", "item_bias")]

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of known users: codes, shape (B,), to shape (B, d)."""
        return torch.cat([table.weight[users] for table in self.tables()[0]], 1)

    def item_embeddings(self) -> Tensor:
        """Factors of all samples, shape (n_items, S k): their products are means over samples."""
        return self.item_factors.weight

    def item_biases(self) -> Tensor:
        """Liking beyond taste in stars, shape (n_items,)."""
        return self.item_bias.weight.mean(1)

    def stars(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Stars that each vector gives the item paired with it: (B, d) and (B,) to (B,)."""
        factors, biases = (table.weight[items] for table in self.tables()[1])
        width = factors.shape[1]
        dot = (vectors[:, :width] * factors).sum(1) / self.n_samples
        return dot + self._bias(vectors) + biases.mean(1) + self.mean

    def stars_grid(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Stars that every vector gives every item: (B, d) and (m,) to (B, m); None: all items."""
        factors, biases = (
            table.weight if items is None else table.weight[items] for table in self.tables()[1]
        )
        dot = vectors[:, : factors.shape[1]] @ factors.T / self.n_samples
        return dot + (self._bias(vectors)[:, None] + biases.mean(1) + self.mean)

    def stars_and_gradients(self, vectors: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Stars as `stars` gives them, (B,), and their derivatives by the vectors, (B, d)."""
        factors = self.item_embeddings()[items] / self.n_samples
        ones = factors.new_full((len(items), self.n_samples), 1 / self.n_samples)
        return self.stars(vectors, items), torch.cat([factors, ones, 0 * ones[:, :2]], 1)

    def stars_of_time(self, users: Tensor, times: Tensor) -> Tensor:
        """Stars that the session of each time adds: codes and seconds, (B,), to (B,)."""
        if self.sittings is None:
            return super().stars_of_time(users, times)
        return self.sittings(users, times)

    def without_times(self) -> BayesianFactorization:
        """Return the same model without the effects of users' sessions."""
        if self.sittings is None:
            return self
        dropped = ("windows", "n_sittings")
        settings = {k: v for k, v in self.settings.items() if k not in dropped}
        state = {k: v for k, v in self.state_dict().items() if not k.startswith("sittings.")}
        return rebuilt(self, settings, state)

    def stars_of_samples(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Stars that every sample gives: (B, d) and (B,) to (B, S)."""
        factors, biases = (table.weight[items] for table in self.tables()[1])
        width = factors.shape[1]
        products = (vectors[:, :width] * factors).view(-1, self.n_samples, self.n_factors).sum(2)
        return products + vectors[:, width : width + self.n_samples] + biases + self.mean

    def with_items(
        self, table: pd.DataFrame, indptr: Tensor, users: Tensor, stars: Tensor
    ) -> BayesianFactorization:
        """Return the same model with more items, in every sample from their posterior there.

        What a table does not say of an item has no part in its prior mean. Of every two samples the
        second has the opposite noise of the first, so that the mean prediction is nearly that of
        the posterior means.
        """
        device = self.mean.device
        features = torch.from_numpy(design_matrix(self.item_features, table)).to(device)
        found = _placed(self, features, indptr, users, stars)
        n_items = self.settings["n_items"] + len(table)
        state = dict(self.state_dict())
        for name, part in (
            ("item_factors.weight", found[:, :, :-1].flatten(1)),
            ("item_bias.weight", found[:, :, -1]),
        ):
            state[name] = torch.cat([state[name], part])
        return rebuilt(self, {**self.settings, "n_items": n_items}, state)

    # A new user: the same posterior as in training, given the items of every sample

    def own_prior(self) -> UserPrior:
        """The average user's vector, and the variance of a rating by them."""
        nothing = torch.zeros(0, dtype=torch.int64, device=self.mean.device)
        vector = self.fold_in(None, nothing.new_zeros(2), nothing, self.mean.new_zeros(0))[0]
        return UserPrior(vector, None, float(vector[-2]))

    def fold_in(
        self, prior: UserPrior | None, indptr: Tensor, items: Tensor, stars: Tensor
    ) -> Tensor:
        """Vectors of users with some ratings: the exact conditional posterior mean of every sample.

        How noisy a user's ratings are is inferred with them, by a variational fixed point: the
        weight of their ratings has the mean ``(v + n) / (v + E[sum of squared errors])`` with v
        the `noise_freedom` and errors in units of the sample's noise.
        """
        counts = indptr.diff()
        blocks, start = [], 0
        # Memory grows with ratings times samples, so many users are taken a few at a time.
        ends = (counts.clamp_min(1).cumsum(0) * self.n_samples // _ENTRIES).tolist()
        for stop in range(1, len(counts) + 1):
            if stop == len(counts) or ends[stop] != ends[start]:
                rows = slice(int(indptr[start]), int(indptr[stop]))
                own = indptr[start : stop + 1] - indptr[start]
                blocks.append(self._fold_in_block(own, items[rows], stars[rows]))
                start = stop
        empty = self.mean.new_zeros(0, self.vector_size)
        return torch.cat(blocks) if blocks else empty

    def _fold_in_block(self, indptr: Tensor, items: Tensor, stars: Tensor) -> Tensor:
        n_users, samples, size = len(indptr) - 1, self.n_samples, self.n_factors + 1
        counts, freedom = indptr.diff(), self.noise_freedom
        system = self._rows(indptr, items, stars)
        weight = self.mean.new_ones(n_users)
        steps = _NOISE_STEPS if freedom and len(items) else 0
        errors = self.mean.new_zeros(n_users)
        solved = system.solve(row_weights=weight, cholesky=steps > 0)
        for step in range(steps):
            errors = system.expected_errors(solved, weight)
            weight = (freedom + counts) / (freedom + errors)
            solved = system.solve(row_weights=weight, cholesky=step < steps - 1)
        found = solved.mean.view(n_users, samples, size)
        # The mean of 1 / weight under its Gamma distribution.
        spread = (freedom + errors) / (freedom + counts - 2) if freedom > 2 else 1 / weight
        variance = spread * (1 / self.rating_precision).mean()
        return torch.cat(
            [found[:, :, :-1].flatten(1), found[:, :, -1], variance[:, None], weight[:, None]], 1
        )

    def predictive_variance(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Variance of a user's ratings around their predictions, in squared stars, (m,).

        The rating's own noise, that of an unknown session, what is not known of the user given
        the items, and how far the samples, each with its own items, lie apart.
        """
        between = self.stars_of_samples(vector.expand(len(items), -1), items).var(1, correction=0)
        half = self._standardized(vector, rated, items)
        of_session = 0.0 if self.sittings is None else self.sittings.variances.sum()
        return vector[-2] + of_session + between + half.square().sum(1).mean(0)

    def posterior_gradients(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Derivatives of a user's stars by coordinates in which what is not known is N(0, I).

        Given the items: those of at most `_GRADIENT_SAMPLES` samples in columns, so that products
        are means over them.
        """
        half = self._standardized(vector, rated, items)[:: -(-self.n_samples // _GRADIENT_SAMPLES)]
        return (half / (len(half) * vector[-2]).sqrt()).flatten(0, 1).T

    def effects(
        self,
        prior: UserPrior,
        rated: Tensor,
        stars: Tensor,
        items: Tensor,
        vector: Tensor | None = None,
    ) -> Tensor:
        """How far each rating moves the stars of each item, against what the prior says, (m, n).

        The prediction is linear in the ratings given the items, the noise and which items were
        rated at all, so the effects add up to prediction less what the prior predicts.
        """
        if not len(rated):
            return stars.new_zeros(len(items), 0)
        indptr = torch.tensor([0, len(rated)], device=rated.device)
        if vector is None:
            vector = self.fold_in(prior, indptr, rated, stars)[0]
        system = self._rows(indptr, rated, stars)
        design = self._design(rated)  # (n, S, size)
        before = torch.einsum("nsk,sk->ns", design, system.prior_mean.view(self.n_samples, -1))
        biases = self.item_bias.weight[rated]
        left = stars[:, None] - self.mean - biases - before
        targets = self._design(items).permute(1, 2, 0)  # (S, size, m)
        reach = torch.cholesky_solve(targets, self._posterior(vector, rated))
        moved = design * (left * (self.rating_precision * vector[-1]))[:, :, None]
        return torch.einsum("nsk,skm->mn", moved, reach) / self.n_samples

    def _rows(self, indptr: Tensor, items: Tensor, stars: Tensor) -> SampledRows:
        """The equations of users with these ratings."""
        own, place = items.unique(return_inverse=True)
        of_who_rated_what = of_pattern(
            self.user_link[len(self.user_link) - len(self.implicit_items) :],
            self.implicit_items,
            self.average_items,
            self.settings["n_items"],
            indptr,
            items,
        )
        return SampledRows(
            self._design(own), self.item_bias.weight[own] + self.mean, indptr, place, stars,
            self.user_mean.flatten() + of_who_rated_what,
            self.user_precision, self.rating_precision,
        )  # fmt: skip

    def _posterior(self, vector: Tensor, rated: Tensor) -> Tensor:
        """Cholesky factors of a user's posterior precision, one a sample, (S, size, size)."""
        design = self._design(rated)
        gram = torch.einsum("nsk,nsl->skl", design, design)
        weights = self.rating_precision * vector[-1]
        return torch.linalg.cholesky(self.user_precision + weights[:, None, None] * gram)

    def _standardized(self, vector: Tensor, rated: Tensor, items: Tensor) -> Tensor:
        """The items' rows of `_design` where the user's posterior is N(0, I), (S, size, m)."""
        design = self._design(items).permute(1, 2, 0)
        return torch.linalg.solve_triangular(self._posterior(vector, rated), design, upper=False)

    def _bias(self, vectors: Tensor) -> Tensor:
        return vectors[:, -2 - self.n_samples : -2].mean(1)

    def _design(self, items: Tensor) -> Tensor:
        """What a sample's user is multiplied with, (m, S, k + 1): factors, and 1 for the bias."""
        factors = self.item_embeddings()[items].view(len(items), self.n_samples, self.n_factors)
        return torch.cat([factors, torch.ones_like(factors[:, :, :1])], 2)


def _placed(
    model: BayesianFactorization, features: Tensor, indptr: Tensor, users: Tensor, stars: Tensor
) -> Tensor:
    """Samples of new items with these features and ratings, (m, S, size)."""
    p = features.shape[1]
    means = model.item_mean.flatten() + features @ model.item_link[:p]
    means += of_pattern(
        model.item_link[p:],
        model.implicit_users,
        model.average_users,
        model.settings["n_users"],
        indptr,
        users,
    )
    unrated = indptr.diff() == 0
    means[unrated] += features[unrated] @ model.expected_users @ model.item_link[p:]
    samples, size, n_new = model.n_samples, model.n_factors + 1, len(features)
    own, place = users.unique(return_inverse=True)
    factors = model.user_factors.weight[own].view(len(own), samples, model.n_factors)
    design = torch.cat([factors, torch.ones_like(factors[:, :, :1])], 2)
    rows = SampledRows(
        design, model.user_bias.weight[own] + model.mean, indptr, place, stars, means,
        model.item_precision, model.rating_precision,
    )  # fmt: skip
    noise = torch.randn(
        n_new, -(-samples // 2), 1, size, generator=torch.Generator().manual_seed(0)
    ).to(users.device)
    noise = torch.cat([noise, -noise], 2).flatten(1, 2)[:, :samples].flatten(0, 1)
    found = rows.solve(rating_weights=model.user_noise.weight[users, 1], noise=noise).sample
    assert found is not None
    return found.view(n_new, samples, size)
