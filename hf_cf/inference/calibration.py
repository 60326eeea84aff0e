"""The prior of user vectors, tuned on ratings that the model has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.models import RatingModel, UserPrior, fold_in, predictive_variance
from hf_cf.models.dot import DotModel
from hf_cf.models.threads import limited_to

GIVEN = (1, 3, 10)
"""Ratings that a validation user gives while the strength of the prior is chosen."""

MOST_USERS = 500
FEWEST_RATINGS = 100
_STRENGTHS = tuple(2.0**power for power in range(-4, 4))
_CROWD = 100.0  # the prior of the mean, relative to the prior of one user
_CROWD_RATINGS = 50_000
_EM_STEPS = 5
_TRAINED_COUNT = 50.0  # how many validation users the trained users' covariance counts as


def calibrated_prior(
    model: RatingModel, trained: Tensor, valid: Ratings | None, noise: float, *, seed: int = 0
) -> UserPrior:
    """Prior of user vectors, with mean, strength and noise estimated on validation ratings.

    The shape starts from the covariance of the trained users' vectors. Those are shrunken
    estimates, and their mean is no user, so four things are tuned on ratings that the model has
    not seen:

    - the strength, the factor of the precision with the lowest squared error when each
      validation user gives 1, 3 and 10 of their ratings and the second half of them is predicted;
    - the mean, as the vector that folding all validation ratings in as one person's gives;
    - the shape, by a few steps of expectation maximisation on the validation users' ratings;
      not for networks, which were none the better for it;
    - the noise, the mean of those squared errors over ``1 + s' A^-1 s``, what the posterior says
      that they should be in units of it (see `hf_cf.models.predictive_variance`).

    Parameters
    ----------
    model : RatingModel
        The trained model.
    trained : Tensor, shape (n, d)
        Vectors of users that it was trained on; see `trained_vectors`.
    valid : Ratings, optional
        With the model's vocabulary of items. With none or very few of them the trained vectors'
        Gaussian is taken as it is.
    noise : float
        Variance of a rating around the trained model's prediction, in squared stars.
    seed : int
        Seed of the draws of users and of what they give.
    """
    prior = UserPrior.from_vectors(trained, noise).to(trained.device)
    rng = np.random.default_rng(seed)
    users = np.zeros(0, np.int64)
    if valid is not None:
        valid = valid.take(rng.permutation(np.flatnonzero(valid.user_codes * valid.item_codes)))
        users = np.flatnonzero(valid.user_counts() >= 2)
    if valid is None or not len(users) or len(valid) < FEWEST_RATINGS:
        return prior
    history = History.from_ratings(valid).take(rng.permutation(users)[:MOST_USERS])
    halves = np.diff(history.starts) // 2
    crowd = valid.take(np.arange(min(len(valid), _CROWD_RATINGS)))
    with limited_to(1):  # many small operations, which threads would only slow down
        prior = min(
            (_stronger(prior, strength) for strength in _STRENGTHS),
            key=lambda tried: _squared_error(model, tried, history, halves),
        )
        # After the strength: this mean has seen the ratings whose errors choose the strength, and
        # would let too strong a prior look good.
        prior = replace(prior, mean=_of_crowd(model, _stronger(prior, _CROWD), crowd))
        if isinstance(model, DotModel):
            prior = _reshaped(model, prior, history)
        return replace(prior, noise=_noise(model, prior, history, halves))


def _of_crowd(model: RatingModel, prior: UserPrior, ratings: Ratings) -> Tensor:
    """The vector of one person with all the ratings, (d,)."""
    whole = torch.tensor([0, len(ratings)], device=model.device)
    rated = _tensors(ratings.item_codes, ratings.stars, model.device)
    return fold_in(model, prior, whole, *rated)[0]


def _stronger(prior: UserPrior, strength: float) -> UserPrior:
    assert prior.precision is not None
    return replace(prior, precision=strength * prior.precision)


def _reshaped(model: RatingModel, prior: UserPrior, history: History) -> UserPrior:
    """Fit covariance and noise to users whom the model was not trained on.

    Expectation maximisation (Dempster, Laird and Rubin 1977): the covariance becomes the mean over
    users of ``(v - mean) (v - mean)'`` plus the posterior's covariance, which is Laplace's where
    the model is not linear. The covariance that it starts from counts as some users more.
    """
    assert prior.precision is not None and prior.noise is not None
    indptr, items, stars = _first(history, np.diff(history.starts), model.device)
    n_users = history.n_rows
    owner = torch.from_numpy(history.user_codes()).to(model.device).long()
    noise, lengths = prior.noise, np.diff(history.starts).tolist()
    started_from = noise * torch.linalg.inv(prior.precision.double())
    vectors = None
    for _ in range(_EM_STEPS):
        vectors = fold_in(model, prior, indptr, items, stars, start=vectors)
        predicted, gradients = model.stars_and_gradients(vectors[owner], items)
        # In the coordinates z of v = mean + root z the prior is noise * I.
        root = prior.root
        known = torch.cat([_known_part(each) for each in (gradients @ root).split(lengths)])
        unknown = -(known.T @ known).double()
        unknown.diagonal().add_(n_users)
        off = (vectors - prior.mean).double()
        spread = off.T @ off + noise * root.double() @ unknown @ root.double().T
        covariance = (_TRAINED_COUNT * started_from + spread) / (_TRAINED_COUNT + n_users)
        # The residuals of fitted ratings are too small: by as much as these ratings reduce the
        # variance of the user's vector.
        left = float((stars - predicted).double().square().sum())
        noise = (left + noise * float(known.double().square().sum())) / len(stars)
        precision = (noise * torch.linalg.inv(covariance)).contiguous()
        prior = UserPrior(prior.mean, precision.to(prior.mean.dtype), noise)
    return prior


def _known_part(design: Tensor) -> Tensor:
    """W with ``W'W = I - (D'D + I)^-1``, (at most n, d), of a user's gradients D, (n, d)."""
    if len(design) > design.shape[1]:
        design = torch.linalg.qr(design, mode="r").R  # R'R is D'D
    system = design @ design.T
    system.diagonal().add_(1)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(system), design, upper=False)


def _squared_error(
    model: RatingModel, prior: UserPrior, history: History, halves: np.ndarray
) -> float:
    """Sum of squared errors for the second halves, over all numbers of ratings given."""
    total = 0.0
    held_out = history.where(history.places() >= halves[history.user_codes()])
    owner = torch.from_numpy(held_out.user_codes()).to(model.device).long()
    items, stars = _tensors(held_out.items, held_out.stars, model.device)
    for n in GIVEN:
        vectors = fold_in(model, prior, *_first(history, np.minimum(halves, n), model.device))
        total += float((model.stars(vectors[owner], items) - stars).double().square().sum())
    return total


def _noise(model: RatingModel, prior: UserPrior, history: History, halves: np.ndarray) -> float:
    """Mean over the held-out halves of squared errors in units of their expected size."""
    unit = replace(prior, noise=1.0)
    ratios = []
    for n in GIVEN:
        indptr, given, stars = _first(history, np.minimum(halves, n), model.device)
        vectors = fold_in(model, prior, indptr, given, stars)
        for row, vector in enumerate(vectors):
            items, actual = (
                part[halves[row] :] for part in _tensors(*history.of(row), model.device)
            )
            rated = given[indptr[row] : indptr[row + 1]]
            expected = predictive_variance(model, unit, vector, rated, items)
            predicted = model.stars(vector.expand(len(items), -1), items)
            ratios.append((actual - predicted).square() / expected)
    return float(torch.cat(ratios).mean(dtype=torch.float64))


def _first(
    history: History, counts: np.ndarray, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """The first so many ratings of each row: starts, items, stars."""
    first = history.where(history.places() < counts[history.user_codes()])
    return torch.from_numpy(first.starts).to(device), *_tensors(first.items, first.stars, device)


def _tensors(items: np.ndarray, stars: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(items).to(device).long(), torch.from_numpy(stars).to(device)
