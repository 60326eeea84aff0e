"""What the card of a finished model shows: how good it is, where it was trained, its pictures."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation import cold_start, evaluate
from hf_cf.recommender import Recommender

_RESAMPLES = 200
_MOST_USERS = 10_000
_MOST_NEWCOMERS = 1_000


def complete(rec: Recommender, train: Ratings, valid: Ratings | None) -> Recommender:
    """Add to a trained model what its card shows, and return it.

    The evaluation on held-out ratings is of 10,000 users at most, drawn at random. Where whole
    users were held out, it is of what 1,000 of them are told after a few ratings. Pictures are
    drawn when they are first asked for.
    """
    metadata = replace(rec.metadata, hardware=_hardware())
    if valid is not None:
        if (train.user_counts() * valid.user_counts()).any():
            metadata = replace(metadata, evaluation=_evaluation(rec, train, valid))
        else:
            metadata = replace(metadata, cold_start=_cold_start(rec, train, valid))
    rec.metadata = metadata
    rec.draw_later(draw_pictures)
    return rec


def draw_pictures(rec: Recommender) -> dict[str, bytes]:
    """Learning curves, the map of items and the curves of newcomers as PNGs, by file name."""
    from hf_cf.training.cold_start_curves import draw_newcomers
    from hf_cf.training.curves import draw_learning_curves
    from hf_cf.training.item_map import draw_item_map

    draw: dict[str, Callable[[Path], None]] = {
        "item_map.png": lambda path: draw_item_map(rec, path)
    }
    if rec.metadata.epochs:
        draw["learning_curves.png"] = lambda path: draw_learning_curves(rec.metadata, path)
    if rec.metadata.cold_start:
        table = pd.DataFrame(rec.metadata.cold_start["measurements"])
        draw["cold_start.png"] = lambda path: draw_newcomers({rec.source.name: table}, path)
    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in draw.items():
            picture(Path(folder) / name)
            pictures[name] = (Path(folder) / name).read_bytes()
    return pictures


def _evaluation(rec: Recommender, train: Ratings, valid: Ratings) -> dict[str, Any]:
    valid = _of_some(valid, _MOST_USERS)
    try:
        return evaluate(rec, train, valid, resamples=_RESAMPLES).to_dict()
    except ValueError:  # the users drawn, or their items, are not known
        return {}


def _cold_start(rec: Recommender, train: Ratings, valid: Ratings) -> dict[str, Any]:
    try:
        return cold_start(rec, train, _of_some(valid, _MOST_NEWCOMERS)).to_dict()
    except ValueError:  # nobody has two ratings
        return {}


def _of_some(ratings: Ratings, most: int) -> Ratings:
    """The ratings of so many users at most, drawn at random."""
    users = np.unique(ratings.user_codes[ratings.user_codes > 0])
    if len(users) <= most:
        return ratings
    drawn = np.random.default_rng(0).choice(users, most, replace=False)
    return ratings.take(np.isin(ratings.user_codes, drawn))


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"
