"""What is known of a user before the first rating."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class UserPrior:
    """What is known of a user before the first rating: a Gaussian over user vectors.

    Attributes
    ----------
    mean : Tensor, shape (d,)
        The average user. Where something is known of them, that of each of B users, (B, d).
    precision : Tensor, shape (d, d), optional
        Inverse covariance of the users' vectors, times the noise variance of one rating in
        squared stars: the weight of the prior against one rating. None for a model that knows
        itself how its users are distributed.
    noise : float, optional
        Variance of one rating around what the user's true vector predicts, in squared stars;
        None where it was not estimated.
    """

    mean: Tensor
    precision: Tensor | None
    noise: float | None = None

    @cached_property
    def root(self) -> Tensor:
        """L with ``L L' = precision^-1``, (d, d): ``mean + L z`` is a user for z ~ N(0, I)."""
        assert self.precision is not None
        lower = torch.linalg.cholesky(self.precision.double())
        identity = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        inverse = torch.linalg.solve_triangular(lower.mT, identity, upper=True)
        return inverse.to(self.mean.dtype)

    def to(self, device: str | torch.device) -> UserPrior:
        """Return the same prior on a device."""
        precision = None if self.precision is None else self.precision.to(device)
        return UserPrior(self.mean.to(device), precision, self.noise)

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
        return cls(mean.float(), precision.float(), noise)
