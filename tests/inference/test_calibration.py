"""The prior that training leaves behind: better for people who were not trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from hf_cf.data.ratings import Ratings
from hf_cf.inference.calibration import calibrated_prior
from hf_cf.inference.trained_model import trained_vectors
from hf_cf.models import BiasedFactorization

N_USERS, N_ITEMS, NOISE = 400, 60, 0.5


@pytest.fixture(scope="module")
def drawn() -> tuple[BiasedFactorization, Ratings, Ratings]:
    """A linear model that is true, with user vectors shrunken as training leaves them."""
    rng = np.random.default_rng(0)
    model = BiasedFactorization(N_USERS + 1, N_ITEMS + 1, 3).eval().requires_grad_(False)
    people = rng.normal(size=(N_USERS + 1, 4)) * [0.8, 0.6, 0.4, 0.5] + [0.5, 0, 0, 0.2]
    items = rng.normal(size=(N_ITEMS + 1, 3))
    model.item_factors.weight[:] = torch.from_numpy(items)
    model.item_bias.weight.zero_()
    for table, part in zip(model.tables()[0], (people[:, :3], people[:, 3:]), strict=True):
        table.weight[:] = torch.from_numpy(part * 0.3)
    users = np.repeat(np.arange(1, N_USERS + 1, dtype=np.int32), 20)
    rated = np.concatenate([rng.permutation(N_ITEMS)[:20] + 1 for _ in range(N_USERS)])
    truth = (people[users, :3] * items[rated]).sum(1) + people[users, 3]
    stars = (truth + rng.normal(scale=NOISE**0.5, size=len(truth))).astype(np.float32)
    ratings = Ratings.from_frame(pd.DataFrame({"user": users, "item": rated, "rating": stars}))
    return model, *ratings.split(0.5, seed=1)


def test_noise_and_strength_are_those_that_the_ratings_were_drawn_with(
    drawn: tuple[BiasedFactorization, Ratings, Ratings],
) -> None:
    model, train, valid = drawn
    plain = calibrated_prior(model, trained_vectors(model, train), None, NOISE)
    prior = calibrated_prior(model, trained_vectors(model, train), valid, NOISE)
    # The vectors were made 0.3 times as long, so their covariance is too small by 0.09.
    assert float(plain.precision.trace() / prior.precision.trace()) == pytest.approx(
        1 / 0.09, rel=0.25
    )
    assert prior.noise == pytest.approx(NOISE, rel=0.15)
    np.testing.assert_allclose(prior.mean, [0.5, 0, 0, 0.2], atol=0.15)


def test_a_covariance_of_the_wrong_shape_is_mended(
    drawn: tuple[BiasedFactorization, Ratings, Ratings],
) -> None:
    model, train, valid = drawn
    trained = trained_vectors(model, train).flip(1)
    prior = calibrated_prior(model, trained, valid, NOISE)
    covariance = prior.noise * torch.linalg.inv(prior.precision)
    np.testing.assert_allclose(covariance.diag(), [0.64, 0.36, 0.16, 0.25], rtol=0.3)


def test_the_same_seed_gives_the_same_prior(
    drawn: tuple[BiasedFactorization, Ratings, Ratings],
) -> None:
    model, train, valid = drawn
    trained = trained_vectors(model, train)
    one, other = (calibrated_prior(model, trained, valid, NOISE, seed=3) for _ in range(2))
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.precision, other.precision)
    assert one.noise == other.noise


def test_a_handful_of_validation_ratings_changes_nothing(
    drawn: tuple[BiasedFactorization, Ratings, Ratings],
) -> None:
    model, train, valid = drawn
    trained = trained_vectors(model, train)
    few = calibrated_prior(model, trained, valid.take(np.arange(20)), NOISE)
    assert torch.equal(few.precision, calibrated_prior(model, trained, None, NOISE).precision)
