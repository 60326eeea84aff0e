"""Lists that visitors bring are matched to films as they mean them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_cf.data.scale import RatingScale
from hf_cf.space.errors import InvalidInput
from hf_cf.space.lists import MOST_LINES, ListReader

FILMS = [
    (1, "Psycho (1960)", 1960),
    (2, "Psycho (1998)", 1998),
    (3, "Godfather, The (1972)", 1972),
    (4, "City of God (Cidade de Deus) (2002)", 2002),
    (5, "Seven (a.k.a. Se7en) (1995)", 1995),
    (6, "Star Wars: Episode IV - A New Hope (1977)", 1977),
    (7, "8 1/2 (8½) (1963)", 1963),
]
HALVES = ListReader(FILMS, RatingScale(0.5, 5, 0.5))
WHOLE = ListReader(FILMS, RatingScale(1, 5, 1))


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
    assert HALVES.read(text).missing == ["4: no rating '6'", "5: no rating '0'"]


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
    for head in ("", "Name,Year,Rating\n", "Item;Rating\n"):
        try:
            read = HALVES.read(head + text)
        except InvalidInput:
            continue
        assert all(0.5 <= stars <= 5 for stars in read.ratings.values())
