"""Titles as people type them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hf_cf
from hf_cf.data.titles import TitleIndex, normalise, series_of


@pytest.fixture(scope="module")
def films(sample: hf_cf.Ratings) -> TitleIndex:
    return TitleIndex(sample.catalogue["title"], sample.item_counts()[1:])


@pytest.fixture(scope="module")
def titles(sample: hf_cf.Ratings) -> dict[int, str]:
    return sample.catalogue["title"].to_dict()


@pytest.mark.parametrize(
    ("title", "words", "year"),
    [
        ("Matrix, The (1999)", "the matrix", "1999"),
        ("the MATRIX", "the matrix", ""),
        ("Misérables, Les (1995)", "les miserables", "1995"),
        ("Avventura, L' (1960)", "l avventura", "1960"),
        ("WALL·E (2008)", "wall e", "2008"),
        ("heat 1995", "heat", "1995"),
        ("2012 (2009)", "2012", "2009"),
        ("1984", "1984", ""),
        ("Straße (1999)", "strasse", "1999"),
        ("  Monsters,   Inc.  ", "monsters inc", ""),
        ("Three Billboards Outside Ebbing, Missouri (2017)",
         "three billboards outside ebbing missouri", "2017"),
        ("!?", "", ""),
    ],
)  # fmt: skip
def test_a_title_is_plain_words_and_a_year(title: str, words: str, year: str) -> None:
    assert normalise(title) == (words, year)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("the matrix", "Matrix, The (1999)"),
        ("matrix", "Matrix, The (1999)"),
        ("Matrix, The", "Matrix, The (1999)"),
        ("THE MATRIX (1999)", "Matrix, The (1999)"),
        ("teh matrx", "Matrix, The (1999)"),
        ("silence of the lamb", "Silence of the Lambs, The (1991)"),
        ("scilence of the lambs", "Silence of the Lambs, The (1991)"),
        ("pulp ficton 1994", "Pulp Fiction (1994)"),
        ("a few good men", "Few Good Men, A (1992)"),
        ("shawshank", "Shawshank Redemption, The (1994)"),
        ("la dolce vita", "Dolce Vita, La (1960)"),
        ("das boot", "Boot, Das (Boat, The) (1981)"),
        ("Amélie", "Amelie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("leon the professional",
         "Léon: The Professional (a.k.a. The Professional) (Léon) (1994)"),
        ("y tu mama tambien", "Y Tu Mamá También (2001)"),
        ("wall-e", "WALL·E (2008)"),
        ("mash", "M*A*S*H (a.k.a. MASH) (1970)"),
        ("seven samurai", "Seven Samurai (Shichinin no samurai) (1954)"),
        ("return of the king", "Lord of the Rings: The Return of the King, The (2003)"),
        ("the good, the bad and the ugly",
         "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)"),
        ("dracula 1992", "Dracula (Bram Stoker's Dracula) (1992)"),
        ("dracula 1931", "Dracula (1931)"),
        ("blade runner", "Blade Runner (1982)"),
        ("blade runner 1982", "Blade Runner (1982)"),
        ("blade runner 2049", "Blade Runner 2049 (2017)"),
        ("Blade Runner 2049 (2017)", "Blade Runner 2049 (2017)"),
        ("the matrix 1998", "Matrix, The (1999)"),
    ],
)  # fmt: skip
def test_the_film_that_is_meant_comes_first(
    films: TitleIndex, titles: dict[int, str], typed: str, title: str
) -> None:
    codes, likeness = films.nearest(typed)
    assert titles[codes[0]] == title
    assert 60 <= likeness[0] <= 100


@pytest.mark.parametrize("typed", ["qwzx kjhgv plmokn", "", "   ", "?!", "()", "\x00"])
def test_nothing_near_is_nothing(films: TitleIndex, typed: str) -> None:
    codes, likeness = films.nearest(typed)
    assert len(codes) == len(likeness) == 0


def test_every_film_is_found_by_its_own_title(films: TitleIndex, titles: dict[int, str]) -> None:
    missed = [title for code, title in titles.items() if films.nearest(title, 1)[0][0] != code]
    assert missed == []


@given(typed=st.text(max_size=50), n=st.integers(1, 20))
def test_whatever_is_typed_gives_at_most_n_different_films(
    films: TitleIndex, typed: str, n: int
) -> None:
    codes, likeness = films.nearest(typed, n)
    assert len(codes) <= n
    assert len(set(codes.tolist())) == len(codes)
    assert ((likeness >= 60) & (likeness <= 100)).all()


def test_a_very_long_text_is_cut_not_waited_for(films: TitleIndex) -> None:
    codes, _ = films.nearest("the matrix " * 100_000)
    assert len(codes) <= 5


def test_of_equal_titles_the_best_known_comes_first() -> None:
    index = TitleIndex(pd.Series(["Heat", "Heat", "Heat"], index=[1, 2, 3]), np.array([5, 900, 0]))
    assert index.nearest("heat")[0].tolist() == [2, 1, 3]
    assert index.exact("Heat") == [1, 2, 3]
    assert index.exact("heat") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Godfather, The (1972)", "Godfather: Part II, The (1974)"),
        ("Alien (1979)", "Aliens (1986)"),
        ("X-Men (2000)", "X-Men: First Class (2011)"),
        ("Toy Story (1995)", "Toy Story 2 (1999)"),
        ("Rocky (1976)", "Rocky IV (1985)"),
        ("Lord of the Rings: The Two Towers, The (2002)", "Lord of the Rings, The (1978)"),
        ("Harry Potter and the Goblet of Fire (2005)", "Harry Potter and the Order of the Phoenix"),
        ("A Storm of Swords (Ice and Fire, #3)", "A Dance with Dragons (Ice and Fire, #5)"),
    ],
)  # fmt: skip
def test_titles_of_one_series(one: str, other: str) -> None:
    assert series_of(one) == series_of(other)


@pytest.mark.parametrize(
    "title",
    ["12 Angry Men (1957)", "V for Vendetta (2006)", "8 1/2 (8½) (1963)", "?", "(1984)"],
)
def test_a_title_without_a_series_is_its_own(title: str) -> None:
    assert series_of(title)
    assert series_of(title) != series_of("Heat (1995)")
