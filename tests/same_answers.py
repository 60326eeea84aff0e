"""Whether two models answer alike, bit for bit."""

from __future__ import annotations

import pandas as pd

from hf_cf import Recommender

ALIEN_FAN = {"Alien (1979)": 5, "Blade Runner (1982)": 5, "Notting Hill (1999)": 1}


def assert_same_answers(one: Recommender, other: Recommender) -> None:
    users, items = one.users.ids[:20], one.catalogue["id"]
    for user in users[:5]:
        assert (one.predict(user, items) == other.predict(user, items)).all()
    for ask in (
        lambda rec: rec.recommend(users),
        lambda rec: rec.recommend(ratings=ALIEN_FAN, n=20),
        lambda rec: rec.recommend(ratings={}, order_by="stars"),
        lambda rec: rec.similar("Alien (1979)"),
        lambda rec: rec.find("alien"),
        lambda rec: rec.item_bias(),
        lambda rec: rec.item_map(),
        lambda rec: rec.catalogue,
    ):
        pd.testing.assert_frame_equal(ask(one), ask(other), check_exact=True)
