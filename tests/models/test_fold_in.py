"""A new user's vector: closed forms, optimality, and what a visitor would notice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import CASES, N_ITEMS, every_model, small_model
from torch import Tensor

from hf_cf.models import RatingModel, UserPrior, predictive_variance
from hf_cf.models import fold_in as fold_in_rows
from hf_cf.models.fold_in import _single_user


def fold_in(model: RatingModel, prior: UserPrior, items: Tensor, stars: Tensor) -> Tensor:
    """Fold a single user in."""
    return fold_in_rows(model, prior, torch.tensor([0, len(items)]), items, stars)[0]


def prior_for(model: RatingModel, strength: float = 0.5) -> UserPrior:
    """Build a prior that is neither diagonal nor centred at zero."""
    generator = torch.Generator().manual_seed(1)
    size = model.vector_size
    mix = torch.randn(size, size, generator=generator)
    mean = 0.3 * torch.randn(size, generator=generator)
    return UserPrior(mean, strength * (mix @ mix.T / size + torch.eye(size)))


def objective(model: RatingModel, prior: UserPrior, v: Tensor, items: Tensor, stars: Tensor):
    off = v - prior.mean.to(v)
    error = stars.to(v) - model.stars_grid(v[None], items)[0]
    return error.square().sum() + off @ prior.precision.to(v) @ off


def gradient_at(model: RatingModel, prior: UserPrior, v: Tensor, items: Tensor, stars: Tensor):
    model = model.double()
    vector = v.detach().double().requires_grad_(True)
    objective(model, prior, vector, items, stars).backward()
    return vector.grad.norm().item()


ITEMS = torch.tensor([1, 3, 4, 8, 9, 15, 21])
MIXED = torch.tensor([5.0, 1.0, 4.5, 2.0, 3.0, 3.5, 0.5])


@pytest.mark.parametrize("case", ["dot", "dot and biases", "fastai's dot, unbounded", "als"])
def test_a_linear_model_gets_the_ridge_solution(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    factors, *biases = (state[name] for name in state if name.startswith("i"))
    design, target = factors[ITEMS], MIXED.double().numpy() - state.get("mean", 0.0)
    if biases:
        design = np.hstack([design, np.ones((len(ITEMS), 1))])
        target = target - biases[0][ITEMS, 0]
    mean, precision = prior.mean.double().numpy(), prior.precision.double().numpy()
    expected = mean + np.linalg.solve(
        design.T @ design + precision, design.T @ (target - design @ mean)
    )
    np.testing.assert_allclose(fold_in(model, prior, ITEMS, MIXED), expected, atol=1e-4)


some_stars = pytest.mark.parametrize(
    "stars",
    [MIXED, torch.full_like(MIXED, 5.0), torch.full_like(MIXED, 0.5)],
    ids=["mixed", "all best", "all worst"],
)


@pytest.mark.parametrize("case", [case for case in CASES if "dot" in case or case == "als"])
@some_stars
def test_the_objective_is_level_at_the_answer(case: str, stars: Tensor) -> None:
    model = small_model(case)
    prior = prior_for(model)
    found = fold_in(model, prior, ITEMS, stars)
    at_start = gradient_at(model, prior, prior.mean, ITEMS, stars)
    assert gradient_at(model, prior, found, ITEMS, stars) < 0.01 * at_start


@pytest.mark.parametrize("case", [case for case in CASES if "dot" in case or case == "als"])
@some_stars
def test_the_objective_is_level_where_ratings_are_fewer_than_factors(
    case: str, stars: Tensor
) -> None:
    model = small_model(case)
    prior = prior_for(model)
    found = fold_in(model, prior, ITEMS[:3], stars[:3])
    at_start = gradient_at(model, prior, prior.mean, ITEMS[:3], stars[:3])
    assert gradient_at(model, prior, found, ITEMS[:3], stars[:3]) < 0.01 * at_start


def test_numbers_beyond_float32_are_left_to_the_solver() -> None:
    model = small_model("als")
    items = ITEMS[:2]
    inner, fixed, link = model.linear_parts(items)
    prior, stars = prior_for(model), torch.tensor([4.0, 2.0])
    assert _single_user(inner, fixed, link, prior, stars) is not None
    assert _single_user(inner * 1e25, fixed, link, prior, stars) is None


@every_model
@some_stars
def test_going_on_by_gradient_descent_gains_next_to_nothing(case: str, stars: Tensor) -> None:
    # A ReLU has kinks, at which the objective of a network has no level place.
    model = small_model(case)
    prior = prior_for(model)
    found = fold_in(model, prior, ITEMS, stars)
    reached = objective(model, prior, found, ITEMS, stars).item()
    vector = found.clone().requires_grad_(True)
    descent = torch.optim.Adam([vector], lr=0.02)
    lowest = reached
    for _ in range(200):
        descent.zero_grad()
        loss = objective(model, prior, vector, ITEMS, stars)
        lowest = min(lowest, loss.item())
        loss.backward()
        descent.step()
    assert lowest > 0.97 * reached


@every_model
def test_without_ratings_the_answer_is_the_average_user(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    nobody = fold_in(model, prior, torch.arange(0), torch.zeros(0))
    assert torch.equal(nobody, prior.mean)
    nobody += 1
    assert not torch.equal(nobody, prior.mean)


@every_model
def test_a_strong_prior_keeps_the_average_user(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model, strength=1e6)
    torch.testing.assert_close(
        fold_in(model, prior, ITEMS, MIXED), prior.mean, rtol=1e-3, atol=1e-3
    )


@every_model
def test_the_model_is_left_as_it_was(case: str) -> None:
    model = small_model(case)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fold_in(model, prior_for(model), ITEMS, MIXED)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


@every_model
@settings(max_examples=25, deadline=None)
@given(
    rated=st.dictionaries(
        st.integers(1, N_ITEMS - 1), st.sampled_from([0.5, 1.0, 3.0, 4.5, 5.0]), min_size=1
    )
)
def test_any_ratings_bring_the_vector_closer_to_them(case: str, rated: dict[int, float]) -> None:
    model = small_model(case)
    prior = prior_for(model)
    items, stars = torch.tensor(list(rated)), torch.tensor(list(rated.values()))
    found = fold_in(model, prior, items, stars)
    assert found.isfinite().all()
    at_mean = objective(model, prior, prior.mean, items, stars)
    assert objective(model, prior, found, items, stars) <= at_mean


@every_model
def test_the_order_of_ratings_does_not_matter(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    one = fold_in(model, prior, ITEMS, MIXED)
    other = fold_in(model, prior, ITEMS.flip(0), MIXED.flip(0))
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


def test_a_prior_is_the_gaussian_of_the_users_that_were_trained() -> None:
    vectors = torch.randn(400, 3, generator=torch.Generator().manual_seed(3))
    vectors = vectors * torch.tensor([2.0, 1.0, 0.5]) + torch.tensor([1.0, 0.0, -1.0])
    prior = UserPrior.from_vectors(vectors, noise=0.8)
    x = vectors.double().numpy()
    covariance = np.cov(x.T, bias=True)
    widened = covariance + 0.1 * np.trace(covariance) / 3 * np.eye(3)
    np.testing.assert_allclose(prior.mean, x.mean(0), atol=1e-6)
    np.testing.assert_allclose(prior.precision, 0.8 * np.linalg.inv(widened), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2])
def test_a_prior_of_very_few_users_still_serves_visitors(n: int) -> None:
    model = small_model("fastai's dot")
    prior = UserPrior.from_vectors(model.user_vectors(torch.arange(1, n + 1)), noise=0.8)
    assert fold_in(model, prior, ITEMS, MIXED).isfinite().all()


@every_model
def test_many_users_get_what_each_would_alone(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    indptr = torch.tensor([0, 3, 3, 4, 7])
    together = fold_in_rows(model, prior, indptr, ITEMS, MIXED)
    for row, (first, last) in enumerate(pairwise(indptr)):
        alone = fold_in(model, prior, ITEMS[first:last], MIXED[first:last])
        torch.testing.assert_close(together[row], alone, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("case", ["dot", "als"])
def test_the_variance_of_a_linear_model_is_that_of_bayesian_regression(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    prior = UserPrior(prior.mean, prior.precision, noise=0.7)
    vector, items = fold_in(model, prior, ITEMS, MIXED), torch.tensor([2, 7])
    found = predictive_variance(model, prior, vector, ITEMS, items)
    design = model.item_vectors(ITEMS).double().numpy()
    new = model.item_vectors(items).double().numpy()
    covariance = 0.7 * np.linalg.inv(design.T @ design + prior.precision.double().numpy())
    expected = 0.7 + np.einsum("ij,jk,ik->i", new, covariance, new)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case != "bayesian"])
def test_every_user_may_start_from_a_mean_of_their_own(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    means = torch.stack([prior.mean, prior.mean + 0.5])
    indptr = torch.tensor([0, len(ITEMS), 2 * len(ITEMS)])
    both = UserPrior(means, prior.precision)
    together = fold_in_rows(model, both, indptr, ITEMS.repeat(2), MIXED.repeat(2))
    for mean, found in zip(means, together, strict=True):
        alone = fold_in(model, UserPrior(mean, prior.precision), ITEMS, MIXED)
        torch.testing.assert_close(found, alone, atol=1e-2, rtol=1e-2)
    empty = torch.zeros(3, dtype=torch.int64)
    nothing = fold_in_rows(model, both, empty, ITEMS[:0], MIXED[:0])
    torch.testing.assert_close(nothing, means)
