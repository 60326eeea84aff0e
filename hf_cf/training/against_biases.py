"""A trained model next to damped biases, what a spreadsheet computes."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import Biases, chosen_damping
from hf_cf.inference.star_errors import predicted_stars
from hf_cf.models import BayesianFactorization, BiasedFactorization, RatingModel

_LEAST_SHARE = 0.05  # of a posterior's factors: a prior of users without any spread has no inverse

Floats = npt.NDArray[np.float64]


def chosen_biases(train: Ratings) -> Biases:
    """Damped biases, the damping chosen on the training ratings."""
    return chosen_damping(train).biases(train)


def blended_with_biases(model: RatingModel, biases: Biases, valid: Ratings) -> None:
    """Move a model towards damped biases as far as its squared error on other ratings falls.

    Stars become ``(1 - c) * biases + c * model`` with the c of least squares, within 0 and 1. A
    `BayesianFactorization` moves only if the biases are better than it is; its users' prior
    follows. Models with an output range or a network stay: they choose an epoch instead.
    """
    if not isinstance(model, BiasedFactorization | BayesianFactorization):
        return
    valid = valid.take((valid.user_codes > 0) & (valid.item_codes > 0))
    if not len(valid):
        return
    bayesian = isinstance(model, BayesianFactorization)
    start = biases.mean + biases.users[valid.user_codes] + biases.items[valid.item_codes]
    away, wanted = predicted_stars(model, valid) - start, valid.stars - start
    if bayesian and np.square(wanted - away).sum() <= np.square(wanted).sum():
        return
    share = float(away @ wanted) / max(float(away @ away), 1e-300)
    share = min(max(share, _LEAST_SHARE if bayesian else 0.0), 1.0)
    users, items = model.tables()
    with torch.no_grad():
        users[0].weight.mul_(share)
        _towards(users[1].weight, biases.users, share)
        _towards(items[1].weight, biases.items, share)
        if isinstance(model, BayesianFactorization):
            _shrink_prior_of_users(model, share)


def _towards(table: Tensor, offsets: Floats, share: float) -> None:
    table.lerp_(torch.from_numpy(offsets[:, None]).to(table).expand_as(table), 1 - share)


def _shrink_prior_of_users(model: BayesianFactorization, share: float) -> None:
    unit = model.user_mean.new_full((model.n_factors + 1,), share)
    unit[-1] = 1
    model.user_mean *= unit
    model.user_precision /= unit[:, None] * unit
    model.user_link *= unit.repeat(model.n_samples)


def compared(valid_rmse: float, biases: Biases, valid: Ratings) -> dict[str, float]:
    """RMSE of the biases on validation ratings, and a warning where the model is no better."""
    off = biases.predict(valid.user_codes, valid.item_codes).astype(np.float64) - valid.stars
    rmse = float(np.sqrt(np.mean(off**2)))
    if valid_rmse >= rmse:
        warnings.warn(
            f"the model does not beat user and item biases on the validation ratings (RMSE "
            f"{valid_rmse:.4g}, theirs {rmse:.4g}): try model='als', or more ratings of each user "
            "and item",
            stacklevel=4,
        )
    return {"valid_rmse_biases": rmse}
