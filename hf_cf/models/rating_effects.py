"""Which of a user's ratings a prediction comes from."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_cf.models.base import RatingModel
from hf_cf.models.fold_in import fold_in, posterior_root
from hf_cf.models.user_prior import UserPrior

MOST_REFITTED = 50
FEWEST_REFITTED = 10
MOST_ENTRIES = 10_000  # ratings in all fits together; a single one of many has little effect


def effects(
    model: RatingModel,
    prior: UserPrior,
    rated: Tensor,
    stars: Tensor,
    items: Tensor,
    vector: Tensor | None = None,
) -> Tensor:
    """How far each rating of a user moves the stars of each item.

    Where the model is linear in the user's vector, the folded-in prediction is that of the prior
    plus a part from each rating, and these are the parts: with s and j the gradients of the item
    and of a rated one, A the precision of the posterior, and p what the prior predicts::

        prediction = s'm + sum_j s' A^-1 j (r_j - p_j)

    Otherwise they are what changes when the vector is inferred without the rating. That is done
    for the ratings whose influence is largest going by the gradients at the vector (Cook 1977,
    equation 4), `MOST_REFITTED` of them, or fewer where the user has many ratings; of the others
    the effect is that estimate.

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
    items : Tensor of int64, shape (m,)
        The items that are predicted.
    vector : Tensor, shape (d,), optional
        The user's, as `fold_in` infers it from these ratings; inferred where not given.

    Returns
    -------
    Tensor, shape (m, n)
        In stars.
    """
    n = len(rated)
    if not n:
        return stars.new_zeros(len(items), 0)
    if model.is_linear:
        vector = prior.mean
    elif vector is None:
        vector = fold_in(model, prior, torch.tensor([0, n], device=rated.device), rated, stars)[0]
    spread = posterior_root(model, prior, vector, rated)
    predicted, gradients = model.stars_and_gradients(vector.expand(n, -1), rated)
    now, of_items = model.stars_and_gradients(vector.expand(len(items), -1), items)
    design = gradients @ spread
    left = stars - predicted
    parts = (of_items @ spread) @ design.T * left
    if model.is_linear:
        return parts
    remaining = (1 - design.square().sum(1)).clamp_min(1e-3)
    found = parts / remaining
    most = max(FEWEST_REFITTED, min(MOST_REFITTED, MOST_ENTRIES // n))
    refitted = found.abs().amax(0).topk(min(n, most)).indices
    others = torch.arange(n, device=rated.device).expand(len(refitted), -1)
    others = others[others != refitted[:, None]]
    indptr = torch.arange(len(refitted) + 1, device=rated.device) * (n - 1)
    near = None
    if model.linear_parts(rated) is not None:
        # By the same gradients; most vectors need one step from there.
        near = vector - (design * (left / remaining)[:, None])[refitted] @ spread.T
    without = fold_in(model, prior, indptr, rated[others], stars[others], start=near)
    found[:, refitted] = now[:, None] - model.stars_grid(without, items).T
    return found
