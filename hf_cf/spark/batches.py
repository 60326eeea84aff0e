"""Arrow batches on an executor, cut so that nobody's ratings are torn apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

Batches = Iterable[pa.RecordBatch]
_ROWS = 100_000


def map_batches(
    df: DataFrame, function: Callable[[Batches], Iterator[pa.RecordBatch]], schema: str
) -> DataFrame:
    """``df.mapInArrow``, without Spark's warning of pandas 3, which takes no part in it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        return df.mapInArrow(function, schema)


def whole_users(batches: Batches, rows: int = _ROWS) -> Iterator[pa.Table]:
    """Tables of at least so many rows each, until the last, that end where a user ends.

    Parameters
    ----------
    batches : iterable of RecordBatch
        With a column ``user``; a user's rows stand together.
    rows : int
        How many to wait for.
    """
    held: list[pa.RecordBatch] = []
    waiting = 0
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
            waiting += batch.num_rows
        if waiting >= rows:
            table = pa.Table.from_batches(held)
            end = int(starts_of_users(table)[-2])
            if end:
                yield table.slice(0, end)
            rest = table.slice(end).to_batches()
            held, waiting = rest, table.num_rows - end
    if held:
        yield pa.Table.from_batches(held)


def starts_of_users(table: pa.Table) -> npt.NDArray[np.int64]:
    """Where each user's rows begin, and the number of rows: shape (n_users + 1,)."""
    users = table["user"].combine_chunks()
    changes = pc.not_equal(users.slice(1), users.slice(0, max(len(users) - 1, 0)))
    inner = np.flatnonzero(changes.to_numpy(zero_copy_only=False)) + 1
    return np.concatenate([[0], inner, [len(users)]]).astype(np.int64)
