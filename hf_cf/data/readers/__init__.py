"""Ratings in: files, zips and downloads become ``Ratings``."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hf_cf.data.guesses import Feedback
from hf_cf.data.ratings import Ratings, in_code_order
from hf_cf.data.readers.download import fetch
from hf_cf.data.readers.frame_files import read_items
from hf_cf.data.readers.grouplens import holds_zip_layout, is_part_of_layout, read_folder, read_zip
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.data.readers.sample import load_sample
from hf_cf.data.readers.tables import read_file
from hf_cf.data.readers.titles import one_item_a_title
from hf_cf.data.readers.wanted import ARROW, FRAMES, PACKED, TEXTS, Wanted, suffix_of
from hf_cf.data.scale import RatingScale
from hf_cf.errors import DataFormatError

__all__ = ["load_ratings"]

_ITEM_FILES = ("movies", "items", "books", "games", "products", "catalogue", "titles")


def load_ratings(
    source: str | Path,
    *,
    item: Literal["id", "title"] = "id",
    user_col: str | None = None,
    item_col: str | None = None,
    rating_col: str | None = None,
    timestamp_col: str | None = None,
    items: Any = None,
    scale: RatingScale | Sequence[float] | None = None,
    feedback: Feedback | None = None,
    missing: float | None = None,
    wide: bool = False,
    noun: str = "",
    verb: str = "",
) -> Ratings:
    """Load ratings by name, or from a folder or file.

    Parameters
    ----------
    source : str or Path
        One of

        - ``"sample"``: generated ratings of well-known films, no network needed;
        - ``"ml-100k"``, ``"ml-latest-small"``, ``"ml-1m"``, ``"ml-10m"``, ``"ml-20m"``,
          ``"ml-25m"``, ``"ml-32m"``: from the cache, or downloaded into it;
        - a folder or a ``.zip`` as GroupLens ships it;
        - one fold file in such a folder (``u1.base``, ``ua.test``, ``r1.train``): the catalogue
          comes from the folder;
        - any table: text such as ``.csv``, ``.tsv``, ``.dat``, ``.inter``, with or without a line
          of column names; ``.json``, ``.jsonl``, ``.parquet``, ``.xlsx``; compressed or not;
        - ``"hf://datasets/OWNER/NAME/FILE"``: a file of a dataset on the Hugging Face Hub.

        A name goes before a file of that name; write ``"./ml-100k"`` for the folder.
    item : {"id", "title"}
        What an item is: its id, or its title. By title, the ids that share one are merged.
    user_col, item_col, rating_col, timestamp_col : str, optional
        Columns of a table, found by their usual names where not given. A file without a line of
        column names has them numbered from ``"1"``. Times are as `hf_cf.data.times` takes them.
    items : path or table, optional
        Titles and features of the items of a table, joined by id.
    scale, feedback, missing
        What the ratings of a table are; see `Ratings.from_frame`.
    wide : bool
        Whether a table has one row a user and one column an item.
    noun, verb : str
        What an item is called, in the singular, and what people do with it, such as ``"book"`` and
        ``"read"``: for pages and cards. Guessed from the column of items where not given.

    Returns
    -------
    Ratings

    Raises
    ------
    ValueError
        A parameter is out of its range, or is given for a source that is not a table.
    DataFormatError
        The file, the line and the column that cannot be read, and what to do.
    DownloadError
        The dataset is not in the cache and could not be downloaded.

    Examples
    --------
    >>> load_ratings("sample")
    Ratings(sample: 59,334 ratings of 560 items by 600 users, 0.5 to 5)
    >>> load_ratings("ratings.csv", item_col="isbn")  # doctest: +SKIP
    >>> load_ratings("ml-100k/u1.base", item="title")  # doctest: +SKIP
    """
    if item not in ("id", "title"):
        raise ValueError(f"item={item!r}; an item is its 'id' or its 'title'")
    columns = {
        "user": user_col,
        "item": item_col,
        "rating": rating_col,
        "timestamp": timestamp_col,
    }
    required = item == "title" and items is None
    wanted = Wanted(columns, required, scale, feedback, missing, wide)
    if str(source).startswith("hf://"):
        ratings = _read_from_hub(str(source), wanted)
    else:
        ratings = _read(source, wanted, has_items=items is not None)
    if items is not None:
        ratings = with_items(ratings, items)
    if noun or verb:
        named = replace(ratings.source, noun=noun or ratings.source.noun, verb=verb)
        ratings = replace(ratings, source=named)
    return one_item_a_title(ratings) if item == "title" else ratings


def with_items(ratings: Ratings, items: Any) -> Ratings:
    """Ratings with the titles and features of a file or table of items, joined by id."""
    table = read_items(items)
    if "id" in table and not (ratings.items.encode(table["id"]) > 0).any():
        warnings.warn(
            f"none of the {len(table):,} items is rated: their ids, such as "
            f"{str(table['id'].iloc[0])!r}, are not those of the ratings, such as "
            f"{str(ratings.items.ids[0])!r}",
            stacklevel=3,
        )
    return replace(ratings, catalogue=in_code_order(table, ratings.items, default_title=True))


def _read(source: str | Path, wanted: Wanted, *, has_items: bool) -> Ratings:
    path = Path(source).expanduser()
    read = _of_layout(source, path, wanted)
    if read is None:
        return _read_table(source, path, wanted, has_items=has_items)
    if wanted != Wanted(wanted.columns, wanted.title_required) or any(wanted.columns.values()):
        raise ValueError(
            "columns, scale=, feedback=, missing= and wide= are for tables; "
            f"{source} says itself what its ratings are"
        )
    return read()


def _of_layout(source: str | Path, path: Path, wanted: Wanted) -> Any:
    """How to read what says itself what its columns are; None for a plain table."""
    if source == "sample":
        return load_sample
    if isinstance(source, str) and source in DATASETS:
        return lambda: read_zip(fetch(DATASETS[source]))
    if path.is_dir() and _own_tables(path) is None:
        return lambda: read_folder(path, name=path.resolve().name)
    if path.is_file() and path.suffix.lower() == ".zip" and holds_zip_layout(path):
        return lambda: read_zip(path)
    plain = wanted == Wanted(dict.fromkeys(wanted.columns), wanted.title_required)
    if plain and path.is_file() and is_part_of_layout(path) and _own_tables(path.parent) is None:
        return lambda: read_folder(path.parent, name=path.resolve().parent.name, fold=path.name)
    return None


def _read_table(source: str | Path, path: Path, wanted: Wanted, *, has_items: bool) -> Ratings:
    items_file = None
    if path.is_dir():
        tables = _own_tables(path)
        assert tables is not None
        path, items_file = tables
    if not path.is_file():
        raise DataFormatError(
            f"there is no such file or folder, and no dataset of this name: sample, "
            f"{', '.join(DATASETS)}",
            file=str(source),
        )
    known = (*TEXTS, *ARROW, *FRAMES)
    if suffix_of(path) not in known and path.suffix.lower() != ".zip" and path.suffix:
        raise DataFormatError(
            f"a file of ratings ends in {', '.join(known)}, perhaps followed by "
            f"{', '.join(PACKED)}, or in .zip, or lies in a folder as GroupLens ships it",
            file=path,
        )
    ratings = read_file(path, wanted)
    if items_file is None and not has_items:
        own = _own_tables(path.parent)
        items_file = own[1] if own is not None and own[0] == path else None
    return ratings if items_file is None else with_items(ratings, items_file)


def _own_tables(folder: Path) -> tuple[Path, Path] | None:
    """A file of ratings with text for ids and one of items, in a folder like MovieLens'."""
    ratings = folder / "ratings.csv"
    items = next((path for name in _ITEM_FILES if (path := folder / f"{name}.csv").is_file()), None)
    if items is None or not ratings.is_file():
        return None
    with ratings.open("rb") as stream:
        _, first = stream.readline(1 << 16), stream.readline(1 << 16)
    ids = [cell.strip(b' "\r\n') for cell in first.split(b",")[:2]]
    is_own = len(ids) == 2 and not all(cell.isdigit() for cell in ids)
    return (ratings, items) if is_own else None


def _read_from_hub(address: str, wanted: Wanted) -> Ratings:
    """Ratings from a file of a dataset on the Hub, through the Hub's file system."""
    from huggingface_hub import HfFileSystem
    from huggingface_hub.errors import HfHubHTTPError

    files: Any = HfFileSystem()
    try:
        if files.isdir(address):
            names = ", ".join(Path(name).name for name in files.ls(address, detail=False)[:20])
            raise DataFormatError(f"this is a folder; name one of its files: {names}", file=address)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(address).name
            files.get_file(address.removeprefix("hf://"), str(path))
            ratings = read_file(path, wanted)
    except (FileNotFoundError, HfHubHTTPError) as error:
        raise DataFormatError(
            f"the Hub does not give this file: {error}; name it as hf://datasets/OWNER/NAME/FILE",
            file=address,
        ) from error
    owner, name = address.removeprefix("hf://datasets/").split("/")[:2]
    return replace(
        ratings, source=replace(ratings.source, name=f"{owner}/{name}".partition("@")[0])
    )
