"""Which of a user's ratings a prediction comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_cf.models.fold_in import UserPrior, fold_in, posterior_root

if TYPE_CHECKING:
    from hf_cf.models.base import RatingModel

MOST_REFITTED = 50


def effects(
    model: RatingModel, prior: UserPrior, rated: Tensor, stars: Tensor, item: Tensor
) -> Tensor:
    """How far each rating of a user moves the stars of an item.

    Where the model is linear in the user's vector, the folded-in prediction is that of the prior
    plus a part from each rating, and these are the parts: with s and j the slopes of the item and
    of a rated one, A the precision of the posterior, and p what the prior predicts::

        prediction = s'm + sum_j s' A^-1 j (r_j - p_j)

    Otherwise they are what changes when the vector is inferred without the rating. That is done
    for the `MOST_REFITTED` ratings whose influence is largest going by the slopes at the vector
    (Cook 1977, equation 4); of the others the effect is that estimate.

    Parameters
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        The Gaussian that the vector is inferred with.
    rated : Tensor of int64, shape (n,)
        Codes of the rated items.
    stars : Tensor, shape (n,)
        The ratings.
    item : Tensor of int64, shape (1,)
        The item that is predicted.

    Returns
    -------
    Tensor, shape (n,)
        In stars.
    """
    n = len(rated)
    if not n:
        return stars.new_zeros(0)
    vector = prior.mean
    if not model.is_linear:
        vector = fold_in(model, prior, torch.tensor([0, n], device=rated.device), rated, stars)[0]
    spread = posterior_root(model, prior, vector, rated)
    predicted, slopes = model.stars_and_slopes(vector.expand(n, -1), rated)
    now, slope = model.stars_and_slopes(vector[None], item)
    design = slopes @ spread
    parts = design @ (slope @ spread)[0] * (stars - predicted)
    if model.is_linear:
        return parts
    leverage = design.square().sum(1)
    found = parts / (1 - leverage).clamp_min(1e-3)
    refitted = found.abs().topk(min(n, MOST_REFITTED)).indices
    others = torch.arange(n, device=rated.device).expand(len(refitted), -1)
    others = others[others != refitted[:, None]]
    indptr = torch.arange(len(refitted) + 1, device=rated.device) * (n - 1)
    without = fold_in(model, prior, indptr, rated[others], stars[others])
    found[refitted] = now - model.stars(without, item.expand(len(without)))
    return found
