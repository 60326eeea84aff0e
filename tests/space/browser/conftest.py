"""A Space that runs, and visitors with a browser of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest
from calling import served
from chromium import chromium
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from hf_cf.space.service import Service

TABS = ["Rate & discover", "Known users", "Similar films", "Map of films", "Behind the model"]

expect.set_options(timeout=15_000)  # a shared machine may be slow for a while

Visit = Callable[..., Page]


# They end with each file: as long as Playwright is there, no other test can run an event loop.
@pytest.fixture(scope="module")
def space(service: Service) -> Iterator[str]:
    with served(service) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, space: str) -> Iterator[Visit]:
    """Open the Space as somebody new: ``visit(width=390, has_touch=True)``.

    After the test nobody's console may hold an error, and nothing may have been executed that
    opens a dialog. A page says on its console that its Space has gone, so a page of a Space that
    the test serves itself closes first: ``with served(...) as address, visit(address) as page:``.
    """
    contexts = []
    said: list[str] = []

    def open_page(
        address: str = space, width: int = 1280, height: int = 900, **options: Any
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.on("console", lambda line: said.append(line.text) if is_fault(line) else None)
        context.on("weberror", lambda error: said.append(str(error.error)))
        context.on("dialog", lambda box: said.append(f"a dialog: {box.message}"))
        page = context.new_page()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not said


def is_fault(line: ConsoleMessage) -> bool:
    """Whether a line of the console is an error; that something is refused (400) is none."""
    return line.type == "error" and "responded with a status of 4" not in line.text


@pytest.fixture
def page(visit: Visit) -> Page:
    """A new visitor who sees the first recommendations."""
    page = visit()
    expect(page.locator("#discover .card").first).to_be_visible()
    return page


def rate(page: Page, title: str, stars: int) -> None:
    """Search for a film and give it stars with a digit."""
    page.get_by_label("Search for a film to rate").fill(title)
    found = page.locator("#discover .found").get_by_label(f"Your rating of {title}", exact=True)
    found.press(str(stars))
    expect(row(page, title)).to_be_visible()
    page.keyboard.press("Escape")


def row(page: Page, title: str) -> Any:
    """The line of a film on the visitor's list."""
    return page.locator(".rated > .film-list .film-row").filter(
        has=page.get_by_text(title, exact=True)
    )


def recommended(page: Page) -> list[str]:
    """Titles on the cards, when those for the latest change are there."""
    expect(page.locator("#discover .cards.busy")).to_have_count(0)
    return page.locator("#discover .cards .poster-title").all_text_contents()


def updates(page: Page) -> int:
    """How many lists of recommendations the page has shown."""
    return int(page.locator(".picks").first.get_attribute("data-updates") or 0)


def wait_for_update(page: Page, since: int) -> None:
    """Wait for a list after the one that was the latest at ``since``."""
    expect(page.locator(".picks").first).not_to_have_attribute("data-updates", str(since))


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def open_list(page: Page) -> None:
    """On a phone: the visitor's list, from the bar at the foot."""
    page.locator(".foot-bar-button").click()
    expect(page.locator("dialog .your-list")).to_be_visible()
