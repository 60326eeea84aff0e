"""How fast recommendations are: all users next to the library ``implicit``, one user, one visitor.

Run from the repository root (``implicit`` comes with the extra ``bench``)::

    python benchmarks/bench_recommend.py

A model of the shape of MovieLens 25M (162,541 users, 59,047 films, random factors, 30 rated films
a user) recommends ten films to everybody, and the library ``implicit`` does so with the same
factors and the same films left out, alternating, a share of the users each. Then single answers of
that model and of one of the shape of MovieLens 100K, and lists for many visitors in one call.
``--answers`` leaves the comparison with implicit out, and only prints.
Prints Markdown and writes it to ``benchmarks/results/recommend.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as implicit asks for: it has threads itself

import numpy as np
import pandas as pd
import torch
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from scipy.sparse import csr_matrix

import hf_cf
from hf_cf.data.history import History
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.models import EmbeddingDotBias, ImplicitALS, UserPrior
from hf_cf.training.ranking import ImplicitALSConfig

RESULT = Path(__file__).parent / "results" / "recommend.md"
USERS, ITEMS, FACTORS, RATED, N = 162_541, 59_047, 50, 30, 10
FEW_USERS, FEW_ITEMS = 943, 1_682
SHARE, ROUNDS, SINGLE, VISITORS = 20_000, 3, 300, 1_000


class Given(MatrixFactorizationBase):
    """An ``implicit`` model with given factors."""

    def fit(self, user_items: csr_matrix, show_progress: bool = True) -> None:
        """Do nothing: the factors are given."""

    def save(self, fileobj_or_path: object) -> None:
        """Do nothing: it is only asked for lists."""


def build(n_users: int, n_items: int) -> hf_cf.Recommender:
    """A model with random factors whose products spread as a trained model's do."""
    generator = torch.Generator().manual_seed(0)
    rng = np.random.default_rng(0)
    model = EmbeddingDotBias(n_users + 1, n_items + 1, FACTORS, (0.0, 5.5))
    for table in model.parameters():
        table.data.normal_(0, 0.3, generator=generator)
    settings = {**asdict(ImplicitALSConfig()), "factors": FACTORS, "effective_items": 1000.0}
    del settings["iterations"], settings["seed"]
    ranking = ImplicitALS(n_items + 1, **settings)
    ranking.set_items(torch.randn(n_items + 1, FACTORS, generator=generator) * 0.1)
    vectors = torch.randn(n_users + 1, FACTORS, generator=generator) * 0.1
    ranking.average_user.copy_(vectors.mean(0))
    users = np.repeat(np.arange(1, n_users + 1, dtype=np.int32), RATED)
    items = rng.integers(1, n_items + 1, len(users)).astype(np.int32)
    ids = np.arange(1, n_items + 1)
    catalogue = pd.DataFrame(
        {
            "id": ids, "title": [f"Film {i}" for i in ids],
            "n_ratings": rng.integers(1, 9999, n_items),
        },
        index=pd.RangeIndex(1, n_items + 1),
    )  # fmt: skip
    return hf_cf.Recommender(
        model,
        UserPrior.from_vectors(model.user_vectors(torch.arange(1, 900)), 0.8),
        RankingHead(ranking.eval(), vectors),
        users=Vocab(np.arange(1, n_users + 1)),
        items=Vocab(ids),
        catalogue=catalogue,
        history=History.from_codes(
            users, items, rng.integers(1, 6, len(users)).astype(np.float32), n_users + 1
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
    n_users, n_items = len(rec.users.ids), len(rec.items.ids)
    rated = (20, 200)
    times: dict[str, list[float]] = {"a known user": []}
    times |= {f"a visitor with {count} ratings": [] for count in rated}
    times |= {f"10 questions to a visitor with {count} ratings": [] for count in rated}

    def timed(name: str, answer: Callable[[], object]) -> None:
        started = time.perf_counter()
        answer()
        times[name].append(time.perf_counter() - started)

    for _ in range(SINGLE):
        user = int(rng.integers(1, n_users + 1))
        timed("a known user", partial(rec.recommend, user, n=N))
        for count in rated:
            given = {
                int(item): float(rng.integers(1, 6))
                for item in rng.choice(n_items, count, replace=False) + 1
            }
            visitor = f"a visitor with {count} ratings"
            timed(visitor, partial(rec.recommend, ratings=given, n=N))
            timed(f"10 questions to {visitor}", partial(rec.next_questions, given, N))
    lines = [
        f"| one answer, {n_items:,} films, {FACTORS} factors, warm | p50 ms | p95 ms |",
        "|---|---|---|",
    ]
    for name, seconds in times.items():
        p50, p95 = np.percentile(np.array(seconds[20:]) * 1000, (50, 95))
        lines.append(f"| {name} | {p50:.1f} | {p95:.1f} |")
    return "\n".join(lines) + "\n"


def together(rec: hf_cf.Recommender) -> str:
    rng = np.random.default_rng(2)
    n_items, each = len(rec.items.ids), 20
    table = pd.DataFrame(
        {
            "user": np.repeat(np.arange(VISITORS), each),
            "item": np.concatenate(
                [rng.choice(n_items, each, replace=False) + 1 for _ in range(VISITORS)]
            ),
            "rating": rng.integers(1, 6, VISITORS * each),
        }
    )
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        rec.recommend(ratings=table, n=N)
        seconds.append(time.perf_counter() - started)
    return (
        f"{VISITORS:,} visitors with {each} ratings in one call, {n_items:,} films: "
        f"{statistics.median(seconds[1:]):.2f} s (median of 5).\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", action="store_true", help="leave implicit out")
    alone = parser.parse_args().answers
    load = os.getloadavg()[0]
    few, many = build(FEW_USERS, FEW_ITEMS), build(USERS, ITEMS)
    parts = [] if alone else [all_users(many)]
    parts += [single(many), single(few), together(few)]
    report = "# Speed of recommending\n\n" + "\n".join(parts) + "\n"
    report += (
        f"Python {platform.python_version()}, torch {torch.__version__}, implicit "
        f"{version('implicit')}, hf_cf {hf_cf.__version__}; {torch.get_num_threads()} threads on "
        f"{os.cpu_count()} cores, {platform.machine()}; load average {load:.1f} at the start.\n"
    )
    print(report)
    if not alone:
        RESULT.write_text(report)


if __name__ == "__main__":
    main()
