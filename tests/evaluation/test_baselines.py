"""Baselines against hand calculations and a dense least-squares solution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale
from hf_cf.evaluation.baselines import damped_biases, item_mean, popularity, same_order_for_all

SCALE = RatingScale(1, 5, 1)


@pytest.fixture
def three_films() -> Ratings:
    """Film 1 is rated 4 and 2, film 2 is rated 5, film 3 only in rows that are then cut off."""
    ratings = Ratings.from_frame(
        pd.DataFrame({"user": [7, 8, 7, 8], "item": [1, 1, 2, 3], "rating": [4, 2, 5, 1]}),
        scale=SCALE,
    )
    return ratings.take(np.arange(3))


def test_the_item_mean_is_the_mean_of_its_training_ratings(three_films: Ratings) -> None:
    users, items = np.array([1, 2, 1], np.int32), np.array([1, 2, 2], np.int32)
    assert_allclose(item_mean(three_films).predict(users, items), [3, 5, 5])


def test_an_item_without_ratings_and_one_unknown_get_the_mean_of_all(three_films: Ratings) -> None:
    predicted = item_mean(three_films).predict(np.array([1, 0]), np.array([3, 0]))
    assert_allclose(predicted, 11 / 3, rtol=1e-6)


def test_one_sweep_of_damped_biases_by_hand(three_films: Ratings) -> None:
    biases = damped_biases(three_films, user_damping=1, item_damping=1, sweeps=1)
    # The mean is 11/3. Film 1: (1/3 - 5/3) / (2 + 1) = -4/9; film 2: (4/3) / (1 + 1) = 2/3.
    assert_allclose(biases.items, [0, -4 / 9, 2 / 3, 0], atol=1e-12)
    # User 7: (1/3 + 4/9 + 4/3 - 2/3) / 3 = 13/27; user 8: (-5/3 + 4/9) / 2 = -11/18.
    assert_allclose(biases.users, [0, 13 / 27, -11 / 18], atol=1e-12)


def test_damped_biases_are_the_ridge_solution() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.permutation(30 * 20)[:250]
    ratings = Ratings.from_frame(
        pd.DataFrame({"user": pairs // 20, "item": pairs % 20, "rating": rng.integers(1, 6, 250)})
    )
    users, items = len(ratings.users), len(ratings.items)
    design = np.zeros((250, users + items))
    design[np.arange(250), ratings.user_codes] = 1
    design[np.arange(250), users + ratings.item_codes] = 1
    damping = np.diag(np.r_[np.full(users, 5.0), np.full(items, 2.0)])
    expected = np.linalg.solve(
        design.T @ design + damping, design.T @ (ratings.stars - ratings.stars.mean())
    )
    found = damped_biases(ratings, user_damping=5, item_damping=2)
    assert_allclose(np.r_[found.users, found.items], expected, atol=1e-4)


def test_predictions_stay_within_the_scale(three_films: Ratings) -> None:
    biases = damped_biases(three_films, user_damping=0, item_damping=0)
    assert biases.predict(np.array([1]), np.array([2])) == [5]


def test_ratings_of_unknown_users_and_items_are_left_out(three_films: Ratings) -> None:
    unknown = Ratings(
        user_codes=np.r_[three_films.user_codes, 0, 1].astype(np.int32),
        item_codes=np.r_[three_films.item_codes, 1, 0].astype(np.int32),
        stars=np.r_[three_films.stars, 5, 5].astype(np.float32),
        users=three_films.users,
        items=three_films.items,
        catalogue=three_films.catalogue,
        scale=SCALE,
    )
    for baseline in (item_mean, damped_biases):
        with_unknown, without = baseline(unknown), baseline(three_films)
        assert_allclose(with_unknown.items, without.items)
        assert_allclose(with_unknown.users, without.users)
    assert popularity(unknown).tolist() == [0, 2, 1, 0]


def test_popularity_counts_ratings_of_so_many_stars(three_films: Ratings) -> None:
    assert popularity(three_films).tolist() == [0, 2, 1, 0]
    assert popularity(three_films, at_least=4).tolist() == [0, 1, 1, 0]


def test_no_ratings_are_an_error(three_films: Ratings) -> None:
    with pytest.raises(ValueError, match="no training ratings"):
        item_mean(three_films.take(np.zeros(3, bool)))


@given(st.data())
def test_one_order_for_all_leaves_out_what_each_has_rated(data: st.DataObject) -> None:
    n_items, n_users = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 5))
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n_items, max_size=n_items)))
    seen = np.array(
        data.draw(st.lists(st.booleans(), min_size=n_users * n_items, max_size=n_users * n_items))
    ).reshape(n_users, n_items)
    seen[:, 0] = False
    users, items = np.nonzero(seen)
    rated = History.from_codes(
        users.astype(np.int32), items.astype(np.int32), np.ones(len(users), np.float32), n_users
    )
    n = data.draw(st.integers(1, 2 * n_items))
    top = same_order_for_all(scores, rated, n)
    for user in range(n_users):
        unseen = [item for item in range(1, n_items) if not seen[user, item]]
        best = sorted(unseen, key=lambda item: (-scores[item], item))[:n]
        assert top[user].tolist() == best + [0] * (n - len(best))


def test_rows_of_a_history_are_taken_in_the_order_asked_for() -> None:
    users = np.array([1, 1, 3, 2], np.int32)
    history = History.from_codes(users, np.array([9, 4, 7, 5], np.int32), np.ones(4), 5)
    taken = history.take(np.array([3, 4, 1]))
    assert taken.starts.tolist() == [0, 1, 1, 3]
    assert taken.of(0)[0].tolist() == [7]
    assert sorted(taken.of(2)[0].tolist()) == [4, 9]
