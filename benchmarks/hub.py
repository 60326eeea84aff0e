"""What loading and publishing cost: time from a warm cache, memory of a large model, float16.

Run from the repository root with the folder of MovieLens 100K::

    python benchmarks/hub.py ../shared/data/ml-100k

The Hub is the one of the tests, on this machine. Prints Markdown and writes it to
``benchmarks/results/hub.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hub_server import HubServer, environment

from hf_cf import Ratings, RatingScale, Recommender, load_ratings
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.models import EmbeddingDotBias
from hf_cf.training import fit

RESULT = Path(__file__).parent / "results" / "hub.md"
REPO = "user/movies"
PROCESSES, SEEDS = 7, 3
BARE = "import time; t = time.perf_counter(); import torch, pandas; print(time.perf_counter() - t)"
FIRST_RECOMMENDATION = """
import sys, time
start = time.perf_counter()
from hf_cf import Recommender
Recommender.from_pretrained(sys.argv[1]).recommend(ratings={"Fargo (1996)": 5})
print(time.perf_counter() - start)
"""
WARM = """
import json, os, sys, time
import torch
torch.set_num_threads(1)
from hf_cf import Recommender
from huggingface_hub import HfApi, get_session, snapshot_download
import safetensors.torch, pyarrow.parquet
start = time.perf_counter()
get_session()
seconds = [time.perf_counter() - start]
for _ in range(5):
    start = time.perf_counter()
    Recommender.from_pretrained(sys.argv[1])
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""
LARGE = """
import json, re, sys, time
import torch
torch.set_num_threads(1)
from hf_cf import Recommender
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
Recommender.from_pretrained(sys.argv[2])  # what the first load brings in is not the model's
open("/proc/self/clear_refs", "w").write("5")
before, start = memory("VmRSS"), time.perf_counter()
model = Recommender.from_pretrained(sys.argv[1])
seconds = time.perf_counter() - start
print(json.dumps([seconds, memory("VmRSS") - before, memory("VmHWM") - before]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of MovieLens 100K")
    ratings = load_ratings(parser.parse_args().folder)
    with tempfile.TemporaryDirectory() as scratch:
        report = measure(ratings, Path(scratch))
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("torch", "pandas", "pyarrow", "safetensors", "huggingface_hub")
    )
    report += (
        f"\nPython {platform.python_version()}, {versions}; {os.cpu_count()} cores, "
        f"{platform.machine()}; one thread; load average {os.getloadavg()[1]:.1f} at the end.\n"
    )
    print(report)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(report, "utf-8")


def measure(ratings: Ratings, scratch: Path) -> str:
    train, valid = ratings.split(seed=42)
    models = [fit(train, valid, seed=seed, progress=False) for seed in range(SEEDS)]
    models[0].save_pretrained(scratch / "small", include_history=True)
    large(scratch / "large")
    report = "# Loading a model\n\n"
    report += warm(models[0], scratch) + cold(scratch) + memory(scratch)
    return report + half(models, valid, scratch)


def warm(model: Recommender, scratch: Path) -> str:
    """Time `from_pretrained` of what the cache has, and compare answers."""
    home = scratch / "home"
    with HubServer(scratch / "hub") as hub:
        surroundings = environment(hub, home, token=hub.token) | {"OMP_NUM_THREADS": "1"}
        push = (
            "import sys; from hf_cf.space.deployment import push; "
            "push(*sys.argv[1:], include_history=True)"
        )
        alone(push, scratch / "small", REPO, env=surroundings)
        alone(WARM, REPO, env=surroundings)
        runs: dict[str, list[list[float]]] = {"folder": [], "cache": [], "offline": []}
        for _ in range(PROCESSES):
            runs["folder"].append(alone(WARM, scratch / "small", env=surroundings))
            runs["cache"].append(alone(WARM, REPO, env=surroundings))
            offline = surroundings | {"HF_HUB_OFFLINE": "1"}
            runs["offline"].append(alone(WARM, REPO, env=offline))
        snapshot = next((home / "hub").glob("models--user--movies/snapshots/*"))
        same = same_answers(model, Recommender.from_pretrained(snapshot))
    rows = [
        (f"from {what}", [run[1] for run in runs[name]], [s for run in runs[name] for s in run[2:]])
        for name, what in (
            ("folder", "its folder"), ("cache", "the cache, the Hub asked"),
            ("offline", "the cache, offline"),
        )
    ]  # fmt: skip
    table = "".join(
        f"| {what} | {ms(first)} | {1e3 * min(first):.1f} | {ms(later)} |\n"
        for what, first, later in rows
    )
    size = sum(path.stat().st_size for path in (scratch / "small").iterdir())
    trust = ms([run[0] for kind in runs.values() for run in kind])
    return (
        f"`from_pretrained` of the MovieLens 100K model ({size / 1e6:.1f} MB with pictures and "
        f"ratings, both heads), beyond imports and beyond the {trust} ms in which the HTTP client "
        f"reads its certificates, {PROCESSES} processes:\n\n"
        "| | first in its process, median ms | best ms | later, median ms |\n|---|---|---|---|\n"
        f"{table}\nAnswers before and after push and download (users, visitors, similar titles): "
        f"{'equal bit by bit' if same else 'DIFFERENT'}.\n\n"
    )


def cold(scratch: Path) -> str:
    """Compare a process that recommends with one that only imports."""
    bare, first = [], []
    for _ in range(PROCESSES):
        bare.append(alone(BARE))
        first.append(alone(FIRST_RECOMMENDATION, scratch / "small"))
    ratio = statistics.median(first) / statistics.median(bare)
    return (
        f"A new process up to its first recommendation: median {statistics.median(first):.2f} s, "
        f"{ratio:.2f} times `import torch, pandas` ({statistics.median(bare):.2f} s), "
        f"{PROCESSES} processes each in turn.\n\n"
    )


def memory(scratch: Path) -> str:
    """Time and memory of a large model of random numbers."""
    folder = scratch / "large"
    runs = [alone(LARGE, folder, scratch / "small") for _ in range(5)]
    size = sum(path.stat().st_size for path in folder.iterdir())
    seconds, kept, peak = (statistics.median(column) for column in zip(*runs, strict=True))
    return (
        f"162,000 users, 59,000 items, 50 factors ({size / 1e6:.1f} MB), median of 5 processes: "
        f"{seconds:.2f} s; memory {kept / size:.2f} times its files afterwards, "
        f"{peak / size:.2f} times at the peak.\n\n"
    )


def half(models: list[Recommender], valid: Ratings, scratch: Path) -> str:
    """Measure what float16 changes."""
    frame = valid.to_frame()
    losses = []
    for model in models:
        model.save_pretrained(scratch / "half", dtype="float16", include_history=True)
        small = Recommender.from_pretrained(scratch / "half")
        full, cut = (rmse(rec, frame) for rec in (model, small))
        losses.append(cut - full)
    sizes = [(scratch / name / "model.safetensors").stat().st_size for name in ("small", "half")]
    return (
        f'`dtype="float16"` stores {sizes[1] / sizes[0]:.2f} of the weights\' bytes; the RMSE on '
        f"{len(valid):,} held-out ratings changes by {min(losses):+.6f} to "
        f"{max(losses):+.6f} stars ({SEEDS} seeds).\n"
    )


def rmse(rec: Recommender, frame: pd.DataFrame) -> float:
    error = rec.predict(frame["user"], frame["item"]).astype(np.float64) - frame["rating"]
    return float(np.sqrt(np.mean(error**2)))


def same_answers(one: Recommender, other: Recommender) -> bool:
    users, visitor = one.users.ids[:100], {"Fargo (1996)": 5, "Star Wars (1977)": 2}
    return all(
        ask(one).equals(ask(other))
        for ask in (
            lambda rec: rec.recommend(user=users),
            lambda rec: rec.recommend(ratings=visitor, n=100),
            lambda rec: rec.similar("Fargo (1996)", n=100),
            lambda rec: pd.Series(rec.predict(users, one.items.ids[:100])),
        )
    )


def large(folder: Path) -> None:
    """Save a model of random numbers in the shape of MovieLens 25M."""
    n_users, n_items = 162_000, 59_000
    rng = np.random.default_rng(0)
    users = np.concatenate([np.arange(n_users), rng.integers(0, n_users, n_items)]).astype(np.int32)
    items = np.concatenate([rng.integers(0, n_items, n_users), np.arange(n_items)]).astype(np.int32)
    ids = np.sort(rng.choice(np.arange(1, 210_000), n_items, replace=False))
    frame = pd.DataFrame({"user": users + 1, "item": ids[items], "rating": 3.0})
    frame = frame.drop_duplicates(["user", "item"])
    catalogue = pd.DataFrame(
        {
            "id": ids,
            "title": [
                f"The {number:x} Film of the Catalogue ({1950 + number % 70})" for number in ids
            ],
            "genres": rng.choice(["Drama", "Comedy|Romance", "Action|Sci-Fi"], n_items),
        }
    )
    ratings = Ratings.from_frame(frame, catalogue, scale=RatingScale(0.5, 5, 0.5))
    torch.manual_seed(0)
    model = EmbeddingDotBias(len(ratings.users), len(ratings.items), 50, (0.0, 5.5))
    recommender = Recommender(TrainedModel.from_modules(model, ratings, noise=0.7))
    recommender.save_pretrained(folder, include_history=False)


def alone(code: str, *arguments: object, env: dict[str, str] | None = None) -> Any:
    """Run code in a new process; what it printed last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        env=env or os.environ | {"OMP_NUM_THREADS": "1"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None


def ms(seconds: list[float]) -> str:
    return f"{1e3 * statistics.median(seconds):.1f}"


if __name__ == "__main__":
    main()
