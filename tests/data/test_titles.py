"""Titles as people type them."""

from __future__ import annotations

import pytest

from hf_cf.data.titles import normalise, series_of


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
