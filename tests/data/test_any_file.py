"""Small made-up inputs of the kinds that people bring, and what is right for each."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from scipy.sparse import coo_matrix

import hf_cf
from hf_cf import DataFormatError, Ratings, load_ratings
from hf_cf.data.times import NO_TIME

CASES = Path(__file__).parent / "cases"
THREE = {"user": [1, 1, 2], "item": [10, 11, 10], "rating": [5.0, 3.0, 4.0]}


def loaded(source: Any, **options: Any) -> tuple[Ratings, str]:
    """Ratings, and all that was said in loading them."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ratings = load_ratings(source, **options)
    return ratings, " / ".join(str(each.message) for each in said)


@pytest.mark.parametrize(
    "name",
    ["ok.csv", "ok.csv.gz", "gzip_named.csv", "cr.csv", "nohead.csv", "colons.dat"],
)
def test_three_ratings_load_whatever_holds_them(name: str) -> None:
    ratings, said = loaded(CASES / name)
    assert ratings.to_frame()[["user", "item", "rating"]].to_dict("list") == THREE
    assert ("no line of column names" in said) == (name in ("nohead.csv", "colons.dat"))


@pytest.mark.parametrize("ending", ["bz2", "xz", "zst", "zip"])
def test_any_compression_is_unpacked(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"ratings.csv.{ending}"
    pd.DataFrame(THREE).to_csv(path, index=False)
    assert loaded(path)[0].to_frame().to_dict("list") == THREE


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_any_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    text = "user,item,rating\nJosé,Amélie,5\nJosé,Léon,4\nZoë,Amélie,3\n"
    path.write_bytes(text.encode(encoding))
    ratings, _ = loaded(path)
    assert ratings.users.ids.tolist() == ["José", "Zoë"]
    assert ratings.items.ids.tolist() == ["Amélie", "Léon"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "::"])
def test_any_separator_is_found(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    path.write_text("\n".join(separator.join(row) for row in ("123", "135", "224")) + "\n")
    assert len(loaded(path)[0]) == 3


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "::"])
def test_any_separator_is_found_below_names_of_columns(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    rows = [["user", "item", "rating"], *map(list, ("123", "135", "224"))]
    path.write_text("\n".join(map(separator.join, rows)) + "\n")
    expected = {"user": [1, 1, 2], "item": [2, 3, 2], "rating": [3.0, 5.0, 4.0]}
    assert loaded(path)[0].to_frame().to_dict("list") == expected


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet", "xlsx"])
def test_other_tables_are_read(kind: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"ratings.{kind}", pd.DataFrame(THREE)
    write = {
        "json": lambda: frame.to_json(path, orient="records"),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
        "xlsx": lambda: frame.to_excel(path, index=False),
    }
    write[kind]()
    assert loaded(path)[0].to_frame().to_dict("list") == THREE


def test_names_with_types_and_amazons_names_are_known() -> None:
    atomic, _ = loaded(CASES / "atomic.inter")
    assert atomic.timestamps is not None
    assert atomic.timestamps.tolist() == [881250949, 891717742, 891717800]
    lines, _ = loaded(CASES / "lines.jsonl")
    assert lines.to_frame()["user"].tolist() == ["u1", "u2", "u2"]
    assert lines.timestamps is not None
    assert lines.timestamps[0] == 1400000000


def test_a_decimal_comma_is_one() -> None:
    assert loaded(CASES / "decimal_comma.tsv")[0].stars.tolist() == [4.5, 3.0, 2.5]


def test_a_wide_table_says_what_to_type_and_loads_when_it_is_said() -> None:
    with pytest.raises(DataFormatError, match=r"df\.melt\(id_vars='user'"):
        load_ratings(CASES / "wide.csv")
    ratings, _ = loaded(CASES / "wide.csv", wide=True)
    assert len(ratings) == 6
    assert ratings.items.ids.tolist() == ["Alpha", "Beta", "Gamma"]


def test_times_are_seconds() -> None:
    ut, _ = loaded(CASES / "ut.csv")
    assert ut.timestamps is not None
    assert ut.timestamps[0] == 1262304000
    us, _ = loaded(CASES / "us_dates.csv")
    assert us.timestamps is not None
    days = pd.to_datetime(us.timestamps, unit="s").strftime("%Y-%m-%d").tolist()
    assert days == ["2019-12-31", "2020-01-05", "2020-02-28"]


def test_a_date_that_cannot_be_read_is_an_error_only_where_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,date\n1,2,3,2001-01-01\n1,3,4,soon\n")
    ratings, said = loaded(path)
    assert ratings.timestamps is None
    assert "'soon' is not a time" in said
    with pytest.raises(DataFormatError, match="line 3, column date: 'soon' is not a time"):
        load_ratings(path, timestamp_col="date")


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-02"])).dt.as_unit("ms"),
        pd.Series(pd.to_datetime(["2020-01-01 01:00", None, "2020-01-02 01:00"])).dt.tz_localize(
            "Europe/Paris"
        ),
        pd.Series(["2020-01-01T00:00:00Z", None, "2020-01-02"]),
        pd.Series([1577836800, None, 1577923200]),
        pd.Series([1577836800_000, None, 1577923200_000]),
        pd.Series([1577836800 * 10**9, None, 1577923200 * 10**9], dtype="Int64"),
    ],
)
def test_times_of_any_kind_come_to_seconds_and_missing_ones_stay_missing(times: Any) -> None:
    ratings = Ratings.from_frame(pd.DataFrame(THREE).assign(timestamp=times))
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [1577836800, NO_TIME, 1577923200]
    assert ratings.to_frame()["timestamp"].isna().tolist() == [False, True, False]


def test_a_guessed_scale_is_a_usual_one_and_is_said() -> None:
    ratings, said = loaded(CASES / "r45.csv")
    assert ratings.scale == hf_cf.RatingScale(1, 5, 1)
    assert "the scale is taken to be 1 to 5" in said
    assert loaded(CASES / "r45.csv", scale=(1, 10))[0].scale == hf_cf.RatingScale(1, 10, 1)
    with pytest.raises(DataFormatError, match=r"5\.0' is not a rating from 1 to 4"):
        load_ratings(CASES / "r45.csv", scale=(1, 4))


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([2, 3, 5], (1, 5, 1)),
        ([0.5, 3, 4.5], (0.5, 5, 0.5)),
        ([1, 7, 8], (1, 10, 1)),
        ([0, 3, 9, 10], (0, 10, 1)),
        ([0, 1, 2], (0, 2, 1)),
        ([-10, 3.5, 9.5], (-10, 9.5, 6)),
    ],
)
def test_scales(values: list[float], scale: tuple[float, float, float]) -> None:
    frame = pd.DataFrame({"user": range(len(values)), "item": "a", "rating": values})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Ratings.from_frame(frame).scale
    assert (found.min, found.max) == scale[:2]
    if scale[0] >= 0:
        assert found.step == scale[2]


def test_a_value_that_stands_apart_is_named_with_the_way_to_leave_it_out() -> None:
    _, said = loaded(CASES / "ninety_nine.tsv")
    assert "99 stands apart from the other ratings, 1 to 5" in said
    assert "missing=99" in said
    ratings, _ = loaded(CASES / "ninety_nine.tsv", missing=99)
    assert sorted(ratings.stars.tolist()) == [1, 3, 4, 5]


def test_a_blank_title_shows_the_id_and_entities_are_text(tmp_path: Path) -> None:
    ratings, _ = loaded(CASES / "blank.csv")
    assert ratings.catalogue["title"].tolist() == ["1", "Beta", "3"]
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,title\n1,1,3,Alien &amp; Aliens\n1,2,5,Heat\n")
    assert loaded(path)[0].catalogue["title"][1] == "Alien & Aliens"


def test_two_films_of_one_title_and_different_years_are_two() -> None:
    ratings, _ = loaded(CASES / "remake.csv")
    assert len(ratings) == 3
    assert ratings.catalogue["title"].tolist() == ["Dune", "Dune"]
    assert ratings.catalogue["year"].tolist() == [1984, 2021]


@pytest.mark.parametrize(
    ("genres", "expected"),
    [
        (["Comedy, Romance", "Drama"], ["Comedy|Romance", "Drama"]),
        (["Comedy; Romance", "Drama"], ["Comedy|Romance", "Drama"]),
        (["Rock, Paper|Fun", None], ["Rock, Paper|Fun", ""]),
        ([["Comedy", "Romance"], []], ["Comedy|Romance", ""]),
        (pd.Categorical(["Comedy", None]), ["Comedy", ""]),
        ([1, 2], ["1", "2"]),
    ],
)
def test_genres_come_to_one_form(genres: Any, expected: list[str]) -> None:
    items = pd.DataFrame({"id": [10, 11], "title": ["a", "b"]}).assign(genres=genres)
    ratings = Ratings.from_frame(pd.DataFrame(THREE), items)
    assert ratings.catalogue["genres"].tolist() == expected


def test_years_that_are_none_are_missing() -> None:
    items = pd.DataFrame({"id": [10, 11], "title": ["a", "b"], "year": ["1999?", "2001"]})
    years = Ratings.from_frame(pd.DataFrame(THREE), items).catalogue["year"]
    assert str(years.dtype) == "Int32"
    assert years.isna().tolist() == [True, False]


def test_titles_come_from_a_second_file(tmp_path: Path) -> None:
    ratings, _ = loaded(CASES / "own")
    assert ratings.catalogue["title"].tolist() == ["Alpha", "Beta"]
    assert loaded(CASES / "own" / "ratings.csv")[0].catalogue["title"].tolist() == ["Alpha", "Beta"]
    items = tmp_path / "films.tsv"
    items.write_text("film\tname\n10\tHeat\n11\tAlien\n")
    with_items, _ = loaded(CASES / "ok.csv", items=items)
    assert with_items.catalogue["title"].tolist() == ["Heat", "Alien"]
    items.write_text("film\tname\nx\tHeat\n")
    assert "none of the 1 items is rated" in loaded(CASES / "ok.csv", items=items)[1]


@pytest.mark.parametrize(
    "table",
    [
        polars.DataFrame(THREE),
        pa.table(THREE),
        THREE,
        coo_matrix((np.array([5.0, 3.0, 4.0]), ([1, 1, 2], [10, 11, 10]))),
    ],
    ids=["polars", "pyarrow", "dict", "scipy"],
)
def test_tables_of_any_library_are_taken(table: Any) -> None:
    assert Ratings.from_frame(table).to_frame().to_dict("list") == THREE


def test_what_is_no_table_says_what_is_taken() -> None:
    with pytest.raises(DataFormatError, match="list is no table of ratings; give a pandas"):
        Ratings.from_frame([1, 2, 3])
    twice = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "item", "rating", "rating"])
    with pytest.raises(DataFormatError, match="column rating: two columns have this name"):
        Ratings.from_frame(twice)
    lists = pd.DataFrame({"user": [1, 2], "item": [[1], [2]], "rating": [1.0, 2.0]})
    with pytest.raises(DataFormatError, match=r"row 0, column item: \[1\] is no id"):
        Ratings.from_frame(lists)


def test_ids_have_one_form() -> None:
    large = np.array([2**63, 2**63 + 1, 5], np.uint64)
    ratings = Ratings.from_frame(pd.DataFrame(THREE).assign(user=large))
    assert ratings.users.ids.tolist() == ["5", str(2**63), str(2**63 + 1)]
    assert 2**63 in ratings.users
    vocab = hf_cf.Vocab([1, 7])
    assert [name in vocab for name in (1, "1", 1.0, np.int64(7))] == [True] * 4
    assert [name in vocab for name in ("007", " 1 ", "1e0", True, "1.0", None)] == [False] * 6


def test_text_that_is_a_title_is_that_title_and_not_the_item_of_that_number() -> None:
    items = pd.DataFrame({"id": [10, 11], "title": ["11", "Heat"]})
    catalogue = Ratings.from_frame(pd.DataFrame(THREE), items).catalogue
    found = hf_cf.data.catalogue.Catalogue(hf_cf.Vocab([10, 11]), catalogue.assign(n_ratings=1))
    assert found.codes(["11", 11, "10", "Heat"]).tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"user": [1, 2], "item": [1, 1]}, "no column of ratings"),
        ({"user": [1, 2], "item": [1, 1], "rating": [1, 1]}, "all ratings are 1"),
        ({"user": [1, 2, 3], "item": [1, 1, 2], "rating": [1, 30, 100_000]}, "up to 100,000"),
    ],
)
def test_interactions_are_known_for_what_they_are(table: dict[str, list[int]], why: str) -> None:
    with pytest.warns(UserWarning, match=f"{why}.*refuse that with feedback='explicit'"):
        assert Ratings.from_frame(table).feedback == "implicit"
    if "rating" in table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert Ratings.from_frame(table, feedback="explicit").feedback == "explicit"


def test_strengths_of_one_pair_add_up() -> None:
    table = {"user": [1, 1, 2], "item": [7, 7, 7], "rating": [2, 3, 200]}
    ratings = Ratings.from_frame(table, feedback="implicit")
    assert ratings.stars.tolist() == [5, 200]
