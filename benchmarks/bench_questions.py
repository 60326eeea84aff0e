"""What asking visitors about a few films is worth, by the way of choosing the films.

    python benchmarks/bench_questions.py [--data ml-100k ml-latest-small] [--seeds 5]

Each seed holds 20% of the users out. With ``--keep FOLDER`` what was measured of a seed is kept
there, so that a run can be stopped and go on. Writes `benchmarks/results/questions.md`.
"""

from __future__ import annotations

import argparse
import platform
import time
from functools import partial
from pathlib import Path

import pandas as pd
from kept import kept

import hf_cf
from hf_cf.evaluation import questions
from hf_cf.inference.metadata import MODEL, MOST_POPULAR
from hf_cf.training import fit

RESULT = Path(__file__).parent / "results/questions.md"
COLUMNS = {"answered": ("answered", 2), "rmse": ("RMSE", 4), "ndcg": ("nDCG@10", 4)}


def measure(data: str, model: str, seed: int) -> pd.DataFrame:
    train, test = hf_cf.load_ratings(data).split(by="user", seed=seed)
    learned, valid = train.split(0.1, seed=seed)
    rec = fit(learned, valid, model, progress=False)
    found = questions(rec, learned, test, seed=seed)
    print(data, "seed", seed, time.strftime("%H:%M:%S"), flush=True)
    return found.table.assign(data=Path(data).name, seed=seed)


def report(table: pd.DataFrame, model: str) -> str:
    n_seeds = table["seed"].nunique()
    lines = [
        "# Asking people whom the model does not know",
        "",
        f"{model}, {n_seeds} seeds, each with 20% of the users held out. Half of each one's "
        "ratings are predicted and ranked; of the other half they tell what they are asked about, "
        "and a question about any other film goes unanswered. In brackets: the difference from "
        f"`next_questions`, and its standard error over the {n_seeds} seeds, which share their "
        "data, so that it is a little too small. "
        f"{platform.machine()}, Python {platform.python_version()}.",
        "",
    ]
    for data, own in table.groupby("data"):
        lines += [f"## {data}", "", "| questions | films asked about |"]
        lines[-1] += "".join(f" {title} |" for title, _ in COLUMNS.values())
        lines += ["|---" * (2 + len(COLUMNS)) + "|"]
        for asked, at in own[own["asked"] > 0].groupby("asked"):
            ours = at[at["system"] == MODEL].set_index("seed")
            for system in at["system"].unique():
                theirs = at[at["system"] == system].set_index("seed")
                cells = []
                for column, (_, digits) in COLUMNS.items():
                    cell = f"{theirs[column].mean():.{digits}f}"
                    if system != MODEL and column != "answered":
                        off = theirs[column] - ours[column]
                        cell += f" ({off.mean():+.4f} ± {off.sem():.4f})"
                    cells.append(cell)
                name = "`next_questions`" if system == MODEL else system
                lines.append(f"| {asked} | {name} | " + " | ".join(cells) + " |")
        before = own[(own["asked"] == 0) & (own["system"] == MOST_POPULAR)].mean(numeric_only=True)
        lines += ["", f"Before any question: RMSE {before['rmse']:.4f}, "
                  f"nDCG@10 {before['ndcg']:.4f}.", ""]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["ml-100k", "ml-latest-small"])
    parser.add_argument("--model", default="collab_learner")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    tables: list[pd.DataFrame] = []
    for seed in range(arguments.seeds):
        for data in arguments.data:
            again = partial(measure, data, arguments.model, seed)
            tables.append(kept(arguments.keep, f"questions-{Path(data).name}-{seed}", again))
        RESULT.write_text(report(pd.concat(tables), arguments.model), "utf-8")


if __name__ == "__main__":
    main()
