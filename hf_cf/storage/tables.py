"""The Parquet files of a model folder: written plainly, read without trusting them.

They are not compressed. Dictionaries and run lengths make them about as small, and a page that is
not compressed cannot swell to gigabytes when it is read.

Of a forged file, pyarrow promises only that opening and decoding raise an error; what its metadata
says of row groups and columns may end the process, and is not asked. `parquet_footer` reads and
bounds that metadata first, and everything that comes out of pyarrow is checked again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_cf.errors import ModelFormatError
from hf_cf.storage.parquet_footer import rows_in_footer

_INTEGER = (pa.int64(),)
_TEXT = (pa.string(), pa.large_string())
_PLAIN = (
    *_TEXT, pa.bool_(), pa.date32(), pa.float32(), pa.float64(),
    pa.int8(), pa.int16(), pa.int32(), pa.int64(),
    pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
)  # fmt: skip
_NULLABLE = {
    kind.to_pandas_dtype(): dtype
    for kind, dtype in {
        pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(), pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(),
        pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }.items()
}  # fmt: skip

_RATINGS = {
    "user_code": (pa.int32(),),
    "item_code": (pa.int32(),),
    "rating": (pa.float32(),),
}
COLUMNS: Mapping[str, Mapping[str, tuple[pa.DataType, ...]]] = {
    "users": {"id": _INTEGER + _TEXT},
    "items": {"id": _INTEGER + _TEXT, "title": _TEXT, "n_ratings": _INTEGER},
    "history": _RATINGS,
    "held_out": _RATINGS,
}
"""The columns that a table must have, without gaps, and the types that each may be of."""

_WITH_MORE_COLUMNS = ("items",)
_MOST_COLUMNS = 200
_LONGEST_TEXT = 20_000
_LEAST_TEXT_BOUND = 1 << 26
_LIMITS = {"thrift_string_size_limit": 10_000_000, "thrift_container_size_limit": 100_000}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table; columns that are neither numbers, text, flags nor dates are left out."""
    pq.write_table(_plain(table), path, compression="none")


def _plain(table: pd.DataFrame) -> pa.Table:
    kept = {}
    for name, column in table.items():
        try:
            values = pa.Array.from_pandas(column)
        except pa.ArrowException:
            values = pa.nulls(0)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.date32(), safe=False)
        if isinstance(name, str) and values.type in _PLAIN:
            kept[name] = values
        else:
            warnings.warn(
                f"the column {name!r} of the catalogue is left out: it holds {values.type}, which "
                "is neither numbers, text, true and false, nor dates",
                stacklevel=6,
            )
    return pa.table(kept)


def read_table(path: Path, name: str, rows: int) -> pd.DataFrame:
    """Read a table of a model folder.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        A key of `COLUMNS`.
    rows : int
        How many rows it must have; of ratings, how many it may have.

    Raises
    ------
    ModelFormatError
        The file holds other columns, types or rows, gaps, or pages that would swell.
    """
    try:
        size = path.stat().st_size
        found = rows_in_footer(path)
        _check_rows(found, size, name, rows)
        with pq.ParquetFile(path, **_LIMITS) as file:
            schema = file.schema_arrow
        _check_columns(schema, name)
        texts = [field.name for field in schema if field.type in _TEXT]
        # As dictionaries, text takes no more memory than it takes in the file.
        with pq.ParquetFile(path, read_dictionary=texts, **_LIMITS) as file:
            # On this thread alone, whose memory can be given back afterwards.
            table = file.read(use_threads=False)
        if table.num_rows != found:
            raise ValueError(f"there are {table.num_rows:,} rows; its footer says otherwise")
        _check_texts(table, size)
        table = table.cast(pa.schema([(f.name, f.type) for f in schema]))
        table.validate(full=True)
        for column in COLUMNS[name]:
            if table[column].null_count:
                raise ValueError(f"the column {column} has gaps")
        frame = pd.DataFrame({column: _to_pandas(table[column]) for column in table.column_names})
        del table
        # What the decoding took would stay with Arrow, which keeps it for the next file.
        pa.default_memory_pool().release_unused()
        return frame
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        # Arrow's reasons may run over many lines.
        reason = str(error).strip().split("\n")[0]
        raise ModelFormatError(
            f"this is not the Parquet file it should be: {reason}", file=path
        ) from error


def _check_columns(schema: pa.Schema, table: str) -> None:
    names = schema.names
    if len(set(names)) < len(names) or len(names) > _MOST_COLUMNS:
        raise ValueError(f"{len(names)} columns, of which some share a name or are too many")
    for column, kinds in COLUMNS[table].items():
        if column not in names:
            have = ", ".join(f"{name!a:.40}" for name in names[:10])
            raise ValueError(f"the column {column} is missing; there are {have}")
        found = schema.field(column).type
        if found not in kinds:
            expected = " or ".join(map(str, kinds))
            raise ValueError(f"the column {column} holds {found}; expected {expected}")
    for field in schema:
        if field.name in COLUMNS[table]:
            continue
        if table not in _WITH_MORE_COLUMNS:
            raise ValueError(f"the column {field.name!a:.80} does not belong there")
        if field.type not in _PLAIN:
            raise ValueError(f"the column {field.name!a:.80} holds {field.type}")


def _check_rows(found: int, size: int, table: str, rows: int) -> None:
    if COLUMNS[table] is _RATINGS:
        # Even with run lengths, a rating takes more than a bit.
        if not 0 <= found <= min(rows, 8 * size):
            raise ValueError(f"{found:,} ratings in {size:,} bytes, of at most {rows:,}")
    elif found != rows:
        raise ValueError(f"there are {found:,} rows; config.json says {rows:,}")


def _check_texts(table: pa.Table, size: int) -> None:
    total = 0
    for column in table.columns:
        if not pa.types.is_dictionary(column.type):
            continue
        for chunk in column.chunks:
            lengths = pc.binary_length(chunk.dictionary)
            longest = pc.max(lengths).as_py() or 0
            if longest > _LONGEST_TEXT:
                raise ValueError(f"a text of {longest:,} bytes; expected {_LONGEST_TEXT:,} at most")
            chunk.validate(full=True)
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > max(_LEAST_TEXT_BOUND, 20 * size):
        raise ValueError(f"{total:,} bytes of text in a file of {size:,}")


def _to_pandas(column: pa.ChunkedArray) -> pd.Series:
    nullable = _NULLABLE.get(column.type.to_pandas_dtype()) if column.null_count else None
    if nullable is None:
        return column.to_pandas()
    return column.to_pandas(types_mapper=lambda _: nullable)
