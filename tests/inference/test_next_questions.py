"""Which items visitors are asked about: what an answer tells, and what must not be asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from altered import with_scorer
from small_models import N_ITEMS, every_model, small_model

import hf_cf
from hf_cf.errors import UnknownItem
from hf_cf.inference.questions import Uncertainty, chances, choose_questions, next_questions
from hf_cf.models import UserPrior, posterior_root, predictive_variance

RATED = torch.tensor([2, 7])
OTHERS = torch.tensor([i for i in range(1, N_ITEMS) if i not in (2, 7)])


def prior_of(size: int) -> UserPrior:
    generator = torch.Generator().manual_seed(1)
    mix = torch.randn(size, size, generator=generator)
    mean = 0.3 * torch.randn(size, generator=generator)
    return UserPrior(mean, mix @ mix.T / size + torch.eye(size), noise=1.0)


@every_model
def test_an_answer_removes_as_much_variance_as_refitting_with_it_does(case: str) -> None:
    model = small_model(case)
    prior = prior_of(model.vector_size)
    at = prior.mean + 0.1
    weights = torch.linspace(1, 3, len(OTHERS))
    weights /= weights.sum()
    root = posterior_root(model, prior, at, RATED)
    _, gradients = model.stars_and_gradients(at.expand(len(OTHERS), -1), OTHERS)
    predicted = Uncertainty(gradients @ root, weights).reductions()
    before = weights @ predictive_variance(model, prior, at, RATED, OTHERS)
    for row, item in enumerate(OTHERS):
        answered = torch.cat([RATED, item[None]])
        after = weights @ predictive_variance(model, prior, at, answered, OTHERS)
        assert predicted[row].item() == pytest.approx((before - after).item(), abs=2e-5)


def test_the_second_question_knows_the_answer_to_the_first() -> None:
    model = small_model("dot and biases")
    prior = prior_of(model.vector_size)
    weights = torch.full((len(OTHERS),), 1 / len(OTHERS))
    _, gradients = model.stars_and_gradients(prior.mean.expand(len(OTHERS), -1), OTHERS)

    def uncertainty(rated: torch.Tensor) -> Uncertainty:
        return Uncertainty(gradients @ posterior_root(model, prior, prior.mean, rated), weights)

    certain = torch.ones(len(OTHERS))
    chosen, gains = choose_questions([uncertainty(RATED)], certain, 3)
    rated, before = RATED, uncertainty(RATED).mean_variance()
    for row, gain in zip(chosen, gains, strict=True):
        reductions = uncertainty(rated).reductions()
        assert gain.item() == pytest.approx((reductions[row] / before).sqrt().item(), rel=1e-3)
        reductions[torch.isin(OTHERS, rated)] = 0
        assert row == reductions.argmax()
        rated = torch.cat([rated, OTHERS[row][None]])


def test_what_nobody_knows_is_not_asked() -> None:
    gradients = torch.eye(3)
    chosen, _ = choose_questions(
        [Uncertainty(gradients, torch.full((3,), 1 / 3))], torch.tensor([0.2, 0.0, 0.9]), 2
    )
    assert chosen.tolist() == [2, 0]


def test_stars_and_lists_count_alike() -> None:
    weights = torch.full((3,), 1 / 3)
    stars = Uncertainty(torch.tensor([[3.0, 0, 0], [0, 2.0, 0], [0, 0, 0.1]]), weights)
    scores = Uncertainty(torch.tensor([[0.1, 0, 0], [0, 2.0, 0], [0, 0, 3.0]]), weights)
    parts = [one.reductions() / one.mean_variance() for one in (stars, scores)]
    chosen, gains = choose_questions([stars, scores], torch.ones(3), 1)
    assert chosen.tolist() == [1]  # of the others either moves one and hardly the other
    assert gains.item() == pytest.approx(((parts[0] * parts[1])[1] ** 0.25).item())


def test_an_answer_that_may_not_come_counts_in_part() -> None:
    both_alike = Uncertainty(torch.ones(2, 1), torch.full((2,), 0.5))
    both_alike.answer(torch.tensor(0), torch.tensor(0.25))
    assert both_alike.gradients.square().flatten().tolist() == pytest.approx([0.8, 0.8])  # 1 / 1.25


def test_chances_grow_with_popularity_and_score() -> None:
    popularity = torch.tensor([0.0, 0.1, 0.5])
    assert chances(popularity, None).tolist() == popularity.tolist()
    even = chances(popularity, torch.tensor([0.1, 0.1, 0.1]))
    liked = chances(popularity, torch.tensor([0.1, 0.4, 0.1]))
    assert (even.diff() > 0).all()
    assert liked[1] > even[1]
    assert ((even >= 0) & (even < 1)).all()


def test_only_the_most_rated_are_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_cf.inference.questions.MOST_CANDIDATES", 4)
    model = small_model("als")
    hidden = torch.zeros(N_ITEMS, dtype=torch.bool)
    hidden[[0, N_ITEMS - 1]] = True
    items, chance, gains = next_questions(
        model, prior_of(model.vector_size), torch.zeros(model.vector_size),
        torch.zeros(0).long(), torch.zeros(0), torch.arange(N_ITEMS).float(), hidden, None, 9,
    )  # fmt: skip
    assert sorted(items.tolist()) == list(range(N_ITEMS - 5, N_ITEMS - 1))
    assert len(chance) == len(gains) == 4


def test_a_visitor_is_asked_about_what_they_have_not_rated(trained: hf_cf.Recommender) -> None:
    first = trained.next_questions({}, n=5)
    assert list(first.columns) == ["item", "title", "chance", "gain"]
    assert first["chance"].between(0, 1).all()
    assert first["gain"].between(0, 1).all()
    given = dict.fromkeys(first["item"][:2], 4)
    asked = first["title"][2:].tolist()
    second = trained.next_questions(given, n=20, exclude=asked)
    assert len(second) == second["item"].nunique() == 20
    assert not second["item"].isin(first["item"]).any()
    pd.testing.assert_frame_equal(second, trained.next_questions(given, n=20, exclude=asked))


def test_many_answers_later_nothing_is_left_to_ask(trained: hf_cf.Recommender) -> None:
    items = trained.items.ids
    left = trained.next_questions(dict.fromkeys(items[:-2], 3), n=10, exclude=[items[-1]])
    assert left["item"].tolist() == [items[-2]]
    assert not len(trained.next_questions({}, exclude=items))


def test_questions_need_no_ranking_head(trained: hf_cf.Recommender) -> None:
    bare = with_scorer(trained, ranking=None)
    asked = bare.next_questions({}, n=3)
    counts = trained.catalogue.set_index("id")["n_ratings"]
    expected = counts[asked["item"]].to_numpy() / (2 * counts.max())
    np.testing.assert_allclose(asked["chance"], expected, rtol=1e-5)


def test_a_wrong_question_says_what_is_wrong(trained: hf_cf.Recommender) -> None:
    with pytest.raises(ValueError, match="n is 0"):
        trained.next_questions({}, n=0)
    with pytest.raises(UnknownItem, match="Alian"):
        trained.next_questions({}, exclude=["Alian (1979)"])
    with pytest.raises(ValueError, match="is not a rating"):
        trained.next_questions({trained.items.ids[0]: 9})
