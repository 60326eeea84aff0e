"""Rating models whose new users are inferred under a Gaussian prior of user vectors."""

from __future__ import annotations

from torch import Tensor

from hf_cf.models.base import RatingModel
from hf_cf.models.fold_in import fold_in, posterior_root, predictive_variance
from hf_cf.models.rating_effects import effects
from hf_cf.models.user_prior import UserPrior


class GaussianUsersModel(RatingModel):
    """A `RatingModel` whose user vectors have a Gaussian prior, fitted after the training."""

    def fold_in(self, prior: UserPrior, indptr: Tensor, items: Tensor, stars: Tensor) -> Tensor:
        """Maximum a posteriori vectors, (B, d); see `hf_cf.models.fold_in`."""
        return fold_in(self, prior, indptr, items, stars)

    def predictive_variance(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Laplace's approximation, (m,); see `hf_cf.models.fold_in.predictive_variance`."""
        return predictive_variance(self, prior, vector, rated, items)

    def posterior_gradients(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Gradients of the stars times a root of the posterior's covariance, (m, d)."""
        _, gradients = self.stars_and_gradients(vector.expand(len(items), -1), items)
        return gradients @ posterior_root(self, prior, vector, rated)

    def effects(
        self,
        prior: UserPrior,
        rated: Tensor,
        stars: Tensor,
        items: Tensor,
        vector: Tensor | None = None,
    ) -> Tensor:
        """Part of the prediction that each rating explains, (m, n); see `rating_effects`."""
        return effects(self, prior, rated, stars, items, vector)
