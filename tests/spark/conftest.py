"""One small Spark for all tests of this folder: two cores, in this process's own JVM."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from small_spark import QUICK

import hf_cf
import hf_cf.spark


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that Spark also has at ``viewfs://lake/``, which Hadoop alone reaches."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def spark(lake: Path) -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.master": "local[2,4]",  # two cores, and a task may fail three times
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.hadoop.fs.viewfs.mounttable.lake.linkFallback": lake.as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # What makes large jobs fast costs more than these small ones take.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    session = SparkSession.builder.config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def ratings_df(spark: SparkSession, sample: hf_cf.Ratings) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pandas(sample.to_frame()))


@pytest.fixture(scope="session")
def catalogue_df(spark: SparkSession, sample: hf_cf.Ratings) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pandas(sample.catalogue, preserve_index=False))


@pytest.fixture(scope="session")
def fitted(
    ratings_df: DataFrame, catalogue_df: DataFrame, sample: hf_cf.Ratings,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[hf_cf.Recommender, str]:  # fmt: skip
    """A model of the sample, and its folder."""
    folder = str(tmp_path_factory.mktemp("spark") / "model")
    rec = hf_cf.spark.fit(
        ratings_df, timestamp="timestamp", catalogue=catalogue_df, source=sample.source,
        settings=QUICK, out=folder, progress=False,
    )  # fmt: skip
    return rec, folder
