"""Factors, vectors and histories between Spark and the driver, through Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from pyspark.sql import DataFrame

from hf_cf.data.history import History
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.updates import with_user_vectors
from hf_cf.inference.users import UserVectors, Visitors
from hf_cf.spark.batches import Batches, map_batches, starts_of_users, whole_users
from hf_cf.spark.coding import collect

Table = npt.NDArray[np.float32]


def factors_of(
    df: DataFrame, key: str, n_codes: int, size: int, extra: str | None = None
) -> tuple[npt.NDArray[np.int32], Table, Table]:
    """Bring factors to the driver, in the order of codes.

    Parameters
    ----------
    df : DataFrame
        `key`, ``features`` (array of float) and the column `extra`.
    n_codes : int
        All codes of the key, ``#na#`` included; 1 brings the table in one piece.
    size : int
        Length of the features.

    Returns
    -------
    codes : int32 array, shape (n,)
    factors : float32 array, shape (n, size)
    others : float32 array, shape (n,)
        The column `extra`; zeros where none is named.
    """
    table = collect(df, key, n_codes)
    codes = table[key].to_numpy()
    order = np.argsort(codes)
    factors = _matrix(table["features"], size)[order]
    others = np.zeros(len(codes)) if extra is None else table[extra].to_numpy()[order]
    return codes[order].astype(np.int32), factors, others.astype(np.float32)


def _matrix(column: pa.ChunkedArray, size: int) -> Table:
    values = pc.list_flatten(column).to_numpy().astype(np.float32, copy=False)
    # A copy, because Arrow's memory is read-only, which PyTorch warns of.
    matrix: Table = values.reshape(-1, size).copy()
    return matrix


def fold_users(scorer: Scorer, ratings: DataFrame, n_users: int, path: str) -> Scorer:
    """Give the heads their known users, who are folded in on the executors.

    Parameters
    ----------
    scorer : Scorer
        Without users.
    ratings : DataFrame
        ``user``, ``item`` (codes), ``rating``.
    n_users : int
        Codes of users, ``#na#`` included.
    path : str
        Where the executors write the vectors to.
    """
    spark = ratings.sparkSession
    shared = spark.sparkContext.broadcast(scorer)
    schema = "user int, rating array<float>, ranking array<float>"
    by_user = ratings.repartition("user").sortWithinPartitions("user")
    map_batches(by_user, _folding(shared), schema).write.parquet(path)
    shared.destroy()
    ranking = scorer.ranking
    size = scorer.rating.model.vector_size
    found = collect(spark.read.parquet(path), "user", n_users)
    vectors = UserVectors(
        torch.from_numpy(_matrix(found["rating"], size)),
        None
        if ranking is None
        else torch.from_numpy(_matrix(found["ranking"], ranking.model.vector_size)),
    )
    return with_user_vectors(scorer, n_users, found["user"].to_numpy().copy(), vectors)


def _folding(shared: Any) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def fold(batches: Batches) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # each core has its own process
        for table in whole_users(batches):
            starts = starts_of_users(table)
            given = History(starts, table["item"].to_numpy(), table["rating"].to_numpy().copy())
            vectors = shared.value.vectors(Visitors(given))
            yield pa.record_batch(
                {
                    "user": table["user"].to_numpy()[starts[:-1]],
                    "rating": _lists(vectors.rating),
                    "ranking": _lists(vectors.ranking, len(starts) - 1),
                }
            )

    return fold


def _lists(vectors: torch.Tensor | None, rows: int = 0) -> pa.Array:
    if vectors is None:
        return pa.nulls(rows, pa.list_(pa.float32()))
    rows, size = vectors.shape
    ends = np.arange(0, (rows + 1) * size, size, dtype=np.int32)[: rows + 1]
    return pa.ListArray.from_arrays(ends, vectors.contiguous().numpy().ravel())


def history_of(ratings: DataFrame, n_users: int) -> History:
    """Bring who rated what to the driver: 12 bytes a rating, and twice as much for a moment."""
    table = collect(ratings, "user", n_users)
    users, items, stars = (table[name].to_numpy() for name in ("user", "item", "rating"))
    return History.from_codes(users, items, stars, n_users)
