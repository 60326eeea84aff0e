"""Lists of visitors are as well known as asked for, and hold nothing hard to believe."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch

import hf_cf
from hf_cf.inference.asking import visitors_of
from hf_cf.inference.top_n import Familiarity

LEVELS = get_args(Familiarity)
VISITORS: list[dict[str, float]] = [
    {},
    {"Alien (1979)": 5, "Blade Runner (1982)": 4.5},
    {"Notting Hill (1999)": 5, "Titanic (1997)": 4, "Alien (1979)": 1},
    {"Matrix, The (1999)": 0.5, "Star Wars: Episode IV - A New Hope (1977)": 0.5},
]
FILTERS: list[dict[str, Any]] = [{}, {"genres": ["Comedy"]}, {"years": (1990, 1999)}]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("ratings", VISITORS)
def test_the_words_hold_for_every_visitor_and_filter(
    trained: hf_cf.Recommender, ratings: dict[str, float], filters: dict[str, Any], level: Any
) -> None:
    shown = trained.recommend(ratings=ratings, n=20, familiarity=level, **filters)
    assert len(shown)
    counts = trained.catalogue.set_index("id")["n_ratings"]
    of_shown, falling = counts[shown["item"]], counts.sort_values(ascending=False)
    half = falling.iloc[int((falling.cumsum() < falling.sum() / 2).sum())]
    if level == "favourites":
        assert of_shown.min() >= half
    if level == "hidden_gems":
        assert of_shown.max() <= half
    model = trained.trained
    who, _ = visitors_of(model, ratings)
    vector = model.scorer.vectors(who).rating
    usual = model.scorer.rating.model.stars_grid(vector)[0, 1:].numpy(force=True)
    usual = np.average(usual, weights=trained.catalogue["n_ratings"])
    assert shown["stars"].min() > usual - 0.05  # the model looks at 256 of the items
    series = [model.catalogue.series_of(code) for code in trained.items.encode(shown["item"])]
    assert len(set(series)) == len(series)
    assert level == "mix" or shown["score"].is_monotonic_decreasing


@pytest.mark.parametrize("ratings", VISITORS)
def test_a_mix_differs_from_favourites(
    trained: hf_cf.Recommender, ratings: dict[str, float]
) -> None:
    mix, favourites, gems = (
        set(trained.recommend(ratings=ratings, n=12, familiarity=level)["item"])
        for level in ("mix", "favourites", "hidden_gems")
    )
    assert not favourites & gems
    assert len(mix - favourites) >= 6


def test_nothing_like_what_is_disliked(trained: hf_cf.Recommender) -> None:
    disliked = [
        "Star Wars: Episode IV - A New Hope (1977)",
        "Alien (1979)",
        "Terminator, The (1984)",
    ]
    plain = trained.recommend(ratings=dict.fromkeys(disliked, 0.5), n=500)
    shown = trained.recommend(ratings=dict.fromkeys(disliked, 0.5), n=100, familiarity="mix")
    sequels = ["Aliens (1986)", "Star Wars: Episode V - The Empire Strikes Back (1980)"]
    assert set(sequels) <= set(plain["title"])
    assert not set(sequels) & set(shown["title"])
    model, codes = trained.trained, torch.from_numpy(trained.items.encode(shown["item"])).long()
    near = (
        model.similarity.vectors(codes)
        @ model.similarity.vectors(torch.from_numpy(model.catalogue.codes(disliked)).long()).T
    )
    assert near.max() < 0.25


def test_several_visitors_get_the_lists_of_each(trained: hf_cf.Recommender) -> None:
    rows = [(at, item, stars) for at, own in enumerate(VISITORS) for item, stars in own.items()]
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    together = trained.recommend(ratings=table, n=8, familiarity="mix")
    for at, own in enumerate(VISITORS[1:], 1):
        alone = trained.recommend(ratings=own, n=8, familiarity="mix")
        assert together[together["user"] == at]["item"].tolist() == alone["item"].tolist()


def test_known_users_and_diversity_and_rated_items(trained: hf_cf.Recommender) -> None:
    user = trained.users.ids[0]
    shown = trained.recommend(user, n=10, familiarity="mix", diversity=0.3)
    assert shown["item"].is_unique
    assert len(shown) == 10
    again = trained.recommend(ratings=VISITORS[1], familiarity="mix", n=50, include_rated=True)
    assert "Alien (1979)" in set(again["title"])


def test_another_word_is_refused(trained: hf_cf.Recommender) -> None:
    with pytest.raises(ValueError, match="choose from favourites, mix, lesser_known, hidden_gems"):
        trained.recommend(ratings={}, familiarity="famous")  # type: ignore[arg-type]
