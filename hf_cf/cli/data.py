"""The flags that say which ratings to take and which of them to hold out."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_cf.data.ratings import Ratings

SYNTHETIC = "These ratings are synthetic: generated for trying things out, not given by people."


def add_data_flags(parser: argparse.ArgumentParser, *, held_out: str, sample: bool = False) -> None:
    """Add ``--data``, the columns' names, and how to hold out.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    held_out : str
        The flag for a file of held-out ratings: ``"--valid"`` or ``"--test"``.
    sample : bool
        Whether the embedded sample is taken when nothing is named.
    """
    parser.add_argument(
        "--data",
        required=not sample,
        default="sample" if sample else argparse.SUPPRESS,
        help="sample, ml-100k, ml-latest-small, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, "
        "a folder, a .zip, or any table: .csv, .tsv, .dat, .json, .parquet, .xlsx, also compressed",
    )
    parser.add_argument("--item", choices=("id", "title"), default="id", help="what names an item")
    for column in ("user", "item", "rating", "timestamp"):
        parser.add_argument(f"--{column}-col", help=f"the {column} column of a table")
    parser.add_argument(
        "--items", type=Path, metavar="FILE", help="titles and features of the items, joined by id"
    )
    parser.add_argument(
        "--scale", nargs="+", type=float, metavar="NUMBER",
        help="the rating scale: LOW HIGH, or LOW HIGH STEP (default: guessed)",
    )  # fmt: skip
    parser.add_argument(
        "--feedback", choices=("explicit", "implicit"),
        help="whether ratings are stars or strengths of interactions (default: guessed)",
    )  # fmt: skip
    missing = parser.add_mutually_exclusive_group()
    missing.add_argument(
        "--missing", type=float, metavar="RATING", help="a rating that means that there is none"
    )
    missing.add_argument(
        "--zero-means-missing", dest="missing", action="store_const", const=0.0,
        help="leave out ratings of 0, as Goodreads writes for unread",
    )  # fmt: skip
    parser.add_argument(
        "--noun", default="", help="what an item is called, such as book (default: guessed)"
    )
    parser.add_argument("--verb", default="", help="what people do with one, such as read")
    parser.add_argument("--wide", action="store_true", help="the table has one column an item")
    parser.add_argument(
        held_out, type=Path, dest="held_out", metavar="FILE",
        help="a file of held-out ratings, instead of a split",
    )  # fmt: skip
    parser.add_argument("--valid-pct", type=float, default=0.2, help="share held out; 0 for none")
    parser.add_argument(
        "--split", choices=("random", "time", "last", "user"), default="random",
        help="how to hold out: a share drawn at random, each user's last share, each user's last "
        "rating, or a share of the users",
    )  # fmt: skip
    parser.add_argument("--split-seed", type=int, default=42, help="seed of the split")


def load_split(arguments: argparse.Namespace) -> tuple[Ratings, Ratings | None]:
    """Load the ratings, and those held out, or None where nothing is."""
    from hf_cf.data.readers import load_ratings

    options = {
        name: getattr(arguments, name)
        for name in (
            "item", "user_col", "item_col", "rating_col", "timestamp_col", "items", "scale",
            "feedback", "missing", "wide", "noun", "verb",
        )
    }  # fmt: skip
    train = load_ratings(arguments.data, **options)
    if arguments.held_out is not None:
        return train, load_ratings(arguments.held_out, **options)
    if arguments.valid_pct == 0:
        return train, None
    return train.split(arguments.valid_pct, arguments.split_seed, arguments.split)


_FLAG = re.compile(
    r"\b(user_col|item_col|rating_col|timestamp_col|scale|feedback|missing|items|wide|text_model|text)="
    r"(True|\([^)]*\)|'[^']*'|[\w.]+)?"
)


def with_flags(message: str) -> str:
    """A message about keywords of `load_ratings` in terms of the command line's flags."""

    def flag(found: re.Match[str]) -> str:
        value = (found[2] or "...").strip("'")
        if value == "True":
            value = ""
        return f"--{found[1].replace('_', '-')} {value.strip('()').replace(',', '')}".rstrip()

    return _FLAG.sub(flag, message)
