"""Where the visitor is stands in the address; a card leads to a view of the film."""

from __future__ import annotations

import re

import httpx
import pytest
from conftest import Visit, open_list, open_tab, rate, recommended, row, updates, wait_for_update
from playwright.sync_api import Browser, Page, Route, expect


def test_back_reload_and_links_work(page: Page, visit: Visit) -> None:
    card = page.locator("#discover .card").nth(5)
    title = card.locator(".poster-title").inner_text()
    card.get_by_role("link").click()
    film = page.locator(".similar-film .poster-title")
    expect(film).to_have_text(title)
    expect(page).to_have_url(re.compile(r"#/similar/.+"))
    neighbour = page.locator("#similar-films .card").first
    other = neighbour.locator(".poster-title").inner_text()
    neighbour.get_by_role("link").click()
    expect(film).to_have_text(other)
    page.reload()
    expect(film).to_have_text(other)
    linked = visit(page.url)
    expect(linked.locator(".similar-film .poster-title")).to_have_text(other)
    page.go_back()
    expect(film).to_have_text(title)
    page.go_back()
    expect(page.locator("#discover .card").first).to_be_visible()
    expect(page).not_to_have_url(re.compile("#/"))
    page.go_forward()
    expect(film).to_have_text(title)

    open_tab(page, "Known users")
    page.get_by_label("User", exact=True).fill("7")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("#/users/7$"))
    page.reload()
    expect(page.get_by_role("heading", name="User 7", exact=True)).to_be_visible()
    expect(page.get_by_role("tab", name="Known users")).to_have_attribute("aria-selected", "true")
    missing = visit(page.url.split("#")[0] + "#/similar/no%20such%20film")
    expect(missing.locator("#similar-films [role=alert]")).to_contain_text("no such film")


def test_a_film_has_reasons_ratings_and_neighbours(page: Page) -> None:
    for title, stars in {"Alien": 5, "Blade Runner": 5, "Notting Hill": 1}.items():
        rate(page, title, stars)
    recommended(page)
    page.locator("#discover .card").first.get_by_role("link").click()
    facts = page.locator(".similar-facts")
    expect(facts.locator(".expected strong")).to_have_text(re.compile(r"^\d\.\d$"))
    expect(facts.locator(".effects li").first).to_contain_text(re.compile("(for|against) it: "))
    expect(facts.get_by_role("heading", name="How people rated it")).to_be_visible()
    expect(facts).to_contain_text(re.compile(r"\d+ ratings, \d\.\d on average"))
    expect(facts.locator(".card")).to_have_count(12)


def test_what_is_saved_for_later_stays(page: Page) -> None:
    card = page.locator("#discover .card").first
    title = card.locator(".poster-title").inner_text()
    card.get_by_role("button", name="Save for later").click()
    page.reload()
    saved = page.locator(".saved .film-row").filter(has_text=title)
    expect(saved).to_be_visible()
    saved.get_by_role("button", name=f"No longer save {title}").click()
    expect(saved).to_have_count(0)


def test_passed_questions_are_remembered_and_the_first_film_is_not_asked(page: Page) -> None:
    asked = page.locator(".deck .poster-title")
    passed = []
    for _ in range(4):
        assert asked.inner_text() != recommended(page)[0]
        passed.append(asked.inner_text())
        page.get_by_role("button", name="Haven").click()
        expect(asked).not_to_have_text(passed[-1])
    page.reload()
    expect(asked).to_be_visible()
    assert asked.inner_text() not in passed


def test_a_question_that_is_being_read_stays(page: Page) -> None:
    """A list that comes late may start with the item that is asked about; it is not swapped."""
    asked = page.locator(".deck .poster-title").inner_text()

    def start_with_asked(route: Route) -> None:
        response = route.fetch()
        cards = response.json()
        cards[0] |= {"item": asked, "title": asked}
        route.fulfill(response=response, json=cards)

    page.route("**/recommend", start_with_asked)
    page.wait_for_timeout(600)  # they read
    since = updates(page)
    rate(page, "Alien", 5)
    wait_for_update(page, since)
    assert recommended(page)[0] == asked
    page.locator(".deck input").press("5")
    expect(row(page, asked).get_by_role("slider")).to_have_value("5")
    page.unroute_all(behavior="wait")


def test_a_phone_opens_the_list_from_its_foot(visit: Visit) -> None:
    page = visit(width=390, height=844, has_touch=True, is_mobile=True)
    expect(page.get_by_label("From year")).to_be_hidden()
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_label("From year")).to_be_visible()
    page.locator(".deck input").press("5")
    bar = page.locator(".foot-bar-button")
    expect(bar).to_have_text("1 rating")
    box = bar.bounding_box()
    assert box
    assert box["y"] + box["height"] <= 844
    open_list(page)
    expect(page.locator("dialog").get_by_role("button", name="Save as file")).to_be_visible()
    page.locator("dialog").get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Close").click()
    expect(bar).to_have_text("0 ratings")
    for tab in page.get_by_role("tab").all():
        inside = tab.bounding_box()
        assert inside
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= 390
    open_tab(page, "Map of films")
    expect(page.locator("#film-map canvas")).to_be_visible()
    for control in page.locator(".map-legend label:visible").all():
        inside = control.bounding_box()
        assert inside
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= 390


def test_what_a_link_is_shown_with(space: str) -> None:
    answer = httpx.get(space)
    document = answer.text
    assert document.count("og:title") == 1
    assert f'<meta property="og:url" content="{space}" />' in document
    assert '<meta property="og:title" content="What to watch next" />' in document
    assert "{url}" not in document
    picture = re.search('og:image" content="([^"]+)"', document)
    assert picture
    assert httpx.get(picture[1]).headers["content-type"] == "image/png"
    assert '<meta name="description" content="Rate a few' in document


def test_an_address_without_its_slash_behind_a_proxy(space: str, page: Page) -> None:
    context = page.context
    # A proxy that takes /movies away, and knows nothing of gradio.
    context.route("**/movies", lambda route: route.fulfill(response=route.fetch(url=space)))
    context.route(
        "**/movies/**",
        lambda route: route.fulfill(
            response=route.fetch(url=route.request.url.replace("/movies/", "/"))
        ),
    )
    proxied = context.new_page()
    proxied.goto(space + "movies")
    expect(proxied.locator("#discover .card").first).to_be_visible()
    assert proxied.url == space + "movies/"
    proxied.wait_for_load_state("networkidle")
    context.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_under_a_finger(visit: Visit, space: str, width: int) -> None:
    """On a slow processor, where the parts of the page come one after the other."""
    page = visit("about:blank", width=width)
    page.add_init_script("""
        window.shifted = 0;
        const add = (list) => list.getEntries().forEach((shift) => { shifted += shift.value; });
        new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
        window.tops = new Set();
        const look = () => {
            const deck = document.querySelector(".deck:has(.stars-input)");
            if (deck) tops.add(deck.getBoundingClientRect().top);
            requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    """)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.goto(space)
    expect(page.locator(".deck .stars-input")).to_be_visible()
    expect(page.locator(".gradio-container footer")).to_be_visible()  # gradio's part came last
    assert page.evaluate("tops.size") == 1
    assert page.evaluate("shifted") < 0.05  # a page is taken to be steady below 0.1


def test_a_font_that_comes_late_is_left_for_the_next_visit(visit: Visit, space: str) -> None:
    """In both weights, so that headings and text are of one family."""

    def late(route: Route) -> None:
        page.wait_for_function("performance.getEntriesByType('paint').length > 0")
        route.continue_()

    page = visit("about:blank")
    page.route("**/IBMPlexSans-Regular.woff2", late)
    with page.expect_response("**/IBMPlexSans-Regular.woff2"):
        page.goto(space, wait_until="commit")
    expect(page.locator("#discover .card").first).to_be_visible()
    own = "[...document.fonts].filter((face) => face.family === 'Plex').length"
    assert page.evaluate(own) == 0
    page.unroute_all(behavior="wait")


def test_a_slow_network_sees_something_before_gradio_has_come(space: str, browser: Browser) -> None:
    """The document alone draws the page: none of gradio's scripts and styles has to come."""
    slow = browser.new_page()
    slow.route("**/assets/**", lambda route: route.abort())
    slow.route("**/static/**", lambda route: route.abort())
    slow.goto(space, wait_until="commit")
    expect(slow.get_by_role("heading", name="What to watch next")).to_be_visible()
    expect(slow.locator("#discover .card")).to_have_count(12)
    slow.close()
    waiting = browser.new_page()
    waiting.route("**/assets/**", lambda route: None)  # it never comes
    waiting.goto(space, wait_until="commit")
    expect(waiting.locator("#discover .card")).to_have_count(12)
    waiting.close()
    # What can be read stands in the document before any script.
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(space)
    expect(plain.get_by_role("heading", name="What to watch next")).to_be_visible()
    facts = "560 films, learned from 47,468 ratings by 600 people"
    expect(plain.get_by_text(facts)).to_be_visible()
    expect(plain.get_by_text("Synthetic ratings.")).to_be_visible()
    plain.close()
    sent = httpx.get(space, headers={"accept-encoding": "gzip"})
    assert int(sent.headers["content-length"]) < 60_000  # 1.2 s at 400 kbit/s
