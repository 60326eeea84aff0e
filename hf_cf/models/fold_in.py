"""The vector of somebody whom a model was not trained on, inferred from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hf_cf.models.base import RatingModel


@dataclass(frozen=True)
class UserPrior:
    """What is known of a user before the first rating: a Gaussian over user vectors.

    Attributes
    ----------
    mean : Tensor, shape (d,)
        The average user.
    precision : Tensor, shape (d, d)
        Inverse covariance of the users' vectors, times the noise variance of one rating in
        squared stars: the weight of the prior against one rating.
    """

    mean: Tensor
    precision: Tensor

    @classmethod
    def from_vectors(cls, vectors: Tensor, noise: float) -> UserPrior:
        """Prior fitted to trained users.

        Parameters
        ----------
        vectors : Tensor, shape (n, d)
            Vectors of users that were trained.
        noise : float
            Variance of one rating around its prediction, in squared stars.
        """
        vectors = vectors.detach().double().cpu()
        mean = vectors.mean(0)
        centred = vectors - mean
        covariance = centred.T @ centred / len(vectors)
        # Trained vectors are shrunken estimates, and there may be fewer users than dimensions: a
        # little of the average variance on the diagonal keeps every direction possible.
        floor = covariance.diagonal().mean().clamp_min(1e-6)
        covariance += 0.1 * floor * torch.eye(len(mean), dtype=torch.float64)
        # The inverse comes column by column; products of rows round as they will after loading.
        precision = (noise * torch.linalg.inv(covariance)).contiguous()
        return cls(mean.float(), precision.float())


def fold_in(
    model: RatingModel, prior: UserPrior, items: Tensor, stars: Tensor, *, steps: int = 12
) -> Tensor:
    """Maximum a posteriori vector of a user with the given ratings.

    Minimises ``sum((stars - model)**2) + (v - mean)' precision (v - mean)`` by Gauss-Newton with
    halved steps: exact after one step where the model is linear in the vector, a few steps for
    a sigmoid range or a network, whose own weights stay as they are.

    Parameters
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        The Gaussian to start from; without ratings the answer is its mean.
    items : Tensor, shape (m,)
        Codes of the rated items.
    stars : Tensor, shape (m,)
        The ratings.
    steps : int
        Most Gauss-Newton steps.

    Returns
    -------
    Tensor, shape (d,)
    """
    vector = prior.mean.clone()
    if not len(items):
        return vector

    def loss(candidate: Tensor, predicted: Tensor) -> Tensor:
        off = candidate - prior.mean
        return (stars - predicted).square().sum() + off @ prior.precision @ off

    predicted, slopes = model.stars_and_slopes(vector, items)
    current = loss(vector, predicted)
    for _ in range(steps):
        right = slopes.T @ (stars - predicted) - prior.precision @ (vector - prior.mean)
        step = torch.linalg.solve(slopes.T @ slopes + prior.precision, right)
        for _ in range(8):
            candidate = vector + step
            predicted, slopes = model.stars_and_slopes(candidate, items)
            reached = loss(candidate, predicted)
            if reached <= current:
                break
            step = step / 2
        else:
            return vector
        gained = current - reached
        vector, current = candidate, reached
        if gained <= 1e-5 * current:
            break
    return vector
