"""Ratings of every scale are given by mouse, finger and keyboard, and are those that were meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calling import served
from conftest import Visit, open_list, open_tab, row, updates, wait_for_update
from playwright.sync_api import Locator, Page, expect

import hf_cf
from hf_cf.data.scale import RatingScale
from hf_cf.space.service import Service
from hf_cf.training import fit

MIDDLE = "element => element.scrollIntoView({ block: 'center' })"
LIST = "hfcf.visitor.ratings.map(({ film, stars }) => [film.item, stars])"


@contextmanager
def visited(visit: Visit, scale: tuple[float, float, float], **options: Any) -> Iterator[Page]:
    """Visit a Space of thirty synthetic things that are rated on a scale."""
    levels = RatingScale(*scale).levels
    chance = np.random.default_rng(0)
    table = pd.DataFrame(
        [(user, f"Thing {item}") for user in range(30) for item in range(30) if (user + item) % 3],
        columns=["user", "item"],
    )
    table["rating"] = chance.choice(levels, len(table))
    ratings = replace(hf_cf.Ratings.from_frame(table), scale=RatingScale(*scale))
    rec = fit(ratings, model="als", epochs=1, progress=False)
    with served(Service(rec)) as address, visit(address, **options) as page:
        expect(page.locator("#discover .card").first).to_be_visible()
        yield page


def given(page: Page) -> float:
    """The rating that was given last."""
    return page.evaluate(f"({LIST})[0][1]")


def click_each_star(page: Page, stars: Locator, count: int, touch: bool) -> None:
    """Click or tap the middle of each star that is drawn, and see it given."""
    for k in range(1, count + 1):
        stars.evaluate(MIDDLE)  # clear of the message at the foot
        box = stars.locator(".stars-empty .icon").nth(k - 1).bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        (page.touchscreen.tap if touch else page.mouse.click)(x, y)
        expect(stars.get_by_role("slider")).to_have_value(str(k))
        filled = stars.locator(".stars-full").evaluate(
            "row => row.getBoundingClientRect().width * row.style.getPropertyValue('--share')"
        )
        left = stars.locator(".stars-empty").bounding_box()
        assert left
        assert left["x"] + filled == pytest.approx(box["x"] + box["width"], abs=1.0)
        page.mouse.move(1, 1)


def each_row_of_stars(page: Page) -> Iterator[Locator]:
    """Stars of one and the same film on every tab that has some, and in the visitor's list."""
    is_phone = page.locator(".foot-bar-button").is_visible()
    if is_phone:
        open_list(page)
    yield page.locator(".rated .stars-input").first
    if is_phone:
        page.get_by_role("button", name="Close").click()
    open_tab(page, "Similar")
    expect(page.locator("#similar-films .card").first).to_be_visible()
    yield page.locator(".similar-film .stars-input")
    yield page.locator("#similar-films .card .stars-input").first
    open_tab(page, "Map of")
    canvas = page.locator("#film-map canvas")
    expect(canvas).to_be_visible()
    canvas.press("ArrowLeft")
    canvas.press("Enter")
    yield page.locator(".map-side .stars-input")


@pytest.mark.parametrize("scale", [(0.5, 5.0, 0.5), (0.0, 10.0, 1.0)], ids=["five", "ten"])
@pytest.mark.parametrize(
    ("width", "touch", "zoom"), [(1280, False, 1), (1280, False, 1.5), (390, True, 1)]
)
def test_star_k_gives_k_on_every_tab(
    visit: Visit, scale: tuple[float, float, float], width: int, touch: bool, zoom: float
) -> None:
    touching: dict[str, Any] = {"has_touch": True, "is_mobile": True} if touch else {}
    with visited(visit, scale, width=width, **touching) as page:
        page.evaluate(f"document.body.style.zoom = {zoom}")
        # A card leaves the list when it is rated, so that one star is tried there: the last.
        last = page.locator("#discover .card .stars-input").first.locator(".stars-empty .icon").last
        last.evaluate(MIDDLE)
        box = last.bounding_box()
        assert box
        click = page.touchscreen.tap if touch else page.mouse.click
        click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".rated .stars-input")).to_have_count(1)
        assert given(page) == scale[1]
        for stars in each_row_of_stars(page):
            click_each_star(page, stars, int(scale[1]), touch)


def test_a_scale_from_0_to_10_by_keyboard_and_its_0(visit: Visit) -> None:
    with visited(visit, (0.0, 10.0, 1.0)) as page:
        for keys, rating in (("10", 10), ("7", 7), ("1", 1), ("0", 0)):
            since = updates(page)
            asked = page.locator(".deck .poster-title").inner_text()
            page.locator(".deck input").focus()
            page.keyboard.type(keys)
            slider = row(page, asked).get_by_role("slider")
            expect(slider).to_have_value(str(rating))
            wait_for_update(page, since)  # after which the next question stays
            expect(page.locator(".deck .poster-title")).not_to_have_text(asked)
        expect(slider).to_have_attribute("aria-valuetext", "0 stars")
        slider.press("Delete")
        expect(row(page, asked)).to_have_count(0)
        asked = page.locator(".deck .poster-title").inner_text()
        page.locator(".deck").get_by_role("button", name="0 stars").click()
        expect(row(page, asked).get_by_role("slider")).to_have_value("0")
        expect(page.locator("#discover [role=alert]")).to_have_count(0)


@pytest.mark.parametrize(
    ("scale", "typed", "rating"),
    [((1.0, 100.0, 1.0), "83", 83), ((0.0, 2.0, 1.0), "0", 0), ((-10.0, 10.0, 1.0), "-4", -4)],
)
def test_other_scales_have_a_slider_and_its_number(
    visit: Visit, scale: tuple[float, float, float], typed: str, rating: int
) -> None:
    with visited(visit, scale) as page:
        expect(page.locator(".stars-input")).to_have_count(0)
        asked = page.locator(".deck .poster-title").inner_text()
        for place in (".deck", "#discover .card"):
            box = page.locator(place).first.locator(".rating-slider").bounding_box()
            assert box and box["height"] < 60  # one line, whichever way its place lays things out
        page.locator(".deck").get_by_role("slider").focus()
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        line = row(page, asked)
        expect(line.get_by_role("slider")).to_have_value(str(rating))
        expect(line.get_by_role("spinbutton")).to_have_value(str(rating))
        # The mouse gives what the slider shows when it is let go.
        slider = line.get_by_role("slider")
        slider.click(position={"x": 1, "y": 10})
        expect(line.get_by_role("spinbutton")).to_have_value(f"{scale[0]:.0f}")
        assert given(page) == scale[0]
        slider.press("ArrowRight")
        assert given(page) == scale[0]  # a choice is not yet a rating
        slider.press("Enter")
        assert given(page) == scale[0] + 1
        slider.press("Delete")
        expect(line).to_have_count(0)
        expect(page.locator("#discover [role=alert]")).to_have_count(0)


def test_likes_have_a_heart_and_no_stars(visit: Visit) -> None:
    with visited(visit, (0.0, 1.0, 1.0)) as page:
        expect(page.locator(".stars, .card-stars")).to_have_count(0)
        asked = page.locator(".deck .poster-title").inner_text()
        page.locator(".deck").get_by_role("button", name="Like ").press("Enter")
        heart = row(page, asked).get_by_role("button", name=f"Like {asked}")
        expect(heart).to_have_attribute("aria-pressed", "true")
        assert given(page) == 1
        expect(page.locator("#toasts")).to_contain_text(f"{asked}: liked")
        heart.click()
        expect(row(page, asked)).to_have_count(0)


def test_ten_stars_fit_a_phone(visit: Visit) -> None:
    touching: dict[str, Any] = {"has_touch": True, "is_mobile": True}
    with visited(visit, (1.0, 10.0, 1.0), width=360, height=740, **touching) as page:
        page.locator(".deck .stars-zero, .deck input").first.press("9")
        expect(page.locator(".rated .stars-input")).to_have_count(1)
        for tab in ("Rate", "Known users", "Similar titles", "Map of titles"):
            open_tab(page, tab)
            expect(page.locator(".placeholder:visible")).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, tab
            for stars in page.locator(".stars-row:visible").all():
                box = stars.bounding_box()
                assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
                if stars.locator("input").count():
                    assert round(box["height"], 1) >= 40
