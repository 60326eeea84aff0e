from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.sample import load_sample

GENRES = {
    "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller",
    "War", "Western",
}  # fmt: skip
FILE = resources.files("hf_cf.data.readers") / "sample_films.csv"


@cache
def sample() -> Ratings:
    return load_sample()


@cache
def films() -> pd.DataFrame:
    """The catalogue with its themes, which ``load_sample`` keeps to itself."""
    with FILE.open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)


@cache
def residuals() -> np.ndarray:
    """Users by films: what a user gave a film beyond the biases of both; 0 where not rated."""
    ratings = sample()
    users, items = ratings.user_codes - 1, ratings.item_codes - 1
    left = ratings.stars - ratings.stars.mean()
    film_bias = np.bincount(items, left) / (np.bincount(items) + 5)
    left = left - film_bias[items]
    user_bias = np.bincount(users, left) / (np.bincount(users) + 5)
    table = np.zeros((len(ratings.users) - 1, len(ratings.items) - 1))
    table[users, items] = left - user_bias[users]
    return table


@cache
def neighbours(n: int = 10) -> np.ndarray:
    """The n nearest films of each film by the cosine of the factors of a truncated SVD."""
    _, sizes, factors = np.linalg.svd(residuals(), full_matrices=False)
    vectors = factors[:24].T * sizes[:24]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return np.argsort(-cosines, axis=1)[:, :n]


def digest(ratings: Ratings) -> str:
    assert ratings.timestamps is not None
    columns = (ratings.user_codes, ratings.item_codes, ratings.stars, ratings.timestamps)
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def has(trait: str) -> np.ndarray:
    """Which films have a genre or a theme."""
    labels = films()["genres"] + "|" + films()["themes"]
    return labels.str.split("|").map(lambda names: trait in names).to_numpy()


def test_every_call_gives_the_same_ratings():
    assert digest(load_sample()) == digest(load_sample())


def test_it_is_about_as_large_as_promised():
    ratings = sample()
    assert 55_000 < len(ratings) < 65_000
    assert len(ratings.users) - 1 == 600
    assert len(ratings.items) - 1 == len(films()) > 500
    assert ratings.user_counts()[1:].min() >= 20


def test_it_says_that_it_is_synthetic():
    source = sample().source
    assert source.name == "sample"
    assert source.synthetic
    assert source.redistributable
    assert "enerated" in source.licence


def test_stars_are_half_stars_of_the_scale_and_look_like_movielens():
    ratings = sample()
    assert (ratings.scale.min, ratings.scale.max, ratings.scale.step) == (0.5, 5.0, 0.5)
    assert set(np.unique(ratings.stars)) == set(ratings.scale.levels)
    assert 3.3 < ratings.stars.mean() < 3.7
    assert 0.95 < ratings.stars.std() < 1.15
    values, counts = np.unique(ratings.stars, return_counts=True)
    assert values[counts.argmax()] in (3.0, 4.0)
    assert 0.15 < (ratings.stars % 1 == 0.5).mean() < 0.35


def test_few_films_and_few_users_have_most_of_the_ratings():
    def gini(counts: np.ndarray) -> float:
        ordered = np.sort(counts)
        rank = 2 * np.arange(1, len(ordered) + 1) - len(ordered) - 1
        return float(rank @ ordered / (len(ordered) * ordered.sum()))

    ratings = sample()
    assert gini(ratings.item_counts()[1:]) > 0.28
    assert gini(ratings.user_counts()[1:]) > 0.4
    assert ratings.item_counts().max() > 0.5 * 600
    assert np.quantile(ratings.item_counts()[1:], 0.1) < 45


def test_films_that_more_people_saw_are_better_liked():
    ratings = sample()
    counts = ratings.item_counts()[1:]
    means = np.bincount(ratings.item_codes, ratings.stars)[1:] / counts
    assert np.corrcoef(np.log(counts), means)[0, 1] > 0.15


def test_people_watch_what_they_like():
    ratings = sample()
    horror = has("Horror")
    rated = np.zeros(residuals().shape, dtype=bool)
    rated[ratings.user_codes - 1, ratings.item_codes - 1] = True
    share = rated[:, horror].sum(1) / rated.sum(1)
    liking = residuals()[:, horror].sum(1) / np.maximum(rated[:, horror].sum(1), 1)
    assert np.corrcoef(share, liking)[0, 1] > 0.2


def test_ratings_are_dated_when_every_film_was_out():
    ratings = sample()
    assert ratings.timestamps is not None
    years = pd.to_datetime(ratings.timestamps, unit="s").year
    assert films()["year"].max() < years.min()
    assert years.max() <= 2026


def test_users_have_an_age_and_an_occupation_that_shift_tastes_weakly():
    ratings = sample()
    users = ratings.user_features
    assert users is not None
    assert list(users.columns) == ["id", "age", "occupation"]
    assert users["age"].between(13, 90).all()
    year_of = films()["year"].to_numpy()[ratings.item_codes - 1]
    mean_year = np.bincount(ratings.user_codes, year_of)[1:] / ratings.user_counts()[1:]
    assert -0.7 < np.corrcoef(users["age"], mean_year)[0, 1] < -0.1


def test_catalogue_facts_are_well_formed():
    catalogue = films()
    assert list(catalogue["id"]) == list(range(1, len(catalogue) + 1))
    assert catalogue["title"].is_unique
    assert catalogue["year"].is_monotonic_increasing
    for film in catalogue.itertuples():
        match = re.fullmatch(r"\S.* \((\d{4})\)", film.title)
        assert match, film.title
        assert int(match[1]) == film.year
        assert 1930 <= film.year <= 2024
        assert not re.match(r"(The|A|An) ", film.title), film.title
        genres = film.genres.split("|")
        assert set(genres) <= GENRES, film.title
        assert genres == sorted(set(genres)), film.title


def test_the_catalogue_of_the_ratings_is_the_file_without_the_planted_themes():
    catalogue = sample().catalogue
    assert list(catalogue.columns) == ["id", "title", "year", "genres"]
    assert list(catalogue["title"]) == list(films()["title"])


def test_the_file_is_small_in_the_wheel():
    assert len(FILE.read_bytes()) < 100_000


@pytest.mark.parametrize(
    ("title", "trait"),
    [
        ("Godfather, The (1972)", "mafia"),
        ("Alien (1979)", "space"),
        ("Matrix, The (1999)", "Sci-Fi"),
        ("Blade Runner (1982)", "Sci-Fi"),
        ("Toy Story (1995)", "Animation"),
        ("Dark Knight, The (2008)", "superhero"),
        ("GoldenEye (1995)", "spy"),
        ("Casablanca (1942)", "love-story"),
        ("Spirited Away (Sen to Chihiro no kamikakushi) (2001)", "Fantasy"),
        ("Platoon (1986)", "war"),
        ("When Harry Met Sally... (1989)", "rom-com"),
        ("Shaun of the Dead (2004)", "Horror"),
    ],
)
def test_films_that_share_a_planted_taste_are_similar(title: str, trait: str):
    film = int(np.flatnonzero(films()["title"] == title)[0])
    nearest = neighbours()[film]
    # A theme is in at most one film of fifteen, a genre of these in at most one of five.
    at_least = 6 if trait in GENRES else 4
    assert has(trait)[film]
    assert has(trait)[nearest].sum() >= at_least, list(films()["title"].iloc[nearest])


def test_neighbours_share_a_theme_far_more_often_than_chance():
    themes = films()["themes"].str.get_dummies("|").to_numpy()
    shared = (themes @ themes.T) > 0
    np.fill_diagonal(shared, False)
    by_chance = shared.sum() / (len(shared) * (len(shared) - 1))
    often_rated = sample().item_counts()[1:] >= 60
    found = np.take_along_axis(shared, neighbours(), axis=1)[often_rated].mean()
    assert found > 6 * by_chance
