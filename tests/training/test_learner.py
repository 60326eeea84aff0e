"""Training on fastai gives what a loop in plain PyTorch gives, step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fastai.collab import EmbeddingDotBias as FastaiDotBias
from fastai.collab import EmbeddingNN as FastaiEmbeddingNN
from torch.nn import functional as F

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale
from hf_cf.models import RatingClassifier, RatingModel
from hf_cf.training.learner import LevelCrossEntropy, build_learner, run
from hf_cf.training.loaders import RatingsLoader
from hf_cf.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    model="dot_product_bias", epochs=2, batch_size=128, lr=0.02, n_factors=6, seed=3
)


@pytest.fixture(scope="module")
def few(sample: Ratings) -> Ratings:
    """Ratings of the first 40 users."""
    return sample.take(sample.user_codes <= 40)


def trained_by_fastai(settings: TrainingSettings, ratings: Ratings) -> tuple[RatingModel, Any]:
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        learn, model = build_learner(settings, ratings, None)
        start = {name: t.clone() for name, t in learn.model.state_dict().items()}
        run(learn, model, settings, progress=False)
    return model, start


def one_cycle(step: int, steps: int, lr: float) -> tuple[float, float]:
    """Learning rate and momentum of fastai's ``fit_one_cycle`` (Smith 2018, with cosines)."""
    at, peak = step / steps, 0.25

    def cosine(start: float, end: float, part: float) -> float:
        return start + (1 + math.cos(math.pi * (1 - part))) * (end - start) / 2

    if at < peak:
        return cosine(lr / 25, lr, at / peak), cosine(0.95, 0.85, at / peak)
    part = (at - peak) / (1 - peak)
    return cosine(lr, lr / 1e5, part), cosine(0.85, 0.95, part)


def trained_by_hand(
    settings: TrainingSettings, ratings: Ratings, start: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Adam as Kingma and Ba, and Loshchilov and Hutter write it, in float64."""
    low, high = ratings.scale.output_range
    names = ("user_factors", "item_factors", "user_bias", "item_bias")
    weights = [
        start[f"model.{name}.weight"].double().clone().requires_grad_(True) for name in names
    ]
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    loader = RatingsLoader(ratings, settings.batch_size, shuffle=True, seed=settings.seed)
    steps, step, sqr_momentum = settings.epochs * len(loader), 0, 0.99
    momentum_product = 1.0
    for _ in range(settings.epochs):
        for pairs, stars in loader:
            u, i = pairs.T
            p, q, b, c = weights
            dot = (p[u] * q[i]).sum(1) + b[u, 0] + c[i, 0]
            loss = (low + (high - low) * torch.sigmoid(dot) - stars).square().mean()
            gradients = torch.autograd.grad(loss, weights)
            lr, momentum = settings.lr, 0.9
            if settings.schedule == "one_cycle":
                lr, momentum = one_cycle(step, steps, settings.lr)
            step += 1
            momentum_product *= momentum
            with torch.no_grad():
                for w, slope, m, v in zip(weights, gradients, first, second, strict=True):
                    is_bias = w.shape[1] == 1
                    wd = 0.0 if is_bias and not settings.decay_biases else settings.wd
                    if settings.decay == "l2":
                        slope = slope + wd * w  # noqa: PLW2901
                    else:
                        w.mul_(1 - lr * wd)
                    m.lerp_(slope, 1 - momentum)
                    v.lerp_(slope.square(), 1 - sqr_momentum)
                    corrected = (v / (1 - sqr_momentum**step)).sqrt() + settings.eps
                    w.sub_(lr * m / (1 - momentum**step) / corrected)
    return dict(zip(names, weights, strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "constant", "decay": "decoupled", "wd": 0.3},
        {"schedule": "constant", "decay": "l2", "wd": 0.01},
        {"schedule": "one_cycle", "decay": "decoupled", "wd": 0.3},
        {"schedule": "one_cycle", "decay": "decoupled", "wd": 0.3, "decay_biases": False},
        {"schedule": "one_cycle", "decay": "l2", "wd": 0.01, "eps": 1e-4},
    ],
    ids=lambda changes: ", ".join(map(str, changes.values())),
)
def test_it_trains_as_the_equations_say(few: Ratings, changes: dict[str, Any]) -> None:
    settings = replace(SETTINGS, **changes)
    model, start = trained_by_fastai(settings, few)
    expected = trained_by_hand(settings, few, start)
    for name, weight in expected.items():
        found = model.get_submodule(name).weight.double()
        moved = (weight - start[f"model.{name}.weight"]).norm()
        assert (found - weight).norm() < 0.01 * moved, name


@pytest.mark.parametrize(
    ("name", "theirs"), [("collab_learner", FastaiDotBias), ("embedding_nn", FastaiEmbeddingNN)]
)
def test_fastai_s_models_are_trained_as_fastai_s_own_and_carried_over(
    few: Ratings, name: str, theirs: type
) -> None:
    settings = replace(SETTINGS, model=name, layers=(20, 10), epochs=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        learn, model = build_learner(settings, few, None)
        run(learn, model, settings, progress=False)
    assert isinstance(learn.model, theirs)
    pairs = torch.from_numpy(np.stack([few.user_codes, few.item_codes], 1)).long()
    with torch.no_grad():
        expected = learn.model.cpu().eval()(pairs).flatten()
    assert expected.std() > 0.01
    torch.testing.assert_close(model(pairs), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("init", "scale", "deviation", "largest"),
    [
        ("uniform", 0.05, 0.05 / 3**0.5, 0.05),
        ("normal", 0.01, 0.01, None),
        ("truncated_normal", 0.02, None, 0.04),
    ],
)
@pytest.mark.parametrize("name", ["dot_product", "collab_learner", "embedding_nn"])
def test_embeddings_start_as_asked(
    sample: Ratings, name: str, init: str, scale: float, deviation: float | None, largest: float
) -> None:
    settings = replace(SETTINGS, model=name, init=init, init_scale=scale, n_factors=50)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        learn, _ = build_learner(settings, sample, None)
    tables = [m.weight for m in learn.model.modules() if isinstance(m, torch.nn.Embedding)]
    assert len(tables) >= 2
    weights = torch.cat([table.detach().flatten() for table in tables])
    assert weights.mean().abs() < scale / 50
    if deviation is not None:
        assert weights.std().item() == pytest.approx(deviation, rel=0.05)
    if largest is not None:
        assert 0.9 * largest < weights.abs().max() <= largest


@pytest.mark.parametrize(
    ("scale", "stars", "levels"),
    [
        (RatingScale(0.5, 5, 0.5), [0.5, 1.0, 3.5, 5.0], [0, 1, 6, 9]),
        (RatingScale(1, 5, 1), [1, 2, 5], [0, 1, 4]),
        (RatingScale(0.5, 5, 0.5), [3.6, 0.0, 6.0], [6, 0, 9]),
        (RatingScale(-10, 10, 0.2), [-10, 0, 10], [0, 50, 100]),
    ],
    ids=["halves", "wholes", "between and beyond", "negative"],
)
def test_cross_entropy_finds_the_level_of_stars(
    scale: RatingScale, stars: list[float], levels: list[int]
) -> None:
    logits = torch.randn(len(stars), len(scale.levels), generator=torch.Generator().manual_seed(0))
    found = LevelCrossEntropy(scale)(logits, torch.tensor(stars, dtype=torch.float32))
    shares = torch.softmax(logits.double(), 1)[torch.arange(len(levels)), levels]
    assert found.item() == pytest.approx(-shares.log().mean().item(), rel=1e-5)


def test_a_classifier_is_trained_with_cross_entropy_over_half_stars(few: Ratings) -> None:
    settings = replace(SETTINGS, model="rating_classifier", epochs=3)
    model, _ = trained_by_fastai(settings, few)
    assert isinstance(model, RatingClassifier)
    assert model.levels.tolist() == few.scale.levels.tolist()
    pairs = torch.from_numpy(np.stack([few.user_codes, few.item_codes], 1)).long()
    given = torch.from_numpy(np.searchsorted(few.scale.levels, few.stars))
    found = F.cross_entropy(model.training_output(pairs), given)
    shares = given.bincount(minlength=10) / len(given)
    assert found < torch.special.entr(shares).sum()  # better than knowing how common each level is
