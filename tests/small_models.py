"""One small model of every kind, with weights large enough for their stars to differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hf_cf.models import STORED_MODELS, BayesianFactorization, BiasedFactorization, RatingModel

N_USERS, N_ITEMS = 7, 23
HALF_STARS = [0.5 + 0.5 * level for level in range(10)]

BAYESIAN: dict[str, Any] = {
    "n_factors": 3,
    "n_samples": 4,
    "n_implicit_items": 5,
    "user_features": [{"column": "sex", "kind": "category", "values": ["F", "M"]}],
}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dot": ("dot_product", {"n_factors": 4, "y_range": None}),
    "dot, ranged": ("dot_product", {"n_factors": 4, "y_range": (0.0, 5.5)}),
    "dot and biases": ("dot_product_bias", {"n_factors": 4, "y_range": None}),
    "dot and biases, ranged": ("dot_product_bias", {"n_factors": 4, "y_range": (0.5, 5.0)}),
    "fastai's dot": ("collab_learner", {"n_factors": 5, "y_range": (0.0, 5.5)}),
    "fastai's dot, unbounded": ("collab_learner", {"n_factors": 5, "y_range": None}),
    "als": ("als", {"n_factors": 4}),
    "bayesian": ("bayesian_mf", BAYESIAN),
    "network": ("collab_nn", {"n_hidden": 6, "y_range": (0.0, 5.5)}),
    "network, unbounded": ("collab_nn", {"n_hidden": 6, "user_size": 3, "item_size": 5}),
    "fastai's network": ("embedding_nn", {"layers": (8, 4), "y_range": (0.0, 5.5)}),
    "fastai's network, one layer": ("embedding_nn", {"layers": (8,), "y_range": None}),
    "classifier": ("rating_classifier", {"levels": HALF_STARS, "n_hidden": 6}),
}

every_model = pytest.mark.parametrize("case", CASES)


def small_model(case: str) -> RatingModel:
    """Build the model of a case: random weights from a fixed seed, in evaluation mode."""
    name, settings = CASES[case]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = STORED_MODELS[name](**{"n_users": N_USERS, "n_items": N_ITEMS, **settings})
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.6)
        if isinstance(model, BiasedFactorization):
            model.mean.fill_(3.5)
        for module in model.modules():
            if isinstance(module, BayesianFactorization):
                module.user_noise.weight.data.abs_().add_(0.1)
                module.mean.fill_(3.5)
                module.user_mean.normal_(0, 0.3)
                module.user_link.normal_(0, 0.3)
                module.implicit_items.copy_(torch.tensor([3, 8, 1, 20, 4]))
            if isinstance(module, nn.BatchNorm1d):
                nn.init.normal_(module.weight, mean=1.0, std=0.2)
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
    return model.eval().requires_grad_(False)


def all_pairs() -> torch.Tensor:
    """Every (user, item) code, shape (N_USERS * N_ITEMS, 2), ``#na#`` among them."""
    return torch.cartesian_prod(torch.arange(N_USERS), torch.arange(N_ITEMS))
