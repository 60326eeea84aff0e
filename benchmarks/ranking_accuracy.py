"""Compare the ranking head with implicit's ALS, LensKit's implicit MF, EASE and most popular.

All systems see the same splits. A film is relevant if its held-out rating is 4 or more; all films
that a user has not rated in training are ranked; users without relevant held-out films are left
out. Every system is tuned on a validation part of the training data of seed 0, split off the same
way as the test part, separately for each dataset and kind of split; the best settings of its grid
then meet the test parts of all seeds once.

Needs ``pip install implicit lenskit scipy``::

    python benchmarks/ranking_accuracy.py --ml-100k ml-100k/u.data \
        --ml-latest-small ml-latest-small/ratings.csv
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import implicit
import numpy as np
import pandas as pd
import torch
from kept import kept_lines
from lenskit.als import ImplicitMFScorer
from lenskit.data import from_interactions_df
from lenskit.training import TrainingOptions
from ranking_splits import (
    Split,
    Table,
    grid,
    hf_cf_ranking,
    most_popular,
    ndcg,
    random_split,
    read,
    time_split,
)
from scipy.sparse import csr_matrix

from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als

SEEDS = range(5)
System = Callable[..., np.ndarray]


def ease(given: np.ndarray, seed: int, *, ridge: float, threshold: float) -> np.ndarray:
    """EASE of Steck (2019) with the inverse taken over the shorter side (Woodbury)."""
    seen = (given >= threshold).astype(np.float64)
    kernel = np.linalg.inv(seen @ seen.T + ridge * np.eye(len(seen)))
    half = kernel @ seen
    diagonal = (1 - np.einsum("ui,ui->i", seen, half)) / ridge
    return seen - (seen - seen @ seen.T @ half) / ridge / diagonal


def library_als(
    given: np.ndarray,
    seed: int,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    threshold: float,
) -> np.ndarray:
    model = implicit.als.AlternatingLeastSquares(
        factors=factors,
        regularization=regularization,
        alpha=alpha,
        iterations=15,
        use_gpu=False,
        random_state=seed,
    )
    model.fit(csr_matrix((given >= threshold).astype(np.float32)), show_progress=False)
    return np.asarray(model.user_factors @ model.item_factors.T)


def lenskit_mf(
    given: np.ndarray,
    seed: int,
    *,
    factors: int,
    regularization: float,
    weight: float,
    threshold: float,
) -> np.ndarray:
    users, items = np.nonzero(given >= threshold)
    data = from_interactions_df(pd.DataFrame({"user_id": users, "item_id": items}))
    model = ImplicitMFScorer(
        embedding_size=factors, epochs=15, regularization=regularization, weight=weight
    )
    model.train(data, TrainingOptions(rng=seed))
    scores = np.full(given.shape, -1e9)
    found = np.asarray(model.user_embeddings) @ np.asarray(model.item_embeddings).T
    scores[np.ix_(model.users.ids(), model.items.ids())] = found
    return scores


# What 1 to 5 stars stand for and count, from "watched is nearly liked" to "only liked counts".
CURVES = [
    ((-0.5, -0.5, 0.6, 0.9, 1.0), (0.1, 0.1, 1.0, 1.0, 1.0)),
    ((-0.5, -0.5, 0.4, 0.8, 1.0), (0.1, 0.1, 0.6, 0.9, 1.0)),
    ((-0.5, -0.5, 0.3, 0.8, 1.0), (0.1, 0.1, 0.4, 0.8, 1.0)),
]

SYSTEMS: dict[str, tuple[System, list[dict[str, Any]]]] = {
    "most popular": (most_popular, [{}]),
    "EASE": (ease, list(grid(ridge=[50, 100, 200, 300, 500, 1000], threshold=[0.5, 4]))),
    "implicit ALS": (
        library_als,
        list(
            grid(
                factors=[64],
                regularization=[10.0, 20.0, 40.0],
                alpha=[1.0, 2.0, 5.0],
                threshold=[4],
            )
        )
        + list(grid(factors=[64], regularization=[10.0, 40.0], alpha=[2.0], threshold=[0.5])),
    ),
    "LensKit implicit MF": (
        lenskit_mf,
        list(
            grid(
                factors=[64],
                regularization=[10.0, 20.0, 40.0],
                weight=[1.0, 2.0, 5.0],
                threshold=[4],
            )
        )
        + list(grid(factors=[64], regularization=[10.0, 40.0], weight=[2.0], threshold=[0.5])),
    ),
    "hf_cf, defaults": (hf_cf_ranking, [{}]),
    "hf_cf, tuned": (
        hf_cf_ranking,
        [
            {"preference": preference, "weight": weight, "regularization": regularization}
            for preference, weight in CURVES
            for regularization in (0.02, 0.03)
        ],
    ),
}


def visitors(table: Table, seed: int, shape: tuple[int, int]) -> tuple[float, float]:
    """Compute nDCG@10 of a fifth of the users, never trained on and trained on.

    Half of their ratings are given in both cases; in the second they are in the training data.
    """
    rng = np.random.default_rng(seed)
    chosen = np.isin(table.users, rng.permutation(shape[0])[: shape[0] // 5])
    given_half = rng.random(len(table.users)) < 0.5
    given = table.part(chosen & given_half).dense(shape)
    test = table.part(chosen & ~given_half).dense(shape)
    results = []
    for trained in (~chosen, ~chosen | given_half):
        train = table.part(trained)
        model, _ = fit_implicit_als(
            (train.users + 1).astype(np.int32),
            (train.items + 1).astype(np.int32),
            train.ratings,
            n_users=shape[0] + 1,
            n_items=shape[1] + 1,
            config=ImplicitALSConfig(seed=seed),
        )
        rows, items = np.nonzero(given)
        indptr = np.concatenate([[0], np.bincount(rows, minlength=shape[0]).cumsum()])
        vectors = model.user_vectors(
            torch.from_numpy(indptr),
            torch.from_numpy(items + 1),
            torch.from_numpy(given[rows, items]),
        )
        results.append(ndcg(model.scores(vectors)[:, 1:].numpy(), given, test))
    return results[0], results[1]


def compare(table: Table, split: Callable[[Table, int], Split], seeds: range) -> Iterator[str]:
    """Lines of a table: each system tuned on validation data, then tested once."""
    shape = (int(table.users.max()) + 1, int(table.items.max()) + 1)
    inner_train, inner_test = split(split(table, 0)[0], 1000)
    validation = inner_train.dense(shape), inner_test.dense(shape)
    parts = [split(table, seed) for seed in seeds]
    yield "| system | nDCG@10 | each seed | validation | settings | s a fit |"
    yield "|---|---|---|---|---|---|"
    for name, (system, choices) in SYSTEMS.items():
        tried = [(ndcg(system(validation[0], 0, **c), *validation), c) for c in choices]
        reached, best = max(tried, key=lambda pair: pair[0])
        results = []
        started = time.perf_counter()
        for seed, (train, test) in zip(seeds, parts, strict=True):
            given = train.dense(shape)
            results.append(ndcg(system(given, seed, **best), given, test.dense(shape)))
        took = (time.perf_counter() - started) / len(results)
        settings = ", ".join(f"{key} {value}" for key, value in best.items())
        yield (
            f"| {name} | {np.mean(results):.4f} | {' '.join(f'{r:.4f}' for r in results)} "
            f"| {reached:.4f} | {settings} | {took:.2f} |"
        )


def report(tables: dict[str, Table]) -> Iterator[str]:
    yield "# Ranking accuracy"
    yield ""
    yield (__doc__ or "").split("\n\n")[1]
    yield ""
    packages = ("torch", "numpy", "implicit", "lenskit")
    yield ", ".join(f"{name} {version(name)}" for name in packages) + (
        f"; Python {platform.python_version()}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}."
    )
    for name, table in tables.items():
        yield f"\n## {name}, a random 20% held out, seeds 0 to {SEEDS[-1]}\n"
        yield from compare(table, random_split, SEEDS)
        yield f"\n## {name}, the last 20% of each user held out\n"
        yield from compare(table, time_split, range(1))
        yield f"\n## {name}, visitors: a fifth of the users, half of their ratings given\n"
        yield "| seed | never trained on | trained on the given half | ratio |"
        yield "|---|---|---|---|"
        shape = (int(table.users.max()) + 1, int(table.items.max()) + 1)
        pairs = np.array([visitors(table, seed, shape) for seed in SEEDS])
        for label, (new, known) in [*enumerate(pairs), ("mean", pairs.mean(0))]:
            yield f"| {label} | {new:.4f} | {known:.4f} | {new / known:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ml-100k", type=Path, required=True)
    parser.add_argument("--ml-latest-small", type=Path, required=True)
    results = Path(__file__).parent / "results" / "ranking_accuracy.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    tables = {
        "MovieLens 100K": read(options.ml_100k),
        "ml-latest-small": read(options.ml_latest_small),
    }
    kept_lines(report(tables), options.out)


if __name__ == "__main__":
    main()
