"""Spark on one machine: 5 million synthetic ratings from Parquet to a model folder, and back.

Run from the repository root (pyspark comes with the extra ``spark``)::

    python benchmarks/spark_local.py

Next to it, in the same session and on the same ratings, MLlib's two factorizations alone: ALS with
40 factors and implicit ALS with 64, ten iterations each, which hf_cf ran before its own solver went
to the executors. ``--fit-only`` leaves them out.

The ratings have the activity and popularity of MovieLens 25M, at a fifth of its size. Driver and
executors are one JVM of at most 2 GB (``--memory``), on two cores, next to the Python processes.
Prints Markdown and writes it to ``benchmarks/results/spark_local.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from ratings_25m import N_ITEMS, N_USERS, generate

import hf_cf.spark

RESULT = Path(__file__).parent / "results" / "spark_local.md"


def write_ratings(path: Path, n_ratings: int) -> None:
    made = generate(N_USERS * n_ratings // 25_000_000, N_ITEMS * n_ratings // 25_000_000, n_ratings)
    order = np.random.default_rng(0).permutation(len(made.ratings))
    columns = {"user": made.users[order], "item": made.items[order], "rating": made.ratings[order]}
    pq.write_table(pa.table(columns), path, row_group_size=500_000)


def gigabytes(pid: int | str, name: str = "VmHWM") -> float:
    """A size of a process; its largest resident one so far where no line of its status is named."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if name in line) / 2**20


def children_of(pid: int | str) -> list[str]:
    """Process ids of what a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return " ".join(task.read_text("utf-8") for task in tasks).split()


def jvm() -> str:
    """Process id of the JVM that this process has started."""
    names = {child: Path(f"/proc/{child}/comm").read_text("utf-8") for child in children_of("self")}
    return next(child for child, name in names.items() if name.strip() == "java")


def processor_seconds(pid: int | str) -> float:
    """What a process and all that it has started have used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(processor_seconds, children_of(pid)))


class Clock:
    """Seconds on the wall and of the processors, since the last time it was asked."""

    def __init__(self) -> None:
        self.last = (time.perf_counter(), processor_seconds(os.getpid()))

    def __call__(self) -> tuple[float, float]:
        """Both, and start again."""
        before, self.last = self.last, (time.perf_counter(), processor_seconds(os.getpid()))
        return self.last[0] - before[0], self.last[1] - before[1]


def mllib_alone(df: DataFrame, folder: str) -> None:
    """Factorize the ratings for stars and for order, with MLlib alone."""
    df.sparkSession.sparkContext.setCheckpointDir(f"{folder}/checkpoints")
    for rank, implicit in ((40, False), (64, True)):
        als = ALS(
            rank=rank, maxIter=10, regParam=0.15, alpha=2.0, implicitPrefs=implicit, seed=42,
            userCol="user", itemCol="item", ratingCol="rating", checkpointInterval=4,
        )  # fmt: skip
        model = als.fit(df)
        print(f"MLlib, {rank} factors: {model.itemFactors.toArrow().num_rows} items", flush=True)


def answered(recommended: DataFrame) -> int:
    """Compute recommendations, and count the users that they are for."""
    found = recommended.agg(F.count_distinct("user"), F.count("*"), F.sum("score")).first()
    assert found is not None
    assert found[1] == 10 * found[0]
    return int(found[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, default=5_000_000, help="at least 400,000")
    parser.add_argument("--memory", default="2g", help="largest heap of the JVM")
    parser.add_argument("--fit-only", action="store_true", help="without MLlib to compare with")
    arguments = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    load = os.getloadavg()[0]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", arguments.memory)
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )
    with tempfile.TemporaryDirectory() as folder:
        place, model = Path(folder) / "ratings.parquet", str(Path(folder) / "model")
        write_ratings(place, arguments.ratings)
        before = gigabytes(os.getpid())
        df = spark.read.parquet(str(place))
        clock = Clock()
        rec = hf_cf.spark.fit(df, out=model)
        training = clock()
        of_jvm = gigabytes(jvm())
        compared = ""
        if not arguments.fit_only:
            mllib_alone(df, folder)
            wall, processor = clock()
            compared = (
                f"| MLlib's two factorizations alone | {wall:.0f} | {processor:.0f} |\n"
                f"| the first line, as a share of them | {training[0] / wall:.2f} | "
                f"{training[1] / processor:.2f} |\n"
            )
        users = df.select("user").distinct().persist()
        n_users = users.count()
        clock()
        known = answered(hf_cf.spark.recommend(users, model, 10))
        known_time = clock()
        visitors = df.where(F.col("user") <= n_users // 10)
        given = answered(hf_cf.spark.recommend(visitors, model, 10))
        given_time = clock()
        size = sum(path.stat().st_size for path in Path(model).iterdir()) / 1e6
        python = gigabytes(os.getpid())
    text = f"""# Spark on one machine

{arguments.ratings:,} synthetic ratings of {len(rec.items) - 1:,} items by {n_users:,} users.

| | s | processor s |
|---|---|---|
| Parquet to model folder ({size:.0f} MB) | {training[0]:.0f} | {training[1]:.0f} |
{compared}| `recommend` for {known:,} known users | {known_time[0]:.0f} | {known_time[1]:.0f} |
| `recommend` for {given:,} users by their ratings | {given_time[0]:.0f} | {given_time[1]:.0f} |

Known users: {known / known_time[0]:,.0f} a second, {known / known_time[1]:,.0f} a second of a
processor. By their ratings: {given / given_time[0]:,.0f} and {given / given_time[1]:,.0f}.

Largest sizes: {of_jvm:.1f} GB of the JVM after training, driver and executors in one
(heap {arguments.memory}); {python:.1f} GB of the driver's Python, of which {before:.1f} GB
were taken by making the ratings.
RMSE on held-out ratings: {rec.metrics["valid_rmse"]:.3f} stars, where the noise in them is 0.75.

One run. Times include starting the Python processes and loading the model. Spark {spark.version}
in local mode, 2 cores, {platform.machine()}, Java 17, Python {platform.python_version()}; load
average {load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end.
"""
    print(text)
    RESULT.write_text(text, "utf-8")
    spark.stop()


if __name__ == "__main__":
    main()
