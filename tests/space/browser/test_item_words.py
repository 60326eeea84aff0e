"""A Space of books speaks of books and their authors, to people and to programs."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import numpy as np
import pandas as pd
import pytest
from calling import served
from conftest import TABS, Visit, open_tab
from playwright.sync_api import expect

import hf_cf
from hf_cf.data.scale import DataSource
from hf_cf.space.service import Service
from hf_cf.training import fit


def test_books_are_called_books_on_every_page_and_in_the_api(visit: Visit) -> None:
    chance = np.random.default_rng(0)
    table = pd.DataFrame(
        [(user, item) for user in range(30) for item in range(30) if (user + item) % 3],
        columns=["user", "item"],
    )
    table["rating"] = chance.integers(1, 6, len(table))
    books = pd.DataFrame(
        {
            "id": range(30),
            "title": [f"Made-up Volume of Tales {chr(65 + i)}" for i in range(30)],
            "author": ["Ines Alder", "Tomasz Berg"] * 15,
        }
    )
    ratings = hf_cf.Ratings.from_frame(table, items=books)
    ratings = replace(ratings, source=DataSource("made-up", synthetic=True, noun="book"))
    rec = fit(ratings, model="als", epochs=1, progress=False)
    with served(Service(rec)) as address, visit(address) as page:
        expect(page.get_by_role("heading", name="What to read next", level=1)).to_be_visible()
        expect(page).to_have_title("What to read next")
        expect(page.locator("#discover .card .poster-facts").first).to_contain_text(
            re.compile("Alder|Berg")
        )
        expect(page.get_by_text("Have you read this one?")).to_be_visible()
        page.get_by_label("Search for a book to rate").fill("tomasz berg")
        found = page.locator("#discover .found .film-row-facts")
        expect(found).to_have_text(["Tomasz Berg"] * 8)
        page.keyboard.press("Escape")
        for tab in ("Similar books", "Map of books", "Behind the model", "Known users"):
            open_tab(page, tab)
            page.wait_for_load_state("networkidle")
            words = page.locator("#hf-cf").inner_text().casefold()
            assert "film" not in words
            assert "watch" not in words
        schema = httpx.get(f"{address}openapi.json").json()
        described = schema["paths"]["/api/recommend"]["post"]["description"]
        assert described.startswith("Recommend books to somebody")
        info = httpx.post(f"{address}api/model_info", json={}).json()
        assert (info["noun"], info["verb"]) == ("book", "read")


@pytest.fixture(scope="module")
def likes() -> Service:
    """A model of which of thirty artists forty people play; some of it was held out."""
    chance = np.random.default_rng(0)
    table = pd.DataFrame(
        [(user, item) for user in range(40) for item in range(30) if (user + item) % 3],
        columns=["user", "item"],
    )
    table["rating"] = chance.integers(1, 5000, len(table))  # plays
    artists = pd.DataFrame(
        {"id": range(30), "title": [f"Made-up Band {chr(65 + i)}" for i in range(30)]}
    )
    ratings = hf_cf.Ratings.from_frame(
        table,
        items=artists,
        feedback="implicit",
        source=DataSource("made-up", synthetic=True, noun="artist"),
    )
    return Service(fit(*ratings.split(seed=0), progress=False))


@pytest.mark.parametrize("width", [1280, 390])
def test_likes_are_hearts_and_no_stars_on_every_tab(
    likes: Service, visit: Visit, width: int
) -> None:
    with served(likes) as address, visit(address, width=width) as page:
        expect(page.locator("#discover .card").first).to_be_visible()
        page.get_by_label("Search for an artist to like").fill("band c")
        page.keyboard.press("Enter")
        heart = page.locator("#discover .found .heart").first
        expect(heart).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("heading", name="For you")).to_be_visible()
        for tab in ["Like & discover", *TABS[1:]]:
            open_tab(page, tab.replace("films", "artists"))
            expect(page.locator(".placeholder:visible")).to_have_count(0)
            panel = page.locator(".tab-panel:not([hidden])")
            expect(panel.locator("[role=alert]")).to_have_count(0)
            if tab not in ("Map of films", "Behind the model"):
                expect(panel.locator(".card").first).to_be_visible()
            words = page.locator("#hf-cf").inner_text().casefold()
            for word in ("star", "rate", "rating", "predict", "film"):
                assert not re.search(rf"\b{word}", words), (tab, word)
            expect(panel.locator(".stars, .card-stars, .rating-slider")).to_have_count(0)
        page.evaluate("location.hash = '#/similar/5'")
        expect(page.locator(".similar-film .heart")).to_be_visible()
        expect(page.locator(".effects li").first).to_contain_text("Made-up Band C")
        assert "star" not in page.locator("#hf-cf").inner_text().casefold()
