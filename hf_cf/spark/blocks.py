"""Blocks: the ratings of some whole users in one row, as bytes that numpy reads without a copy.

Blocks stand in the order of users. So a user's code is that of the block's first user and the
place in the block, and nothing has to be joined to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from hf_cf.data.history import History
from hf_cf.spark.batches import Batches, starts_of_users, whole_users

_ROWS = 250_000  # of a block, at least, where the partition has as many
_PARTITION_BITS = 32  # of a block's number, above the place in the partition
_HELD_OUT = 0.2  # of the ratings of users drawn for calibration
_AT_ONCE = 2**26  # bytes that the driver's JVM holds for a moment
RATINGS = ("lengths", "items", "stars")
"""Columns of bytes: ratings of each user (int32), item codes (int32), ratings (float32)."""


def schema_of(kind: str) -> str:
    """Columns of a table of blocks, for users whose ids are of a kind, ``bigint`` or ``string``."""
    return (
        "block bigint, n_users int, n_ratings bigint, n_repeated bigint, "
        f"repeated_user {kind}, repeated_item int, times int, ids array<{kind}>, "
        "lengths binary, items binary, stars binary"
    )


def packing(*, adding: bool) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Make blocks of a partition's ratings ``user``, ``item``, ``rating``, sorted in this order.

    Of a pair that stands more than once the last rating stays, or where `adding`, the sum.
    """

    def pack(batches: Batches) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None
        first = context.partitionId() << _PARTITION_BITS
        for at, table in enumerate(whole_users(batches, _ROWS)):
            yield _packed(first + at, table, adding=adding)

    return pack


def _packed(number: int, table: pa.Table, *, adding: bool) -> pa.RecordBatch:
    starts = starts_of_users(table)
    owners = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
    items, stars = table["item"].to_numpy(), table["rating"].to_numpy()
    again = (owners[1:] == owners[:-1]) & (items[1:] == items[:-1])
    user = item = None
    times = 1
    if again.any():
        at = int(again.argmax())
        user, item = table["user"][at].as_py(), int(items[at])
        times = int(((owners == owners[at]) & (items == items[at])).sum())
        if adding:
            stars = np.add.reduceat(stars, np.flatnonzero(np.append(True, ~again)))
        last = np.append(~again, True)
        owners, items = owners[last], items[last]
        stars = stars if adding else stars[last]
    n_users = len(starts) - 1
    ids = table["user"].combine_chunks().take(pa.array(starts[:-1]))
    lengths = np.bincount(owners, minlength=n_users)
    return pa.record_batch(
        {
            "block": pa.array([number], pa.int64()),
            "n_users": pa.array([n_users], pa.int32()),
            "n_ratings": pa.array([len(items)], pa.int64()),
            "n_repeated": pa.array([int(again.sum())], pa.int64()),
            "repeated_user": pa.array([user], ids.type),
            "repeated_item": pa.array([item], pa.int32()),
            "times": pa.array([times], pa.int32()),
            "ids": pa.ListArray.from_arrays([0, n_users], ids),
            "lengths": as_bytes(lengths.astype(np.int32)),
            "items": as_bytes(items.astype(np.int32, copy=False)),
            "stars": as_bytes(stars.astype(np.float32, copy=False)),
        }
    )


def as_bytes(*arrays: npt.NDArray[Any]) -> pa.Array:
    """A column of bytes, one row an array."""
    return pa.array([array.tobytes() for array in arrays], pa.binary())


def from_bytes(value: pa.Scalar, kind: Any) -> npt.NDArray[Any]:
    """The numbers of one row of a column of bytes; read-only."""
    return np.frombuffer(value.as_buffer(), kind)


def ratings_of(tables: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[tuple[int, History]]:
    """Each block's number and its ratings, one row a user of the block."""
    for table in tables:
        columns = (table[name] for name in ("block", *RATINGS))
        for number, lengths, items, stars in zip(*columns, strict=True):
            counts = from_bytes(lengths, np.int32)
            # Copies, because Arrow's memory is read-only, which PyTorch warns of.
            rated, given = from_bytes(items, np.int32).copy(), from_bytes(stars, np.float32).copy()
            yield number.as_py(), History.from_lengths(counts, rated, given)


@dataclass(frozen=True)
class HeldOut:
    """Which ratings are kept from training: a fifth of those of users drawn for calibration.

    Attributes
    ----------
    seed : int
        Of the draw, which every executor makes alike.
    share : float
        Share of users drawn.
    """

    seed: int
    share: float

    def numbers_of(self, users: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """A number from 0 to 1 of each user code; the lowest are drawn."""
        return _uniform(users, self.seed)

    def among(self, users: npt.NDArray[Any], items: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which ratings are held out: codes of users and items, (n,), to (n,)."""
        drawn = self.numbers_of(users) < self.share
        held = np.zeros(len(users), bool)
        pairs = (users[drawn].astype(np.int64) << 32) + items[drawn]
        held[drawn] = _uniform(pairs, self.seed + 1) < _HELD_OUT
        return held

    def without(self, first: int, ratings: History) -> History:
        """The ratings that are trained on, by as many users, whose codes begin with `first`."""
        return ratings.where(~self.among(ratings.user_codes() + np.int32(first), ratings.items))


def _uniform(numbers: npt.NDArray[Any], seed: int) -> npt.NDArray[np.float64]:
    """Hashes from 0 to 1: the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))) / 2.0**64


def in_order(df: DataFrame, sizes: Mapping[int, int], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Bring columns of blocks to the driver, some blocks at a time, in the order of blocks.

    Spark hands a result over through the memory of its JVM, which a whole table need not fit.

    Parameters
    ----------
    df : DataFrame
        With a column ``block``.
    sizes : mapping of int to int
        About how many bytes each block takes, in the order of blocks.
    columns : sequence of str
        What to bring.
    """
    chosen = df.select("block", *columns)
    numbers = list(sizes)
    piece = np.cumsum(list(sizes.values())) // _AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(numbers)]
    for low, high in pairwise(cuts):
        part = chosen
        if len(cuts) > 2:
            part = chosen.where(F.col("block").between(numbers[low], numbers[high - 1]))
        yield part.toArrow().sort_by("block")
