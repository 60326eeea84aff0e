"""Lists of ratings that come and go: files, links, and what should not be in them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from altered import altered
from calling import served
from conftest import Visit, open_tab, rate, recommended, row
from playwright.sync_api import Page, expect

import hf_cf
from hf_cf.data.catalogue import Catalogue
from hf_cf.space.service import Service

LETTERBOXD = """Date,Name,Year,Letterboxd URI,Rating
2024-01-02,Alien,1979,https://boxd.it/2awY,4.5
2024-01-03,"Good, the Bad and the Ugly, The",1966,https://boxd.it/29qU,5
2024-01-04,A Film That Nobody Knows,2020,https://boxd.it/zzzz,3
2024-01-05,Blade Runner,1982,https://boxd.it/2bcA,
"""
MARKUP = "<img src=x onerror=alert(1)>${alert(2)}{{constructor}}"


def give_file(page: Page, content: str | bytes, name: str = "ratings.csv") -> None:
    data = content.encode() if isinstance(content, str) else content
    page.get_by_label("File of ratings").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": data}
    )


def test_a_list_from_letterboxd(page: Page) -> None:
    give_file(page, LETTERBOXD)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 ratings, of films that are known here.")
    dialog.get_by_text("2 lines left out").click()
    expect(dialog).to_contain_text("A Film That Nobody Knows (2020): not in this model")
    expect(dialog).to_contain_text("Blade Runner (1982): no rating")
    dialog.get_by_role("button", name="Use this list").click()
    expect(row(page, "Alien").get_by_role("slider")).to_have_value("4.5")
    expect(row(page, "The Good, the Bad and the Ugly").get_by_role("slider")).to_have_value("5")


def test_what_a_list_holds_for_later_is_saved_for_later(page: Page) -> None:
    packed = gzip.compress(
        b"<myanimelist><anime><series_title>Alien</series_title><my_score>9</my_score></anime>"
        b"<anime><series_title>Heat</series_title><my_score>0</my_score>"
        b"<my_status>Plan to Watch</my_status></anime></myanimelist>"
    )
    give_file(page, packed, "animelist.xml.gz")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 rating and 1 for later, of films that are known here.")
    dialog.get_by_role("button", name="Use this list").click()
    expect(row(page, "Alien").get_by_role("slider")).to_have_value("4.5")
    expect(page.locator(".saved .film-row")).to_contain_text("Heat")


def test_what_is_saved_can_be_imported_elsewhere(page: Page, visit: Visit, tmp_path: Path) -> None:
    rate(page, "Alien", 5)
    rate(page, "Notting Hill", 2)
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as file").click()
    saved = tmp_path / "saved.csv"
    saving.value.save_as(saved)
    assert saved.read_text("utf-8").splitlines()[0] == "Name,Year,Rating,Item"

    other = visit()
    rate(other, "Alien", 1)
    rate(other, "Blade Runner", 4)
    give_file(other, saved.read_bytes())
    other.get_by_role("button", name="Add to my list").click()
    for title, stars in {"Alien": "5", "Notting Hill": "2", "Blade Runner": "4"}.items():
        expect(row(other, title).get_by_role("slider")).to_have_value(stars)


def test_a_link_carries_the_list(page: Page, visit: Visit) -> None:
    rate(page, "Alien", 5)
    page.get_by_role("button", name="Share a link").click()
    link = page.get_by_role("textbox", name="Link to your list").input_value()
    other = visit(link)
    dialog = other.get_by_role("dialog")
    expect(dialog).to_contain_text("1 rating, of films that are known here.")
    dialog.get_by_role("button", name="Use this list").click()
    expect(row(other, "Alien").get_by_role("slider")).to_have_value("5")
    assert "#list" not in other.url


def test_two_people_get_a_list_for_both_by_link(page: Page, visit: Visit) -> None:
    rate(page, "Alien", 5)
    rate(page, "Blade Runner", 5)
    page.get_by_role("button", name="Share a link").click()
    link = page.get_by_role("textbox", name="Link to your list").input_value()

    other = visit()
    rate(other, "Notting Hill", 5)
    other.goto(link)
    other.reload()
    other.get_by_role("dialog").get_by_role("button", name="For us two").click()
    expect(other.get_by_role("heading", name="For you two")).to_be_visible()
    card = other.locator("#discover .card").first
    expect(card).to_contain_text(re.compile(r"For each of you: \d\.\d and \d\.\d"))
    expect(row(other, "Notting Hill").get_by_role("slider")).to_have_value("5")
    expect(row(other, "Alien")).to_have_count(0)  # it is not their own list
    other.get_by_role("button", name="Share", exact=True).click()
    both = other.get_by_role("textbox", name="Link for all of you").input_value()
    other.keyboard.press("Escape")
    titles = recommended(other)

    # Whoever opens the link for both sees the same, whatever they rated; back to their own is near.
    third = visit(both)
    expect(third.get_by_role("heading", name="For you two")).to_be_visible()
    expect(third.locator("#discover .card").first).to_contain_text("For each of you")
    assert recommended(third) == titles
    third.reload()
    expect(third.get_by_role("heading", name="For you two")).to_be_visible()
    third.get_by_role("button", name="For me alone").click()
    expect(third.get_by_role("heading", name="Loved by many")).to_be_visible()
    assert "#together" not in third.url


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{MARKUP},b\n1,2\n", "the first line must name the columns"),
        ("", "the first line must name the columns"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "the first line must name the columns"),
        ("Name,Rating\n" + "x,5\n" * 600_000, "lists of up to 2 MB"),
        ("Name,Rating\n" + "x,5\n" * 30_000, "more than 20,000 lines"),
    ],
    ids=["markup", "empty", "picture", "too large", "too long"],
)
def test_a_file_that_is_no_list(page: Page, content: str | bytes, said: str) -> None:
    give_file(page, content)
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(said)
    expect(page.locator("dialog img")).to_have_count(0)


def test_markup_in_a_file_is_text(page: Page) -> None:
    give_file(page, f'Name,Year,Rating\nAlien,1979,5\n"{MARKUP}",1999,5\nHeat,1995,"{MARKUP}"\n')
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("2 lines left out").click()
    expect(dialog).to_contain_text(MARKUP)
    expect(dialog.locator("img")).to_have_count(0)


@pytest.mark.parametrize(
    "hash_",
    [
        "#list=!!!",
        "#list=AAAA",
        "#list=W1sxLDVdXQ",
        "#list=" + "A" * 30000,
        "#together=!",
        "#together=AAAA.W10",
    ],
)
def test_a_link_that_is_no_list(visit: Visit, space: str, hash_: str) -> None:
    page = visit(space + hash_)
    expect(page.locator("#discover .card").first).to_be_visible()


def test_markup_in_the_titles_of_a_model_is_text(trained: hf_cf.Recommender, visit: Visit) -> None:
    catalogue = trained.catalogue.copy()
    catalogue["title"] = [f"{MARKUP} {code}" for code in catalogue.index]
    catalogue["genres"] = MARKUP
    hostile = altered(trained, catalogue=Catalogue(trained.items, catalogue))
    with served(Service(hostile)) as address, visit(address) as page:
        expect(page.locator("#discover .card").first).to_contain_text(MARKUP)
        page.locator(".deck input").press("5")
        expect(page.locator(".rated .film-row").first).to_contain_text(MARKUP)
        for tab in ("Similar films", "Map of films", "Behind the model", "Known users"):
            open_tab(page, tab)
            expect(page.locator(".placeholder:visible")).to_have_count(0)
        expect(page.locator("img[src=x]")).to_have_count(0)
