"""Cold start: the protocol against counting by hand, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hf_cf
from hf_cf.evaluation import ColdStart, cold_start
from hf_cf.training import fit

GIVEN = (0, 2, 10)


@pytest.fixture(scope="module")
def halves(sample: hf_cf.Ratings) -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    return sample.split(0.15, seed=0, by="user")


@pytest.fixture(scope="module")
def rec(halves: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> hf_cf.Recommender:
    return fit(*halves, epochs=2, progress=False)


@pytest.fixture(scope="module")
def found(rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> ColdStart:
    return cold_start(rec, *halves, given=GIVEN)


def test_every_system_is_measured_at_every_point(found: ColdStart) -> None:
    systems = ["model", "with profile", "item mean", "damped biases", "most popular"]
    assert found.table["system"].tolist() == systems * len(GIVEN)
    assert found.table["given"].unique().tolist() == list(GIVEN)
    with pytest.raises(KeyError, match="'retrained' was not measured with 2"):
        found.value("rmse", 2, "retrained")


def test_errors_are_those_of_predict_and_of_means(
    rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings], found: ColdStart
) -> None:
    train, test = halves
    test = test.take(np.random.default_rng(0).permutation(len(test)))
    errors: dict[str, list[float]] = {"model": [], "item mean": []}
    table = train.to_frame()
    overall, means = table["rating"].mean(), table.groupby("item")["rating"].mean()
    for _, own in test.to_frame().groupby("user"):
        half = len(own) // 2
        given, rest = own.iloc[: min(2, half)], own.iloc[half:]
        stars = rec.predict(items=rest["item"], ratings=given[["item", "rating"]])
        errors["model"] += (stars - rest["rating"]).tolist()
        errors["item mean"] += (rest["item"].map(means).fillna(overall) - rest["rating"]).tolist()
    for system, of_ratings in errors.items():
        expected = np.sqrt(np.mean(np.square(of_ratings)))
        assert found.value("rmse", 2, system) == pytest.approx(expected, abs=1e-5)


def test_popularity_is_the_same_for_all_and_mean_does_not_learn(found: ColdStart) -> None:
    assert found.value("rmse", 0, "item mean") == found.value("rmse", 10, "item mean")
    assert found.value("rmse", given=10) < found.value("rmse", 0)
    assert found.value("ndcg", 10) > found.value("ndcg", 10, "most popular")


def test_retraining_sees_the_given_ratings(
    rec: hf_cf.Recommender, halves: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    train, test = halves
    sizes = []

    def retrain(both: hf_cf.Ratings) -> hf_cf.Recommender:
        sizes.append(len(both))
        return fit(both, None, epochs=1, n_factors=5, ranking=None, progress=False)

    found = cold_start(rec, train, test, given=(0, 3), retrain=retrain)
    assert sizes == [len(train) + 3 * found.protocol["test_users"]]
    assert 0 < found.value("rmse", 3, "retrained") < 2


def test_what_was_found_is_plain_json(found: ColdStart) -> None:
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()


def test_people_of_the_training_are_refused(rec: hf_cf.Recommender, sample: hf_cf.Ratings) -> None:
    with pytest.raises(ValueError, match="--split user"):
        cold_start(rec, *sample.split(seed=0))
