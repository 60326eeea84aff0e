"""A list for several people suits the one whom it suits least."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hf_cf.space.group import GroupFunctions
from hf_cf.space.service import Service

SPACE = {"Alien (1979)": 5, "Blade Runner (1982)": 5, "Notting Hill (1999)": 1.5}
LOVE = {"Notting Hill (1999)": 5, "Titanic (1997)": 5, "Alien (1979)": 1.5}
QUIET = {"Spirited Away (Sen to Chihiro no kamikakushi) (2001)": 5}


@pytest.fixture(scope="module")
def together(service: Service) -> GroupFunctions:
    return GroupFunctions(service)


def test_a_group_of_one_gets_their_own_list(service: Service, together: GroupFunctions) -> None:
    own = service.recommend(SPACE, 12, explain=False)
    found = together.recommend_together([SPACE], 12)
    assert [card["item"] for card in found] == [card["item"] for card in own]
    for card, other in zip(found, own, strict=True):
        assert card["stars"] == pytest.approx(other["stars"], abs=1e-4)
    assert found[0]["score"] == 1.0


def test_the_least_happy_counts_most(service: Service, together: GroupFunctions) -> None:
    """An item stands as high as with the person who puts it last, by their own long lists."""
    people = [SPACE, QUIET]
    found = together.recommend_together(people, 12, familiarity="favourites")
    assert len(found) >= 5
    places = []
    for ratings in people:
        theirs = service.recommend(ratings, 100, explain=False, familiarity="favourites")
        places.append({card["item"]: place for place, card in enumerate(theirs)})
    worst = [max(own.get(card["item"], 100) for own in places) for card in found]
    # Their own lists leave out all but one of a series, so that places differ a little.
    for place, later in pairwise(place for place in worst if place < 100):
        assert later >= place - 5
    both = places[0].keys() & places[1].keys()
    assert worst[0] == min(max(own[item] for own in places) for item in both)
    scores = [card["score"] for card in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_what_one_has_rated_or_would_not_like_does_not_appear(together: GroupFunctions) -> None:
    found = together.recommend_together([SPACE, LOVE], 30)
    titles = {card["title"] for card in found}
    assert titles
    assert not titles & (SPACE.keys() | LOVE.keys())
    for card in found:
        assert card["stars"] == min(card["everyone"])
        assert len(card["everyone"]) == 2


def test_the_order_of_people_does_not_matter(together: GroupFunctions) -> None:
    one, other = ([SPACE, LOVE, QUIET], [QUIET, SPACE, LOVE])
    assert [card["item"] for card in together.recommend_together(one)] == [
        card["item"] for card in together.recommend_together(other)
    ]


def test_filters_hold_for_all(together: GroupFunctions) -> None:
    found = together.recommend_together([SPACE, QUIET], 10, genres=["Comedy"], years=[1980, 1999])
    assert found
    for card in found:
        assert "Comedy" in card["genres"]
        assert 1980 <= card["year"] <= 1999
