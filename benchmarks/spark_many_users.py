"""Ten million known users through a driver that holds the items alone.

Run from the repository root (pyspark comes with the extra ``spark``)::

    python benchmarks/spark_many_users.py

A standalone cluster on loopback, a master and two workers of one core and 1 GB, trains on synthetic
ratings, three by each user; the driver's heap has 1 GB. The folder with all users' vectors is read
again afterwards, and users of it are compared with visitors who give the same ratings.

What counts of the driver's memory is the JVM's largest resident size and what its Python process
alone holds (``RssAnon``, looked at twenty times a second): pages of mapped files are the system's
to take back. Prints Markdown and writes it to ``benchmarks/results/spark_many_users.md``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from ratings_25m import generate
from spark_local import gigabytes, jvm

import hf_cf
import hf_cf.spark

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "spark_many_users.md"
sys.path[:0] = [str(ROOT / "tests" / "spark")]
COMPARED = 200


def drive(master: str, folder: str) -> None:
    """Train; the only thing that the driver does."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {
        "spark.master": master,
        "spark.driver.memory": "1g",
        "spark.executor.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.cores.max": "2",
        "spark.local.dir": f"{folder}/spark",
    }
    spark = SparkSession.builder.config(map=settings).getOrCreate()
    own, peak, ended = os.getpid(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, gigabytes(own, "RssAnon"))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    started = time.perf_counter()
    df = spark.read.parquet(f"{folder}/ratings.parquet")
    hf_cf.spark.fit(df, out=f"{folder}/model", staging=folder)
    seconds = time.perf_counter() - started
    ended.set()
    watching.join()
    print(f"result {seconds} {peak} {gigabytes(jvm())}", flush=True)
    spark.stop()


def main() -> None:
    from cluster import cluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--drive", nargs=2, metavar=("MASTER", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(*arguments.drive)
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        made = generate(arguments.users, arguments.items, 3 * arguments.users)
        columns = {"user": made.users, "item": made.items, "rating": made.ratings}
        pq.write_table(pa.table(columns), place / "ratings.parquet", row_group_size=500_000)
        with cluster(place) as machines:
            for _ in range(2):
                machines.add_worker()
            command = [sys.executable, __file__, "--drive", machines.master, folder]
            driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert driver.stdout is not None
            said = ""
            for said in driver.stdout:
                print(said, end="", flush=True)
            assert driver.wait() == 0, "the driver failed"
        seconds, python, of_jvm = map(float, said.split()[1:])
        size = (place / "model" / "model.safetensors").stat().st_size / 1e9
        started = time.perf_counter()
        rec = hf_cf.Recommender.from_pretrained(place / "model")
        loading = time.perf_counter() - started
        assert len(rec.users) == arguments.users + 1
        differences = compared(rec, made.users, made.items, made.ratings)
    text = f"""# Many known users

{3 * arguments.users:,} synthetic ratings of {arguments.items:,} items by {arguments.users:,} users.

| | |
|---|---|
| Parquet to model folder | {seconds:.0f} s |
| `model.safetensors` | {size:.2f} GB |
| largest size of the driver's JVM (heap 1 GB) | {of_jvm:.2f} GB |
| largest size of the driver's Python, without mapped files | {python:.2f} GB |
| RMSE on held-out ratings | {rec.metrics["valid_rmse"]:.3f} stars |
| reading the folder again | {loading:.1f} s |

Of {COMPARED} users drawn at random, scores of the first ten items differ by at most
{differences:.1e} from those of visitors who give the same ratings.

One run on a standalone cluster of two workers, {os.cpu_count()} cores in all; load average
{load:.1f} at the start and {os.getloadavg()[0]:.1f} at the end.
"""
    print(text)
    RESULT.write_text(text, "utf-8")


def compared(
    rec: hf_cf.Recommender, users: np.ndarray, items: np.ndarray, stars: np.ndarray
) -> float:
    """Largest difference of scores between known users and visitors with their ratings.

    Of the 500 users of whom some ratings are held out hardly any is drawn.
    """
    drawn = np.sort(np.random.default_rng(0).choice(users[-1], COMPARED, replace=False)) + 1
    rows = np.isin(users, drawn)
    given = pd.DataFrame({"user": users[rows], "item": items[rows], "rating": stars[rows]})
    known = rec.recommend(drawn.tolist(), n=10)
    visitors = rec.recommend(ratings=given, n=10)
    both = known.merge(visitors, on=["user", "item"])
    assert len(both) > 0.99 * len(known)
    return float((both["score_x"] - both["score_y"]).abs().max())


if __name__ == "__main__":
    main()
