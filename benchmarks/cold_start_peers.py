"""What libraries offer to people whom a model was not trained on: how good, and how fast.

20% of the users are held out. Each tells 10 ratings; the second half of their ratings is ranked and
predicted. implicit answers by `recalculate_user`, LensKit by scoring a new user's items, Surprise
by training again, since it has no other way. The libraries run in processes of their own, one
thread each, under the interpreters that have them::

    python benchmarks/cold_start_peers.py --data ml-100k ml-latest-small \
        --python Surprise=peers/bin/python LensKit=lenskit/bin/python

Settings of the peers are chosen on visitors cut from the training part of seed 0; those of
Surprise are the best of `rating_accuracy.py`. hf_cf runs with its defaults. Writes
`benchmarks/results/cold_start_peers.md`; with ``--keep FOLDER`` what was measured of a library is
kept there, so that a run can be stopped and go on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kept import kept

import hf_cf
from hf_cf.data.history import History
from hf_cf.data.vocab import Codes
from hf_cf.evaluation import metrics
from hf_cf.evaluation.baselines import popularity, same_order_for_all
from hf_cf.evaluation.protocol import default_threshold

HERE = Path(__file__).parent
RESULT = HERE / "results/cold_start_peers.md"
GIVEN = 10
LIKED = [
    {"factors": 64, "regularization": reg, "alpha": alpha, "threshold": 4}
    for reg in (10.0, 40.0) for alpha in (2.0, 5.0)
]  # fmt: skip
NAMES = {"factors": "embedding_size", "alpha": "weight"}
CHOICES: dict[str, list[dict[str, Any]]] = {
    "hf_cf": [{}],
    "implicit": LIKED,
    "LensKit": [{NAMES.get(k, k): v for k, v in one.items()} for one in LIKED],
    "Surprise": [{"n_factors": 100, "n_epochs": 30, "reg_all": 0.1, "lr_all": 0.01}],
}
HOW = {
    "hf_cf": "hf_cf, `recommend(ratings=...)`",
    "implicit": "implicit ALS, `recalculate_user`",
    "LensKit": "LensKit implicit MF, new user's items",
    "Surprise": "Surprise SVD, trained again",
}


class Case:
    """Visitors, and the folder of tables that the libraries see."""

    def __init__(self, train: hf_cf.Ratings, test: hf_cf.Ratings, seed: int, folder: Path) -> None:
        self.train, self.folder = train, folder
        shuffled = test.take(np.random.default_rng(seed).permutation(len(test)))
        history = History.from_ratings(shuffled)
        history = history.take(np.flatnonzero(np.diff(history.starts) >= 2))
        owners = history.user_codes()
        place = history.places()
        first_half = place < (np.diff(history.starts) // 2)[owners]
        self.given = history.where(first_half & (place < GIVEN))
        self.target = history.where(~first_half)
        liked = self.target.where(self.target.stars >= default_threshold(train.scale))
        self.ranked = np.flatnonzero(np.diff(liked.starts))
        self.relevant = liked.take(self.ranked)
        folder.mkdir(parents=True)
        for name, person, table in (
            ("train", "user", History.from_ratings(train)),
            ("given", "person", self.given),
            ("target", "person", self.target),
        ):
            columns = {person: table.user_codes(), "item": table.items, "rating": table.stars}
            pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)

    def ndcg(self, lists: Codes) -> float:
        """Mean nDCG@10 of lists for those of `ranked`."""
        hits = metrics.find_hits(lists, self.relevant)
        return float(metrics.ndcg(hits, np.diff(self.relevant.starts)).mean())

    def most_popular(self) -> dict[str, Any]:
        """What everybody likes, less what was told."""
        liked = popularity(self.train, at_least=default_threshold(self.train.scale))
        return {"ndcg": self.ndcg(same_order_for_all(liked, self.given.take(self.ranked), 10))}

    def ask(self, python: str, system: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Run a library on the tables, and measure what it says."""
        files = {name: self.folder / f"{name}.npy" for name in ("lists", "stars")}
        for file in files.values():
            file.unlink(missing_ok=True)
        command = [python, str(HERE / "cold_start_systems.py"), system, str(self.folder)]
        done = subprocess.run(
            [*command, json.dumps(settings)], capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{system}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if files["lists"].exists():
            found["ndcg"] = self.ndcg(np.load(files["lists"])[self.ranked].astype(np.int32))
        if files["stars"].exists():
            low, high = self.train.scale.min, self.train.scale.max
            error = np.load(files["stars"]).clip(low, high) - self.target.stars
            found["rmse"] = float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))
        return found


def measure(data: str, seeds: int, pythons: dict[str, str], root: Path, keep: Path | None) -> str:
    """One table: every system with the settings that were best on validation visitors."""
    ratings, name = hf_cf.load_ratings(data), Path(data).name
    inner = ratings.split(by="user", seed=0)[0].split(by="user", seed=1000)
    validation = Case(*inner, 0, root / name / "validation")
    cases = [
        Case(*ratings.split(by="user", seed=seed), seed, root / name / str(seed))
        for seed in range(seeds)
    ]

    def tested(system: str) -> pd.DataFrame:
        python, choices = pythons.get(system, sys.executable), CHOICES[system]
        best = choices[0]
        if len(choices) > 1:
            best = max(choices, key=lambda one: validation.ask(python, system, one)["ndcg"])
        rows = pd.DataFrame([case.ask(python, system, best) for case in cases])
        return rows.assign(settings=json.dumps(best))

    rows = {"most popular": pd.DataFrame([case.most_popular() for case in cases])}
    chosen = []
    for system in CHOICES:
        found = kept(keep, f"peers-{name}-{seeds}-{system}", partial(tested, system))
        rows[HOW[system]] = found
        chosen.append(f"- {HOW[system]}: {found['version'].iloc[0]}, `{found['settings'].iloc[0]}`")
        print(name, system, found.mean(numeric_only=True).to_dict(), flush=True)
    lines = [
        f"## {name}, {seeds} seeds\n",
        "| | nDCG@10 | RMSE | one visitor, ms | training, s |\n|---|---|---|---|---|",
    ]
    digits = {"ndcg": 4, "rmse": 4, "one_ms": 2, "fit_s": 1}
    for label, table in rows.items():
        cells = [
            f"{table[column].mean():,.{n}f}" if column in table else ""
            for column, n in digits.items()
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *chosen, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["ml-100k", "ml-latest-small"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--python", nargs="*", default=[], metavar="SYSTEM=INTERPRETER")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as root:
        tables = [
            measure(data, arguments.seeds, pythons, Path(root), arguments.keep)
            for data in arguments.data
        ]
    told, settings = ((__doc__ or "").split("\n\n")[part].strip() for part in (1, 3))
    RESULT.write_text(
        "# Visitors: hf_cf beside other libraries\n\n"
        + " ".join(f"{told.removesuffix('::')}. {settings.partition(' Writes')[0]}".split())
        + " Means over seeds. A visitor's time is the median of one call, warm, from their 10 "
        "ratings to a list of 10: hf_cf's with titles and stars as a DataFrame, the others' as "
        f"arrays. {platform.machine()}, {os.cpu_count()} cores, load average {load:.1f} at the "
        f"start, Python {platform.python_version()}.\n\n" + "\n".join(tables),
        "utf-8",
    )


if __name__ == "__main__":
    main()
