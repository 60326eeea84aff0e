"""How fast recommendations are: all users next to the library ``implicit``, one user, one visitor.

Run from the repository root (``implicit`` comes with the extra ``bench``)::

    python benchmarks/bench_recommend.py

A model of the shape of MovieLens 25M (162,541 users, 59,047 films, random factors, 30 rated films
a user) recommends ten films to everybody, and the library ``implicit`` does so with the same
factors and the same films left out, by turns, a share of the users each. Then single answers.
Prints Markdown and writes it to ``benchmarks/results/recommend.md``.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as implicit asks for: it has threads itself

import numpy as np
import pandas as pd
import torch
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from scipy.sparse import csr_matrix

import hf_cf
from hf_cf.history import History
from hf_cf.models import EmbeddingDotBias, ImplicitALS, RankingHead, UserPrior
from hf_cf.ratings import RatingScale, Vocab

RESULT = Path(__file__).parent / "results" / "recommend.md"
USERS, ITEMS, FACTORS, RATED, N = 162_541, 59_047, 50, 30, 10
SHARE, ROUNDS, SINGLE = 20_000, 3, 300


class Given(MatrixFactorizationBase):
    """An ``implicit`` model with given factors."""

    def fit(self, user_items: csr_matrix, show_progress: bool = True) -> None:
        """Do nothing: the factors are given."""

    def save(self, fileobj_or_path: object) -> None:
        """Do nothing: it is only asked for lists."""


def build() -> hf_cf.Recommender:
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    model = EmbeddingDotBias(USERS + 1, ITEMS + 1, FACTORS, (0.0, 5.5))
    ranking = ImplicitALS(
        ITEMS + 1, factors=FACTORS, preference=(-0.5, -0.5, 0.4, 0.8, 1.0),
        weight=(0.1, 0.1, 0.6, 0.9, 1.0), unobserved=0.2, regularization=0.03, exponent=1.0,
    )  # fmt: skip
    ranking.set_items(torch.randn(ITEMS + 1, FACTORS, generator=generator) * 0.1)
    vectors = torch.randn(USERS + 1, FACTORS, generator=generator) * 0.1
    users = np.repeat(np.arange(1, USERS + 1, dtype=np.int32), RATED)
    items = rng.integers(1, ITEMS + 1, len(users)).astype(np.int32)
    ids = np.arange(1, ITEMS + 1)
    catalogue = pd.DataFrame(
        {"id": ids, "title": [f"Film {i}" for i in ids], "n_ratings": rng.integers(1, 9999, ITEMS)},
        index=pd.RangeIndex(1, ITEMS + 1),
    )
    return hf_cf.Recommender(
        model,
        UserPrior.from_vectors(model.user_vectors(torch.arange(1, 1000)), 0.8),
        RankingHead(ranking.eval(), vectors),
        users=Vocab(np.arange(1, USERS + 1)),
        items=Vocab(ids),
        catalogue=catalogue,
        history=History.from_codes(
            users, items, rng.integers(1, 6, len(users)).astype(np.float32), USERS + 1
        ),
        scale=RatingScale(0.5, 5, 0.5),
    )


def all_users(rec: hf_cf.Recommender) -> str:
    peer = Given()
    peer.item_factors = rec.ranking.model.item_factors.numpy()
    peer.user_factors = rec.ranking.user_vectors.numpy()
    history = rec.history
    rated = csr_matrix(
        (np.ones(len(history), np.float32), history.items, history.starts),
        shape=(USERS + 1, ITEMS + 1),
    )
    ours, theirs = [], []
    for turn in range(ROUNDS):
        codes = np.arange(1 + turn * SHARE, 1 + (turn + 1) * SHARE, dtype=np.int32)
        started = time.perf_counter()
        table = rec.recommend(rec.users.decode(codes), n=N)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        found, _ = peer.recommend(codes, rated[codes], N=N, filter_items=[0])
        theirs.append(time.perf_counter() - started)
        same = (table["item"].to_numpy().reshape(-1, N) == found).mean()
        assert same > 0.999, f"only {same:.2%} of the places agree"
        print(f"ours {ours[-1]:.1f} s, implicit {theirs[-1]:.1f} s", flush=True)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    scale = USERS / SHARE
    seconds = [statistics.median(own) * scale for own in (ours, theirs)]
    return (
        "| top 10 of 59,047 films, rated ones left out | s for 162,541 users |\n|---|---|\n"
        f"| hf_cf `recommend`, with stars, as a DataFrame | {seconds[0]:.0f} |\n"
        f"| implicit `recommend`, as arrays | {seconds[1]:.0f} |\n\n"
        f"hf_cf is {ratio:.2f} times as fast (median of {ROUNDS} pairs of {SHARE:,} users, scaled "
        "up); the lists agree.\n"
    )


def single(rec: hf_cf.Recommender) -> str:
    rng = np.random.default_rng(1)
    rated = {20: None, 200: None}
    times: dict[str, list[float]] = {"a known user": []}
    times |= {f"a visitor with {count} ratings": [] for count in rated}
    for _ in range(SINGLE):
        user = int(rng.integers(1, USERS + 1))
        started = time.perf_counter()
        rec.recommend(user, n=N)
        times["a known user"].append(time.perf_counter() - started)
        for count in rated:
            items = rng.choice(ITEMS, count, replace=False) + 1
            given = {int(item): float(rng.integers(1, 6)) for item in items}
            started = time.perf_counter()
            rec.recommend(ratings=given, n=N)
            times[f"a visitor with {count} ratings"].append(time.perf_counter() - started)
    lines = ["| one answer, 59,047 films, 50 factors, warm | p50 ms | p95 ms |\n|---|---|---|"]
    for name, seconds in times.items():
        p50, p95 = np.percentile(np.array(seconds[20:]) * 1000, (50, 95))
        lines.append(f"| {name} | {p50:.1f} | {p95:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    rec = build()
    load = os.getloadavg()[0]
    report = f"# Speed of recommending\n\n{all_users(rec)}\n{single(rec)}\n"
    report += (
        f"Python {platform.python_version()}, torch {torch.__version__}, implicit "
        f"{version('implicit')}, hf_cf {hf_cf.__version__}; {torch.get_num_threads()} threads on "
        f"{os.cpu_count()} cores, {platform.machine()}; load average {load:.1f} at the start.\n"
    )
    print(report)
    RESULT.write_text(report)


if __name__ == "__main__":
    main()
