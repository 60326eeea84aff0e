"""The Space in Firefox: rating, searching, keeping, moving about, without an error.

It is run by ``make test-firefox``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest
from bidi import Tab, firefox

CARDS = "document.querySelectorAll('#discover .cards .card').length === 12"
RATED = "hfcf.visitor.ratings.map(({ film, stars }) => [film.title, stars])"
ENTER = "\ue007"


@pytest.fixture
def tab(address: str) -> Iterator[Tab]:
    with firefox() as opened:
        opened.resize(1280, 900)
        opened.open(address)
        opened.wait_for(CARDS)
        yield opened
        assert not opened.said


def test_somebody_rates_searches_and_comes_back(tab: Tab) -> None:
    assert tab.value("document.title") == "What to watch next"
    first = tab.value("document.querySelector('#discover .card .poster-title').textContent")
    tab.click("#discover .card .stars-row", share=0.9)  # the fifth star
    tab.wait_for(f"({RATED}).length === 1")
    assert tab.value(RATED)[0][1] == 5
    tab.wait_for("document.querySelector('.picks h2').textContent === 'For you'")

    tab.click("#discover .search input")
    tab.type("lotr" + ENTER)
    tab.wait_for("document.activeElement.matches('#discover .found input')")
    tab.type("4")
    tab.wait_for(f"({RATED}).length === 2")
    assert tab.value(RATED)[0][0].startswith("Lord of the Rings: The Fellowship")

    tab.reload()
    tab.wait_for(CARDS)
    assert [stars for _, stars in tab.value(RATED)] == [4, 5]
    assert first in tab.value("document.querySelector('.rated').textContent")


def test_every_tab_shows_what_it_has(tab: Tab) -> None:
    for at, name in enumerate(["discover", "known-users", "similar-films", "film-map", "behind"]):
        tab.click(f"[role=tab]:nth-of-type({at + 1})")
        shown = f"document.querySelector('#{name}')"
        tab.wait_for(f"!{shown}.hidden && !{shown}.querySelector('.placeholder')")
        assert not tab.value(f"!!{shown}.querySelector('[role=alert]')")
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_shows_everything_without_scrolling_sideways(tab: Tab) -> None:
    tab.resize(390, 844)
    tab.wait_for("document.documentElement.scrollWidth <= 390")
    tab.click(".foot-bar-button")
    tab.wait_for("!!document.querySelector('dialog[open] .your-list')")
