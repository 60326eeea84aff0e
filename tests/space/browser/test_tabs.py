"""The other tabs, the phone, and the page that says why there is no model."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from calling import served
from conftest import TABS, Visit, open_tab, rate
from playwright.sync_api import Page, expect

# Colours fade in, and cards are pale while others are on their way.
STANDS_STILL = """() => !document.querySelector(".busy")
    && document.getAnimations().every((each) => each.playState !== "running")"""


def wait_for_content(page: Page) -> None:
    """Until nothing on the open tab is a placeholder."""
    expect(page.locator(".placeholder:visible")).to_have_count(0)


def test_a_known_user(page: Page) -> None:
    open_tab(page, "Known users")
    page.get_by_label("User", exact=True).fill("7")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", name="User 7", exact=True)).to_be_visible()
    assert page.locator("#known-users .film-row").count() > 5
    expect(page.locator("#known-users .card")).to_have_count(12)
    held_out = page.locator("#known-users .held-out .film-row")
    assert held_out.count() > 1
    expect(held_out.first).to_contain_text(re.compile(r"predicted \d\.\d"))
    titles = page.locator(".held-out .film-row-title").all_text_contents()
    for card in page.locator("#known-users .card").all():
        was = card.locator(".poster-title").inner_text() in titles
        expect(card.get_by_text("Held out: they gave it")).to_have_count(int(was))
    page.get_by_label("User", exact=True).fill("nobody")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#known-users [role=alert]")).to_contain_text("there is no user 'nobody'")


def test_similar_films(page: Page) -> None:
    open_tab(page, "Similar films")
    expect(page.locator("#similar-films .card")).to_have_count(12)
    search = page.get_by_label("Search for a film", exact=True)
    search.fill("toy story")
    expect(page.locator("#similar-films .found li").first).to_contain_text("Toy Story")
    search.press("Enter")
    expect(page.locator(".similar-film .poster-title")).to_have_text("Toy Story")
    expect(page.locator("#similar-films .card").first).to_contain_text("audience")


def test_a_film_of_the_map_is_clicked_and_rated(page: Page) -> None:
    open_tab(page, "Map of films")
    canvas = page.locator("#film-map canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    title, x, y = page.evaluate(
        """() => {
          const { films, placeOf } = document.querySelector("#film-map .map");
          return [films[0].title, ...placeOf(films[0].item)];
        }"""
    )
    canvas.hover(position={"x": x, "y": y})
    expect(page.locator(".map-tip")).to_contain_text(title.rpartition(" (")[0].split(",")[0])
    canvas.click(position={"x": x, "y": y})
    chosen = page.locator(".map-side .poster-title")
    expect(chosen).to_contain_text(title.rpartition(" (")[0].split(",")[0])
    expect(page.locator(".map-side .film-list li")).to_have_count(8)
    page.locator(".map-side").get_by_role("slider").press("4")
    expect(page.locator(".masthead-count")).to_have_text("1 rating in this browser")
    # A neighbour leads on, and so do the arrow keys.
    neighbour = page.locator(".map-side .found-choice .film-row-title").first
    name = neighbour.inner_text()
    neighbour.click()
    expect(chosen).to_have_text(name)
    canvas.press("ArrowLeft")
    canvas.press("Enter")
    expect(chosen).not_to_have_text(name)


def test_the_map_zooms_and_colours(page: Page) -> None:
    open_tab(page, "Map of films")
    place = """() => {
      const { films, placeOf } = document.querySelector("#film-map .map");
      return placeOf(films[0].item).concat(placeOf(films[1].item));
    }"""
    expect(page.locator("#film-map canvas")).to_be_visible()
    x1, y1, x2, y2 = page.evaluate(place)
    page.get_by_role("button", name="Zoom in").click()
    a1, b1, a2, b2 = page.evaluate(place)
    assert abs(a1 - a2) == pytest.approx(1.6 * abs(x1 - x2), rel=0.01)
    assert abs(b1 - b2) == pytest.approx(1.6 * abs(y1 - y2), rel=0.01)
    page.get_by_role("button", name="Whole map").click()
    assert page.evaluate(place) == pytest.approx([x1, y1, x2, y2], abs=0.5)
    page.get_by_role("radio", name="above").check()
    c1, d1, *_ = page.evaluate(place)
    assert c1 == pytest.approx(x1, abs=0.5)
    assert d1 != pytest.approx(y1, abs=0.5)
    page.get_by_role("radio", name="Era").check()
    decade = page.get_by_role("button", name="1990s")
    decade.click()
    expect(decade).to_have_attribute("aria-pressed", "true")


def test_behind_the_model(page: Page) -> None:
    open_tab(page, "Behind the model")
    expect(page.get_by_role("note")).to_contain_text("Synthetic ratings.")
    panel = page.locator("#behind")
    for said in ("How many stars?", "What next?", "Learning", "Few films get most ratings"):
        expect(panel.get_by_role("heading", name=said)).to_be_visible()
    expect(panel.get_by_role("img", name="Learning curves over 2 passes")).to_be_visible()
    expect(panel).to_contain_text("Your ratings stay in your browser")


def test_the_choice_of_light_or_dark_stays(page: Page) -> None:
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    expect(page.locator("#discover .card").first).to_be_visible()
    assert page.evaluate(paper) == dark


def test_a_phone_shows_everything_without_scrolling_sideways(visit: Visit) -> None:
    page = visit(width=390, height=844, has_touch=True, is_mobile=True)
    for tab in TABS:
        open_tab(page, tab)
        wait_for_content(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
        # Nothing in between has moved aside either, to bring the tab into view.
        assert page.locator(".masthead").bounding_box()["x"] >= 0, tab  # type: ignore[index]


def test_no_model_says_why(visit: Visit) -> None:
    reason = "config.json: <b>wrong</b> ${alert(1)}"
    with served(reason) as address, visit(address) as page:
        expect(page.get_by_role("alert")).to_have_text(reason)
        expect(page.get_by_text("HF_CF_MODEL")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    rate(page, "Alien", 5)
    page.locator("#discover .card").first.get_by_role("button", name="Seen it").click()
    for tab in TABS:
        open_tab(page, tab)
        wait_for_content(page)
        page.wait_for_function(STANDS_STILL)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (one["id"], node["target"], node["failureSummary"])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert not serious, tab
