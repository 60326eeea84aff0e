"""Any file of ratings: text, Parquet, JSON or Excel, its columns found by their usual names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_cf.data.catalogue_columns import checked_columns
from hf_cf.data.guesses import Feedback, checked_strengths
from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.column_names import REQUIRED, find_columns
from hf_cf.data.readers.frame_files import read_frame_file
from hf_cf.data.readers.layouts import Field, TableFormat
from hf_cf.data.readers.packed import File, look_at
from hf_cf.data.readers.parsing import (
    READ_ERRORS,
    give_back_memory,
    read_columns,
    row_error,
    to_numpy,
)
from hf_cf.data.readers.sniffing import sniff
from hf_cf.data.readers.titles import distinct_titles, year_of_title
from hf_cf.data.readers.wanted import ARROW, FRAMES, Wanted, suffix_of
from hf_cf.data.scale import DataSource, RatingScale, Stars
from hf_cf.data.times import Timestamps, seconds
from hf_cf.data.vocab import looked_up
from hf_cf.data.words import noun_of_columns
from hf_cf.errors import DataFormatError

_TEXT = pa.dictionary(pa.int32(), pa.string())
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})(\.0+)?")
_NUMBER_KINDS = {
    r"\s*[+-]?\d+\s*": pa.int64(),
    r"\s*[+-]?\d+(\.\d*([eE][+-]?\d+)?|[eE][+-]?\d+)\s*": pa.float64(),
}


def read_file(path: Path, wanted: Wanted) -> Ratings:
    """Ratings from a file of text, Parquet, JSON or Excel.

    Raises
    ------
    DataFormatError
        The file, the line and the column that cannot be read, and why.
    """
    if wanted.wide or suffix_of(path) in FRAMES:
        return read_frame_file(path, wanted)
    read = _read_parquet if suffix_of(path) in ARROW else _read_delimited
    table, file, table_format = read(path, wanted.columns)
    if wanted.missing is not None and "rating" in table.column_names:
        table = table.filter(pc.not_equal(table["rating"], pa.scalar(wanted.missing, pa.float32())))
        table_format = None  # the rows that are left do not count the lines
    if not len(table):
        raise DataFormatError("there are no ratings in this file", file=path)
    if wanted.title_required and "title" not in table.column_names:
        raise DataFormatError(
            'item="title" needs a column of titles, and the file has none that is called title',
            file=path,
            column="title",
        )
    noun = table.schema.metadata[b"noun"].decode()
    columns = dict(zip(table.column_names, table.columns, strict=True))
    catalogue_columns = {n: columns.pop(n) for n in ("title", "year", "genres") if n in columns}
    if "year" in catalogue_columns and columns["item"].equals(catalogue_columns.get("title")):
        columns["item"] = _with_years(catalogue_columns["title"], catalogue_columns["year"])
    del table
    check = partial(_check, file, table_format)
    # Each column is freed once it is converted: at 25 million ratings they take a gigabyte.
    ids = {}
    for name in ("user", "item"):
        column = columns.pop(name)
        ids[name] = _ids(column)
        check(name, column, _is_blank(ids[name]), "is not an id: the value is missing")
        del column
        give_back_memory(len(ids["user"]))
    stars, feedback, scale = _strengths(columns, len(ids["user"]), wanted, check)
    timestamps = _times(columns, wanted, check)
    give_back_memory(len(ids["user"]))
    return Ratings.assemble(
        ids["user"],
        ids["item"],
        stars,
        timestamps,
        scale=scale,
        feedback=feedback,
        catalogue=_catalogue(ids["item"], catalogue_columns),
        source=DataSource(path.name.partition(".")[0], noun=noun),
    )


def _check(
    file: File,
    table_format: TableFormat | None,
    name: str,
    column: pa.ChunkedArray,
    bad: npt.NDArray[np.bool_],
    why: str,
) -> None:
    if bad.any():
        row = int(bad.argmax())
        message = f"{str(column[row].as_py())!r} {why}"
        if table_format is not None:
            raise row_error(file, table_format, row, name, message)
        raise DataFormatError(f"row {row + 1}: {message}", file=str(file), column=name)


def _strengths(
    columns: dict[str, pa.ChunkedArray], n: int, wanted: Wanted, check: Callable[..., None]
) -> tuple[Stars, Feedback, RatingScale]:
    """Ratings or strengths of interactions, which of both they are, and their scale."""
    column, given = columns.pop("rating", None), None
    if column is not None:
        given = to_numpy(column)
        check("rating", column, ~np.isfinite(given), "is not a finite number")
    of_column = partial(check, "rating", column)
    return checked_strengths(given, n, wanted.feedback, wanted.scale, of_column)


def _times(
    columns: dict[str, pa.ChunkedArray], wanted: Wanted, check: Callable[..., None]
) -> Timestamps | None:
    """Times in seconds; a column that was only guessed and holds something else is left out."""
    column = columns.pop("timestamp", None)
    if column is None:
        return None
    times, bad = seconds(column.to_pandas())
    if not bad.any():
        return times
    if wanted.columns.get("timestamp"):
        check("timestamp", column, bad, "is not a time")
    shown = str(column[int(bad.argmax())].as_py())
    warnings.warn(f"the times are left out: {shown!r} is not a time", stacklevel=5)
    return None


def _with_years(titles: pa.ChunkedArray, years: pa.ChunkedArray) -> pa.ChunkedArray:
    """Titles as items: where one title has several years, each year is an item of its own."""
    table = pd.DataFrame({"title": titles.to_pandas().astype(object), "year": years.to_pandas()})
    return pa.chunked_array([pa.array(distinct_titles(checked_columns(table))).cast(_TEXT)])


def _read_delimited(
    path: Path, chosen: Mapping[str, str | None]
) -> tuple[pa.Table, File, TableFormat]:
    packed = look_at(path)
    is_plain = packed.packing is None and packed.encoding == "utf-8" and not packed.bare_returns
    file: File = path if is_plain else packed
    dialect = sniff(packed)
    header = list(dialect.names)
    if dialect.has_header or any(chosen.values()):
        found = find_columns(path, header, chosen)
    else:
        found = dialect.usual_order
        if "item" not in found:
            raise DataFormatError("a file of ratings has at least two columns", file=path, line=1)
        order = ", ".join(found)
        warnings.warn(
            f"{path.name} has no line of column names; its columns are taken as {order}",
            stacklevel=4,
        )
    types: dict[str, pa.DataType] = {"rating": pa.float32(), "timestamp": pa.string()}
    if "timestamp" in found and dialect.rows:
        first_time = dialect.rows[0][header.index(found["timestamp"])]
        for pattern, kind in _NUMBER_KINDS.items():
            if re.fullmatch(pattern, first_time):
                types["timestamp"] = kind

    def place(column: str) -> int | tuple[str, ...]:
        return (column,) if dialect.has_header else header.index(column)

    fields = {
        name: Field(types.get(name, _TEXT), place(column), nullable=name == "timestamp")
        for name, column in found.items()
    }
    # A title that is also the item is read once and used twice.
    shared = {name: next(n for n in found if found[n] == found[name]) for name in found}
    once = {name: fields[name] for name in fields if shared[name] == name}
    table_format = TableFormat(
        path.name, once, dialect.separator, width=0 if dialect.has_header else len(header),
        quoted=True, decimal=dialect.decimal,
    )  # fmt: skip
    table = read_columns(file, table_format)
    columns = {name: table[shared[name]] for name in found}
    return pa.table(columns, metadata=_named(found)), file, table_format


def _read_parquet(path: Path, chosen: Mapping[str, str | None]) -> tuple[pa.Table, File, None]:
    try:
        found = find_columns(path, pq.read_schema(path).names, chosen)

        def read(name: str) -> pa.ChunkedArray:
            raw = pq.ParquetFile(path).read(columns=[found[name]])
            return _parquet_column(path, name, raw[found[name]])

        with ThreadPoolExecutor() as pool:
            columns = dict(zip(found, pool.map(read, found), strict=True))
    except (*READ_ERRORS, KeyError) as error:
        raise DataFormatError(f"the Parquet file cannot be read: {error}", file=path) from error
    return pa.table(columns, metadata=_named(found)), path, None


def _named(found: Mapping[str, str]) -> dict[str, str]:
    """What the columns' names say of the items."""
    return {"noun": noun_of_columns(found)}


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
            return _as_text(column)
        # Half stars are exact in float32; other scores may lose digits beyond the seventh.
        return pc.cast(column, wanted, safe=False)
    except pa.ArrowException as error:
        raise DataFormatError(
            f"the column holds {column.type}, which cannot be read as the {name}: {error}",
            file=path,
            column=name,
        ) from error


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text, each different one converted once."""
    if not column.num_chunks:
        return column.cast(_TEXT)
    parts = []
    for chunk in column.dictionary_encode().chunks:
        texts = chunk.dictionary.cast(pa.string())
        parts.append(pa.DictionaryArray.from_arrays(chunk.indices, texts))
    return pa.chunked_array(parts)


def _ids(column: pa.ChunkedArray) -> pd.Categorical[Any]:
    """Ids as integers where each is written as one (007 is not), otherwise as text."""
    if column.null_count:  # a missing id is a blank one
        column = pc.fill_null(column.cast(_TEXT), "").dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return pd.Categorical([])
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    texts = column.chunk(0).dictionary.to_pylist()
    if all(text is not None and _INTEGER.fullmatch(text) for text in texts):
        integers = np.array([int(text.partition(".")[0]) for text in texts], dtype=np.int64)
        ids, code_of = np.unique(integers, return_inverse=True)
        return pd.Categorical.from_codes(looked_up(code_of.astype(np.int32), codes), pd.Index(ids))
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype=object))


def _is_blank(ids: pd.Categorical[Any]) -> npt.NDArray[np.bool_]:
    """Where the id is empty text."""
    blank = np.array([not str(category).strip() for category in ids.categories], dtype=bool)
    return blank[ids.codes] if blank.any() else np.zeros(1, dtype=bool)


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
        given = pd.DataFrame({"year": texts["year"].to_pandas()})
        years = checked_columns(given)["year"]
        table["year"] = years.fillna(table["year"]) if "title" in table else years
    if "genres" in texts:
        table["genres"] = texts["genres"].fill_null("").to_pandas()
    return pd.DataFrame(table)
