"""A trained model next to damped biases, what a spreadsheet computes."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import Biases, chosen_damping, damped_biases
from hf_cf.inference.star_errors import predicted_stars
from hf_cf.models import BiasedFactorization, RatingModel

Floats = npt.NDArray[np.float64]


def chosen_biases(train: Ratings) -> Biases:
    """Damped biases, the damping chosen on the training ratings."""
    damping = chosen_damping(train)
    return damped_biases(train, user_damping=damping.user, item_damping=damping.item)


def blended_with_biases(model: RatingModel, biases: Biases, valid: Ratings) -> None:
    """Move a model towards damped biases as far as its squared error on other ratings falls.

    Stars become ``(1 - c) * biases + c * model`` with the c of least squares, within 0 and 1. Only
    a `BiasedFactorization` is moved: models with an output range or a network choose an epoch
    instead, and posterior samples stay what they are.
    """
    if not isinstance(model, BiasedFactorization):
        return
    valid = valid.take((valid.user_codes > 0) & (valid.item_codes > 0))
    if not len(valid):
        return
    start = biases.mean + biases.users[valid.user_codes] + biases.items[valid.item_codes]
    away, wanted = predicted_stars(model, valid) - start, valid.stars - start
    share = min(max(float(away @ wanted) / max(float(away @ away), 1e-300), 0.0), 1.0)
    users, items = model.tables()
    with torch.no_grad():
        users[0].weight.mul_(share)
        _towards(users[1].weight, biases.users, share)
        _towards(items[1].weight, biases.items, share)


def _towards(table: Tensor, offsets: Floats, share: float) -> None:
    table.lerp_(torch.from_numpy(offsets[:, None]).to(table).expand_as(table), 1 - share)


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
