"""Metrics against ranx and by hand; the evaluation of a trained model; the command."""

from __future__ import annotations

import numpy as np

import hf_cf
from hf_cf.history import History


def test_lists_in_codes_are_those_that_recommend_shows(trained: hf_cf.Recommender) -> None:
    users = np.array([5, 1, 30], np.int32)
    shown = trained.recommend(user=trained.users.decode(users), n=7)
    codes = trained.items.encode(shown["item"]).reshape(3, 7)
    assert np.array_equal(trained.top_codes(users, 7), codes)


def test_lists_leave_out_another_history_and_end_with_the_catalogue(
    trained: hf_cf.Recommender,
) -> None:
    users, n_items = len(trained.users), len(trained.items)
    kept = np.arange(1, n_items, dtype=np.int32)[::10]
    hidden = np.setdiff1d(np.arange(1, n_items, dtype=np.int32), kept)
    seen = History.from_codes(np.full_like(hidden, 3), hidden, hidden.astype(np.float32), users)
    top = trained.top_codes(np.array([3, 4], np.int32), n_items, hidden=seen)
    assert set(top[0]) == {0, *kept.tolist()}
    assert not top[0, len(kept) :].any()
    assert sorted(top[1])[1:] == list(range(1, n_items))


def test_stars_in_codes_are_those_that_predict_gives(trained: hf_cf.Recommender) -> None:
    users, items = np.array([5, 1, 30], np.int32), np.array([2, 9, 2], np.int32)
    expected = trained.predict(trained.users.decode(users), trained.items.decode(items))
    assert np.array_equal(trained.predict_codes(users, items), expected)
