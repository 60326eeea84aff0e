"""What it costs that several processes add up their gradients, as the tables grow.

Run from the repository root (``accelerate`` comes with the extra ``distributed``)::

    python benchmarks/data_parallel.py

``collab_learner`` with 50 factors on tables of 10,000 to 1,000,000 rows, nine users for an item,
in batches of 65,536 ratings: by one process, and by two that ``accelerate launch`` has started,
one thread each, on the processors of one machine over gloo. The time is that of a step, a median;
once more the two do not add up their gradients, so that the difference is what that costs. Next to
it the same two processes with PyTorch's ``DistributedDataParallel``, which fastai's ``distrib_ctx``
wraps a model in, and one alternation of ``als`` on as many rows. Prints Markdown and writes it to
``benchmarks/results/data_parallel.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel

import hf_cf
from hf_cf.models import EmbeddingDotBias
from hf_cf.ratings import Ratings, RatingScale, Vocab
from hf_cf.settings import settings_for
from hf_cf.training.als import train_als
from hf_cf.training.data_parallel import SumOfProcesses, join
from hf_cf.training.learner import build_learner, run

RESULT = Path(__file__).parent / "results" / "data_parallel.md"
ROWS, FACTORS, BATCH, STEPS = (10_000, 100_000, 1_000_000), 50, 65_536, 8


def draw(rows: int) -> Ratings:
    """Enough ratings for the steps, of users and items drawn evenly."""
    rng = np.random.default_rng(0)
    n, n_items = BATCH * STEPS, rows // 10
    users, items = Vocab(np.arange(rows - n_items)), Vocab(np.arange(n_items))
    return Ratings(
        rng.integers(1, len(users), n).astype(np.int32),
        rng.integers(1, len(items), n).astype(np.int32),
        rng.integers(1, 11, n).astype(np.float32) / 2,
        users, items, catalogue=None, scale=RatingScale(0.5, 5, 0.5),
    )  # fmt: skip


def steps_of(work: Any, batches: Any) -> list[float]:
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        work(batch)
        seconds.append(time.perf_counter() - started)
    return seconds


def learner(ratings: Ratings, *, add_up: bool) -> float:
    """Seconds of a step of hf_cf's own training."""
    here = join()
    settings = settings_for("collab_learner", batch_size=BATCH, n_factors=FACTORS, epochs=2)
    learn, model = build_learner(settings, ratings, None, here)
    ends: list[float] = []
    if not add_up and here.size > 1:
        next(cb for cb in learn.cbs if isinstance(cb, SumOfProcesses)).before_step = lambda: None
    kind = learn.opt_func

    def timed(*arguments: Any, **options: Any) -> Any:
        made = kind(*arguments, **options)
        inner = made.step

        def stepped(*given: Any) -> None:
            inner(*given)
            ends.append(time.perf_counter())

        made.step = stepped
        return made

    learn.opt_func = timed
    run(learn, model, settings, progress=False)
    return statistics.median(np.diff(ends))


def wrapped(ratings: Ratings) -> float:
    """Seconds of a step with PyTorch's wrapper, whole batches, the same optimizer."""
    here = join()
    torch.manual_seed(0)
    model = EmbeddingDotBias(len(ratings.users), len(ratings.items), FACTORS, (0.0, 5.5))
    both = DistributedDataParallel(model, gradient_as_bucket_view=True)
    adam = torch.optim.AdamW(model.parameters(), 5e-3, fused=True)
    pairs = torch.from_numpy(np.stack([ratings.user_codes, ratings.item_codes], 1)).long()
    stars = torch.from_numpy(ratings.stars)

    def work(rows: slice) -> None:
        mse_loss(both(pairs[rows]), stars[rows]).backward()
        adam.step()
        adam.zero_grad()

    share = BATCH // here.size
    firsts = [step * BATCH + here.rank * share for step in range(STEPS)]
    seconds = steps_of(work, [slice(first, first + share) for first in firsts])
    return statistics.median(seconds[2:])


def alternations(ratings: Ratings) -> float:
    """Seconds of one alternation of ``als``."""
    settings = settings_for("als", epochs=3)
    _, epochs = train_als(settings, ratings, None, progress=False)
    return statistics.median(epoch["seconds"] for epoch in epochs)


def worker(rows: int, what: str) -> None:
    torch.set_num_threads(1)
    ratings = draw(rows)
    seconds = {
        "sums": lambda: learner(ratings, add_up=True),
        "none": lambda: learner(ratings, add_up=False),
        "wrapped": lambda: wrapped(ratings),
        "als": lambda: alternations(ratings),
    }[what]()
    if os.environ.get("RANK", "0") == "0":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        Path(os.environ["OUT"]).write_text(json.dumps([seconds, peak]))
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def measured(rows: int, what: str, processes: int) -> tuple[float, float]:
    """Seconds of a step and GiB of the main process, measured in processes of their own."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes"]
        start += [str(processes), "--main_process_port", "0"]
    with tempfile.NamedTemporaryFile() as out:
        environment = {**os.environ, "OUT": out.name, "OMP_NUM_THREADS": "1"}
        command = [*start, __file__, "--rows", str(rows), "--what", what]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        seconds, peak = json.loads(Path(out.name).read_text())
    print(
        f"{rows:,} rows, {what}, {processes}: {seconds * 1000:.0f} ms, {peak:.2f} GiB", flush=True
    )
    return seconds, peak


def main() -> None:
    load = os.getloadavg()[0]
    lines = [
        "| rows | MB of gradients | one process, ms | two, ms | of it the sums, ms | times as fast "
        "| two with DDP, ms | GiB each, one | two | DDP | `als`, an alternation, ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rows in ROWS:
        one, memory = measured(rows, "sums", 1)
        two, memory_two = measured(rows, "sums", 2)
        without, _ = measured(rows, "none", 2)
        ddp, memory_ddp = measured(rows, "wrapped", 2)
        als, _ = measured(rows, "als", 1)
        times = " | ".join(f"{seconds * 1000:.0f}" for seconds in (one, two, two - without))
        lines.append(
            f"| {rows:,} | {rows * (FACTORS + 1) * 4 / 1e6:.0f} | {times} | {one / two:.2f} | "
            f"{ddp * 1000:.0f} | {memory:.2f} | {memory_two:.2f} | {memory_ddp:.2f} | "
            f"{als * 1000:.0f} |"
        )
    report = (
        "# Training in two processes\n\n`collab_learner`, 50 factors, batches of 65,536 ratings; "
        "see `benchmarks/data_parallel.py`. `als` has 20 factors and alternates over all "
        f"{BATCH * STEPS:,} ratings, {STEPS} such batches.\n\n" + "\n".join(lines)
        + f"\n\nPython {platform.python_version()}, torch {torch.__version__}, accelerate "
        f"{version('accelerate')}, hf_cf {hf_cf.__version__}; one thread a process, gloo, "
        f"{os.cpu_count()} cores, {platform.machine()}; load average {load:.1f} at the start.\n"
    )  # fmt: skip
    print(report)
    RESULT.write_text(report)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--what")
    arguments = parser.parse_args()
    if arguments.rows:
        worker(arguments.rows, arguments.what)
    else:
        main()
