"""How score, popularity and likeness are blended for visitors: the curve from which it was chosen.

A fifth of the users are validation people. Each gives up to five ratings of four stars and more, as
a visitor does who rates what they love; the second half of their ratings is to be found. With c the
number of ratings and d the likeness to what was given, lists of ten are ordered by
``score * (1 + c) ** (-novelty / 2) * exp(likeness * d)``; bounds and other rules of the Space are
left out. nDCG@10, and the same weighted by inverse propensity; means over split seeds 101 and 102.

Run from the repository root; prints Markdown and writes ``benchmarks/results/visitor_blend.md``::

    python benchmarks/visitor_blend.py --data DATA
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import hf_cf
from hf_cf.data.history import History
from hf_cf.evaluation import metrics
from hf_cf.evaluation.simulated_visitors import SimulatedVisitors
from hf_cf.inference.top_n import discount_popularity, hide_rated
from hf_cf.inference.users import Visitors
from hf_cf.training import fit

ROOT = Path(__file__).parent
DATA = ("ml-100k", "ml-latest-small")
SEEDS = (101, 102)
GIVEN = 5
NOVELTIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
LIKENESSES = (0.0, 1.0, 2.0, 3.0)

Pair = tuple[float, float]


def curve(path: Path, seed: int) -> dict[tuple[float, float], Pair]:
    """Plain and weighted nDCG@10 by likeness and novelty."""
    train, valid = hf_cf.load_ratings(path).split(0.2, seed, by="user")
    rec = fit(train, None, progress=False)
    people = SimulatedVisitors.split(rec, train, valid, k=10, relevant_from=None, seed=seed)
    liked = people.observed.where(people.observed.stars >= 4)
    given = liked.where(liked.places() < GIVEN).take(people.ranked)
    model = rec.trained
    vectors = model.scorer.vectors(Visitors(given))
    scores = model.scorer.scores(vectors, out=torch.empty(len(people.ranked), len(rec.items)))
    near = _likeness(rec, given)
    weights = metrics.inverse_propensities(people.train.item_counts())
    found = {}
    for likeness in LIKENESSES:
        for novelty in NOVELTIES:
            blend = discount_popularity(scores, model.log_popularity, novelty)
            blend = torch.where(blend > 0, blend * torch.exp(likeness * near), blend)
            hide_rated(blend, vectors.rated)
            blend[:, 0] = -torch.inf
            top = blend.topk(10).indices.numpy().astype(np.int32)
            weighted = metrics.propensity_weighted(top, people.relevant, weights)["ips_ndcg"]
            found[likeness, novelty] = people.ndcg(top), float(weighted.mean())
    return found


def _likeness(rec: hf_cf.Recommender, given: History) -> torch.Tensor:
    """How like every item is to what each has given, shape (B, n_items)."""
    vectors = rec.trained.similarity.vectors(torch.arange(len(rec.items)))
    middle = (rec.scale.min + rec.scale.max) / 2
    rows = []
    for row in range(given.n_rows):
        items, stars = given.of(row)
        weight = torch.from_numpy((stars - middle) / (rec.scale.max - middle)).float()
        profile = vectors[torch.from_numpy(items).long()].T @ weight
        rows.append(vectors @ profile / (weight.abs().sum() + 1))
    return torch.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data
    report = "# The blend for visitors\n\nnDCG@10 / the same weighted by inverse propensity.\n"
    for name in DATA:
        runs = [curve(folder / name, seed) for seed in SEEDS]
        report += f"\n## {name}\n\n| novelty | "
        report += " | ".join(f"likeness {each:g}" for each in LIKENESSES)
        report += " |\n|---|" + "---|" * len(LIKENESSES) + "\n"
        for novelty in NOVELTIES:
            pairs = [
                np.mean([run[likeness, novelty] for run in runs], 0) for likeness in LIKENESSES
            ]
            cells = " | ".join(f"{plain:.3f} / {weighted:.4f}" for plain, weighted in pairs)
            report += f"| {novelty:g} | {cells} |\n"
    print(report)
    (ROOT / "results" / "visitor_blend.md").write_text(report)


if __name__ == "__main__":
    main()
