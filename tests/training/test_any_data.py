"""Defaults on ratings of any number, scale and kind."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import hf_cf
from hf_cf.evaluation.baselines import chosen_damping
from hf_cf.training import fit
from hf_cf.training.against_biases import chosen_biases

MODELS = ["collab_learner", "collab_nn", "als", "bayesian_mf", "rating_classifier"]
FEW_SWEEPS: dict[str, Any] = {"bayesian_mf": {"epochs": 60, "burn_in": 10}}

pytestmark = pytest.mark.filterwarnings("ignore:the sampling has", "ignore:the model does not")


def ratings_of(users: Any, items: Any, stars: Any) -> hf_cf.Ratings:
    frame = pd.DataFrame({"user": users, "item": items, "rating": stars})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how the scale was taken
        return hf_cf.Ratings.from_frame(frame, feedback="explicit")


def tiny(unit: float = 1.0) -> hf_cf.Ratings:
    """Synthetic: biases and noise, 12 users by 12 items, half of them rated."""
    rng = np.random.default_rng(5)
    users, items = np.divmod(rng.permutation(144)[:72], 12)
    stars = 3 + rng.standard_normal(12)[users] + 0.7 * rng.standard_normal(12)[items]
    stars = (stars + 0.8 * rng.standard_normal(72)).round().clip(1, 5)
    return ratings_of(users, items, unit * stars)


def rmse_of(rec: hf_cf.Recommender, valid: hf_cf.Ratings) -> float:
    users, items = rec.users.decode(valid.user_codes), rec.items.decode(valid.item_codes)
    return float(np.sqrt(np.mean((rec.predict(users, items) - valid.stars) ** 2)))


@pytest.mark.parametrize("model", MODELS)
def test_few_ratings_are_predicted_about_as_well_as_by_damped_biases(model: str) -> None:
    found, expected = [], []
    for seed in range(5):
        train, valid = tiny().split(seed=seed)
        biases = chosen_biases(train).predict(valid.user_codes, valid.item_codes)
        rec = fit(train, valid, model, ranking=None, progress=False, **FEW_SWEEPS.get(model, {}))
        found.append(rmse_of(rec, valid))
        expected.append(float(np.sqrt(np.mean((biases - valid.stars) ** 2))))
        assert rec.metrics["valid_rmse_biases"] == pytest.approx(expected[-1], rel=1e-5)
    assert np.mean(found) < 1.03 * np.mean(expected)


def test_it_says_so_when_the_biases_at_the_start_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rec = fit(*tiny().split(seed=2), ranking=None, lr=1.0)
    assert rec.metrics["best_epoch"] == 0
    assert "No epoch had a lower validation error than user and item biases" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_units_of_the_ratings_do_not_matter(model: str) -> None:
    found = []
    for unit in (1.0, 0.125):
        train, valid = tiny(unit).split(seed=1)
        rec = fit(train, valid, model, ranking=None, progress=False, **FEW_SWEEPS.get(model, {}))
        found.append(rmse_of(rec, valid) / unit)
    assert found[1] == pytest.approx(found[0], rel=0.002)


def test_a_model_that_does_not_beat_biases_says_so() -> None:
    train, valid = tiny().split(seed=1)
    with pytest.warns(UserWarning, match="does not beat user and item biases.*try model='als'"):
        rec = fit(train, valid, "dot_product", ranking=None, progress=False)
    assert rec.metrics["valid_rmse"] >= rec.metrics["valid_rmse_biases"]


@pytest.mark.parametrize("model", [*MODELS, "dot_product", "dot_product_bias"])
@pytest.mark.parametrize(
    ("users", "items", "stars"),
    [
        (np.arange(30) % 6, np.arange(30) // 6, np.full(30, 4.0)),
        ([1] * 5, range(5), [1, 2, 3, 4, 5]),
        (range(5), [1] * 5, [1, 2, 3, 4, 5]),
        ([1], [1], [4.0]),
    ],
    ids=["equal ratings", "one user", "one item", "one rating"],
)
def test_the_least_that_can_be_trained_loads_and_serves_visitors(
    tmp_path: Path, model: str, users: object, items: object, stars: object
) -> None:
    few_sweeps: dict[str, Any] = {"epochs": 12, "burn_in": 2} if model == "bayesian_mf" else {}
    rec = fit(ratings_of(users, items, stars), model=model, progress=False, **few_sweeps)
    rec.save_pretrained(tmp_path / "model")
    loaded = hf_cf.Recommender.from_pretrained(tmp_path / "model")
    item = loaded.items.ids[0]
    assert np.isfinite(loaded.predict(loaded.users.ids[0], item))
    assert torch.tensor(loaded.recommend(ratings={item: 4.0})["stars"].to_numpy()).isfinite().all()


def test_damping_follows_the_noise_of_the_ratings() -> None:
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.arange(900), 30)
    taste, quality, noise = rng.standard_normal((3, 900))
    taste, quality = taste[users], quality[items]
    clear = chosen_damping(ratings_of(users, items, taste + quality + 0.3 * noise))
    dim = chosen_damping(ratings_of(users, items, 0.2 * (taste + quality) + 2 * noise))
    assert clear.user < dim.user and clear.item < dim.item
    assert clear.rmse == pytest.approx(0.3, rel=0.15)
