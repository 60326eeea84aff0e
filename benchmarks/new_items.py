"""Where new films stand in people's lists: placed by `Recommender.add_items`, or trained with.

A fifth of the ratings is held out, and a tenth of the films is new: of their training ratings
all but a few are taken away. A new film is found well where it stands, for somebody who is to
give it four stars or more, above most of what that person has not seen. The other films must not
suffer, which nDCG@10 of everything held out tells. Then all films, none of them new, by their
number of training ratings: the ranking head trained with the catalogue's features, and without
(``feature_share=0``). Seeds 100 to 102 were used to choose how, the seeds 0 to 4 to report::

    python benchmarks/new_items.py data/ml-100k --out benchmarks/results/new_items.md
"""

from __future__ import annotations

import argparse
import os
import platform
import warnings
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

import hf_cf
from hf_cf import Ratings, Recommender, Vocab
from hf_cf.training import ImplicitALSConfig, fit

LOVED = 4.0
EDGES = (1, 6, 21, 101)
GROUPS = (
    "| below a loved one with this many ratings | 0 | 1 to 5 | 6 to 20 | 21 to 100 | 101 and more "
    "| nDCG@10 |"
)
COLUMNS = "| given | new films | below a new one that is loved | nDCG@10 | new in a top 10 |"


def trained(ratings: Ratings, ranking: ImplicitALSConfig | None = None) -> Recommender:
    """Train a recommender of which only the ranking head matters."""
    ranking = ranking or ImplicitALSConfig()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # no draws, no stars
        return fit(
            ratings, None, "bayesian_mf", epochs=1, burn_in=1, ranking=ranking, progress=False
        )


def found(
    rec: Recommender, train: Ratings, test: Ratings, groups: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], float, npt.NDArray[np.float64]]:
    """Of each group of films: share of unseen films below a loved one, and its part of a top 10.

    Between them nDCG@10. Groups are given for all films, as 0, 1, ...
    """
    head = rec.ranking
    assert head is not None
    factors = head.model.item_factors[rec.items.encode(train.items.ids).astype(np.int64)]
    scores = (head.user_vectors @ factors.T).numpy()
    seen = np.zeros(scores.shape, bool)
    seen[train.user_codes, train.item_codes - 1] = True
    scores[seen] = -np.inf
    discounts = 1 / np.log2(np.arange(2, 12))
    loved = test.take(test.stars >= LOVED)
    below: list[list[float]] = [[] for _ in range(groups.max() + 1)]
    gains, shown = [], []
    for user in np.unique(loved.user_codes):
        own, wanted = scores[user], loved.item_codes[loved.user_codes == user] - 1
        top = np.argsort(-own, kind="stable")[:10]
        ideal = discounts[: min(10, len(wanted))].sum()
        gains.append(discounts[np.isin(top, wanted)].sum() / ideal)
        shown.append(np.bincount(groups[top], minlength=len(below)) / 10)
        unseen = own[np.isfinite(own)]
        for item in wanted:
            below[groups[item]].append(float((unseen < own[item]).mean()))
    means = np.array([np.mean(each) if each else np.nan for each in below])
    return means, float(np.mean(gains)), np.mean(shown, 0)


def measure(whole: Ratings, few: int, seed: int) -> dict[str, list[float]]:
    """Results of one seed by how the new films came in, with `few` ratings of each."""
    train, test = whole.split(0.2, seed=seed)
    rng = np.random.default_rng(seed)
    n = len(whole.items) - 1
    new = np.zeros(n, bool)
    new[rng.permutation(n)[: n // 10]] = True
    of_new = new[train.item_codes - 1]
    order = rng.permutation(np.flatnonzero(of_new))
    place = pd.Series(order).groupby(train.item_codes[order]).cumcount().to_numpy()
    kept = ~of_new
    old = train.take(kept).recode(whole.users, Vocab(whole.items.ids[~new].tolist()))
    kept[order[place < few]] = True
    given = train.take(kept & of_new).to_frame()[["user", "item", "rating"]]
    rows = whole.catalogue[new]
    models = {
        "added": trained(old).add_items(rows, given if few else None),
        "trained with": trained(train.take(kept)),
        "trained with all their ratings": trained(train),
    }
    results = {}
    for name, rec in models.items():
        below, ndcg, shown = found(rec, train, test, new.astype(np.int64))
        results[name] = [float(below[1]), ndcg, float(shown[1])]
    return results


def by_popularity(whole: Ratings, seed: int) -> dict[str, list[float]]:
    """Share of unseen films below a loved one by its number of training ratings, and nDCG@10."""
    train, test = whole.split(0.2, seed=seed)
    groups = np.digitize(train.item_counts()[1:], EDGES)
    results = {}
    configs = {
        "without features": ImplicitALSConfig(feature_share=0.0),
        "with features": ImplicitALSConfig(),
    }
    for name, config in configs.items():
        rec = trained(train, config)
        below, ndcg, _ = found(rec, train, test, groups)
        results[name] = [*below.tolist(), ndcg]
    return results


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", help="folders of datasets")
    parser.add_argument("--out", type=Path, default=Path("new_items.md"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    arguments = parser.parse_args()
    report = ["# New films in people's lists", "", __doc__.split("::")[0] + ".", ""]
    for folder in arguments.data:
        whole = hf_cf.load_ratings(folder)
        report += [f"## {whole.source.name}", "", COLUMNS, "|---|---|---|---|---|"]
        for few in (0, 3, 10):
            results = defaultdict(list)
            for seed in arguments.seeds:
                for name, values in measure(whole, few, seed).items():
                    results[name].append(values)
            for name, rows in results.items():
                row = "| {} | {} | {:.1%} | {:.4f} | {:.1%} |"
                report.append(row.format(few, name, *np.mean(rows, 0)))
                print(report[-1], flush=True)
        report += ["", GROUPS, "|---|---|---|---|---|---|---|"]
        results = defaultdict(list)
        for seed in arguments.seeds:
            for name, values in by_popularity(whole, seed).items():
                results[name].append(values)
        for name, rows in results.items():
            row = "| {} | {:.1%} | {:.1%} | {:.1%} | {:.1%} | {:.1%} | {:.4f} |"
            report.append(row.format(name, *np.nanmean(rows, 0)))
            print(report[-1], flush=True)
        report.append("")
    report.append(
        f"Means of seeds {', '.join(map(str, arguments.seeds))}. {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, torch {version('torch')}, "
        f"{torch.get_num_threads()} threads."
    )
    arguments.out.write_text("\n".join(report) + "\n", "utf-8")


if __name__ == "__main__":
    main()
