"""``hf-cf recommend``, ``questions``, ``similar`` and ``predict``: a saved model's answers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from hf_cf.cli.tables import show


def add_parser(commands: Any) -> None:
    """Add the commands to the parser of ``hf-cf``."""
    recommend = _command(commands, "recommend", "recommend to a known user or to a visitor")
    recommend.add_argument("--user", help="a known user's id")
    _add_rate(recommend)
    recommend.add_argument(
        "--like", action="append", metavar="ITEM", help="what a visitor likes, repeated"
    )
    recommend.add_argument(
        "--all-users", action="store_true", help="all known users, into the file --out"
    )
    recommend.add_argument("--out", type=Path, help="Parquet file to write, for --all-users")
    recommend.add_argument("-n", "--n", type=int, default=10, help="items a user (default: 10)")
    recommend.add_argument(
        "--order-by", choices=("score", "stars"), default="score",
        help="what people of that taste choose and like (default), or predicted stars",
    )  # fmt: skip
    recommend.add_argument(
        "--genre", action="append", default=[], dest="genres", metavar="GENRE",
        help="only items of this genre; repeated: of any of them",
    )  # fmt: skip
    recommend.add_argument("--years", nargs=2, type=int, metavar=("FROM", "TO"), help="only these")
    recommend.add_argument(
        "--exclude", action="append", default=[], metavar="ITEM", help="not this item; repeated"
    )
    recommend.add_argument(
        "--items-in", type=Path, metavar="FILE",
        help="rank only these items: one id or title a line, or the column item, id or title of a "
        ".csv; what the model does not have is passed over",
    )  # fmt: skip
    recommend.add_argument(
        "--min-ratings", type=int, default=0, help="only items with at least so many ratings"
    )
    recommend.add_argument(
        "--novelty", type=float, default=0.0, help="0 to 1: the less known before the well known"
    )
    recommend.add_argument(
        "--diversity", type=float, default=0.0, help="0 to 1: items unlike each other"
    )
    recommend.add_argument(
        "--familiarity", choices=("favourites", "mix", "lesser_known", "hidden_gems"),
        help="a list as the Space shows it: as well known as that, nothing like what is disliked",
    )  # fmt: skip
    recommend.add_argument(
        "--include-rated", action="store_true", help="items that the user has rated, too"
    )
    recommend.set_defaults(run=_recommend)

    questions = _command(commands, "questions", "say what to ask a visitor about next")
    _add_rate(questions)
    questions.add_argument(
        "-n", "--n", type=int, default=10, help="items to ask about (default: 10)"
    )
    questions.add_argument(
        "--exclude", action="append", default=[], metavar="ITEM",
        help="asked about already, or not known; repeated",
    )  # fmt: skip
    questions.set_defaults(run=_questions)

    similar = _command(commands, "similar", "find the items most like one")
    similar.add_argument("item", help="an item's id or title, or what is near it")
    similar.add_argument("-n", "--n", type=int, default=10, help="items to show (default: 10)")
    similar.set_defaults(run=_similar)

    predict = _command(commands, "predict", "predict the stars that a user gives items")
    predict.add_argument("--user", help="a known user's id")
    _add_rate(predict)
    predict.add_argument("item", nargs="+", help="items' ids or titles")
    predict.set_defaults(run=_predict)


def _command(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text
    )
    parser.add_argument("--model", required=True, help="a model's folder")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _add_rate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate", nargs=2, action="append", metavar=("ITEM", "STARS"),
        help='a visitor\'s rating, repeated: --rate "Heat (1995)" 4',
    )  # fmt: skip


_OPTIONS = (
    "n", "order_by", "genres", "years", "exclude", "min_ratings", "novelty", "diversity",
    "familiarity", "include_rated",
)  # fmt: skip


def _recommend(arguments: argparse.Namespace) -> None:
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    if arguments.all_users:
        _recommend_to_all(arguments, options)
        return
    rec, who = _load(arguments)
    options["items"] = _items_in(arguments.items_in, rec)
    show(rec.recommend(**who, **options), "Recommended", as_json=arguments.json)


def _recommend_to_all(arguments: argparse.Namespace, options: dict[str, Any]) -> None:
    if arguments.out is None or arguments.user is not None or arguments.rate is not None:
        raise ValueError("--all-users goes with --out FILE.parquet, without --user and --rate")
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tqdm import tqdm

    from hf_cf import Recommender
    from hf_cf.data.whole_writes import replacing

    rec = Recommender.from_pretrained(arguments.model)
    options["items"] = _items_in(arguments.items_in, rec)
    users, block = rec.users.ids, 64 * rec.trained.users_at_once  # a share for every thread
    if not len(users):
        raise ValueError("this model was saved without its users")
    writer = None
    with replacing(arguments.out) as temporary, tqdm(total=len(users), unit="user") as bar:
        for start in range(0, len(users), block):
            part = users[start : start + block]
            table = pa.Table.from_pandas(rec.recommend(part, **options), preserve_index=False)
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
            bar.update(len(part))
        if writer is not None:
            writer.close()
    print(f"Recommendations for {len(users):,} users are in {arguments.out}")


def _items_in(path: Path | None, rec: Any) -> Any:
    """Ids of the model's items that a file names; None without a file."""
    if path is None:
        return None
    names = _names_in(path)
    codes = rec.trained.catalogue.known_codes(names)
    unknown = [name for name, code in zip(names, codes.tolist(), strict=True) if code == 0]
    if len(unknown) == len(names):
        raise ValueError(f"{path}: the model has none of its {len(names):,} items")
    if unknown:
        shown = ", ".join(map(repr, unknown[:3])) + (", ..." if len(unknown) > 3 else "")
        print(f"{path}: {len(unknown):,} of {len(names):,} items are not in the model: {shown}",
              file=sys.stderr)  # fmt: skip
    return rec.items.decode(codes[codes > 0])


def _names_in(path: Path) -> list[str]:
    if path.suffix.lower() != ".csv":
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    table = pd.read_csv(path, dtype=str)
    columns = [name for name in ("item", "id", "title") if name in table]
    if not columns:
        has = ", ".join(map(str, table))
        raise ValueError(f"{path}: no column item, id or title; it has {has}")
    return list(table[columns[0]].dropna())


def _questions(arguments: argparse.Namespace) -> None:
    from hf_cf import Recommender

    rec = Recommender.from_pretrained(arguments.model)
    table = rec.next_questions(arguments.rate or [], arguments.n, exclude=arguments.exclude)
    show(table, "Ask about", as_json=arguments.json)


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

    liked = getattr(arguments, "like", None)
    if [arguments.user, arguments.rate, liked].count(None) != 2:
        raise ValueError(
            'say for whom: --user ID, or --rate "TITLE" STARS, or --like "TITLE", repeated'
        )
    rec = Recommender.from_pretrained(arguments.model)
    if arguments.user is not None:
        return rec, {"user": arguments.user}
    return rec, {"ratings": arguments.rate} if liked is None else {"liked": liked}
