"""MovieLens as GroupLens ships it: a folder, a zip, or one fold file of either."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.layouts import DATASETS, LAYOUTS, Field, Layout, TableFormat
from hf_cf.data.readers.parsing import READ_ERRORS, read_columns, read_ratings, to_numpy
from hf_cf.data.readers.titles import year_of_title
from hf_cf.data.scale import DataSource
from hf_cf.errors import DataFormatError

Folder = Path | zipfile.Path
"""A folder on disk or in a zip."""

_NO_GENRES = ("(no genres listed)", "unknown")
"""What GroupLens writes for an item without genres."""


def read_folder(folder: Folder, *, name: str, fold: str | None = None) -> Ratings:
    """Ratings from a GroupLens folder on disk or in a zip.

    Parameters
    ----------
    folder : Path or zipfile.Path
        The folder that holds the files of one layout.
    name : str
        What the data calls itself: the name of the folder or zip.
    fold : str, optional
        A file of the folder to take the ratings from, such as ``"u1.base"``.

    Raises
    ------
    DataFormatError
        A file is missing, or cannot be read.
    """
    layout = find_layout(folder)
    table_format = layout.ratings
    if fold is not None:
        table_format = replace(table_format, file=fold)
    columns = read_ratings(folder / table_format.file, table_format, layout.scale)
    return Ratings.assemble(
        columns.pop("user"),
        columns.pop("item"),
        columns.pop("rating"),
        columns.get("timestamp"),
        catalogue=_read_catalogue(folder, layout),
        user_features=_read_users(folder, layout),
        scale=layout.scale,
        source=_source(layout, name),
    )


def read_zip(path: Path) -> Ratings:
    """Ratings from a zip as GroupLens ships it, read in place."""
    with _opened_zip(path) as root:
        folders = [root, *(entry for entry in root.iterdir() if entry.is_dir())]
        # A zip made on a Mac has a second folder next to the data.
        folder = max(folders, key=lambda f: max(_count(f, layout) for layout in LAYOUTS))
        return read_folder(folder, name=path.stem)


def holds_zip_layout(path: Path) -> bool:
    """Whether a zip is to be read as GroupLens ships it, rather than as one packed table."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (*READ_ERRORS, ValueError):
        return True  # reading it will say what is wrong
    return len(names) != 1


def is_part_of_layout(path: Path) -> bool:
    """Whether a file holds ratings in the layout of the GroupLens folder that it lies in."""
    layout = _best_layout(path.parent)
    if layout is None or not (path.parent / layout.items.file).is_file():
        return False
    names = (layout.ratings.file, *layout.folds)
    return any(fnmatch(path.name, pattern) for pattern in names)


def find_layout(folder: Folder) -> Layout:
    """The layout whose files a folder has.

    Raises
    ------
    DataFormatError
        A file is missing; the message lists what is expected.
    """
    layout = _best_layout(folder)
    if layout is None:
        expected = "; or ".join(dict.fromkeys(", ".join(known.required) for known in LAYOUTS))
        raise DataFormatError(
            f"there is no MovieLens data here. A folder as GroupLens ships it has {expected}",
            file=str(folder),
        )
    missing = [file for file in layout.required if not (folder / file).is_file()]
    if missing:
        optional = f"; {', '.join(layout.optional)} may be absent" if layout.optional else ""
        raise DataFormatError(
            f"{' and '.join(missing)} missing. The layout of {layout.source.name} needs "
            f"{', '.join(layout.required)}{optional}",
            file=str(folder),
        )
    return layout


def _count(folder: Folder, layout: Layout) -> int:
    return sum((folder / file).is_file() for file in (*layout.required, *layout.optional))


def _best_layout(folder: Folder) -> Layout | None:
    """The layout with the most files in the folder, all of its files where two have as many."""

    def fit(layout: Layout) -> tuple[int, float]:
        present = _count(folder, layout)
        return present, present / len([*layout.required, *layout.optional])

    best = max(LAYOUTS, key=fit)
    return best if _count(folder, best) else None


@contextmanager
def _opened_zip(path: Path) -> Iterator[zipfile.Path]:
    try:
        archive = zipfile.ZipFile(path)
    except (*READ_ERRORS, ValueError) as error:
        raise DataFormatError(
            f"this is not a whole zip file ({error}). Delete it and get it again", file=path
        ) from error
    with archive:
        try:
            yield zipfile.Path(archive)
        except DataFormatError:
            raise
        except (*READ_ERRORS, KeyError, ValueError) as error:
            raise DataFormatError(
                f"the zip cannot be read ({error}). Delete it and get it again", file=path
            ) from error


def _source(layout: Layout, name: str) -> DataSource:
    """The dataset of that name; otherwise the licence of the layout, under the folder's name."""
    for known, dataset in DATASETS.items():
        if dataset.layout is layout and name.lower() == known:
            return dataset.source
    if any(dataset.source is layout.source for dataset in DATASETS.values()):
        return layout.source
    return replace(layout.source, name=name)


def _read_catalogue(folder: Folder, layout: Layout) -> pd.DataFrame:
    table = read_columns(folder / layout.items.file, layout.items)
    year = year_of_title(table["title"])
    if "release_date" in table.column_names:
        released = pc.struct_field(
            pc.extract_regex(table["release_date"], r"(?P<year>\d{4})\s*$"), "year"
        )
        year = pc.coalesce(year, pc.cast(released, pa.int32()))
    columns = {"id": table["id"].cast(pa.int64()), "title": table["title"], "year": year}
    if "genres" in table.column_names:
        none = pc.is_in(table["genres"], value_set=pa.array(_NO_GENRES))
        columns["genres"] = pc.if_else(none, "", table["genres"])
    elif layout.genre_names is not None:
        columns["genres"] = _genres_of_flags(folder, layout, layout.genre_names)
    if layout.links is not None and (folder / layout.links.file).is_file():
        links = read_columns(folder / layout.links.file, layout.links)
        rows = pc.index_in(table["id"], value_set=links["id"].combine_chunks())
        for name in links.column_names:
            if name != "id":
                columns[name] = links[name].take(rows)
    # The ids are int64 by now; an int32 column may have gaps, and becomes pandas' Int32.
    return pa.table(columns).to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)


def _genres_of_flags(folder: Folder, layout: Layout, genre_names: TableFormat) -> pa.Array:
    names = read_columns(folder / genre_names.file, genre_names)
    name_of = dict(zip(names["flag"].to_pylist(), names["name"].to_pylist(), strict=True))
    flag_format = replace(
        layout.items,
        fields={
            str(number): Field(pa.int32(), position)
            for number, position in enumerate(layout.genre_flags)
        },
    )
    flags = read_columns(folder / layout.items.file, flag_format)
    matrix = np.column_stack([to_numpy(column) for column in flags.columns]) > 0
    genres = np.array([name_of.get(number, "") for number in range(matrix.shape[1])], dtype=object)
    genres[np.isin(genres, _NO_GENRES)] = ""
    return pa.array(["|".join(filter(None, genres[row])) for row in matrix], pa.string())


def _read_users(folder: Folder, layout: Layout) -> pd.DataFrame | None:
    if layout.users is None or not (folder / layout.users.file).is_file():
        return None
    users = read_columns(folder / layout.users.file, layout.users).to_pandas()
    for column, meaning in layout.readable.items():
        users[column] = users[column].map(meaning).fillna("unknown")
    return users
