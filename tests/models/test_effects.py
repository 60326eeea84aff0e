"""Effects of ratings: parts of a sum where the model is linear, otherwise leaving one out."""

from __future__ import annotations

import pytest
import torch
from small_models import CASES, small_model

from hf_cf.models import RatingModel, UserPrior, effects, fold_in

ITEMS = torch.tensor([1, 3, 4, 8, 9, 15, 21])
STARS = torch.tensor([5.0, 1.0, 4.5, 2.0, 3.0, 3.5, 0.5])
TARGET = torch.tensor([11])
LINEAR = ["dot", "dot and biases", "fastai's dot, unbounded", "als"]


def prior_for(model: RatingModel) -> UserPrior:
    generator = torch.Generator().manual_seed(1)
    mean = 0.3 * torch.randn(model.vector_size, generator=generator)
    return UserPrior(mean, 0.5 * torch.eye(model.vector_size))


def stars_of_target(model: RatingModel, prior: UserPrior, kept: torch.Tensor) -> float:
    items, stars = ITEMS[kept], STARS[kept]
    vector = fold_in(model, prior, torch.tensor([0, len(items)]), items, stars)
    return model.stars(vector, TARGET).item()


@pytest.mark.parametrize("case", LINEAR)
def test_effects_of_a_linear_model_sum_to_the_prediction_less_the_prior(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    (found,) = effects(model, prior, ITEMS, STARS, TARGET)
    everything, nothing = torch.ones(7, dtype=torch.bool), torch.zeros(7, dtype=torch.bool)
    moved = stars_of_target(model, prior, everything) - stars_of_target(model, prior, nothing)
    assert found.sum().item() == pytest.approx(moved, abs=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case not in {*LINEAR, "bayesian"}])
def test_effects_of_other_models_are_those_of_leaving_one_out(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    (found,) = effects(model, prior, ITEMS, STARS, TARGET)
    everything = torch.ones(7, dtype=torch.bool)
    reached = stars_of_target(model, prior, everything)
    for row in range(7):
        kept = everything.clone()
        kept[row] = False
        left_out = reached - stars_of_target(model, prior, kept)
        assert found[row].item() == pytest.approx(left_out, abs=0.02)


def test_a_single_rating_and_none_at_all() -> None:
    model = small_model("fastai's dot")
    prior = prior_for(model)
    ((one,),) = effects(model, prior, ITEMS[:1], STARS[:1], TARGET)
    kept = torch.arange(7) < 1
    none = torch.zeros(7, dtype=torch.bool)
    moved = stars_of_target(model, prior, kept) - stars_of_target(model, prior, none)
    assert one.item() == pytest.approx(moved, abs=1e-4)
    assert effects(model, prior, ITEMS[:0], STARS[:0], TARGET).shape == (1, 0)


@pytest.mark.parametrize("case", CASES)
def test_several_items_are_explained_as_each_alone(case: str) -> None:
    model = small_model(case)
    prior = prior_for(model)
    vector = fold_in(model, prior, torch.tensor([0, 7]), ITEMS, STARS)[0]
    targets = torch.tensor([11, 2, 3])
    together = effects(model, prior, ITEMS, STARS, targets, vector)
    alone = [effects(model, prior, ITEMS, STARS, target[None])[0] for target in targets]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-3, atol=1e-3)


def test_estimates_of_the_lesser_effects_are_near_leaving_one_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = small_model("fastai's dot")
    prior = prior_for(model)
    refitted = effects(model, prior, ITEMS, STARS, TARGET)
    monkeypatch.setattr("hf_cf.models.rating_effects.MOST_REFITTED", 1)
    estimated = effects(model, prior, ITEMS, STARS, TARGET)
    torch.testing.assert_close(estimated, refitted, rtol=0.5, atol=0.15)
