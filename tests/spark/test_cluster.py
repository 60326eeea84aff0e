"""A cluster of two machines trains and recommends, and loses one of them in each phase."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cluster import Cluster, cluster
from locations import SHARED_DATA

import hf_cf
from hf_cf.evaluation import evaluate

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
COLUMNS = ["user", "item", "rating", "timestamp"]


def ratings() -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    """MovieLens 100K's u1, or where it is not at hand a split of the sample."""
    place = SHARED_DATA / "ml-100k"
    if not place.is_dir():
        return hf_cf.load_ratings("sample").split(seed=0)
    base, test = (
        hf_cf.Ratings.from_frame(
            pd.read_csv(place / f"u1.{part}", sep="\t", header=None, names=COLUMNS),
            scale=hf_cf.RatingScale(1, 5, 1),
        )
        for part in ("base", "test")
    )
    return base, test


def wait_for(driver: subprocess.Popen[str], line: str) -> str:
    """Read what the driver says up to a line that has these words."""
    assert driver.stdout is not None
    said = []
    for heard in driver.stdout:
        said.append(heard)
        if line in heard:
            return heard
    raise AssertionError(f"the driver ended before it said {line!r}: {''.join(said)[-3000:]}")


def train_and_lose(
    place: Path, table: Path, delays: tuple[float, float] | None
) -> tuple[float, float]:
    """Train on a cluster and recommend to all; return the seconds of both phases.

    A machine is lost so many seconds into each phase, or none.
    """
    with cluster(place) as machines:
        workers = [machines.add_worker(), machines.add_worker()]
        driver = start_driver(machines, table, place)
        try:
            assert "sent_along.zip" in wait_for(driver, "executors have hf_cf from")
            wait_for(driver, "alternation 1 of 2")
            started = time.monotonic()
            if delays is not None:
                time.sleep(delays[0])
                machines.lose(workers.pop())
                workers.append(machines.add_worker())
            wait_for(driver, "trained")
            training = time.monotonic() - started
            assert driver.stdin is not None
            print("", file=driver.stdin, flush=True)
            wait_for(driver, "recommending begins")
            started = time.monotonic()
            if delays is not None:
                time.sleep(delays[1])
                machines.lose(workers.pop(0))
            wait_for(driver, "recommended")
            recommending = time.monotonic() - started
            assert driver.wait(60) == 0
        finally:
            driver.kill()
            driver.wait()
    return training, recommending


def start_driver(machines: Cluster, table: Path, place: Path) -> subprocess.Popen[str]:
    log = (place / "driver.log").open("w")
    return subprocess.Popen(
        [sys.executable, HERE / "train_on_cluster.py", machines.master, table, place],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
    )  # fmt: skip


def test_lost_machines_change_nothing_but_the_time(tmp_path: Path) -> None:
    base, test = ratings()
    table = tmp_path / "ratings.parquet"
    base.to_frame()[COLUMNS[:3]].to_parquet(table)
    train_and_lose(tmp_path, table, delays=(0.5, 0.5))
    rec = hf_cf.Recommender.from_pretrained(tmp_path / "model")
    lists = pq.read_table(tmp_path / "lists").to_pandas()
    assert len(rec.users) == len(base.users)
    assert len(lists) == 10 * (len(base.users) - 1)
    first = lists[lists["rank"] == 1].set_index("user")["item"]
    expected = rec.recommend(rec.users.ids, n=1).set_index("user")["item"]
    pd.testing.assert_series_equal(first.sort_index(), expected.sort_index())
    here = hf_cf.training.fit(base, None, "als", progress=False)
    rmse, theirs = (evaluate(each, base, test, resamples=0).value("rmse") for each in (rec, here))
    assert np.isclose(rmse, theirs, atol=0.01), (rmse, theirs)
