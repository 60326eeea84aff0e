"""Ratings in a Spark DataFrame to a `Recommender`."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from hf_cf import __version__
from hf_cf.data.catalogue import Catalogue
from hf_cf.data.guesses import Feedback
from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings, in_code_order
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.data.words import noun_of_columns
from hf_cf.inference.metadata import TrainingMetadata, installed_versions
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.star_errors import star_errors
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.updates import with_user_vectors
from hf_cf.inference.users import Visitors
from hf_cf.models.threads import limited_to, usable_threads
from hf_cf.recommender import Recommender
from hf_cf.spark.blocks import HeldOut
from hf_cf.spark.coding import Coded, check, encode, plain_table
from hf_cf.spark.executors import cores_with_hf_cf
from hf_cf.spark.factorization import SparkSettings, sampled, trained
from hf_cf.spark.vectors import fold_users
from hf_cf.training.against_biases import chosen_biases, compared
from hf_cf.training.report import with_report

_CALIBRATION_USERS = 500
_MOST_HISTORY = 50_000_000
_OWN = "hf-cf-staging-"


def fit(
    df: DataFrame,
    *,
    user: str = "user",
    item: str = "item",
    rating: str | None = "rating",
    timestamp: str | None = None,
    feedback: Feedback = "explicit",
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

    Spark checks the ratings, numbers the ids and cuts the ratings into blocks of users. The driver
    trains both heads on the ratings of a sample of users, or on all if there are no more, as on
    one machine; the executors then alternate over all ratings. A fifth of the ratings of up to 500
    users is held out, for the metrics and to calibrate what is known of a visitor. Known users are
    folded in by the lines that serve visitors.

    Parameters
    ----------
    df : DataFrame
        One row a rating.
    user, item, rating : str
        Names of its columns. Ids are integers, text, dates or flags. With ``rating=None`` each row
        is a like.
    timestamp : str, optional
        The column that says when; of a user's ratings of the same item the latest counts.
    feedback : {"explicit", "implicit"}
        Whether ratings are stars, or strengths of interactions such as plays or purchases, on
        which the ranking head alone is trained. Repeated interactions add up.
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
        Whether known users are part of the model. Without them it serves visitors, and their ids
        do not reach the driver.
    include_history : bool, optional
        Whether to keep who rated what, for leaving out what a user has seen. Where not given, it
        is kept with known users up to 50 million ratings. It goes into the folder `out` if
        the data may be redistributed, or if it is asked for.
    index : bool
        Whether to index the items, as `Recommender.build_index` does.
    staging : str, optional
        A folder or address for intermediate Parquet files, which Spark's driver and all executors
        see; emptied afterwards. A temporary folder where not given, which is enough for one
        machine.
    progress : bool
        Whether to print what is being done.

    Returns
    -------
    Recommender
        With ``metrics`` over the ratings that were held out.

    Raises
    ------
    DataFormatError
        A column is missing, of a wrong type, or has a value that is missing, no rating, out of
        scale or given twice. The message names it.
    ImportError
        An executor lacks hf_cf, or has another version.

    Examples
    --------
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()             # doctest: +SKIP
    >>> rec = hf_cf.spark.fit(spark.read.parquet("ratings"), user="uid")  # doctest: +SKIP
    """
    settings = settings or SparkSettings()
    say = _speaker(progress)
    cores = cores_with_hf_cf(df.sparkSession)
    if rating is None:
        feedback, rating = "implicit", "rating"
        df = df.withColumn(rating, F.lit(1.0))
    table = plain_table(df, user, item, rating, timestamp)
    names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp or ""}
    found = check(table, names, scale, feedback)
    with _staging(df.sparkSession, staging) as place:
        coded = encode(table, found, place, cores=cores, feedback=feedback)
        say(
            f"{coded.n_ratings:,} ratings of {coded.n_items - 1:,} items by "
            f"{coded.n_users - 1:,} users, {coded.scale.min:g} to {coded.scale.max:g}"
            + (f"; {coded.n_repeated:,} repeated ones dropped" if coded.n_repeated else "")
        )
        started = time.perf_counter()
        known = None if catalogue is None else _known_of(catalogue, coded.items)
        items = in_code_order(known, coded.items, default_title=True)
        held_out = HeldOut(settings.seed, _share(coded.n_users - 1))
        train, valid = sampled(coded, held_out, settings, items)
        with limited_to(usable_threads()):
            scorer = trained(train, valid, coded, held_out, settings, cores, say)
            versions = {"hf-cf": __version__} | installed_versions("pyspark", "torch", "pandas")
            metadata = TrainingMetadata(
                {"model": scorer.rating.model.name, **asdict(settings)}, {}, [], versions
            )
            model = _measured(scorer, train, valid, metadata)
            say("the model is calibrated for visitors and measured")
        model.metadata.metrics["seconds"] = time.perf_counter() - started
        model = replace(
            model,
            catalogue=Catalogue(coded.items, items.assign(n_ratings=coded.item_counts[1:])),
            source=source or DataSource(noun=noun_of_columns({"item": item})),
            metadata=replace(
                model.metadata, hardware=f"Apache Spark {df.sparkSession.version}, {cores} cores"
            ),
        )
        if not include_users:
            users = Vocab(np.zeros(0, np.int64))
            model = replace(model, scorer=scorer, users=users, history=None, held_out=None)
        else:
            model = _with_users(model, coded, held_out, valid, scorer, f"{place}/vectors")
            say("known users have their vectors")
            if include_history is False or (
                include_history is None and coded.n_ratings > _MOST_HISTORY
            ):
                model = replace(model, history=None)
            elif len(train) + len(valid) < coded.n_ratings:
                model = replace(model, history=_history(coded, held_out))
        rec = Recommender(model)

    def save() -> None:
        if out is not None:
            rec.save_pretrained(out, include_users=include_users, include_history=include_history)

    save()
    if index:  # after saving, because an index of millions of items may fail
        rec.build_index(progress=progress)
        save()
    if out is not None:
        say(f"the model is in {out}")
    return rec


def _share(people: int) -> float:
    """Share of users drawn for calibration: 500, or a fifth."""
    return min(_CALIBRATION_USERS, max(people // 5, 1)) / people


def _measured(
    scorer: Scorer, train: Ratings, valid: Ratings, metadata: TrainingMetadata
) -> TrainedModel:
    """The model of the users of the sample, and how well it predicts what was held out."""
    codes = np.arange(1, len(train.users), dtype=np.int32)
    vectors = scorer.vectors(Visitors(History.from_ratings(train).take(codes)))
    scorer = with_user_vectors(scorer, len(train.users), codes, vectors)
    asked = valid if len(valid) else None
    if asked is not None and scorer.predicts_stars:
        errors = star_errors(scorer.rating.model, asked)
        metadata.metrics.update({f"valid_{name}": value for name, value in errors.items()})
        metadata.metrics.update(compared(errors["rmse"], chosen_biases(train), asked))
    model = TrainedModel.of_training(scorer, train, held_out=asked, metadata=metadata)
    return with_report(model, train, asked)


def _with_users(
    model: TrainedModel,
    coded: Coded,
    held_out: HeldOut,
    valid: Ratings,
    scorer: Scorer,
    path: str,
) -> TrainedModel:
    """The model of the sample with all known users in place of those of the sample."""
    users = coded.user_ids()
    if len(model.users) == coded.n_users:
        return replace(model, users=users)
    scorer = fold_users(scorer, coded, held_out, path)
    codes = valid.users.ids.astype(np.int32)[valid.user_codes - 1]
    asked = History.from_codes(codes, valid.item_codes, valid.stars, coded.n_users)
    return replace(model, scorer=scorer, users=users, held_out=asked)


def _history(coded: Coded, held_out: HeldOut) -> History:
    """Bring who rated what to the driver: 8 bytes a rating, and twice as much for a moment."""
    parts = [held_out.without(first, ratings) for first, ratings in coded.ratings()]
    lengths = np.concatenate([[0], *(np.diff(part.starts) for part in parts)])
    items, stars = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("items", "stars")
    )
    return History.from_lengths(lengths, items, stars)


def _known_of(catalogue: DataFrame, items: Vocab) -> pd.DataFrame:
    """What a catalogue says of the items that were rated."""
    if "id" not in catalogue.columns:
        in_code_order(pd.DataFrame(), items, default_title=True)  # says what is missing
    ids = pa.table({"id": pa.array(items.ids)})
    rated = catalogue.sparkSession.createDataFrame(ids)
    # An id that the type of the ratings' ids cannot hold is not among them.
    own = catalogue.withColumn("id", F.col("id").try_cast(rated.schema["id"].dataType))
    known: pd.DataFrame = own.join(F.broadcast(rated), "id", "left_semi").toArrow().to_pandas()
    return known


@contextmanager
def _staging(spark: SparkSession, place: str | None) -> Iterator[str]:
    """A folder of its own for intermediate files, emptied afterwards."""
    if place is None:
        with tempfile.TemporaryDirectory(prefix=_OWN) as folder:
            yield Path(folder).as_uri()
        return
    path = f"{place.rstrip('/')}/{_OWN}{uuid4().hex}"
    try:
        yield path
    finally:
        _empty(spark, path)


def _empty(spark: SparkSession, path: str) -> None:
    """Empty a folder through Spark, which reaches what it has written: a table without rows stays.

    Of a folder of this machine nothing stays.
    """
    try:
        spark.range(0).write.mode("overwrite").parquet(path)
    except Exception as error:  # an earlier one may be under way, which counts for more
        reason = str(error).strip().split("\n")[0]
        warnings.warn(f"the intermediate files in {path} are left: {reason}", stacklevel=2)
    kind, _, place = path.rpartition("://")
    if kind in ("", "file"):
        shutil.rmtree(place, ignore_errors=True)


def _speaker(progress: bool) -> Callable[[str], None]:
    started = time.perf_counter()

    def say(text: str) -> None:
        if progress:
            print(f"[{time.perf_counter() - started:5.0f} s] {text}", flush=True)

    return say
