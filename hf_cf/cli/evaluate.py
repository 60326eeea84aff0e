"""``hf-cf evaluate``: a saved model on held-out ratings, next to baselines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hf_cf.cli.data import SYNTHETIC, add_data_flags, load_split
from hf_cf.cli.tables import show

if TYPE_CHECKING:
    from hf_cf.data.ratings import Ratings
    from hf_cf.evaluation import ColdStart, Evaluation
    from hf_cf.recommender import Recommender


_PROTOCOLS = ("strong-generalization", "leave-last-out")


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``hf-cf``."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on held-out ratings",
        description="Measure rating error and ranking on ratings that the model was not trained "
        "on, next to baselines. Give the data and the split that it was trained with.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a model's folder")
    add_data_flags(parser, held_out="--test")
    parser.add_argument(
        "--cold-start", action="store_true",
        help="people whom the model was not trained on, after 0, 1, 2, ... 50 ratings; "
        "train and evaluate with --split user",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=("held-out", *_PROTOCOLS), default="held-out",
        help="strong-generalization: users whom the model was not trained on, 80%% of their items "
        "given (train and evaluate with --split user); leave-last-out: each user's last rating "
        "(with --split last)",
    )  # fmt: skip
    parser.add_argument("--k", type=int, default=10, help="items shown to each user")
    parser.add_argument(
        "--relevant-from", type=float, metavar="STARS",
        help="held-out ratings of so many stars are relevant (4 of 5, 8 of 10, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--order-by", choices=("score", "stars"), default="score",
        help="what the lists are ordered by",
    )  # fmt: skip
    for name, meaning in (
        ("novelty", "0 to 1: the less known before the well known"),
        ("diversity", "0 to 1: items unlike each other"),
    ):
        parser.add_argument(f"--{name}", type=float, default=0.0, help=meaning)
    parser.add_argument("--resamples", type=int, default=1000, help="draws for the intervals")
    parser.add_argument("--seed", type=int, default=0, help="seed of those draws")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from hf_cf.evaluation import cold_start, evaluate
    from hf_cf.recommender import Recommender

    rec = Recommender.from_pretrained(arguments.model)
    train, test = load_split(arguments)
    if test is None:
        raise ValueError("nothing is held out: give --test FILE, or a share with --valid-pct")
    if arguments.cold_start:
        curves = cold_start(
            rec, train, test,
            k=arguments.k, relevant_from=arguments.relevant_from, seed=arguments.seed,
        )  # fmt: skip
        if not _say(arguments, curves.to_dict()):
            _show_curves(curves)
        return
    if arguments.protocol != "held-out":
        found = _by_protocol(arguments, rec, train, test)
        if not _say(arguments, found.to_dict()):
            _show_lists(found)
        return
    found = evaluate(
        rec,
        # The model's own history says which ratings it was trained on, whatever is held out here.
        train if rec.history is None else None,
        test,
        k=arguments.k,
        relevant_from=arguments.relevant_from,
        resamples=arguments.resamples,
        seed=arguments.seed,
        progress=not arguments.quiet,
        order_by=arguments.order_by,
        novelty=arguments.novelty,
        diversity=arguments.diversity,
    )
    if _say(arguments, found.to_dict()):
        return
    if rec.source.synthetic:
        print(SYNTHETIC)
    _show(found)


def _by_protocol(
    arguments: argparse.Namespace, rec: Recommender, train: Ratings, test: Ratings
) -> Evaluation:
    from hf_cf.evaluation import leave_last_out, strong_generalization

    common = {"resamples": arguments.resamples, "seed": arguments.seed}
    if arguments.protocol == "leave-last-out":
        progress = not arguments.quiet
        return leave_last_out(rec, train, test, k=arguments.k, progress=progress, **common)
    relevant_from = arguments.relevant_from
    return strong_generalization(rec, train, test, relevant_from=relevant_from, **common)


def _say(arguments: argparse.Namespace, found: dict[str, Any]) -> bool:
    """Write what was found to ``--out``, and print it if JSON is asked for; tells whether it is."""
    as_json = json.dumps(found, indent=2, ensure_ascii=False)
    if arguments.out is not None:
        from hf_cf.data.whole_writes import replacing

        with replacing(arguments.out) as temporary:
            temporary.write_text(as_json + "\n", "utf-8")
    if arguments.json:
        print(as_json)
    elif arguments.out is not None:
        print(f"Saved to {arguments.out}")
    return bool(arguments.json)


def _show_curves(found: ColdStart) -> None:
    protocol = found.protocol
    people = f"{protocol['test_users']:,} people whom the model was not trained on"
    titles = {"rmse": "RMSE in stars", "ndcg": f"nDCG@{protocol['k']}"}
    for metric, title in titles.items():
        table = found.table.dropna(subset=[metric])
        wide = table.pivot(index="given", columns="system", values=metric)
        wide = wide[table["system"].unique()].map(_number)
        shown = wide.reset_index().rename(columns={"given": "ratings given"})
        show(shown, f"{title}: {people}")


def _show(found: Evaluation) -> None:
    from hf_cf.evaluation.report import ERROR_METRICS, OVERALL

    protocol, table = found.protocol, found.to_frame()
    title = (
        f"Rating error in stars: {protocol['test_ratings']:,} held-out ratings of "
        f"{protocol['users']:,} users"
    )
    overall = table["by"] == OVERALL
    errors = table["metric"].isin(ERROR_METRICS)
    interval = f"{protocol['confidence']:.0%} interval"
    show(_side_by_side(table[errors & overall], ["metric"], interval), title)
    for by, group in table[~overall & (table["metric"] == "rmse")].groupby("by", sort=False):
        keys = {"group": "training ratings", "count": "held out"}
        drawn = _side_by_side(group.rename(columns=keys), list(keys.values()), interval)
        show(drawn, f"RMSE by {by}")
    if errors.all():
        print(f"No held-out rating has {protocol['relevant_from']:g} stars: nothing to rank for")
        return
    title = (
        f"Lists of {protocol['k']} from {protocol['catalogue']:,} items less those rated: "
        f"{protocol['users_ranked']:,} users\nRelevant: held-out ratings of "
        f"{protocol['relevant_from']:g} and more"
    )
    ranking = table[~errors].copy()
    ranking["metric"] = ranking["metric"].str.split("@").str[0].str.replace("_", " ")
    show(_side_by_side(ranking, ["metric"], interval), title)


def _show_lists(found: Evaluation) -> None:
    """The ranking metrics of one of the `_PROTOCOLS`."""
    from hf_cf.evaluation.report import ERROR_METRICS

    protocol, table = found.protocol, found.to_frame()
    table = table[~table["metric"].isin(ERROR_METRICS)]
    table["metric"] = table["metric"].str.replace("_", " ")
    users, items = protocol["users_ranked"], protocol["catalogue"]
    title = f"{protocol['protocol']}: {users:,} users, {items:,} items"
    show(_side_by_side(table, ["metric"], f"{protocol['confidence']:.0%} interval"), title)


def _side_by_side(table: pd.DataFrame, keys: list[str], interval: str) -> pd.DataFrame:
    """One column a system, and the model's interval after its own."""
    systems = list(table["system"].unique())
    model = table[table["system"] == systems[0]].set_index(keys)
    wide = table.pivot(index=keys, columns="system", values="value")
    # pivot sorts; rows and columns come in the order in which they were measured.
    wide = wide.loc[model.index, systems].map(_number)
    bounds = zip(model["low"], model["high"], strict=True)
    wide.insert(
        1, interval, ["" if pd.isna(low) else f"{low:.3f}-{high:.3f}" for low, high in bounds]
    )
    return wide.reset_index()


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"
