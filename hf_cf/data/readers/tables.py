"""Any table of ratings: CSV, TSV or Parquet, its columns guessed from their usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.column_names import REQUIRED, find_columns
from hf_cf.data.readers.diagnosis import SEPARATORS, split_line
from hf_cf.data.readers.layouts import Field, TableFormat
from hf_cf.data.readers.parsing import READ_ERRORS, open_bytes, read_columns, row_error, to_numpy
from hf_cf.data.readers.titles import year_of_title
from hf_cf.data.scale import DataSource
from hf_cf.errors import DataFormatError

SUFFIXES = (".csv", ".tsv", ".parquet")
"""The files that are read as tables."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})(\.0+)?")
_MILLISECONDS_FROM = 10**11
_NUMBER_KINDS = {
    r"\s*[+-]?\d+\s*": pa.int64(),
    r"\s*[+-]?\d+(\.\d*([eE][+-]?\d+)?|[eE][+-]?\d+)\s*": pa.float64(),
}


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

    def check(name: str, column: pa.ChunkedArray, bad: npt.NDArray[np.bool_], why: str) -> None:
        if bad.any():
            row = int(bad.argmax())
            message = f"{str(column[row].as_py())!r} {why}"
            if table_format is not None:
                raise row_error(path, table_format, row, name, message)
            raise DataFormatError(f"row {row + 1}: {message}", file=path, column=name)

    columns = dict(zip(table.column_names, table.columns, strict=True))
    catalogue_columns = {n: columns.pop(n) for n in ("title", "year", "genres") if n in columns}
    del table
    # Each column is let go once converted: at 25 million ratings they take a gigabyte.
    ids = {}
    for name in ("user", "item"):
        column = columns.pop(name)
        ids[name] = _ids(column)
        check(name, column, _is_blank(ids[name]), "is not an id: the value is missing")
    column = columns.pop("rating")
    stars = to_numpy(column)
    check("rating", column, ~np.isfinite(stars), "is not a finite number")
    timestamps = None
    if "timestamp" in columns:
        column = columns.pop("timestamp")
        timestamps, bad = _seconds(column)
        check("timestamp", column, bad, "is not a time")
    del column
    catalogue = _catalogue(ids["item"], catalogue_columns)
    return Ratings.assemble(
        ids.pop("user"),
        ids.pop("item"),
        stars,
        timestamps,
        catalogue=catalogue,
        source=DataSource(name=path.stem),
    )


def _read_delimited(path: Path, chosen: Mapping[str, str | None]) -> tuple[pa.Table, TableFormat]:
    separator, header, first_row = _sniff(path)
    found = find_columns(path, header, chosen)
    types = {"rating": pa.float32(), "timestamp": pa.string()}
    first_time = first_row[header.index(found["timestamp"])] if "timestamp" in found else ""
    for pattern, kind in _NUMBER_KINDS.items():
        if re.fullmatch(pattern, first_time):
            types["timestamp"] = kind
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
        with ThreadPoolExecutor() as pool:
            parts = pool.map(lambda name: _parquet_column(path, name, raw[found[name]]), found)
            columns = dict(zip(found, parts, strict=True))
    except (*READ_ERRORS, KeyError) as error:
        raise DataFormatError(f"the Parquet file cannot be read: {error}", file=path) from error
    return pa.table(columns), None


def _parquet_column(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if name in REQUIRED and column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise DataFormatError(f"row {row + 1}: the value is missing", file=path, column=name)
    if name == "timestamp":
        return column
    if name == "genres" and pa.types.is_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), "|")
    wanted = pa.float32() if name == "rating" else _TEXT
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if wanted == _TEXT:
            return _spelt(column)
        # Half stars are exact in float32; other scores may lose digits that nobody gave.
        return pc.cast(column, wanted, safe=False)
    except pa.ArrowException as error:
        raise DataFormatError(
            f"the column holds {column.type}, which cannot be read as the {name}: {error}",
            file=path,
            column=name,
        ) from error


def _spelt(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text, each different one spelt out once."""
    if not column.num_chunks:
        return column.cast(_TEXT)
    parts = []
    for chunk in column.dictionary_encode().chunks:
        spelt = chunk.dictionary.cast(pa.string())
        parts.append(pa.DictionaryArray.from_arrays(chunk.indices, spelt))
    return pa.chunked_array(parts)


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
        return pd.Categorical.from_codes(code_of.astype(np.int32).take(codes), pd.Index(ids))
    return pd.Categorical.from_codes(codes, categories=pd.Index(spelt, dtype=object))


def _is_blank(ids: pd.Categorical[Any]) -> npt.NDArray[np.bool_]:
    """Where the id is empty text."""
    blank = np.array([not str(category).strip() for category in ids.categories], dtype=bool)
    return blank[ids.codes] if blank.any() else np.zeros(1, dtype=bool)


def _seconds(
    column: pa.ChunkedArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Times in seconds since 1970, and where there is none."""
    if pa.types.is_integer(column.type) and not column.null_count:
        whole = to_numpy(column).astype(np.int64, copy=False)
        thousandths = np.median(whole) >= _MILLISECONDS_FROM
        return whole // 1000 if thousandths else whole, np.zeros(1, dtype=bool)
    values = column.to_pandas()
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        bad = ~np.isfinite(numbers) | (np.abs(numbers) > 1e17)
        numbers = np.where(bad, 0, numbers)
        if np.median(numbers) >= _MILLISECONDS_FROM:
            numbers = numbers / 1000
        return numbers.astype(np.int64), bad
    times = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
    bad = times.isna().to_numpy()
    seconds = times.dt.as_unit("s").astype("int64").to_numpy()
    return np.where(bad, 0, seconds), bad


def _catalogue(
    items: pd.Categorical[Any], columns: Mapping[str, pa.ChunkedArray]
) -> pd.DataFrame | None:
    """The title, year and genres on the first row of each item; None where the file has none."""
    if not columns:
        return None
    first = np.empty(len(items.categories), dtype=np.int64)
    # Of repeated positions the last assignment stays, so the rows go in backwards.
    first[items.codes[::-1]] = np.arange(len(items) - 1, -1, -1)
    used = np.unique(items.codes)
    rows = pa.array(first[used])
    texts = {name: column.take(rows).cast(pa.string()) for name, column in columns.items()}
    table = {"id": pd.Series(np.asarray(items.categories)[used])}
    if "title" in texts:
        table["title"] = texts["title"].to_pandas()
        guessed = year_of_title(texts["title"])
        table["year"] = guessed.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    if "year" in texts:
        given = pd.to_numeric(texts["year"].to_pandas(), errors="coerce")
        given = given.where((given % 1 == 0) & (given.abs() < 10_000)).astype("Int32")
        table["year"] = given.fillna(table["year"]) if "title" in table else given
    if "genres" in texts:
        table["genres"] = texts["genres"].fill_null("").to_pandas()
    return pd.DataFrame(table)
