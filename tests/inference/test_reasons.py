"""Reasons on cards are likes that matter, and not the same ones on every card."""

from __future__ import annotations

import numpy as np

from hf_cf.inference.reasons import speaking


def test_likes_with_an_effect_that_matters_are_named() -> None:
    effects = np.array([[0.5, 0.9, 0.05, 0.3]], np.float32)
    liked = np.array([True, False, True, True])
    chosen = speaking(effects, np.ones((1, 4), np.float32), liked, 3, least=0.02)
    assert chosen.tolist() == [[0, 3, -1]]  # 0.05 is less than a fifth of the largest


def test_small_and_falling_effects_are_no_reasons() -> None:
    effects = np.array([[0.01, -0.4]], np.float32)
    chosen = speaking(effects, np.ones((1, 2), np.float32), np.ones(2, bool), 2, least=0.02)
    assert chosen.tolist() == [[-1, -1]]


def test_the_nearer_and_the_less_named_go_first() -> None:
    effects = np.full((2, 2), 0.3, np.float32)
    likeness = np.array([[0.8, 0.5], [0.8, 0.5]], np.float32)
    assert speaking(effects, likeness, np.ones(2, bool), 1, 0.02).tolist() == [[0], [1]]
