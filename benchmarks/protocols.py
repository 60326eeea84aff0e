"""Compare hf_cf with EASE and implicit's ALS in the protocols of the field.

Strong generalization (Liang et al. 2018): a fifth of the users is held out; of their ratings of 4
and more, 80 % are given and the others are to be found. Last fifth: what each user rated last is to
be found from what came before, as in `ranking_accuracy.py`. EASE and implicit see ratings of 4 and
more, and are tuned on a part of the training data, split off in the same way; hf_cf runs with its
defaults. Figures are means over users, then over split seeds; the difference of hf_cf from the
others is given with its standard error over users, paired, of the first seed.

Needs ``pip install implicit scipy``; run from the repository root::

    python benchmarks/protocols.py --data DATA/ml-100k DATA/ml-latest-small
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import implicit
import numpy as np
import pandas as pd
from kept import kept_lines
from scipy.sparse import csr_matrix

import hf_cf
from hf_cf.training import fit

SEEDS = range(3)
LIKED = 4.0
Matrix = np.ndarray
Lists = Callable[[hf_cf.Ratings, Matrix, Matrix], Matrix]
"""Training ratings, them as a matrix, and the given ones: lists of codes, (B, 100)."""
CHOICES = {
    "EASE": [50.0, 100.0, 200.0, 300.0, 500.0],
    "implicit ALS": [5.0, 10.0, 20.0, 40.0],
}


def dense(table: hf_cf.Ratings) -> Matrix:
    """Ratings as a matrix of users by items, by code; 0 is not rated."""
    matrix = np.zeros((len(table.users), len(table.items)), np.float32)
    matrix[table.user_codes, table.item_codes] = table.stars
    return matrix


def best(scores: Matrix, given: Matrix) -> Matrix:
    scores = np.where(given > 0, -np.inf, scores)
    scores[:, 0] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :100]


def ease(train: Matrix, given: Matrix, ridge: float) -> Matrix:
    """EASE of Steck (2019) for users of whom `given` is known; the inverse is over users."""
    seen, known = (train >= LIKED).astype(float), (given >= LIKED).astype(float)
    half = np.linalg.solve(seen @ seen.T + ridge * np.eye(len(seen)), seen)
    diagonal = 1 - np.einsum("ui,ui->i", seen, half)
    return best(known - (known - known @ seen.T @ half) / diagonal, given)


def library_als(train: Matrix, given: Matrix, regularization: float) -> Matrix:
    model = implicit.als.AlternatingLeastSquares(
        factors=64, regularization=regularization, alpha=5.0, iterations=15, use_gpu=False,
        random_state=0,
    )  # fmt: skip
    model.fit(csr_matrix((train >= LIKED).astype(np.float32)), show_progress=False)
    known = csr_matrix((given >= LIKED).astype(np.float32))
    users = model.recalculate_user(np.arange(len(given)), known)
    return best(np.asarray(users @ model.item_factors.T), given)


PEERS = {"EASE": ease, "implicit ALS": library_als}


def ours(train: hf_cf.Ratings, given: Matrix, known: np.ndarray | None) -> Matrix:
    """Lists for visitors with those ratings, or for known users, by code."""
    rec = fit(train, model="als", progress=False)
    if known is not None:
        table = rec.recommend(rec.users.decode(known), n=100)
        row_of = dict(zip(rec.users.decode(known).tolist(), range(len(known)), strict=True))
        rows = table["user"].map(row_of).to_numpy()
    else:
        users, items = np.nonzero(given)
        asked = {"user": users, "item": rec.items.decode(items), "rating": given[users, items]}
        table = rec.recommend(ratings=pd.DataFrame(asked), n=100)
        rows = table["user"].to_numpy()
    top = np.zeros((len(given), 100), int)
    top[rows, table.groupby("user").cumcount()] = rec.items.encode(table["item"])
    return top


def measures(top: Matrix, held_out: Matrix) -> dict[str, Matrix]:
    """Metrics of each user, as `hf_cf.evaluation` defines them, written once more."""
    hits = np.take_along_axis(held_out >= LIKED, top, 1)
    n = (held_out >= LIKED).sum(1)
    discounts = 1 / np.log2(np.arange(2, 102))
    ideal = np.concatenate([[1], discounts.cumsum()])
    found = {f"recall@{k}": hits[:, :k].sum(1) / np.minimum(k, n) for k in (20, 50)}
    for k in (10, 100):
        found[f"nDCG@{k}"] = hits[:, :k] @ discounts[:k] / ideal[np.minimum(n, k)]
    return found


def strong(table: hf_cf.Ratings, seed: int) -> tuple[hf_cf.Ratings, Matrix, Matrix, None]:
    """Training ratings of some users; what others give, and what is to be found."""
    train, test = table.split(0.2, seed=seed, by="user")
    liked = test.take(np.flatnonzero(test.stars >= LIKED))
    liked = liked.take(np.flatnonzero(train.item_counts()[liked.item_codes] > 0))
    liked = liked.take(np.flatnonzero(liked.user_counts()[liked.user_codes] >= 5))
    order = np.random.default_rng(seed).permutation(len(liked))
    place, counts = np.zeros(len(liked), int), liked.user_counts()
    seen = np.zeros(len(counts), int)
    for row in order:
        place[row] = seen[liked.user_codes[row]]
        seen[liked.user_codes[row]] += 1
    back = place < (0.2 * counts + 1e-9).astype(int)[liked.user_codes]
    users = np.flatnonzero(counts)
    return train, dense(liked.take(~back))[users], dense(liked.take(back))[users], None


def by_time(table: hf_cf.Ratings, seed: int) -> tuple[hf_cf.Ratings, Matrix, Matrix, np.ndarray]:
    """Training ratings, the same as a matrix, and each user's last fifth."""
    shuffled = table.take(np.random.default_rng(seed).permutation(len(table)))
    train, test = shuffled.split(0.2, by="time")
    held_out = dense(test)
    users = np.flatnonzero((held_out >= LIKED).any(1))
    return train, dense(train)[users], held_out[users], users


def compare(table: hf_cf.Ratings, split: Callable[..., tuple]) -> Iterator[str]:
    settings = {}
    train, given, held_out, known = split(split(table, 0)[0], 1000)
    for name, peer in PEERS.items():
        tried = {c: measures(peer(dense(train), given, c), held_out) for c in CHOICES[name]}
        settings[name] = max(tried, key=lambda c: tried[c]["nDCG@10"].mean())
    found: dict[str, list[dict[str, Matrix]]] = {}
    for seed in SEEDS:
        train, given, held_out, known = split(table, seed)
        popular = np.tile((dense(train) >= LIKED).sum(0).astype(float), (len(given), 1))
        lists = {"most popular": best(popular, given)}
        lists |= {name: PEERS[name](dense(train), given, settings[name]) for name in PEERS}
        lists["hf_cf"] = ours(train, given, known)
        for name, top in lists.items():
            found.setdefault(name, []).append(measures(top, held_out))
    metrics = list(found["hf_cf"][0])
    yield f"| | {' | '.join(metrics)} | hf_cf is ahead in nDCG@10 by | setting |"
    yield "|---" * (len(metrics) + 3) + "|"
    for name, seeds in found.items():
        cells = [f"{np.mean([own[metric].mean() for own in seeds]):.4f}" for metric in metrics]
        ahead = found["hf_cf"][0]["nDCG@10"] - seeds[0]["nDCG@10"]
        error = ahead.std() / math.sqrt(len(ahead))
        cells += [f"{ahead.mean():.4f} ± {error:.4f}" if name != "hf_cf" else ""]
        yield f"| {name} | {' | '.join(cells)} | {settings.get(name, '')} |"


def report(paths: list[Path]) -> Iterator[str]:
    yield "# Protocols of the field\n"
    yield (__doc__ or "").split("\n\n")[1]
    for path in paths:
        table = hf_cf.load_ratings(path)
        yield f"\n## {path.name}: strong generalization\n"
        yield from compare(table, strong)
        yield f"\n## {path.name}: the last fifth of each user\n"
        yield from compare(table, by_time)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    results = Path(__file__).parent / "results" / "protocols.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    kept_lines(report(options.data), options.out)


if __name__ == "__main__":
    main()
