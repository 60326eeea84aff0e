"""How many trainings on a Spark cluster end well when machines are lost on the way.

Run from the repository root (pyspark comes with the extra ``spark``)::

    python benchmarks/spark_lost_machines.py --runs 20

Each run is that of ``tests/spark/test_cluster.py``: a master and two workers on loopback, one of
them killed with its executor while the executors factorize, and one while they recommend. A first
run without a loss tells how long each phase takes; the kills of the others are spread over it.
Prints Markdown and writes it to ``benchmarks/results/spark_lost_machines.md``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "spark_lost_machines.md"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "spark")]


def main() -> None:
    from test_cluster import COLUMNS, ratings, train_and_lose

    import hf_cf
    from hf_cf.evaluation import evaluate

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no run after so long")
    arguments = parser.parse_args()
    base, test = ratings()
    end = time.monotonic() + 60 * arguments.minutes
    rows, errors = [], []
    phases = (0.0, 0.0)
    for run in range(arguments.runs + 1):
        if time.monotonic() > end:
            break
        share = run / (arguments.runs + 1)
        delays = (share * phases[0], share * phases[1]) if run else None
        when = "none lost" if delays is None else f"{delays[0]:.1f} s, {delays[1]:.1f} s"
        started = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                table = place / "ratings.parquet"
                base.to_frame()[COLUMNS[:3]].to_parquet(table)
                took = train_and_lose(place, table, delays)
                rec = hf_cf.Recommender.from_pretrained(place / "model")
                found = evaluate(rec, base, test, resamples=0)
                lists = pq.read_table(place / "lists").num_rows
        except (AssertionError, OSError, ValueError) as error:
            errors.append(f"{when}: {error}")
            print(errors[-1], flush=True)
            continue
        quality = f"{found.value('rmse'):.4f} | {found.value('ndcg@10'):.4f} | {lists:,}"
        phases = phases if run else took
        seconds = f"{took[0]:.1f}, {took[1]:.1f} | {time.monotonic() - started:.0f}"
        rows.append(f"| {when} | {quality} | {seconds} |")
        print(rows[-1], flush=True)
    text = "\n".join(
        [
            "# Machines lost on the way",
            "",
            f"{base!r}, trained on by two workers of one core and 512 MB, a quarter of the users "
            "on the driver. One worker and its executor are killed so long after the first "
            "alternation over all ratings begins, another one so long after recommending begins.",
            "",
            f"{max(len(rows) - 1, 0)} of {len(rows) - 1 + len(errors)} runs with lost machines "
            "ended well.",
            "",
            "| killed after | RMSE | nDCG@10 | rows of lists | s of both phases | s in all |",
            "|---|---|---|---|---|---|",
            *rows,
            *[f"\nFailed: {error}" for error in errors],
            "",
        ]
    )
    RESULT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
