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
import torch

from hf_cf.evaluation import evaluate
from hf_cf.ratings import Ratings
from hf_cf.recommender import Recommender

_RESAMPLES = 200
_MOST_USERS = 10_000


def complete(rec: Recommender, train: Ratings, valid: Ratings | None) -> Recommender:
    """Add to a trained model what its card shows, and return it.

    The evaluation on held-out ratings is of 10,000 users at most, drawn at random. Pictures are
    drawn when they are first asked for.
    """
    evaluation = {} if valid is None else _evaluation(rec, train, valid)
    rec.facts = replace(rec.facts, evaluation=evaluation, hardware=_hardware())
    rec.draw_later(draw_pictures)
    return rec


def draw_pictures(rec: Recommender) -> dict[str, bytes]:
    """Learning curves and the map of items as PNGs, by file name."""
    from hf_cf.training.curves import draw_learning_curves
    from hf_cf.training.item_map import draw_item_map

    draw: dict[str, Callable[[Path], None]] = {
        "item_map.png": lambda path: draw_item_map(rec, path)
    }
    if rec.facts.epochs:
        draw["learning_curves.png"] = lambda path: draw_learning_curves(rec.facts, path)
    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in draw.items():
            picture(Path(folder) / name)
            pictures[name] = (Path(folder) / name).read_bytes()
    return pictures


def _evaluation(rec: Recommender, train: Ratings, valid: Ratings) -> dict[str, Any]:
    users = np.unique(valid.user_codes[valid.user_codes > 0])
    if len(users) > _MOST_USERS:
        drawn = np.random.default_rng(0).choice(users, _MOST_USERS, replace=False)
        valid = valid.take(np.isin(valid.user_codes, drawn))
    try:
        return evaluate(rec, train, valid, resamples=_RESAMPLES).to_dict()
    except ValueError:  # whole users were held out, so that none is known
        return {}


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"
