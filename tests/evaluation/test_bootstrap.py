"""Intervals by bootstrap over users."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hf_cf.evaluation.bootstrap import ratios_of_sums


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
