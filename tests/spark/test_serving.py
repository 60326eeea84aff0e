"""Recommendations for the users of a Spark DataFrame are those of `Recommender.recommend`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from small_spark import killing_once

import hf_cf
import hf_cf.spark
from hf_cf.spark.batches import starts_of_users, whole_users

pytestmark = pytest.mark.slow


def in_order(found: DataFrame) -> pd.DataFrame:
    return found.orderBy("user", "rank").toArrow().to_pandas()


def test_known_users_get_what_they_get_on_one_machine(
    ratings_df: DataFrame, fitted: tuple[hf_cf.Recommender, str], tmp_path: Path
) -> None:
    rec, folder = fitted
    users = ratings_df.select("user").distinct().repartition(2)
    marker = tmp_path / "died"
    found = in_order(
        hf_cf.spark.recommend(users.mapInArrow(killing_once(marker), users.schema), folder, 5)
    )
    assert marker.exists()
    expected = rec.recommend(rec.users.ids, n=5)
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * 600
    for column in ("user", "item", "title"):
        assert found[column].tolist() == expected[column].tolist()
    np.testing.assert_allclose(found[["stars", "score"]], expected[["stars", "score"]], atol=1e-4)


def test_a_table_of_few_bytes_is_answered_by_all_cores(
    spark: SparkSession, ratings_df: DataFrame, fitted: tuple[hf_cf.Recommender, str]
) -> None:
    spark.conf.set("spark.sql.adaptive.enabled", "true")  # Spark's default, which joins small parts
    try:
        found = hf_cf.spark.recommend(ratings_df.select("user").distinct(), fitted[1], 1)
        parts = found.groupBy(F.spark_partition_id()).agg(F.count_distinct("user")).collect()
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    answered = [part[1] for part in parts]
    assert sum(answered) == 600
    assert len(answered) == 8
    assert max(answered) < 200


def test_visitors_and_known_users_stand_in_one_table(
    spark: SparkSession, ratings_df: DataFrame, fitted: tuple[hf_cf.Recommender, str]
) -> None:
    rec, folder = fitted
    given = {"u": [9001, 9001, 9002, 7], "i": [3, 12, 7, None], "r": [5.0, 4.5, 1.0, None]}
    table = spark.createDataFrame(pa.table(given))
    found = in_order(
        hf_cf.spark.recommend(
            table, folder, 4, user="u", item="i", rating="r", order_by="stars", min_ratings=20
        )
    )
    choices = {"n": 4, "order_by": "stars", "min_ratings": 20}
    for user, ratings in ((9001, {3: 5.0, 12: 4.5}), (9002, {7: 1.0})):
        expected = rec.recommend(ratings=ratings, **choices)
        assert found[found["user"] == user]["item"].tolist() == expected["item"].tolist()
    known = rec.recommend(7, **choices)
    assert found[found["user"] == 7]["item"].tolist() == known["item"].tolist()


def test_a_user_that_the_model_does_not_know_is_named(
    spark: SparkSession, fitted: tuple[hf_cf.Recommender, str]
) -> None:
    table = spark.createDataFrame(pa.table({"user": [777777]}))
    with pytest.raises(PythonException, match="there is no user 777777"):
        hf_cf.spark.recommend(table, fitted[1]).toArrow()


def test_nobody_is_torn_apart() -> None:
    users = np.repeat(np.arange(20), np.random.default_rng(0).integers(1, 9, 20))
    whole = pa.table({"user": users, "at": np.arange(len(users))})
    tables = list(whole_users(whole.to_batches(max_chunksize=7), rows=10))
    assert pa.concat_tables(tables).equals(whole)
    assert len(tables) > 5
    seen = [set(table["user"].to_pylist()) for table in tables]
    assert sum(map(len, seen)) == 20
    assert np.diff(starts_of_users(whole)).tolist() == np.bincount(users).tolist()
