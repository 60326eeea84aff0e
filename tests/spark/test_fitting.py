"""From a Spark DataFrame to a model folder, on real Spark with two cores."""

from __future__ import annotations

import resource
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from doc_examples import examples
from locations import SHARED_DATA
from pyspark.sql import DataFrame, SparkSession
from small_spark import QUICK, killing_once

import hf_cf
import hf_cf.spark
from hf_cf.cli import main
from hf_cf.errors import SaveError
from hf_cf.evaluation import evaluate
from hf_cf.storage.serialization import read_model
from hf_cf.training import fit as fit_here

ML_100K = SHARED_DATA / "ml-100k"

pytestmark = pytest.mark.slow


def test_the_folder_holds_what_fit_returned(
    fitted: tuple[hf_cf.Recommender, str], sample: hf_cf.Ratings
) -> None:
    rec, folder = fitted
    loaded = hf_cf.Recommender.from_pretrained(folder)
    assert loaded.users == sample.users
    assert loaded.items == sample.items
    pd.testing.assert_frame_equal(loaded.recommend([7, 8]), rec.recommend([7, 8]))
    assert loaded.catalogue["title"].tolist() == sample.catalogue["title"].tolist()
    np.testing.assert_array_equal(loaded.catalogue["n_ratings"], sample.item_counts()[1:])
    assert loaded.scale == sample.scale
    assert loaded.metadata.versions["pyspark"]
    assert sorted(path.name for path in Path(folder).iterdir()) == [
        "README.md", "config.json", "held_out.parquet", "history.parquet", "item_map.png",
        "items.parquet", "model.safetensors", "users.parquet",
    ]  # fmt: skip


def test_it_learns(fitted: tuple[hf_cf.Recommender, str], sample: hf_cf.Ratings) -> None:
    rec, _ = fitted
    assert rec.metrics["valid_mse"] < 0.85 * float(sample.stars.var())


def test_known_users_are_what_their_ratings_make_of_a_visitor(
    fitted: tuple[hf_cf.Recommender, str], sample: hf_cf.Ratings
) -> None:
    rec, _ = fitted
    items, stars = rec.history.of(7)
    own = pd.DataFrame({"item": rec.items.decode(items), "rating": stars})
    known, visitor = rec.recommend(7, n=20), rec.recommend(ratings=own, n=20)
    assert known["item"].tolist() == visitor["item"].tolist()
    np.testing.assert_allclose(known["stars"], visitor["stars"], atol=1e-3)
    np.testing.assert_allclose(known["score"], visitor["score"], atol=1e-3)


def test_a_worker_that_dies_and_leaving_users_out_change_nothing_for_visitors(
    fitted: tuple[hf_cf.Recommender, str], ratings_df: DataFrame, catalogue_df: DataFrame,
    tmp_path: Path,
) -> None:  # fmt: skip
    rec, _ = fitted
    marker = tmp_path / "died"
    df = ratings_df.mapInArrow(killing_once(marker), ratings_df.schema)
    again = hf_cf.spark.fit(
        df.withColumnsRenamed({"user": "who", "item": "what", "rating": "how", "timestamp": "t"}),
        user="who", item="what", rating="how", timestamp="t", catalogue=catalogue_df,
        include_users=False, settings=QUICK, progress=False,
    )  # fmt: skip
    assert marker.exists()
    assert len(again.users) == 1
    assert again.history is None
    given = {3: 5.0, 7: 1.0, 12: 4.5}
    ours, theirs = (
        one.recommend(ratings=given, n=560).set_index("item")[["stars", "score"]].sort_index()
        for one in (rec, again)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    again.save_pretrained(tmp_path / "model")
    hf_cf.Recommender.from_pretrained(tmp_path / "model").recommend(ratings=given)


def test_what_is_held_out_is_of_some_users_and_not_trained_on(
    fitted: tuple[hf_cf.Recommender, str], sample: hf_cf.Ratings
) -> None:
    model = read_model(fitted[1])
    assert model.history is not None and model.held_out is not None
    assert len(model.history) + len(model.held_out) == len(sample)
    assert len(model.history.without(model.held_out)) == len(model.history)
    assert 100 < (np.diff(model.held_out.starts) > 0).sum() < 140  # a fifth of 600 users
    assert fitted[0].metadata.evaluation


def test_a_lake_that_only_hadoop_reaches(
    spark: SparkSession, ratings_df: DataFrame, lake: Path, tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
) -> None:  # fmt: skip
    (lake / "staging").mkdir()
    ratings_df.write.parquet("viewfs://lake/ratings")
    hf_cf.spark.fit(
        spark.read.parquet("viewfs://lake/ratings"), timestamp="timestamp", settings=QUICK,
        staging="viewfs://lake/staging", out=tmp_path / "model", progress=False,
    )  # fmt: skip
    left = list((lake / "staging").rglob("*.parquet"))
    assert len(left) == 1
    assert spark.read.parquet(f"viewfs://lake/staging/{left[0].parent.name}").count() == 0
    assert not [each for each in recwarn if "intermediate" in str(each.message)]
    users = ratings_df.select("user").distinct()
    hf_cf.spark.recommend(users, tmp_path / "model", 2).write.parquet("viewfs://lake/lists")
    assert spark.read.parquet("viewfs://lake/lists").count() == 1200


def test_nothing_stays_in_a_folder_of_this_machine(ratings_df: DataFrame, tmp_path: Path) -> None:
    hf_cf.spark.fit(
        ratings_df, timestamp="timestamp", settings=QUICK, staging=str(tmp_path), progress=False
    )
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_for_the_users_is_said(ratings_df: DataFrame, tmp_path: Path) -> None:
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, earlier[1]))  # of this process, not the JVM
    try:
        with pytest.raises(SaveError, match=r"600 known users take 19,232 bytes in .* TMPDIR"):
            hf_cf.spark.fit(
                ratings_df, timestamp="timestamp", settings=QUICK, out=tmp_path / "model",
                progress=False,
            )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
    assert not list(tmp_path.iterdir())


def test_likes_are_trained_on_without_stars(ratings_df: DataFrame, tmp_path: Path) -> None:
    rec = hf_cf.spark.fit(
        ratings_df.select("user", "item"), rating=None, settings=QUICK, out=tmp_path / "model",
        progress=False,
    )  # fmt: skip
    assert rec.ranking is not None
    assert rec.ranking.model.settings["few_ratings"] > 0
    found = hf_cf.Recommender.from_pretrained(tmp_path / "model").recommend(7, n=5)
    assert len(found) == 5
    assert "stars" not in found
    answered = hf_cf.spark.recommend(
        ratings_df.select("user").distinct().limit(3), tmp_path / "model", 4
    )
    answers = answered.toArrow()
    assert answers.num_rows == answers["stars"].null_count == 12


def test_the_command_writes_a_model(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(SparkSession, "stop", lambda session: None)  # the other tests' session
    rng = np.random.default_rng(0)
    pairs = rng.permutation(30 * 20)[:400]
    table = {"uid": [f"u{n}" for n in pairs // 20], "item": pairs % 20, "rating": pairs % 5 + 1.0}
    pd.DataFrame(table).to_parquet(tmp_path / "ratings.parquet")
    out = tmp_path / "model"
    command = ["spark-train", "--input", str(tmp_path / "ratings.parquet"), "--out", str(out)]
    assert main(command) == 1
    assert "column user: the column is missing" in capsys.readouterr().err
    few = ["--factors", "4", "--iterations", "2", "--index"]
    assert main([*command, "--user-col", "uid", *few]) == 0
    assert "400 ratings of 20 items by 30 users" in capsys.readouterr().out
    loaded = hf_cf.Recommender.from_pretrained(out)
    assert len(loaded.recommend("u3", n=3, approximate=True)) == 3
    assert main(["spark-train", "--input", str(tmp_path / "none"), "--out", str(out)]) == 1
    assert "none" in capsys.readouterr().err


def test_on_ml_100k_it_is_as_good_as_one_machine(spark: SparkSession) -> None:
    base, test = (
        hf_cf.Ratings.from_frame(
            pd.read_csv(
                ML_100K / f"u1.{part}", sep="\t", header=None,
                names=["user", "item", "rating", "timestamp"],
            ),
            scale=hf_cf.RatingScale(1, 5, 1),
        )
        for part in ("base", "test")
    )  # fmt: skip
    df = spark.createDataFrame(pa.Table.from_pandas(base.to_frame()))
    here = fit_here(base, None, "als", progress=False)
    few = hf_cf.spark.SparkSettings(sampled_ratings=20_000)
    there, from_few = (
        hf_cf.spark.fit(df, settings=settings, progress=False) for settings in (None, few)
    )
    measured = [evaluate(rec, base, test, resamples=0) for rec in (here, there, from_few)]
    rmse = [each.value("rmse") for each in measured]
    ndcg = [each.value("ndcg@10") for each in measured]
    print(f"here, on Spark, with a quarter of the users on the driver: RMSE {rmse}, nDCG@10 {ndcg}")
    assert max(rmse[1:]) < rmse[0] + 0.005, rmse
    assert min(ndcg[1:]) > 0.97 * ndcg[0], ndcg


def test_the_page_of_the_documentation_does_what_it_shows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    pairs = rng.permutation(20 * 30)[:300]
    table = {
        "customer": pairs // 30, "sku": [f"s{n}" for n in pairs % 30], "stars": pairs % 5 + 1,
        "at": pairs,
    }  # fmt: skip
    pd.DataFrame(table).to_parquet(tmp_path / "ratings")
    pd.DataFrame(table).to_parquet(tmp_path / "ratings.parquet")
    python, command = examples("docs/spark.md", "spark")
    monkeypatch.chdir(tmp_path)
    exec(python.code.replace("s3a://lake", tmp_path.as_uri()), {"spark": spark})
    found = spark.read.parquet(str(tmp_path / "recommendations"))
    unrated = 30 - np.bincount(pairs // 30, minlength=20)
    assert found.count() == np.minimum(10, unrated).sum()
    shutil.rmtree("model")
    monkeypatch.setattr(SparkSession, "stop", lambda session: None)  # the other tests' session
    here = command.code.replace("ratings.parquet", str(tmp_path / "ratings.parquet"))
    program, *arguments = shlex.split(here)  # the session's working directory is another
    assert (program, main(arguments)) == ("hf-cf", 0)
    assert len(hf_cf.Recommender.from_pretrained("model").users) == 21
