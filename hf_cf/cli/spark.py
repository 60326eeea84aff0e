"""``hf-cf spark-train``: ratings in a lake in, a model folder out; runs under ``spark-submit``."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from hf_cf.cli.train import add_index_flag


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``hf-cf``."""
    parser = commands.add_parser(
        "spark-train",
        help="train a model on Spark",
        description="Train a recommender on Spark and write its folder. Under spark-submit it "
        "runs on that cluster; started by itself, on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--input", required=True, help="ratings: a path or address, s3a://...")
    parser.add_argument(
        "--format", choices=("parquet", "csv", "json", "orc"), default="parquet", help="of them"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    for column in ("user", "item", "rating"):
        parser.add_argument(f"--{column}-col", default=column, help=f"the {column} column")
    parser.add_argument(
        "--implicit", action="store_true",
        help="ratings are strengths of interactions, such as plays; without the column, likes",
    )  # fmt: skip
    parser.add_argument(
        "--timestamp-col", help="the column that says when; the latest of repeated ratings counts"
    )
    parser.add_argument("--catalogue", help="Parquet with a column id, and title, year, genres")
    parser.add_argument(
        "--scale", nargs=3, type=float, metavar=("MIN", "MAX", "STEP"), help="of ratings"
    )
    parser.add_argument("--staging", help="folder that driver and all executors see")
    parser.add_argument("--name", default="ratings", help="the data's name, for the model card")
    for flag, help_text in (("users", "known users"), ("history", "who rated what")):
        parser.add_argument(
            f"--include-{flag}", action=argparse.BooleanOptionalAction,
            default=True if flag == "users" else None, help=f"keep {help_text} in the model",
        )  # fmt: skip
    parser.add_argument("--factors", type=int, help="factors of the stars")
    parser.add_argument("--iterations", type=int, help="iterations of the stars")
    parser.add_argument(
        "--sampled-ratings", type=int, help="ratings that the driver trains on, of users at random"
    )
    parser.add_argument("--seed", type=int, help="seed of the first factors")
    add_index_flag(parser)
    parser.add_argument("--quiet", action="store_true", help="say nothing")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # The workers are this Python, unless Spark's own variables say otherwise.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from hf_cf import spark as hf_cf_spark
    from hf_cf.data.scale import DataSource, RatingScale
    from hf_cf.data.words import noun_of_columns
    from hf_cf.spark.session import read, session

    settings = hf_cf_spark.SparkSettings(
        **{
            item.name: value
            for item in fields(hf_cf_spark.SparkSettings)
            if (value := getattr(arguments, item.name, None)) is not None
        }
    )
    spark = session()
    try:
        catalogue = arguments.catalogue and read(spark, arguments.catalogue)
        ratings, rated = read(spark, arguments.input, arguments.format), arguments.rating_col
        if arguments.implicit and rated not in ratings.columns:
            rated = None
        noun = noun_of_columns({"item": arguments.item_col})
        rec = hf_cf_spark.fit(
            ratings, user=arguments.user_col, item=arguments.item_col, rating=rated,
            feedback="implicit" if arguments.implicit else "explicit",
            timestamp=arguments.timestamp_col, catalogue=catalogue,
            scale=arguments.scale and RatingScale(*arguments.scale),
            source=DataSource(arguments.name, noun=noun), settings=settings, out=arguments.out,
            include_users=arguments.include_users, include_history=arguments.include_history,
            index=arguments.index, staging=arguments.staging, progress=not arguments.quiet,
        )  # fmt: skip
        print(rec)
        if "valid_rmse" in rec.metrics:
            print(f"Ratings held out: RMSE {rec.metrics['valid_rmse']:.4f} stars")
    finally:
        spark.stop()
