"""What items are called follows from their columns, or from what somebody says."""

from __future__ import annotations

from pathlib import Path

import pytest

import hf_cf
from hf_cf.data.scale import DataSource
from hf_cf.data.words import ItemWords, noun_of_columns


@pytest.mark.parametrize(
    ("column", "noun"),
    [
        ("movieId", "film"), ("ISBN", "book"), ("artistID", "artist"), ("game-title", "game"),
        ("placeID", "place"), ("item", ""), ("track_name", "track"), ("appid", "game"),
    ],
)  # fmt: skip
def test_the_column_of_items_says_what_they_are(tmp_path: Path, column: str, noun: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"user,{column},rating\n1,2,3\n1,3,5\n2,2,4\n")
    item_col = {"item_col": column} if column == "track_name" else {}
    assert hf_cf.load_ratings(path, **item_col).source.noun == noun
    assert noun_of_columns({"item": "id", "title": column}) == noun


def test_words_that_are_given_count_more_and_survive_saving(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,movieId,rating\n1,2,3\n1,3,5\n2,2,4\n")
    source = hf_cf.load_ratings(path, noun="documentary", verb="watch").source
    words = source.words
    assert (words.plural, words.past, words.done) == ("documentaries", "watched", "seen")
    assert words.with_article == "a documentary"


@pytest.mark.parametrize(
    ("noun", "verb", "expected"),
    [
        ("book", "", ("books", "read", "read", "read")),
        ("artist", "", ("artists", "listen to", "listened to", "heard")),
        ("dish", "taste", ("dishes", "taste", "tasted", "tasted")),
        ("", "", ("titles", "try", "tried", "tried")),
        ("anime", "", ("anime", "watch", "watched", "seen")),
    ],
)
def test_plural_and_past_follow(noun: str, verb: str, expected: tuple[str, ...]) -> None:
    words = ItemWords.of(noun, verb)
    assert (words.plural, words.verb, words.past, words.done) == expected


def test_folders_of_movielens_without_words_hold_films_others_titles() -> None:
    assert DataSource("ml-100k").words.plural == "films"
    assert DataSource("my data").words.plural == "titles"


def test_a_text_about_films_speaks_of_other_things() -> None:
    text = "Films of a film's makers. A film, filmed; the film-list."
    assert ItemWords.of("artist").instead_of_films(text) == (
        "Artists of an artist's makers. An artist, filmed; the artist-list."
    )
