"""Which items may be recommended, by the catalogue's facts."""

from __future__ import annotations

import pandas as pd
import pytest

import hf_cf
from hf_cf import UnknownItem, Vocab
from hf_cf.data.catalogue import Catalogue
from hf_cf.inference.filters import Filters

TABLE = pd.DataFrame(
    {
        "id": [10, 20, 30],
        "title": ["Heat (1995)", "Up (2009)", "Untitled"],
        "year": pd.array([1995, 2009, None], "Int32"),
        "genres": ["Action|Crime", "Animation|Children", ""],
        "n_ratings": [50, 5, 1],
    },
    index=pd.RangeIndex(1, 4, name="code"),
)
CATALOGUE = Catalogue(Vocab([10, 20, 30]), TABLE)


def passing(**conditions: object) -> list[int]:
    hidden = Filters(**conditions).hidden(CATALOGUE)
    assert hidden[0], "#na# never passes"
    return TABLE["id"][~hidden[1:]].tolist()


def test_without_conditions_everything_passes() -> None:
    assert passing() == [10, 20, 30]


def test_any_of_the_genres_is_enough_in_any_case() -> None:
    assert passing(genres=["crime", "CHILDREN"]) == [10, 20]
    assert passing(genres="crime") == [10]


def test_years_include_both_ends_and_leave_out_items_without_a_year() -> None:
    assert passing(years=(1995, 2009)) == [10, 20]
    assert passing(years=(1996, 2009)) == [20]


def test_excluded_items_are_named_by_id_or_title() -> None:
    assert passing(exclude=["Up (2009)", 30]) == [10]
    assert passing(exclude="Heat (1995)") == [20, 30]


def test_few_ratings_and_all_conditions_together() -> None:
    assert passing(min_ratings=5) == [10, 20]
    assert passing(min_ratings=5, genres=["Action"], years=(1990, 2000)) == [10]


def test_a_genre_that_nothing_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"genre Western; there are Action, Animation"):
        passing(genres=["Western"])


def test_a_catalogue_without_the_fact_says_so() -> None:
    bare = Catalogue(Vocab([10, 20, 30]), TABLE.drop(columns=["year", "genres"]))
    with pytest.raises(ValueError, match="no years"):
        Filters(years=(1990, 2000)).hidden(bare)
    with pytest.raises(ValueError, match="no genres"):
        Filters(genres=["Action"]).hidden(bare)


def test_an_unknown_item_to_exclude_is_named() -> None:
    with pytest.raises(UnknownItem, match="Heet"):
        passing(exclude=["Heet (1995)"])


def test_recommendations_keep_to_the_filters(trained: hf_cf.Recommender) -> None:
    given = {"Alien (1979)": 5, "Blade Runner (1982)": 5}
    table = trained.recommend(ratings=given, genres=["sci-fi"], years=(1980, 1999), n=50)
    metadata = trained.catalogue.set_index("id").loc[table["item"]]
    assert len(table)
    assert metadata["genres"].str.contains("Sci-Fi").all()
    assert metadata["year"].between(1980, 1999).all()


def test_novelty_shows_the_less_known_and_diversity_the_less_alike(
    trained: hf_cf.Recommender,
) -> None:
    users = trained.users.ids[:100]
    counts = trained.catalogue.set_index("id")["n_ratings"]
    plain = trained.recommend(users)
    novel = trained.recommend(users, novelty=1.0)
    assert counts.loc[novel["item"]].median() < 0.8 * counts.loc[plain["item"]].median()
    varied = trained.recommend(users, diversity=1.0)
    assert varied["item"].nunique() > plain["item"].nunique()


def test_of_given_items_only_those_pass_that_meet_the_other_conditions() -> None:
    assert passing(items=[30, "Heat (1995)"]) == [10, 30]
    assert passing(items="Up (2009)") == [20]
    assert passing(items=[10, 20], min_ratings=10) == [10]
    assert passing(items=[10, 20], exclude=[20]) == [10]
    assert passing(items=[]) == []
    with pytest.raises(UnknownItem, match="no item 'Ran'"):
        passing(items=["Ran"])
