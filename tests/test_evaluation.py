"""Metrics against ranx and by hand; intervals; the evaluation of a trained model."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import hf_cf
from hf_cf.baselines import damped_biases, item_mean, same_order_for_all
from hf_cf.evaluation import Evaluation, evaluate
from hf_cf.evaluation import metrics as m
from hf_cf.evaluation.bootstrap import ratios_of_sums
from hf_cf.evaluation.groups import group_by_count
from hf_cf.evaluation.protocol import default_threshold
from hf_cf.history import History


def sets(*rows: list[int]) -> History:
    """A history that holds items without regard to stars."""
    users = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], np.int32)
    return History.from_codes(users, items, np.ones(len(items), np.float32), len(rows))


# Metrics by hand


@pytest.fixture
def by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Lists of three: hits at 1 and 3 of 2 relevant; at 2 of 4; none, in a list of one."""
    top = np.array([[7, 3, 5], [9, 2, 4], [8, 0, 0]], np.int32)
    relevant = sets([5, 7], [1, 2, 6, 8], [3])
    return m.find_hits(top, relevant), np.diff(relevant.starts)


def test_hits_are_found(by_hand: tuple[np.ndarray, np.ndarray]) -> None:
    assert by_hand[0].tolist() == [[True, False, True], [False, True, False], [False] * 3]


def test_an_empty_place_is_not_hit_by_an_unknown_item_which_counts_as_relevant() -> None:
    relevant = sets([0, 0, 4], [])
    hits = m.find_hits(np.array([[4, 0], [0, 0]], np.int32), relevant)
    assert hits.tolist() == [[True, False], [False, False]]
    assert_allclose(m.recall(hits[:1], np.diff(relevant.starts)[:1]), [1 / 3])


def test_ranking_metrics_by_hand(by_hand: tuple[np.ndarray, np.ndarray]) -> None:
    log3 = math.log2(3)
    ideal_of_2, ideal_of_3 = 1 + 1 / log3, 1 + 1 / log3 + 1 / 2
    assert_allclose(m.ndcg(*by_hand), [1.5 / ideal_of_2, 1 / log3 / ideal_of_3, 0])
    assert_allclose(m.recall(*by_hand), [1, 1 / 4, 0])
    assert_allclose(m.precision(*by_hand), [2 / 3, 1 / 3, 0])
    assert_allclose(m.average_precision(*by_hand), [(1 + 2 / 3) / 2, 1 / 2 / 4, 0])
    assert_allclose(m.reciprocal_rank(*by_hand), [1, 1 / 2, 0])


def test_what_is_shown_by_hand() -> None:
    top = np.array([[1, 2], [1, 3], [1, 0]], np.int32)
    popularity = np.array([0, 8, 4, 0, 1])
    assert m.coverage(top, n_items=5) == 3 / 4
    # Shown 0, 1, 1, 3 times: (-3 * 0 - 1 * 1 + 1 * 1 + 3 * 3) / (4 * 5)
    assert_allclose(m.gini(top, n_items=5), 9 / 20)
    # 8 users: items 1, 2 and 3 carry 0, 1 and 3 bits; nobody's item counts as one person's.
    assert_allclose(m.self_information(top, popularity, n_users=8), [1, 3, 0])
    assert m.median_popularity(top, popularity) == 8


def test_gini_is_0_for_equal_exposure_and_near_1_for_a_single_item() -> None:
    assert m.gini(np.array([[1, 2], [3, 4]]), n_items=5) == 0
    assert_allclose(m.gini(np.full((50, 1), 9), n_items=1001), 1 - 1 / 1000)


# Metrics against ranx


@pytest.mark.slow  # ranx compiles on first use
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_ranking_metrics_agree_with_ranx(data: st.DataObject) -> None:
    """Scores with ties; users without relevant items are left out; lists may be short."""
    from ranx import Qrels, Run
    from ranx import evaluate as ranx_evaluate

    n_users, n_items = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 25))
    k = data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, 4, n_items)
    seen = rng.random((n_users, n_items)) < rng.random((n_users, 1))
    relevant = ~seen & (rng.random((n_users, n_items)) < rng.random((n_users, 1)))
    seen[:, 0] = relevant[:, 0] = False
    ranked = np.flatnonzero(relevant.any(1))
    if not len(ranked):
        return
    rated = sets(*(np.flatnonzero(row).tolist() for row in seen)).take(ranked)
    liked = sets(*(np.flatnonzero(row).tolist() for row in relevant)).take(ranked)
    top = same_order_for_all(scores, rated, k)
    hits, n_relevant = m.find_hits(top, liked), np.diff(liked.starts)

    # ranx gets every unseen item; ties go to the lower code, as they must in our lists.
    run = {
        str(user): {
            str(item): float(scores[item] - item / n_items / 2)
            for item in range(1, n_items)
            if not seen[user, item]
        }
        for user in ranked
    }
    qrels = {str(user): {str(i): 1 for i in np.flatnonzero(relevant[user])} for user in ranked}
    names = [f"{name}@{k}" for name in m.RANKING_METRICS]
    expected = ranx_evaluate(Qrels(qrels), Run(run), names, return_mean=False)
    for name, metric in m.RANKING_METRICS.items():
        found = metric(hits, n_relevant)
        assert_allclose(found, np.atleast_1d(expected[f"{name}@{k}"]), atol=1e-6, err_msg=name)


@given(st.data())
def test_gini_is_half_the_relative_mean_difference(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(2, 12))
    codes = st.lists(st.integers(1, n_items - 1), min_size=1, max_size=40)
    top = np.array(data.draw(codes), np.int32)[:, None]
    shown = np.bincount(top[:, 0], minlength=n_items)[1:]
    differences = np.abs(shown[:, None] - shown)
    expected = differences.mean() / (2 * shown.mean())
    assert_allclose(m.gini(top, n_items), expected, atol=1e-12)


# Intervals


def test_intervals_are_the_same_again_and_others_with_another_seed() -> None:
    rng = np.random.default_rng(0)
    sums, counts = rng.random((50, 2)), rng.integers(1, 5, (50, 2)).astype(float)
    first, again, other = (ratios_of_sums(sums, counts, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.low, again.low) and np.array_equal(first.high, again.high)
    assert not np.array_equal(first.low, other.low)
    assert_allclose(first.value, sums.sum(0) / counts.sum(0))
    assert (first.low < first.value).all() and (first.value < first.high).all()


def test_intervals_do_not_depend_on_how_many_draws_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = np.random.default_rng(0).random((50, 2))
    whole = ratios_of_sums(sums, np.ones((50, 1)), resamples=64)
    monkeypatch.setattr("hf_cf.evaluation.bootstrap._CELLS", 350)
    parts = ratios_of_sums(sums, np.ones((50, 1)), resamples=64)
    assert_allclose(parts.low, whole.low, rtol=1e-12)
    assert_allclose(parts.high, whole.high, rtol=1e-12)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Users differ in their mean and in how much they rated; the truth is 3."""
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(200):
        counts = rng.integers(1, 30, 100).astype(float)
        means = 3 + rng.normal(0, 1, 100) + rng.normal(0, 1, 100) / np.sqrt(counts)
        found = ratios_of_sums(
            (counts * means)[:, None], counts[:, None], seed=trial, resamples=300
        )
        covered.append(found.low[0] <= 3 <= found.high[0])
    assert 0.90 <= np.mean(covered) <= 0.98


def test_a_mean_of_a_normal_sample_has_the_textbook_interval() -> None:
    sample = np.random.default_rng(0).normal(size=(1000, 1))
    found = ratios_of_sums(sample, np.ones((1000, 1)), resamples=4000)
    error = 1.96 * sample.std() / math.sqrt(1000)
    assert found.low[0] == pytest.approx(sample.mean() - error, abs=0.01)
    assert found.high[0] == pytest.approx(sample.mean() + error, abs=0.01)


def test_a_group_without_ratings_has_no_value_and_no_draws_no_interval() -> None:
    found = ratios_of_sums(np.zeros((3, 1)), np.zeros((3, 1)))
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()
    found = ratios_of_sums(np.ones((3, 1)), np.ones((3, 1)), resamples=0)
    assert found.value[0] == 1 and np.isnan(found.low[0])


# Groups and thresholds


def test_groups_begin_at_their_edges() -> None:
    groups, names = group_by_count(np.array([0, 1, 19, 20, 500]), (1, 20, 50))
    assert names == ["0", "1 to 19", "20 to 49", "50 and more"]
    assert groups.tolist() == [0, 1, 1, 2, 3]
    with pytest.raises(ValueError, match="ascend"):
        group_by_count(np.array([1]), (20, 5))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1, 5, 4), (0.5, 5, 4), (1, 10, 8), (0, 100, 80), (0, 1, 0.8), (-10, 10, 6)],
)
def test_four_of_five_on_other_scales(low: float, high: float, expected: float) -> None:
    assert default_threshold(hf_cf.RatingScale(low, high, 0.5)) == pytest.approx(expected)


# The whole


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
    rec = copy.copy(trained)
    rec.history = None
    with pytest.raises(ValueError, match="give the ratings that it was trained on"):
        evaluate(rec, None, split[1])
    found = evaluate(rec, split[0], split[1], resamples=0)
    assert rec.history is None
    assert found.value("ndcg@10") == evaluation.value("ndcg@10")


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
