"""Every default model next to damped biases, on data of many kinds, sizes and scales.

Run from the repository root; the real data is found at ``../shared/data`` or with ``--data``::

    python benchmarks/any_data.py                  # about 25 minutes
    python benchmarks/any_data.py --sets "restaurants" --models als --seeds 1

Prints Markdown and writes it to ``benchmarks/results/any_data.md``. The figure is the validation
RMSE of a random 80/20 split, the mean over the split seeds. Predictions are taken as `predict`
gives them, within the scale. The damping of the biases is chosen on the training part alone.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import hf_cf
from hf_cf.training import fit
from hf_cf.training.against_biases import chosen_biases

RESULT = Path(__file__).parent / "results" / "any_data.md"
MODELS = ("collab_learner", "collab_nn", "als", "bayesian_mf", "rating_classifier")
DRAWN = (300, 1_000, 3_000, 10_000, 30_000)
SEEDS = (0, 1, 2)
HOW = """\
Validation RMSE in units of the data, the mean over split seeds {seeds}, of a random 80/20 split; of
a set that is drawn, the draw has the same seed. *Constant* is the training mean. The damping of
*damped biases* is chosen by cross-validation within the training part. Every model runs with its
defaults and sees the validation ratings when it chooses its epoch. Behind each RMSE stands its
ratio to that of damped biases, and ± the standard error of that ratio over the seeds. The 10 by 10
ratings are synthetic: biases, one factor and noise, rounded to whole stars, two thirds observed.
"""


def drawn_from(ratings: hf_cf.Ratings, n: int) -> Callable[[int], hf_cf.Ratings]:
    """Make a function that draws so many ratings, in vocabularies of their own."""

    def draw(seed: int) -> hf_cf.Ratings:
        rows = np.random.default_rng(seed).permutation(len(ratings))[:n]
        return hf_cf.Ratings.from_frame(ratings.take(rows).to_frame())

    return draw


def ten_by_ten(seed: int) -> hf_cf.Ratings:
    """Synthetic ratings of 10 users by 10 items."""
    rng = np.random.default_rng(seed)
    users, items = (side.ravel() for side in np.divmod(np.arange(100), 10))
    biases = 0.5 * rng.standard_normal((2, 10))
    taste = 0.7 * rng.standard_normal((2, 10))
    stars = 3.5 + biases[0][users] + biases[1][items] + taste[0][users] * taste[1][items]
    stars += 0.8 * rng.standard_normal(100)
    frame = pd.DataFrame({"user": users, "item": items, "rating": stars.round().clip(1, 5)})
    return hf_cf.Ratings.from_frame(frame.iloc[rng.permutation(100)[:67]])


def sets(data: Path) -> Iterator[tuple[str, Callable[[int], hf_cf.Ratings]]]:
    """Name of each set, and what gives its ratings for a seed."""
    small = hf_cf.load_ratings(data / "ml-latest-small")
    for n in DRAWN:
        yield f"ml-latest-small, {n:,} drawn", drawn_from(small, n)
    trust = pd.read_csv(
        data / "filmtrust" / "ratings.txt", sep=r"\s+", names=["user", "item", "rating"]
    )
    restaurants = pd.read_csv(data / "restaurants" / "rating_final.csv")
    restaurants = restaurants.rename(columns={"userID": "user", "placeID": "item"})
    plays = pd.read_csv(data / "lastfm" / "user_artists.dat", sep="\t")
    plays.columns = pd.Index(["user", "item", "rating"])
    plays["rating"] = np.log10(plays["rating"])
    fifths = hf_cf.load_ratings(data / "ml-100k").to_frame()[["user", "item", "rating"]]
    fifths["rating"] /= 5
    frames = {
        "FilmTrust": trust,
        "restaurants": restaurants[["user", "item", "rating"]],
        "ML-100K / 5": fifths,
        "Last.fm, log10 of plays": plays,
    }
    for name, frame in frames.items():
        ratings = hf_cf.Ratings.from_frame(frame, feedback="explicit")
        yield name, lambda seed, ratings=ratings: ratings
    yield "synthetic, 10 by 10", ten_by_ten


def rmse(predicted: np.ndarray, valid: hf_cf.Ratings) -> float:
    return float(np.sqrt(np.mean(np.square(predicted.astype(np.float64) - valid.stars))))


def errors(train: hf_cf.Ratings, valid: hf_cf.Ratings, models: tuple[str, ...]) -> dict[str, float]:
    """RMSE of every model on one split."""
    biases = chosen_biases(train)
    found = {
        "constant": rmse(np.full(len(valid), train.stars.mean(dtype=np.float64)), valid),
        "damped biases": rmse(biases.predict(valid.user_codes, valid.item_codes), valid),
    }
    users, items = train.users.decode(valid.user_codes), train.items.decode(valid.item_codes)
    for model in models:
        rec = fit(train, valid, model=model, ranking=None, progress=False)
        found[model] = rmse(np.asarray(rec.predict(users, items)), valid)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="*", help="only these")
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "the sampling has not converged")
    columns = ["constant", "damped biases", *args.models]
    lines = [
        "# Every default model on data of many kinds\n",
        HOW.format(seeds=", ".join(map(str, args.seeds))),
        "| data | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    print("\n".join(lines), flush=True)
    for name, ratings_of in sets(args.data):
        if args.sets and name not in args.sets:
            continue
        runs = [errors(*ratings_of(s).split(0.2, s), tuple(args.models)) for s in args.seeds]
        cells = [f"{name}"]
        for column in columns:
            mean = statistics.fmean(run[column] for run in runs)
            ratios = [run[column] / run["damped biases"] for run in runs]
            cell = f"{mean:.4f}"
            if column in args.models:
                error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
                cell += f" ({statistics.fmean(ratios):.3f} ± {error:.3f})"
            cells.append(cell)
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
