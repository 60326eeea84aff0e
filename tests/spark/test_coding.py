"""Ids to codes and bad ratings told, in Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale
from hf_cf.errors import DataFormatError
from hf_cf.spark.coding import Coded, check, encode, plain_table

pytestmark = pytest.mark.slow

NAMES = {name: name for name in ("user", "item", "rating", "timestamp")}


def triples(coded: Coded) -> list[tuple[int, int, float]]:
    return [
        (first + user, item, stars)
        for first, ratings in coded.ratings()
        for user, item, stars in zip(
            ratings.user_codes().tolist(), ratings.items.tolist(), ratings.stars.tolist(),
            strict=True,
        )
    ]  # fmt: skip


def frame(spark: SparkSession, **columns: Any) -> DataFrame:
    return spark.createDataFrame(pa.table(columns))


@pytest.mark.parametrize(
    "users", [["b", "a", "ä", "Z", "a"], [-5, 30, 2**40, 7, 30]], ids=["text", "longs"]
)
def test_codes_are_those_of_a_vocabulary(
    spark: SparkSession, tmp_path: Path, users: list[Any]
) -> None:
    items, stars = [3, 1, 2, 3, 2], [1.0, 2.0, 3.0, 4.0, 5.0]
    table = plain_table(frame(spark, u=users, item=items, rating=stars), "u", "item", "rating")
    coded = encode(table, check(table, NAMES, None), str(tmp_path / "staging"))
    expected = Ratings.from_frame(pd.DataFrame({"user": users, "item": items, "rating": stars}))
    assert coded.user_ids() == expected.users
    assert coded.items == expected.items
    np.testing.assert_array_equal(coded.item_counts, expected.item_counts())
    assert (coded.n_users, coded.n_items, coded.n_ratings) == (5, 4, 5)
    assert coded.scale == expected.scale
    assert triples(coded) == sorted(
        zip(expected.user_codes, expected.item_codes, expected.stars, strict=True)
    )


@pytest.mark.parametrize(
    ("changed", "scale", "message"),
    [
        ({"item": ["x", None]}, None, r"column item: the value is missing, in 1 of 2 .*user 2"),
        ({"rating": [None, 4.0]}, None, "column rating: the value is missing, in 1 of 2"),
        ({"rating": ["4", "good"]}, None, "column rating: it is not a number, in 1 of 2"),
        ({"rating": [4.0, float("inf")]}, None, "column rating: it is not a number"),
        ({"rating": [4.0, 7.0]}, RatingScale(1, 5, 1), "outside the scale of 1 to 5.*rating 7.0"),
        ({"user": [[1], [2]]}, None, "column user: ids of type array<bigint> are not taken"),
        ({"user": [1.5, 2.5]}, None, "column user: ids of type double are not taken"),
    ],
)
def test_what_is_wrong_is_named(
    spark: SparkSession, changed: dict[str, Any], scale: RatingScale | None, message: str
) -> None:
    columns = {"user": [1, 2], "item": ["x", "y"], "rating": [4.0, 3.0]} | changed
    with pytest.raises(DataFormatError, match=message):
        check(plain_table(frame(spark, **columns), "user", "item", "rating"), NAMES, scale)


def test_a_missing_column_is_named_with_those_that_are_there(spark: SparkSession) -> None:
    with pytest.raises(DataFormatError, match=r"column who: .* there are user, item. Name it"):
        plain_table(frame(spark, user=[1], item=[1]), "who", "item", None)


def test_of_repeated_ratings_the_latest_counts_and_without_a_clock_none(
    spark: SparkSession, tmp_path: Path
) -> None:
    df = frame(
        spark, user=["a", "a", "b"], item=[9, 9, 9], rating=[5.0, 1.0, 3.0], timestamp=[2, 1, 1]
    )
    timed = plain_table(df, "user", "item", "rating", "timestamp")
    coded = encode(timed, check(timed, NAMES, None), str(tmp_path / "timed"))
    assert triples(coded) == [(1, 1, 5.0), (2, 1, 3.0)]
    assert coded.n_repeated == 1
    assert coded.item_counts.tolist() == [0, 2]
    table = plain_table(df, "user", "item", "rating")
    with pytest.raises(DataFormatError, match=r"user 'a' has rated item 9 2 times.*timestamp="):
        encode(table, check(table, NAMES, None), str(tmp_path / "untimed"))


def test_strengths_of_repeated_interactions_add_up(spark: SparkSession, tmp_path: Path) -> None:
    df = frame(spark, user=["a", "a", "b"], item=[9, 9, 9], rating=[5.0, 1.0, 3.0])
    table = plain_table(df, "user", "item", "rating")
    found = check(table, NAMES, None, "implicit")
    coded = encode(table, found, str(tmp_path / "added"), feedback="implicit")
    assert triples(coded) == [(1, 1, 6.0), (2, 1, 3.0)]
    bad = plain_table(frame(spark, user=[1], item=[1], rating=[-1.0]), "user", "item", "rating")
    with pytest.raises(DataFormatError, match="below 0, in 1 of 1 ratings"):
        check(bad, NAMES, None, "implicit")
