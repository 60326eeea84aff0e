"""Ratings of any columns and ids to int32 codes, in Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from hf_cf.data.guesses import Feedback
from hf_cf.data.history import History
from hf_cf.data.scale import LIKES, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.errors import DataFormatError
from hf_cf.spark.batches import Batches, map_batches
from hf_cf.spark.blocks import (
    RATINGS,
    as_bytes,
    from_bytes,
    in_order,
    packing,
    ratings_of,
    schema_of,
)

_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_AS_TEXT = (T.StringType, T.BooleanType, T.DateType, T.TimestampType)
_LEVELS = 1_000
_RATINGS_A_PARTITION = 4_000_000
_ID_BYTES = 32  # of a user, about; 8 where it is an integer


@dataclass(frozen=True)
class Checked:
    """What one look at all ratings tells.

    Attributes
    ----------
    n : int
        Rows.
    scale : RatingScale
        The values of the ratings.
    items : Vocab
        The items that were rated.
    counts : int64 array, shape (n_items,)
        Rows of each item, by code.
    """

    n: int
    scale: RatingScale
    items: Vocab
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """Ratings by code, each pair of user and item once.

    Attributes
    ----------
    blocks : DataFrame
        See `hf_cf.spark.blocks`; written once to Parquet.
    first : dict of int to int
        Code of the first user of each block, in the order of blocks.
    sizes : dict of int to int
        Ratings of each block, likewise.
    items : Vocab
        The items; codes follow the order of ids.
    item_counts : int64 array, shape (n_items,)
        Ratings of each item, by code.
    n_users : int
        Users, ``#na#`` included.
    n_repeated : int
        Ratings dropped, because a later one of the same user and item was kept.
    scale : RatingScale
        The values of the ratings.
    feedback : {"explicit", "implicit"}
        Whether ratings are stars, or strengths of interactions.
    """

    blocks: DataFrame
    first: dict[int, int]
    sizes: dict[int, int]
    items: Vocab
    item_counts: npt.NDArray[np.int64]
    n_users: int
    n_repeated: int
    scale: RatingScale
    feedback: Feedback

    @property
    def n_items(self) -> int:
        """Items, ``#na#`` included."""
        return len(self.items)

    @property
    def n_ratings(self) -> int:
        """All ratings."""
        return sum(self.sizes.values())

    def ratings(self) -> Iterator[tuple[int, History]]:
        """Bring the ratings to the driver: the code of each block's first user, and its rows."""
        sizes = {number: 8 * size for number, size in self.sizes.items()}
        for number, ratings in ratings_of(in_order(self.blocks, sizes, RATINGS)):
            yield self.first[number], ratings

    def bytes_of_users(self, each: int) -> dict[int, int]:
        """Bytes of each block, in order, where a user takes `each`."""
        users = np.diff([*self.first.values(), self.n_users])
        return dict(zip(self.first, (each * users).tolist(), strict=True))

    def user_ids(self) -> Vocab:
        """Bring the users' ids to the driver."""
        tables = in_order(self.blocks, self.bytes_of_users(_ID_BYTES), ["ids"])
        ids = pa.concat_arrays([pc.list_flatten(t["ids"].combine_chunks()) for t in tables])
        return Vocab(ids.to_numpy() if pa.types.is_integer(ids.type) else ids.to_pandas())


def plain_table(
    df: DataFrame, user: str, item: str, rating: str | None, timestamp: str | None = None
) -> DataFrame:
    """Rename columns to ``user``, ``item``, ``rating`` [, ``timestamp``]; ids are bigint or string.

    Raises
    ------
    DataFormatError
        A column is missing, or ids are of a type that cannot name anything.
    """
    wanted = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    columns = []
    for role, name in wanted.items():
        if name is None:
            continue
        if name not in df.columns:
            raise DataFormatError(
                f"the column is missing; there are {', '.join(df.columns)}. Name it with {role}=",
                column=name,
            )
        column, kind = F.col(f"`{name}`"), df.schema[name].dataType
        if role in ("user", "item"):
            column = column.cast(_id_type(kind, name))
        elif role == "rating":
            # A value that is no number becomes NaN, a missing one stays null: two different errors.
            number = F.coalesce(column.try_cast("double"), F.lit(float("nan")))
            column = F.when(column.isNotNull(), number)
        columns.append(column.alias(role))
    return df.select(*columns)


def _id_type(kind: T.DataType, name: str) -> str:
    if isinstance(kind, _INTEGERS) or (
        isinstance(kind, T.DecimalType) and kind.scale == 0 and kind.precision <= 18
    ):
        return "bigint"
    if isinstance(kind, _AS_TEXT):
        return "string"
    raise DataFormatError(
        f"ids of type {kind.simpleString()} are not taken; cast the column to bigint or string",
        column=name,
    )


def check(
    table: DataFrame,
    names: dict[str, str],
    scale: RatingScale | None,
    feedback: Feedback = "explicit",
) -> Checked:
    """Count ratings and items and find the scale, or say what is wrong with the first bad one.

    Parameters
    ----------
    table : DataFrame
        From `plain_table`.
    names : dict of str to str
        What the columns were called, for messages.
    scale : RatingScale, optional
        What the ratings must keep to; inferred where not given.
    feedback : {"explicit", "implicit"}
        Whether ratings are stars, or strengths of interactions.

    Raises
    ------
    DataFormatError
        There are no ratings, something is missing, or a rating is no number or out of scale.
    """
    stars = F.col("rating")
    problems: dict[tuple[str, str], Column] = {
        (role, "the value is missing"): F.col(role).isNull() for role in table.columns
    }
    unfit = F.isnan(stars) | stars.isin(float("inf"), float("-inf"))
    problems["rating", "it is not a number"] = unfit
    if feedback == "implicit":
        problems["rating", "the strength of an interaction is below 0"] = (stars < 0) & ~unfit
    elif scale is not None:
        out = (stars < scale.min) | (stars > scale.max)
        text = f"it is outside the scale of {scale.min:g} to {scale.max:g}"
        problems["rating", text] = out & ~unfit
    wrong = [F.count_if(each).alias(str(at)) for at, each in enumerate(problems.values())]
    by_item = table.groupBy("item").agg(F.count(F.lit(1)).alias("n"), *wrong).toArrow()
    n = pc.sum(by_item["n"]).as_py()
    if not n:
        raise DataFormatError("there are no ratings")
    for at, ((role, text), condition) in enumerate(problems.items()):
        if found := pc.sum(by_item[str(at)]).as_py():
            row = table.where(condition).first()
            raise DataFormatError(
                f"{text}, in {found:,} of {n:,} ratings, such as {_shown(row)}", column=names[role]
            )
    items, codes = Vocab.build(_as_array(by_item["item"]))
    counts = np.zeros(len(items), np.int64)
    counts[codes] = by_item["n"].to_numpy()
    if feedback == "implicit":
        scale = LIKES
    return Checked(n, scale or _inferred(table), items, counts)


def _shown(row: Any) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in row.asDict().items())


def _inferred(table: DataFrame) -> RatingScale:
    stars = F.col("rating")
    levels = table.select("rating").distinct().limit(_LEVELS + 1).toArrow()["rating"].to_numpy()
    if len(levels) > _LEVELS:
        ends = table.agg(F.min(stars), F.max(stars)).first()
        assert ends is not None
        levels = np.linspace(ends[0], ends[1], 2 * _LEVELS)
    return RatingScale.infer(levels.astype(np.float32))


def encode(
    table: DataFrame,
    found: Checked,
    staging: str,
    *,
    cores: int = 1,
    feedback: Feedback = "explicit",
) -> Coded:
    """Give users and items codes, in the order of their ids, and write all to Parquet.

    One shuffle does all: each partition gets a range of users, sorted, and makes blocks of them.

    Parameters
    ----------
    table : DataFrame
        From `plain_table`, with the columns that `check` has looked at.
    found : Checked
        What it has found.
    staging : str
        Folder to write to, which the driver and all executors see.
    cores : int
        Tasks that run at once.
    feedback : {"explicit", "implicit"}
        The strengths of repeated interactions add up; of repeated ratings the latest counts.

    Raises
    ------
    DataFormatError
        A user has rated an item more than once, and there is no timestamp to go by.
    """
    spark, kind = table.sparkSession, table.schema["user"].dataType.simpleString()
    ids = found.items.ids
    codes = pa.table({"item": pa.array(ids), "code": np.arange(1, len(ids) + 1, dtype=np.int32)})
    partitions = max(2 * cores, found.n // _RATINGS_A_PARTITION)
    # Ranges are formed first, because Spark reads their input twice. Of ratings at the same time
    # the highest stays, so that the result does not depend on their order.
    clock = [name for name in ("timestamp",) if name in table.columns]
    ordered = (
        table.repartitionByRange(partitions, "user")
        .join(F.broadcast(spark.createDataFrame(codes)), "item")
        .select("user", F.col("code").alias("item"), F.col("rating").cast("float"), *clock)
        .sortWithinPartitions("user", "item", *clock, "rating")
        .select("user", "item", "rating")
    )
    schema, adding = schema_of(kind), feedback == "implicit"
    map_batches(ordered, packing(adding=adding), schema).write.parquet(f"{staging}/blocks")
    blocks = spark.read.schema(schema).parquet(f"{staging}/blocks")
    summaries = blocks.drop("ids", *RATINGS).toArrow().sort_by("block")
    n_repeated = pc.sum(summaries["n_repeated"]).as_py()
    if n_repeated and not clock and not adding:
        at = int(np.flatnonzero(summaries["n_repeated"].to_numpy())[0])
        user, item, times = (
            summaries[name][at].as_py() for name in ("repeated_user", "repeated_item", "times")
        )
        name = ids[item - 1 : item].tolist()[0]
        raise DataFormatError(
            f"user {user!r} has rated item {name!r} {times} times; name the column that "
            "says when with timestamp=, and the latest counts, or drop what repeats"
        )
    n_users = int(pc.sum(summaries["n_users"]).as_py()) + 1
    if n_users >= 2**31:
        raise DataFormatError("there are more ids than int32 codes")
    numbers = summaries["block"].to_pylist()
    starts = np.cumsum([1, *summaries["n_users"].to_pylist()]).tolist()
    return Coded(
        blocks,
        dict(zip(numbers, starts, strict=False)),
        dict(zip(numbers, summaries["n_ratings"].to_pylist(), strict=True)),
        found.items,
        _counted(blocks, len(found.items)) if n_repeated else found.counts,
        n_users,
        n_repeated,
        found.scale,
        feedback,
    )


def _counted(blocks: DataFrame, n_items: int) -> npt.NDArray[np.int64]:
    """Ratings of each item, (n_items,), where not every row is one."""

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        counts = np.zeros(n_items, np.int64)
        for _, ratings in ratings_of(batches):
            counts += np.bincount(ratings.items, minlength=n_items)
        yield pa.record_batch({"counts": as_bytes(counts)})

    counted = map_batches(blocks.select("block", *RATINGS), count, "counts binary").toArrow()
    tables = [from_bytes(row, np.int64) for row in counted["counts"]]
    total: npt.NDArray[np.int64] = np.sum(tables, axis=0)
    return total


def _as_array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_integer(column.type):
        return column.to_numpy()
    return np.array(column.to_pylist(), object)
