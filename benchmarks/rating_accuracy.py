"""Compare how well ratings are predicted, and how fast, with other open libraries.

Every system is fitted in a process of its own on the same files. Its settings are chosen from a
grid on a validation split of u1.base (or of seed 0's training part), 80/20; then it meets the test
files once, all systems alternating within a fold. Systems whose pins differ live in environments
of their own, given as ``--python SYSTEM_PREFIX=INTERPRETER``; one without an interpreter that
has it is named as missing::

    python benchmarks/rating_accuracy.py --data ../shared/data \
        --python Surprise=peers/bin/python cmfrec=peers/bin/python LIBMF=peers/bin/python \
                 myFM=peers/bin/python LensKit=lenskit/bin/python
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import hf_cf

HERE = Path(__file__).parent
RESULT = HERE / "results" / "rating_accuracy.md"
PICTURE = HERE.parent / "docs" / "images" / "rating_accuracy.png"
TIMEOUT_S = 900
SPEED = "speed"
"""Of fitting u1.base once more, after all else, so that it can be run on a quiet machine."""
HOW = """\
RMSE in stars on the test file, predictions cut to the scale; lower is better. Settings are chosen
on a validation split of u1.base, and of the training part of ml-latest-small's seed 0, from the
grids in `rating_accuracy.py`. u2 to u5 and the other seeds use the same settings, so that of theirs
the hyperparameters, and nothing else, have seen more than their training files. hf_cf runs with its
defaults, which were tuned on validation splits of the same files. Seconds are of fitting u1.base in
a process of its own, one system after another; ours include calibration for visitors. "Dated"
systems are told when each rating to predict was given, the others not."""


def grid(**choices: list[Any]) -> list[dict[str, Any]]:
    """All combinations of the choices."""
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


# Row of the table: system, and the settings to choose from; the first are its own defaults.
ROWS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "Surprise SVD": (
        "Surprise SVD",
        [
            {},
            *grid(
                n_factors=[20, 100], n_epochs=[30, 60], reg_all=[0.05, 0.1], lr_all=[0.005, 0.01]
            ),
        ],
    ),
    "Surprise SVD++": (
        "Surprise SVD++",
        [{}, *grid(n_factors=[20], n_epochs=[30], reg_all=[0.05, 0.1], lr_all=[0.005, 0.01])],
    ),
    "Surprise KNNBaseline": (
        "Surprise KNNBaseline",
        grid(
            k=[40, 80], name=["pearson_baseline"], user_based=[True, False],
            shrinkage=[50, 100, 200], min_support=[1],
        ),
    ),
    "cmfrec": ("cmfrec", [{}, *grid(k=[10, 30, 50], lambda_=[5.0, 10.0, 20.0], nthreads=[2])]),
    "cmfrec, implicit features": (
        "cmfrec",
        grid(
            k=[10, 30], lambda_=[5.0, 10.0, 20.0], w_implicit=[0.2, 0.5, 1.0],
            add_implicit_features=[True], nthreads=[2],
        ),
    ),
    "LIBMF on damped biases": (
        "LIBMF on damped biases",
        grid(k=[8, 20], nr_iters=[20, 50], lambda_p2=[0.05, 0.1, 0.2], lambda_q2=[0.05, 0.1]),
    ),
    "LensKit BiasedMF": (
        "LensKit BiasedMF",
        [{}, *grid(embedding_size=[10, 25, 50], epochs=[20], regularization=[0.1, 0.2, 0.4])],
    ),
    "myFM, ratings only": (
        "myFM", grid(ordinal=[False], features=[False], rank=[8, 12], n_iter=[400])
    ),
    "myFM, features, dated": (
        "myFM", grid(ordinal=[False], features=[True], rank=[8, 12], n_iter=[400])
    ),
    "myFM, features, dated, ordered probit": (
        "myFM", grid(ordinal=[True], features=[True], rank=[8, 12], n_iter=[400])
    ),
    "stock fastai collab_learner": (
        "stock fastai collab_learner",
        grid(n_factors=[50, 100], epochs=[5, 10], wd=[0.1, 0.2], bs=[64]),
    ),
    "hf_cf als": ("hf_cf als", [{}]),
    "hf_cf collab_learner": ("hf_cf collab_learner", [{}]),
    "hf_cf bayesian_mf, ratings only": (
        "hf_cf bayesian_mf", [{"features": False, "implicit": 0, "epochs": 200}]
    ),
    "hf_cf bayesian_mf": ("hf_cf bayesian_mf", [{}]),
    "hf_cf bayesian_mf, dated": ("hf_cf bayesian_mf", [{"dates": True}]),
}  # fmt: skip


def write(folder: Path, train: hf_cf.Ratings, test: hf_cf.Ratings) -> Path:
    """Lay a split out as the files that `peer_models` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("test", test)):
        part.to_frame().to_csv(folder / f"{name}.csv", index=False)
    items = train.catalogue.reindex(columns=["id", "year", "genres"])
    items.to_csv(folder / "items.csv", index=False)
    users = train.user_features
    if users is None:
        users = pd.DataFrame({"id": train.users.ids})
    users = users.drop(columns=["zip_code"], errors="ignore")
    users.to_csv(folder / "users.csv", index=False)
    return folder


def ask(
    pythons: dict[str, str], system: str, folder: Path, settings: dict[str, Any]
) -> dict[str, Any]:
    python = next(
        (path for prefix, path in pythons.items() if system.startswith(prefix)), sys.executable
    )
    command = [python, str(HERE / "peer_models.py"), system, str(folder), json.dumps(settings)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {TIMEOUT_S} s"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def folds(data: Path, root: Path, seeds: int) -> Iterator[tuple[str, Path]]:
    """Name and folder of every split; the first of each dataset is the validation split."""
    scratch = root / "folds"
    whole = hf_cf.load_ratings(data / "ml-100k")  # all films and users, by name and feature
    for number in range(1, 6):
        files = (data / "ml-100k" / f"u{number}.{part}" for part in ("base", "test"))
        base, test = (hf_cf.load_ratings(f).recode(whole.users, whole.items) for f in files)
        base = replace(base, catalogue=whole.catalogue, user_features=whole.user_features)
        if number == 1:
            yield "ml-100k validation", write(scratch / "v1", *base.split(valid_pct=0.2, seed=0))
        yield f"ml-100k u{number}", write(scratch / f"u{number}", base, test)
    small = hf_cf.load_ratings(data / "ml-latest-small")
    for seed in range(seeds):
        train, test = small.split(valid_pct=0.2, seed=seed)
        if seed == 0:
            yield (
                "ml-latest-small validation",
                write(scratch / "v2", *train.split(valid_pct=0.2, seed=0)),
            )
        yield f"ml-latest-small seed {seed}", write(scratch / f"s{seed}", train, test)
    yield SPEED, scratch / "u1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--python", nargs="*", default=[], metavar="PREFIX=PATH")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, default=5, help="random splits of ml-latest-small")
    parser.add_argument("--not-speed", action="store_true", help="leave it to a later run")
    parser.add_argument("--work", type=Path, help="keep what is measured here, and go on from it")
    arguments = parser.parse_args()
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.work or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        journal = root / "measured.jsonl"
        lines = journal.read_text("utf-8").splitlines() if journal.exists() else []
        known = {
            (r["fold"], r["row"], json.dumps(r["settings"])): r for r in map(json.loads, lines)
        }
        chosen: dict[str, dict[str, Any]] = {}
        of_u1: dict[str, dict[str, Any]] = {}
        for fold, folder in folds(arguments.data, root, arguments.seeds):
            if fold == SPEED and arguments.not_speed:
                break
            tuning = fold.endswith("validation")
            for row in arguments.rows:
                system, choices = ROWS[row]
                if tuning and len(choices) == 1:
                    chosen[row] = choices[0]
                    continue
                if fold == SPEED:
                    chosen[row] = of_u1[row]
                tried = {}
                for settings in choices if tuning else [chosen[row]]:
                    key = (fold, row, json.dumps(settings))
                    if key not in known:
                        found = ask(pythons, system, folder, settings)
                        known[key] = {"fold": fold, "row": row, "settings": settings, **found}
                        with journal.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(known[key]) + "\n")
                        print(fold, row, settings, found, flush=True)
                    tried[key[2]] = known[key].get("rmse", np.inf)
                if tuning:
                    chosen[row] = json.loads(min(tried, key=tried.__getitem__))
                if fold == "ml-100k u1":
                    of_u1[row] = chosen[row]
        table = pd.DataFrame(known.values())
        RESULT.write_text(report(table), "utf-8")
        draw(table)


def report(table: pd.DataFrame) -> str:
    test = table[~table["fold"].str.endswith("validation")]
    measured = test.dropna(subset=["rmse"])
    lines = [
        "# How well ratings are predicted, beside other libraries",
        "",
        HOW,
        "",
        f"Python {platform.python_version()}, {platform.machine()}; "
        + ", ".join(sorted(set(measured["version"]))) + ".",
        "",
        "| system | u1 | u2 | u3 | u4 | u5 | mean | ml-latest-small | fit, s | peak, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in ROWS:
        own = measured[measured["row"] == row].set_index("fold")
        hundred = [f"ml-100k u{number}" for number in range(1, 6)]
        if not set(hundred) <= set(own.index):
            continue
        small = own[own.index.str.startswith("ml-latest-small")]["rmse"]
        cells = [f"{own.loc[fold, 'rmse']:.4f}" for fold in hundred]
        cells += [
            f"**{own.loc[hundred, 'rmse'].mean():.4f}**",
            f"{small.mean():.4f} ± {small.std():.4f}" if len(small) else "",
        ]
        if SPEED in own.index:
            speed = own.loc[SPEED]
            cells += [f"{speed['fit_s']:.1f}", f"{speed['peak_mb']:.0f}"]
        else:
            cells += ["", ""]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines += ["", "## Settings chosen", ""]
    last = table.drop_duplicates(["fold", "row"], keep="last").set_index(["fold", "row"])[
        "settings"
    ]
    for data, fold in (("ml-100k", "ml-100k u1"), ("ml-latest-small", "ml-latest-small seed 0")):
        if not any((fold, row) in last.index for row in ROWS):
            continue
        lines += [f"{data}:", ""]
        lines += [
            f"- {row}: `{json.dumps(last[fold, row])}`" for row in ROWS if (fold, row) in last.index
        ]
        lines.append("")
    if "failed" in test:
        failed = test.dropna(subset=["failed"]).drop_duplicates("row")
        lines += [f"Failed: {row.row}: {row.failed}" for row in failed.itertuples()]
    if SPEED not in set(measured["fold"]):
        lines += ["Speed was not measured: that needs a machine with nothing else to do.", ""]
    if not measured["fold"].str.startswith("ml-latest-small").any():
        lines += ["ml-latest-small was not measured: `--seeds 0`.", ""]
    lines.append("implicit predicts no ratings; it is in ranking_accuracy.md.")
    return "\n".join(lines) + "\n"


def draw(table: pd.DataFrame) -> None:
    test = table[table["fold"].str.startswith("ml-100k u")].dropna(subset=["rmse"])
    mean = test.groupby("row")["rmse"].mean().sort_values(ascending=False)
    figure = Figure(figsize=(8, 0.36 * len(mean) + 1), layout="constrained", dpi=120)
    axes = figure.subplots()
    colours = ["#e8590c" if row.startswith("hf_cf") else "#adb5bd" for row in mean.index]
    axes.scatter(mean, range(len(mean)), s=70, c=colours, zorder=3)
    for place, value in enumerate(mean):
        axes.annotate(
            f"{value:.3f}",
            (value, place),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(mean)), mean.index)
    axes.set_xlabel("RMSE in stars, MovieLens 100K, mean of u1 to u5 (left is better)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="both", color="#e9ecef", zorder=0)
    axes.margins(x=0.1)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
