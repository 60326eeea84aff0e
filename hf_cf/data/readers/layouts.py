"""The file layouts in which GroupLens ships MovieLens, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from hf_cf.data.scale import DataSource, RatingScale


@dataclass(frozen=True)
class Field:
    """A column to read.

    Attributes
    ----------
    type : pyarrow.DataType
        What its values are read as.
    at : int or tuple of str
        Its position from 0 in a file without a header, or the names that a header may give it.
    optional : bool
        Whether the column may be absent.
    nullable : bool
        Whether a value may be absent.
    """

    type: pa.DataType
    at: int | tuple[str, ...]
    optional: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class TableFormat:
    """How the lines of a file fall into columns.

    Attributes
    ----------
    file : str
        Its name in the folder.
    fields : mapping of str to Field
        The columns to read, by the name that hf_cf gives them.
    separator : str
        What stands between two values.
    width : int
        Values in a line; 0 for a file whose first line names the columns.
    encoding : str
        The encoding of the text.
    quoted : bool
        Whether a value may stand in double quotes. In a file that is not quoted, a quote is text.
    decimal : str
        The decimal mark.
    """

    file: str
    fields: Mapping[str, Field]
    separator: str
    width: int = 0
    encoding: str = "utf-8"
    quoted: bool = False
    decimal: str = "."


@dataclass(frozen=True)
class Layout:
    """The files of one GroupLens layout.

    Attributes
    ----------
    ratings, items : TableFormat
        The two files that make up the data: required.
    users, links : TableFormat, optional
        User features and links to IMDb and TMDB: used where the folder has them.
    genre_names : TableFormat, optional
        The names of the genre flags, where genres are flags.
    genre_flags : range
        Positions of the genre flags in `items`.
    readable : mapping
        Column of `users` to the meaning of its codes.
    folds : tuple of str
        Patterns of the names of fold files, which hold ratings as `ratings` does.
    scale : RatingScale
        The values that a rating can take.
    source : DataSource
        Licence and citation.
    """

    ratings: TableFormat
    items: TableFormat
    source: DataSource
    scale: RatingScale
    users: TableFormat | None = None
    links: TableFormat | None = None
    genre_names: TableFormat | None = None
    genre_flags: range = range(0)
    readable: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    folds: tuple[str, ...] = ()

    @property
    def required(self) -> list[str]:
        """Names of the files that a folder must have."""
        tables = (self.ratings, self.items, self.genre_names)
        return [table.file for table in tables if table is not None]

    @property
    def optional(self) -> list[str]:
        """Names of the files that are used where a folder has them."""
        return [table.file for table in (self.users, self.links) if table is not None]


@dataclass(frozen=True)
class Dataset:
    """A dataset that can be had by name.

    Attributes
    ----------
    layout : Layout
        Its files.
    source : DataSource
        Name, licence and citation.
    checksum : str
        Of the zip that GroupLens ships: the algorithm, a colon, the digest.
    """

    layout: Layout
    source: DataSource
    checksum: str


_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems (TiiS) 5, 4: 19:1-19:19. "
    "https://doi.org/10.1145/2827872"
)
_RESEARCH_ONLY = (
    "For research only: may not be redistributed without separate permission, may not be used "
    "commercially without permission from GroupLens, and its use must be acknowledged."
)
_SAME_TERMS = (
    "For research: may be redistributed, also transformed, under these same conditions, may not be "
    "used commercially without permission from GroupLens, and its use must be acknowledged."
)


def _source(name: str, page: str, *, redistributable: bool) -> DataSource:
    return DataSource(
        name=name,
        licence=_SAME_TERMS if redistributable else _RESEARCH_ONLY,
        citation=_CITATION,
        url=f"https://grouplens.org/datasets/movielens/{page}",
        redistributable=redistributable,
        noun="film",
    )


_RATING_BY_POSITION = {
    "user": Field(pa.int32(), 0),
    "item": Field(pa.int32(), 1),
    "rating": Field(pa.float32(), 2),
    "timestamp": Field(pa.int64(), 3),
}


_ITEM_ID = ("movieId", "Id", "movie_id", "movieid", "id", "item", "itemId", "item_id")

ML_100K = Layout(
    ratings=TableFormat("u.data", _RATING_BY_POSITION, "\t", width=4),
    items=TableFormat(
        "u.item",
        {
            "id": Field(pa.int32(), 0),
            "title": Field(pa.string(), 1),
            "release_date": Field(pa.string(), 2),
        },
        "|",
        width=24,
        encoding="latin-1",
    ),
    users=TableFormat(
        "u.user",
        {
            "id": Field(pa.int32(), 0),
            "age": Field(pa.int32(), 1),
            "gender": Field(pa.string(), 2),
            "occupation": Field(pa.string(), 3),
        },
        "|",
        width=5,
    ),
    genre_names=TableFormat(
        "u.genre",
        {"name": Field(pa.string(), 0), "flag": Field(pa.int32(), 1)},
        "|",
        width=2,
    ),
    genre_flags=range(5, 24),
    folds=("*.base", "*.test"),
    scale=RatingScale(1, 5, 1),
    source=_source("ml-100k", "100k/", redistributable=False),
)

ML_1M = Layout(
    ratings=TableFormat("ratings.dat", _RATING_BY_POSITION, "::", width=4),
    items=TableFormat(
        "movies.dat",
        {
            "id": Field(pa.int32(), 0),
            "title": Field(pa.string(), 1),
            "genres": Field(pa.string(), 2),
        },
        "::",
        width=3,
        encoding="latin-1",
    ),
    users=TableFormat(
        "users.dat",
        {
            "id": Field(pa.int32(), 0),
            "age": Field(pa.int32(), 2),
            "gender": Field(pa.string(), 1),
            "occupation": Field(pa.int32(), 3),
        },
        "::",
        width=5,
    ),
    readable={
        "age": {
            1: "Under 18",
            18: "18-24",
            25: "25-34",
            35: "35-44",
            45: "45-49",
            50: "50-55",
            56: "56+",
        },
        "occupation": dict(
            enumerate(
                (
                    "other",
                    "academic/educator",
                    "artist",
                    "clerical/admin",
                    "college/grad student",
                    "customer service",
                    "doctor/health care",
                    "executive/managerial",
                    "farmer",
                    "homemaker",
                    "K-12 student",
                    "lawyer",
                    "programmer",
                    "retired",
                    "sales/marketing",
                    "scientist",
                    "self-employed",
                    "technician/engineer",
                    "tradesman/craftsman",
                    "unemployed",
                    "writer",
                )
            )
        ),
    },
    scale=RatingScale(1, 5, 1),
    source=_source("ml-1m", "1m/", redistributable=False),
)

ML_10M = Layout(
    ratings=ML_1M.ratings,
    items=TableFormat("movies.dat", ML_1M.items.fields, "::", width=3),
    folds=("*.train", "*.test"),
    scale=RatingScale(0.5, 5, 0.5),
    source=_source("ml-10m", "10m/", redistributable=False),
)

ML_CSV = Layout(
    ratings=TableFormat(
        "ratings.csv",
        {
            "user": Field(pa.int32(), ("userId", "user_id", "userid", "user")),
            "item": Field(pa.int32(), _ITEM_ID),
            "rating": Field(pa.float32(), ("rating",)),
            "timestamp": Field(pa.int64(), ("timestamp",), optional=True),
        },
        ",",
        quoted=True,
    ),
    items=TableFormat(
        "movies.csv",
        {
            "id": Field(pa.int32(), _ITEM_ID),
            "title": Field(pa.string(), ("title",)),
            "genres": Field(pa.string(), ("genres",), optional=True),
        },
        ",",
        quoted=True,
    ),
    links=TableFormat(
        "links.csv",
        {
            "id": Field(pa.int32(), _ITEM_ID),
            "imdb_id": Field(pa.string(), ("imdbId", "imdb_id"), optional=True),
            "tmdb_id": Field(pa.int32(), ("tmdbId", "tmdb_id"), optional=True, nullable=True),
        },
        ",",
        quoted=True,
    ),
    scale=RatingScale(0.5, 5, 0.5),
    source=_source("movielens", "", redistributable=True),
)

LAYOUTS = (ML_100K, ML_1M, ML_10M, ML_CSV)
"""Every layout. Of two that a folder fits equally well, the later one asks for fewer files."""

DATASETS = {
    dataset.source.name: dataset
    for dataset in (
        Dataset(ML_100K, ML_100K.source, "md5:0e33842e24a9c977be4e0107933c0723"),
        # GroupLens may replace latest-small, and has not since September 2018: the digest of that
        # edition, as TensorFlow Datasets has it, keeps results comparable.
        Dataset(
            ML_CSV,
            _source("ml-latest-small", "latest/", redistributable=True),
            "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        ),
        Dataset(ML_1M, ML_1M.source, "md5:c4d9eecfca2ab87c1945afe126590906"),
        Dataset(ML_10M, ML_10M.source, "md5:ce571fd55effeba0271552578f2648bd"),
        Dataset(
            ML_CSV,
            _source("ml-20m", "20m/", redistributable=True),
            "md5:cd245b17a1ae2cc31bb14903e1204af3",
        ),
        Dataset(
            ML_CSV,
            _source("ml-25m", "25m/", redistributable=True),
            "md5:6b51fb2759a8657d3bfcbfc42b592ada",
        ),
        Dataset(
            ML_CSV,
            _source("ml-32m", "32m/", redistributable=True),
            "md5:d472be332d4daa821edc399621853b57",
        ),
    )
}
"""The datasets that ``load_ratings`` knows by name."""
