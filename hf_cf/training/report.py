"""What the card of a finished model says of it: how good it is, where it was trained."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation import cold_start, evaluate
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.recommender import Recommender

_RESAMPLES = 200
_MOST_USERS, _FEWEST_USERS = 10_000, 1_000
_MOST_SCORES = 10**9
_MOST_VISITORS = 1_000


def with_report(model: TrainedModel, train: Ratings, valid: Ratings | None) -> TrainedModel:
    """Return a trained model with what its card shows.

    The evaluation on held-out ratings is of 10,000 users at most, drawn at random, and of fewer
    where more than 100,000 items are ranked for each: down to 1,000. Where whole users were held
    out, it is of what 1,000 of them are recommended after a few ratings.
    """
    metadata = replace(model.metadata, hardware=_hardware(model.scorer.device))
    if valid is not None:
        rec = Recommender(model)
        if (train.user_counts() * valid.user_counts()).any():
            metadata = replace(metadata, evaluation=_evaluation(rec, train, valid))
        else:
            metadata = replace(metadata, cold_start=_cold_start(rec, train, valid))
    return replace(model, metadata=metadata)


def _evaluation(rec: Recommender, train: Ratings, valid: Ratings) -> dict[str, Any]:
    at_most = min(_MOST_USERS, max(_FEWEST_USERS, _MOST_SCORES // len(rec.items)))
    valid = _of_some(valid, at_most)
    try:
        return evaluate(rec, train, valid, resamples=_RESAMPLES).to_dict()
    except ValueError:  # the users drawn, or their items, are not known
        return {}


def _cold_start(rec: Recommender, train: Ratings, valid: Ratings) -> dict[str, Any]:
    try:
        return cold_start(rec, train, _of_some(valid, _MOST_VISITORS)).to_dict()
    except ValueError:  # nobody has two ratings
        return {}


def _of_some(ratings: Ratings, most: int) -> Ratings:
    """The ratings of so many users at most, drawn at random."""
    users = np.unique(ratings.user_codes[ratings.user_codes > 0])
    if len(users) <= most:
        return ratings
    drawn = np.random.default_rng(0).choice(users, most, replace=False)
    return ratings.take(np.isin(ratings.user_codes, drawn))


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"
