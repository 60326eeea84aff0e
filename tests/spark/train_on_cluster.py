"""The driver of the cluster's tests: trains and recommends, and says what it is about to do.

Started with the master's address, a Parquet file of ratings and a folder; each line of its output
is a step, and before recommending it waits for a line of input.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import hf_cf.spark


def place_of_hf_cf(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Where an executor has hf_cf from."""
    for _ in batches:
        pass
    yield pa.record_batch({"place": [hf_cf.__file__]})


def main(master: str, ratings: str, folder: str) -> None:
    settings = {
        "spark.master": master,
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4",
        # Executors on other machines could not read a lost one's disk either.
        "spark.shuffle.readHostLocalDisk": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        # Both machines are there before anything starts.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "60s",
        "spark.cores.max": "2",
    }
    spark = SparkSession.builder.config(map=settings).getOrCreate()
    package = Path(hf_cf.__file__).parent
    sent = shutil.make_archive(f"{folder}/sent_along", "zip", package.parent, package.name)
    spark.sparkContext.addPyFile(sent)  # as --py-files does
    places = spark.range(2).mapInArrow(place_of_hf_cf, "place string").collect()
    print(f"executors have hf_cf from {sorted({row.place for row in places})}", flush=True)
    df = spark.read.parquet(ratings)
    hf_cf.spark.fit(
        df, out=Path(folder) / "model", staging=folder,
        settings=hf_cf.spark.SparkSettings(sampled_ratings=20_000),
    )  # fmt: skip
    print("trained", flush=True)
    sys.stdin.readline()
    users = df.select("user").distinct().repartition(8, "user")
    found = hf_cf.spark.recommend(users, Path(folder) / "model", 10)
    print("recommending begins", flush=True)
    found.write.parquet(f"{folder}/lists")
    counted = spark.read.parquet(f"{folder}/lists").agg(F.count("*")).first()
    print(f"recommended {counted[0] if counted else 0}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
