"""``hf-cf recommend``, ``similar`` and ``predict``: a saved model's answers."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from hf_cf.cli.tables import show


def add_parser(commands: Any) -> None:
    """Add the commands to the parser of ``hf-cf``."""
    recommend = _command(commands, "recommend", "recommend to a known user or to a visitor")
    recommend.add_argument("--user", help="a known user's id")
    recommend.add_argument(
        "--rate", nargs=2, action="append", metavar=("ITEM", "STARS"),
        help='a visitor\'s rating, repeated: --rate "Heat (1995)" 4',
    )  # fmt: skip
    recommend.add_argument("-n", type=int, default=10, help="items to show (default: 10)")
    recommend.add_argument(
        "--include-rated", action="store_true", help="show items that the user has rated, too"
    )
    recommend.set_defaults(run=_recommend)

    similar = _command(commands, "similar", "find the items most like one")
    similar.add_argument("item", help="an item's id or title, or what is near it")
    similar.add_argument("-n", type=int, default=10, help="items to show (default: 10)")
    similar.set_defaults(run=_similar)

    predict = _command(commands, "predict", "predict the stars that a user gives items")
    predict.add_argument("--user", help="a known user's id")
    predict.add_argument(
        "--rate", nargs=2, action="append", metavar=("ITEM", "STARS"),
        help="a visitor's rating, repeated",
    )  # fmt: skip
    predict.add_argument("item", nargs="+", help="items' ids or titles")
    predict.set_defaults(run=_predict)


def _command(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text
    )
    parser.add_argument("--model", required=True, help="a model's folder")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _recommend(arguments: argparse.Namespace) -> None:
    rec, who = _load(arguments)
    table = rec.recommend(**who, n=arguments.n, include_rated=arguments.include_rated)
    show(table, "Recommended", as_json=arguments.json)


def _similar(arguments: argparse.Namespace) -> None:
    from hf_cf import Recommender, UnknownItem

    rec = Recommender.from_pretrained(arguments.model)
    item = arguments.item
    try:
        table = rec.similar(item, arguments.n)
    except UnknownItem as error:
        if not error.nearest:
            raise
        item = error.nearest[0]
        table = rec.similar(item, arguments.n)
    show(table, f"Most like {item}", as_json=arguments.json)


def _predict(arguments: argparse.Namespace) -> None:
    rec, who = _load(arguments)
    people = {"users": [who["user"]]} if "user" in who else who
    stars = rec.predict(items=arguments.item, **people)
    show(pd.DataFrame({"item": arguments.item, "stars": stars}), as_json=arguments.json)


def _load(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    from hf_cf import Recommender

    if (arguments.user is None) == (arguments.rate is None):
        raise ValueError('say for whom: --user ID, or --rate "TITLE" STARS, repeated')
    rec = Recommender.from_pretrained(arguments.model)
    if arguments.user is not None:
        return rec, {"user": arguments.user}
    return rec, {"ratings": arguments.rate}
