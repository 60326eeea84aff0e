"""Time and memory against the number of ratings, from a CSV file to a saved model folder.

Run from the repository root::

    python benchmarks/scaling.py                                  # 0.1 and 1 million, all models
    python benchmarks/scaling.py --millions 0.1 1 5 25 --models collab_learner als
    python benchmarks/scaling.py --millions 100 --models als      # needs some 12 GB of memory

Each point is a process of its own that runs ``hf-cf train`` on generated ratings in the shape of
MovieLens 25M (`ratings_25m.py`): imports, loading, an 80/20 split, training with the default
settings, the ranking head, calibration, evaluation, saving. Seconds are those of the wall clock
and of the processor; the memory is the peak resident size of the process. Points are kept in
``benchmarks/results/scaling.json``, so that large ones can be measured one by one, and drawn from
there to ``benchmarks/results/scaling.md`` and ``docs/images/scaling.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv
from ratings_25m import N_ITEMS, N_RATINGS, N_USERS, generate

import hf_cf

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "images" / "scaling.png"
MODELS = ("als", "collab_learner")
COLOURS = {"als": "#0b7285", "collab_learner": "#d9480f", "bayesian_mf": "#7048e8"}
PANELS = (
    ("processor_seconds", "Processor seconds", (10, 30, 100, 300, 1000)),
    ("gib", "Peak memory, GiB", (0.5, 1, 2, 4, 8)),
)
Point = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 1])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--epochs", type=int, help="instead of each model's own")
    parser.add_argument("--report-only", action="store_true", help="draw what was measured before")
    arguments = parser.parse_args()
    kept = RESULTS / "scaling.json"
    points: list[Point] = json.loads(kept.read_text()) if kept.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for millions in [] if arguments.report_only else arguments.millions:
            path = write_ratings(Path(folder) / f"{millions:g}m.csv", round(millions * 1e6))
            for model in arguments.models:
                point = measure(path, model, Path(folder) / "model", arguments.epochs)
                point |= {"model": model, "ratings": round(millions * 1e6)}
                print(point, flush=True)
                here = (model, point["ratings"])
                points = [p for p in points if (p["model"], p["ratings"]) != here] + [point]
                write_text(kept, json.dumps(points, indent=1) + "\n")
            path.unlink()
    write_text(RESULTS / "scaling.md", report(points))
    draw(points)


def write_ratings(path: Path, n_ratings: int) -> Path:
    """A CSV file of generated ratings; users grow with the ratings, items more slowly."""
    share = n_ratings / N_RATINGS
    made = generate(round(N_USERS * share), round(N_ITEMS * min(1, share**0.5)), n_ratings)
    names = ("user", "item", "rating")
    with path.open("wb") as file:
        file.write(",".join(names).encode() + b"\n")
        for start in range(0, n_ratings, 1 << 20):
            part = slice(start, start + (1 << 20))
            columns = [made.users[part], made.items[part], made.ratings[part]]
            table = pa.table(dict(zip(names, columns, strict=True)))
            csv.write_csv(table, file, csv.WriteOptions(include_header=False))
    return path


def measure(path: Path, model: str, out: Path, epochs: int | None = None) -> Point:
    """Train in a process of its own: its seconds, its peak memory, and what it reports."""
    command = [sys.executable, str(ROOT / "train.py"), "--data", str(path), "--out", str(out)]
    command += ["--model", model, "--quiet"]
    command += [] if epochs is None else ["--epochs", str(epochs)]
    load, started = os.getloadavg()[0], time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # wait4 tells of this one child; getrusage would tell of the largest child so far.
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    saved = json.loads((out / "metrics.json").read_text())
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "gib": peak_gib(usage),
        "rmse": saved["final"]["valid_rmse"],
        "training_seconds": saved["final"]["seconds"],
        "ranking_seconds": saved["final"]["ranking_seconds"],
        "batch_size": saved["settings"]["batch_size"],
        "epochs": saved["settings"]["epochs"],
        "load": load,
    }


def peak_gib(usage: resource.struct_rusage) -> float:
    """Peak resident memory; Linux counts it in KiB."""
    return usage.ru_maxrss / 2**20


def exponent(points: Iterable[Point], quantity: str) -> float:
    """Slope of the quantity against ratings, both in logarithms: 1 is in proportion."""
    x, y = np.log([[p["ratings"], p[quantity]] for p in points]).T
    return float(np.polyfit(x, y, 1)[0])


def by_model(points: list[Point]) -> dict[str, list[Point]]:
    ordered = sorted(points, key=lambda p: (p["model"], p["ratings"]))
    models = dict.fromkeys(point["model"] for point in ordered)
    return {model: [p for p in ordered if p["model"] == model] for model in models}


def report(points: list[Point]) -> str:
    lines = [
        "# Scaling\n",
        "From a CSV file of generated ratings to a saved folder: load, split 80/20, train, ranking",
        "head, calibration, evaluation, save. One process and one run a point; the memory is the",
        "peak resident size, or that of the process which made the ratings where it was larger, so",
        "that it is a bound from above. *load* is that of the machine before the run: from 1 on,",
        "others had a part of the processors, and the processor's seconds are the better guide.\n",
        "| model | million ratings | wall s | processor s | peak GiB | training s | ranking s "
        "| RMSE | batch | epochs | load |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model, own in by_model(points).items():
        lines += [
            f"| {model} | {p['ratings'] / 1e6:g} | {p['seconds']:.0f} "
            f"| {p['processor_seconds']:.0f} | {p['gib']:.2f} | {p['training_seconds']:.1f} "
            f"| {p['ranking_seconds']:.1f} | {p['rmse']:.4f} | {p['batch_size']:,} "
            f"| {p['epochs']} | {p['load']:.1f} |"
            for p in own
        ]
    lines += [
        f"\n{p['model']} at {p['ratings'] / 1e6:g} million: {p['note']}."
        for p in points
        if "note" in p
    ]
    lines.append("\nThe exponents between a million ratings and the most; 1 is in proportion:\n")
    lines += ["| model | processor time | memory |", "|---|---|---|"]
    for model, own in by_model(points).items():
        large = [p for p in own if p["ratings"] >= 1_000_000]
        if len(large) > 1:
            time_, memory = exponent(large, "processor_seconds"), exponent(large, "gib")
            lines.append(f"| {model} | {time_:.2f} | {memory:.2f} |")
    lines.append(
        f"\nPython {platform.python_version()}, torch {torch.__version__}, hf_cf "
        f"{hf_cf.__version__}; {os.cpu_count()} cores, {platform.machine()}, no GPU."
    )
    return "\n".join(lines) + "\n"


def draw(points: list[Point]) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    sizes = sorted({p["ratings"] / 1e6 for p in points})
    for panel, (quantity, title, ticks) in zip(panels, PANELS, strict=True):
        for model, own in by_model(points).items():
            x, y = [p["ratings"] / 1e6 for p in own], [p[quantity] for p in own]
            panel.loglog(x, y, marker="o", label=model, color=COLOURS.get(model))
        panel.set_title(title, loc="left", fontweight="bold")
        panel.set_xlabel("million ratings")
        panel.set_xticks(sizes, [f"{size:g}" for size in sizes])
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        panel.grid(color="#e9ecef")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    temporary = PICTURE.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=120)
    temporary.replace(PICTURE)


def write_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
