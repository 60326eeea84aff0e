"""Damped effects in Spark, against those of one machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import hf_cf
from hf_cf.evaluation.baselines import damped_biases
from hf_cf.spark.effects import damped_effects


@pytest.mark.slow
def test_they_are_those_of_one_machine(
    spark: SparkSession, sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    few = sample.take(sample.user_codes <= 100)
    coded = {"user": few.user_codes, "item": few.item_codes, "rating": few.stars}
    effects = damped_effects(spark.createDataFrame(pa.table(coded)), str(tmp_path), sweeps=3)
    expected = damped_biases(few, sweeps=3)
    assert abs(effects.mean - expected.mean) < 1e-9
    for side, whole in (("user", expected.users), ("item", expected.items)):
        found = getattr(effects, f"{side}s").toArrow()
        given = np.zeros(len(whole))
        given[found[side].to_numpy()] = found["effect"].to_numpy()
        np.testing.assert_allclose(given, whole, atol=1e-9)
