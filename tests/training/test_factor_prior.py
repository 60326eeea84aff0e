"""Draws of a linked prior, against moments that are known exactly."""

from __future__ import annotations

import numpy as np
import torch

from hf_cf.training.factor_prior import LinkedPrior, draw_normal_wishart

UNITS = np.array([1.0, 1.0])


def test_normal_wishart_draws_have_the_moments_of_the_posterior() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((12, 2)) * [1.0, 0.5] + [0.3, -0.2]
    average = rows.mean(0)
    centred = rows - average
    scatter = centred.T @ centred
    draws = [draw_normal_wishart(12, average, scatter, 0, rng, UNITS) for _ in range(4000)]
    means, precisions = map(np.array, zip(*draws, strict=True))
    inverse_scale = np.diag(UNITS) + scatter + 12 / 13 * np.outer(average, average)
    expected = (2 + 12) * np.linalg.inv(inverse_scale)
    np.testing.assert_allclose(precisions.mean(0), expected, rtol=0.05, atol=0.05)
    np.testing.assert_allclose(means.mean(0), 12 / 13 * average, atol=0.02)
    # Of the t distribution of the mean: inverse scale / (13 (freedom - d - 1)).
    np.testing.assert_allclose(np.cov(means.T), inverse_scale / (13 * 11), rtol=0.12, atol=3e-3)


def test_weights_of_features_have_the_moments_of_their_regression() -> None:
    rng = np.random.default_rng(1)
    features = torch.from_numpy(rng.standard_normal((9, 12)).astype(np.float32))
    trained = torch.ones(9, dtype=torch.bool)
    trained[4] = False
    prior = LinkedPrior(features, trained, UNITS)
    prior.link_precision = 1.7
    precision = np.array([[2.0, 0.6], [0.6, 1.0]])
    rows = rng.standard_normal((8, 2))
    drawn = [prior._draw_weights(torch.from_numpy(rows), precision, rng) for _ in range(6000)]
    draws = torch.stack(drawn).numpy()
    own = features[trained].double().numpy()
    total = np.linalg.inv(own.T @ own + 1.7 * np.eye(12))
    np.testing.assert_allclose(draws.mean(0), total @ own.T @ rows, atol=0.06)
    covariance = np.cov(draws.reshape(6000, -1).T)
    expected = np.kron(total, np.linalg.inv(precision))
    np.testing.assert_allclose(covariance, expected, atol=0.06)


def test_a_planted_link_is_found() -> None:
    rng = np.random.default_rng(2)
    features = torch.from_numpy(rng.standard_normal((400, 3)).astype(np.float32))
    planted = torch.tensor([[1.0, 0.0], [0.0, -2.0], [0.5, 0.5]])
    factors = features @ planted + torch.tensor([3.0, -1.0])
    factors += 0.1 * torch.from_numpy(rng.standard_normal((400, 2)).astype(np.float32))
    prior = LinkedPrior(features, torch.ones(400, dtype=torch.bool), UNITS)
    for _ in range(20):
        prior.sample(factors, rng)
    torch.testing.assert_close(prior.weights, planted, atol=0.1, rtol=0)
    torch.testing.assert_close(prior.mean, torch.tensor([3.0, -1.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(prior.row_means(), factors, atol=0.5, rtol=0)
