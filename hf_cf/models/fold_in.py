"""The vector of somebody whom a model was not trained on, inferred from a few ratings."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hf_cf.models.base import RatingModel
from hf_cf.models.solver import Prior, SparseRows, solve_rows
from hf_cf.models.user_prior import UserPrior

_STEPS = 12  # of Gauss-Newton, at most
_HALVINGS = 8
_GAIN = 1e-5  # of the objective; a step that gains less is the last


def fold_in(
    model: RatingModel,
    prior: UserPrior,
    indptr: Tensor,
    items: Tensor,
    stars: Tensor,
    *,
    start: Tensor | None = None,
) -> Tensor:
    """Maximum a posteriori vectors of users with the given ratings.

    Each minimises ``sum((stars - model)**2) + (v - mean)' precision (v - mean)`` by Gauss-Newton
    with halved steps: exact after one step where the model is linear in the vector, a few steps
    for a sigmoid range or a network, whose own weights stay as they are. With ``v = mean + L z``
    a step is a ridge regression of the residuals on their gradients in z, all users at
    once.

    Parameters
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        The Gaussian to start from; without ratings the answer is its mean.
    indptr : Tensor of int64, shape (B + 1,)
        User b gave the ratings ``indptr[b]`` to ``indptr[b + 1]``.
    items : Tensor of int64, shape (n,)
        Codes of the rated items.
    stars : Tensor, shape (n,)
        The ratings.
    start : Tensor, shape (B, d), optional
        Vectors that are near; the prior's mean where not given. It saves steps.

    Returns
    -------
    Tensor, shape (B, d)
    """
    n_users = len(indptr) - 1
    z = prior.mean.new_zeros(n_users, prior.mean.shape[-1])
    if not len(items):
        return prior.mean + z
    if start is not None:
        z = torch.linalg.solve(prior.root, (start - prior.mean).T).T
    elif n_users == 1 and 2 * len(items) <= model.vector_size:
        parts = model.linear_parts(items)
        found = None if parts is None else _single_user(*parts, prior, stars)
        if found is not None:
            return found
    owner = torch.repeat_interleave(torch.arange(n_users, device=items.device), indptr.diff())
    entries = torch.arange(len(items), device=items.device)
    root = prior.root
    mean = prior.mean if prior.mean.dim() == 1 else prior.mean.expand_as(z)[owner]
    seen = model.seen_from(mean, root, items)

    def look(at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Residuals, (n,), gradients in z, (n, d), and the objective, (B,)."""
        predicted, design = seen(at[owner])
        left = stars - predicted
        return left, design, at.square().sum(1).index_add_(0, owner, left.square())

    left, design, lowest = look(z)
    for number in range(_STEPS):
        # Targets of the ridge regression, which starts from the mean as the first step does.
        values = left + (design * z[owner]).sum(1) if number or start is not None else left
        step = solve_rows(SparseRows(indptr, entries, values), design, Prior(1.0)).mean - z
        for halving in range(_HALVINGS + 1):
            left, design, reached = look(z + step)
            worse = reached > lowest * (1 + 1e-6)
            if not worse.any():
                break
            step[worse] *= 0.5 if halving < _HALVINGS - 1 else 0.0
        z = z + step
        gained, lowest = lowest - reached, reached
        if (gained <= _GAIN * lowest).all():
            break
    return prior.mean + z @ root.T


def _single_user(
    inner: Tensor,
    fixed: Tensor | float,
    link: Callable[[Tensor], tuple[Tensor, Tensor]],
    prior: UserPrior,
    stars: Tensor,
) -> Tensor | None:
    """What `fold_in` gives for one user, (1, d), where stars are a link of a linear function.

    None where float32 does not hold the numbers. A visitor waits for this one. With T the
    derivatives of that function by z, (n, d), every step stays in the space of the ratings,
    ``z = T'a``: a step solves n equations, and what is computed with d numbers is computed once.
    """
    mean = prior.mean.reshape(-1)
    turned = inner @ prior.root
    gram = turned @ turned.T
    fixed = inner @ mean + fixed
    predicted, gradients = link(fixed)
    left = stars - predicted
    a = moved = torch.zeros_like(left)  # the function moves by gram @ a
    lowest = float(left.dot(left))
    for _ in range(_STEPS):
        values = torch.addcmul(left, gradients, moved)
        lower, failed = torch.linalg.cholesky_ex(
            _plus_identity(gram * gradients * gradients[:, None])
        )
        if failed:
            return None
        step = gradients * torch.cholesky_solve(values[:, None], lower)[:, 0] - a
        for halving in range(_HALVINGS + 1):
            tried = a + step
            moved = gram @ tried
            predicted, gradients = link(fixed + moved)
            left = stars - predicted
            reached = float(moved.dot(tried) + left.dot(left))
            if reached <= lowest * (1 + 1e-6):
                break
            step *= 0.5 if halving < _HALVINGS - 1 else 0.0
        a = tried
        gained, lowest = lowest - reached, reached
        if gained <= _GAIN * lowest:
            break
    return (mean + prior.root @ (a @ turned)).unsqueeze(0) if math.isfinite(lowest) else None


def predictive_variance(
    model: RatingModel, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
) -> Tensor:
    """Variance of a user's ratings around their predictions, in squared stars.

    Laplace's approximation of the posterior (MacKay 2003, chapter 27): with J the gradients of the
    stars at the vector, the posterior's covariance is ``noise * (J'J + precision)^-1``, and a
    prediction with gradients s has the variance ``noise * (1 + s' (J'J + precision)^-1 s)``: the
    rating's own noise, and what is not known of the user. Exact where the model is linear.

    Parameters
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        With its noise.
    vector : Tensor, shape (d,)
        The user's vector, from `fold_in` or from training.
    rated : Tensor of int64, shape (n,)
        Items that the user has rated.
    items : Tensor of int64, shape (m,)
        Items to predict.

    Returns
    -------
    Tensor, shape (m,)
    """
    assert prior.noise is not None
    both = torch.cat([rated, items])
    _, gradients = model.stars_and_gradients(vector.expand(len(both), -1), both)
    gradients, n = gradients @ prior.root, len(rated)
    design, gradients = gradients[:n], gradients[n:]
    if n >= design.shape[1]:
        lower = torch.linalg.cholesky(_plus_identity(design.T @ design))
        left = torch.linalg.solve_triangular(lower, gradients.T, upper=False)
        return prior.noise * (1 + left.square().sum(0))
    # With a matrix of the ratings in place of one of the factors: S - S D' (D D' + I)^-1 D S'.
    lower = torch.linalg.cholesky(_plus_identity(design @ design.T))
    explained = torch.linalg.solve_triangular(lower, design @ gradients.T, upper=False)
    return prior.noise * (1 + gradients.square().sum(1) - explained.square().sum(0))


def posterior_root(model: RatingModel, prior: UserPrior, vector: Tensor, rated: Tensor) -> Tensor:
    """R with ``R R' = (J'J + precision)^-1``, (d, d); J holds the gradients for the rated items."""
    _, gradients = model.stars_and_gradients(vector.expand(len(rated), -1), rated)
    design = gradients @ prior.root
    lower = torch.linalg.cholesky(_plus_identity(design.T @ design))
    return torch.linalg.solve_triangular(lower, prior.root.T, upper=False).T


def _plus_identity(matrix: Tensor) -> Tensor:
    matrix.diagonal().add_(1)
    return matrix
