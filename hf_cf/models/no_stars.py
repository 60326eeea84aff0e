"""The rating model of data without ratings: likes, plays and purchases say no stars."""

from __future__ import annotations

from typing import Any, Never

import pandas as pd
import torch
from torch import Tensor, nn

from hf_cf.errors import InvalidArgument
from hf_cf.models.base import RatingModel
from hf_cf.models.user_prior import UserPrior


class NoStars(RatingModel):
    """Stands where a rating model would; a model with it answers by its ranking head alone.

    Parameters
    ----------
    n_users, n_items : int
        Users and items, ``#na#`` included.
    """

    name = "likes"
    has_own_prior = True
    predicts_stars = False

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.settings = {"n_users": n_users, "n_items": n_items}
        self.vector_size = 0

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors without numbers: codes, shape (B,), to shape (B, 0)."""
        return torch.zeros(len(users), 0, device=users.device)

    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """No tables of users, and none of items."""
        return [], []

    def own_prior(self) -> UserPrior:
        """A prior of nothing."""
        return UserPrior(torch.zeros(0), None)

    def fold_in(self, prior: UserPrior, indptr: Tensor, items: Tensor, stars: Tensor) -> Tensor:
        """Vectors without numbers, (B, 0)."""
        return prior.mean.new_zeros(len(indptr) - 1, 0)

    def with_items(
        self, table: pd.DataFrame, indptr: Tensor, users: Tensor, stars: Tensor
    ) -> NoStars:
        """Return the same for more items."""
        return NoStars(self.settings["n_users"], self.settings["n_items"] + len(table))

    def _refuse(self, *inputs: Any, **options: Any) -> Never:
        """There are no stars, and nothing that follows from them."""
        raise InvalidArgument(
            "this model predicts no stars: it was trained on likes, plays or purchases. Stars need "
            "ratings; order recommendations by score"
        )

    item_embeddings = stars = stars_grid = _refuse
    predictive_variance = posterior_gradients = effects = _refuse
