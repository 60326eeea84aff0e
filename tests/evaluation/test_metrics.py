"""Metrics of lists: by hand, and against trec_eval."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hf_cf.data.history import History
from hf_cf.evaluation import metrics as m
from hf_cf.evaluation.baselines import same_order_for_all


def sets(*rows: list[int]) -> History:
    """A history that holds items without regard to stars."""
    users = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], np.int32)
    return History.from_codes(users, items, np.ones(len(items), np.float32), len(rows))


# By hand


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


def test_recall_of_a_short_list_is_a_share_of_what_it_can_hold(
    by_hand: tuple[np.ndarray, np.ndarray],
) -> None:
    assert_allclose(m.capped_recall(*by_hand), [1, 1 / 3, 0])


def test_weighted_metrics_by_hand() -> None:
    top = np.array([[7, 3, 5], [9, 2, 4]], np.int32)
    relevant = sets([5, 7], [1, 2, 6, 8])
    weights = m.inverse_propensities(np.array([0, 1, 4, 9, 0, 16, 1, 25, 100, 0]))
    assert_allclose(weights[[1, 2, 4, 5, 7, 8]], [1, 1 / 2, 1, 1 / 4, 1 / 5, 1 / 10])
    found = m.propensity_weighted(top, relevant, weights)
    assert_allclose(found["ips_recall"], [1, 0.5 / (1 + 0.5 + 1 + 0.1)])
    log3 = math.log2(3)
    first = (0.2 + 0.25 / 2) / (0.25 + 0.2 / log3)
    assert_allclose(found["ips_ndcg"], [first, (0.5 / log3) / (1 + 1 / log3 + 0.5 / 2)])


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


# Against others


TREC_NAMES = {
    "ndcg": "ndcg_cut_{k}",
    "recall": "recall_{k}",
    "precision": "P_{k}",
    "map": "map_cut_{k}",
    "mrr": "recip_rank",
}
"""What trec_eval calls our metrics."""


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_ranking_metrics_agree_with_trec_eval(data: st.DataObject) -> None:
    """Scores with ties; users without relevant items are left out; lists may be short."""
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

    # trec_eval gets the k best unseen items; ties go to the lower code, as they must in our lists.
    run = {}
    for user in ranked:
        unseen = [item for item in range(1, n_items) if not seen[user, item]]
        order = {item: float(scores[item] - item / n_items / 2) for item in unseen}
        best = sorted(unseen, key=order.__getitem__, reverse=True)[:k]
        run[str(user)] = {str(item): order[item] for item in best}
    qrels = {str(user): {str(i): 1 for i in np.flatnonzero(relevant[user])} for user in ranked}
    measures = {name.format(k=k) for name in TREC_NAMES.values()}
    expected = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    assert TREC_NAMES.keys() == m.RANKING_METRICS.keys()
    for name, metric in m.RANKING_METRICS.items():
        trec = [expected[str(user)][TREC_NAMES[name].format(k=k)] for user in ranked]
        assert_allclose(metric(hits, n_relevant), trec, atol=1e-6, err_msg=name)


@given(st.data())
def test_gini_is_half_the_relative_mean_difference(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(2, 12))
    codes = st.lists(st.integers(1, n_items - 1), min_size=1, max_size=40)
    top = np.array(data.draw(codes), np.int32)[:, None]
    shown = np.bincount(top[:, 0], minlength=n_items)[1:]
    differences = np.abs(shown[:, None] - shown)
    expected = differences.mean() / (2 * shown.mean())
    assert_allclose(m.gini(top, n_items), expected, atol=1e-12)
