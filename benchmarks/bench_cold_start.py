"""How good models are for people they were not trained on, by the number of ratings given.

    python benchmarks/bench_cold_start.py [--data ml-100k ml-latest-small] [--seeds 5]

Each seed holds 20% of the users out and draws what they give. With ``--keep FOLDER`` what was
measured of a seed is kept there, so that a run can be stopped and go on. Writes
`benchmarks/results/cold_start.md` and `docs/images/cold_start.png`.
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
from hf_cf.evaluation import cold_start
from hf_cf.evaluation.cold_start import RETRAINED, WITH_PROFILE
from hf_cf.inference.metadata import BIASES, ITEM_MEAN, MODEL, MOST_POPULAR
from hf_cf.storage.pictures.cold_start_curves import draw_cold_start
from hf_cf.training import fit

ROOT = Path(__file__).parents[1]
RESULT, PICTURE = ROOT / "benchmarks/results/cold_start.md", ROOT / "docs/images/cold_start.png"
COLOURS = {
    "als": "#0b7285", "collab_learner": "#d9480f", "collab_nn": "#7048e8",
    ITEM_MEAN: "#adb5bd", BIASES: "#495057",
    MOST_POPULAR: "#495057", "ranking head": "#d9480f",
    f"ranking head {WITH_PROFILE}": "#fab005", f"collab_learner {WITH_PROFILE}": "#fab005",
    f"collab_nn {WITH_PROFILE}": "#9775fa", f"als {WITH_PROFILE}": "#3bc9db",
    f"collab_learner {RETRAINED}": "#f08c00", f"collab_nn {RETRAINED}": "#b197fc",
}  # fmt: skip


def measure(data: str, models: list[str], seed: int, retrain_at: list[int]) -> pd.DataFrame:
    ratings = hf_cf.load_ratings(data)
    train, test = ratings.split(by="user", seed=seed)
    learned, valid = train.split(0.1, seed=seed)
    tables = []
    for model in models:

        def retrain(both: hf_cf.Ratings, model: str = model) -> hf_cf.Recommender:
            return fit(both, valid, model, ranking=None, progress=False)

        rec = fit(learned, valid, model, progress=False)
        found = cold_start(rec, learned, test, seed=seed).table
        if retrain_at:
            again = cold_start(
                rec, learned, test, given=retrain_at, retrain=retrain, seed=seed
            ).table
            found = pd.concat([found, again[again["system"] == RETRAINED]])
        names = {
            MODEL: model,
            **{system: f"{model} {system}" for system in (WITH_PROFILE, RETRAINED)},
        }
        # Every model comes with the same ranking head, so it is shown once.
        scorer = {MODEL: "ranking head", WITH_PROFILE: f"ranking head {WITH_PROFILE}"}
        head = found[found["system"].isin(scorer)].assign(rmse=float("nan"))
        head["system"] = head["system"].replace(scorer)
        own = found.assign(system=found["system"].replace(names))
        own.loc[own["system"] != MOST_POPULAR, "ndcg"] = float("nan")
        tables.append(pd.concat([own, head]))
        print(data, model, "seed", seed, time.strftime("%H:%M:%S"), flush=True)
    table = pd.concat(tables).drop_duplicates(["given", "system"])
    return table.assign(data=Path(data).name, seed=seed)


def report(table: pd.DataFrame, n_seeds: int) -> str:
    lines = [
        "# People the model was not trained on",
        "",
        f"{n_seeds} seeds, each with 20% of the users held out. Half of each one's ratings are "
        "predicted and ranked, the same at every point; of the other half so many are given (all "
        "where there are fewer). Means over seeds, and the standard deviation between them. "
        f"{platform.machine()}, Python {platform.python_version()}.",
        "",
    ]
    for metric, title in (("rmse", "RMSE in stars"), ("ndcg", "nDCG@10, all films ranked")):
        for data, own in table.dropna(subset=[metric]).groupby("data"):
            lines += [f"## {title}: {data}", ""]
            wide = own.groupby(["system", "given"], sort=False)[metric].agg(["mean", "std"])
            given = sorted(own["given"].unique())
            lines += [
                "| ratings given | " + " | ".join(map(str, given)) + " |",
                "|---" * (len(given) + 1) + "|",
            ]
            for system in own["system"].unique():
                cells = [
                    "{:.4f} ± {:.4f}".format(*wide.loc[system, n])
                    if (system, n) in wide.index
                    else ""
                    for n in given
                ]
                lines.append(f"| {system} | " + " | ".join(cells) + " |")
            lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["ml-100k", "ml-latest-small"])
    parser.add_argument("--models", nargs="+", default=["collab_learner", "collab_nn"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--retrain-at", type=int, nargs="*", default=[10])
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    tables: list[pd.DataFrame] = []
    for seed in range(arguments.seeds):
        for data in arguments.data:
            again = partial(measure, data, arguments.models, seed, arguments.retrain_at)
            tables.append(kept(arguments.keep, f"cold-start-{Path(data).name}-{seed}", again))
        table = pd.concat(tables)
        RESULT.write_text(report(table, seed + 1), "utf-8")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        draw_cold_start(dict(iter(table.groupby("data", sort=False))), PICTURE, colours=COLOURS)


if __name__ == "__main__":
    main()
