"""Dot-product models against the formula in numpy, and against fastai's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fastai.collab import EmbeddingDotBias as FastaiDotBias
from small_models import N_ITEMS, N_USERS, all_pairs, small_model

DOT_CASES = [
    "dot", "dot, ranged", "dot and biases", "dot and biases, ranged", "fastai's dot", "als"
]  # fmt: skip


@pytest.mark.parametrize("case", DOT_CASES)
def test_stars_are_the_dot_product_and_the_biases_through_a_sigmoid(case: str) -> None:
    model = small_model(case)
    of_users, of_items = ([table.weight.numpy() for table in side] for side in model.tables())
    expected = of_users[0].astype(np.float64) @ of_items[0].T
    if model.name != "dot_product":
        expected = expected + of_users[1] + of_items[1].T
    expected = expected + getattr(model, "mean", torch.tensor(0.0)).item()
    y_range = model.settings.get("y_range")
    if y_range is not None:
        low, high = y_range
        expected = low + (high - low) / (1 + np.exp(-expected))
    stars = model(all_pairs()).reshape(N_USERS, N_ITEMS)
    np.testing.assert_allclose(stars.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("case", ["fastai's dot", "fastai's dot, unbounded"])
def test_it_predicts_what_fastai_s_model_predicts_from_the_same_weights(case: str) -> None:
    model = small_model(case)
    theirs = FastaiDotBias(5, N_USERS, N_ITEMS, y_range=model.settings["y_range"]).eval()
    assert list(theirs.state_dict()) == list(model.state_dict())
    theirs.load_state_dict(model.state_dict())
    torch.testing.assert_close(theirs(all_pairs()), model(all_pairs()), rtol=0, atol=1e-6)


def test_weights_of_fastai_s_model_load_into_ours() -> None:
    model = small_model("fastai's dot")
    theirs = FastaiDotBias(5, N_USERS, N_ITEMS, y_range=(0, 5.5)).eval()
    model.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(theirs(all_pairs()), model(all_pairs()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", DOT_CASES)
def test_a_user_vector_times_item_vectors_orders_items_as_stars_do(case: str) -> None:
    model = small_model(case)
    vector = model.user_vectors(torch.tensor([4]))[0]
    biases = model.item_biases()
    products = model.item_vectors() @ vector + (0 if biases is None else biases)
    assert torch.equal(products.argsort(), model.stars_grid(vector[None])[0].argsort())


def test_only_models_with_biases_say_that_they_have_them() -> None:
    assert small_model("dot").item_biases() is None
    model = small_model("fastai's dot")
    assert torch.equal(model.item_biases(), model.state_dict()["i_bias.weight"][:, 0])
