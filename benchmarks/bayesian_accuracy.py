"""Measure bayesian_mf: rating error, what each part earns, calibration, films nobody has rated.

Nothing is chosen on a test file. The table of parts is measured on ratings held out of
``u1.base`` the way that GroupLens held ``u1.test`` out: about half of the ratings of less than
half of the users. The settings are the model's defaults everywhere else::

    python benchmarks/bayesian_accuracy.py --data data --out benchmarks/results/bayesian_accuracy.md
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hf_cf
from hf_cf import Ratings, Recommender
from hf_cf.training import fit

PLAIN: dict[str, Any] = {"features": False, "implicit": 0, "epochs": 200}
PARTS: dict[str, dict[str, Any]] = {
    "factors and biases, one noise for all": {**PLAIN, "noise_freedom": 0.0},
    "+ every user's own noise (*ratings only*)": PLAIN,
    "+ features of users and films": {"implicit": 0},
    "+ who rated what, without features": {"features": False},
    "all (*with features*)": {},
    "all, 16 factors": {"n_factors": 16},
    "all, 400 sweeps in place of 200": {"epochs": 400},
}
EIGHTY = 1.2816  # standard deviations on either side that hold 80% of a Gaussian


def in_fold(whole: Ratings, file: Path) -> Ratings:
    """Take the ratings of one of GroupLens' fold files."""
    users, items = np.loadtxt(file, dtype=np.int64, usecols=(0, 1)).T
    n = len(whole.items)
    pairs = whole.users.encode(users).astype(np.int64) * n + whole.items.encode(items)
    own = whole.user_codes.astype(np.int64) * n + whole.item_codes
    return whole.take(np.flatnonzero(np.isin(own, pairs)))


def like_u1(base: Ratings, seed: int) -> tuple[Ratings, Ratings]:
    """Hold out 47% of the ratings of 420 users."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(np.unique(base.user_codes))[:420]
    held_out = np.isin(base.user_codes, users) & (rng.random(len(base)) < 0.47)
    return base.take(~held_out), base.take(held_out)


def train(ratings: Ratings, **settings: Any) -> tuple[Recommender, float]:
    """Fit without a ranking head; the recommender and seconds of processor time."""
    started = time.process_time()
    rec = fit(ratings, None, settings.pop("model", "bayesian_mf"), ranking=None, progress=False,
              **settings)  # fmt: skip
    return rec, time.process_time() - started


def rmse(rec: Recommender, test: Ratings, *, dated: bool = False) -> float:
    """Error of predictions within the scale, told when each rating was given or not."""
    users, items = test.users.decode(test.user_codes), test.items.decode(test.item_codes)
    stars = rec.predict(users, items, when=test.timestamps if dated else None)
    return float(np.sqrt(np.mean((stars - test.stars).astype(np.float64) ** 2)))


def coverage(rec: Recommender, test: Ratings) -> float:
    """Share of ratings within the 80% interval around their prediction, user by user."""
    inside = 0
    for user in np.unique(test.user_codes):
        mine = test.take(test.user_codes == user)
        names = np.repeat(test.users.decode([user]), len(mine))
        stars, standard_deviations = rec.predict(
            names, test.items.decode(mine.item_codes), return_std=True
        )
        inside += int((np.abs(stars - mine.stars) <= EIGHTY * standard_deviations).sum())
    return inside / len(test)


def megabytes(rec: Recommender, **settings: Any) -> float:
    """Size of the weights' file."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rec.save_pretrained(folder, **settings)
        return (Path(folder) / "model.safetensors").stat().st_size / 1e6


def half_precision(rec: Recommender, test: Ratings) -> tuple[float, float]:
    """Error and size of the model stored as float16."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rec.save_pretrained(folder, dtype="float16")
        size = (Path(folder) / "model.safetensors").stat().st_size / 1e6
        return rmse(Recommender.from_pretrained(folder), test), size


def parts(whole: Ratings, data: Path) -> list[str]:
    """The table of what each part earns, on validation ratings."""
    base = in_fold(whole, data / "ml-100k" / "u1.base")
    lines = ["| model | RMSE | seconds |", "|---|---|---|"]
    ours, theirs = like_u1(base, 0)
    for name, settings in PARTS.items():
        rec, seconds = train(ours, **{"epochs": 200, **settings})
        lines.append(f"| {name} | {rmse(rec, theirs):.4f} | {seconds:.0f} |")
        print(lines[-1], flush=True)
    return lines


def folds(whole: Ratings, data: Path) -> list[str]:
    """RMSE, time and coverage on GroupLens' five folds."""
    lines = [
        "| fold | ratings only | seconds | with features | seconds | inside 80% |",
        "|---|---|---|---|---|---|",
    ]
    rows, extra = [], ""
    for fold in range(1, 6):
        base, test = (
            in_fold(whole, data / "ml-100k" / f"u{fold}.{part}") for part in ("base", "test")
        )
        plain, plain_seconds = train(base, **PLAIN)
        rec, seconds = train(base)
        rows.append(
            (rmse(plain, test), plain_seconds, rmse(rec, test), seconds, coverage(rec, test))
        )
        lines.append("| u{} | {:.4f} | {:.1f} | {:.4f} | {:.1f} | {:.1%} |".format(fold, *rows[-1]))
        print(lines[-1], flush=True)
        if fold == 1:
            error, size = half_precision(rec, test)
            extra = (
                f"On u1 with features: {rec.model.settings['n_samples']} draws, "
                f"{megabytes(rec):.1f} MB as float32; as float16 {size:.1f} MB, "
                f"RMSE {error:.4f}; R-hat {rec.metrics['r_hat']:.3f}."
            )
    means = np.mean(rows, 0)
    lines.append("| mean | {:.4f} | {:.1f} | {:.4f} | {:.1f} | {:.1%} |".format(*means))
    print(lines[-1], extra, flush=True)
    return [*lines, "", extra]


def dates(whole: Ratings, data: Path) -> list[str]:
    """RMSE on GroupLens' five folds of a model with features that learned from dates."""
    lines = [
        "| fold | the time is told | not told | inside 80% | seconds | MB | R-hat |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = []
    for fold in range(1, 6):
        base, test = (
            in_fold(whole, data / "ml-100k" / f"u{fold}.{part}") for part in ("base", "test")
        )
        rec, seconds = train(base, dates=True)
        rows.append(
            (rmse(rec, test, dated=True), rmse(rec, test), coverage(rec, test), seconds,
             megabytes(rec), rec.metrics["r_hat"])
        )  # fmt: skip
        row = "| {} | {:.4f} | {:.4f} | {:.1%} | {:.1f} | {:.1f} | {:.2f} |"
        lines.append(row.format(f"u{fold}", *rows[-1]))
        print(lines[-1], flush=True)
    lines.append(row.format("mean", *np.mean(rows, 0)))
    return lines


def new_films(whole: Ratings, data: Path) -> list[str]:
    """Error on films without a rating in training, of features alone and of means.

    Every tenth of the films once; on those from the second to the fourth it was chosen how.
    """
    lines = [
        "| tenth | ratings | global mean | mean of the user | features alone | "
        "below the user's mean |",
        "|---|---|---|---|---|---|",
    ]
    order = np.random.default_rng(0).permutation(np.arange(1, len(whole.items)))
    size = len(order) // 10
    rows = []
    for tenth in range(10):
        films = order[tenth * size : (tenth + 1) * size]
        new = np.isin(whole.item_codes, films)
        base, test = whole.take(~new), whole.take(new)
        rec, _ = train(base)
        mean = float(base.stars.mean(dtype=np.float64))
        sums = np.bincount(base.user_codes, base.stars, minlength=len(base.users))
        counts = base.user_counts()
        of_user = np.where(counts > 0, sums / np.maximum(counts, 1), mean)[test.user_codes]
        by_mean, by_user = (
            float(np.sqrt(np.mean((test.stars - each) ** 2))) for each in (mean, of_user)
        )
        own = rmse(rec, test)
        rows.append((by_mean, by_user, own, 1 - own / by_user))
        row = "| {} | {:,} | {:.4f} | {:.4f} | {:.4f} | {:.1%} |"
        lines.append(row.format(tenth + 1, len(test), *rows[-1]))
        print(lines[-1], flush=True)
    for name, some in (("all", rows), ("all but the second to fourth", rows[:1] + rows[4:])):
        line = "| mean of {} | | {:.4f} | {:.4f} | {:.4f} | {:.1%} |"
        lines.append(line.format(name, *np.mean(some, 0)))
    return lines


def latest_small(whole: Ratings, data: Path) -> list[str]:
    """Both models on random fifths of ml-latest-small."""
    ratings = hf_cf.load_ratings(data / "ml-latest-small")
    lines = ["| seed | collab_learner | bayesian_mf | lower by |", "|---|---|---|---|"]
    rows = []
    for seed in range(5):
        base, test = ratings.split(0.2, seed=seed)
        errors = [
            rmse(train(base, model=name)[0], test) for name in ("collab_learner", "bayesian_mf")
        ]
        rows.append((*errors, 1 - errors[1] / errors[0]))
        lines.append("| {} | {:.4f} | {:.4f} | {:.1%} |".format(seed, *rows[-1]))
        print(lines[-1], flush=True)
    lines.append("| mean | {:.4f} | {:.4f} | {:.1%} |".format(*np.mean(rows, 0)))
    return lines


SECTIONS: dict[str, tuple[str, Callable[[Ratings, Path], list[str]]]] = {
    "folds": ("MovieLens 100K, GroupLens' folds: RMSE on the test files", folds),
    "dates": ("The same with dates: features, and effects of every user's sessions", dates),
    "new": ("MovieLens 100K, films that nobody has rated", new_films),
    "small": ("ml-latest-small, random 80/20", latest_small),
    "parts": ("What each part earns: validation ratings of u1.base", parts),
}


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the datasets")
    parser.add_argument("--out", type=Path, default=Path("bayesian_accuracy.md"))
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    whole = hf_cf.load_ratings(arguments.data / "ml-100k")
    report = ["# bayesian_mf: accuracy, calibration, new films", "", __doc__.split("::")[0], ""]
    for name in arguments.sections:
        title, measure = SECTIONS[name]
        report += [f"## {title}", "", *measure(whole, arguments.data), ""]
        arguments.out.write_text("\n".join(report), "utf-8")  # what is measured is not lost
    names = ("torch", "numpy", "fastai")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    report.append(
        f"{os.cpu_count()} cores ({platform.machine()}), {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, {versions}. Seconds are "
        "processor time of `fit`."
    )
    arguments.out.write_text("\n".join(report) + "\n", "utf-8")


if __name__ == "__main__":
    main()
