"""Vectors of known users: folded in on the executors by the lines that serve visitors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from hf_cf.errors import SaveError
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.users import Visitors
from hf_cf.spark.batches import Batches, map_batches
from hf_cf.spark.blocks import RATINGS, HeldOut, as_bytes, from_bytes, in_order, ratings_of
from hf_cf.spark.coding import Coded

_USERS_A_ROW = 500  # Parquet keeps a hundred rows before it looks how much memory they take
_ROW_GROUP = 2**24  # bytes: a reader in the JVM holds a few of them


def fold_users(scorer: Scorer, coded: Coded, held_out: HeldOut, path: str) -> Scorer:
    """Give the heads their known users.

    Their tables lie in files that are mapped into memory, which the system writes out when memory
    is short: the driver needs a block of users at a time. The files are in the folder for
    temporary files, without a name, and end with the tables.

    Parameters
    ----------
    scorer : Scorer
        Without users: its only row is that of ``#na#``.
    coded : Coded
        The ratings.
    held_out : HeldOut
        Which of them the vectors do not follow from.
    path : str
        Where the executors write the vectors to.

    Raises
    ------
    SaveError
        The disk has no room for the tables.
    """
    schema = "block bigint, first int, vectors binary"
    folding = _folding(scorer, coded.first, held_out)
    folded = map_batches(coded.blocks.select("block", *RATINGS), folding, schema)
    folded.write.option("parquet.block.size", _ROW_GROUP).parquet(path)
    written = coded.blocks.sparkSession.read.schema(schema).parquet(path)
    model, head = scorer.rating.model, scorer.ranking
    nobody = [table.weight for table in model.tables()[0]]
    if head is not None:
        nobody.append(head.user_vectors)
    widths = [row.shape[1] for row in nobody]
    tables = [_mapped(coded.n_users, width) for width in widths]
    for table, row in zip(tables, nobody, strict=True):
        table[:1] = row
    sizes = coded.bytes_of_users(4 * sum(widths))
    for part in in_order(written, sizes, ["first", "vectors"]):
        for first, value in zip(part["first"].to_pylist(), part["vectors"], strict=True):
            vectors = torch.from_numpy(from_bytes(value, np.float32).copy()).view(-1, sum(widths))
            for table, own in zip(tables, vectors.split(widths, dim=1), strict=True):
                table[first : first + len(own)] = own
    if head is not None:
        head = replace(head, user_vectors=tables.pop())
    rating = RatingHead(model.with_user_tables(coded.n_users, tables), scorer.rating.prior)
    return replace(scorer, rating=rating, ranking=head)


def _mapped(rows: int, width: int) -> Tensor:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file, size = Path(folder) / "table", 4 * rows * width
        try:
            with file.open("wb") as opened:
                # A process that writes to a mapped file on a full disk is killed.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(opened.fileno(), 0, size)
        except OSError as error:
            raise SaveError(
                f"{rows - 1:,} known users take {size:,} bytes in {Path(folder).parent}, "
                f"and {error.strerror}. Name another folder with the environment variable TMPDIR, "
                "or leave users out with include_users=False"
            ) from error
        return torch.from_file(str(file), shared=True, size=rows * width).view(rows, width)


def _folding(
    scorer: Scorer, first: dict[int, int], held_out: HeldOut
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def fold(batches: Batches) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # each core has its own process
        for number, ratings in ratings_of(batches):
            found = scorer.vectors(Visitors(held_out.without(first[number], ratings)))
            both = [found.rating, *([] if found.ranking is None else [found.ranking])]
            start = first[number]
            for some in torch.cat(both, 1).split(_USERS_A_ROW):
                columns = pa.array([number], pa.int64()), pa.array([start], pa.int32())
                names = ["block", "first", "vectors"]
                yield pa.record_batch([*columns, as_bytes(some.numpy())], names)
                start += len(some)

    return fold
