"""What is said about a file that cannot be read: its line, its column and what to do."""

import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invented import FILES, write_folder, write_zip

from hf_cf.data.readers import load_ratings
from hf_cf.errors import DataFormatError

CSV = FILES["ml-25m"]["ratings.csv"]
TAB = FILES["ml-100k"]["u.data"]
COLONS = FILES["ml-10m"]["ratings.dat"]

BAD_FOLDERS = {
    "empty file": ("ml-25m", "ratings.csv", b"", 1, None, "empty"),
    "empty file without header": ("ml-100k", "u.data", b"", None, None, "empty"),
    "header only": ("ml-25m", "ratings.csv", CSV.split(b"\n")[0], None, None, "nothing follows"),
    "missing column": (
        *("ml-25m", "ratings.csv", CSV.replace(b"rating,", b"stars,"), 1, "rating"),
        "names 'userId, movieId, stars, timestamp'",
    ),
    "wrong separator in a header": (
        *("ml-25m", "ratings.csv", CSV.replace(b",", b";"), 1, None),
        "separated by a comma, but the first line uses a semicolon",
    ),
    "wrong separator": (
        *("ml-100k", "u.data", TAB.replace(b"\t", b","), 1, None),
        "4 values separated by a tab, but it uses a comma",
    ),
    "wrong separator of two characters": (
        *("ml-10m", "ratings.dat", COLONS.replace(b"::", b","), 1, None),
        "4 values separated by '::', but it uses a comma",
    ),
    "text for a rating": (
        *("ml-25m", "ratings.csv", CSV.replace(b"3.0", b"good"), 3, "rating"),
        "'good' is not a number",
    ),
    "text for a rating without header": (
        *("ml-100k", "u.data", TAB.replace(b"\t3\t880000100", b"\tgood\t880000100"), 2, "3"),
        "'good' is not a number",
    ),
    "nan": ("ml-25m", "ratings.csv", CSV.replace(b"3.0", b"nan"), 3, "rating", "nan is not a"),
    "infinity": ("ml-25m", "ratings.csv", CSV.replace(b"3.0", b"inf"), 3, "rating", "inf is not a"),
    "no rating": ("ml-25m", "ratings.csv", CSV.replace(b"3.0", b""), 3, "rating", "missing"),
    "above the scale": (
        *("ml-25m", "ratings.csv", CSV.replace(b"3.0", b"5.5"), 3, "rating"),
        "5.5 is not a rating from 0.5 to 5 in steps of 0.5.*rating_col",
    ),
    "between the steps": (
        *("ml-100k", "u.data", TAB.replace(b"\t3\t8", b"\t3.5\t8"), 2, "3"),
        "3.5 is not a rating from 1 to 5 in steps of 1",
    ),
    "too few values": (
        *("ml-10m", "ratings.dat", COLONS.replace(b"1::2::3::", b"1::2::"), 2, None),
        "should have 4 values.*it has 3",
    ),
    "an id too large": (
        *("ml-25m", "ratings.csv", CSV.replace(b"2,3,", b"2,3000000000,"), 5, "movieId"),
        "'3000000000' is not an integer that fits in 32 bits",
    ),
    "an id with a fraction": (
        *("ml-25m", "ratings.csv", CSV.replace(b"2,3,", b"2,3.5,"), 5, "movieId"),
        "'3.5' is not an integer",
    ),
    "undecodable catalogue": (
        *("ml-10m", "movies.dat", FILES["ml-1m"]["movies.dat"], 3, None),
        "byte 7 of the line .0xe9. is not utf-8",
    ),
    "undecodable names": ("ml-25m", "movies.csv", b"movieId,t\xeftle\n", 1, None, "not utf-8"),
    "bad genre flag": (
        *("ml-100k", "u.item", FILES["ml-100k"]["u.item"].replace(b"1|1|1|0", b"1|x|1|0"), 1),
        *("10", "'x' is not a number"),
    ),
    "empty lines count": (
        *("ml-25m", "ratings.csv", CSV.replace(b"\n1,2,3.0", b"\n\n\n1,2,x"), 5, "rating"),
        "'x' is not a number",
    ),
    "open quote": (
        *("ml-25m", "movies.csv", b'movieId,title,genres\n1,"Toy Story,Comedy\n', 2, None),
        "should have 3 values",
    ),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_a_bad_file_of_a_folder_is_told_with_line_and_column(case: str, tmp_path: Path) -> None:
    name, file, content, line, column, message = BAD_FOLDERS[case]
    folder = write_folder(tmp_path, name, **{file.replace(".", "_"): content})
    with pytest.raises(DataFormatError) as caught:
        load_ratings(folder)
    error = caught.value
    assert (error.file, error.line, error.column) == (str(folder / file), line, column)
    assert re.search(message, str(error))


BAD_TABLES = {
    "empty file": (b"", 1, None, "empty"),
    "no ratings": (b"user,item,rating\n", None, None, "no ratings"),
    "no separator": (b"user.item.rating\n1.2.3\n", 1, None, "cannot tell what separates.*a tab"),
    "not a number": (b"user,item,stars\n1,2,3\n1,3,x\n", 3, "stars", "'x' is not a number"),
    "nan": (b"user,item,stars\n1,2,3\n\n1,3,NaN\n", 4, "stars", "'nan' is not a finite number"),
    "infinity": (b"user,item,rating\n1,2,-inf\n", 2, "rating", "not a finite number"),
    "no user": (b"userId,item,rating\n1,2,3\n,3,4\n", 3, "userId", "missing"),
    "no rating": (b"user,item,rating\n1,2,3\n1,3,\n", 3, "rating", "missing"),
    "too few values": (b"user,item,rating\n1,2,3\n1,2\n", 3, None, "3 values.*it has 2"),
    "a line without the separator of two characters": (
        *(b"user::item::rating\n1::2::3\n1:2\n", 3, None),
        "3 values separated by '::', but it has 1: '1:2'",
    ),
    "undecodable": (
        b"user,item,rating\n" + b"1,2,3\n" * 30_000 + b"1,\xe9,3\n",
        *(30_002, None, "byte 3 of the line .0xe9.*utf-8"),
    ),
    "line after a line break in quotes": (
        *(b'user,item,rating\n1,"a\nb",3\n1,c,x\n', 4, "rating"),
        "'x' is not a number",
    ),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_told_with_line_and_column(case: str, tmp_path: Path) -> None:
    content, line, column, message = BAD_TABLES[case]
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(DataFormatError) as caught:
        load_ratings(path)
    error = caught.value
    assert (error.file, error.line, error.column) == (str(path), line, column)
    assert re.search(message, str(error))


def test_a_bad_line_inside_a_zip_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "ml-25m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in FILES["ml-25m"].items():
            archive.writestr(f"ml-25m/{file}", content.replace(b",3.0,", b",x,"))
    with pytest.raises(DataFormatError) as caught:
        load_ratings(path)
    assert (caught.value.line, caught.value.column) == (3, "rating")
    assert caught.value.file.endswith("ml-25m.zip/ml-25m/ratings.csv")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ml-25m.zip"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="not a whole zip file"):
        load_ratings(path)


def test_a_zip_without_ratings_lists_what_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing here")
        archive.writestr("more.txt", "nothing here")
    with pytest.raises(DataFormatError, match=r"u\.data"):
        load_ratings(path)


mutations = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut", "double"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=6)
        | st.sampled_from(
            [b"\n", b"\r", b'"', b",", b"\t", b"::", b"|", b"nan", b"\x00", b"1e999"]
        ),
    ),
    min_size=1,
    max_size=4,
)


def _mutated(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, new in changes:
        at = int(place * len(content))
        content = {
            "replace": content[:at] + new + content[at + len(new) :],
            "insert": content[:at] + new + content[at:],
            "delete": content[:at] + content[at + len(new) :],
            "cut": content[:at],
            "double": content[:at] + content,
        }[kind]
    return content


FUZZING = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.filterwarnings("ignore:.*ratings? dropped")
@FUZZING
@given(
    target=st.sampled_from([(name, file) for name, files in FILES.items() for file in files]),
    changes=mutations,
    item=st.sampled_from(["id", "title"]),
)
def test_a_damaged_folder_loads_or_gives_a_format_error(
    target: tuple[str, str],
    changes: list[tuple[str, float, bytes]],
    item: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name, file = target
    folder = write_folder(tmp_path_factory.mktemp("fuzz"), name)
    (folder / file).write_bytes(_mutated(FILES[name][file], changes))
    _loads_or_complains(folder, item)


TABLE = (
    b"user,item,rating,timestamp,title,genres,year\n"
    b'a,1,3,2001-01-01,"Heat, (1995)",Crime,1995\nb,2,4.5,2002-01-01T00:00:00,Up,,\n'
)


@pytest.mark.filterwarnings("ignore:.*ratings? dropped")
@FUZZING
@given(
    suffix=st.sampled_from([".csv", ".tsv", ".parquet", ".zip"]),
    changes=mutations,
    item=st.sampled_from(["id", "title"]),
)
def test_a_damaged_file_loads_or_gives_a_format_error(
    suffix: str,
    changes: list[tuple[str, float, bytes]],
    item: str,
    whole_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    path.write_bytes(_mutated(whole_files[suffix], changes))
    _loads_or_complains(path, item)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "a.csv").write_bytes(TABLE)
    load_ratings(folder / "a.csv").to_frame().to_parquet(folder / "a.parquet")
    return {
        ".csv": TABLE,
        ".tsv": TABLE.replace(b",", b"\t"),
        ".parquet": (folder / "a.parquet").read_bytes(),
        ".zip": write_zip(folder / "a.zip", "ml-25m").read_bytes(),
    }


def _loads_or_complains(path: Path, item: str) -> None:
    try:
        ratings = load_ratings(path, item=item)
    except DataFormatError as error:
        assert error.file
        assert str(error)
    else:
        assert len(ratings) > 0
        assert len(ratings.catalogue) == len(ratings.items) - 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"user,title,year,rating\nu1,,De1984,3\nu1,Dune,2021,5\nu2,Dune,1984,2\n"),
        ("a.csv", b"user,title,year,rating\n\x08\x00\x002,,1984,2\n"),
        ("a.csv", b"60,,\r1,09,4\r\xca"),
        ("a.dat", b"1::10:*5::\xb981\n\x02\x00::9783007\x0062\n"),
        ("a.dat", b"1::10::" + b"9" * 5000 + b"\n2::10::" + b"9" * 5000 + b"\n"),
        ("a.jsonl", b'{"reviewerID":"u1","asin":"A","overall":5.0}\n9\n12\n'),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_a_fuzzer_found_loads_or_gives_a_format_error(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    _loads_or_complains(tmp_path / name, "id")
