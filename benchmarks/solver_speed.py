"""Time the solver on 25 million ratings: explicit and implicit ALS, and the library implicit.

An iteration is one pass over the users and one over the items. Needs ``pip install implicit``::

    python benchmarks/solver_speed.py --threads 2
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from kept import kept_lines
from ratings_25m import SyntheticRatings, generate

from hf_cf.models.solver import Prior, SparseRows, solve_rows

UNOBSERVED = 0.1
Timing = tuple[float, float]


def resident_gb(field: str) -> float:
    """Resident memory of this process: now (VmRSS) or at its peak (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(li.split()[1]) for li in status.splitlines() if li.startswith(field)) / 1e6


def forget_peak() -> None:
    """Start the peak anew, below what generating the ratings took."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def clock(work: Callable[[], None]) -> Timing:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def rows_of(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_rows: int) -> SparseRows:
    starts = np.concatenate([[0], np.bincount(rows, minlength=n_rows).cumsum()])
    return SparseRows(torch.from_numpy(starts), torch.from_numpy(columns), torch.from_numpy(values))


def alternate(
    by_user: SparseRows, by_item: SparseRows, item_factors: torch.Tensor, *, implicit: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """User and item factors after each iteration."""

    def half(rows: SparseRows, factors: torch.Tensor) -> torch.Tensor:
        if not implicit:
            ridge = 0.05 * rows.indptr.diff().clamp_min(1).float()
            return solve_rows(rows, factors, Prior(ridge)).mean
        gram = UNOBSERVED * factors.T @ factors
        return solve_rows(rows, factors, Prior(ridge=1.0), gram=gram).mean

    while True:
        user_factors = half(by_user, item_factors)
        item_factors = half(by_item, user_factors)
        yield user_factors, item_factors


def ours(
    by_user: SparseRows, by_item: SparseRows, k: int, *, implicit: bool, iterations: int
) -> tuple[list[Timing], float]:
    """Timings of the iterations and the peak of memory after them."""
    start = torch.randn(by_item.n_rows, k, generator=torch.Generator().manual_seed(0)) * 0.1
    steps = alternate(by_user, by_item, start, implicit=implicit)
    return [clock(lambda: next(steps) and None) for _ in range(iterations)], resident_gb("VmHWM")


def library(made: SyntheticRatings, k: int, threads: int, iterations: int) -> list[Timing]:
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    ones = np.ones(len(made.users), np.float32)
    matrix = csr_matrix((ones, (made.users, made.items)), shape=(made.n_users, made.n_items))
    model = AlternatingLeastSquares(factors=k, iterations=iterations, num_threads=threads)
    timings: list[Timing] = []
    last = [0.0]

    def after(*_: object) -> None:
        now = time.process_time()
        timings.append((float(_[1]), now - last[0]))
        last[0] = now

    last[0] = time.process_time()
    model.fit(matrix, show_progress=False, callback=after)
    return timings


def report(threads: int, iterations: int, seed: int) -> Iterator[str]:
    torch.set_num_threads(threads)
    made = generate(seed=seed)
    order = np.argsort(made.items, kind="stable")
    stars = made.ratings - made.ratings.mean()
    by_user = rows_of(made.users, made.items, stars, made.n_users)
    by_item = rows_of(made.items[order], made.users[order], stars[order], made.n_items)
    del order
    yield "# Speed of the solver"
    yield ""
    yield (
        f"{len(made.users):,} synthetic ratings of {made.n_users - 1:,} users and "
        f"{made.n_items - 1:,} items (`ratings_25m.py`, seed {seed}); {threads} threads; "
        f"torch {version('torch')}, implicit {version('implicit')}, "
        f"Python {platform.python_version()}, {platform.machine()}; load average "
        f"{os.getloadavg()[0]:.1f} at the start. Best of {iterations} iterations, one run. "
        "Processor seconds tell what an iteration costs when other programs compete for the "
        "cores."
    )
    yield ""
    yield "| what | factors | wall s an iteration | processor s | peak GB above the data |"
    yield "|---|---|---|---|---|"
    forget_peak()
    data = resident_gb("VmRSS")
    for k in (16, 50):
        timings, peak = ours(by_user, by_item, k, implicit=False, iterations=iterations)
        yield line("explicit ALS, hf_cf", k, timings, f"{peak - data:.2f}")
    watched = [
        SparseRows(rows.indptr, rows.columns, torch.ones(len(rows.columns)))
        for rows in (by_user, by_item)
    ]
    timings, _ = ours(*watched, 50, implicit=True, iterations=iterations)
    yield line("implicit ALS, hf_cf (exact)", 50, timings, "")
    del watched, by_user, by_item
    yield line(
        "implicit ALS, implicit (3 CG steps)", 50, library(made, 50, threads, iterations), ""
    )


def line(what: str, k: int, timings: list[Timing], peak: str) -> str:
    wall, processor = (min(column) for column in zip(*timings, strict=True))
    return f"| {what} | {k} | {wall:.2f} | {processor:.2f} | {peak} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    results = Path(__file__).parent / "results" / "solver_speed.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    kept_lines(report(options.threads, options.iterations, options.seed), options.out)


if __name__ == "__main__":
    main()
