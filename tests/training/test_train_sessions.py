"""Effects of sessions, from ratings with times to predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import hf_cf
from hf_cf.models import BayesianFactorization
from hf_cf.training import fit
from hf_cf.training.sessions import SessionSampler

QUICK = {"n_factors": 2, "burn_in": 10, "implicit": 0, "epochs": 60, "progress": False}
DAY = 86_400


def moody(seed: int = 0) -> tuple[hf_cf.Ratings, np.ndarray]:
    """40 users on 6 days each, whose mood moves all ratings of a day; and the moods, (40, 6)."""
    rng = np.random.default_rng(seed)
    moods = rng.standard_normal((40, 6))
    films = rng.standard_normal(60) * 0.5
    rows = [
        (user, film, 3 + films[film] + moods[user, day] + 0.2 * rng.standard_normal(),
         (1 + day) * DAY + int(rng.integers(DAY)))
        for user in range(40)
        for day, part in enumerate(rng.permutation(60).reshape(6, 10))
        for film in part
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    scale = hf_cf.RatingScale(-4.0, 10.0, 0.1)
    return hf_cf.Ratings.from_frame(table, scale=scale), moods


@pytest.fixture(scope="module")
def split() -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    return moody()[0].split(0.2, seed=0)


@pytest.fixture(scope="module")
def rec(split: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> hf_cf.Recommender:
    return fit(*split, "bayesian_mf", dates=True, ranking=None, **QUICK)


def test_moods_are_recovered_where_the_time_is_told(
    rec: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    moods = moody()[1]
    users = np.repeat(np.arange(40), 6)
    times = np.tile(np.arange(1, 7) * DAY, 40)
    items = np.zeros(240, int)
    found = rec.predict(users, items, when=times).reshape(40, 6)
    # What a user's moods have in common is the user's bias.
    found = found - found.mean(1, keepdims=True)
    expected = moods - moods.mean(1, keepdims=True)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert np.abs(found - expected).mean() < 0.15
    assert rec.metrics["valid_rmse_dated"] < 0.4
    assert rec.metrics["valid_rmse"] > 0.8
    valid = split[1]
    stars = rec.predict(
        valid.users.decode(valid.user_codes), valid.items.decode(valid.item_codes),
        when=valid.timestamps,
    )  # fmt: skip
    rmse = float(np.sqrt(np.square(stars - valid.stars).mean()))
    assert rmse == pytest.approx(rec.metrics["valid_rmse_dated"], abs=0.01)


def test_doubt_about_an_unknown_time_is_in_the_standard_deviation(
    rec: hf_cf.Recommender,
) -> None:
    _, standard_deviations = rec.predict([3, 4], [5, 6], return_std=True)
    assert (standard_deviations > 0.7).all() and (standard_deviations < 1.6).all()


def test_a_time_without_ratings_and_no_time_are_the_same(rec: hf_cf.Recommender) -> None:
    stars = rec.predict(7, [1, 2, 3])
    assert (rec.predict(7, [1, 2, 3], when=100 * DAY) == stars).all()
    one = rec.predict(7, 2, when=2 * DAY)
    assert isinstance(one, float) and one != stars[1]
    assert rec.predict(7, [1, 2, 3], when=[DAY, 2 * DAY, DAY])[1] == pytest.approx(one)


def test_times_that_cannot_be_used_are_said(
    rec: hf_cf.Recommender, trained: hf_cf.Recommender
) -> None:
    with pytest.raises(ValueError, match="3 times for 2 ratings"):
        rec.predict([7, 8], [1, 2], when=[1, 2, 3])
    with pytest.raises(ValueError, match="nan is not a time"):
        rec.predict([7, 8], [1, 2], when=[1, np.nan])
    with pytest.raises(ValueError, match="for known users"):
        rec.predict(items=[1, 2], ratings={3: 4}, when=DAY)
    item = trained.items.ids[0]
    with pytest.raises(ValueError, match='model="bayesian_mf", dates=True'):
        trained.predict(trained.users.ids[0], item, when=DAY)


def test_ratings_without_usable_times_are_refused() -> None:
    ratings = moody()[0]
    with pytest.raises(ValueError, match="these have none"):
        fit(replace(ratings, timestamps=None), model="bayesian_mf", dates=True, **QUICK)
    assert ratings.timestamps is not None
    early = replace(ratings, timestamps=ratings.timestamps - 3 * DAY)
    with pytest.raises(ValueError, match="is not a time; give seconds since 1970"):
        fit(early, model="bayesian_mf", dates=True, **QUICK)


def test_a_folder_holds_sittings_only_where_there_are_some_and_users(
    rec: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings], tmp_path: Path
) -> None:
    def names(folder: Path) -> set[str]:
        tensors = load_file(folder / "model.safetensors")
        return {name for name in tensors if "sittings" in name}

    rec.save_pretrained(tmp_path / "dated")
    loaded = hf_cf.Recommender.from_pretrained(tmp_path / "dated")
    stars = rec.predict([7, 8], [1, 2], when=[DAY, 2 * DAY])
    assert (loaded.predict([7, 8], [1, 2], when=[DAY, 2 * DAY]) == stars).all()
    assert len(names(tmp_path / "dated")) == 7
    rec.save_pretrained(tmp_path / "visitors", include_users=False)
    assert not names(tmp_path / "visitors")
    visitors = hf_cf.Recommender.from_pretrained(tmp_path / "visitors")
    assert np.isfinite(visitors.predict(items=[1, 2], ratings={3: 4})).all()
    plain = fit(split[0], None, "bayesian_mf", ranking=None, **QUICK | {"epochs": 2, "burn_in": 1})
    plain.save_pretrained(tmp_path / "plain")
    assert not names(tmp_path / "plain")
    assert "windows" not in (tmp_path / "plain" / "config.json").read_text("utf-8")


def test_resuming_with_sittings_is_the_same_as_never_having_stopped(
    split: tuple[hf_cf.Ratings, hf_cf.Ratings],
) -> None:
    settings = {**QUICK, "burn_in": 4, "thin": 2, "ranking": None, "dates": True}
    whole = fit(*split, "bayesian_mf", **settings | {"epochs": 12})
    part = fit(*split, "bayesian_mf", **settings | {"epochs": 6})
    resumed = fit(*split, resume=part, ranking=None, progress=False)
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-3, msg=name)
    with pytest.raises(ValueError, match="dates cannot change"):
        fit(*split, resume=part, dates=False)


def test_the_file_stays_within_its_bound(split: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> None:
    small = fit(split[0], None, "bayesian_mf", dates=True, max_mb=0.2, ranking=None, **QUICK)
    model = small.model
    assert isinstance(model, BayesianFactorization)
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert 2 <= model.n_samples < 15 and size <= 0.2e6


def test_samples_of_the_effects_have_the_moments_of_their_conditional_posterior() -> None:
    rng = np.random.default_rng(0)
    users = np.array([1, 1, 1, 2, 2], np.int32)
    times = np.array([0, 10, DAY, 0, 0])
    left = np.array([0.5, 0.7, -0.4, 1.0, 1.2], np.float32)
    sampler = SessionSampler(users, times, rng)
    days, found = [], []
    for _ in range(4000):
        # Two lengths are held at known values, and the third is drawn given them.
        sampler.samples = [
            np.float32([0.1, 0.2, 0.3]),
            np.zeros(3, np.float32),
            np.zeros(3, np.float32),
        ]
        sampler.total = sampler._sum()
        sampler.sample(left - sampler.total, np.array([1.0, 2.0, 4.0]), rng)
        days.append(sampler.samples[0])
        found.append((sampler.conditional_means[0], sampler.priors[0]))
    for mean, prior in found[:50]:
        # User 1 on day 0: two ratings of precision 2; on day 1: one; user 2: two of precision 4.
        counts, sums = np.array([2, 1, 2]), np.array([1.2, -0.4, 2.2])
        weights = np.array([2.0, 2.0, 4.0])
        np.testing.assert_allclose(mean, weights * sums / (weights * counts + prior), rtol=1e-5)
    priors = np.array([prior for _, prior in found])
    # Gamma(1 + 3 / 2, 0.1 + 0.14 / 2)
    assert priors.mean() == pytest.approx(2.5 / 0.17, rel=0.05)
    residuals = np.array(days) - np.array([mean for mean, _ in found])
    standard = residuals * np.sqrt(np.array([4.0, 2.0, 8.0]) + priors[:, None])
    np.testing.assert_allclose(standard.std(0), 1, atol=0.05)
