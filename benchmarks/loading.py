"""How long loading takes: ml-latest-small next to a bare ``pandas.read_csv`` of the same two files.

Run from the repository root with the folder of the data, and any folders or zips to time once::

    python benchmarks/loading.py ../shared/data/ml-latest-small [/data/ml-25m.zip ...]

Prints Markdown and writes it to ``benchmarks/results/loading.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hf_cf.datasets import load_ratings

RESULT = Path(__file__).parent / "results" / "loading.md"
REPETITIONS = 100
ALONE = """
import resource, sys, time, warnings
from hf_cf.datasets import load_ratings
warnings.simplefilter("ignore")
start = time.perf_counter()
ratings = load_ratings(sys.argv[1], item=sys.argv[2])
seconds = time.perf_counter() - start
print(len(ratings), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of ml-latest-small")
    parser.add_argument("others", type=Path, nargs="*", help="folders or zips to time once each")
    arguments = parser.parse_args()
    report = small(arguments.folder)
    if arguments.others:
        report += alone(arguments.others)
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (pd, pa, np))
    report += (
        f"\nPython {platform.python_version()}, {versions}; {os.cpu_count()} cores, "
        f"{platform.machine()}.\n"
    )
    print(report)
    RESULT.parent.mkdir(exist_ok=True)
    temporary = RESULT.with_suffix(".tmp")
    temporary.write_text(report, encoding="utf-8")
    temporary.replace(RESULT)


def small(folder: Path) -> str:
    def bare() -> None:
        pd.read_csv(folder / "ratings.csv")
        pd.read_csv(folder / "movies.csv")

    ways: dict[str, Callable[[], object]] = {
        "`pandas.read_csv` of ratings.csv and movies.csv": bare,
        "`load_ratings(folder)`: checked, encoded, with links": lambda: load_ratings(folder),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    # The two take turns, so that whatever else the machine does meets both alike.
    for repetition in range(-5, REPETITIONS):
        for way, load in ways.items():
            start = time.perf_counter()
            load()
            if repetition >= 0:
                seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    first = next(iter(medians.values()))
    rows = "".join(
        f"| {way} | {1000 * median:.1f} | {1000 * min(seconds[way]):.1f} | {median / first:.2f} |\n"
        for way, median in medians.items()
    )
    return (
        f"# Loading\n\nml-latest-small from CSV, {REPETITIONS} repetitions in one process:\n\n"
        f"| | median ms | best ms | ratio of medians |\n|---|---|---|---|\n{rows}"
    )


def alone(paths: list[Path]) -> str:
    rows = ""
    for path in paths:
        for item in ("id", "title"):
            out = subprocess.run(
                [sys.executable, "-c", ALONE, str(path), item],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            ratings, seconds, gib = out.split()
            rows += f'| {path.name}, `item="{item}"` | {int(ratings):,} | {float(seconds):.1f} '
            rows += f"| {float(gib):.2f} |\n"
    return (
        "\nEach in a process of its own; the memory is the peak of the process, imports included:\n"
        f"\n| | ratings | seconds | GiB |\n|---|---|---|---|\n{rows}"
    )


if __name__ == "__main__":
    main()
