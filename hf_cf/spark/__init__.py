"""Training and recommending on Spark: the same model folder, from ratings too many for one machine.

The only part of hf_cf that imports pyspark.
"""

from __future__ import annotations

try:
    import pyspark  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "hf_cf.spark needs pyspark; get it with: pip install 'hf-cf[spark]'", name="pyspark"
    ) from error

from hf_cf.spark.factorization import SparkSettings
from hf_cf.spark.fitting import fit
from hf_cf.spark.serving import recommend

__all__ = ["SparkSettings", "fit", "recommend"]
