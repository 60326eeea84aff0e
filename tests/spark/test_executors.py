"""What is said when executors lack hf_cf, or have another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import hf_cf
from hf_cf.spark.executors import cores_with_hf_cf

pytestmark = pytest.mark.slow


def test_tasks_at_once_are_counted(spark: SparkSession) -> None:
    assert cores_with_hf_cf(spark) == 2


def test_an_executor_with_another_version_is_named_before_anything_runs(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = hf_cf.__version__
    monkeypatch.setattr(hf_cf, "__version__", "99.0")
    message = rf"the executor on \S+ cannot run hf_cf: it has hf_cf {theirs}, not 99.0. Install"
    with pytest.raises(ImportError, match=message):
        cores_with_hf_cf(spark)


def test_what_an_executor_lacks_is_named(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "raise ModuleNotFoundError('No module named torch')"
    (tmp_path / "torch.py").write_text(missing, "utf-8")
    monkeypatch.setitem(spark.sparkContext.environment, "PYTHONPATH", str(tmp_path))
    with pytest.raises(ImportError, match=r"ModuleNotFoundError: No module named torch\. Install"):
        cores_with_hf_cf(spark)
