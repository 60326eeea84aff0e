"""An alternation on the executors is that of one machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyspark.sql import SparkSession

import hf_cf
from hf_cf.evaluation.baselines import chosen_damping
from hf_cf.models import ImplicitALS
from hf_cf.models.ranking import effective_number, row_weights
from hf_cf.spark.alternation import AlternationState, Stars, alternated
from hf_cf.spark.blocks import HeldOut
from hf_cf.spark.coding import check, encode, plain_table
from hf_cf.training import settings_for
from hf_cf.training.ranking import ExpectedFactors
from hf_cf.training.rating_rows import rating_rows

pytestmark = pytest.mark.slow

NAMES = {name: name for name in ("user", "item", "rating", "timestamp")}


def test_both_heads_are_those_of_one_machine(
    spark: SparkSession, sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    df = spark.createDataFrame(pa.Table.from_pandas(sample.to_frame()))
    table = plain_table(df, "user", "item", "rating")
    coded = encode(table, check(table, NAMES, sample.scale), str(tmp_path / "staging"), cores=2)
    held_out = HeldOut(seed=3, share=0.5)
    kept = ~held_out.among(sample.user_codes, sample.item_codes)
    assert 0.85 < kept.mean() < 0.95
    train = sample.take(kept)
    generator = torch.Generator().manual_seed(0)
    drawn = 0.1 * torch.randn(len(sample.items), 15, generator=generator)
    settings = settings_for("als", n_factors=6)
    stars = Stars(drawn[:, :7], float(train.stars.mean()), chosen_damping(train), settings)
    curve = [0.1, 0.1, 0.6, 0.9, 1.0]
    ranking = ImplicitALS(
        len(sample.items), factors=8, preference=[-0.5, -0.5, 0.4, 0.8, 1.0], weight=curve,
        unobserved=0.2, regularization=0.03, exponent=1.0, effective_items=100.0,
    )  # fmt: skip
    ranking.set_items(drawn[:, 7:])

    rows = rating_rows(train, "cpu")
    users = stars.half(rows.by_user, stars.items, stars.damping.user)
    expected = stars.half(rows.by_item, users, stars.damping.item)
    by_user, by_item = (
        ranking.graded(each.indptr, each.columns, each.values)
        for each in (rows.by_user, rows.by_item)
    )
    choosers = ranking.solve(by_user, ranking.item_factors, ranking.gram, 100.0)
    featured = ExpectedFactors(drawn[:, 3:11] * 5, share=0.6, weight=20.0)
    before = ranking.item_factors.clone()
    for side in (featured, None):
        means = None if side is None else side.means(row_weights(by_item))
        gram = 0.2 * choosers.T @ choosers
        wanted = ranking.solve(by_item, choosers, gram, effective_number(by_user), means)
        ranking.set_items(before)
        ranking.settings["effective_items"] = 100.0
        found = alternated(AlternationState(stars, ranking), coded, held_out, 3, side)
        assert found.stars is not None and found.ranking is not None
        np.testing.assert_allclose(found.stars.items, expected, atol=2e-4)
        np.testing.assert_allclose(found.ranking.item_factors, wanted, atol=2e-4)
        assert found.ranking.settings["effective_items"] == pytest.approx(effective_number(by_item))
