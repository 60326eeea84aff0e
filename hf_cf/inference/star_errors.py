"""How far a model's stars are from given ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.models import RatingModel

_PAIRS = 65_536


def star_errors(model: RatingModel, ratings: Ratings, *, dated: bool = False) -> dict[str, float]:
    """Return ``mse``, ``rmse`` and ``mae`` of a model's stars, as it gives them, unclipped.

    Where `dated`, the model is told the times of the ratings, too.
    """
    device = model.device
    squared = absolute = torch.zeros((), dtype=torch.float64, device=device)
    for rows, predicted in _predicted(model, ratings, dated=dated):
        error = (predicted - torch.from_numpy(ratings.stars[rows]).to(device)).double()
        squared, absolute = squared + error.square().sum(), absolute + error.abs().sum()
    mse = float(squared) / len(ratings)
    return {"mse": mse, "rmse": mse**0.5, "mae": float(absolute) / len(ratings)}


def predicted_stars(model: RatingModel, ratings: Ratings) -> npt.NDArray[np.float64]:
    """Stars of a model for ratings, as it gives them, unclipped, shape (n,)."""
    return np.concatenate(
        [stars.double().numpy(force=True) for _, stars in _predicted(model, ratings)]
    )


def _predicted(
    model: RatingModel, ratings: Ratings, *, dated: bool = False
) -> Iterator[tuple[slice, Tensor]]:
    """Some rows of the ratings after others, and the stars that the model gives them."""
    for start in range(0, len(ratings), _PAIRS):
        rows = slice(start, start + _PAIRS)
        pairs = np.stack([ratings.user_codes[rows], ratings.item_codes[rows]], 1)
        with torch.no_grad():
            stars = model(torch.from_numpy(pairs).to(model.device).long())
            if dated:
                assert ratings.timestamps is not None
                dates = (ratings.user_codes[rows], ratings.timestamps[rows])
                stars += model.stars_of_time(*(torch.from_numpy(d).to(model.device) for d in dates))
        yield rows, stars
