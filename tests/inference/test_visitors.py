"""What somebody unknown hands in, in every form, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import hf_cf
from hf_cf import RatingScale, UnknownItem, Vocab
from hf_cf.data.catalogue import Catalogue
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes
from hf_cf.inference.visitors import visitors_history
from hf_cf.training import fit

SCALE = RatingScale(0.5, 5, 0.5)
N_ITEMS = 10_001


def visitor_codes(
    ratings: Any, catalogue: Catalogue, scale: RatingScale, on_unknown: Any = "raise"
) -> tuple[Codes, Stars]:
    """Codes and stars of a single visitor."""
    names, history = visitors_history(ratings, catalogue, scale, on_unknown)
    assert names is None
    return history.of(0)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    ids = np.arange(1, N_ITEMS + 1)
    titles = ["Heat (1995)", "Alien (1979)", *(f"Film {i}" for i in ids[2:])]
    table = pd.DataFrame({"id": ids, "title": titles, "n_ratings": 1})
    return Catalogue(Vocab(ids), table.set_index(pd.RangeIndex(1, N_ITEMS + 1)))


@pytest.mark.parametrize(
    "ratings",
    [
        {"Heat (1995)": 4.5, "Alien (1979)": 2},
        {1: 4.5, 2: 2},
        {"1": "4.5", "Alien (1979)": "2"},
        [("Heat (1995)", 4.5), (2, 2)],
        [["Heat (1995)", "4.5"], ["2", "2"]],
        pd.DataFrame({"item": [1, "Alien (1979)"], "rating": [4.5, 2]}),
        pd.DataFrame({"rating": np.float32([4.5, 2]), "item": [1, 2], "when": ["a", "b"]}),
    ],
    ids=["titles", "ids", "text", "pairs", "lists", "mixed table", "table"],
)
def test_ratings_are_taken_in_any_form(catalogue: Catalogue, ratings: Any) -> None:
    codes, stars = visitor_codes(ratings, catalogue, SCALE)
    assert codes.tolist() == [1, 2]
    assert stars.tolist() == [4.5, 2.0]
    assert (codes.dtype, stars.dtype) == (np.int32, np.float32)


def test_a_generator_of_pairs_is_read_once(catalogue: Catalogue) -> None:
    codes, _ = visitor_codes(((item, 3) for item in (7, 8)), catalogue, SCALE)
    assert codes.tolist() == [7, 8]


@pytest.mark.parametrize("nothing", [{}, [], pd.DataFrame({"item": [], "rating": []})])
def test_no_ratings_are_fine(catalogue: Catalogue, nothing: Any) -> None:
    codes, stars = visitor_codes(nothing, catalogue, SCALE)
    assert len(codes) == len(stars) == 0


@pytest.mark.parametrize("value", [0, 5.5, -1, float("nan"), float("inf"), "good", None, [4, 5]])
def test_what_is_no_rating_of_the_scale_is_refused_with_its_item(
    catalogue: Catalogue, value: Any
) -> None:
    with pytest.raises(ValueError, match=r"for 'Heat \(1995\)' is not a rating from 0.5 to 5"):
        visitor_codes({2: 4, "Heat (1995)": value}, catalogue, SCALE)


def test_an_item_that_is_rated_twice_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"'Heat \(1995\)' is rated more than once"):
        visitor_codes([(2, 3), ("Heat (1995)", 4), (1, 5)], catalogue, SCALE)


def test_an_unknown_item_is_named_with_what_is_near(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownItem, match=r"'aliens'.*'Alien \(1979\)'"):
        visitor_codes({"aliens": 4}, catalogue, SCALE)


@pytest.mark.parametrize(
    "ratings",
    [
        pd.DataFrame({"title": ["Heat (1995)"], "rating": [4]}),
        pd.DataFrame({"item": [1], "stars": [4]}),
        [(1, 4, "yesterday")],
        [1, 2],
        "Heat (1995)",
        5,
    ],
    ids=["no item", "no rating", "triples", "ids alone", "a title", "a number"],
)
def test_another_shape_is_refused_with_the_right_one(catalogue: Catalogue, ratings: Any) -> None:
    with pytest.raises(ValueError, match=r"item.*rating"):
        visitor_codes(ratings, catalogue, SCALE)


def test_somebody_may_have_rated_every_item(catalogue: Catalogue) -> None:
    everything = dict.fromkeys(range(1, N_ITEMS + 1), 3)
    assert len(visitor_codes(everything, catalogue, SCALE)[0]) == N_ITEMS


def test_a_visitor_with_15_000_ratings_is_answered_as_a_known_user_is() -> None:
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(15_000)[:14_900], rng.integers(0, 15_000, 50)])
    users = np.repeat([1, 2], [14_900, 50])
    table = pd.DataFrame({"user": users, "item": items, "rating": rng.integers(1, 6, len(items))})
    rec = fit(hf_cf.Ratings.from_frame(table), None, "als", epochs=2, progress=False)
    given = table[table["user"] == 1]
    found = rec.recommend(ratings=given, n=5)
    assert not set(found["item"]) & set(given["item"])
    assert found["item"].tolist() == rec.recommend(1, n=5)["item"].tolist()


def test_unknown_items_can_be_skipped(catalogue: Catalogue) -> None:
    given = {"Heat (1995)": 4, "aliens": 5, 20_000: 3, 2: 1}
    codes, stars = visitor_codes(given, catalogue, SCALE, "skip")
    assert (codes.tolist(), stars.tolist()) == ([1, 2], [4, 1])
    with pytest.raises(ValueError, match="choose from raise, skip"):
        visitor_codes(given, catalogue, SCALE, "ignore")


def test_a_table_with_users_holds_several_visitors(catalogue: Catalogue) -> None:
    table = pd.DataFrame(
        {"user": ["b", "a", "b"], "item": ["Heat (1995)", 1, 2], "rating": [4, 2, 3]}
    )
    names, history = visitors_history(table, catalogue, SCALE)
    assert names == ["b", "a"]
    assert [history.of(row)[0].tolist() for row in (0, 1)] == [[1, 2], [1]]
    assert [history.of(row)[1].tolist() for row in (0, 1)] == [[4, 3], [2]]


def test_a_visitor_all_of_whose_ratings_are_skipped_keeps_the_row(catalogue: Catalogue) -> None:
    table = pd.DataFrame({"user": [7, 8], "item": ["aliens", 2], "rating": [4, 3]})
    names, history = visitors_history(table, catalogue, SCALE, "skip")
    assert names == [7, 8]
    assert np.diff(history.starts).tolist() == [0, 1]


def test_several_visitors_may_rate_the_same_but_each_only_once(catalogue: Catalogue) -> None:
    table = pd.DataFrame({"user": [1, 2, 1], "item": [1, 1, "Heat (1995)"], "rating": 3})
    with pytest.raises(ValueError, match=r"'Heat \(1995\)' is rated more than once"):
        visitors_history(table, catalogue, SCALE)
    with pytest.raises(ValueError, match="no user"):
        visitors_history(table.assign(user=[1, None, 3]), catalogue, SCALE)
