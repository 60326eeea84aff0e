"""Files and tables that are read by pandas: JSON, Excel, wide tables, and catalogues of items."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from hf_cf.data.frames import as_frame, read_frame
from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.column_names import USUAL_NAMES, find_columns, plain
from hf_cf.data.readers.packed import look_at
from hf_cf.data.readers.parsing import READ_ERRORS
from hf_cf.data.readers.sniffing import Dialect, sniff
from hf_cf.data.readers.wanted import ARROW, FRAMES, Wanted, suffix_of
from hf_cf.data.scale import DataSource
from hf_cf.data.words import noun_of_columns
from hf_cf.errors import DataFormatError


def load_frame(path: Path) -> pd.DataFrame:
    """Any file that is a table, as a DataFrame; of text the cells stay as they are written."""
    suffix = suffix_of(path)
    try:
        if suffix in ARROW:
            return pd.read_parquet(path)
        if suffix == ".xlsx":
            return pd.read_excel(path)
        file = look_at(path)
        with file.open() as stream:
            text = stream.read().decode("utf-8-sig")
        if suffix in FRAMES:
            is_lines = suffix != ".json" or not text.lstrip().startswith("[")
            return pd.read_json(io.StringIO(text), lines=is_lines, dtype=False)
        return _text_frame(text, sniff(file))
    except ImportError as error:
        raise DataFormatError(
            f"Excel's files need openpyxl; get it with: pip install 'hf-cf[files]' ({error})",
            file=path,
        ) from error
    except DataFormatError:
        raise
    except (*READ_ERRORS, ValueError, TypeError, AttributeError) as error:
        # pandas raises the last two for JSON that is no table.
        raise DataFormatError(f"the file cannot be read: {error}", file=path) from error


def _text_frame(text: str, dialect: Dialect) -> pd.DataFrame:
    options: dict[str, Any] = {
        "sep": dialect.separator,
        "header": 0 if dialect.has_header else None,
        "names": list(dialect.names),
        "dtype": str,
        "engine": "python",
    }
    try:
        return pd.read_csv(io.StringIO(text), **options)
    except pd.errors.ParserError:  # a quote that is part of a name
        return pd.read_csv(io.StringIO(text), quoting=csv.QUOTE_NONE, **options)


def read_frame_file(path: Path, wanted: Wanted) -> Ratings:
    """Ratings from a file that pandas reads, of any columns."""
    frame = load_frame(path).rename(columns=str)
    if wanted.wide:
        user = wanted.columns.get("user") or _user_of_wide(frame)
        frame = frame.melt(id_vars=user, var_name="item", value_name="rating")
        frame["rating"] = pd.to_numeric(frame["rating"], errors="coerce")
        frame = frame.rename(columns={user: "user"}).dropna(subset=["user", "rating"])
        found = {name: name for name in ("user", "item", "rating")}
    else:
        found = find_columns(path, list(frame.columns), wanted.columns)
    table = pd.DataFrame({name: frame[column] for name, column in found.items()})
    try:
        read = read_frame(
            table, scale=wanted.scale, feedback=wanted.feedback, missing=wanted.missing,
            time_is_named=wanted.columns.get("timestamp") is not None,
        )  # fmt: skip
        known = [name for name in ("title", "year", "genres") if name in table]
        catalogue = None
        if known:
            catalogue = table[["item", *known]].rename(columns={"item": "id"})
            catalogue = catalogue.drop_duplicates("id")
        return Ratings.assemble(
            read.users, read.items, read.stars, read.timestamps,
            scale=read.scale, feedback=read.feedback, catalogue=catalogue,
            source=DataSource(
                path.name.partition(".")[0], noun=noun_of_columns(found)
            ),
        )  # fmt: skip
    except DataFormatError as error:
        raise DataFormatError(
            error.message, file=path, line=error.line, column=error.column
        ) from error


def _user_of_wide(frame: pd.DataFrame) -> str:
    """The column of users of a wide table: the one of a usual name, or the first."""
    usual = {plain(alias) for rank in USUAL_NAMES["user"] for alias in rank}
    return next((name for name in frame.columns if plain(name) in usual), frame.columns[0])


def read_items(source: Any) -> pd.DataFrame:
    """A catalogue from a file or a table in memory: ``id``, and what else is known.

    Raises
    ------
    DataFormatError
        It cannot be read, or no column looks like an id.
    """
    if not isinstance(source, (str, Path)):
        return as_frame(source, "items")
    path = Path(source).expanduser()
    if not path.is_file():
        raise DataFormatError("there is no such file of items", file=path)
    frame = load_frame(path).rename(columns=str)
    names = [str(name) for name in frame.columns]
    if names == [str(number + 1) for number in range(len(names))]:
        usual = dict(zip(names, ("id", "title"), strict=False))
        warnings.warn(
            f"{path.name} names no columns; the first is taken as the id, the second as the title",
            stacklevel=3,
        )
        return _typed(frame.rename(columns=usual))
    by_plain = {plain(name): name for name in reversed(names)}
    renamed: dict[str, str] = {}
    for ours, key in (("id", "item"), ("title", "title"), ("genres", "genres"), ("year", "year")):
        aliases = [plain(alias) for rank in USUAL_NAMES[key] for alias in rank]
        if key == "item":
            aliases = ["id", *aliases]
        found = next((by_plain[alias] for alias in aliases if alias in by_plain), None)
        if found is not None and found not in renamed:
            renamed[found] = ours
    if "id" not in renamed.values():
        raise DataFormatError(
            f"no column looks like the item's id; the file has {', '.join(names[:40])}", file=path
        )
    return _typed(frame.rename(columns=renamed))


def _typed(items: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers as numbers; ids, titles and genres stay as they are written."""
    for name in items.columns.difference(["id", "title", "genres"]):
        numbers = pd.to_numeric(items[name], errors="coerce")
        if numbers.notna().any() and (numbers.notna() == items[name].notna()).all():
            items[name] = numbers
    return items
