"""Any table of ratings: CSV, TSV or Parquet, its columns guessed from their usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_cf.datasets.diagnosis import SEPARATORS, split_line
from hf_cf.datasets.layouts import Field, TableFormat
from hf_cf.datasets.parsing import READ_ERRORS, open_bytes, read_columns, row_error, to_numpy
from hf_cf.datasets.titles import year_of_title
from hf_cf.errors import DataFormatError
from hf_cf.ratings import DataSource, Ratings

SUFFIXES = (".csv", ".tsv", ".parquet")
"""The files that are read as tables."""

USUAL_NAMES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "user": (
        ("user", "userid", "useridx", "uid", "reviewerid", "customerid", "memberid", "profileid"),
        ("username", "reviewer", "customer", "member", "reviewername"),
    ),
    "item": (
        (
            *("item", "itemid", "iid", "movieid", "filmid", "asin", "productid", "bookid", "isbn"),
            *("businessid", "songid", "trackid", "gameid", "animeid", "recipeid", "articleid"),
        ),
        ("movie", "film", "product", "book", "song", "track", "game", "artist"),
        ("title", "movietitle", "booktitle", "name"),
        ("id",),
    ),
    "rating": (("rating", "ratings"), ("stars", "score", "overall"), ("bookrating", "value")),
    "timestamp": (
        ("timestamp", "unixreviewtime"),
        ("time", "date", "datetime", "ratedat", "createdat", "reviewtime"),
    ),
    "title": (("title", "movietitle", "booktitle"), ("name",)),
    "genres": (("genres", "genre"), ("category", "categories")),
    "year": (("year", "releaseyear", "yearofpublication"),),
}
"""Names of a column in order of preference, without case, spaces and punctuation.

Two columns of the same rank are ambiguous; one of an earlier rank goes first.
"""

_REQUIRED = ("user", "item", "rating")
_KEYWORDS = {
    "user": "user_col",
    "item": "item_col",
    "rating": "rating_col",
    "timestamp": "timestamp_col",
}
_TEXT = pa.dictionary(pa.int32(), pa.string())
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})(\.0+)?")
_MILLISECONDS_FROM = 10**11


def read_file(
    path: Path, chosen: Mapping[str, str | None], *, title_required: bool = False
) -> Ratings:
    """Ratings from a CSV, TSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    chosen : mapping of str to str or None
        The name of the ``user``, ``item``, ``rating`` and ``timestamp`` column; None to guess it.
    title_required : bool
        Whether the file must have titles.

    Raises
    ------
    DataFormatError
        The file, the line and the column that cannot be read, and why.
    """
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_delimited
    table, table_format = read(path, chosen)
    if not len(table):
        raise DataFormatError("there are no ratings in this file", file=path)
    if title_required and "title" not in table.column_names:
        raise DataFormatError(
            'item="title" needs a column of titles, and the file has none that is called title',
            file=path,
            column="title",
        )

    def check(name: str, bad: npt.NDArray[np.bool_], problem: str) -> None:
        if bad.any():
            row = int(bad.argmax())
            message = f"{str(table[name][row].as_py())!r} {problem}"
            if table_format is not None:
                raise row_error(path, table_format, row, name, message)
            raise DataFormatError(f"row {row + 1}: {message}", file=path, column=name)

    users, items = _ids(table["user"]), _ids(table["item"])
    check("user", _is_blank(users), "is not an id: the value is missing")
    check("item", _is_blank(items), "is not an id: the value is missing")
    stars = to_numpy(table["rating"])
    check("rating", ~np.isfinite(stars), "is not a finite number")
    timestamps = None
    if "timestamp" in table.column_names:
        timestamps, bad = _seconds(table["timestamp"])
        check("timestamp", bad, "is not a time")
    return Ratings.assemble(
        users,
        items,
        stars,
        timestamps,
        catalogue=_catalogue(items, table),
        source=DataSource(name=path.stem),
    )


def find_columns(path: Path, header: list[str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Name in the file of each column that it has, by the name that hf_cf gives it.

    Raises
    ------
    DataFormatError
        A column is missing or ambiguous; the message names the keyword that decides it.
    """
    found: dict[str, str] = {}
    have = ", ".join(header[:40]) + (", ..." if len(header) > 40 else "")
    plain: dict[str, list[str]] = {}
    for column in dict.fromkeys(header):
        plain.setdefault(re.sub(r"[\W_]", "", column.lower()), []).append(column)
    for name, ranks in USUAL_NAMES.items():
        keyword = _KEYWORDS.get(name)
        choice = chosen.get(name)
        if choice is not None:
            if choice not in header:
                raise DataFormatError(
                    f"{keyword}={choice!r} is not a column of the file; it has {have}",
                    file=path,
                    column=choice,
                )
            found[name] = choice
            continue
        taken = set(found.values()) if name in _KEYWORDS else set()
        for rank in ranks:
            matches = [c for alias in rank for c in plain.get(alias, []) if c not in taken]
            if len(matches) > 1 and keyword is not None:
                raise DataFormatError(
                    f"{' and '.join(matches)} could each be the {name} column; say which with "
                    f"{keyword}={matches[0]!r}",
                    file=path,
                    column=name,
                )
            if matches:
                found[name] = matches[0]
                break
        if name in _REQUIRED and name not in found:
            raise DataFormatError(
                f"no column looks like the {name}; the file has {have}. Say which it is with "
                f'{keyword}="..."',
                file=path,
                column=name,
            )
    return found


def _read_delimited(path: Path, chosen: Mapping[str, str | None]) -> tuple[pa.Table, TableFormat]:
    separator, header, first_row = _sniff(path)
    found = find_columns(path, header, chosen)
    types = {"rating": pa.float32(), "timestamp": pa.string()}
    first_time = first_row[header.index(found["timestamp"])] if "timestamp" in found else ""
    if re.fullmatch(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*", first_time):
        types["timestamp"] = pa.float64()
    fields = {name: Field(types.get(name, _TEXT), (column,)) for name, column in found.items()}
    # A title that is also the item is read once and used twice.
    shared = {name: next(n for n in found if found[n] == found[name]) for name in found}
    once = {name: fields[name] for name in fields if shared[name] == name}
    table_format = TableFormat(path.name, once, separator, quoted=True)
    table = read_columns(path, table_format)
    return pa.table({name: table[shared[name]] for name in found}), table_format


def _sniff(path: Path) -> tuple[str, list[str], list[str]]:
    """Separator, column names and first row of a delimited file."""
    with open_bytes(path) as stream:
        try:
            first, second = stream.readline(1 << 20), stream.readline(1 << 20)
        except READ_ERRORS as error:
            raise DataFormatError(f"the file cannot be read: {error}", file=path) from error
    if not first.strip():
        raise DataFormatError(
            "the file is empty, or begins with an empty line; the first line must name the columns",
            file=path,
            line=1,
        )
    try:
        text = first.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataFormatError(
            f"byte {error.start + 1} of the line (0x{first[error.start]:02x}) is not utf-8; save "
            "the file in that encoding",
            file=path,
            line=1,
        ) from error
    row = second.decode("utf-8", errors="replace").rstrip("\r\n")

    def split(line: str, separator: str) -> list[str]:
        return split_line(line, TableFormat(path.name, {}, separator, quoted=True))

    candidates = [separator for separator in SEPARATORS if len(separator) == 1]
    separator = max(
        candidates,
        key=lambda s: (len(split(row, s)) == len(split(text, s)), len(split(text, s))),
    )
    separator = separator if len(split(text, separator)) > 1 else max(candidates, key=text.count)
    header = [name.strip() for name in split(text, separator)]
    if len(header) < 2:
        known = ", ".join(SEPARATORS[candidate] for candidate in candidates)
        raise DataFormatError(
            f"cannot tell what separates the columns: the first line, {text[:80]!r}, has none of "
            f"{known}",
            file=path,
            line=1,
        )
    cells = split(row, separator)
    return separator, header, cells + [""] * (len(header) - len(cells))


def _read_parquet(path: Path, chosen: Mapping[str, str | None]) -> tuple[pa.Table, None]:
    try:
        file = pq.ParquetFile(path)
        header = file.schema_arrow.names
        found = find_columns(path, header, chosen)
        raw = file.read(columns=list(dict.fromkeys(found.values())))
        columns = {name: _parquet_column(path, name, raw[column]) for name, column in found.items()}
    except (*READ_ERRORS, KeyError) as error:
        raise DataFormatError(f"the Parquet file cannot be read: {error}", file=path) from error
    return pa.table(columns), None


def _parquet_column(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if name in _REQUIRED and column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataFormatError(f"row {row + 1}: the value is missing", file=path, column=name)
    if name == "timestamp":
        return column
    wanted = pa.float32() if name == "rating" else _TEXT
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if wanted == _TEXT:
            return column.cast(pa.string()).dictionary_encode()
        # Half stars are exact in float32; other scores may lose digits that nobody gave.
        return pc.cast(column, wanted, safe=False)
    except pa.ArrowException as error:
        raise DataFormatError(
            f"the column holds {column.type}, which cannot be read as the {name}: {error}",
            file=path,
            column=name,
        ) from error


def _ids(column: pa.ChunkedArray) -> pd.Categorical[Any]:
    """Ids as whole numbers where each is spelt like one (007 is not), otherwise as text."""
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return pd.Categorical([])
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    spelt = column.chunk(0).dictionary.to_pylist()
    if all(text is not None and _WHOLE.fullmatch(text) for text in spelt):
        whole = np.array([int(text.partition(".")[0]) for text in spelt], dtype=np.int64)
        ids, code_of = np.unique(whole, return_inverse=True)
        return pd.Categorical.from_codes(code_of.astype(np.int32)[codes], pd.Index(ids))
    return pd.Categorical.from_codes(codes, categories=pd.Index(spelt, dtype=object))


def _is_blank(ids: pd.Categorical[Any]) -> npt.NDArray[np.bool_]:
    """Where the id is empty text."""
    blank = np.array([not str(category).strip() for category in ids.categories], dtype=bool)
    return blank[ids.codes] if blank.any() else np.zeros(1, dtype=bool)


def _seconds(
    column: pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Times in seconds since 1970, and where there is none."""
    values = column.to_pandas()
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        bad = ~np.isfinite(numbers) | (np.abs(numbers) > 1e17)
        numbers = np.where(bad, 0, numbers)
        if len(numbers) and np.median(numbers) >= _MILLISECONDS_FROM:
            numbers = numbers / 1000
        return numbers.astype(np.int64), bad
    times = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
    bad = times.isna().to_numpy()
    seconds = times.dt.as_unit("s").astype("int64").to_numpy()
    return np.where(bad, 0, seconds), bad


def _catalogue(items: pd.Categorical[Any], table: pa.Table) -> pd.DataFrame | None:
    """The title, year and genres on the first row of each item; None where the file has none."""
    names = [name for name in ("title", "year", "genres") if name in table.column_names]
    if not names:
        return None
    first = np.empty(len(items.categories), dtype=np.int64)
    # Of repeated positions the last assignment stays, so the rows go in backwards.
    first[items.codes[::-1]] = np.arange(len(items) - 1, -1, -1)
    used = np.unique(items.codes)
    rows = pa.array(first[used])
    catalogue = pd.DataFrame({"id": np.asarray(items.categories)[used]})
    for name in names:
        catalogue[name] = table[name].take(rows).cast(pa.string()).to_pandas().to_numpy(object)
    if "title" in catalogue:
        years = year_of_title(pa.chunked_array([pa.array(catalogue["title"], pa.string())]))
        guessed = years.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
        given = pd.to_numeric(catalogue.get("year", pd.Series(dtype=object)), errors="coerce")
        given = given.where((given % 1 == 0) & (given.abs() < 10_000)).reindex(catalogue.index)
        catalogue["year"] = given.astype("Int32").fillna(guessed)
    if "genres" in catalogue:
        catalogue["genres"] = catalogue["genres"].fillna("")
    return catalogue
