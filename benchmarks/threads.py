"""Time against the number of threads that PyTorch is told, for everything that computes much.

Run from the repository root; MovieLens 100K is found at ``../shared/data`` or with ``--data``::

    python benchmarks/threads.py
    python benchmarks/threads.py --threads 1 2 8 16 --millions 1 --rounds 5

Each part is timed in turn at each number of threads, in one process, and the best of the rounds are
compared: on a shared machine the best is nearest to what the computation takes. A bare matrix
product stands next to them, to tell how many cores there really are. Then the median time of one
visitor's list, alone and next to a process that keeps a core busy. The larger data is generated
(`ratings_25m.py`). Prints Markdown and writes it to ``benchmarks/results/threads.md``.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from ratings_25m import N_ITEMS, N_RATINGS, N_USERS, generate

import hf_cf
from hf_cf.training import fit
from hf_cf.training.als import train_als
from hf_cf.training.bayesian import train_bayesian
from hf_cf.training.ranking import fit_implicit_als
from hf_cf.training.settings import settings_for

RESULT = Path(__file__).parent / "results" / "threads.md"
VISITORS, EACH, SWEEPS = 1_000, 20, 10
Work = Callable[[], object]


def synthetic(millions: float) -> hf_cf.Ratings:
    """Ratings in the shape of MovieLens 25M, as many millions as asked for."""
    share = millions * 1e6 / N_RATINGS
    made = generate(
        round(N_USERS * share), round(N_ITEMS * min(1, share**0.5)), round(millions * 1e6)
    )
    table = {"user": made.users, "item": made.items, "rating": made.ratings}
    return hf_cf.Ratings.from_frame(pd.DataFrame(table))


def training(ratings: hf_cf.Ratings) -> dict[str, Work]:
    """What trains, by name."""
    als = settings_for("als", n_ratings=len(ratings))
    bayesian = settings_for("bayesian_mf", n_ratings=len(ratings), epochs=SWEEPS, burn_in=0)
    return {
        f"`als`, {als.epochs} alternations": partial(
            train_als, als, ratings, None, progress=False
        ),
        "ranking head": lambda: fit_implicit_als(
            ratings.user_codes, ratings.item_codes, ratings.stars,
            n_users=len(ratings.users), n_items=len(ratings.items),
            low=ratings.scale.min, high=ratings.scale.max,
        ),
        f"`bayesian_mf`, {SWEEPS} sweeps": partial(
            train_bayesian, bayesian, ratings, None, progress=False
        ),
    }  # fmt: skip


def answering(rec: hf_cf.Recommender) -> dict[str, Work]:
    """What recommends, by name."""
    rng, n_items = np.random.default_rng(0), len(rec.items.ids)
    drawn = [rng.choice(rec.items.ids, EACH, replace=False) for _ in range(VISITORS)]
    visitors = pd.DataFrame(
        {
            "user": np.repeat(np.arange(VISITORS), EACH),
            "item": np.concatenate(drawn),
            "rating": rng.integers(1, 6, VISITORS * EACH),
        }
    )
    users = rec.users.ids
    return {
        f"{VISITORS:,} visitors at once, {n_items:,} items": lambda: rec.recommend(
            ratings=visitors, n=10
        ),
        f"lists for all {len(users):,} users, {n_items:,} items": lambda: rec.recommend(
            users, n=10
        ),
    }


def product() -> Work:
    matrix = torch.randn(3000, 3000)
    return lambda: matrix @ matrix


def measure(work: Work, threads: list[int], rounds: int) -> dict[int, float]:
    """Least seconds at each number of threads."""
    seconds: dict[int, list[float]] = {n: [] for n in threads}
    for _ in range(rounds):
        for n in threads:
            torch.set_num_threads(n)
            started = time.perf_counter()
            work()
            seconds[n].append(time.perf_counter() - started)
    return {n: min(own) for n, own in seconds.items()}


def one_visitor(rec: hf_cf.Recommender, threads: int, answers: int = 300) -> list[str]:
    """Median milliseconds of a visitor's list, alone and next to a busy process."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)

    def median() -> float:
        seconds = []
        for _ in range(answers):
            rated = rng.choice(rec.items.ids, EACH, replace=False)
            given = dict(zip(rated.tolist(), rng.integers(1, 6, EACH).tolist(), strict=True))
            started = time.perf_counter()
            rec.recommend(ratings=given, n=10)
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds[20:]) * 1e3

    def pairs() -> Iterator[tuple[float, float]]:
        for _ in range(3):
            alone = median()
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                yield alone, median()
            finally:
                busy.kill()
                busy.wait()

    found = sorted(pairs(), key=lambda pair: pair[1] / pair[0])[1]  # the middle one of three
    return [f"{found[0]:.2f}", f"{found[1]:.2f}", f"{found[1] / found[0]:.2f}"]


def line(name: str, seconds: dict[int, float]) -> str:
    two = seconds[2]
    cells = [f"{seconds[n]:.3f} ({seconds[n] / two:.2f})" for n in seconds]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 8, 16])
    parser.add_argument("--millions", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="parts whose names hold this text")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ml-100k"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    parts: dict[str, Work] = {}
    sets = {f"{options.millions:g} million": synthetic(options.millions)}
    if options.data.exists():
        sets = {"ML-100K": hf_cf.load_ratings(options.data)} | sets
    for name, ratings in sets.items():
        parts |= {f"{what}, {name}": work for what, work in training(ratings).items()}
    rec = fit(ratings, model="als", epochs=1, progress=False)
    parts |= answering(rec)
    heads = " | ".join(f"{n} thread{'s' * (n > 1)}" for n in options.threads)
    lines = [
        f"| seconds (in times of 2 threads) | {heads} |",
        "|---" * (1 + len(options.threads)) + "|",
    ]
    cores = [n for n in options.threads if n <= (os.cpu_count() or 1)]
    bare = measure(product(), cores, 3 * options.rounds)  # more threads take thirty times as long
    lines.append(
        line("a matrix product", bare | dict.fromkeys(set(options.threads) - set(cores), math.nan))
    )
    print(lines[-1], flush=True)
    for name, work in parts.items():
        if options.only in name:
            lines.append(line(name, measure(work, options.threads, options.rounds)))
            print(lines[-1], flush=True)
    lines += [
        "",
        "| one visitor, 20 ratings, ms | alone | next to a busy process | ratio |",
        "|---|---|---|---|",
    ]
    for n in (2, 16):
        cells = one_visitor(rec, n)
        lines.append(f"| {len(rec.items.ids):,} items, {n} threads | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    report = (
        "# Threads\n\n" + "\n".join(lines) + "\n\n"
        f"Best of {options.rounds} rounds in one process; a visitor's are medians of 280 answers. "
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, "
        f"{platform.machine()}; load average {load:.1f} at the start, {os.getloadavg()[0]:.1f} at "
        "the end: other programs ran beside.\n"
    )
    print(report)
    options.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
