import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented import FILES, RATINGS, write_folder, write_zip
from locations import SHARED_DATA as REAL_DATA

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers import load_ratings
from hf_cf.data.scale import RatingScale
from hf_cf.errors import DataFormatError

LAYOUTS = list(FILES)
FOLDERS = [*FILES, *(path for path in sorted(REAL_DATA.glob("ml-*")) if path.is_dir())]


def _folder(source: str | Path, parent: Path) -> Path:
    return source if isinstance(source, Path) else write_folder(parent, source)


def _load_by_title(source: Path) -> Ratings:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_ratings(source, item="title")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_gives_the_ratings_in_its_files(name: str, tmp_path: Path) -> None:
    ratings = load_ratings(write_folder(tmp_path, name))
    expected = pd.DataFrame(RATINGS, columns=["user", "item", "rating", "timestamp"])
    pd.testing.assert_frame_equal(ratings.to_frame(), expected, check_dtype=False)
    assert ratings.source.name == name


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_catalogue(name: str, tmp_path: Path) -> None:
    catalogue = load_ratings(write_folder(tmp_path, name)).catalogue
    assert list(catalogue["id"]) == [1, 2, 3, 4, 5]
    assert list(catalogue["title"])[:4] == [
        "Toy Story (1995)",
        "Chasing Amy (1997)",
        'Misérables, "Les"',
        "unknown",
    ]
    assert catalogue["year"].dtype == "Int32"
    # Only 100K has a release date to take the year of the third film from.
    third = 1995 if name == "ml-100k" else pd.NA
    assert catalogue["year"].tolist()[:2] == [1995, 1997]
    assert catalogue["year"].iloc[2] is third or catalogue["year"].iloc[2] == third
    assert catalogue["year"].iloc[3] is pd.NA
    assert list(catalogue["genres"])[:4] == [
        "Animation|Children's|Comedy",
        "Drama|Romance",
        "Drama",
        "",
    ]


def test_links_are_matched_by_id_and_keep_leading_zeros(tmp_path: Path) -> None:
    catalogue = load_ratings(write_folder(tmp_path, "ml-25m")).catalogue.set_index("id")
    assert catalogue.loc[1, "imdb_id"] == "0114709"
    assert catalogue.loc[1, "tmdb_id"] == 862
    assert catalogue.loc[2, "tmdb_id"] is pd.NA
    assert pd.isna(catalogue.loc[4, "imdb_id"])


def test_a_folder_without_links_or_users_still_loads(tmp_path: Path) -> None:
    catalogue = load_ratings(write_folder(tmp_path / "a", "ml-25m", links_csv=None)).catalogue
    assert "imdb_id" not in catalogue
    assert load_ratings(write_folder(tmp_path / "b", "ml-100k", u_user=None)).user_features is None


def test_user_features_of_100k_are_read_and_the_zip_code_is_not(tmp_path: Path) -> None:
    users = load_ratings(write_folder(tmp_path, "ml-100k")).user_features
    assert list(users.columns) == ["id", "age", "gender", "occupation"]
    assert users.loc[2].tolist() == [2, 53, "F", "other"]


def test_codes_of_1m_users_become_readable(tmp_path: Path) -> None:
    users = load_ratings(write_folder(tmp_path, "ml-1m")).user_features
    assert users.loc[1].tolist() == [1, "25-34", "M", "technician/engineer"]
    assert users.loc[2].tolist() == [2, "50-55", "F", "other"]


@pytest.mark.parametrize(
    ("name", "scale", "redistributable"),
    [
        ("ml-100k", RatingScale(1, 5, 1), False),
        ("ml-1m", RatingScale(1, 5, 1), False),
        ("ml-10m", RatingScale(0.5, 5, 0.5), False),
        ("ml-25m", RatingScale(0.5, 5, 0.5), True),
    ],
)
def test_the_layout_knows_scale_and_licence(
    name: str, scale: RatingScale, redistributable: bool, tmp_path: Path
) -> None:
    ratings = load_ratings(write_folder(tmp_path, name))
    assert ratings.scale == scale
    assert ratings.source.redistributable is redistributable
    assert "research" in ratings.source.licence.lower()
    assert "Harper" in ratings.source.citation


def test_a_folder_of_csv_files_by_another_name_keeps_its_name_and_the_licence(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path, "ml-25m").rename(tmp_path / "films")
    source = load_ratings(folder).source
    assert source.name == "films"
    assert source.redistributable
    assert source.licence


@pytest.mark.parametrize("source", FOLDERS, ids=str)
def test_by_title_each_title_is_one_item_and_its_own_id(source: str | Path, tmp_path: Path) -> None:
    folder = _folder(source, tmp_path)
    by_id, by_title = load_ratings(folder), _load_by_title(folder)
    titles = by_id.catalogue["title"]
    assert len(by_title.items) - 1 == titles.nunique()
    assert list(by_title.catalogue["id"]) == list(by_title.catalogue["title"])
    assert list(by_title.items.ids) == sorted(set(titles))
    pairs = set(zip(by_id.user_codes, titles.loc[by_id.item_codes], strict=True))
    assert len(by_title) == len(pairs)


def test_by_title_the_latest_of_a_users_ratings_stays_and_the_loss_is_told(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path, "ml-100k")
    with pytest.warns(UserWarning, match="^1 ratings? dropped"):
        frame = load_ratings(folder, item="title").to_frame()
    rated = frame[(frame["user"] == 1) & (frame["item"] == "Chasing Amy (1997)")]
    assert rated["rating"].tolist() == [2]


@pytest.mark.parametrize("source", FOLDERS, ids=str)
def test_every_rating_finds_its_catalogue_row(source: str | Path, tmp_path: Path) -> None:
    ratings = load_ratings(_folder(source, tmp_path))
    assert ratings.catalogue.index.equals(pd.RangeIndex(1, len(ratings.items), name="code"))
    assert np.array_equal(ratings.catalogue["id"], ratings.items.ids)
    assert ratings.catalogue["title"].notna().all()
    assert np.isin(ratings.stars, ratings.scale.levels).all()
    assert (ratings.item_codes > 0).all()
    assert (ratings.user_codes > 0).all()


@pytest.mark.parametrize("source", FOLDERS, ids=str)
def test_ratings_are_those_that_a_plain_reader_finds(source: str | Path, tmp_path: Path) -> None:
    folder = _folder(source, tmp_path)
    ratings = load_ratings(folder)
    files = {"u.data": "\t", "ratings.dat": "::", "ratings.csv": ","}
    file, separator = next((f, s) for f, s in files.items() if (folder / f).is_file())
    header = 0 if separator == "," else None
    engine = "python" if separator == "::" else "c"
    plain = pd.read_csv(folder / file, sep=separator, header=header, engine=engine).iloc[:, :4]
    plain.columns = ["user", "item", "rating", "timestamp"]
    pd.testing.assert_frame_equal(
        ratings.to_frame(), plain.reset_index(drop=True), check_dtype=False
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_zip_gives_what_its_folder_gives(name: str, tmp_path: Path) -> None:
    folder = load_ratings(write_folder(tmp_path / "folder", name))
    zipped = load_ratings(write_zip(tmp_path / f"{name}.zip", name, inner="some inner name"))
    pd.testing.assert_frame_equal(zipped.to_frame(), folder.to_frame())
    pd.testing.assert_frame_equal(zipped.catalogue, folder.catalogue)
    assert zipped.source == folder.source


@pytest.mark.parametrize(("name", "fold"), [("ml-100k", "u1.base"), ("ml-10m", "r1.train")])
def test_a_fold_file_is_data_with_the_catalogue_beside_it(
    name: str, fold: str, tmp_path: Path
) -> None:
    ratings = load_ratings(write_folder(tmp_path, name) / fold)
    assert len(ratings) == 4
    assert list(ratings.catalogue["title"]) == [
        "Toy Story (1995)",
        "Chasing Amy (1997)",
        'Misérables, "Les"',
    ]
    assert ratings.source.name == name
    assert (ratings.user_features is not None) == (name == "ml-100k")


def test_the_ratings_file_itself_is_read_as_part_of_its_folder(tmp_path: Path) -> None:
    ratings = load_ratings(write_folder(tmp_path, "ml-25m") / "ratings.csv")
    assert ratings.catalogue["title"].iloc[0] == "Toy Story (1995)"


def test_column_names_are_matched_through_aliases_and_unused_columns_ignored(
    tmp_path: Path,
) -> None:
    folder = write_folder(
        tmp_path,
        "ml-25m",
        ratings_csv=b"userId,Id,rating,timestamp,,,,\n1,1,2.5,880000000,,,,\n",
        movies_csv=b"Id,title,genres\n1,Toy Story (1995),Comedy\n",
    )
    ratings = load_ratings(folder)
    assert ratings.to_frame().to_numpy().tolist() == [[1, 1, 2.5, 880000000]]
    assert ratings.catalogue["title"].tolist() == ["Toy Story (1995)"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ml-100k", "u.data"),
        ("ml-100k", "u.item"),
        ("ml-100k", "u.genre"),
        ("ml-1m", "movies.dat"),
        ("ml-25m", "ratings.csv"),
        ("ml-25m", "movies.csv"),
    ],
)
def test_a_missing_file_is_named_with_all_that_are_expected(
    name: str, file: str, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path, name, **{file.replace(".", "_"): None})
    with pytest.raises(DataFormatError, match=f"{file} missing") as caught:
        load_ratings(folder)
    assert caught.value.file == str(folder)


def test_a_folder_without_any_known_file_lists_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match=r"u\.data.*ratings\.dat.*ratings\.csv"):
        load_ratings(tmp_path)


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Death Note (2006-2007)", 2006),
        ("Death Note (2006\N{EN DASH}2007)", 2006),
        ("Fawlty Towers (1975-)", 1975),
        ("Land Before Time III (1995) (V)", 1995),
        ("2001: A Space Odyssey (1968) ", 1968),
        ("1984", None),
        ("(500) Days of Summer", None),
    ],
)
def test_the_year_is_the_one_in_brackets_at_the_end(
    title: str, year: int | None, tmp_path: Path
) -> None:
    movies = f"movieId,title,genres\n1,{title},Drama\n".encode()
    folder = write_folder(tmp_path, "ml-25m", movies_csv=movies)
    found = load_ratings(folder).catalogue["year"].iloc[0]
    assert found is pd.NA if year is None else found == year


def test_an_item_without_a_catalogue_row_is_called_by_its_id(tmp_path: Path) -> None:
    movies = b"movieId,title,genres\n1,Toy Story (1995),Comedy\n"
    folder = write_folder(tmp_path, "ml-25m", movies_csv=movies)
    assert list(load_ratings(folder).catalogue["title"]) == ["Toy Story (1995)", *"2345"]
    assert list(load_ratings(folder, item="title").items.ids) == [*"2345", "Toy Story (1995)"]
