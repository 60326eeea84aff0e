"""Both heads of a model together: users and items in; vectors, stars and scores out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Codes
from hf_cf.errors import InvalidArgument
from hf_cf.inference.profiles import ProfileStart
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.users import KnownUsers, Users, UserVectors, Visitors
from hf_cf.models import UserPrior


@dataclass(frozen=True)
class Scorer:
    """A rating head, which predicts stars, and a ranking head, which orders recommendations.

    Attributes
    ----------
    rating : RatingHead
    ranking : RankingHead, optional
        Without it the order is that of the predicted stars.
    scale : RatingScale
        Stars are clipped to it.
    profiles : ProfileStart, optional
        Where visitors start of whom more is known than their ratings.
    """

    rating: RatingHead
    ranking: RankingHead | None
    scale: RatingScale
    profiles: ProfileStart | None = None

    def to(self, device: str | torch.device) -> Scorer:
        """Return both heads on a device; the modules themselves move."""
        return replace(
            self,
            rating=self.rating.to(device),
            ranking=None if self.ranking is None else self.ranking.to(device),
            profiles=None if self.profiles is None else self.profiles.to(device),
        )

    @property
    def predicts_stars(self) -> bool:
        """Whether the model was trained on ratings, rather than on likes, plays or purchases."""
        return self.rating.model.predicts_stars

    @property
    def strength_of_a_like(self) -> float:
        """What a like stands for: the top of the scale, or a typical interaction's strength."""
        if self.predicts_stars or self.ranking is None:
            return self.scale.max
        return float(self.ranking.model.settings.get("typical_strength", 1.0))

    @property
    def device(self) -> torch.device:
        """Where the heads compute."""
        return self.rating.prior.mean.device

    def rows(self, codes: Codes) -> Tensor:
        """Codes as rows of the tables, on the device: int64, same shape."""
        return torch.from_numpy(codes).long().to(self.device)

    def vectors(self, users: Users) -> UserVectors:
        """Look known users up, or infer visitors from their ratings."""
        return self._known(users) if isinstance(users, KnownUsers) else self._visitors(users)

    def _known(self, users: KnownUsers) -> UserVectors:
        rows = self.rows(users.codes)
        ranking = None if self.ranking is None else self.ranking.user_vectors[rows]
        return UserVectors(self.rating.model.user_vectors(rows), ranking, users.observed)

    def _visitors(self, users: Visitors) -> UserVectors:
        indptr, items, stars = self.tensors(users.observed)
        prior = self._prior_of(users.features)
        vectors = self.rating.model.fold_in(prior, indptr, items, stars)
        ranking = None
        if self.ranking is not None:
            start = self.ranking.model.average_user
            moves = None if self.profiles is None else self.profiles.ranking
            if users.features is not None and moves is not None:
                start = start + users.features.to(self.device) @ moves
            ranking = self.ranking.model.user_vectors(indptr, items, stars, start)
        return UserVectors(vectors, ranking, users.observed)

    def tensors(self, observed: History) -> tuple[Tensor, Tensor, Tensor]:
        """Ratings as the heads take them: starts of the rows, item codes, stars."""
        starts, stars = (torch.from_numpy(each) for each in (observed.starts, observed.stars))
        return starts.to(self.device), self.rows(observed.items), stars.to(self.device)

    def _prior_of(self, features: Tensor | None) -> UserPrior:
        """The prior of users with these features, (B, p)."""
        prior = self.rating.prior
        if features is None or self.profiles is None or self.profiles.rating is None:
            return prior
        return replace(prior, mean=prior.mean + features.to(self.device) @ self.profiles.rating)

    def stars(self, vectors: Tensor, items: Tensor, added: Tensor | float = 0.0) -> Tensor:
        """Stars within the scale of each vector for the item paired with it.

        Vectors have shape (B, d), or (1, d) for a single user; items and stars have shape (B,).
        """
        stars = self.rating.model.stars(vectors.expand(len(items), -1), items)
        return (stars + added).clamp(self.scale.min, self.scale.max)

    def scores(self, users: UserVectors, *, by_stars: bool = False, out: Tensor) -> Tensor:
        """What orders all items for each user, (B, n_items).

        A model without stars has no order by stars: InvalidArgument.

        The ranking head's scores, or the predicted stars where `by_stars` is set or there is no
        ranking head. `out`, with room for them, is used where it lies on the device.
        """
        if users.ranking is None or self.ranking is None or by_stars:
            return self.rating.model.stars_grid(users.rating)
        room = out[: len(users.ranking)] if out.device == users.ranking.device else None
        return self.ranking.model.scores(users.ranking, out=room)

    @property
    def has_standard_deviations(self) -> bool:
        """Whether the noise of a rating was estimated."""
        return self.rating.prior.noise is not None

    def standard_deviations(self, users: UserVectors, items: Tensor) -> Tensor:
        """Predictive standard deviations of stars, for a single user or one user an item.

        Raises
        ------
        ValueError
            There is no estimate of the noise of a rating, or it is not known who rated what.
        """
        if not self.has_standard_deviations:
            raise InvalidArgument(
                "this model was saved without an estimate of the noise of a rating"
            )
        if not len(items):
            return torch.zeros(0)
        if users.observed is None:
            raise InvalidArgument(
                "how much is known of a user depends on what they have rated; give the model its "
                "history with rec.attach_history"
            )
        model, prior = self.rating.model, self.rating.prior
        own = items.split(1) if len(users.rating) > 1 else [items]
        variances = [
            model.predictive_variance(prior, vector, self.rows(rated), of_items)
            for vector, rated, of_items in zip(users.rating, users.rated, own, strict=True)
        ]
        return torch.cat(variances).sqrt()

    def effects(self, visitor: Visitors, items: Tensor, vector: Tensor | None = None) -> Tensor:
        """How far each rating of a single visitor moves the stars of items, (m, n).

        Where the model predicts no stars it is how far each interaction moves the scores.
        `vector` is the visitor's, (d,), where it was inferred before; see
        `hf_cf.models.rating_effects`.
        """
        _, rated, stars = self.tensors(visitor.observed)
        if not len(items):  # filters may leave nothing
            return stars.new_zeros(0, len(rated))
        if self.ranking is not None and not self.predicts_stars:
            return self.ranking.model.effects(rated, stars, items)
        prior = self._prior_of(visitor.features)
        prior = replace(prior, mean=prior.mean.reshape(-1))
        return self.rating.model.effects(prior, rated, stars, items, vector)

    def item_factors(self) -> Tensor:
        """What was learned of the items, (n_items, k): by the ranking head, if there is one."""
        if self.ranking is None:
            return self.rating.model.item_embeddings()
        return self.ranking.model.item_factors
