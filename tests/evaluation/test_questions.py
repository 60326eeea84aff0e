"""Ways of asking: who is asked about what, what is answered, and what follows from it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hf_cf
from hf_cf.evaluation import Questions, cold_start, questions
from hf_cf.training import fit

SYSTEMS = ["model", "at random", "most popular", "most controversial"]


@pytest.fixture(scope="module")
def halves(sample: hf_cf.Ratings) -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    often = np.argsort(-sample.item_counts())[:60]
    few = hf_cf.Ratings.from_frame(sample.take(np.isin(sample.item_codes, often)).to_frame())
    return few.split(0.15, seed=0, by="user")


@pytest.fixture(scope="module")
def rec(halves: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> hf_cf.Recommender:
    return fit(*halves, epochs=2, progress=False)


@pytest.fixture(scope="module")
def found(rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> Questions:
    return questions(rec, *halves, asked=(0, 3, 6))


def test_every_way_is_measured_at_every_point(found: Questions) -> None:
    assert found.table["asked"].tolist() == [0] * 4 + [3] * 4 + [6] * 4
    assert found.table["system"].tolist() == SYSTEMS * 3
    with pytest.raises(KeyError, match="'retrained' was not measured with 3"):
        found.value("rmse", 3, "retrained")


def test_nothing_asked_is_the_cold_start_without_ratings(
    rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings], found: Questions
) -> None:
    start = cold_start(rec, *halves, given=(0,))
    for system in SYSTEMS:
        assert found.value("answered", 0, system) == 0
        for metric in ("rmse", "ndcg"):
            assert found.value(metric, asked=0, system=system) == start.value(metric, 0)


def test_asking_about_everything_is_the_cold_start_with_all_ratings(
    rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    train, test = halves
    two = test.take(np.isin(test.user_codes, np.unique(test.user_codes)[:2]))
    everything = len(rec.items) - 1
    found = questions(rec, train, two, asked=(everything,))
    start = cold_start(rec, train, two, given=(everything,))
    for system in SYSTEMS:
        for metric in ("rmse", "ndcg"):
            value = found.value(metric, everything, system)
            assert value == pytest.approx(start.value(metric, everything), abs=1e-4)


def test_popular_and_controversial_are_counted_in_the_training_ratings(
    halves: tuple[hf_cf.Ratings, hf_cf.Ratings], found: Questions
) -> None:
    train, test = halves
    ratings = train.to_frame().groupby("item")["rating"]
    ways = {
        "most popular": ratings.count(),
        "most controversial": ratings.count() * ratings.var(ddof=0),
    }
    test = test.take(np.random.default_rng(0).permutation(len(test)))
    for way, scores in ways.items():
        asked = set(scores.sort_values(ascending=False, kind="stable").index[:6])
        answered = []
        for _, own in test.to_frame().groupby("user"):
            answered.append(len(asked & set(own["item"].iloc[: len(own) // 2])))
        assert found.value("answered", 6, way) == pytest.approx(np.mean(answered))


def test_what_was_found_is_plain_json(found: Questions) -> None:
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()
    assert found.protocol["test_users"] > 0


def test_people_of_the_training_are_refused(rec: hf_cf.Recommender, sample: hf_cf.Ratings) -> None:
    with pytest.raises(ValueError, match="--split user"):
        questions(rec, *sample.split(seed=0))
