"""How far a model's stars are from given ones."""

from __future__ import annotations

import numpy as np
import torch

from hf_cf.data.ratings import Ratings
from hf_cf.models import RatingModel

_PAIRS = 65_536


def star_errors(model: RatingModel, ratings: Ratings, *, dated: bool = False) -> dict[str, float]:
    """Return ``mse``, ``rmse`` and ``mae`` of a model's stars, as it gives them, unclipped.

    Where `dated`, the model is told the times of the ratings, too.
    """
    squared = absolute = 0.0
    for start in range(0, len(ratings), _PAIRS):
        rows = slice(start, start + _PAIRS)
        pairs = np.stack([ratings.user_codes[rows], ratings.item_codes[rows]], 1)
        with torch.no_grad():
            predicted = model(torch.from_numpy(pairs).long())
            if dated:
                assert ratings.timestamps is not None
                users, times = ratings.user_codes[rows], ratings.timestamps[rows]
                predicted += model.stars_of_time(*map(torch.from_numpy, (users, times)))
        error = (predicted - torch.from_numpy(ratings.stars[rows])).double()
        squared += float(error.square().sum())
        absolute += float(error.abs().sum())
    mse = squared / len(ratings)
    return {"mse": mse, "rmse": mse**0.5, "mae": absolute / len(ratings)}
