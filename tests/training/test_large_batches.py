"""Large batches and tables: the same steps as PyTorch's own, and losses that do not suffer."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import Vocab
from hf_cf.models import RatingModel
from hf_cf.training.large_batches import SumOfParts, kept_gradients
from hf_cf.training.learner import build_learner, run, train_with_fastai
from hf_cf.training.loaders import RatingsDataLoaders, RatingsLoader
from hf_cf.training.settings import TrainingSettings, for_size

# A course of the learning rate would be read at other moments by parts than by whole batches.
SETTINGS = TrainingSettings(
    model="dot_product_bias", epochs=2, batch_size=64, n_factors=6, schedule="constant"
)


@pytest.fixture(scope="module")
def few(sample: Ratings) -> Ratings:
    """Ratings of the first 40 users."""
    return sample.take(sample.user_codes <= 40)


def gradients(table: nn.Embedding, codes: torch.Tensor, *, kept: bool) -> torch.Tensor:
    """The gradient after a backward pass."""
    weights = torch.linspace(0.1, 3, len(codes) * table.embedding_dim).view(len(codes), -1)
    table.zero_grad()
    with kept_gradients(table) if kept else nullcontext():
        (table(codes) * weights).sum().backward()
        assert table.weight.grad is not None
        return table.weight.grad.clone()


def test_kept_gradients_are_those_of_pytorch_to_the_last_bit() -> None:
    torch.manual_seed(0)
    table, codes = nn.Embedding(50, 7), torch.randint(40, (3000,))
    assert torch.equal(gradients(table, codes, kept=True), gradients(table, codes, kept=False))


def test_tables_are_as_before_once_training_is_over() -> None:
    table = nn.Embedding(5, 2)
    with kept_gradients(table):
        table(torch.tensor([1])).sum().backward()
    assert table.weight.grad is None
    assert "forward" not in vars(table)


def trained_in_parts(few: Ratings, at_once: int | None) -> RatingModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        learn, model = build_learner(SETTINGS, few, None)
        if at_once is not None:
            learn.dls.train.cut(at_once)
            learn.add_cb(SumOfParts())
        run(learn, model, SETTINGS, progress=False)
    return model


def test_a_batch_in_parts_makes_the_same_step_as_whole(few: Ratings) -> None:
    whole, parts = (trained_in_parts(few, at_once).state_dict() for at_once in (None, 10))
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, atol=1e-5, rtol=1e-3)


def test_nothing_is_kept_of_a_part(few: Ratings) -> None:
    learn, model = build_learner(SETTINGS, few, None)
    learn.dls.train.cut(10)
    learn.add_cb(SumOfParts())
    run(learn, model, SETTINGS, progress=False)
    assert len(learn.recorder.losses) <= 1
    assert len(learn.recorder.lrs) <= 1


def test_parts_have_the_rows_of_their_batches_in_order(few: Ratings) -> None:
    whole = RatingsLoader(few, 64, shuffle=True, seed=1)
    parts = RatingsLoader(few, 64, shuffle=True, seed=1, at_once=10)
    assert torch.equal(torch.cat([p for p, _ in parts]), torch.cat([p for p, _ in whole]))
    sizes = [len(stars) for _, stars in parts]
    assert max(sizes) <= 11  # a last row alone joins the part before it
    assert len(sizes) == len(parts) == len(parts.parts)
    assert sum(part.last for part in parts.parts) == len(whole)
    assert sum(part.share for part in parts.parts) == pytest.approx(len(whole))


def test_a_large_batch_comes_in_parts_without_being_asked(few: Ratings) -> None:
    many = few.take(np.resize(np.arange(len(few)), 40_000))
    assert len(RatingsDataLoaders.from_ratings(many, None, 32_768, seed=0).train) == 3


def copies(ratings: Ratings, n: int) -> Ratings:
    """n towns that do not know each other, each with the same ratings."""
    n_users, n_items = len(ratings.users) - 1, len(ratings.items) - 1
    town = np.repeat(np.arange(n), len(ratings)).astype(np.int32)
    return replace(
        ratings,
        user_codes=np.tile(ratings.user_codes, n) + town * n_users,
        item_codes=np.tile(ratings.item_codes, n) + town * n_items,
        stars=np.tile(ratings.stars, n),
        users=Vocab(np.arange(n * n_users)),
        items=Vocab(np.arange(n * n_items)),
        catalogue=pd.DataFrame(),
    )


def test_more_of_the_same_data_in_larger_batches_reaches_the_same_loss(sample: Ratings) -> None:
    train, valid = sample.take(sample.user_codes <= 200).split(seed=0)
    settings = TrainingSettings(batch_size=32, n_factors=10, eps=1e-4, wd=0.4, decay_biases=False)
    scaled = for_size(settings, 800_000)
    assert scaled.batch_size == 256
    _, one = train_with_fastai(settings, train, valid, progress=False)
    _, eight = train_with_fastai(scaled, copies(train, 8), copies(valid, 8), progress=False)
    # The first epochs, too: it is the same course, not only the same end.
    for small, large in zip(one, eight, strict=True):
        assert large["valid_mse"] == pytest.approx(small["valid_mse"], rel=0.01)
    assert one[-1]["valid_mse"] < 0.85 * ((valid.stars - train.stars.mean()) ** 2).mean()
