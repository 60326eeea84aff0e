"""The flags that say which ratings to take and which of them to hold out."""

from __future__ import annotations

import argparse
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
        "or a folder, .zip, .csv or .parquet file",
    )
    parser.add_argument("--item", choices=("id", "title"), default="id", help="what names an item")
    for column in ("user", "item", "rating", "timestamp"):
        parser.add_argument(
            f"--{column}-col", help=f"the {column} column of a .csv or .parquet file"
        )
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

    columns = {
        name: getattr(arguments, name)
        for name in ("user_col", "item_col", "rating_col", "timestamp_col")
    }
    train = load_ratings(arguments.data, item=arguments.item, **columns)
    if arguments.held_out is not None:
        return train, load_ratings(arguments.held_out, item=arguments.item, **columns)
    if arguments.valid_pct == 0:
        return train, None
    return train.split(arguments.valid_pct, arguments.split_seed, arguments.split)
