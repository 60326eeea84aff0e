"""Vectors of known users: folded in on the executors by the lines that serve visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from hf_cf.inference.scorer import Scorer
from hf_cf.inference.updates import with_user_vectors
from hf_cf.inference.users import UserVectors, Visitors
from hf_cf.spark.batches import Batches, map_batches
from hf_cf.spark.blocks import RATINGS, HeldOut, as_bytes, from_bytes, in_order, ratings_of
from hf_cf.spark.coding import Coded


def fold_users(scorer: Scorer, coded: Coded, held_out: HeldOut, path: str) -> Scorer:
    """Give the heads their known users.

    Parameters
    ----------
    scorer : Scorer
        Without users.
    coded : Coded
        The ratings.
    held_out : HeldOut
        Which of them the vectors do not follow from.
    path : str
        Where the executors write the vectors to.
    """
    schema = "block bigint, rating binary, ranking binary"
    folding = _folding(scorer, coded.first, held_out)
    map_batches(coded.blocks.select("block", *RATINGS), folding, schema).write.parquet(path)
    written = coded.blocks.sparkSession.read.schema(schema).parquet(path)
    rating: list[Tensor] = []
    ranking: list[Tensor] = []
    for table in in_order(written, coded.sizes, ["rating", "ranking"]):
        for part, column in ((rating, "rating"), (ranking, "ranking")):
            part += [torch.from_numpy(from_bytes(v, np.float32).copy()) for v in table[column]]
    n = coded.n_users - 1
    vectors = UserVectors(
        torch.cat(rating).view(n, -1), torch.cat(ranking).view(n, -1) if scorer.ranking else None
    )
    return with_user_vectors(scorer, n + 1, np.arange(1, n + 1, dtype=np.int32), vectors)


def _folding(
    scorer: Scorer, first: dict[int, int], held_out: HeldOut
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def fold(batches: Batches) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # each core has its own process
        for number, ratings in ratings_of(batches):
            found = scorer.vectors(Visitors(held_out.without(first[number], ratings)))
            ranking = found.rating[:, :0] if found.ranking is None else found.ranking
            columns = (as_bytes(each.contiguous().numpy()) for each in (found.rating, ranking))
            numbers = pa.array([number], pa.int64())
            yield pa.record_batch([numbers, *columns], ["block", "rating", "ranking"])

    return fold
