from pathlib import Path

import pandas as pd
import pytest

from hf_cf.data.readers import load_ratings
from hf_cf.errors import DataFormatError


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header",
    [
        "user,item,rating",
        "userId,movieId,rating",
        "User_ID,ISBN,Book-Rating",
        "reviewerID,asin,overall",
        "user id,title,stars",
        "uid,id,score",
    ],
)
def test_columns_are_guessed_from_their_usual_names(header: str, tmp_path: Path) -> None:
    ratings = load_ratings(_write(tmp_path / "a.csv", f"{header}\n7,9,3\n8,9,4\n"))
    assert ratings.to_frame().to_numpy().tolist() == [[7, 9, 3], [8, 9, 4]]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str, tmp_path: Path) -> None:
    text = "user,item,rating,title\n7,9,3.5,Heat\n".replace(",", separator)
    ratings = load_ratings(_write(tmp_path / "a.tsv", text))
    assert ratings.to_frame().to_numpy().tolist() == [[7, 9, 3.5]]
    assert ratings.catalogue["title"].tolist() == ["Heat"]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "who,what,how,when,rating\n1,2,3,4,9\n")
    ratings = load_ratings(
        path, user_col="who", item_col="what", rating_col="how", timestamp_col="when"
    )
    assert ratings.to_frame().to_numpy().tolist() == [[1, 2, 3, 4]]


def test_ids_are_whole_numbers_only_where_all_are_spelt_so(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating\n1,007,3\n2.0,12,4\n")
    ratings = load_ratings(path)
    assert ratings.users.ids.tolist() == [1, 2]
    assert ratings.items.ids.tolist() == ["007", "12"]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (["964982703", "964981247"], [964982703, 964981247]),
        (["964982703.0", "964981247.5"], [964982703, 964981247]),
        (["1500000000000", "1600000000123"], [1500000000, 1600000000]),
        (["2000-07-30", "2000-07-30T18:45:03"], [964915200, 964982703]),
        (["2000-07-30 18:45:03+00:00", "2000-07-30T20:45:03+02:00"], [964982703, 964982703]),
    ],
)
def test_times_are_understood(times: list[str], seconds: list[int], tmp_path: Path) -> None:
    rows = "".join(f"{user},1,3,{time}\n" for user, time in enumerate(times))
    ratings = load_ratings(_write(tmp_path / "a.csv", f"user,item,rating,date\n{rows}"))
    assert ratings.timestamps.tolist() == seconds


def test_title_genres_and_year_become_the_catalogue(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.csv",
        "user,item,rating,title,genres,year\n"
        "1,b,3,Heat,Crime,1995\n2,b,4,Heat,Crime,1995\n1,a,5,Up (2009),,\n",
    )
    catalogue = load_ratings(path).catalogue
    assert catalogue["id"].tolist() == ["a", "b"]
    assert catalogue["title"].tolist() == ["Up (2009)", "Heat"]
    assert catalogue["year"].tolist() == [2009, 1995]
    assert catalogue["genres"].tolist() == ["", "Crime"]


def test_years_and_genres_need_no_titles(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating,year,genre\n1,b,3,1995.0,Crime\n1,a,4,?,\n")
    catalogue = load_ratings(path).catalogue
    assert catalogue["title"].tolist() == ["a", "b"]
    assert catalogue["year"].tolist() == [pd.NA, 1995]
    assert catalogue["genres"].tolist() == ["", "Crime"]


def test_a_list_of_genres_in_parquet_is_joined(tmp_path: Path) -> None:
    frame = PARQUET.assign(genres=[["Crime", "Drama"], ["Crime", "Drama"], []])
    frame.to_parquet(tmp_path / "a.parquet")
    assert load_ratings(tmp_path / "a.parquet").catalogue["genres"].tolist() == ["Crime|Drama", ""]


def test_by_title_ids_that_share_a_title_are_one_item(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.csv", "user,item,rating,title\n1,7,3,Heat\n2,8,4,Heat\n1,9,5,Up (2009)\n"
    )
    ratings = load_ratings(path, item="title")
    assert ratings.to_frame()["item"].tolist() == ["Heat", "Heat", "Up (2009)"]
    assert ratings.catalogue["id"].tolist() == ["Heat", "Up (2009)"]


def test_by_title_without_titles_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating\n1,7,3\n")
    with pytest.raises(DataFormatError, match='item="title" needs a column of titles'):
        load_ratings(path, item="title")


def test_a_line_break_in_quotes_is_part_of_its_value(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", 'user,item,rating,review\n1,b,3,"one\ntwo"\n1,c,4,"\n\n"\n')
    assert load_ratings(path).to_frame()["item"].tolist() == ["b", "c"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating\r\n1,2,3\r\n", encoding="utf-8-sig")
    assert load_ratings(path).to_frame().to_numpy().tolist() == [[1, 2, 3]]


def test_the_scale_is_inferred_from_the_ratings(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating\n1,2,0\n1,3,10\n2,3,9\n")
    scale = load_ratings(path).scale
    assert (scale.min, scale.max, scale.step) == (0, 10, 1)


PARQUET = pd.DataFrame(
    {
        "user_id": ["x", "y", "x"],
        "movie_id": [3, 3, 5],
        "rating": [4.5, 2.0, 1.0],
        "timestamp": pd.to_datetime(["2001-01-01", "2001-01-02", "2001-01-03"]),
        "title": ["Heat", "Heat", "Up (2009)"],
    }
)


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"user_id": "category", "rating": "float32"},
        {"movie_id": "int16", "title": "category"},
        {"rating": "int64", "movie_id": "Int64"},
        {"timestamp": "datetime64[ms]"},
        {"rating": str},
    ],
    ids=str,
)
def test_parquet_is_read_whatever_its_column_types(types: dict[str, str], tmp_path: Path) -> None:
    frame = PARQUET.assign(rating=[4, 2, 1]).astype(types)
    frame.to_parquet(tmp_path / "a.parquet")
    ratings = load_ratings(tmp_path / "a.parquet")
    assert ratings.to_frame()[["user", "item", "rating"]].to_numpy().tolist() == [
        ["x", 3, 4],
        ["y", 3, 2],
        ["x", 5, 1],
    ]
    assert ratings.timestamps[0] == 978307200
    assert ratings.catalogue["year"].iloc[1] == 2009


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user_id", ["x", None, "y"], "row 2"),
        ("rating", [1.0, float("inf"), 3.0], "row 2"),
        ("rating", [1.0, 2.0, None], "row 3"),
        ("rating", ["good", "bad", "ugly"], "cannot be read as the rating"),
    ],
)
def test_a_bad_value_in_parquet_is_found(
    column: str, values: list[object], message: str, tmp_path: Path
) -> None:
    PARQUET.assign(**{column: values}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataFormatError, match=message):
        load_ratings(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,rating", "no column looks like the user; the file has a, b, rating.*user_col="),
        ("user,b,rating", "no column looks like the item.*item_col="),
        ("user_id,userId,rating", "user_id and userId could each be the user.*user_col='user_id'"),
    ],
)
def test_a_missing_or_ambiguous_column_names_the_keyword_that_settles_it(
    header: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataFormatError, match=message):
        load_ratings(_write(tmp_path / "a.csv", f"{header}\n1,2,3\n"))


def test_a_named_column_is_not_guessed_for_anything_else(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating,stars\n1,2,3,4\n")
    ratings = load_ratings(path, user_col="rating", item_col="user")
    assert ratings.to_frame().to_numpy().tolist() == [[3, 1, 4]]


def test_a_column_cannot_be_two_things(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating\n1,2,3\n")
    with pytest.raises(DataFormatError, match="user_col='item' names a column that is also"):
        load_ratings(path, user_col="item", item_col="item")


def test_a_named_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "user,item,rating\n1,2,3\n")
    with pytest.raises(DataFormatError, match=r"user_col='usr'.*it has user, item, rating"):
        load_ratings(path, user_col="usr")
