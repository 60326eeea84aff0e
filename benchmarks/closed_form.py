"""Linear models of the literature next to the ranking head, and mixed with it.

Each scores what somebody has rated, a row x, by a matrix with a zero diagonal: ``score = x B``.
EASE (Steck 2019) and EDLAE (Steck 2020, "Autoencoders that don't overfit towards the identity")
have B in closed form, with ``L = ridge + dropout / (1 - dropout) * diag(X'X)``::

    P = (X'X + L)**-1        B = I - P diag(m)        m = 1 / diag(P)

RDLAE (Moon, Kim and Lee 2023, "It's enough: Relaxing diagonal constraints in linear autoencoders
for recommendation") lets the diagonal reach a bound: ``m = max(L, (1 - bound) / diag(P))``. EDLAE
of a lower rank keeps the largest eigenvalues of B, so that it is a few more numbers for each user
and item. SLIM (Ning and Karypis 2011) fits each column of B by an elastic net without negative
weights, on the 100 most similar items (their fsSLIM), for items that at least five people like. X
holds 1 where somebody likes an item (four stars and more), or rated it; the rows are divided by
the root of the root of their length, so that people who rated much do not decide alone. A mix is
the ranking head's score plus a weight times ``x B``.

Visitors are a fifth of the users, never trained on, who give ten ratings (`cold_start`); settings
are chosen by the mean over seeds 101 to 103, and seeds 0 to 4 are reported. Known users have a
random fifth of all ratings held out, or their own last fifth, as in `ranking_accuracy.py`; settings
are chosen on the validation part of seed 0. There the ranking head sees neither times nor features.
The means are nDCG@10; the standard error is that of the difference to the ranking head, over
people. A person counts once for each seed that has them, which makes it a little too small::

    python benchmarks/closed_form.py --ml-100k ml-100k --ml-latest-small ml-latest-small
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ranking_splits import (
    DISCOUNT,
    RELEVANT,
    Split,
    Table,
    grid,
    hf_cf_ranking,
    most_popular,
    random_split,
    read,
    time_split,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

import hf_cf
from hf_cf.data.history import History
from hf_cf.evaluation.simulated_visitors import SimulatedVisitors
from hf_cf.inference.users import Visitors
from hf_cf.training import fit

GIVEN = 10
VALIDATION, SEEDS = (101, 102, 103), range(5)
WEIGHTS = (0.25, 0.5, 1.0)
NEIGHBOURS, LEAST = 100, 5

Floats = np.ndarray


@dataclass(frozen=True)
class Task:
    """Ratings to learn from, those that people give, and those to find: dense, 0 is none."""

    train: Floats
    given: Floats
    test: Floats
    head: Floats
    """Scores of the ranking head."""

    def ndcg(self, scores: Floats) -> Floats:
        """nDCG@10 of each person who has something to find."""
        relevant = self.test >= RELEVANT
        people = relevant.any(1)
        scores = np.where(self.given > 0, -np.inf, scores)[people]
        top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        gains = np.take_along_axis(relevant[people], top, axis=1) @ DISCOUNT
        return gains / DISCOUNT.cumsum()[np.minimum(relevant[people].sum(1), 10) - 1]


def rows(stars: Floats, liked: bool) -> Floats:
    return (stars >= RELEVANT if liked else stars > 0).astype(np.float64)


def weighted(seen: Floats) -> Floats:
    """Rows that count less the longer they are, with the same number of ratings in all."""
    lengths = seen.sum(1)
    weights = np.maximum(lengths, 1) ** -0.5
    weights *= lengths.sum() / (weights * lengths).sum()
    return seen * np.sqrt(weights)[:, None]


def linear(
    task: Task, *, liked: bool, ridge: float, dropout: float = 0.0, bound: float = 0.0
) -> Floats:
    """EASE, EDLAE and RDLAE, with the inverse taken over the users (Woodbury)."""
    seen, given = weighted(rows(task.train, liked)), rows(task.given, liked)
    penalty = ridge + dropout / (1 - dropout) * (seen**2).sum(0)
    scaled = seen / penalty
    half = np.linalg.solve(np.eye(len(seen)) + scaled @ seen.T, scaled)
    diagonal = 1 / penalty - (half * scaled).sum(0)
    through = given / penalty - (given @ scaled.T) @ half
    return given - through * np.maximum(penalty, (1 - bound) / diagonal)


def low_rank(task: Task, *, liked: bool, ridge: float, dropout: float, rank: int) -> Floats:
    """EDLAE with the weights between different items cut to their largest eigenvalues."""
    seen, given = weighted(rows(task.train, liked)), rows(task.given, liked)
    penalty = ridge + dropout / (1 - dropout) * (seen**2).sum(0)
    scaled = seen / penalty
    kernel = np.linalg.inv(np.eye(len(seen)) + scaled @ seen.T)
    multiplier = 1 / (1 / penalty - ((kernel @ scaled) * scaled).sum(0))
    # B is Z'Z in coordinates that make it symmetric; ZZ' is as large as there are users.
    values, vectors = np.linalg.eigh(kernel)
    root = vectors * np.sqrt(values.clip(0))
    _, axes = np.linalg.eigh(root.T @ (scaled * multiplier @ scaled.T) @ root)
    factors = axes[:, -rank:].T @ (root.T @ scaled)
    return (given @ factors.T) @ (factors * multiplier)


def slim(task: Task, *, liked: bool, l1: float, l2: float) -> Floats:
    """SLIM, a column after another, on the most similar items of each."""
    seen, given = weighted(rows(task.train, liked)), rows(task.given, liked)
    gram = seen.T @ seen
    lengths = np.sqrt(gram.diagonal()).clip(1e-9)
    scores = np.zeros_like(given)
    total = l1 + l2
    model = ElasticNet(
        alpha=total / len(seen), l1_ratio=l1 / total, positive=True, fit_intercept=False,
        max_iter=100, tol=1e-3,
    )  # fmt: skip
    for item in np.flatnonzero((task.train >= RELEVANT).sum(0) >= LEAST):
        likeness = gram[item] / lengths
        likeness[item] = -1
        near = np.argpartition(-likeness, NEIGHBOURS)[:NEIGHBOURS]
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            model.fit(seen[:, near], seen[:, item])
        scores[:, item] = given[:, near] @ model.coef_
    return scores


SYSTEMS: dict[str, tuple[Callable[..., Floats], list[dict[str, Any]]]] = {
    "EASE": (linear, list(grid(liked=[True, False], ridge=[100.0, 300.0, 1000.0]))),
    "EDLAE": (
        linear,
        list(grid(liked=[True, False], ridge=[30.0, 100.0], dropout=[0.5, 0.8, 0.9])),
    ),
    "EDLAE of rank 32": (
        low_rank,
        list(grid(liked=[True, False], ridge=[100.0], dropout=[0.8, 0.9], rank=[32])),
    ),
    "EDLAE of rank 128": (
        low_rank,
        list(grid(liked=[True, False], ridge=[100.0], dropout=[0.8, 0.9], rank=[128])),
    ),
    "RDLAE": (
        linear,
        list(grid(liked=[True, False], ridge=[100.0], dropout=[0.5, 0.8], bound=[0.3])),
    ),
    "SLIM": (slim, list(grid(liked=[True, False], l1=[1.0], l2=[10.0]))),
}


def visitors(path: Path, seed: int) -> Task:
    """People who give ten ratings, and the ranking head that knows the others."""
    train, test = hf_cf.load_ratings(path).split(by="user", seed=seed)
    rec = fit(train, None, "als", epochs=1, progress=False)
    people = SimulatedVisitors.split(rec, train, test, k=10, relevant_from=None, seed=seed)
    given = people.first(GIVEN)
    vectors = rec.trained.scorer.vectors(Visitors(given))
    n = len(rec.items)
    head = rec.trained.scorer.scores(vectors, out=torch.empty(len(people.people), n))
    seen = people.train.user_counts() > 0
    tables = [
        dense(History.from_ratings(people.train), n)[seen], dense(given, n),
        dense(people.target, n),
    ]  # fmt: skip
    return Task(*(table[:, 1:] for table in tables), head.numpy()[:, 1:].astype(np.float64))


def dense(history: History, n_items: int) -> Floats:
    matrix = np.zeros((len(history.starts) - 1, n_items), np.float32)
    matrix[history.user_codes(), history.items] = history.stars
    return matrix


def known_users(
    table: Table, split: Callable[[Table, int], Split], seed: int, *, validation: bool
) -> Task:
    """A fifth of all ratings to be found."""
    shape = (int(table.users.max()) + 1, int(table.items.max()) + 1)
    train, test = split(table, seed)
    if validation:
        train, test = split(train, 1000)
    given = train.dense(shape)
    return Task(given, given, test.dense(shape), hf_cf_ranking(given, seed).astype(np.float64))


def compare(chosen_on: list[Task], tasks: list[Task]) -> Iterator[str]:
    """Lines of a table."""
    popular, head = (
        np.concatenate([task.ndcg(scores(task)) for task in tasks])
        for scores in (lambda task: np.tile(most_popular(task.train, 0)[0], (len(task.given), 1)),
                       lambda task: task.head)
    )  # fmt: skip
    yield "| | nDCG@10 | times most popular | more than the ranking head | settings |"
    yield "|---|---|---|---|---|"
    yield f"| most popular | {popular.mean():.4f} | 1 | | |"
    yield f"| ranking head | {head.mean():.4f} | {head.mean() / popular.mean():.3f} | | |"
    for name, (system, choices) in SYSTEMS.items():
        tried: dict[str, list[tuple[float, float, dict[str, Any]]]] = {"alone": [], "mixed": []}
        for choice in choices:
            scores = [system(task, **choice) for task in chosen_on]
            for weight in (0.0, *WEIGHTS):
                mixed = [
                    task.ndcg(task.head + weight * one if weight else one).mean()
                    for task, one in zip(chosen_on, scores, strict=True)
                ]
                kind = "mixed" if weight else "alone"
                tried[kind].append((float(np.mean(mixed)), weight, choice))
        for kind, found in tried.items():
            _, weight, choice = max(found, key=lambda each: each[0])
            reached = []
            for task in tasks:
                own = system(task, **choice)
                reached.append(task.ndcg(task.head + weight * own if weight else own))
            result = np.concatenate(reached)
            more = result - head
            settings = ", ".join(f"{key} {value}" for key, value in choice.items())
            yield (
                f"| {name if kind == 'alone' else f'ranking head + {weight:g} {name}'} "
                f"| {result.mean():.4f} | {result.mean() / popular.mean():.3f} "
                f"| {more.mean():+.4f} ± {more.std() / len(more) ** 0.5:.4f} | {settings} |"
            )


def report(paths: dict[str, tuple[Path, str]]) -> Iterator[str]:
    yield "# Linear models in closed form, and SLIM\n"
    yield (__doc__ or "").split("\n\n", 1)[1].rpartition("::")[0] + "."
    for name, (path, file) in paths.items():
        yield f"\n## {name}, visitors with ten ratings\n"
        yield from compare(
            [visitors(path, seed) for seed in VALIDATION], [visitors(path, seed) for seed in SEEDS]
        )
        yield f"\n## {name}, known users, a random fifth held out\n"
        table = read(path / file)
        yield from compare(
            [known_users(table, random_split, 0, validation=True)],
            [known_users(table, random_split, seed, validation=False) for seed in SEEDS],
        )
        yield f"\n## {name}, known users, the last fifth of each held out\n"
        yield from compare(
            [known_users(table, time_split, 0, validation=True)],
            [known_users(table, time_split, 0, validation=False)],
        )
    yield (
        f"\nPython {platform.python_version()}, numpy {version('numpy')}, scikit-learn "
        f"{version('scikit-learn')}, torch {version('torch')}, {platform.machine()}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ml-100k", type=Path, required=True)
    parser.add_argument("--ml-latest-small", type=Path, required=True)
    results = Path(__file__).parent / "results" / "closed_form.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    lines = []
    for line in report(
        {
            "MovieLens 100K": (options.ml_100k, "u.data"),
            "ml-latest-small": (options.ml_latest_small, "ratings.csv"),
        }
    ):
        print(time.strftime("%H:%M:%S"), line, flush=True)
        lines.append(line)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
