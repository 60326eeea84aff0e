"""The best few of many scores, against sorting and against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_cf.inference.top_n import (
    ListOptions,
    choose,
    discount_popularity,
    diversify,
    hide_rated,
    top_n,
)


@given(
    rows=st.integers(1, 4),
    width=st.integers(1, 1500),
    n=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_the_best_are_those_that_sorting_finds(rows: int, width: int, n: int, seed: int) -> None:
    scores = torch.rand(rows, width, generator=torch.Generator().manual_seed(seed))
    values, columns = top_n(scores, n)
    expected = scores.sort(1, descending=True).values[:, : min(n, width)]
    assert torch.equal(values, expected)
    assert torch.equal(scores.gather(1, columns), expected)


def test_what_is_hidden_comes_last() -> None:
    scores = torch.full((1, 1000), -torch.inf)
    scores[0, [3, 990]] = torch.tensor([1.0, 2.0])
    values, columns = top_n(scores, 5)
    assert columns[0, :2].tolist() == [990, 3]
    assert torch.isinf(values[0, 2:]).all()


def test_each_rows_rated_items_are_hidden_from_that_row_only() -> None:
    scores = torch.zeros(2, 4)
    hide_rated(scores, [np.array([1, 3], np.int32), np.array([], np.int32)])
    assert torch.isinf(scores[0]).tolist() == [False, True, False, True]
    assert not torch.isinf(scores[1]).any()


def test_full_novelty_asks_ten_times_the_score_for_a_hundred_times_the_ratings() -> None:
    log_popularity = torch.log1p(torch.tensor([99.0, 9999.0]))
    found = discount_popularity(torch.tensor([[1.0, 10.0]]), log_popularity, 1.0)
    torch.testing.assert_close(found[0, 0], found[0, 1])


def test_novelty_leaves_scores_below_zero_last() -> None:
    found = discount_popularity(torch.tensor([[-1.0, 0.001]]), torch.tensor([0.0, 9.0]), 1.0)
    assert found[0, 0] == -1
    assert found[0, 1] > 0


def test_without_diversity_the_order_of_the_scores_stays() -> None:
    vectors = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert diversify(torch.arange(6.0).flip(0), vectors, 4, 0.0).tolist() == [0, 1, 2, 3]


def test_with_diversity_the_twin_of_a_pick_gives_way() -> None:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # By hand: the twin has 0.5 * 0.9 - 0.5 * 1 = -0.05, the other film 0.5 * 0 - 0.5 * 0 = 0.
    assert diversify(torch.tensor([1.0, 0.9, 0.0]), vectors, 3, 0.5).tolist() == [0, 2, 1]


def test_nobody_is_given_what_does_not_exist() -> None:
    scores = torch.tensor([[-torch.inf, 1.0, 2.0]])
    for choice in (ListOptions(), ListOptions(diversity=0.5), ListOptions(novelty=0.5)):
        rows, columns, _ = choose(
            scores.clone(),
            [np.array([2], np.int32)],
            3,
            choice,
            torch.zeros(3),
            torch.eye(3).__getitem__,
        )
        assert (rows.tolist(), columns.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    "wrong", [{"order_by": "fame"}, {"novelty": -0.1}, {"novelty": 2}, {"diversity": 1.5}]
)
def test_a_choice_out_of_its_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ListOptions(**wrong)
