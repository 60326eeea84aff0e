"""Ratings in: files, zips and downloads become ``Ratings``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers.download import fetch
from hf_cf.data.readers.grouplens import is_part_of_layout, read_folder, read_zip
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.data.readers.sample import load_sample
from hf_cf.data.readers.tables import SUFFIXES, read_file
from hf_cf.data.readers.titles import one_item_a_title
from hf_cf.errors import DataFormatError

__all__ = ["load_ratings"]


def load_ratings(
    source: str | Path,
    *,
    item: Literal["id", "title"] = "id",
    user_col: str | None = None,
    item_col: str | None = None,
    rating_col: str | None = None,
    timestamp_col: str | None = None,
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
        - any ``.csv``, ``.tsv`` or ``.parquet`` file.

        A name goes before a file of that name; write ``"./ml-100k"`` for the folder.
    item : {"id", "title"}
        What an item is: its id, or its title. By title, the ids that share one are merged.
    user_col, item_col, rating_col, timestamp_col : str, optional
        Columns of a ``.csv``, ``.tsv`` or ``.parquet`` file, guessed from usual names where not
        given. Timestamps may be seconds or milliseconds since 1970, or ISO dates.

    Returns
    -------
    Ratings

    Raises
    ------
    ValueError
        `item` is neither of the two, or a column is named for a source that is not a table.
    DataFormatError
        The file, the line and the column that cannot be read, and what to do.
    DownloadError
        The dataset is not in the cache and could not be downloaded.

    Examples
    --------
    >>> load_ratings("ratings.csv", item_col="isbn")  # doctest: +SKIP
    >>> load_ratings("ml-100k/u1.base", item="title")  # doctest: +SKIP
    """
    if item not in ("id", "title"):
        raise ValueError(f"item={item!r}; an item is its 'id' or its 'title'")
    chosen = {
        "user": user_col,
        "item": item_col,
        "rating": rating_col,
        "timestamp": timestamp_col,
    }
    ratings = _read(source, chosen, title_required=item == "title")
    return one_item_a_title(ratings) if item == "title" else ratings


def _read(source: str | Path, chosen: dict[str, str | None], *, title_required: bool) -> Ratings:
    path = Path(source).expanduser()
    if any(chosen.values()) and path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"user_col, item_col, rating_col and timestamp_col are for {', '.join(SUFFIXES)} "
            f"files; {source} says itself what its columns are"
        )
    if source == "sample":
        return load_sample()
    if isinstance(source, str) and source in DATASETS:
        return read_zip(fetch(DATASETS[source]))
    if path.is_dir():
        return read_folder(path, name=path.resolve().name)
    if not path.is_file():
        raise DataFormatError(
            f"there is no such file or folder, and no dataset of this name: sample, "
            f"{', '.join(DATASETS)}",
            file=source,
        )
    if path.suffix.lower() == ".zip":
        return read_zip(path)
    if not any(chosen.values()) and is_part_of_layout(path):
        return read_folder(path.parent, name=path.resolve().parent.name, fold=path.name)
    if path.suffix.lower() in SUFFIXES:
        return read_file(path, chosen, title_required=title_required)
    raise DataFormatError(
        f"a file of ratings ends in {', '.join(SUFFIXES)} or .zip, or lies in a folder as "
        "GroupLens ships it",
        file=path,
    )
