"""What the executors have: hf_cf itself, and how many tasks they run at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

import hf_cf
from hf_cf.spark.batches import Batches, map_batches

_ENOUGH = 100_000  # rows, more than an executor has cores


def cores_with_hf_cf(spark: SparkSession) -> int:
    """Count the tasks that run at once, after a look whether Python there can import hf_cf.

    Raises
    ------
    ImportError
        An executor lacks hf_cf or something that it needs, or has another version.
    """
    probe = _probe
    # By value rather than by name, which an executor without hf_cf could not look up.
    probe.__module__ = "__main__"
    found = map_batches(spark.range(_ENOUGH), probe, "host string, version string, error string")
    answers = found.toArrow().to_pylist()
    for answer in answers:
        if answer["error"] is None and answer["version"] == hf_cf.__version__:
            continue
        why = answer["error"] or f"it has hf_cf {answer['version']}, not {hf_cf.__version__}"
        raise ImportError(
            f"the executor on {answer['host']} cannot run hf_cf: {why}. Install hf_cf "
            f"{hf_cf.__version__} and what it needs there, name that Python with PYSPARK_PYTHON, "
            "or send an environment along with spark.archives (docs/spark.md)"
        )
    return len(answers)


def _probe(batches: Batches) -> Iterator[pa.RecordBatch]:
    import importlib
    import platform

    import pyarrow

    for _ in batches:
        pass
    answer: dict[str, Any] = {"host": platform.node(), "version": None, "error": None}
    try:
        for name in ("torch", "pandas", "hf_cf"):
            answer["version"] = importlib.import_module(name).__version__
    except Exception as error:
        answer |= {"version": None, "error": f"{type(error).__name__}: {error}"}
    yield pyarrow.RecordBatch.from_pylist(
        [answer], pyarrow.schema([(name, pyarrow.string()) for name in answer])
    )
