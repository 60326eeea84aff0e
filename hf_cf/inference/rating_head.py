"""The trained rating head: its model, and what is known of a user before the first rating."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hf_cf.models import RatingModel, UserPrior


@dataclass(frozen=True)
class RatingHead:
    """Predicts stars.

    Attributes
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        The distribution of user vectors before the first rating.
    """

    model: RatingModel
    prior: UserPrior

    def to(self, device: str | torch.device) -> RatingHead:
        """Return the same head on a device; the module itself moves."""
        return RatingHead(self.model.to(device), self.prior.to(device))
