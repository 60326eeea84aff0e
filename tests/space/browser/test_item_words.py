"""A Space of books speaks of books and their authors, to people and to programs."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import numpy as np
import pandas as pd
from calling import served
from conftest import Visit, open_tab
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
