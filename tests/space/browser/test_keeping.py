"""Nothing that a visitor gave is lost: in two tabs, and while the Space is away."""

from __future__ import annotations

from calling import served
from conftest import open_tab, rate, recommended, row
from playwright.sync_api import Browser, Page, expect

from hf_cf.space.service import Service


def test_two_tabs_lose_nothing(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#discover .card").first).to_be_visible()
    rate(page, "Alien", 5)
    expect(row(other, "Alien").get_by_role("slider")).to_have_value("5")
    rate(other, "Blade Runner", 4)
    rate(page, "Notting Hill", 1)
    row(other, "Alien").get_by_role("slider").press("2")
    for tab in (page, other):
        for title, stars in {"Alien": "2", "Blade Runner": "4", "Notting Hill": "1"}.items():
            expect(row(tab, title).get_by_role("slider")).to_have_value(stars)
    # What one tab takes back does not come back from the other.
    row(page, "Alien").get_by_role("slider").press("Delete")
    expect(row(other, "Alien")).to_have_count(0)
    rate(other, "Heat", 3)
    page.reload()
    expect(row(page, "Heat")).to_be_visible()
    expect(row(page, "Alien")).to_have_count(0)


def test_a_tab_that_was_asleep_overwrites_nothing(page: Page) -> None:
    """Of each rating the later change counts, whoever writes last."""
    rate(page, "Alien", 5)
    key = "Object.keys(localStorage).find((key) => key.startsWith('hf_cf.list.'))"
    old = page.evaluate(f"localStorage.getItem({key})")
    rate(page, "Blade Runner", 4)
    row(page, "Alien").get_by_role("slider").press("1")
    # Another tab writes what it knew before.
    asleep = page.context.new_page()
    asleep.goto(page.url.rstrip("/") + "/preview.png")
    asleep.evaluate(f"(old) => localStorage.setItem({key}, old)", old)
    expect(row(page, "Blade Runner")).to_be_visible()
    asleep.wait_for_function(f"localStorage.getItem({key}).includes('Blade Runner')")
    page.reload()
    expect(row(page, "Alien").get_by_role("slider")).to_have_value("1")
    expect(row(page, "Blade Runner").get_by_role("slider")).to_have_value("4")


def test_every_part_recovers_when_the_space_comes_back(service: Service, browser: Browser) -> None:
    # A page says on its console that its Space has gone: this one is not watched.
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    with served(service) as address:
        page.goto(address)
        expect(page.locator("#discover .card").first).to_be_visible()
        before = recommended(page)
        port = int(address.rstrip("/").rpartition(":")[2])
    page.locator(".deck input").press("5")
    note = page.get_by_text("The Space does not answer; trying again.")
    expect(note).to_be_visible()
    open_tab(page, "Behind the model")
    open_tab(page, "Map of films")
    expect(page.locator("[role=alert]")).to_have_count(0)
    with served(service, port):
        expect(note).to_be_hidden()
        expect(page.locator("#film-map canvas")).to_be_visible()
        open_tab(page, "Behind the model")
        expect(page.locator("#behind .panel").first).to_be_visible()
        open_tab(page, "Rate & discover")
        expect(page.locator(".rated > .film-list .film-row")).to_have_count(1)
        assert recommended(page) != before
        page.close()
