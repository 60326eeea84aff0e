"""The evaluation of a trained model, checked through its public face."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from altered import altered

import hf_cf
from hf_cf.evaluation import Evaluation, evaluate
from hf_cf.evaluation.baselines import damped_biases, item_mean
from hf_cf.evaluation.protocol import default_threshold


@pytest.fixture(scope="module")
def split(sample: hf_cf.Ratings) -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    return sample.split(seed=0)


@pytest.fixture(scope="module")
def evaluation(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> Evaluation:
    return evaluate(trained, None, split[1], resamples=200)


def test_rating_error_is_that_of_predict(
    trained: hf_cf.Recommender,
    split: tuple[hf_cf.Ratings, hf_cf.Ratings],
    evaluation: Evaluation,
) -> None:
    table = split[1].to_frame()
    error = trained.predict(table["user"], table["item"]) - table["rating"].to_numpy()
    assert evaluation.value("rmse") == pytest.approx(np.sqrt(np.mean(error**2.0)), rel=1e-6)
    assert evaluation.value("mae") == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert evaluation.value("mse") == pytest.approx(evaluation.value("rmse") ** 2)


def test_baselines_stand_beside_the_model(
    split: tuple[hf_cf.Ratings, hf_cf.Ratings], evaluation: Evaluation
) -> None:
    train, test = split
    for system, build in (("item mean", item_mean), ("damped biases", damped_biases)):
        error = build(train).predict(test.user_codes, test.item_codes) - test.stars
        expected = np.sqrt(np.mean(error**2.0))
        assert evaluation.value("rmse", system) == pytest.approx(expected, rel=1e-5)
    table = evaluation.to_frame()
    systems = table[table["metric"] == "ndcg@10"]["system"].tolist()
    assert systems == ["model", "most popular", "item mean", "damped biases"]


def test_ranking_is_that_of_recommend(
    trained: hf_cf.Recommender,
    split: tuple[hf_cf.Ratings, hf_cf.Ratings],
    evaluation: Evaluation,
) -> None:
    held_out = split[1].to_frame()
    liked = held_out[held_out["rating"] >= 4].groupby("user")["item"].agg(set)
    discounts = 1 / np.log2(np.arange(2, 12))
    shown = trained.recommend(user=list(liked.index), n=10).groupby("user")["item"]
    values = []
    for user, items in liked.items():
        hits = shown.get_group(user).isin(items).to_numpy()
        values.append(hits @ discounts / discounts[: len(items)].sum())
    assert evaluation.value("ndcg@10") == pytest.approx(np.mean(values))
    assert evaluation.protocol["users_ranked"] == len(liked)
    by_popularity = evaluation.value("ndcg@10", "most popular")
    assert 0 < by_popularity < 1


def test_most_popular_by_hand(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    train, test = (part.to_frame() for part in split)
    popular = train[train["rating"] >= 4].groupby("item").size()
    liked = test[test["rating"] >= 4].groupby("user")["item"].agg(set)
    recalls = []
    for user, items in liked.items():
        seen = set(train[train["user"] == user]["item"])
        order = sorted((i for i in split[0].items.ids if i not in seen),
                       key=lambda item: (-popular.get(item, 0), item))  # fmt: skip
        recalls.append(len(items & set(order[:5])) / len(items))
    found = evaluate(trained, None, split[1], k=5, resamples=0)
    assert found.value("recall@5", "most popular") == pytest.approx(np.mean(recalls))


def test_groups_add_up_to_the_whole(evaluation: Evaluation) -> None:
    table = evaluation.to_frame()
    mse = table[(table["metric"] == "mse") & (table["system"] == "model")]
    for by in ("user activity", "item popularity"):
        groups = mse[mse["by"] == by]
        assert len(groups) > 1
        assert groups["count"].sum() == evaluation.protocol["test_ratings"]
        weighted = np.average(groups["value"], weights=groups["count"])
        assert weighted == pytest.approx(evaluation.value("mse"))


def test_a_group_s_error_by_hand(
    split: tuple[hf_cf.Ratings, hf_cf.Ratings], trained: hf_cf.Recommender
) -> None:
    train, test = split
    found = evaluate(trained, None, test, item_edges=(5, 40), resamples=0)
    rare = (train.item_counts()[test.item_codes] >= 5) & (train.item_counts()[test.item_codes] < 40)
    error = item_mean(train).predict(test.user_codes, test.item_codes)[rare] - test.stars[rare]
    value = found.value("mae", "item mean", "item popularity", "5 to 39")
    assert value == pytest.approx(np.abs(error).mean(), rel=1e-5)


def test_it_is_the_same_with_the_training_ratings_as_with_the_model_s_history(
    trained: hf_cf.Recommender,
    split: tuple[hf_cf.Ratings, hf_cf.Ratings],
    evaluation: Evaluation,
) -> None:
    shuffled = split[0].take(np.random.default_rng(0).permutation(len(split[0])))
    again = hf_cf.Ratings.from_frame(shuffled.to_frame(), scale=shuffled.scale)
    found = evaluate(trained, again, split[1], resamples=200).to_frame()
    pd.testing.assert_frame_equal(found, evaluation.to_frame())


def test_held_out_ratings_that_were_trained_on_are_left_out_with_a_warning(
    trained: hf_cf.Recommender, sample: hf_cf.Ratings, evaluation: Evaluation
) -> None:
    with pytest.warns(UserWarning, match="in the training ratings"):
        found = evaluate(trained, None, sample, resamples=200)
    assert found.value("ndcg@10") == evaluation.value("ndcg@10")
    assert found.value("rmse") == pytest.approx(evaluation.value("rmse"))
    assert found.protocol["left_out_known"] == len(sample) - found.protocol["test_ratings"]


def test_new_users_are_left_out_and_new_items_count_as_missed(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    frame = split[1].to_frame().drop(columns="timestamp")
    user = frame["user"].iloc[0]
    own = frame[(frame["user"] == user) & (frame["rating"] >= 4)]
    before = evaluate(
        trained, None, hf_cf.Ratings.from_frame(own, scale=split[1].scale), resamples=0
    )
    added = pd.DataFrame(
        {"user": [user, 987654], "item": [987654, frame["item"].iloc[0]], "rating": [5.0, 5.0]}
    )
    more = hf_cf.Ratings.from_frame(pd.concat([own, added]), scale=split[1].scale)
    after = evaluate(trained, None, more, resamples=0)
    assert after.protocol["left_out_new_users"] == 1
    assert after.protocol["users"] == 1
    expected = before.value("recall@10") * len(own) / (len(own) + 1)
    assert after.value("recall@10") == pytest.approx(expected)


def test_options_reach_recommend(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings], evaluation: Evaluation
) -> None:
    found = evaluate(trained, None, split[1], resamples=0, include_rated=True)
    assert found.protocol["recommend"] == {"include_rated": True}
    assert found.value("ndcg@10") < evaluation.value("ndcg@10")
    assert found.value("ndcg@10", "most popular") == evaluation.value("ndcg@10", "most popular")


def test_without_history_it_asks_for_the_training_ratings(
    trained: hf_cf.Recommender,
    split: tuple[hf_cf.Ratings, hf_cf.Ratings],
    evaluation: Evaluation,
) -> None:
    rec = altered(trained, history=None)
    with pytest.raises(ValueError, match="give the ratings that it was trained on"):
        evaluate(rec, None, split[1])
    found = evaluate(rec, split[0], split[1], resamples=0)
    assert rec.history is None
    assert found.value("ndcg@10") == evaluation.value("ndcg@10")


def test_without_history_other_training_ratings_are_noticed_by_the_catalogue_s_counts(
    trained: hf_cf.Recommender, sample: hf_cf.Ratings
) -> None:
    rec = altered(trained, history=None)
    with pytest.warns(UserWarning, match="not the ratings that the model was trained on"):
        evaluate(rec, *sample.split(seed=1), resamples=0)


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_split_of_the_training_gives_no_warning(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    rec = altered(trained, history=None)
    evaluate(rec, *split, resamples=0)
    evaluate(trained, None, split[1], resamples=0)


def test_nothing_left_to_measure_on_is_an_error(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    with pytest.raises(ValueError, match="in the training ratings"):
        evaluate(trained, None, split[0])


def test_without_a_relevant_rating_there_is_error_but_no_ranking(
    trained: hf_cf.Recommender, split: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    found = evaluate(trained, None, split[1], relevant_from=99, resamples=0)
    assert found.protocol["users_ranked"] == 0
    assert found.value("rmse") > 0
    with pytest.raises(KeyError):
        found.value("ndcg@10")


def test_it_becomes_json_and_back(evaluation: Evaluation) -> None:
    found = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    table = pd.DataFrame(found["measurements"])
    pd.testing.assert_frame_equal(table, evaluation.to_frame(), check_dtype=False)
    assert found["protocol"]["k"] == 10
    assert "ndcg@10" in repr(evaluation)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1, 5, 4), (0.5, 5, 4), (1, 10, 8), (0, 100, 80), (0, 1, 0.8), (-10, 10, 6)],
)
def test_four_of_five_on_other_scales(low: float, high: float, expected: float) -> None:
    assert default_threshold(hf_cf.RatingScale(low, high, 0.5)) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:these are not the ratings")
def test_training_ratings_that_say_otherwise_than_the_history_do_not_hide_a_leak(
    trained: hf_cf.Recommender, sample: hf_cf.Ratings
) -> None:
    train, test = sample.split(seed=1)
    with pytest.warns(UserWarning, match="in the training ratings"):
        found = evaluate(trained, train, test, resamples=0)
    assert found.protocol["test_ratings"] < 0.3 * len(test)
