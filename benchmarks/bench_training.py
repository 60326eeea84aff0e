"""Accuracy and time of training: our recipes and defaults next to stock fastai.

Run from the repository root; the real data is found at ``../shared/data`` or with ``--data``::

    python benchmarks/bench_training.py            # accuracy, about 15 minutes
    python benchmarks/bench_training.py --speed    # time against stock fastai, 3 pairs of runs

Prints Markdown and writes it to ``benchmarks/results/training_accuracy.md`` and
``training_speed.md``. The figure is the validation MSE of a random 80/20 split, items by title
(the 2016 data: by id), the mean over split seeds 0 to 4, of the predictions as the model gives
them, unclipped. *Last* is after the last epoch, *best* after the best of the five, which the
validation ratings choose, so that it is slightly optimistic. *Finished* is what `fit` returns: the
best epoch's weights, with the mean given to rows that no training rating touched.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastai
import pandas as pd
import torch
from fastai.collab import CollabDataLoaders, collab_learner
from fastai.learner import Learner

import hf_cf
from hf_cf.training import fit
from hf_cf.training.learner import train_with_fastai
from hf_cf.training.settings import settings_for

RESULTS = Path(__file__).parent / "results"
SEEDS = range(5)
ROWS: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "ml-100k": [
        ("dot product", {"recipe": "dot_product"}, "not reported"),
        ("dot product, ranged", {"recipe": "dot_product_ranged"}, "0.8777 (0.8741)"),
        (
            "the same, batches of 256",
            {"recipe": "dot_product_ranged", "batch_size": 256},
            "",
        ),
        ("dot product + bias", {"recipe": "dot_product_bias"}, "0.8971 (0.8647)"),
        ("the same, weight decay", {"recipe": "dot_product_bias_wd"}, "0.8261 (0.8248)"),
        ("the same, raw parameters", {"recipe": "raw_parameters"}, "0.8254 (0.8253)"),
        ("collab_learner", {"recipe": "collab_learner"}, "0.8226 (0.8226)"),
        ("CollabNN", {"recipe": "collab_nn"}, "0.8791 (0.8787)"),
        ("collab_learner, use_nn", {"recipe": "embedding_nn"}, "not reported"),
        ("**collab_learner, our defaults**", {"model": "collab_learner"}, ""),
        ("**CollabNN, our defaults**", {"model": "collab_nn"}, ""),
        ("**rating classifier, our defaults**", {"model": "rating_classifier"}, ""),
        ("**als, our defaults**", {"model": "als"}, ""),
        ("**bayesian_mf, our defaults**", {"model": "bayesian_mf"}, ""),
    ],
    "ml-latest-small": [
        ("dot product, ranged", {"recipe": "dot_product_ranged"}, "0.8006 (0.7948)"),
        (
            "the same, batches of 256",
            {"recipe": "dot_product_ranged", "batch_size": 256},
            "",
        ),
        ("dot product + bias", {"recipe": "dot_product_bias"}, "0.7751 (0.7409)"),
        ("the same, weight decay", {"recipe": "dot_product_bias_wd"}, "0.7163 (0.7148)"),
        ("collab_learner", {"recipe": "collab_learner"}, ""),
        ("**collab_learner, our defaults**", {"model": "collab_learner"}, ""),
        ("**CollabNN, our defaults**", {"model": "collab_nn"}, ""),
        ("**rating classifier, our defaults**", {"model": "rating_classifier"}, ""),
        ("**als, our defaults**", {"model": "als"}, ""),
        ("**bayesian_mf, our defaults**", {"model": "bayesian_mf"}, ""),
    ],
    "ml-latest-small-2016": [
        ("plain PyTorch, dot product", {"recipe": "plain_pytorch"}, "1.1169"),
        ("plain PyTorch, biases", {"recipe": "plain_pytorch_bias"}, "0.7720"),
        ("**collab_learner, our defaults**", {"model": "collab_learner"}, ""),
    ],
}


def stock_fastai(train: hf_cf.Ratings, valid: hf_cf.Ratings, seed: int) -> Learner:
    """Train with fastai alone, as its documentation does, on a random split of its own."""
    frame = pd.concat([train.to_frame(), valid.to_frame()], ignore_index=True)
    dls = CollabDataLoaders.from_df(
        frame[["user", "item", "rating"]], bs=64, seed=seed, valid_pct=0.2
    )
    learn = collab_learner(dls, n_factors=50, y_range=(0, 5.5))
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(5, 5e-3, wd=0.1)
    return learn


def accuracy(data: Path, rows: list[tuple[str, dict[str, Any], str]], item: str) -> str:
    lines = [
        f"## {data.name}, items by {item}\n",
        "| model | last | best | finished | reported last (best) |",
        "|---|---|---|---|---|",
    ]
    ratings = hf_cf.load_ratings(data, item=item)
    splits = [ratings.split(0.2, seed) for seed in SEEDS]
    if data.name != "ml-latest-small-2016":
        stock = [stock_fastai(*split, seed) for seed, split in zip(SEEDS, splits, strict=True)]
        values = [[float(epoch[1]) for epoch in learn.recorder.values] for learn in stock]
        lines.append(
            f"| fastai as it comes, its own split | {_mean(v[-1] for v in values)} | "
            f"{_mean(min(v) for v in values)} | | |"
        )
        print(lines[-1], flush=True)
    for name, options, reported in rows:
        last, best, finished = [], [], []
        for train, valid in splits:
            rec = fit(train, valid, progress=False, ranking=None, **options)
            course = [epoch["valid_mse"] for epoch in rec.metadata.epochs]
            last.append(course[-1])
            best.append(min(course))
            finished.append(rec.metrics["valid_mse"])
        lines.append(f"| {name} | {_mean(last)} | {_mean(best)} | {_mean(finished)} | {reported} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def _mean(values: Any) -> str:
    values = list(values)
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def speed(data: Path, pairs: int = 3) -> str:
    train, valid = hf_cf.load_ratings(data, item="title").split(0.2, 0)
    contestants: dict[str, Callable[[], float]] = {
        "fastai as it comes, batch 64": lambda: _last(stock_fastai(train, valid, 0)),
        "hf_cf, the book's recipe, batch 64": lambda: _train(train, valid, recipe="collab_learner"),
        "hf_cf, our defaults": lambda: _train(train, valid, model="collab_learner"),
        "hf_cf, all of `fit`: calibrated for visitors, evaluated": lambda: _fit(
            train, valid, model="collab_learner"
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    losses: dict[str, float] = {}
    for _ in range(pairs):
        for name, train_once in contestants.items():
            started = time.perf_counter()
            losses[name] = train_once()
            seconds[name].append(time.perf_counter() - started)
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    stock = seconds["fastai as it comes, batch 64"]
    lines = [
        f"collab_learner on {data.name}, 5 epochs, data in memory to trained model; {pairs} runs "
        "each, alternating:\n",
        "| | median s | times as fast, median of pairs (least) | validation MSE |",
        "|---|---|---|---|",
    ]
    for name, own in seconds.items():
        ratios = [a / b for a, b in zip(stock, own, strict=True)]
        lines.append(
            f"| {name} | {statistics.median(own):.1f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f}) | {losses[name]:.4f} |"
        )
    return "\n".join(lines) + "\n"


def _last(learn: Learner) -> float:
    return float(learn.recorder.values[-1][1])


def _train(train: hf_cf.Ratings, valid: hf_cf.Ratings, **options: Any) -> float:
    """What stock fastai does too: loaders, model, five epochs with validation."""
    _, epochs = train_with_fastai(settings_for(**options), train, valid, progress=False)
    return epochs[-1]["valid_mse"]


def _fit(train: hf_cf.Ratings, valid: hf_cf.Ratings, **options: Any) -> float:
    return fit(train, valid, progress=False, ranking=None, **options).metrics["valid_mse"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--speed", action="store_true", help="measure time instead of accuracy")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.speed:
        report = "# Training speed\n\n" + speed(arguments.data / "ml-100k")
    else:
        report = "# Training accuracy\n\n" + "\n".join(
            accuracy(arguments.data / name, rows, "id" if name.endswith("2016") else "title")
            for name, rows in ROWS.items()
        )
    report += (
        f"\nPython {platform.python_version()}, torch {torch.__version__}, fastai "
        f"{fastai.__version__}, hf_cf {hf_cf.__version__}; {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, {platform.machine()}, no GPU.\n"
    )
    print(report)
    RESULTS.mkdir(exist_ok=True)
    name = "training_speed.md" if arguments.speed else "training_accuracy.md"
    (RESULTS / name).write_text(report)


if __name__ == "__main__":
    main()
