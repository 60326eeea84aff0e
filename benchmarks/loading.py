"""How long loading takes: ml-latest-small next to a bare ``pandas.read_csv`` of the same two files.

Run from the repository root with the folder of the data::

    python benchmarks/loading.py ../shared/data/ml-latest-small [--large]

With ``--large`` also a folder and a zip of generated ratings in the shape of MovieLens 25M.
Prints Markdown and writes it to ``benchmarks/results/loading.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv
from ratings_25m import generate

from hf_cf.data.readers import load_ratings

RESULT = Path(__file__).parent / "results" / "loading.md"
REPETITIONS = 100
ALONE = """
import json, pathlib, sys, time, warnings
from hf_cf.data.readers import load_ratings
warnings.simplefilter("ignore")
start = time.perf_counter()
ratings = load_ratings(pathlib.Path(sys.argv[1]), **json.loads(sys.argv[2]))
seconds = time.perf_counter() - start
# Not ru_maxrss, which begins with the size of the process that started this one.
status = pathlib.Path("/proc/self/status").read_text()
print(len(ratings), seconds, int(status.split("VmHWM:")[1].split()[0]) / 2**20)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the folder of ml-latest-small")
    parser.add_argument("--large", action="store_true", help="25 million generated ratings too")
    arguments = parser.parse_args()
    report = small(arguments.folder)
    if arguments.large:
        report += large()
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
    # The two alternate, so that whatever else the machine does meets both alike.
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


def large() -> str:
    rows = ""
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_25m(Path(temporary) / "ml-25m")
        parquet = Path(temporary) / "ratings.parquet"
        pq.write_table(csv.read_csv(folder / "ratings.csv"), parquet)
        zipped = Path(shutil.make_archive(str(folder), "zip", temporary, "ml-25m"))
        for path, options in (
            (folder, {}),
            (folder, {"item": "title"}),
            (zipped, {}),
            (folder / "ratings.csv", {"rating_col": "rating"}),
            (parquet, {}),
        ):
            command = [sys.executable, "-c", ALONE, str(path), json.dumps(options)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            ratings, seconds, gib = out.split()
            how = "".join(f", `{name}={value!r}`" for name, value in options.items())
            rows += f"| {path.name}{how} | {int(ratings):,} | {float(seconds):.1f} "
            rows += f"| {float(gib):.2f} |\n"
        size = (folder / "ratings.csv").stat().st_size / 1e6
    return (
        f"\nGenerated ratings in the shape of MovieLens 25M (ratings.csv: {size:.0f} MB), each in "
        "a process of its own; the memory is the peak of the process, imports included:\n\n"
        f"| | ratings | seconds | GiB |\n|---|---|---|---|\n{rows}"
    )


def write_25m(folder: Path) -> Path:
    """A folder like that of MovieLens 25M, with ratings that nobody gave."""
    folder.mkdir()
    made = generate()
    rng = np.random.default_rng(0)
    levels = pa.array([f"{half / 2:.1f}" for half in range(11)])
    stars = pa.DictionaryArray.from_arrays(pa.array((made.ratings * 2).astype(np.int8)), levels)
    times = rng.integers(789_652_009, 1_574_327_703, len(made.users))
    # MovieLens 25M has ids up to 209,171 for its 62,423 films.
    ids = np.sort(rng.choice(209_171, 62_423, replace=False)) + 1
    rated = np.sort(rng.choice(ids, made.n_items - 1, replace=False))
    table = pa.table(
        {"userId": made.users, "movieId": rated[made.items - 1], "rating": stars, "time": times}
    )
    with (folder / "ratings.csv").open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for start in range(0, len(table), 1 << 20):
            part = table.slice(start, 1 << 20).cast(
                pa.schema([*[*table.schema][:2], ("rating", pa.string()), ("time", pa.int64())])
            )
            csv.write_csv(part, file, csv.WriteOptions(include_header=False, quoting_style="none"))
    films = "".join(f'{i},"Film No. {i}, The ({1930 + i % 90})",Comedy|Drama\n' for i in ids)
    (folder / "movies.csv").write_text(f"movieId,title,genres\n{films}", encoding="utf-8")
    links = "".join(f"{i},{i:07d},{i}\n" for i in ids)
    (folder / "links.csv").write_text(f"movieId,imdbId,tmdbId\n{links}", encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
