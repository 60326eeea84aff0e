"""Ratings in a Spark DataFrame to a `Recommender`: MLlib's alternating least squares."""

from __future__ import annotations

import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from pyarrow.fs import FileSystem
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from hf_cf import __version__
from hf_cf.data.catalogue import Catalogue
from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings, in_code_order
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.inference.calibration import calibrated_prior
from hf_cf.inference.metadata import TrainingMetadata, installed_versions
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import Visitors
from hf_cf.models import BiasedFactorization, ImplicitALS, UserPrior
from hf_cf.recommender import Recommender
from hf_cf.spark.coding import Coded, check, encode, plain_table, vocab_of
from hf_cf.spark.effects import damped_effects
from hf_cf.spark.factorization import SparkSettings, ranking_model, rating_model
from hf_cf.spark.vectors import fold_users, history_of

_CALIBRATION_USERS = 500
_MOST_HISTORY = 50_000_000
_OWN = "hf-cf-staging-"


def fit(
    df: DataFrame,
    *,
    user: str = "user",
    item: str = "item",
    rating: str = "rating",
    timestamp: str | None = None,
    catalogue: DataFrame | None = None,
    scale: RatingScale | None = None,
    source: DataSource | None = None,
    settings: SparkSettings | None = None,
    out: str | Path | None = None,
    include_users: bool = True,
    include_history: bool | None = None,
    index: bool = False,
    staging: str | None = None,
    progress: bool = True,
) -> Recommender:
    """Train a recommender on Spark.

    Spark checks the ratings, numbers the ids, removes damped user and item effects, and runs
    MLlib's ALS twice: on the residuals of the ratings, for the stars, and on how much each rating
    says that an item is wanted, for the order. A fifth of the ratings of up to 500 users is kept
    back from it, to calibrate what is known of a visitor. Known users are then folded in on the
    executors, all their ratings given, by the lines that serve visitors.

    Parameters
    ----------
    df : DataFrame
        One row a rating.
    user, item, rating : str
        Names of its columns. Ids are integers, text, dates or flags.
    timestamp : str, optional
        The column that says when; of a user's ratings of the same item the latest counts.
    catalogue : DataFrame, optional
        Of Spark: a column ``id``, and where known ``title``, ``year``, ``genres``, others.
    scale : RatingScale, optional
        What the ratings must keep to; inferred where not given.
    source : DataSource, optional
        Name and licence of the data.
    settings : SparkSettings, optional
        Hyperparameters.
    out : str or Path, optional
        A folder of the driver's to write the model to.
    include_users : bool
        Whether known users are part of the model. Without them it serves visitors, and neither
        their ids nor their vectors reach the driver.
    include_history : bool, optional
        Whether to keep who rated what, for leaving out what a user has seen. Where not given, it
        is kept with known users up to 50 million ratings. It goes into the folder `out` if
        the data may be redistributed, or if it is asked for.
    index : bool
        Whether to index the items, as `Recommender.build_index` does.
    staging : str, optional
        A folder or address for intermediate Parquet files, which the driver and all executors
        see; emptied afterwards. A temporary folder where not given, which is enough for one
        machine.
    progress : bool
        Whether to print what is being done.

    Returns
    -------
    Recommender
        With ``metrics`` over the ratings that were kept back.

    Raises
    ------
    DataFormatError
        A column is missing, of a wrong type, or has a value that is missing, no rating, out of
        scale or given twice. The message names it.

    Examples
    --------
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()             # doctest: +SKIP
    >>> rec = hf_cf.spark.fit(spark.read.parquet("ratings"), user="uid")  # doctest: +SKIP
    """
    settings = settings or SparkSettings()
    say = _speaker(progress)
    table = plain_table(df, user, item, rating, timestamp)
    names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp or ""}
    n, scale = check(table, names, scale)
    with _staging(staging) as place:
        context = df.sparkSession.sparkContext
        # One's own stays; that of an earlier call is gone, and Spark cannot unset it.
        if _OWN in (context.getCheckpointDir() or _OWN):
            context.setCheckpointDir(f"{place}/checkpoints")
        coded = encode(table, n, scale, place)
        say(
            f"{coded.n_ratings:,} ratings of {coded.n_items - 1:,} items by "
            f"{coded.n_users - 1:,} users, {scale.min:g} to {scale.max:g}"
            + (f"; {coded.n_repeated:,} repeated ones dropped" if coded.n_repeated else "")
        )
        started = time.perf_counter()
        items = vocab_of(coded.items, coded.n_items)
        drawn, held = _drawn(coded, settings.seed)
        train = coded.ratings.where(~held)
        effects = damped_effects(
            train, f"{place}/effects", user_damping=settings.user_damping,
            item_damping=settings.item_damping, sweeps=settings.sweeps,
        )  # fmt: skip
        model, vectors = rating_model(effects, train, coded, settings, place)
        say("user and item effects and the factors for stars are fitted")
        ranking = ranking_model(train, coded, settings)
        say("the factors for the order are fitted")
        kept_back = coded.ratings.where(drawn).withColumn("held", held)
        scorer, metrics = _calibrated(model, ranking, vectors, kept_back, items, scale)
        users, history = Vocab(np.zeros(0, np.int64)), None
        if include_users:
            scorer = fold_users(scorer, coded.ratings, coded.n_users, f"{place}/vectors")
            users = vocab_of(coded.users, coded.n_users)
            say("known users have their vectors")
            if include_history or (include_history is None and coded.n_ratings <= _MOST_HISTORY):
                history = history_of(coded.ratings, coded.n_users)
        metrics["seconds"] = time.perf_counter() - started
        metadata = TrainingMetadata(
            {"model": "als", **asdict(settings)}, metrics, [],
            {"hf-cf": __version__} | installed_versions("pyspark", "torch", "pandas"),
            hardware=f"Apache Spark {df.sparkSession.version}",
        )  # fmt: skip
        items_table = Catalogue(items, _catalogue(coded, items, catalogue))
        rec = Recommender(
            TrainedModel(
                scorer,
                users,
                items_table,
                history,
                source=source or DataSource(),
                metadata=metadata,
            )
        )

    def save() -> None:
        if out is not None:
            rec.save_pretrained(out, include_users=include_users, include_history=include_history)

    save()
    if index:  # which may fail, of millions of items, when the training is safe
        rec.build_index(progress=progress)
        save()
    if out is not None:
        say(f"the model is in {out}")
    return rec


def _drawn(coded: Coded, seed: int) -> tuple[Column, Column]:
    """Whether a rating is by a user drawn for calibration, and whether it is kept back."""
    people = coded.n_users - 1
    share = min(_CALIBRATION_USERS, max(people // 5, 1))
    drawn = F.pmod(F.xxhash64(F.lit(seed), "user"), F.lit(people)) < share
    return drawn, drawn & (F.pmod(F.xxhash64(F.lit(seed), "user", "item"), F.lit(5)) == 0)


def _calibrated(
    model: BiasedFactorization,
    ranking: ImplicitALS | None,
    vectors: torch.Tensor,
    kept_back: DataFrame,
    items: Vocab,
    scale: RatingScale,
) -> tuple[Scorer, dict[str, float]]:
    """Both heads, still without users, and how well they predict what was kept back."""
    table = kept_back.orderBy("user", "item").toArrow()
    held = table["held"].to_numpy()
    names, owners = np.unique(table["user"].to_numpy(), return_inverse=True)
    drawn = Ratings(
        (owners + 1).astype(np.int32),
        table["item"].to_numpy().astype(np.int32),
        table["rating"].to_numpy().astype(np.float32),
        Vocab(names),
        items,
        pd.DataFrame(),
        scale=scale,
    )
    given, asked = History.from_ratings(drawn.take(~held)), drawn.take(held)
    head = None
    if ranking is not None:
        head = RankingHead(ranking, ranking.average_user[None].clone())
    prior = UserPrior.from_vectors(vectors, 1.0)
    if len(asked):
        for _ in range(2):  # a first guess of the noise, from the prior that it is a part of
            errors = _errors(Scorer(RatingHead(model, prior), head, scale), given, asked)
            prior = UserPrior.from_vectors(vectors, float(errors.square().mean()))
    prior = calibrated_prior(model, vectors, asked, prior.noise or 1.0)
    scorer = Scorer(RatingHead(model, prior), head, scale)
    metrics = {}
    if len(asked):
        errors = _errors(scorer, given, asked)
        mse = float(errors.square().mean())
        metrics = {
            "valid_mse": mse, "valid_rmse": mse**0.5, "valid_mae": float(errors.abs().mean())
        }  # fmt: skip
    return scorer, metrics


def _errors(scorer: Scorer, given: History, asked: Ratings) -> torch.Tensor:
    vectors = scorer.vectors(Visitors(given))
    stars = scorer.stars(vectors.rating[asked.user_codes], scorer.rows(asked.item_codes))
    return stars - torch.from_numpy(asked.stars)


def _catalogue(coded: Coded, items: Vocab, catalogue: DataFrame | None) -> pd.DataFrame:
    known = None
    if catalogue is not None:
        if "id" not in catalogue.columns:
            in_code_order(pd.DataFrame(), items, default_title=True)  # says what is missing
        # An id of the catalogue that the ratings' type cannot hold is none of theirs.
        own = catalogue.withColumn("id", F.col("id").try_cast(coded.items.schema["id"].dataType))
        known = own.join(coded.items, "id", "left_semi").toArrow().to_pandas()
    counts = np.zeros(coded.n_items, np.int64)
    found = coded.ratings.groupBy("item").count().toArrow()
    counts[found["item"].to_numpy()] = found["count"].to_numpy()
    return in_code_order(known, items, default_title=True).assign(n_ratings=counts[1:])


@contextmanager
def _staging(place: str | None) -> Iterator[str]:
    """A folder of its own for intermediate files, deleted afterwards."""
    if place is None:
        with tempfile.TemporaryDirectory(prefix=_OWN) as folder:
            yield Path(folder).as_uri()
        return
    path = f"{place.rstrip('/')}/{_OWN}{uuid4().hex}"
    try:
        yield path
    finally:
        _delete(path)


def _delete(path: str) -> None:
    """Delete a folder through pyarrow, which knows the file systems that Spark writes to."""
    try:
        if "://" not in path:
            path = Path(path).absolute().as_uri()
        files, folder = FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", path))
        files.delete_dir(folder)
    except (OSError, ValueError, pa.ArrowException) as error:
        warnings.warn(f"the intermediate files in {path} are left: {error}", stacklevel=2)


def _speaker(progress: bool) -> Callable[[str], None]:
    started = time.perf_counter()

    def say(text: str) -> None:
        if progress:
            print(f"[{time.perf_counter() - started:5.0f} s] {text}", flush=True)

    return say
