"""Bayesian factorization: what its draws say together, and somebody new given them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from small_models import N_ITEMS, small_model
from torch import Tensor

from hf_cf.models import BayesianFactorization

ITEMS = torch.tensor([3, 7, 8, 15, 20])
STARS = torch.tensor([5.0, 4.0, 2.0, 3.0, 5.0])
INDPTR = torch.tensor([0, 5])


def bayesian(noise_freedom: float = 8.0) -> BayesianFactorization:
    model = small_model("bayesian")
    assert isinstance(model, BayesianFactorization)
    model.noise_freedom = noise_freedom
    model.rating_precision = torch.tensor([1.5, 1.0, 2.0, 1.2])
    model.average_items = torch.tensor([0.4, 0.3, 0.2, 0.1, 0.1])
    root = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(1)) * 0.3
    model.user_precision = torch.eye(4) + root @ root.mT
    return model


def posterior(model: BayesianFactorization, draw: int, weight: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the user who gave STARS, in one draw, written out."""
    factors = model.item_factors.weight.view(N_ITEMS, 4, 3)[ITEMS, draw].double()
    design = torch.cat([factors, torch.ones(5, 1).double()], 1)
    left = STARS.double() - model.mean - model.item_bias.weight[ITEMS, draw]
    # Items 3, 8 and 20 are features of who rated them: rows 2, 3 and 5 of the link, after 2 of sex.
    link = model.user_link.view(-1, 4, 4)[[2, 3, 5], draw].double()
    # Compared with the average person, who has each feature in part.
    average = model.user_link.view(-1, 4, 4)[2:, draw].double() * model.average_items[:, None]
    mean = model.user_mean[draw].double() + link.sum(0) / 5**0.5 - average.sum(0)
    prior = model.user_precision[draw].double()
    precision = prior + weight * model.rating_precision[draw].double() * design.T @ design
    right = prior @ mean + weight * model.rating_precision[draw].double() * design.T @ left
    return torch.linalg.solve(precision, right), torch.linalg.inv(precision)


def test_folding_in_gives_the_conditional_posterior_mean_of_every_draw() -> None:
    model = bayesian(noise_freedom=0.0)
    (vector,) = model.fold_in(None, INDPTR, ITEMS, STARS)
    for draw in range(4):
        mean, _ = posterior(model, draw, 1.0)
        found = torch.cat([vector[3 * draw : 3 * draw + 3], vector[12 + draw : 13 + draw]])
        torch.testing.assert_close(found, mean.float(), rtol=1e-4, atol=1e-5)
    assert vector[-2].item() == pytest.approx(float((1 / model.rating_precision).mean()))
    assert vector[-1] == 1


def test_the_weight_of_a_users_ratings_is_the_fixed_point() -> None:
    model = bayesian()
    (vector,) = model.fold_in(None, INDPTR, ITEMS, STARS)
    weight = float(vector[-1])
    for _ in range(30):
        errors = []
        for draw in range(4):
            mean, covariance = posterior(model, draw, weight)
            factors = model.item_factors.weight.view(N_ITEMS, 4, 3)[ITEMS, draw].double()
            design = torch.cat([factors, torch.ones(5, 1).double()], 1)
            left = STARS - model.mean - model.item_bias.weight[ITEMS, draw] - design @ mean
            doubt = ((design @ covariance) * design).sum()
            errors.append(float(model.rating_precision[draw] * (left.square().sum() + doubt)))
        weight = (8 + 5) / (8 + float(np.mean(errors)))
    assert weight != pytest.approx(1, abs=0.02)
    assert float(vector[-1]) == pytest.approx(weight, rel=0.02)


def test_users_are_folded_in_alone_as_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model = bayesian()
    items, stars = torch.cat([ITEMS, ITEMS[:2]]), torch.cat([STARS, STARS[:2]])
    indptr = torch.tensor([0, 5, 5, 7])
    together = model.fold_in(None, indptr, items, stars)
    alone = [
        model.fold_in(None, torch.tensor([0, b - a]), items[a:b], stars[a:b])[0]
        for a, b in ((0, 5), (5, 5), (5, 7))
    ]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr("hf_cf.models.bayesian._ENTRIES", 10)
    torch.testing.assert_close(
        model.fold_in(None, indptr, items, stars), together, rtol=1e-4, atol=1e-5
    )
    assert model.fold_in(None, torch.tensor([0]), ITEMS[:0], STARS[:0]).shape == (0, 18)


def test_stars_are_the_mean_over_draws() -> None:
    model = bayesian()
    vectors = model.user_vectors(torch.arange(5))
    draws = model.stars_of_samples(vectors, ITEMS)
    assert draws.std(1).min() > 0.05
    torch.testing.assert_close(model.stars(vectors, ITEMS), draws.mean(1), rtol=1e-5, atol=1e-5)


def test_the_variance_adds_noise_doubt_and_spread_of_the_draws() -> None:
    model = bayesian(noise_freedom=0.0)
    (vector,) = model.fold_in(None, INDPTR, ITEMS, STARS)
    target = torch.tensor([11])
    stars, doubts = [], []
    for draw in range(4):
        mean, covariance = posterior(model, draw, 1.0)
        factors = model.item_factors.weight.view(N_ITEMS, 4, 3)[11, draw].double()
        design = torch.cat([factors, torch.ones(1).double()])
        stars.append(float(design @ mean + model.item_bias.weight[11, draw]))
        doubts.append(float(design @ covariance @ design))
    expected = float(np.var(stars) + np.mean(doubts)) + float(vector[-2])
    found = model.predictive_variance(None, vector, ITEMS, target)
    assert found.item() == pytest.approx(expected, rel=1e-4)
    gradients = model.posterior_gradients(None, vector, ITEMS, target)
    assert float(gradients.square().sum() * vector[-2]) == pytest.approx(np.mean(doubts), rel=1e-4)


def test_effects_add_up_to_what_the_ratings_change() -> None:
    model = bayesian(noise_freedom=0.0)
    target = torch.tensor([11])
    (effects,) = model.effects(None, ITEMS, STARS, target)
    vector = model.fold_in(None, INDPTR, ITEMS, STARS)
    raised = STARS + torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    moved = model.stars(model.fold_in(None, INDPTR, ITEMS, raised), target)
    now = model.stars(vector, target)
    change = model.effects(None, ITEMS, raised, target)[0] - effects
    assert change[2].item() == pytest.approx(float(moved - now), abs=1e-5)
    assert change[[0, 1, 3, 4]].abs().max() < 1e-6
    prior_alone = now - effects.sum()
    # With ratings as the prior predicts them no rating has an effect.
    design = torch.cat(
        [model.item_factors.weight.view(N_ITEMS, 4, 3), torch.ones(N_ITEMS, 4, 1)], 2
    )
    link = model.user_link.view(-1, 4, 4)[[2, 3, 5]].sum(0) / 5**0.5
    link = link - (model.user_link.view(-1, 4, 4)[2:] * model.average_items[:, None, None]).sum(0)
    expected = (design[11] * (model.user_mean + link)).sum(1) + model.item_bias.weight[11]
    assert prior_alone.item() == pytest.approx(float(expected.mean() + model.mean), abs=1e-4)
    assert model.effects(None, ITEMS[:0], STARS[:0], target).shape == (1, 0)


def test_nobody_known_gets_the_average_user() -> None:
    model = bayesian()
    prior = model.own_prior()
    assert prior.precision is None
    assert prior.mean.shape == (model.vector_size,)
    torch.testing.assert_close(prior.mean[:12].view(4, 3), model.user_mean[:, :-1])
    # The mean of 1 / weight under Gamma(4, 4) is 4 / 3.
    expected = 4 / 3 * float((1 / model.rating_precision).mean())
    assert prior.noise == pytest.approx(expected, rel=1e-5)


def test_new_items_are_drawn_from_their_posterior() -> None:
    model = bayesian()
    root = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(2)) * 0.3
    model.item_precision = torch.eye(4) + root @ root.mT
    model.item_mean.normal_(0, 0.3)
    users, stars = torch.tensor([2, 5, 6]), torch.tensor([5.0, 3.0, 4.0])
    table = pd.DataFrame({"id": [100, 101]})
    larger = model.with_items(table, torch.tensor([0, 3, 3]), users, stars)
    assert larger.settings["n_items"] == N_ITEMS + 2 == larger.item_bias.weight.shape[0]
    assert torch.equal(larger.item_factors.weight[:N_ITEMS], model.item_factors.weight)
    noise = []
    for draw in range(4):
        factors = model.user_factors.weight.view(-1, 4, 3)[users, draw].double()
        design = torch.cat([factors, torch.ones(3, 1).double()], 1)
        weights = model.rating_precision[draw] * model.user_noise.weight[users, 1].double()
        left = stars - model.mean - model.user_bias.weight[users, draw]
        prior = model.item_precision[draw].double()
        precision = prior + design.T @ (weights[:, None] * design)
        right = prior @ model.item_mean[draw].double() + design.T @ (weights * left)
        found = torch.cat(
            [
                larger.item_factors.weight[N_ITEMS, 3 * draw : 3 * draw + 3],
                larger.item_bias.weight[N_ITEMS, draw, None],
            ]
        )
        upper = torch.linalg.cholesky(precision).mT
        noise.append((upper @ (found - torch.linalg.solve(precision, right))).float())
    # What is left is standard normal noise, and of every two draws opposite.
    torch.testing.assert_close(noise[0], -noise[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(noise[2], -noise[3], rtol=1e-3, atol=1e-3)
    assert 0.1 < torch.stack(noise).square().mean() < 4
