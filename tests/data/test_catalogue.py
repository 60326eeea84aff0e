"""Items by id, by title, and by what is near a title."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hf_cf import UnknownItem, Vocab
from hf_cf.data.catalogue import Catalogue

TITLES = ["Heat (1995)", "Matrix, The (1999)", "Sabrina (1954)", "Sabrina (1954)", "Toy Story"]


def catalogue(ids: list[Any]) -> Catalogue:
    index = pd.RangeIndex(1, len(ids) + 1, name="code")
    return Catalogue(
        Vocab(ids),
        pd.DataFrame(
            {"id": ids, "title": TITLES, "year": [1995, 1999, 1954, 1954, None],
             "n_ratings": [10, 90, 3, 4, 50]},
            index=index,
        ),
    )  # fmt: skip


@pytest.fixture(params=[[10, 20, 30, 31, 40], ["a", "b", "c1", "c2", "d"]], ids=["int", "text"])
def items(request: pytest.FixtureRequest) -> Catalogue:
    return catalogue(request.param)


def test_ids_and_titles_can_be_mixed(items: Catalogue) -> None:
    ids = items.items.ids
    asked = [ids[4], "Heat (1995)", ids[2], "Matrix, The (1999)"]
    assert items.codes(asked).tolist() == [5, 1, 3, 2]
    assert items.codes([]).tolist() == []


def test_integer_ids_are_found_as_text_and_from_arrays() -> None:
    items = catalogue([10, 20, 30, 31, 40])
    assert items.codes(["20", "40"]).tolist() == [2, 5]
    assert items.codes(np.array([20, 40])).tolist() == [2, 5]
    assert items.codes(pd.Series([20.0, 40.0])).tolist() == [2, 5]


def test_an_unknown_title_is_answered_with_the_nearest(items: Catalogue) -> None:
    with pytest.raises(UnknownItem, match=r"no item 'the matrx'.*'Matrix, The \(1999\)'") as error:
        items.codes(["the matrx"])
    assert error.value.nearest[0] == "Matrix, The (1999)"
    assert isinstance(error.value, KeyError)


def test_with_nothing_near_no_title_is_named(items: Catalogue) -> None:
    with pytest.raises(UnknownItem) as error:
        items.codes(["qwzxkjhgv"])
    assert str(error.value) == "there is no item 'qwzxkjhgv'"
    assert error.value.nearest == []


@pytest.mark.parametrize("raw", [999, None, float("nan"), 10.5, True])
def test_what_is_no_id_is_unknown(raw: Any) -> None:
    with pytest.raises(UnknownItem, match="there is no item"):
        catalogue([10, 20, 30, 31, 40]).codes([raw])


def test_an_unknown_id_of_an_array_is_named_as_a_person_writes_it() -> None:
    with pytest.raises(UnknownItem, match=r"^there is no item 999$"):
        catalogue([10, 20, 30, 31, 40]).codes(np.array([10, 999]))


def test_a_title_of_several_items_is_answered_with_their_ids(items: Catalogue) -> None:
    first, second = items.items.ids[2:4]
    with pytest.raises(UnknownItem, match=rf"several items; use an id: {first}, {second}") as error:
        items.codes(["Sabrina (1954)"])
    assert error.value.nearest == ["Sabrina (1954)"]


def test_find_gives_rows_of_the_catalogue_best_first(items: Catalogue) -> None:
    found = items.find("matrix", 5)
    assert list(found.columns) == ["id", "title", "year", "n_ratings", "likeness"]
    assert found.loc[0, ["id", "title"]].tolist() == [items.items.ids[1], "Matrix, The (1999)"]
    both = items.find("sabrina", 5)
    assert both["id"].tolist()[:2] == items.items.ids[[3, 2]].tolist()  # the better known first


def test_find_of_nothing_near_has_no_rows_and_all_columns(items: Catalogue) -> None:
    found = items.find("qwzxkjhgv", 5)
    assert len(found) == 0
    assert list(found.columns) == ["id", "title", "year", "n_ratings", "likeness"]


def test_find_gives_at_most_n_and_at_least_one_must_be_asked_for(items: Catalogue) -> None:
    assert len(items.find("sabrina", 1)) == 1
    with pytest.raises(ValueError, match="n is 0; it must be at least 1"):
        items.find("sabrina", 0)


def test_describe_keeps_the_order_of_the_codes(items: Catalogue) -> None:
    described = items.describe(np.array([5, 1]))
    assert described["item"].tolist() == items.items.ids[[4, 0]].tolist()
    assert described["title"].tolist() == ["Toy Story", "Heat (1995)"]
    assert len(items.describe(np.array([], dtype=np.int64))) == 0
