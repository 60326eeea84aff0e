from pathlib import Path

import pytest
from invented import write_folder

from hf_cf.data.readers import load_ratings
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.errors import DataFormatError


def test_the_sample_needs_no_file() -> None:
    ratings = load_ratings("sample")
    assert ratings.source.synthetic
    assert len(ratings) > 1000


def test_the_sample_can_be_had_by_title() -> None:
    ratings = load_ratings("sample", item="title")
    assert list(ratings.catalogue["id"]) == list(ratings.catalogue["title"])
    assert len(ratings) > 1000


def test_a_source_that_does_not_exist_lists_the_names() -> None:
    with pytest.raises(DataFormatError, match="sample, ml-100k") as caught:
        load_ratings("ml-100")
    assert caught.value.file == "ml-100"


def test_a_file_of_another_kind_says_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ratings.xls"
    path.write_text("user,item,rating\n1,2,3\n")
    with pytest.raises(DataFormatError, match=r"ends in \.csv, \.tsv, .* or in \.zip"):
        load_ratings(path)


def test_naming_a_column_reads_a_file_of_a_folder_as_a_plain_table(tmp_path: Path) -> None:
    text = b"userId,movieId,rating,timestamp\n1,1,10,880000000\n"
    folder = write_folder(tmp_path, "ml-25m", ratings_csv=text)
    with pytest.raises(DataFormatError, match="10 is not a rating from"):
        load_ratings(folder / "ratings.csv")
    assert load_ratings(folder / "ratings.csv", rating_col="rating").stars.tolist() == [10]


@pytest.mark.parametrize("source", ["sample", "ml-100k"])
def test_columns_are_named_only_for_tables(source: str) -> None:
    with pytest.raises(ValueError, match=r"are for tables; .* says itself"):
        load_ratings(source, rating_col="stars")
    with pytest.raises(ValueError, match=r"are for tables; .* says itself"):
        load_ratings(source, feedback="implicit")


def test_an_item_is_its_id_or_its_title() -> None:
    with pytest.raises(ValueError, match="'id' or its 'title'"):
        load_ratings("sample", item="name")


@pytest.mark.parametrize("name", DATASETS)
def test_every_named_dataset_has_its_licence_and_checksum(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.source.name == name
    assert dataset.source.licence
    assert dataset.source.citation
    assert dataset.source.url.startswith("https://grouplens.org/datasets/movielens/")
    assert dataset.source.redistributable is (name not in ("ml-100k", "ml-1m", "ml-10m"))
    algorithm, digest = dataset.checksum.split(":")
    assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
