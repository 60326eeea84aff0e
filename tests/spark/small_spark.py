"""What the tests of this folder share: quick settings, and a process that dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from hf_cf.spark import SparkSettings

QUICK = SparkSettings(
    factors=8, iterations=3, ranking_factors=16, ranking_iterations=3, sampled_ratings=5_000
)
"""For tests in which it does not matter how good a model is."""


def killing_once(marker: Path) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Pass batches on; the first process that gets one dies, and leaves the marker."""

    def kill(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not marker.exists():
                marker.touch()
                os._exit(1)
            yield batch

    return kill
