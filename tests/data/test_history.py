"""A user's ratings side by side, against a plain dictionary."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import hf_cf
from hf_cf.data.history import History

N_USERS = 6
pairs = st.dictionaries(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, 9)), st.sampled_from([1.0, 3.5, 5.0])
)


def build(given_ratings: dict[tuple[int, int], float]) -> History:
    users, items = (
        (np.array(c, np.int32) for c in zip(*given_ratings, strict=True))
        if (given_ratings)
        else (np.zeros(0, np.int32), np.zeros(0, np.int32))
    )
    return History.from_codes(users, items, np.float32([*given_ratings.values()]), N_USERS)


def of_user(ratings: dict[tuple[int, int], float], user: int) -> list[tuple[int, float]]:
    return sorted((item, stars) for (owner, item), stars in ratings.items() if owner == user)


def rows(history: History, user: int) -> list[tuple[int, float]]:
    items, stars = history.of(user)
    return sorted(zip(items.tolist(), stars.tolist(), strict=True))


@given(pairs)
def test_each_user_has_their_own_ratings(
    ratings: dict[tuple[int, int], float],
) -> None:
    history = build(ratings)
    assert len(history) == len(ratings)
    for user in range(N_USERS):
        assert rows(history, user) == of_user(ratings, user)


@given(pairs)
def test_it_comes_back_from_its_columns(ratings: dict[tuple[int, int], float]) -> None:
    history = build(ratings)
    again = History.from_codes(history.user_codes(), history.items, history.stars, N_USERS)
    for name in ("starts", "items", "stars"):
        assert np.array_equal(getattr(again, name), getattr(history, name))


@given(pairs, st.lists(st.integers(0, N_USERS - 1), max_size=8))
def test_some_users_can_be_taken_in_any_order(
    ratings: dict[tuple[int, int], float], chosen: list[int]
) -> None:
    taken = build(ratings).take(np.array(chosen, np.int64))
    assert len(taken.starts) == len(chosen) + 1
    for row, user in enumerate(chosen):
        assert rows(taken, row) == of_user(ratings, user)


def test_ratings_of_unknown_users_and_items_are_left_out() -> None:
    ratings = hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": [1, 1, 2, 3], "item": [7, 8, 7, 9], "rating": [5, 4, 3, 2]})
    )
    known = ratings.recode(hf_cf.Vocab([1, 2]), hf_cf.Vocab([7, 9]))
    history = History.from_ratings(known)
    assert rows(history, 0) == []
    assert rows(history, 1) == [(1, 5.0)]
    assert rows(history, 2) == [(1, 3.0)]


@given(pairs, pairs)
def test_without_leaves_the_pairs_that_only_the_first_has(
    ratings: dict[tuple[int, int], float], others: dict[tuple[int, int], float]
) -> None:
    left = build(ratings).without(build(others))
    expected = {pair: stars for pair, stars in ratings.items() if pair not in others}
    assert len(left) == len(expected)
    for user in range(N_USERS):
        assert rows(left, user) == of_user(expected, user)


def test_chosen_ratings_stay_in_their_rows_and_places_count_from_0_in_each() -> None:
    history = History.from_lengths(
        np.array([0, 2, 0, 3]), np.array([4, 5, 1, 2, 3], np.int32), np.ones(5, np.float32)
    )
    assert history.n_rows == 4
    assert history.places().tolist() == [0, 1, 0, 1, 2]
    second = history.where(history.places() == 1)
    assert second.starts.tolist() == [0, 0, 1, 1, 2]
    assert second.items.tolist() == [5, 2]
