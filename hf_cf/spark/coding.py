"""Ratings of any columns and ids to int32 codes, in Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.errors import DataFormatError

_WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_AS_TEXT = (T.StringType, T.BooleanType, T.DateType, T.TimestampType)
_LEVELS = 1_000
_ROW_BITS = 33  # of monotonically_increasing_id, below the number of the partition
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Coded:
    """Ratings by code, written once to Parquet, and what the codes stand for.

    Attributes
    ----------
    ratings : DataFrame
        ``user``, ``item`` (int codes from 1) and ``rating`` (float), each pair once.
    users, items : DataFrame
        ``code`` and ``id``, codes in the order of ids, as in `Vocab`.
    n_users, n_items : int
        Codes, ``#na#`` included.
    n_ratings : int
        Rows of `ratings`.
    n_repeated : int
        Ratings dropped, because a later one of the same user and item was kept.
    scale : RatingScale
        The values of the ratings.
    """

    ratings: DataFrame
    users: DataFrame
    items: DataFrame
    n_users: int
    n_items: int
    n_ratings: int
    n_repeated: int
    scale: RatingScale


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
            # What is no number becomes NaN, and what is missing stays so: two different errors.
            number = F.coalesce(column.try_cast("double"), F.lit(float("nan")))
            column = F.when(column.isNotNull(), number)
        columns.append(column.alias(role))
    return df.select(*columns)


def _id_type(kind: T.DataType, name: str) -> str:
    if isinstance(kind, _WHOLE) or (
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
    table: DataFrame, names: dict[str, str], scale: RatingScale | None
) -> tuple[int, RatingScale]:
    """Count ratings and find their scale, or say what is wrong with the first bad one.

    Parameters
    ----------
    table : DataFrame
        From `plain_table`.
    names : dict of str to str
        What the columns were called, for messages.
    scale : RatingScale, optional
        What the ratings must keep to; inferred where not given.

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
    if scale is not None:
        out = (stars < scale.min) | (stars > scale.max)
        text = f"it is outside the scale of {scale.min:g} to {scale.max:g}"
        problems["rating", text] = out & ~unfit
    counts = [F.count_if(wrong).alias(str(at)) for at, wrong in enumerate(problems.values())]
    found = table.agg(F.count(F.lit(1)).alias("n"), *counts).first()
    assert found is not None
    if not found["n"]:
        raise DataFormatError("there are no ratings")
    for at, ((role, text), wrong) in enumerate(problems.items()):
        if found[str(at)]:
            row = table.where(wrong).first()
            raise DataFormatError(
                f"{text}, in {found[str(at)]:,} of {found['n']:,} ratings, such as {_told(row)}",
                column=names[role],
            )
    return found["n"], scale or _inferred(table)


def _told(row: Any) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in row.asDict().items())


def _inferred(table: DataFrame) -> RatingScale:
    stars = F.col("rating")
    levels = table.select("rating").distinct().limit(_LEVELS + 1).toArrow()["rating"].to_numpy()
    if len(levels) > _LEVELS:
        ends = table.agg(F.min(stars), F.max(stars)).first()
        assert ends is not None
        levels = np.linspace(ends[0], ends[1], 2 * _LEVELS)
    return RatingScale.infer(levels.astype(np.float32))


def encode(table: DataFrame, n: int, scale: RatingScale, staging: str) -> Coded:
    """Give users and items codes, in the order of their ids, and write all to Parquet.

    Parameters
    ----------
    table : DataFrame
        From `plain_table`, checked.
    n : int
        Its rows.
    scale : RatingScale
        Of the ratings.
    staging : str
        Folder to write to, which the driver and all executors see.

    Raises
    ------
    DataFormatError
        A user has rated an item more than once, and there is no timestamp to go by.
    """
    spark = table.sparkSession
    (users, n_users), (items, n_items) = (
        _vocabulary(table, side, f"{staging}/{side}s") for side in ("user", "item")
    )
    if max(n_users, n_items) >= 2**31:
        raise DataFormatError("there are more ids than int32 codes")
    of_user = users.withColumnsRenamed({"id": "user", "code": "user_code"})
    of_item = items.withColumnsRenamed({"id": "item", "code": "item_code"})
    coded = table.join(of_user, "user").join(of_item, "item").repartition("user_code")
    stars = F.first("rating")
    if "timestamp" in table.columns:
        # Of ratings at the same time the highest stays, so that the outcome is one.
        stars = F.max_by("rating", F.struct("timestamp", "rating"))
    coded = coded.groupBy("user_code", "item_code").agg(
        stars.cast("float").alias("rating"), F.count(F.lit(1)).alias("times")
    )
    coded.select(
        F.col("user_code").alias("user"), F.col("item_code").alias("item"), "rating", "times"
    ).write.parquet(f"{staging}/ratings")
    written = spark.read.parquet(f"{staging}/ratings")
    found = written.agg(F.count(F.lit(1)).alias("n"), F.max("times").alias("times")).first()
    assert found is not None
    if found["times"] > 1 and "timestamp" not in table.columns:
        pair = written.where("times > 1").orderBy("user", "item").first()
        assert pair is not None
        user, item = (
            vocabulary.where(F.col("code") == code).first()["id"]  # type: ignore[index]
            for vocabulary, code in ((users, pair["user"]), (items, pair["item"]))
        )
        raise DataFormatError(
            f"user {user!r} has rated item {item!r} {pair['times']} times; name the column that "
            "says when with timestamp=, and the latest counts, or drop what repeats"
        )
    return Coded(
        written.drop("times"), users, items, n_users, n_items, found["n"], n - found["n"], scale
    )


def _vocabulary(table: DataFrame, side: str, path: str) -> tuple[DataFrame, int]:
    """Write the sorted distinct ids, and number them: ``code``, ``id``."""
    spark = table.sparkSession
    ids = table.select(F.col(side).alias("id")).distinct()
    ordered = ids.repartitionByRange("id").sortWithinPartitions("id")
    # Written before it is numbered: another run might cut the ranges elsewhere.
    ordered.select("id", F.monotonically_increasing_id().alias("at")).write.parquet(path)
    written = spark.read.parquet(path)
    part = F.shiftright("at", _ROW_BITS)
    rows = written.groupBy(part.alias("part")).count().orderBy("part").collect()
    starts = np.cumsum([0] + [row["count"] for row in rows])
    offsets = spark.createDataFrame(
        [(row["part"], int(start)) for row, start in zip(rows, starts, strict=False)],
        "part long, start long",
    )
    within = F.col("at").bitwiseAND(F.lit((1 << _ROW_BITS) - 1))
    numbered = written.join(F.broadcast(offsets), part == F.col("part")).select(
        (F.col("start") + within + 1).cast("int").alias("code"), "id"
    )
    return numbered, int(starts[-1]) + 1


def collect(df: DataFrame, key: str, n_codes: int) -> pa.Table:
    """Bring a table to the driver as Arrow, a range of codes at a time.

    Spark hands a result over through the memory of its JVM, which a whole table need not fit.
    """
    ranges = range(0, max(n_codes, 1), _AT_ONCE)
    code = F.col(key)
    parts = [
        df.where((code >= low) & (code < low + _AT_ONCE)).toArrow() if len(ranges) > 1
        else df.toArrow()
        for low in ranges
    ]  # fmt: skip
    return pa.concat_tables(parts)


def vocab_of(vocabulary: DataFrame, n_codes: int) -> Vocab:
    """Bring a vocabulary to the driver."""
    table = collect(vocabulary, "code", n_codes).sort_by("code")
    ids = table["id"]
    return Vocab(ids.to_numpy() if pa.types.is_integer(ids.type) else ids.to_pandas())
