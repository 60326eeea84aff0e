"""A visitor rates films, and the recommendations follow."""

from __future__ import annotations

import json
import re

from calling import served
from conftest import Visit, open_list, open_tab, rate, recommended, row, updates, wait_for_update
from playwright.sync_api import Page, expect

from hf_cf.space.service import Service

THREE = {"Alien": 5, "Blade Runner": 5, "Notting Hill": 1}


def rate_three(page: Page) -> None:
    for title, stars in THREE.items():
        since = updates(page)
        rate(page, title, stars)
        wait_for_update(page, since)


def test_three_ratings_change_what_is_recommended(page: Page) -> None:
    expect(page.get_by_role("heading", name="Loved by many")).to_be_visible()
    first = recommended(page)
    assert len(first) == 12
    rate_three(page)
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    then = recommended(page)
    assert len(set(then) - set(first)) >= 3
    assert not THREE.keys() & set(then)
    card = page.locator("#discover .card").first
    expect(card.locator(".card-stars strong")).to_have_text(re.compile(r"^\d\.\d$"))
    expect(card.locator(".card-sure")).to_contain_text("most likely")
    # Also on cards that stood there already before the ratings were enough to say it.
    expect(page.locator("#discover .card-sure")).to_have_count(12)
    reasons = page.locator("#discover .card-why").all_text_contents()
    assert any(re.match(r"Because you gave .* 5\sstars", reason) for reason in reasons)


def test_a_reload_keeps_the_ratings_and_another_browser_sees_none(page: Page, visit: Visit) -> None:
    rate_three(page)
    before = recommended(page)
    page.reload()
    for title, stars in THREE.items():
        expect(row(page, title).get_by_role("slider")).to_have_value(str(stars))
    expect(page.locator("#discover .card").first).to_be_visible()
    assert recommended(page) == before

    other = visit()
    expect(other.get_by_text("Nothing yet.")).to_be_visible()
    assert "Alien" not in "".join(other.locator(".rated").all_text_contents())


def test_a_restart_of_the_space_loses_nothing(service: Service, space: str, visit: Visit) -> None:
    with served(service) as address, visit(address) as page:
        rate(page, "Alien", 4)
        port = int(address.rstrip("/").rpartition(":")[2])
    with served(service, port), page.context.new_page() as page:
        page.goto(address)
        expect(row(page, "Alien").get_by_role("slider")).to_have_value("4")


def test_the_keyboard_is_enough(page: Page) -> None:
    page.get_by_label("Search for a film to rate").focus()
    page.keyboard.type("blade runner")
    expect(page.locator("#discover .found .film-row").first).to_contain_text("Blade Runner")
    page.keyboard.press("ArrowDown")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_attribute("aria-valuetext", "4½ stars, Enter gives it")
    expect(row(page, "Blade Runner")).to_have_count(0)  # a choice is not yet a rating
    page.keyboard.press("Enter")
    expect(row(page, "Blade Runner").get_by_role("slider")).to_have_value("4.5")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Search for a film to rate")).to_be_focused()

    # On to the question below the search box, which the next Tab reaches.
    page.keyboard.press("Tab")
    asked = page.locator(".deck .poster-title").inner_text()
    page.keyboard.press("3")
    expect(row(page, asked).get_by_role("slider")).to_have_value("3")
    expect(page.locator(".deck .poster-title")).not_to_have_text(asked)
    expect(page.locator(".deck input")).to_be_focused()

    row(page, asked).get_by_role("slider").press("Delete")
    expect(row(page, asked)).to_have_count(0)


def test_a_click_gives_the_star_under_it_and_halves(page: Page) -> None:
    card = page.locator("#discover .card").first
    title = card.locator(".poster-title").inner_text()
    stars = card.locator(".stars-input")
    box = stars.bounding_box()
    assert box
    stars.click(position={"x": box["width"] * 0.66, "y": box["height"] / 2})
    expect(row(page, title).get_by_role("slider")).to_have_value("3.5")


def test_a_finger_on_a_star(visit: Visit) -> None:
    page = visit(width=390, height=844, has_touch=True, is_mobile=True)
    stars = page.locator(".deck .stars-input")
    title = page.locator(".deck .poster-title").inner_text()
    box = stars.bounding_box()
    assert box and box["width"] >= 5 * 24
    page.touchscreen.tap(box["x"] + box["width"] * 0.98, box["y"] + box["height"] / 2)
    expect(page.locator(".foot-bar-button")).to_have_text("1 rating")
    open_list(page)
    expect(row(page, title).get_by_role("slider")).to_have_value("5")


def test_undo_clear_seen_it_and_not_interested(page: Page) -> None:
    rate(page, "Alien", 5)
    page.get_by_role("button", name="Clear").click()
    expect(row(page, "Alien")).to_have_count(0)
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(row(page, "Alien")).to_be_visible()

    for name in ("Seen it", "Not interested"):
        card = page.locator("#discover .card").first
        title = card.locator(".poster-title").inner_text()
        since = updates(page)
        card.get_by_role("button", name=name).click()
        wait_for_update(page, since)
        assert title not in recommended(page)
    page.get_by_text("Seen or not interested (2)").click()
    since = updates(page)
    page.get_by_role("button", name="Show again").first.click()
    wait_for_update(page, since)
    assert title in recommended(page)
    page.locator(".rated-head").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Seen or not interested (2)")).to_be_visible()


def test_genres_years_and_novelty(page: Page) -> None:
    usual = recommended(page)
    since = updates(page)
    page.get_by_role("radio", name="Hidden gems").check()
    wait_for_update(page, since)
    assert len(set(recommended(page)) - set(usual)) >= 3
    page.get_by_role("button", name="Animation").click()
    page.get_by_label("From year").select_option("1990")
    since = updates(page)
    page.get_by_label("to year", exact=True).select_option("1999")
    wait_for_update(page, since)
    metadata = page.locator("#discover .cards .poster-facts")
    expect(metadata.first).to_have_text(re.compile("Animation.*199"))
    expect(metadata.filter(has_not_text=re.compile(r"199\d$"))).to_have_count(0)
    for said in metadata.all_text_contents():
        assert re.search(r"199\d$", said)
    # Years never run backwards: the end that was not touched gives way.
    page.get_by_label("From year").select_option("2020")
    expect(page.get_by_label("to year", exact=True)).to_have_value("")
    expect(metadata.first).to_have_text(re.compile(r"202\d$"))
    page.get_by_role("button", name="Animation").click()
    page.get_by_role("button", name="Film-Noir").click()
    expect(page.get_by_text("No film fits all of that.")).to_be_visible()


def test_who_has_not_seen_it_is_asked_about_another(page: Page) -> None:
    asked = page.locator(".deck .poster-title")
    first = asked.inner_text()
    page.get_by_role("button", name="Haven").click()
    expect(asked).not_to_have_text(first)
    expect(page.get_by_text("Nothing yet.")).to_be_visible()


def test_titles_are_found_as_people_type_them(page: Page) -> None:
    search = page.get_by_label("Search for a film to rate")
    search.fill("the godfther")
    expect(page.locator("#discover .found .film-row").first).to_contain_text("The Godfather")
    search.fill("qqqqzzzz")
    expect(page.get_by_text("No film of that name here.")).to_be_visible()


def test_enter_takes_the_first_that_is_found(page: Page) -> None:
    search = page.get_by_label("Search for a film to rate")
    search.focus()
    page.keyboard.type("lotr")
    page.keyboard.press("Enter")  # before anything is found
    first = "The Lord of the Rings: The Fellowship of the Ring"
    expect(page.locator(":focus")).to_have_attribute("aria-label", f"Your rating of {first}")
    page.keyboard.press("5")
    expect(row(page, first).get_by_role("slider")).to_have_value("5")
    page.keyboard.press("Escape")

    page.keyboard.type("lord of the rings 3")
    expect(page.locator("#discover .found .film-row").first).to_contain_text("Return of the King")
    page.keyboard.press("Enter")
    page.keyboard.press("4")
    expect(row(page, "The Lord of the Rings: The Return of the King")).to_be_visible()
    page.keyboard.press("Escape")

    search.fill("1994")
    facts = page.locator("#discover .found .film-row-facts")
    expect(facts.first).to_contain_text("1994")
    assert all("1994" in line for line in facts.all_inner_texts())

    open_tab(page, "Similar films")
    page.get_by_label("Search for a film", exact=True).focus()
    page.keyboard.type("toy story 2")
    page.keyboard.press("Enter")
    expect(page.locator(".similar-film .poster-title")).to_have_text("Toy Story 2")


def test_a_film_that_the_model_has_no_more_stays_on_the_list(page: Page) -> None:
    film = '{ item: "gone", title: "Gone (1999)", year: 1999, genres: [] }'
    page.evaluate(f"hfcf.visitor.rate({film}, 4)")
    rate(page, "Alien", 5)
    page.reload()
    expect(row(page, "Gone").get_by_role("slider")).to_have_value("4")
    expect(row(page, "Gone")).to_have_class(re.compile("film-unknown"))
    expect(page.locator("#discover .card")).to_have_count(12)
    expect(page.locator("#discover [role=alert]")).to_have_count(0)


def test_whatever_was_kept_only_what_has_the_right_shape_is_taken(page: Page) -> None:
    film = {"item": 1, "title": "One", "genres": []}
    good = {"kind": "rating", "film": film, "value": 2, "at": 1, "since": 1}
    broken = [
        None, 3, {}, good | {"film": None}, good | {"value": "5"}, good | {"kind": "other"},
        good | {"at": "now"}, good | {"film": film | {"item": {}}}, good | {"kind": "hidden"},
    ]  # fmt: skip
    key = page.evaluate(
        "() => { hfcf.visitor.hide({ item: 1, title: 'One', genres: [] }, 'no');"
        " return Object.keys(localStorage).find((key) => key.startsWith('hf_cf.list.')); }"
    )
    for saved, expected in (
        ({"records": [*broken, good]}, 1), (None, 0), ({"records": 5}, 0), (broken, 0),
    ):  # fmt: skip
        text = json.dumps(saved)
        page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, text])
        page.reload()
        expect(page.locator("#discover .card").first).to_be_visible()
        found = page.evaluate("[hfcf.visitor.ratings.length, hfcf.visitor.hidden.length]")
        assert found == [expected, 0]
