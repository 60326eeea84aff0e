"""Networks against their formula in numpy, and against fastai's ``EmbeddingNN``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fastai.collab import EmbeddingNN as FastaiEmbeddingNN
from fastai.tabular.model import emb_sz_rule
from hypothesis import given
from hypothesis import strategies as st
from small_models import HALF_STARS, N_ITEMS, N_USERS, all_pairs, small_model
from torch.nn import functional as F

from hf_cf.models import CollabNN, EmbeddingNN, RatingClassifier
from hf_cf.models.base import embedding_size


@pytest.mark.parametrize("case", ["fastai's network", "fastai's network, one layer"])
def test_it_predicts_what_fastai_s_model_predicts_from_the_same_weights(case: str) -> None:
    model = small_model(case)
    settings = model.settings
    y_range = settings["y_range"]
    theirs = FastaiEmbeddingNN(
        [(N_USERS, settings["user_size"]), (N_ITEMS, settings["item_size"])],
        settings["layers"],
        **({} if y_range is None else {"y_range": y_range}),
    ).eval()
    assert list(theirs.state_dict()) == list(model.state_dict())
    theirs.load_state_dict(model.state_dict())
    torch.testing.assert_close(theirs(all_pairs())[:, 0], model(all_pairs()), rtol=0, atol=1e-6)


def test_it_trains_as_fastai_s_model_does() -> None:
    model = small_model("fastai's network").train().requires_grad_(True)
    settings = model.settings
    theirs = FastaiEmbeddingNN(
        [(N_USERS, settings["user_size"]), (N_ITEMS, settings["item_size"])],
        settings["layers"],
        y_range=settings["y_range"],
    ).train()
    theirs.load_state_dict(model.state_dict())
    ours = model.training_output(all_pairs())
    torch.testing.assert_close(theirs(all_pairs()), ours, rtol=0, atol=1e-5)


@given(st.integers(1, 500_000))
def test_embeddings_have_the_size_that_fastai_gives_them(categories: int) -> None:
    assert embedding_size(categories) == emb_sz_rule(categories)


def test_the_sizes_on_movielens_100k_are_those_of_the_book() -> None:
    assert CollabNN(944, 1665).settings["user_size"] == 74
    assert CollabNN(944, 1665).settings["item_size"] == 102


def test_collab_nn_is_linear_relu_linear_sigmoid() -> None:
    model = small_model("network")
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    users, items = all_pairs().numpy().T
    x = np.hstack([weights["user_factors.weight"][users], weights["item_factors.weight"][items]])
    hidden = np.maximum(x @ weights["layers.0.weight"].T + weights["layers.0.bias"], 0)
    out = (hidden @ weights["layers.2.weight"].T + weights["layers.2.bias"])[:, 0]
    np.testing.assert_allclose(model(all_pairs()), 5.5 / (1 + np.exp(-out)), atol=1e-5)


def test_the_stars_of_a_classifier_are_the_mean_of_its_distribution() -> None:
    model = small_model("classifier")
    assert isinstance(model, RatingClassifier)
    pairs = all_pairs()
    logits = model.training_output(pairs).double().numpy()
    assert logits.shape == (len(pairs), len(HALF_STARS))
    weights = np.exp(logits)
    mean = (weights * HALF_STARS).sum(1) / weights.sum(1)
    np.testing.assert_allclose(model(pairs), mean, atol=1e-5)


def test_a_classifier_that_is_sure_gives_the_level_it_is_sure_of() -> None:
    model = small_model("classifier")
    logits = 50 * F.one_hot(torch.tensor([0, 6, 9]), len(HALF_STARS)).float()
    torch.testing.assert_close(model.read_out(logits), torch.tensor([0.5, 3.5, 5.0]))


def test_a_network_without_hidden_layers_is_linear() -> None:
    model = EmbeddingNN(N_USERS, N_ITEMS, layers=()).eval()
    pairs = all_pairs()
    grid = model.stars_grid(model.user_vectors(torch.arange(N_USERS)))
    torch.testing.assert_close(grid.flatten(), model(pairs), rtol=1e-5, atol=1e-6)
