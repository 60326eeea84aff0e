"""What a visitor says of themselves, where the training data knew such things of its users."""

from __future__ import annotations

import httpx
import numpy as np
import pandas as pd
import pytest
from calling import served
from conftest import Visit, recommended, updates, wait_for_update
from playwright.sync_api import expect

import hf_cf
from hf_cf.space.service import Service
from hf_cf.training import fit


@pytest.fixture(scope="module")
def described() -> Service:
    """A model of users with ages and trades: nurses like the first half of forty items."""
    chance = np.random.default_rng(0)
    trades = ["nurse", "pilot"]
    rows = [
        (user, item, 5 if (item < 20) == (user % 2 == 0) else 2)
        for user in range(120)
        for item in range(40)
        if chance.random() < (0.7 if (item < 20) == (user % 2 == 0) else 0.3)
    ]
    users = pd.DataFrame(
        {
            "id": range(120),
            "age": chance.integers(20, 60, 120),
            "trade": [trades[user % 2] for user in range(120)],
        }
    )
    items = pd.DataFrame({"id": range(40), "title": [f"Thing {item:02d}" for item in range(40)]})
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    ratings = hf_cf.Ratings.from_frame(table, items=items, users=users, scale=(1, 5, 1))
    return Service(fit(ratings, model="als", epochs=3, progress=False))


def test_a_profile_is_asked_for_kept_and_counts(described: Service, visit: Visit) -> None:
    info = described.model_info()
    assert [one["name"] for one in info["profile"]] == ["age", "trade"]
    with served(described) as address, visit(address) as page:
        expect(page.locator("#discover .card").first).to_be_visible()
        expect(page.get_by_label("Trade")).to_be_hidden()
        page.get_by_text("About you, if you like").click()
        firsts = {}
        for trade in ("pilot", "nurse"):
            since = updates(page)
            page.get_by_label("Trade").select_option(trade)
            wait_for_update(page, since)
            firsts[trade] = recommended(page)
            expected = described.recommend({}, profile={"trade": trade}, explain=False)
            assert firsts[trade] == [card["title"] for card in expected]
        assert firsts["pilot"] != firsts["nurse"]
        expect(page.get_by_role("heading", name="For you")).to_be_visible()
        page.reload()
        expect(page.get_by_label("Trade")).to_have_value("nurse")
        expect(page.locator("#discover .card").first).to_contain_text(firsts["nurse"][0])
        page.get_by_label("Trade").select_option("")
        expect(page.get_by_role("heading", name="Loved by many")).to_be_visible()

        answer = httpx.post(
            f"{address}api/recommend", json={"ratings": {}, "profile": {"trade": "baker"}}
        )
        assert answer.status_code == 400
        assert "the model knows nurse, pilot" in answer.json()["error"]
        answer = httpx.post(f"{address}api/predict", json={"items": [1], "user": 1, "profile": {}})
        assert answer.status_code == 400
        for name in ("recommend", "next_questions"):
            answer = httpx.post(
                f"{address}api/{name}", json={"ratings": {}, "profile": {"age": [1]}}
            )
            assert "must be texts or numbers" in answer.json()["error"]


def test_without_such_data_nothing_is_asked(visit: Visit) -> None:
    table = pd.DataFrame({"user": [0, 0, 1, 1] * 9, "item": range(36), "rating": [1, 3, 5, 4] * 9})
    ratings = hf_cf.Ratings.from_frame(table, scale=(1, 5, 1))
    service = Service(fit(ratings, model="als", epochs=1, progress=False))
    assert service.model_info()["profile"] == []
    with served(service) as address, visit(address) as page:
        expect(page.locator("#discover .card").first).to_be_visible()
        expect(page.get_by_text("About you, if you like")).to_have_count(0)
