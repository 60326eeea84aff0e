"""Find films of one series by each other: how often the other film is among the nearest.

Pairs are made from titles by a rule. Of a title without its year, what comes before the first
colon, the first number (``2``, ``II``) or ``Part`` is the name of a series, without an article at
its end. Two films with the same name of a series and different titles are a pair, in both orders.
Films count that have at least 20 ratings on MovieLens 100K and 15 on ml-latest-small; neighbours
are sought among all films. The models are trained on all ratings, with seeds 0 to 2 of the ranking
head; figures are means over pairs and seeds.

Run from the repository root::

    python benchmarks/neighbours.py --ml-100k DATA/ml-100k --ml-latest-small DATA/ml-latest-small
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from kept import kept_lines

import hf_cf
from hf_cf.inference.similarity import ItemSimilarity
from hf_cf.training import ImplicitALSConfig, fit

SEEDS = range(3)
RIDGE = 300.0
_YEAR, _OTHER_TITLE = re.compile(r"\s*\(\d{4}\)\s*$"), re.compile(r"\s*\([^)]*\)")
_ARTICLE = re.compile(r",\s*(The|A|An)$")
_NUMBER = re.compile(r"\s*(:|\bPart\b|\b\d+\b|\b(II|III|IV|V|VI|VII|VIII|IX|X)\b).*$")

Pairs = list[tuple[int, int]]
Likeness = Callable[[torch.Tensor], torch.Tensor]
"""Codes, (m,), to how alike every item is to each, (m, n_items)."""


def name_of_film(title: str) -> str:
    """Write a title without its year, other titles in brackets, and the article at its end."""
    return _ARTICLE.sub("", _OTHER_TITLE.sub("", _YEAR.sub("", title)).strip())


def series_pairs(table: hf_cf.Ratings, least: int) -> Pairs:
    """Ordered pairs of item codes."""
    titles = table.catalogue["title"][table.item_counts()[1:] >= least].drop_duplicates()
    series: dict[str, list[int]] = {}
    for code, title in titles.items():
        name = _ARTICLE.sub("", _NUMBER.sub("", name_of_film(title)).strip(" -")).casefold()
        if name:
            series.setdefault(name, []).append(int(code))
    return [
        (one, other)
        for codes in series.values()
        for one in codes
        for other in codes
        if name_of_film(titles[one]) != name_of_film(titles[other])
    ]


def recall(likeness: Likeness, pairs: Pairs, table: hf_cf.Ratings) -> tuple[float, float, float]:
    """Recall@1, recall@10, and the share of the ten nearest with fewer than ten ratings."""
    asked, other = torch.tensor(pairs).T
    found = likeness(asked).clone()
    found[:, 0] = -torch.inf
    found.scatter_(1, asked[:, None], -torch.inf)
    rank = (found > found.gather(1, other[:, None])).sum(1)
    counts = torch.from_numpy(table.item_counts())
    rare = (counts[found.topk(10).indices] < 10).double().mean()
    return float((rank < 1).double().mean()), float((rank < 10).double().mean()), float(rare)


def cosine(vectors: torch.Tensor) -> Likeness:
    """Compare vectors by direction."""
    unit = torch.nn.functional.normalize(vectors, dim=1)
    return lambda codes: unit[codes] @ unit.T


def of_model(similarity: ItemSimilarity) -> Likeness:
    """Compare items as the model does."""
    return lambda codes: torch.stack([similarity.to_item(int(code)) for code in codes])


def without_features(similarity: ItemSimilarity) -> Likeness:
    return of_model(replace(similarity, content=similarity.content[:, :0]))


def ease(table: hf_cf.Ratings) -> Likeness:
    """Weights of EASE (Steck 2019) for who rated what, made symmetric."""
    seen = who_rated_what(table)
    inverse = torch.linalg.inv(seen.T @ seen + RIDGE * torch.eye(seen.shape[1]).double())
    weights = -inverse / inverse.diagonal()
    both = (weights + weights.T).fill_diagonal_(0)
    return lambda codes: both[codes]


def who_rated_what(table: hf_cf.Ratings) -> torch.Tensor:
    seen = torch.zeros(len(table.users), len(table.items), dtype=torch.float64)
    seen[torch.from_numpy(table.user_codes).long(), torch.from_numpy(table.item_codes).long()] = 1
    return seen


def systems(table: hf_cf.Ratings) -> Iterator[tuple[str, list[Likeness]]]:
    heads = [
        fit(table, model="als", ranking=ImplicitALSConfig(seed=seed), progress=False)
        for seed in SEEDS
    ]
    similarities = [rec.trained.similarity for rec in heads]
    yield "`similar`", [of_model(one) for one in similarities]
    yield "the same without features", [without_features(one) for one in similarities]
    yield "cosine of the ranking head's factors", [cosine(one.factors) for one in similarities]
    alone = fit(table, model="collab_learner", ranking=None, progress=False)
    yield "`similar` of `collab_learner` alone", [of_model(alone.trained.similarity)]
    yield "cosine of `collab_learner`'s factors", [cosine(alone.model.item_embeddings())]
    yield "cosine of who rated what", [cosine(who_rated_what(table).T)]
    yield f"weights of EASE, ridge {RIDGE:g}, made symmetric", [ease(table)]


def report(paths: list[tuple[str, Path, int]]) -> Iterator[str]:
    yield "# Neighbours\n"
    yield (__doc__ or "").split("\n\n")[1]
    yield "\n`rare` is the share of the ten nearest that have fewer than ten ratings."
    for name, path, least in paths:
        table = hf_cf.load_ratings(path)
        pairs = series_pairs(table, least)
        yield f"\n## {name}: {len(pairs)} pairs\n"
        yield "| | recall@1 | recall@10 | rare |\n|---|---|---|---|"
        for system, found in systems(table):
            at_1, at_10, rare = np.mean([recall(one, pairs, table) for one in found], axis=0)
            yield f"| {system} | {at_1:.3f} | {at_10:.3f} | {rare:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ml-100k", type=Path, required=True)
    parser.add_argument("--ml-latest-small", type=Path, required=True)
    results = Path(__file__).parent / "results" / "neighbours.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    small = "ml-latest-small", options.ml_latest_small, 15
    kept_lines(report([("MovieLens 100K", options.ml_100k, 20), small]), options.out)


if __name__ == "__main__":
    main()
