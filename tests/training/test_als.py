"""Alternating least squares, against the equations solved row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

import hf_cf
from hf_cf.evaluation.baselines import chosen_damping
from hf_cf.training import fit
from hf_cf.training.als import train_als
from hf_cf.training.settings import settings_for


def some_ratings() -> hf_cf.Ratings:
    rng = np.random.default_rng(0)
    pairs = rng.permutation(30 * 20)[:250]
    stars = rng.integers(1, 6, len(pairs)).astype(np.float32)
    return hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": pairs // 20, "item": pairs % 20, "rating": stars})
    )


def test_each_item_solves_its_own_regularised_least_squares() -> None:
    ratings = some_ratings()
    settings = settings_for(
        "als", n_factors=3, regularization=2.0, bias_regularization=0.5, epochs=4,
        regularization_exponent=0.5,
    )  # fmt: skip
    model, _ = train_als(settings, ratings, None, progress=False)
    users, items = (
        np.hstack([table.weight.numpy() for table in side]).astype(np.float64)
        for side in model.tables()
    )
    mean, damping = float(model.mean), chosen_damping(ratings)
    of_factors = 2.0 * damping.rmse
    ridges = np.diag([of_factors, of_factors, of_factors, 0.5 * damping.item**0.5])
    for item in range(1, len(ratings.items)):
        rows = ratings.item_codes == item
        people = users[ratings.user_codes[rows]]
        design = np.hstack([people[:, :-1], np.ones((len(people), 1))])
        left_over = ratings.stars[rows] - mean - people[:, -1]
        ridge = ridges * len(people) ** 0.5
        expected = np.linalg.solve(design.T @ design + ridge, design.T @ left_over)
        np.testing.assert_allclose(items[item], expected, atol=2e-4)


def test_the_mean_is_that_of_the_training_ratings() -> None:
    ratings = some_ratings()
    model, _ = train_als(settings_for("als", epochs=1), ratings, None, progress=False)
    assert abs(float(model.mean) - ratings.stars.mean()) < 1e-5


def test_it_beats_the_mean_on_held_out_ratings(sample: hf_cf.Ratings) -> None:
    train, valid = sample.split(seed=3)
    rec = fit(train, valid, "als", ranking=None, progress=False)
    assert rec.metrics["valid_mse"] < 0.85 * float(valid.stars.var())
    assert len(rec.metadata.epochs) == 15


def test_a_range_of_the_scale_itself_is_never_left() -> None:
    ratings = some_ratings()
    rec = fit(
        ratings, None, "dot_product_bias", y_range="scale", epochs=1, batch_size=50,
        init="uniform_positive", ranking=None, progress=False,
    )  # fmt: skip
    assert rec.model.settings["y_range"] == (ratings.scale.min, ratings.scale.max)
    grid = rec.model.stars_grid(rec.model.user_vectors(torch.arange(len(ratings.users))))
    assert grid.min() >= ratings.scale.min
    assert grid.max() <= ratings.scale.max
