"""Errors on a sample while training."""

from __future__ import annotations

import numpy as np
import pytest

from hf_cf import Ratings
from hf_cf.training import fit, subsampling


def test_few_ratings_are_all_taken(sample: Ratings) -> None:
    assert subsampling.enough(sample, seed=0) is sample
    assert subsampling.by_users_drawn(sample.user_codes, 601, len(sample), seed=0).all()


def test_of_many_the_whole_ratings_of_users_drawn_are_taken(sample: Ratings) -> None:
    chosen = subsampling.by_users_drawn(sample.user_codes, len(sample.users), 10_000, seed=0)
    counts = np.bincount(sample.user_codes[chosen], minlength=len(sample.users))
    assert set(counts[counts > 0]) <= set(sample.user_counts()[counts > 0])
    assert (counts[counts > 0] == sample.user_counts()[counts > 0]).all()
    assert 7_000 < chosen.sum() < 13_000
    again = subsampling.by_users_drawn(sample.user_codes, len(sample.users), 10_000, seed=0)
    other = subsampling.by_users_drawn(sample.user_codes, len(sample.users), 10_000, seed=1)
    assert (again == chosen).all()
    assert (other != chosen).any()


def test_one_user_with_all_the_ratings_is_drawn() -> None:
    assert subsampling.by_users_drawn(np.full(1000, 3, np.int32), 5, 1, seed=0).all()


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
