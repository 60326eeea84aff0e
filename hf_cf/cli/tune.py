"""``hf-cf tune``: a search for hyperparameters on validation ratings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hf_cf.cli.data import add_data_flags, load_split
from hf_cf.cli.train import add_settings, chosen_settings


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``hf-cf``."""
    parser = commands.add_parser(
        "tune",
        help="search for hyperparameters",
        description="Search for hyperparameters by the error on validation ratings. Every trial "
        "is kept in OUT: the same command goes on where it stopped. Flags of hyperparameters "
        "hold them fixed. Train with the result by: hf-cf train --settings OUT/tuning.json",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_data_flags(parser, held_out="--valid", sample=True)
    parser.add_argument("--out", type=Path, default=Path("models/tuning"), help="folder to write")
    parser.add_argument(
        "--objective", choices=("stars", "lists"),
        help="RMSE of predicted stars, or nDCG@10 of the ranking head (default: stars, if any)",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=10.0, help="no trial begins after these")
    parser.add_argument("--trials", type=int, help="how many to try at most, earlier ones included")
    parser.add_argument("--search-seed", type=int, default=0, help="seed of the search")
    parser.add_argument("--quiet", action="store_true", help="no line a trial")
    add_settings(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from hf_cf.training.tuning import BEST, tune

    fixed = chosen_settings(arguments)
    train, valid = load_split(arguments)
    if valid is None:
        raise ValueError("--valid-pct 0 leaves no ratings to tune by")
    found = tune(
        train, valid, arguments.out, fixed.pop("model", None), objective=arguments.objective,
        minutes=arguments.minutes, trials=arguments.trials, seed=arguments.search_seed,
        progress=not arguments.quiet, **fixed,
    )  # fmt: skip
    print(
        f"Best of {found.n_trials}: {found.value:.4f}, with the defaults {found.default_value:.4f} "
        f"(chosen on these {len(valid):,} ratings; measure on others)\n"
        f"Train with it: hf-cf train --settings {arguments.out / BEST}"
    )
