"""What the command line needs of Spark: a session, and files as DataFrames."""

from __future__ import annotations

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from hf_cf.errors import DataFormatError


def session() -> SparkSession:
    """The session that ``spark-submit`` has set up; without it, one on this machine."""
    return SparkSession.builder.appName("hf-cf").getOrCreate()


def read(spark: SparkSession, place: str, kind: str = "parquet") -> DataFrame:
    """Read a table; a CSV file has a header, and its types are inferred.

    Raises
    ------
    DataFormatError
        There is nothing, or no table of that kind.
    """
    reader = spark.read.format(kind)
    if kind == "csv":
        reader = reader.option("header", True).option("inferSchema", True)
    try:
        return reader.load(place)
    except AnalysisException as error:
        raise DataFormatError(str(error).split("\n", 1)[0], file=place) from error
