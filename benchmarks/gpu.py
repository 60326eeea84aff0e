"""Training on a GPU and on the same machine's processor, from ML-100K's size to 25 million ratings.

Run from the repository root, on a machine with an NVIDIA GPU::

    python benchmarks/gpu.py --out benchmarks/results/gpu.md
    python benchmarks/gpu.py --share 0.01 --device cpu     # a rehearsal without one

All ratings are generated (`ratings_25m.py`). Each part has a time limit, and all of them together
have one; what does not fit is left out and said. Parts that would take a processor minutes are
measured on a few epochs or sweeps and scaled up, which the table says. Prints progress, and writes
a Markdown report; with ``--profile`` also what a step of fastai's loop does.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ratings_25m import N_ITEMS, N_RATINGS, N_USERS, generate

import hf_cf
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.evaluation import evaluate
from hf_cf.training import fit
from hf_cf.training.als import train_als
from hf_cf.training.bayesian import train_bayesian
from hf_cf.training.learner import build_learner, train_with_fastai
from hf_cf.training.ranking import fit_implicit_als
from hf_cf.training.settings import settings_for

STARTED = time.perf_counter()
Cells = dict[str, str]


class TooLong(Exception):
    """A part has reached its time limit."""


def say(text: str) -> None:
    print(f"[{time.perf_counter() - STARTED:5.0f} s] {text}", flush=True)


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise `TooLong` after some seconds, between two operations."""

    def stop(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    begun = time.perf_counter()
    outer, _ = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        left = outer - (time.perf_counter() - begun)
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.01) if outer else 0)


def synthetic(n_users: int, n_items: int, n_ratings: int) -> hf_cf.Ratings:
    made = generate(n_users, n_items, n_ratings)
    ids = np.arange(1, n_items + 1)
    catalogue = pd.DataFrame(
        {"id": ids, "title": [f"Film {i}" for i in ids]}, index=pd.RangeIndex(1, n_items + 1)
    )
    return hf_cf.Ratings(
        made.users, made.items, made.ratings, Vocab(np.arange(1, n_users + 1)), Vocab(ids),
        catalogue, scale=RatingScale(0.5, 5, 0.5),
    )  # fmt: skip


def als(ratings: hf_cf.Ratings, device: str) -> float:
    settings = settings_for("als", n_ratings=len(ratings))
    train_als(settings, ratings, None, progress=False, device=device)
    return 1.0


def ranking(ratings: hf_cf.Ratings, device: str) -> float:
    fit_implicit_als(
        ratings.user_codes, ratings.item_codes, ratings.stars, n_users=len(ratings.users),
        n_items=len(ratings.items), low=0.5, high=5.0, device=device,
    )  # fmt: skip
    return 1.0


def bayesian(ratings: hf_cf.Ratings, device: str, sweeps: int | None = None) -> float:
    """Sample; the result is what the time is to be multiplied with, where sweeps were left out."""
    settings = settings_for("bayesian_mf", n_ratings=len(ratings))
    whole = settings.burn_in + settings.epochs
    if sweeps is not None:
        settings = settings_for(
            "bayesian_mf", n_ratings=len(ratings), burn_in=0, epochs=sweeps, thin=settings.thin
        )
    train_bayesian(settings, ratings, None, progress=False, device=device)
    return 1.0 if sweeps is None else whole / sweeps


def learner(
    ratings: hf_cf.Ratings, device: str, epochs: int | None = None, **options: Any
) -> float:
    settings = settings_for("collab_learner", n_ratings=len(ratings), **options)
    if epochs is not None:
        whole, changed = settings.epochs, options | {"epochs": epochs}
        settings = settings_for("collab_learner", n_ratings=len(ratings), **changed)
    train_with_fastai(settings, ratings, None, progress=False, device=device)
    return 1.0 if epochs is None else whole / epochs


class Report:
    """What was measured so far, written after each part."""

    def __init__(self, path: Path, device: str, deadline: float) -> None:
        self.path, self.device, self.deadline = path, device, deadline
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Write lines down, and show them."""
        self.lines += lines
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        for text in lines:
            say(text)

    def seconds(self, work: Callable[[], float], at_most: float, rounds: int = 1) -> str:
        """Median wall seconds of some rounds in words, or why there are none."""
        left = self.deadline - time.perf_counter()
        if left < 2:
            return "no time left"
        found, factor = [], 1.0
        try:
            with limit(min(at_most, left)):
                for _ in range(rounds):
                    synchronize(self.device)
                    begun = time.perf_counter()
                    factor = work()
                    synchronize(self.device)
                    found.append((time.perf_counter() - begun) * factor)
        except TooLong:
            if not found:
                return f"over {at_most:.0f}" if at_most < left else "no time left"
        except Exception as error:  # one part must not cost the others their time
            traceback.print_exc()
            return f"failed: {type(error).__name__}"
        return f"{statistics.median(found):.2f}" + ("" if factor == 1.0 else " (scaled up)")


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def compared(gpu: str, cpu: str) -> str:
    """How many times the CPU's seconds are the GPU's, where there are both."""
    try:
        return f"{float(cpu.partition(' ')[0]) / float(gpu.partition(' ')[0]):.1f}"
    except ValueError:
        return ""


def training_table(
    report: Report, ratings: hf_cf.Ratings, parts: dict[str, tuple[Any, Any, float, float, int]]
) -> None:
    report.add(
        "", f"## {len(ratings):,} ratings", "", "| training | GPU s | CPU s | times as fast |",
        "|---|---|---|---|",
    )  # fmt: skip
    for name, (on_gpu, on_cpu, gpu_limit, cpu_limit, rounds) in parts.items():
        say(f"{name}, {len(ratings):,} ratings")
        gpu = report.seconds(partial(on_gpu, ratings, report.device), gpu_limit, rounds)
        cpu = report.seconds(partial(on_cpu, ratings, "cpu"), cpu_limit, max(1, rounds - 1))
        report.add(f"| {name} | {gpu} | {cpu} | {compared(gpu, cpu)} |")


def threads_table(report: Report, ratings: hf_cf.Ratings) -> None:
    """The processor alone, at several numbers of threads."""
    counts = sorted({1, 2, 4, 8, os.cpu_count() or 1})
    report.add(
        "", f"## Threads of the processor, {len(ratings):,} ratings", "",
        "| s | " + " | ".join(map(str, counts)) + " |", "|---" * (1 + len(counts)) + "|",
    )  # fmt: skip
    parts = {"`als`": als, "ranking head": ranking, "`bayesian_mf`": partial(bayesian, sweeps=10)}
    before = torch.get_num_threads()
    for name, work in parts.items():
        cells = []
        for n in counts:
            torch.set_num_threads(n)
            cells.append(report.seconds(partial(work, ratings, "cpu"), 25))
        report.add(f"| {name} | " + " | ".join(cells) + " |")
    torch.set_num_threads(before)


def answers(report: Report, ratings: hf_cf.Ratings, n_users: int) -> None:
    """Answers of the same model on both devices: whether they agree, and how long they take."""
    train, valid = ratings.split(seed=0)
    rec = fit(train, valid, "als", progress=False, device=report.device)
    users = rec.users.ids[:n_users]
    report.add("", "## Answers", "")
    tables = {}
    for device in ("cpu", report.device):
        there = rec.to(device)
        there.recommend(users[:10], n=10)
        begun = time.perf_counter()
        tables[device] = there.recommend(users, n=10)
        took = time.perf_counter() - begun
        novel = there.recommend(ratings={rec.items.ids[0]: 5.0}, n=10, novelty=0.5, diversity=0.3)
        measured = evaluate(there, train, valid.take(slice(0, 20_000)), resamples=10)
        rmse = measured.value("rmse")
        report.add(
            f"- on {device}: {took:.2f} s for lists of {len(users):,} users and "
            f"{len(rec.items) - 1:,} items; {len(novel)} novel items; RMSE {rmse:.6f}"
        )
    rec.to("cpu")
    same = (tables["cpu"]["item"].to_numpy() == tables[report.device]["item"].to_numpy()).mean()
    report.add(f"- {same:.2%} of the places in the lists agree")
    for what in ("als", "bayesian_mf"):
        errors = {
            device: fit(
                train,
                valid,
                what,
                ranking=None,
                progress=False,
                device=device,
                epochs=5,
                burn_in=5,
            ).metrics["valid_rmse"]
            for device in ("cpu", report.device)
        }
        report.add(f"- `{what}`, trained on either: RMSE " + str(errors))


def profile(ratings: hf_cf.Ratings, device: str, path: Path) -> None:
    """What happens in some steps of fastai's loop, by operation."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    settings = settings_for("collab_learner", n_ratings=len(ratings), epochs=1)
    few = ratings.take(slice(0, 60 * settings.batch_size))
    learn, _ = build_learner(settings, few, None, device)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1, settings.lr)  # what is compiled or reserved once
        kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
        begun = time.perf_counter()
        learn.fit_one_cycle(1, settings.lr)
        synchronize(device)
        plain = time.perf_counter() - begun
        with profiler(activities=kinds) as found:
            learn.fit_one_cycle(1, settings.lr)
            synchronize(device)
    order = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
    table = found.key_averages()
    text = f"{plain / len(learn.dls.train) * 1e3:.2f} ms a step of {settings.batch_size:,}\n"
    text += table.table(sort_by=order, row_limit=25, max_name_column_width=60)
    text += table.table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=60)
    path.write_text(text, encoding="utf-8")
    print(text[:6000], flush=True)


def of_small(report: Report) -> None:
    ratings = synthetic(943, 1_682, 100_000)
    als(ratings, report.device)  # wakes the device
    sampled = partial(bayesian, sweeps=100)
    parts = {
        "`als`": (als, als, 10, 10, 3),
        "ranking head": (ranking, ranking, 15, 15, 3),
        "`bayesian_mf`": (sampled, sampled, 25, 25, 1),
        "`collab_learner`": (learner, learner, 20, 20, 1),
    }
    training_table(report, ratings, parts)


def of_large(report: Report, share: float) -> None:
    ratings = synthetic(round(N_USERS * share), round(N_ITEMS * share), round(N_RATINGS * share))
    parts = {
        "`als`": (als, als, 20, 30, 2),
        "ranking head": (ranking, ranking, 20, 40, 2),
        "`collab_learner`": (learner, partial(learner, epochs=1), 40, 40, 1),
        "`bayesian_mf`": (bayesian, partial(bayesian, sweeps=6), 60, 45, 1),
    }
    training_table(report, ratings, parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = ("small", "large", "precision", "threads", "answers")
    parser.add_argument("--parts", nargs="+", choices=names, default=list(names))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--share", type=float, default=1.0, help="of the large data to generate")
    parser.add_argument("--minutes", type=float, default=7, help="for everything")
    parser.add_argument("--profile", type=Path, help="file for a profile of fastai's step")
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "gpu.md")
    options = parser.parse_args()
    name = torch.cuda.get_device_name() if options.device == "cuda" else "no GPU"
    report = Report(options.out, options.device, STARTED + options.minutes * 60)
    report.add(
        "# On a GPU", "",
        f"{name}; {os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, Python "
        f"{platform.python_version()}. Generated ratings; wall seconds of the whole training, from "
        "columns of codes on the processor to a model on the device, one run where nothing else "
        "is said.",
    )  # fmt: skip
    share = options.share

    def some(millions: float) -> hf_cf.Ratings:
        n = millions * 1e6 * share
        return synthetic(round(n / 154), round(N_ITEMS * (n / N_RATINGS) ** 0.5), round(n))

    parts: dict[str, Callable[[], None]] = {
        "small": partial(of_small, report),
        "large": partial(of_large, report, share),
        "threads": lambda: threads_table(report, some(2)),
        "answers": lambda: answers(report, some(0.5), 6_000),
    }
    for part in options.parts:
        say(part)
        try:
            with limit(max(1.0, report.deadline - time.perf_counter())):
                parts[part]()
        except Exception as error:  # one part must not cost the others their time
            traceback.print_exc()
            report.add(f"- {part} failed: {type(error).__name__}: {error}")
    if options.profile is not None:
        profile(some(5), options.device, options.profile)
    say("done")


if __name__ == "__main__":
    main()
