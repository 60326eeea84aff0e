"""Lists that visitors bring are matched to films as they mean them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.scale import LIKES, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.space.errors import InvalidInput
from hf_cf.space.list_files import MOST_LINES
from hf_cf.space.lists import ListReader, ReadList

FILMS = [
    (1, "Psycho (1960)", 1960),
    (2, "Psycho (1998)", 1998),
    (3, "Godfather, The (1972)", 1972),
    (4, "City of God (Cidade de Deus) (2002)", 2002),
    (5, "Seven (a.k.a. Se7en) (1995)", 1995),
    (6, "Star Wars: Episode IV - A New Hope (1977)", 1977),
    (7, "8 1/2 (8½) (1963)", 1963),
    (8, "Star Wars: Episode V - The Empire Strikes Back (1980)", 1980),
    (9, "Three Colors: Red (Trois couleurs: Rouge) (1994)", 1994),
    (10, "Alien³ (a.k.a. Alien 3) (1992)", 1992),
]


def catalogue(films: list[tuple[int, str, int | None]] = FILMS, **columns: list[Any]) -> Catalogue:
    """The better known first."""
    table = pd.DataFrame(films, columns=["id", "title", "year"], index=range(1, len(films) + 1))
    table = table.assign(n_ratings=range(len(films), 0, -1), **columns)
    return Catalogue(Vocab(table["id"].tolist()), table.astype({"year": "Int32"}))


HALVES = ListReader(catalogue(), RatingScale(0.5, 5, 0.5))
WHOLE = ListReader(catalogue(), RatingScale(1, 5, 1))
OF_LIKES = ListReader(catalogue(), LIKES)


def why_missing(read: ReadList) -> dict[str, str]:
    return {one.name: one.why for one in read.missing}


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("The Godfather,1972,4", 3),
        ("the GODFATHER,,4", 3),
        ('"Godfather, The (1972)",,4', 3),
        ("The Godfather,1973,4", 3),  # sources differ by a year
        ("Psycho,1998,4", 2),
        ("Psycho,,4", 1),  # the better known
        ("Psycho (1998),,4", 2),
        ("City of God,2002,4", 4),
        ("Se7en,1995,4", 5),
        ("Star Wars,1977,4", 6),
        ("Star Wars,,4", None),
        ("8½,1963,4", 7),
        ("The Empire Strikes Back,1980,4", 8),
        ("The Empire Strikes Back,,4", 8),  # there is but one
        ("Three Colours: Red,1994,4", 9),
        ("Alien³,1992,4", 10),
        ("Seven,1995,4", 5),
        ("The Godfather,1980,4", None),
        (",1972,4", None),
    ],
)
def test_names_and_years_find_films(line: str, item: int | None) -> None:
    read = HALVES.read(f"Name,Year,Rating\n{line}\n")
    assert list(read.ratings) == ([] if item is None else [item])
    assert read.n_missing == (item is None)


def test_an_id_goes_before_a_name() -> None:
    read = HALVES.read("Item,Title,Rating\n2,The Godfather,4\n99,The Godfather,3\n")
    assert read.ratings == {2: 4.0, 3: 3.0}


def test_ratings_become_the_nearest_step() -> None:
    text = "Item,Rating\n1,3.5\n2,0.5\n3,4.4\n4,6\n5,0\n"
    assert HALVES.read(text).ratings == {1: 3.5, 2: 0.5, 3: 4.5}
    assert WHOLE.read(text).ratings == {1: 4.0, 2: 1.0, 3: 4.0}
    assert why_missing(HALVES.read(text)) == {
        "4": "rating 6 is outside 0.5 to 5",
        "5": "no rating",
    }


@pytest.mark.parametrize(
    ("text", "ratings"),
    [
        (
            "Const,Your Rating,Date Rated,Title,URL,Title Type,IMDb Rating,Year\n"
            "tt0054215,9,2020-01-01,Psycho,,Movie,8.5,1960\n",
            {1: 4.5},
        ),
        (
            "Book Id,Title,Author,My Rating,Average Rating,Exclusive Shelf\n"
            '1,"The Godfather (The Godfather, #1)",Mario Puzo,4,4.3,read\n'
            "2,Psycho,Robert Bloch,0,4.0,to-read\n",
            {3: 4.0},
        ),
        ("Date,Name,Year,Letterboxd URI,Rating\n2020-01-01,Psycho,1960,x,3.5\n", {1: 3.5}),
        ("title,my_score\nPsycho,8\n", {1: 4.0}),
        ("rated_at,type,title,year,trakt_id,rating\nx,movie,Psycho,1998,1,7\n", {2: 3.5}),
    ],
)
def test_lists_of_other_sites_come_to_the_model_s_scale(
    text: str, ratings: dict[int, float]
) -> None:
    assert HALVES.read(text).ratings == ratings


def test_what_was_left_out_is_listed_with_why() -> None:
    text = (
        "Name,Year,Rating\nStar Wars,,4\nThe Godfather,1990,4\nNobody Knows It,2020,3\n"
        "Psycho,1960,\nSe7en,1995,seven\n8½,1963,7\n,1999,4\n"
    )
    assert why_missing(HALVES.read(text)) == {
        "Star Wars": "ambiguous without a year: Star Wars: Episode IV - A New Hope (1977), "
        "Star Wars: Episode V - The Empire Strikes Back (1980)",
        "The Godfather (1990)": "only of another year here: Godfather, The (1972)",
        "Nobody Knows It (2020)": "not in this model",
        "Psycho (1960)": "no rating",
        "Se7en (1995)": "no rating 'seven'",
        "8½ (1963)": "rating 7 is outside 0.5 to 5",
        "a line without a name (1999)": "no name",
    }


GOODREADS = (
    "Book Id,Title,Author,ISBN,My Rating,Average Rating,Exclusive Shelf\n"
    '1,"Night Ferry (Harbour Tales, #1)",Ana Ostrava,"=""0439023480""",4,4.3,read\n'
    "2,The Lantern,Tomasz Berg,,0,4.0,to-read\n"
    "3,The Lantern,Ines Alder,,5,4.0,read\n"
    "4,Alder Wood,Tomasz Berg,,0,4.0,currently-reading\n"
)


def test_goodreads_shelves_and_authors() -> None:
    books = [(1, "The Lantern", None), (2, "Night Ferry", None), (3, "The Lantern", None)]
    books.append((4, "Alder Wood", None))
    authors = ["Ines Alder", "Ana Ostrava", "Tomasz Berg", "Tomasz Berg"]
    read = ListReader(catalogue(books, author=authors), RatingScale(1, 10, 1)).read(GOODREADS)
    assert read.ratings == {2: 8.0, 1: 10.0}
    assert read.saved == [3]
    assert why_missing(read) == {"Alder Wood": "no rating"}


def test_isbns_and_imdb_numbers_are_ids() -> None:
    books = pd.DataFrame(
        {"id": ["0439023480", "x"], "title": ["Another Edition", "The Lantern"], "n_ratings": 1},
        index=[1, 2],
    )
    reader = ListReader(Catalogue(Vocab(["0439023480", "x"]), books), RatingScale(1, 5, 1))
    assert reader.read(GOODREADS).ratings == {"0439023480": 4.0, "x": 5.0}
    numbers = [*(f"{n:07d}" for n in range(54207, 54216)), None]
    films = ListReader(catalogue(imdb_id=numbers), RatingScale(0.5, 5, 0.5))
    text = "Const,Your Rating,Title,Year\ntt0054209,9,Der Pate,1972\n"
    assert films.read(text).ratings == {3: 4.5}
    assert films.read("Name,Year,Rating\nPsycho,1960,4\n").ratings == {1: 4.0}


@pytest.mark.parametrize(
    "text",
    [
        "Date,Name,Year,Letterboxd URI\n2020-01-01,Psycho,1960,x\n",
        "Position,Const,Created,Title,Year,Your Rating,Date Rated\n1,tt1,x,Psycho,1960,,\n",
        '[{"listed_at": "x", "type": "movie", "movie": {"title": "Psycho", "year": 1960}}]',
    ],
    ids=["letterboxd", "imdb", "trakt"],
)
def test_a_watch_list_is_saved_for_later(text: str) -> None:
    read = HALVES.read(text)
    assert (read.ratings, read.saved, read.missing) == ({}, [1], [])
    assert OF_LIKES.read(text).ratings == {1: 1.0}


def test_myanimelist_in_xml() -> None:
    text = """<?xml version="1.0" encoding="UTF-8" ?>
        <myanimelist><myinfo><user_id>1</user_id></myinfo>
        <anime><series_animedb_id>3</series_animedb_id>
          <series_title><![CDATA[Psycho]]></series_title>
          <my_score>7</my_score><my_status>Completed</my_status></anime>
        <anime><series_title><![CDATA[Se7en]]></series_title>
          <my_score>0</my_score><my_status>Plan to Watch</my_status></anime>
        <anime><series_title>8½</series_title><my_score>0</my_score>
          <my_status>Completed</my_status></anime></myanimelist>"""
    read = HALVES.read(text)
    assert (read.ratings, read.saved) == ({1: 3.5}, [5])
    assert why_missing(read) == {"8½": "no rating"}


def test_trakt_in_json() -> None:
    text = """[{"rated_at": "x", "rating": 8, "type": "movie", "movie":
        {"title": "Psycho", "year": 1998, "ids": {"trakt": 1, "imdb": "tt0155975"}}}]"""
    assert HALVES.read(text).ratings == {2: 4.0}


def test_likes_are_what_was_rated_high() -> None:
    read = OF_LIKES.read("Name,Year,Letterboxd URI,Rating\nPsycho,1960,x,4\nSe7en,1995,x,2.5\n")
    assert read.ratings == {1: 1.0}
    assert why_missing(read) == {"Se7en (1995)": "rated low, and here are only likes"}
    assert OF_LIKES.read("Item,Rating\n1,1\n2,0\n").ratings == {1: 1.0}


def test_a_list_that_the_page_saved_keeps_what_is_nought_or_less() -> None:
    below = ListReader(catalogue(), RatingScale(-10, 10, 1))
    assert below.read("Item,Rating\n1,0\n2,-7\n3,11\n").ratings == {1: 0.0, 2: -7.0}
    assert below.read("Title,My Rating\nPsycho,5\nSe7en,0\n").ratings == {1: 10.0}


def test_the_last_of_several_ratings_counts() -> None:
    assert HALVES.read("Item,Rating\n1,2\n3,4\n1,5\n").ratings == {3: 4.0, 1: 5.0}


def test_other_delimiters_a_mark_at_the_start_and_empty_lines() -> None:
    assert HALVES.read("\ufeffname;rating\r\n\r\nThe Godfather;4\r\n").ratings == {3: 4.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "it has a, b"),
        ("Rating\n5\n", "Name and Rating"),
        (17, "no text"),
        ("<?xml version='1.0'?><a><b></a>", "mismatched tag"),
        ("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        ("[1, 2]", "no object"),
        ("[" * 100_000, "cannot be read"),
        ("Name,Rating\n" + "x,1\n" * (MOST_LINES + 1), "more than 20,000 lines"),
        ("x" * 2_000_001, "2,000,001 characters"),
        (f"Name,Rating\n{'x' * 200_000},4\n", "field larger than field limit"),
    ],
)
def test_what_is_no_list_is_refused(text: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        HALVES.read(text)  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for head in ("", "Name,Year,Rating\n", "Item;Rating\n", "<?xml?>", "[", "Const,Your Rating\n"):
        try:
            read = HALVES.read(head + text)
        except InvalidInput:
            continue
        assert all(0.5 <= stars <= 5 for stars in read.ratings.values())
