"""Answers of the service are plain JSON, and those of the recommender."""

from __future__ import annotations

import json

import pytest

import hf_cf
from hf_cf.space.errors import InvalidInput
from hf_cf.space.page_functions import PageFunctions
from hf_cf.space.service import Service
from hf_cf.training import fit

RATINGS = {"Alien (1979)": 5, "Blade Runner (1982)": 4, "Notting Hill (1999)": 2}


@pytest.fixture(scope="module")
def service(trained: hf_cf.Recommender) -> Service:
    return Service(trained)


def test_cards_are_what_the_recommender_recommends(
    service: Service, trained: hf_cf.Recommender
) -> None:
    cards = json.loads(json.dumps(service.recommend(RATINGS, n=5)))
    expected = trained.recommend(ratings=RATINGS, n=5, familiarity="mix")
    assert [card["item"] for card in cards] == expected["item"].tolist()
    assert [card["stars"] for card in cards] == pytest.approx(expected["stars"].tolist())
    for card in cards:
        effects = trained.explain(card["item"], ratings=RATINGS).set_index("title")["effect"]
        for reason in card["because"]:
            assert reason["effect"] == pytest.approx(effects[reason["title"]], abs=1e-5)
            assert reason["effect"] > 0
            assert reason["rating"] >= 4


def test_search_leaves_out_what_matches_much_less(service: Service) -> None:
    def titles(text: str) -> list[str]:
        return [film["title"] for film in service.search(text)]

    assert titles("titanic") == ["Titanic (1997)"]
    assert titles("the godfther") == [
        "Godfather, The (1972)",
        "Godfather: Part II, The (1974)",
    ]
    assert titles("qqqqzzzz") == []


def test_of_an_empty_list_there_is_nothing_to_explain(small: hf_cf.Recommender) -> None:
    service, user = Service(small), small.users.ids[:1].tolist()[0]
    rare = {"min_ratings": 1_000_000, "explain": True}
    assert service.recommend({"Alien (1979)": 5, "Heat (1995)": 1}, **rare) == []
    assert service.recommend_for_user(user, **rare) == []


def test_ids_that_a_browser_would_round_are_sent_as_text_and_taken_either_way() -> None:
    table = hf_cf.load_ratings("sample").to_frame()[["user", "item", "rating"]].head(3000)
    large = table.assign(
        user=table["user"].astype("int64") + 2**60, item=table["item"].astype("int64") + 2**62
    )
    rec = fit(hf_cf.Ratings.from_frame(large), None, "als", progress=False)
    service = Service(rec)
    (card,) = service.recommend([], n=1)
    assert card["item"] == str(int(card["item"])) and int(card["item"]) > 2**62
    asked = [service.recommend([{"item": kind(card["item"]), "rating": 5}]) for kind in (str, int)]
    assert asked[0] == asked[1] and asked[0]
    user = PageFunctions(service).users(1)[0]["user"]
    assert service.recommend_for_user(user) == service.recommend_for_user(int(user))
    with pytest.raises(InvalidInput, match="no id is so large"):
        service.similar(2**63)
