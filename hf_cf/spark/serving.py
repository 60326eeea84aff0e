"""The best items for every user of a Spark DataFrame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from hf_cf.errors import demand_at_least_1
from hf_cf.recommender import Recommender
from hf_cf.spark.batches import Batches, map_batches, whole_users
from hf_cf.spark.coding import plain_table
from hf_cf.spark.executors import cores_with_hf_cf
from hf_cf.storage.hub import local_folder
from hf_cf.storage.model_folder import CONFIG

_KNOWN_AT_ONCE = 1_000
_TASKS_A_CORE = 4


def recommend(
    df: DataFrame,
    model: str | Path,
    n: int = 10,
    *,
    user: str = "user",
    item: str = "item",
    rating: str = "rating",
    revision: str | None = None,
    **choices: Any,
) -> DataFrame:
    """Recommend items to every user of a table, each executor loading the model once.

    Parameters
    ----------
    df : DataFrame
        Of Spark. With the column `user` alone, one row each: known users. With `item` and
        `rating` paired with it: visitors, of whom no more is known than these ratings. A user in a
        row without an item is a known one.
    model : str or Path
        A model folder that every executor sees, or a repository of the Hugging Face Hub.
    n : int
        Items a user; fewer where fewer are left.
    user, item, rating : str
        Names of the columns.
    revision : str, optional
        Branch, tag or commit of the repository.
    **choices
        How to choose, as `Recommender.recommend` takes it: ``order_by``, ``genres``, ``years``,
        ``exclude``, ``min_ratings``, ``novelty``, ``diversity``, ``include_rated``,
        ``on_unknown``.

    Returns
    -------
    DataFrame
        ``user``, ``rank`` (from 1), ``item``, ``title``, ``stars`` (null where the model predicts
        none), ``score``. It is computed when something is done with it, and the errors of
        `Recommender.recommend` come then.

    Raises
    ------
    DataFormatError
        A column is missing.
    ImportError
        An executor lacks hf_cf, or has another version.
    """
    demand_at_least_1(n)
    unrated = item not in df.columns and rating not in df.columns
    if unrated:
        table = plain_table(df, user, user, None).withColumn("item", F.lit(None).cast("string"))
        table = table.withColumn("rating", F.lit(None).cast("double"))
    else:
        table = plain_table(df, user, item, rating)
    # The number is given because Spark would put a table of few bytes into one partition.
    n_parts = _TASKS_A_CORE * cores_with_hf_cf(df.sparkSession)
    table = table.repartition(n_parts, "user").sortWithinPartitions("user")
    kind = table.schema["user"].dataType.simpleString()
    folder = local_folder(model, revision=revision)
    # Executors have working directories of their own; a repository they download themselves.
    place = str(folder.resolve()) if Path(model).expanduser().is_dir() else str(model)
    whole = pa.types.is_integer(pq.read_schema(folder / "items.parquet").field("id").type)
    schema = (
        f"user {kind}, rank int, item {'bigint' if whole else 'string'}, title string, "
        "stars float, score float"
    )
    # Workers live on, and the folder may hold another model the next time.
    stamp = hashlib.sha256((folder / CONFIG).read_bytes()).hexdigest()
    return map_batches(table, _answering(place, revision, stamp, n, choices), schema)


@lru_cache(maxsize=2)
def _loaded(model: str, revision: str | None, stamp: str) -> Recommender:
    torch.set_num_threads(1)  # each core has its own process
    return Recommender.from_pretrained(model, revision=revision)


def _answering(
    model: str, revision: str | None, stamp: str, n: int, choices: dict[str, Any]
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def answer(batches: Batches) -> Iterator[pa.RecordBatch]:
        rec = _loaded(model, revision, stamp)
        for table in whole_users(batches):
            for found in _answers(rec, table, n, choices):
                yield from _rows(found, table.schema.field("user").type)

    return answer


def _answers(
    rec: Recommender, table: pa.Table, n: int, choices: dict[str, Any]
) -> Iterator[pd.DataFrame]:
    named = pc.is_null(table["item"])
    known = pc.unique(table.filter(named)["user"]).to_pylist()
    for start in range(0, len(known), _KNOWN_AT_ONCE):
        yield rec.recommend(known[start : start + _KNOWN_AT_ONCE], n=n, **choices)
    visitors = table.filter(pc.invert(named))
    if visitors.num_rows:
        yield rec.recommend(ratings=visitors.to_pandas(), n=n, **choices)


def _rows(found: pd.DataFrame, user_type: pa.DataType) -> Iterator[pa.RecordBatch]:
    first = np.flatnonzero(np.append(True, found["user"].to_numpy()[1:] != found["user"][:-1]))
    lengths = np.diff(np.append(first, len(found)))
    rank = np.arange(len(found)) - np.repeat(first, lengths) + 1
    no_stars = pa.nulls(len(found), pa.float32())
    columns = {
        "user": pa.array(found["user"], user_type),
        "rank": pa.array(rank, pa.int32()),
        "item": pa.array(found["item"]),
        "title": pa.array(found["title"], pa.string()),
        "stars": pa.array(found["stars"], pa.float32()) if "stars" in found else no_stars,
        "score": pa.array(found["score"], pa.float32()),
    }
    yield from pa.table(columns).to_batches()
