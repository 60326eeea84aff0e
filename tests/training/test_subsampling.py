"""Errors on a sample while training."""

from __future__ import annotations

import numpy as np
import pytest

from hf_cf import Ratings
from hf_cf.training import fit, subsampling


def test_few_ratings_are_all_taken(sample: Ratings) -> None:
    assert subsampling.enough(sample, seed=0) is sample
    assert subsampling.users_drawn(sample.user_counts(), len(sample), seed=0).all()


def test_of_many_about_as_many_as_wanted_are_by_the_users_drawn(sample: Ratings) -> None:
    counts = sample.user_counts()
    drawn = subsampling.users_drawn(counts, 10_000, seed=0)
    assert 7_000 < counts[drawn].sum() < 13_000
    assert (subsampling.users_drawn(counts, 10_000, seed=0) == drawn).all()
    assert (subsampling.users_drawn(counts, 10_000, seed=1) != drawn).any()


def test_errors_while_training_are_of_whole_users(
    sample: Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subsampling, "ENOUGH", 10_000)
    counts = subsampling.enough(sample, seed=0).user_counts()
    assert 7_000 < counts.sum() < 13_000
    assert (counts[counts > 0] == sample.user_counts()[counts > 0]).all()


def test_one_user_with_all_the_ratings_is_drawn() -> None:
    counts = np.array([0, 0, 0, 1000, 0])
    assert counts[subsampling.users_drawn(counts, 1, seed=0)].sum() == 1000


@pytest.mark.parametrize("model", ["dot_product_bias", "als"])
def test_final_errors_are_of_all_validation_ratings(
    sample: Ratings, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    train, valid = sample.split(seed=0)
    options = {"epochs": 2, "ranking": None, "progress": False}
    whole = fit(train, valid, model, **options)
    monkeypatch.setattr(subsampling, "ENOUGH", 2_000)
    part = fit(train, valid, model, **options)
    assert part.metrics["valid_mse"] == whole.metrics["valid_mse"]
    assert part.metadata.epochs[-1]["valid_mse"] != whole.metadata.epochs[-1]["valid_mse"]
    assert part.metadata.epochs[-1]["valid_mse"] == pytest.approx(
        whole.metrics["valid_mse"], rel=0.15
    )
