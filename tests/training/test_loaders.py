"""Batches: every row once an epoch, in an order that the seed decides."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from fastai.collab import CollabDataLoaders
from hypothesis import given
from hypothesis import strategies as st

import hf_cf
from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import NA, Vocab
from hf_cf.training.loaders import RatingsDataLoaders, RatingsLoader


def numbered(n: int) -> Ratings:
    """Build n ratings that can be told apart: row r is user r + 1, item r + 1, r stars."""
    codes = np.arange(1, n + 1, dtype=np.int32)
    ids = Vocab(np.arange(n))
    return Ratings(codes, codes, np.arange(n, dtype=np.float32), ids, ids, catalogue=None)


def rows(loader: RatingsLoader) -> list[int]:
    """Collect the rows of one epoch in the order of the visit, each checked to be whole."""
    visited = []
    for pairs, stars in loader:
        assert pairs.dtype == torch.int64
        assert stars.dtype == torch.float32
        assert (pairs == stars.long()[:, None] + 1).all()
        visited += stars.long().tolist()
    return visited


@given(
    n=st.integers(0, 200),
    batch_size=st.integers(1, 70),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_an_epoch_visits_every_row_exactly_once(
    n: int, batch_size: int, shuffle: bool, seed: int
) -> None:
    loader = RatingsLoader(numbered(n), batch_size, shuffle=shuffle, seed=seed)
    for _ in range(2):
        assert sorted(rows(loader)) == list(range(n))


@given(n=st.integers(0, 200), batch_size=st.integers(1, 70), shuffle=st.booleans())
def test_its_length_is_the_number_of_its_batches(n: int, batch_size: int, shuffle: bool) -> None:
    loader = RatingsLoader(numbered(n), batch_size, shuffle=shuffle)
    sizes = [len(stars) for _, stars in loader]
    assert len(sizes) == len(loader)
    assert all(size == batch_size for size in sizes[:-1])


@given(n=st.integers(2, 200), batch_size=st.integers(2, 70))
def test_no_batch_of_many_is_a_single_row(n: int, batch_size: int) -> None:
    # Batch normalisation cannot train on one.
    loader = RatingsLoader(numbered(n), batch_size, shuffle=True)
    assert min(len(stars) for _, stars in loader) > 1


def test_each_epoch_has_a_new_order_and_the_seed_decides_which() -> None:
    one, same, other = (
        RatingsLoader(numbered(100), 16, shuffle=True, seed=seed) for seed in (7, 7, 8)
    )
    first, second = rows(one), rows(one)
    assert first != second
    assert first != list(range(100))
    assert (rows(same), rows(same)) == (first, second)
    assert rows(other) != first


def test_the_order_is_independent_of_other_random_draws() -> None:
    state = torch.get_rng_state()
    first = rows(RatingsLoader(numbered(50), 16, shuffle=True, seed=7))
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng():
        torch.manual_seed(999)
        assert rows(RatingsLoader(numbered(50), 16, shuffle=True, seed=7)) == first


def test_without_shuffling_rows_come_as_they_stand() -> None:
    assert rows(RatingsLoader(numbered(50), 16)) == list(range(50))


def test_fastai_s_own_loader_visits_about_63_percent_of_the_rows(sample: hf_cf.Ratings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dls = CollabDataLoaders.from_df(
            sample.to_frame()[["user", "item", "rating"]], valid_pct=0.2, seed=0, bs=1024
        )
        pairs = torch.cat([batch[0] for batch in dls.train])
    distinct = len(torch.unique(pairs, dim=0))
    share = distinct / len(dls.train_ds)
    # Drawn with replacement, a row is missed with probability (1 - 1/n)**n, which is about 1/e.
    assert share == pytest.approx(1 - np.exp(-1), abs=0.015)
    ours = RatingsLoader(sample, 1024, shuffle=True)
    assert len(torch.unique(torch.cat([pairs for pairs, _ in ours]), dim=0)) == len(sample)


def test_loaders_tell_collab_learner_names_and_classes(sample: hf_cf.Ratings) -> None:
    train, valid = sample.split(seed=0)
    dls = RatingsDataLoaders.from_ratings(train, valid, batch_size=64, seed=0)
    assert dls.classes["user"] == [NA, *range(1, 601)]
    assert dls.classes["item"][0] == NA
    assert len(dls.classes["item"]) == len(sample.items)
    assert sum(len(stars) for _, stars in dls.train) == len(train)
    assert sum(len(stars) for _, stars in dls.valid) == len(valid)


def test_without_validation_ratings_there_is_no_validation_batch(sample: hf_cf.Ratings) -> None:
    dls = RatingsDataLoaders.from_ratings(sample, None, batch_size=64, seed=0)
    assert list(dls.valid) == []
