"""A recommender with some of its parts exchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hf_cf import Recommender


def altered(rec: Recommender, **parts: Any) -> Recommender:
    """The same recommender with other parts of its `TrainedModel`."""
    return Recommender(replace(rec.trained, **parts))


def with_scorer(rec: Recommender, **parts: Any) -> Recommender:
    """The same recommender with other parts of its `Scorer`."""
    return altered(rec, scorer=replace(rec.trained.scorer, **parts))
