"""Features of users and items, found in their tables and turned into numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import hf_cf
from hf_cf.data.features import Feature, design_matrix, find_features, from_json, n_columns, to_json

FILMS = pd.DataFrame(
    {
        "id": range(40),
        "title": [f"Film {n}" for n in range(40)],
        "year": pd.array([1960 + n % 20 for n in range(39)] + [None], "Int32"),
        "genres": ["Action|Drama", "Drama", "", "Comedy"] * 10,
        "imdb": [90_000 + 17 * n for n in range(40)],
        "n_ratings": [n % 5 for n in range(40)],
    }
)


def test_years_and_genres_are_found_and_ids_are_not() -> None:
    found = {feature.column: feature for feature in find_features(FILMS)}
    assert set(found) == {"year", "genres"}
    # Of the 30 films with genres 10 have each of Action and Comedy, and 20 have Drama.
    averages = (0.333333, 0.333333, 0.666667)
    expected = Feature("genres", "tags", ("Action", "Comedy", "Drama"), pytest.approx(averages))
    assert found["genres"] == expected
    assert found["year"].kind == "number"
    assert found["year"].values[0] == 1960 and found["year"].values[-1] == 1979


def test_a_number_is_shared_between_the_knots_around_it() -> None:
    year = Feature("year", "number", (1900.0, 1950.0, 2000.0))
    table = pd.DataFrame({"year": [1950, 1990, 1800, 2020, None]})
    np.testing.assert_allclose(
        design_matrix([year], table),
        [[0, 1, 0], [0, 0.2, 0.8], [1, 0, 0], [0, 0, 1], [0, 0, 0]],
        atol=1e-6,
    )


def test_tags_categories_and_what_is_missing() -> None:
    features = [
        Feature("genres", "tags", ("Action", "Drama")),
        Feature("sex", "category", ("F", "M")),
        Feature("absent", "category", ("x", "y")),
    ]
    table = pd.DataFrame({"genres": ["Drama|Action", "War", None], "sex": ["M", None, "F"]})
    expected = [[1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]]
    np.testing.assert_array_equal(design_matrix(features, table), expected)
    assert n_columns(features) == 6
    assert design_matrix([], table).shape == (3, 0)


def test_the_average_is_zero_and_so_is_what_is_missing() -> None:
    features = find_features(FILMS)
    design = design_matrix(features, FILMS)
    np.testing.assert_allclose(design.sum(0), 0, atol=1e-3)
    missing = design_matrix(features, pd.DataFrame({"year": [None], "genres": [None]}))
    assert not missing.any()


def test_features_survive_json() -> None:
    features = find_features(FILMS)
    assert from_json(json.loads(json.dumps(to_json(features)))) == features


def test_the_sample_has_features_of_films_and_people(sample: hf_cf.Ratings) -> None:
    assert {"year", "genres"} <= {f.column for f in find_features(sample.catalogue)}
    assert {f.column for f in find_features(sample.user_features)} >= {"age", "occupation"}
    assert find_features(None) == ()
